// Sieve-Streaming: for every guess gamma of OPT one set, filled by a threshold.
#include <algorithm>
#include <string>
#include <tuple>
#include <utility>

#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

SieveStreaming::SieveStreaming(std::shared_ptr<Objective> objective, std::uint32_t k, double eps)
    : objective_(std::move(objective)), grid_(1.0 + eps), k_(k) {}

void SieveStreaming::insert(Span<const std::uint32_t> ids) {
  std::vector<std::uint32_t> sorted(ids.begin(), ids.end());
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  for (std::size_t i = 0; i < ids.size(); ++i)
    if ((ids[i] < seen_.size() && seen_[ids[i]]) || (twice != sorted.end() && ids[i] == *twice))
      throw BatchError(BatchError::Kind::duplicate_element, i,
                       "id " + std::to_string(ids[i]) + " is inserted twice: insert each element once");
  if (!objective_->may_fail()) {
    for (std::uint32_t id : ids) insert(id);
    return;
  }
  Sieves sieves;
  for (const auto& [j, sieve] : sieves_)
    sieves.emplace(j, Sieve{sieve.chain->clone(), sieve.ids, sieve.gains, sieve.refused});
  const auto before = std::make_tuple(largest_, n_seen_, queries_);
  try {
    for (std::uint32_t id : ids) insert(id);
  } catch (...) {
    sieves_ = std::move(sieves);
    std::tie(largest_, n_seen_, queries_) = before;
    for (std::uint32_t id : ids)
      if (id < seen_.size()) seen_[id] = false;
    throw;
  }
}

void SieveStreaming::insert(std::uint32_t id) {
  const Row row = objective_->known(id);
  if (id >= seen_.size()) seen_.resize(objective_->n_known(), false);
  seen_[id] = true;
  ++n_seen_;
  ++queries_;
  if (const double single = objective_->single(row); single > largest_) {
    const double before = std::exchange(largest_, single);
    open_sieves(before);
  }
  for (auto& [j, sieve] : sieves_) {
    const std::size_t room = k_ - sieve.ids.size();
    if (room == 0) continue;
    ++queries_;
    const double gain = sieve.chain->top_gain(row);
    if (gain <= 0 || gain * static_cast<double>(room) < grid_.at(j) / 2 - sieve.chain->value()) {
      sieve.refused = std::max(sieve.refused, gain);
      continue;
    }
    sieve.chain->add(row);
    sieve.ids.push_back(id);
    sieve.gains.push_back(gain);
  }
}

// OPT lies in [m, k m] for the largest m = f({e}). Guesses up to 2 k m are kept: to those above, no element so far was
// worth gamma / 2k, so that they can start later as if they had seen all.
void SieveStreaming::open_sieves(double largest_before) {
  const int low = grid_.index(largest_), high = grid_.index(2.0 * k_ * largest_);
  sieves_.erase(sieves_.begin(), sieves_.lower_bound(low));
  for (int j = low; j <= high; ++j) {
    Sieve& sieve = sieves_[j];
    if (sieve.chain) continue;
    sieve.chain = objective_->chain();
    sieve.chain->open();
    sieve.refused = largest_before;
  }
}

// A set with room has been offered every element, and what it holds only lowers what the refused would add: OPT <= f(S)
// + k * refused.
Selection SieveStreaming::query() const {
  const Sieve* best = nullptr;
  Selection selection;
  selection.upper_bound = k_ * largest_;
  selection.queries = queries_;
  for (const auto& [j, sieve] : sieves_) {
    const double value = sieve.chain->value();
    if (best == nullptr || value > selection.value) {
      best = &sieve;
      selection.value = value;
      selection.guess = grid_.at(j);
    }
    if (sieve.ids.size() < k_) selection.upper_bound = std::min(selection.upper_bound, value + k_ * sieve.refused);
  }
  if (best != nullptr) selection.picked = best->ids, selection.gains = best->gains;
  selection.upper_bound = std::max(selection.upper_bound, selection.value);
  return selection;
}

}  // namespace pyalgo::submodular
