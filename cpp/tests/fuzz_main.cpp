// Runs the fuzz target without libFuzzer: mutations of real snapshots, the same ones every time.
#include <cstdlib>
#include <string>
#include <vector>

#include "every_objective.hpp"
#include "pyalgo/rng.hpp"
#include "pyalgo/submodular.hpp"

using namespace pyalgo;
using namespace pyalgo::submodular;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::string snapshot(std::uint8_t byte) {
  const unsigned objective_kind = kind_of(byte);
  const Settings settings = settings_of(byte);
  const auto objective = objective_of(objective_kind);
  const FourElements payload(objective_kind);
  const bool known = objective_kind == 8;  // a kernel is given whole, ahead
  if (known) objective->add_known(payload.batch(), 4);
  DynamicMaximizer maximizer(objective, settings);
  const std::vector<std::int64_t> ids{0, 1, 2, 3};
  const std::vector<std::int8_t> op{1, 1, 1, 1}, gone{-1};
  const std::vector<std::uint32_t> groups(settings.constraint ? std::vector<std::uint32_t>{0, 1, 0, 1}
                                                              : std::vector<std::uint32_t>{});
  maximizer.update(op, {KeyKind::integer, ids, {}}, known ? nullptr : &payload.batch(), groups);
  maximizer.update(gone, {KeyKind::integer, {ids.data() + 2, 1}, {}}, nullptr, {groups.data(), groups.empty() ? 0U : 1U});
  return std::string(1, static_cast<char>(byte)) + maximizer.save(R"({"told":[1]})");
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20000;
  for (unsigned i = 0; i < 6 * n_kinds; ++i) {
    const unsigned method = i / n_kinds % 3, grid = i / n_kinds / 3;  // levels, param, constrained; window, all
    const auto byte = static_cast<std::uint8_t>(i % n_kinds + 32 * method + 128 * grid);
    const std::string whole = snapshot(byte);
    PhiloxStream random(byte, 0, 0);
    for (int round = 0; round < rounds; ++round) {
      std::string bytes = whole;
      for (std::uint32_t changes = 1 + random.below(4); changes > 0; --changes) {
        const std::uint32_t at = 1 + random.below(static_cast<std::uint32_t>(bytes.size()) - 1);
        const std::uint32_t how = random.below(4);
        bytes[at] = static_cast<char>(how == 0   ? 0xff
                                      : how == 1 ? 0
                                      : how == 2 ? random.below(4)
                                                 : static_cast<unsigned char>(bytes[at]) ^ (1U << random.below(8)));
      }
      if (random.below(8) == 0) bytes.resize(1 + random.below(static_cast<std::uint32_t>(bytes.size())));
      LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    }
  }
  return 0;
}
