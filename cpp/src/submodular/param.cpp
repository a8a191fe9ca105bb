#include "param.hpp"

#include <algorithm>

namespace pyalgo::submodular {

// One stream an update, so that no number is used twice and a snapshot need not hold its state.
PhiloxStream& ParamGuess::random() {
  if (opened_ != ground_.epoch) {
    random_ = PhiloxStream(ground_.settings.seed, static_cast<std::uint32_t>(j_), ground_.epoch);
    opened_ = ground_.epoch;
  }
  return random_;
}

// One pass in random order: whatever may join when its turn comes is the next level's element. Those before it may not,
// so it is the first of R_{T+1} in that order, and uniform on it.
void ParamGuess::grow(std::vector<Slot> candidates) {
  const std::uint32_t base = top();
  const std::size_t n = candidates.size();
  for (std::size_t i = 0; i < n; ++i) {
    std::swap(candidates[i], candidates[i + random().below(static_cast<std::uint32_t>(n - i))]);
    const Slot slot = candidates[i];
    const std::uint32_t depth = this->depth(slot);
    if (depth > top() && !full()) {
      open_level();
      add_to_sample(slot);
    } else {
      list(slot, depth);
    }
  }
  reach_.resize(top());
  count_reach(base, reach_);
}

void ParamGuess::arrived(Slot slot) {
  const std::uint32_t depth = this->depth(slot);
  for (std::uint32_t i = 1; i <= std::min(depth, top()); ++i)
    if (random().below(++reach_[i - 1]) == 0) return replace_sample(i, slot);
  list(slot, depth);
  if (depth > top() && !full()) rebuild(top() + 1);
}

void ParamGuess::replace_sample(std::uint32_t level, Slot slot) {
  std::vector<Slot> candidates = release(level);
  open_level();
  add_to_sample(slot);
  grow(std::move(candidates));
  refresh_live_gain();
}

// Asks for L(e) again, one pass, rather than remember it for every element.
void ParamGuess::candidate_lost(Slot slot) {
  const std::uint32_t depth = this->depth(slot);
  for (std::uint32_t i = 1; i <= std::min(depth, top()); ++i) --reach_[i - 1];
}

// Of the levels above `base`.
void ParamGuess::count_reach(std::uint32_t base, std::vector<std::uint32_t>& reach) const {
  const auto is_live = [this](Slot slot) { return live(slot); };
  auto reached = std::count_if(beyond_.begin(), beyond_.end(), is_live);
  for (std::uint32_t i = top(); i > base; --i) {
    const std::vector<Slot>& members = levels_[i - 1].members;
    reached += std::count_if(members.begin(), members.end(), is_live);
    reach[i - 1] = static_cast<std::uint32_t>(reached);
  }
}

const char* ParamGuess::broken(const Level& level) const {
  return level.sample.size() != 1 || !live(level.sample.front()) ? "a level has not one live element" : nullptr;
}

const char* ParamGuess::broken() const {
  std::vector<std::uint32_t> reach(top());
  count_reach(0, reach);
  return reach_ != reach ? "the counts of candidates are off" : nullptr;
}

}  // namespace pyalgo::submodular
