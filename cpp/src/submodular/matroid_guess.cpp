#include "matroid_guess.hpp"

#include <algorithm>
#include <stdexcept>

namespace pyalgo::submodular {

double MatroidGuess::upper_bound() const noexcept {
  return value() + 2 * live_gain() + ground_.settings.k * range_.tau;
}

void MatroidGuess::append_live_sample(std::vector<Slot>& out) const {
  for (std::uint32_t a = 1; a <= top(); ++a)
    if (stays(a, top())) out.push_back(element(a));
}

void MatroidGuess::refresh_live_gain() {
  live_gain_ = 0;
  for (std::uint32_t a = 1; a <= top(); ++a)
    if (stays(a, top())) live_gain_ += weight(a);
}

MatroidGuess::Basis MatroidGuess::basis(std::uint32_t level) const {
  Basis basis;
  for (std::uint32_t a = 1; a <= level; ++a)
    if (stays(a, level)) basis.levels.push_back(a);
  std::stable_sort(basis.levels.begin(), basis.levels.end(),
                   [this](std::uint32_t a, std::uint32_t b) { return weight(a) > weight(b); });
  for (std::uint32_t a : basis.levels) basis.slots.push_back(element(a));
  return basis;
}

// The level of the lightest x with I - x + e independent, of equals the latest, where I + e is not: the last element of
// the shortest run of the heaviest that e does not fit. None if e alone is dependent.
std::optional<std::uint32_t> MatroidGuess::makes_room(const Basis& basis, Slot slot) const {
  if (!ground_.fits({}, slot)) return std::nullopt;
  std::size_t fits = 0, fails = basis.slots.size();
  while (fails - fits > 1) {
    const std::size_t middle = (fits + fails) / 2;
    (ground_.fits({basis.slots.data(), middle}, slot) ? fits : fails) = middle;
  }
  return basis.levels[fails - 1];
}

bool MatroidGuess::joins(Slot slot, std::uint32_t level) const {
  const double gain = chain_->gain(row(slot), level);
  if (gain < range_.tau) return false;
  const Basis basis = this->basis(level);
  if (ground_.fits(basis.slots, slot)) return true;
  const auto out = makes_room(basis, slot);
  return out && gain >= 2 * weight(*out);
}

std::uint32_t MatroidGuess::depth(Slot slot) const {
  ++ground_.queries;
  if (joins(slot, top())) return top() + 1;
  std::uint32_t low = 1, high = std::max(1U, top());  // the answer is in [low, high]: every candidate is in R_1
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    ++ground_.queries;
    if (joins(slot, middle))
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

void MatroidGuess::sampled(Slot slot) {
  const std::uint32_t level = top();
  left_at_.resize(level - 1);  // levels that are no more may have left their mark
  for (std::uint32_t& left : left_at_)
    if (left >= level) left = never;
  left_at_.push_back(never);
  const Basis before = basis(level - 1);
  if (ground_.fits(before.slots, slot)) return;
  left_at_[makes_room(before, slot).value_or(level) - 1] = level;
}

// The independent sets, built again with every exchange tried.
void MatroidGuess::audit() const {
  ParamGuess::audit();
  const auto independent = [this](const std::vector<Slot>& set) {
    std::vector<Slot> some;
    for (Slot slot : set) {
      if (!ground_.fits(some, slot)) return false;
      some.push_back(slot);
    }
    return true;
  };
  std::vector<Slot> set;
  std::vector<double> weights;
  double all = 0;
  for (std::uint32_t level = 1; level <= top(); ++level) {
    const double gain = weight(level);
    all += gain;
    set.push_back(element(level));
    weights.push_back(gain);
    if (independent(set)) continue;
    std::size_t lightest = set.size();
    for (std::size_t i = 0; i + 1 < set.size(); ++i) {
      std::vector<Slot> without = set;
      without.erase(without.begin() + static_cast<std::ptrdiff_t>(i));
      if (independent(without) && (lightest == set.size() || weights[i] <= weights[lightest])) lightest = i;
    }
    if (lightest == set.size() || gain < 2 * weights[lightest])
      throw std::logic_error("an element was promoted that may not be");
    set.erase(set.begin() + static_cast<std::ptrdiff_t>(lightest));
    weights.erase(weights.begin() + static_cast<std::ptrdiff_t>(lightest));
  }
  std::vector<Slot> kept;
  append_live_sample(kept);
  if (kept != set) throw std::logic_error("the independent set is not what the exchanges make of it");
  if (all > 2 * live_gain() * (1 + 1e-12)) throw std::logic_error("those that made room weigh too much");
}

}  // namespace pyalgo::submodular
