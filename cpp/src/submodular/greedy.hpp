// Lazy greedy: exactly what greedy chooses, with few oracle queries.
#pragma once

#include <vector>

#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

// Minoux's accelerated greedy over `pool` (duplicates allowed), from what is chosen already up to k. Ties go to the lowest id.
Solution lazy_greedy(const GroundSet& ground, std::vector<Slot> pool, Solution chosen = {});

}  // namespace pyalgo::submodular
