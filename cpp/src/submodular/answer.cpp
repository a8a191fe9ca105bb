// The answers of the dynamic maximiser: which elements, and how good they are.
#include <algorithm>
#include <functional>
#include <limits>

#include "guess.hpp"
#include "pyalgo/rng.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {
namespace {

// How many candidates a guess puts into the pool of a refined query, times k.
constexpr std::size_t candidates_per_pick = 2;

}  // namespace

Solution DynamicMaximizer::query(bool refine, bool certificate) const {
  std::lock_guard<Objective> lock(*ground_.objective);
  std::optional<Solution>& cached = cache_[refine];
  if (!cached) cached = refine ? refined() : published();
  Solution solution = *cached;
  for (Slot slot : solution.slots) solution.ids.push_back(ground_.ids.at(slot));
  if (certificate) solution.upper_bound = std::min(solution.upper_bound, greedy_bound(solution));
  return solution;
}

// The live sample of the best guess; where it lacks some of k, those that came nearest to it.
Solution DynamicMaximizer::published() const {
  std::vector<const Guess*> promising;
  for (const auto& [j, guess] : guesses_) promising.push_back(guess.get());
  std::stable_sort(promising.begin(), promising.end(),
                   [](const Guess* a, const Guess* b) { return a->live_gain() > b->live_gain(); });
  Solution best;
  const Guess* source = nullptr;
  for (const Guess* guess : promising) {
    if (guess->value() <= best.value) continue;  // what lives of G is worth no more than G
    Solution solution = live_solution(*guess);
    if (solution.value > best.value) best = std::move(solution), source = guess;
  }
  if (source != nullptr && best.slots.size() < ground_.settings.k) {
    std::vector<Slot> pool;
    source->append_candidates(ground_.settings.k, pool);
    extend(best, std::move(pool));
  }
  if (magnitudes_.empty()) return best;
  const double largest = ground_.grid.at(magnitudes_.rbegin()->first + 1);  // above every f({e})
  best.upper_bound = std::max(best.value, std::min(window().upper, ground_.settings.k * largest));
  return best;
}

// Lazy greedy over the live samples of every guess worth at least 0.4 of the best and those that came nearest to them, and
// the drawn candidates.
Solution DynamicMaximizer::refined() const {
  Solution best = published();
  std::vector<Slot> pool;
  for (const auto& [j, guess] : guesses_)
    if (guess->live_gain() >= 0.4 * best.value || guess->gamma() == best.guess) {
      guess->append_live_sample(pool);
      guess->append_candidates(candidates_per_pick * ground_.settings.k, pool);
    }
  draw_candidates(pool);
  Solution greedy;
  extend(greedy, std::move(pool));
  if (greedy.value <= best.value) return best;
  greedy.upper_bound = std::max(greedy.value, best.upper_bound);
  greedy.guess = best.guess;
  return greedy;
}

// Lazy greedy from what is chosen already; ties go to the lowest id.
void DynamicMaximizer::extend(Solution& solution, std::vector<Slot> pool) const {
  const auto rows_of = [this](const std::vector<Slot>& slots) {
    std::vector<Row> rows;
    for (Slot slot : slots) rows.push_back(ground_.elements[slot].row);
    return rows;
  };
  std::vector<Slot> chosen = solution.slots;
  std::sort(chosen.begin(), chosen.end());
  const auto is_chosen = [&](Slot slot) { return std::binary_search(chosen.begin(), chosen.end(), slot); };
  pool.erase(std::remove_if(pool.begin(), pool.end(), is_chosen), pool.end());
  std::sort(pool.begin(), pool.end(), [this](Slot a, Slot b) { return ground_.ids.at(a) < ground_.ids.at(b); });
  pool.erase(std::unique(pool.begin(), pool.end()), pool.end());
  Fits fits;
  if (ground_.settings.constraint) {
    fits = [this, &pool, set = solution.slots](Span<const std::uint32_t> picked, std::uint32_t candidate) mutable {
      const std::size_t n_chosen = set.size();
      for (std::uint32_t at : picked) set.push_back(pool[at]);
      const bool answer = ground_.fits(set, pool[candidate]);
      set.resize(n_chosen);
      return answer;
    };
  }
  const Selection added =
      lazy_greedy(*ground_.objective, rows_of(pool), ground_.settings.k, rows_of(solution.slots), fits);
  for (std::uint32_t picked : added.picked) solution.slots.push_back(pool[picked]);
  solution.gains.insert(solution.gains.end(), added.gains.begin(), added.gains.end());
  solution.value = added.value;
}

Solution DynamicMaximizer::live_solution(const Guess& guess) const {
  Solution solution;
  solution.guess = guess.gamma();
  guess.append_live_sample(solution.slots);
  const auto chain = ground_.objective->chain();
  chain->open();
  for (Slot slot : solution.slots) solution.gains.push_back(chain->add(ground_.elements[slot].row));
  solution.value = chain->value();
  return solution;
}

// As many as the budget says, and what a small pool lacks of three for each of k; of a small set all.
void DynamicMaximizer::draw_candidates(std::vector<Slot>& pool) const {
  const auto slots = static_cast<Slot>(ground_.elements.size());
  const std::size_t k = ground_.settings.k, n = ground_.ids.size();
  std::size_t wanted = ground_.settings.refine_budget;
  if (pool.size() < 3 * k) wanted = std::max(wanted, 3 * k - pool.size());
  if (n <= wanted || n <= 4 * k + 64) {
    for (Slot slot = 0; slot < slots; ++slot)
      if (ground_.ids.linked(slot)) pool.push_back(slot);
    return;
  }
  // A stream of its own: the guesses' streams have their grid index for a number.
  PhiloxStream random(ground_.settings.seed, std::numeric_limits<std::uint32_t>::max() / 2, ground_.epoch);
  for (std::size_t tries = 8 * wanted; wanted > 0 && tries > 0; --tries)
    if (const Slot slot = random.below(slots); ground_.ids.linked(slot)) pool.push_back(slot), --wanted;
}

// OPT <= f(S) + the sum of f(e|S) over the e of an optimum, for any S: at most that of the k largest, or of the heaviest
// independent set, which greedy finds in a matroid.
double DynamicMaximizer::greedy_bound(const Solution& solution) const {
  const auto chain = ground_.objective->chain();
  chain->open();
  for (Slot slot : solution.slots) chain->add(ground_.elements[slot].row);
  std::vector<std::pair<double, Slot>> gains;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.linked(slot)) gains.emplace_back(chain->top_gain(ground_.elements[slot].row), slot);
  std::make_heap(gains.begin(), gains.end());
  double bound = chain->value();
  std::vector<Slot> heaviest;
  for (; !gains.empty() && gains.front().first > 0 && heaviest.size() < ground_.settings.k; gains.pop_back()) {
    const auto [gain, slot] = gains.front();
    if (ground_.fits(heaviest, slot)) heaviest.push_back(slot), bound += gain;
    std::pop_heap(gains.begin(), gains.end());
  }
  return bound;
}

}  // namespace pyalgo::submodular
