// Greedy over a fixed set of candidates: lazy, plain, and over random samples.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <numeric>

#include "pyalgo/rng.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {
namespace {

constexpr double unbounded = std::numeric_limits<double>::infinity();

// The set chosen so far.
class Choice {
 public:
  Choice(const Objective& objective, Span<const Row> candidates, std::uint32_t k, Span<const Row> chosen = {})
      : objective_(objective), candidates_(candidates), k_(k - chosen.size()), chain_(objective.chain()) {
    chain_->open();
    for (Row row : chosen) chain_->add(row);
    selection_.guess = std::numeric_limits<double>::quiet_NaN();  // greedy guesses nothing
  }

  Span<const std::uint32_t> picked() const noexcept { return selection_.picked; }
  bool full() const noexcept { return selection_.picked.size() == k_; }
  double value() const noexcept { return chain_->value(); }

  double single(std::uint32_t candidate) {  // a query, remembered or not: what is counted depends on the call alone
    ++selection_.queries;
    return objective_.single(candidates_[candidate]);
  }

  double gain(std::uint32_t candidate) {
    ++selection_.queries;
    return chain_->top_gain(candidates_[candidate]);
  }

  void pick(std::uint32_t candidate) {
    selection_.picked.push_back(candidate);
    selection_.gains.push_back(chain_->add(candidates_[candidate]));
  }

  // Nemhauser, Wolsey, Fisher 1978: what greedy chooses is worth at least (1 - (1 - 1/k)^k) OPT.
  double greedy_bound() const noexcept { return value() / (1.0 - Geometric(1.0 - 1.0 / k_).at(static_cast<int>(k_))); }

  std::vector<double> gains(Span<const std::uint32_t> some) {
    std::vector<Row> rows(some.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = candidates_[some[i]];
    std::vector<double> gains(rows.size());
    chain_->top_gains(rows, gains.data());
    selection_.queries += rows.size();
    return gains;
  }

  // OPT <= f(S) + the sum of the k largest gains of the others, or of bounds on them, for any S.
  Selection finish(double sum_of_largest, double bound) && {
    selection_.value = value();
    selection_.upper_bound = std::max(value(), std::min(bound, value() + sum_of_largest));
    return std::move(selection_);
  }

  Selection finish_by_pass(Span<const std::uint32_t> others, double bound) && {
    std::vector<double> gains = this->gains(others);
    const auto k = gains.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(k_, gains.size()));
    std::partial_sort(gains.begin(), k, gains.end(), std::greater<>());
    return std::move(*this).finish(std::accumulate(gains.begin(), k, 0.0), bound);
  }

 private:
  const Objective& objective_;
  Span<const Row> candidates_;
  std::uint32_t k_;
  std::unique_ptr<PrefixChain> chain_;
  Selection selection_;
};

struct Bound {
  double gain;
  std::uint32_t candidate;

  bool operator<(const Bound& other) const noexcept {
    return gain < other.gain || (gain == other.gain && candidate > other.candidate);
  }
};

// The candidates by the largest known bound on their gain. Most never come near the top, and a heap of all costs more
// than the rest of lazy greedy: the heap holds those alone whose f alone has a large exponent, and takes in those of
// smaller exponents when its top has sunk to them. That is a scan, and doubles the heap: there are few.
class LazyQueue {
 public:
  LazyQueue(std::size_t candidates, std::size_t step) : step_(step) { singles_.reserve(candidates); }

  void add(double single) {  // of the next candidate; all are added before anything is taken
    singles_.push_back(single);
    counts_[exponent(single)] += single > 0;
  }

  bool empty() { return settle(), heap_.empty(); }
  const Bound& top() { return heap_.front(); }  // of a queue that was found not empty

  void pop() {
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.pop_back();
  }

  // Puts the top where its present gain belongs.
  void set_top(double gain) {
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.back().gain = gain;
    std::push_heap(heap_.begin(), heap_.end());
  }

 private:
  static std::size_t exponent(double x) noexcept {
    std::uint64_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits >> 52;
  }

  void settle() {
    while (floor_ > 0 && (heap_.empty() || exponent(heap_.front().gain) < floor_)) {
      const std::size_t ceiling = floor_, wanted = 2 * heap_.size() + step_;
      std::size_t found = heap_.size();
      while (floor_ > 0 && found < wanted) found += counts_[--floor_];
      for (std::uint32_t i = 0; i < singles_.size(); ++i)
        if (const std::size_t e = exponent(singles_[i]); e >= floor_ && e < ceiling && singles_[i] > 0)
          heap_.push_back({singles_[i], i});
      std::make_heap(heap_.begin(), heap_.end());
    }
  }

  std::vector<double> singles_;
  std::size_t step_;                          // least number of candidates worth a scan
  std::array<std::uint32_t, 2048> counts_{};  // of singles above 0 by their exponent
  std::size_t floor_ = 2048;                  // exponents from here on are in the heap
  std::vector<Bound> heap_;
};

}  // namespace

Selection lazy_greedy(const Objective& objective, Span<const Row> candidates, std::uint32_t k, Span<const Row> chosen,
                      const Fits& fits) {
  Choice choice(objective, candidates, k, chosen);
  LazyQueue queue(candidates.size(), 4 * std::size_t{k});
  for (std::uint32_t i = 0; i < candidates.size(); ++i) queue.add(choice.single(i));
  constexpr std::uint32_t none = UINT32_MAX;
  std::uint32_t fresh = chosen.empty() && !fits && !queue.empty() ? queue.top().candidate : none;  // whose bound is its present gain
  while (!queue.empty() && !choice.full()) {
    const std::uint32_t candidate = queue.top().candidate;
    if (candidate == fresh) {
      choice.pick(candidate);
      queue.pop();
      fresh = none;
    } else if (fits && !fits(choice.picked(), candidate)) {
      queue.pop();
    } else if (const double gain = choice.gain(candidate); gain > 0) {
      queue.set_top(gain);
      fresh = candidate;
    } else {
      queue.pop();
    }
  }
  double sum = 0;
  for (std::uint32_t i = 0; i < k && !queue.empty(); ++i) {
    sum += queue.top().gain;
    queue.pop();
  }
  const double bound = choice.greedy_bound();
  return std::move(choice).finish(sum, bound);
}

Selection naive_greedy(const Objective& objective, Span<const Row> candidates, std::uint32_t k) {
  Choice choice(objective, candidates, k);
  std::vector<std::uint32_t> left(candidates.size());
  std::iota(left.begin(), left.end(), 0U);
  while (!choice.full() && !left.empty()) {
    const std::vector<double> gains = choice.gains(left);
    const auto best = std::max_element(gains.begin(), gains.end());  // the first of equals
    if (*best <= 0) break;
    const auto at = left.begin() + (best - gains.begin());
    choice.pick(*at);
    left.erase(at);
  }
  const double bound = choice.greedy_bound();
  return std::move(choice).finish_by_pass(left, bound);
}

Selection stochastic_greedy(const Objective& objective, Span<const Row> candidates, std::uint32_t k, double eps,
                            std::uint64_t seed) {
  Choice choice(objective, candidates, k);
  std::vector<std::uint32_t> left(candidates.size());
  std::iota(left.begin(), left.end(), 0U);
  const double wanted = std::ceil(static_cast<double>(left.size()) / k * std::log(1.0 / eps));
  for (std::uint32_t step = 0; step < k && !left.empty(); ++step) {
    PhiloxStream random(seed, 0, step);
    const auto sample = static_cast<std::uint32_t>(std::min(wanted, static_cast<double>(left.size())));
    for (std::uint32_t i = 0; i < sample; ++i)
      std::swap(left[i], left[i + random.below(static_cast<std::uint32_t>(left.size()) - i)]);
    const std::vector<double> gains = choice.gains({left.data(), sample});
    Bound best{0, 0};
    std::uint32_t at = 0;
    for (std::uint32_t i = 0; i < sample; ++i)
      if (const Bound bound{gains[i], left[i]}; best < bound) best = bound, at = i;
    if (best.gain <= 0) continue;  // nothing in this sample adds anything
    choice.pick(best.candidate);
    left[at] = left.back();
    left.pop_back();
  }
  return std::move(choice).finish_by_pass(left, unbounded);
}

}  // namespace pyalgo::submodular
