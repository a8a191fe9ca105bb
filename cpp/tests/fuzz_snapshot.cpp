// Bytes of unknown origin, past the checksum: they are refused, or give an object that works.
#include <cstddef>
#include <cstdint>

#include "every_objective.hpp"
#include "pyalgo/submodular.hpp"

using namespace pyalgo;
using namespace pyalgo::submodular;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const auto objective = objective_of(kind_of(data[0]));
  try {
    std::string annex;
    const auto maximizer = DynamicMaximizer::load(objective, settings_of(data[0]), {data + 1, size - 1}, annex);
    maximizer->query(true, true);
    (void)maximizer->save(annex);
  } catch (const SnapshotFormatError&) {
  }
  return 0;
}
