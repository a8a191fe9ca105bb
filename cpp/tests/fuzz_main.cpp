// Runs the fuzz target without libFuzzer: mutations of real snapshots, the same ones every time.
#include <cstdlib>
#include <string>
#include <vector>

#include "pyalgo/rng.hpp"
#include "pyalgo/submodular.hpp"

using namespace pyalgo;
using namespace pyalgo::submodular;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

std::string snapshot(std::uint8_t kind) {
  Settings settings;
  settings.k = 3;
  settings.all_guesses = (kind & 4) != 0;
  const auto objective = kind % 3 == 0   ? make_coverage({}, {})
                         : kind % 3 == 1 ? make_facility_location()
                                         : make_feature_based(Concave::sqrt, 1.0, {});
  DynamicMaximizer maximizer(objective, settings);
  const std::vector<std::int64_t> offsets{0, 2, 4, 6, 8}, keys{1, 2, 2, 3, 5, 6, 1, 7}, ids{10, 11, 12, 13};
  const std::vector<double> values{1.0, 2.0, 2.0, 0.5, 3.0, 1.0, 1.0, 0.25};
  PayloadBatch payload;
  payload.has_keys = kind % 3 != 2;
  payload.has_values = kind % 3 != 0;
  payload.key_offsets = payload.value_offsets = offsets;
  payload.keys = {KeyKind::integer, keys, {}};
  payload.values = values;
  const std::vector<std::int8_t> op{1, 1, 1, 1}, gone{-1};
  maximizer.update(op, {KeyKind::integer, ids, {}}, &payload);
  maximizer.update(gone, {KeyKind::integer, {ids.data() + 2, 1}, {}}, nullptr);
  return std::string(1, static_cast<char>(kind)) + maximizer.save();
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::atoi(argv[1]) : 20000;
  for (std::uint8_t kind : {0, 1, 2, 4, 5, 6}) {
    const std::string whole = snapshot(kind);
    PhiloxStream random(kind, 0, 0);
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
