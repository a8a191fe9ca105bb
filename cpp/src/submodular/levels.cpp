#include "levels.hpp"

#include <algorithm>
#include <cmath>


namespace pyalgo::submodular {
namespace {

constexpr std::size_t smallest_survey = 32;

}  // namespace

LevelsGuess::LevelsGuess(GroundSet& ground, int j) : Guess(ground, j) {
  for (int b = 0; b == 0 || range_.tau * ground.grid.at(b) < range_.top; ++b)
    edges_.push_back(range_.tau * ground.grid.at(b));
}

const char* LevelsGuess::broken(const Level& level) const {
  return level.inserted >= std::max(1U, level.at_build) ? "a level outgrew its rebuild" : nullptr;
}

const char* LevelsGuess::broken() const { return in_debt() ? "the samples' dead are worth too much" : nullptr; }

void LevelsGuess::arrived(Slot slot) {
  const std::uint32_t depth = this->depth(slot);
  list(slot, depth);
  std::uint32_t overgrown = 0;
  for (std::uint32_t i = std::min(depth, top()); i > 0; --i) {
    Level& level = levels_[i - 1];
    if (++level.inserted >= std::max(1U, level.at_build)) overgrown = i;
  }
  if (overgrown > 0)
    rebuild(overgrown);
  else if (depth > top() && !full())
    rebuild(top() + 1);
  repay();  // where the rebuilt levels are worth less than before
}

void LevelsGuess::repay() {
  while (in_debt()) rebuild(cheapest_repair());
}

// The level from which a rebuild takes the fewest queries for the dead gain that it clears.
std::uint32_t LevelsGuess::cheapest_repair() const {
  std::uint32_t cheapest = 1;
  double candidates = static_cast<double>(smallest_survey + beyond_.size()), dead = 0, least = HUGE_VAL;
  for (std::uint32_t i = top(); i > 0; --i) {
    const Level& level = levels_[i - 1];
    candidates += static_cast<double>(level.members.size());
    for (std::size_t s = 0; s < level.sample.size(); ++s)
      if (!live(level.sample[s])) dead += level.gains[s];
    if (dead > 0 && candidates / dead < least) least = candidates / dead, cheapest = i;
  }
  return cheapest;
}

// All candidates may join above the present prefix. What a level needs to know of them, it learns from a random few: a pass
// over all of them is made only when at least half have fallen below tau, so that passes cost two queries a candidate in all.
void LevelsGuess::grow(std::vector<Slot> candidates) {
  const std::uint32_t base = top();
  PhiloxStream random(ground_.settings.seed, static_cast<std::uint32_t>(j_), ground_.epoch);
  std::vector<double> gains;  // of the candidates surveyed, which come first
  std::vector<Slot> fallen;
  while (!full()) {
    survey(candidates, gains, fallen, random);
    if (gains.empty()) break;
    sample_level(candidates, gains, random);
  }
  fallen.insert(fallen.end(), candidates.begin(), candidates.end());
  for (Slot slot : fallen) list(slot, depth(slot));
  auto reached = static_cast<std::uint32_t>(beyond_.size());
  for (std::uint32_t i = top(); i > base; --i) {
    reached += static_cast<std::uint32_t>(levels_[i - 1].members.size());
    levels_[i - 1].at_build = reached;
  }
}

void LevelsGuess::survey(std::vector<Slot>& candidates, std::vector<double>& gains, std::vector<Slot>& fallen,
                         PhiloxStream& random) {
  const std::size_t n = candidates.size();
  const std::size_t drawn = std::min(n, std::max<std::size_t>(smallest_survey, (ground_.settings.k - size_) / 2));
  for (std::size_t i = 0; i < drawn; ++i)
    std::swap(candidates[i], candidates[i + random.below(static_cast<std::uint32_t>(n - i))]);
  gains.clear();
  std::size_t kept = 0;
  const auto look = [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      const double gain = chain_->top_gain(row(candidates[i]));
      if (gain >= range_.tau) {
        gains.push_back(gain);
        candidates[kept++] = candidates[i];
      } else {
        fallen.push_back(candidates[i]);
      }
    }
    ground_.queries += end - begin;
  };
  look(0, drawn);
  if (2 * kept < drawn) {
    look(drawn, n);
    candidates.resize(kept);
  } else {
    // The rest moves up behind the survey; its order does not matter.
    const std::size_t gap = drawn - kept;
    for (std::size_t i = 0; i < std::min(gap, n - drawn); ++i) candidates[kept + i] = candidates[n - 1 - i];
    candidates.resize(n - gap);
  }
}

// Takes a random sample of the fullest bucket of marginals, as long as almost all of it is worth its bucket: adding stops
// once more than a constant share of what was tried fell out of the bucket.
void LevelsGuess::sample_level(std::vector<Slot>& candidates, const std::vector<double>& gains, PhiloxStream& random) {
  std::vector<std::uint32_t> bucket_of(gains.size()), sizes(edges_.size(), 0);
  for (std::size_t i = 0; i < gains.size(); ++i) {
    const auto above = std::upper_bound(edges_.begin(), edges_.end(), gains[i]);
    ++sizes[bucket_of[i] = static_cast<std::uint32_t>(above - edges_.begin()) - 1];
  }
  const auto fullest = std::max_element(sizes.rbegin(), sizes.rend());  // of equals the one worth most
  const auto chosen = static_cast<std::uint32_t>(sizes.rend() - fullest) - 1;
  std::vector<std::uint32_t> bucket;  // indices of candidates
  bucket.reserve(*fullest);
  for (std::uint32_t i = 0; i < gains.size(); ++i)
    if (bucket_of[i] == chosen) bucket.push_back(i);

  open_level();
  std::vector<std::uint32_t> sampled;
  double failures = 0;
  for (std::size_t tried = 0; tried < bucket.size() && !full(); ++tried) {
    std::swap(bucket[tried], bucket[tried + random.below(static_cast<std::uint32_t>(bucket.size() - tried))]);
    const std::uint32_t at = bucket[tried];
    double gain = gains[at];
    if (!sampled.empty()) gain = chain_->top_gain(row(candidates[at])), ++ground_.queries;
    if (gain >= edges_[chosen]) {
      add_to_sample(candidates[at]);
      sampled.push_back(at);
    } else if (++failures >= 1.0 + ground_.settings.eps * static_cast<double>(tried + 1)) {
      break;
    }
  }
  std::sort(sampled.rbegin(), sampled.rend());
  for (std::uint32_t at : sampled) {
    candidates[at] = candidates.back();
    candidates.pop_back();
  }
}

}  // namespace pyalgo::submodular
