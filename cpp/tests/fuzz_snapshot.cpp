// Bytes of unknown origin, past the checksum: they are refused, or give an object that works.
#include <cstddef>
#include <cstdint>

#include "every_objective.hpp"
#include "pyalgo/submodular.hpp"

using namespace pyalgo;
using namespace pyalgo::submodular;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  Settings settings;
  settings.k = 3;
  settings.all_guesses = (data[0] & 128) != 0;
  const auto objective = objective_of((data[0] & 127U) % n_kinds);
  try {
    const auto maximizer = DynamicMaximizer::load(objective, settings, {data + 1, size - 1});
    maximizer->query(true, true);
    (void)maximizer->save();
  } catch (const SnapshotFormatError&) {
  }
  return 0;
}
