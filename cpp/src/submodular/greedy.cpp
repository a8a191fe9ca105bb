#include "greedy.hpp"

#include <algorithm>
#include <queue>
#include <utility>

namespace pyalgo::submodular {

Solution lazy_greedy(const GroundSet& ground, std::vector<Slot> pool, Solution chosen) {
  const auto is_chosen = [&](Slot slot) { return std::count(chosen.slots.begin(), chosen.slots.end(), slot) > 0; };
  pool.erase(std::remove_if(pool.begin(), pool.end(), is_chosen), pool.end());
  std::sort(pool.begin(), pool.end(), [&](Slot a, Slot b) { return ground.ids.at(a) < ground.ids.at(b); });
  pool.erase(std::unique(pool.begin(), pool.end()), pool.end());

  // The largest known bound on a gain first; of equal ones the lowest id, which is the first of the sorted pool.
  using Bound = std::pair<double, std::size_t>;
  const auto later = [](const Bound& a, const Bound& b) {
    return a.first < b.first || (a.first == b.first && a.second > b.second);
  };
  std::vector<Bound> bounds;
  for (std::size_t i = 0; i < pool.size(); ++i) bounds.emplace_back(ground.elements[pool[i]].single, i);
  std::priority_queue<Bound, std::vector<Bound>, decltype(later)> queue(later, std::move(bounds));

  Solution solution = std::move(chosen);
  const auto chain = ground.objective->chain();
  chain->open();
  for (Slot slot : solution.slots) chain->add(ground.elements[slot].row);
  while (!queue.empty() && solution.slots.size() < ground.settings.k) {
    auto [bound, i] = queue.top();
    queue.pop();
    const Row row = ground.elements[pool[i]].row;
    bound = chain->top_gain(row);
    if (bound <= 0) continue;
    if (!queue.empty() && later(Bound(bound, i), queue.top())) {
      queue.emplace(bound, i);
      continue;
    }
    solution.slots.push_back(pool[i]);
    solution.gains.push_back(chain->add(row));
  }
  solution.value = chain->value();
  return solution;
}

}  // namespace pyalgo::submodular
