#include "guess.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "pyalgo/growth.hpp"

namespace pyalgo::submodular {
namespace {

void note_sample(Element& element) noexcept {
  if (element.samples != Element::many) ++element.samples;
}

}  // namespace

Guess::Guess(GroundSet& ground, int j)
    : ground_(ground), j_(j), range_(ground, j), chain_(ground.objective->chain()) {}

Guess::Guess(const Guess& other)
    : ground_(other.ground_),
      j_(other.j_),
      range_(other.range_),
      chain_(other.chain_->clone()),
      levels_(other.levels_),
      beyond_(other.beyond_),
      size_(other.size_),
      live_gain_(other.live_gain_),
      listed_(other.listed_),
      stale_(other.stale_) {}

// With |G| < k nothing live has a marginal of tau over G, so OPT <= f(G) + k tau.
double Guess::upper_bound() const noexcept { return full() ? HUGE_VAL : value() + gamma() / 2; }

std::uint32_t Guess::depth(Slot slot) const { return chain_->depth(row(slot), range_.tau, ground_.queries); }

bool Guess::joins(Slot slot, std::uint32_t level) const { return chain_->gain(row(slot), level) >= range_.tau; }

void Guess::refresh_live_gain() {
  live_gain_ = 0;
  for (const Level& level : levels_)
    for (std::size_t i = 0; i < level.sample.size(); ++i)
      if (live(level.sample[i])) live_gain_ += level.gains[i];
}

void Guess::list(Slot slot, std::uint32_t depth) { push_tight(members(depth), slot); }

void Guess::unlist(Slot slot) {
  --listed_;
  --stale_;
  --ground_.elements[slot].lists;
  ground_.drop_if_unused(slot);
}

void Guess::open_level() {
  levels_.emplace_back();
  chain_->open();
}

void Guess::add_to_sample(Slot slot) {
  Level& level = levels_.back();
  level.gains.push_back(chain_->add(row(slot)));
  level.sample.push_back(slot);
  push_tight(level.members, slot);
  note_sample(ground_.elements[slot]);
  ++size_;
  sampled(slot);
}

void Guess::build(std::vector<Slot> candidates) {
  for (Slot slot : candidates) ++ground_.elements[slot].lists;
  listed_ = candidates.size();
  grow(std::move(candidates));
  refresh_live_gain();
}

void Guess::rebuild(std::uint32_t from) {
  grow(release(from));
  refresh_live_gain();
}

void Guess::insert(Slot slot) {
  ++ground_.elements[slot].lists;
  ++listed_;
  arrived(slot);
}

void Guess::erase(Slot slot) {
  ++stale_;
  if (const std::uint32_t level = level_sampling(slot)) {
    refresh_live_gain();
    sample_lost(level);
  } else {
    candidate_lost(slot);
  }
  if (8 * (stale_ - std::min<std::size_t>(stale_, size_)) > listed_ + 64) sweep();
}

// The level whose sample holds the element; 0: none.
std::uint32_t Guess::level_sampling(Slot slot) const {
  if (ground_.elements[slot].samples == 0) return 0;  // by no guess
  for (std::uint32_t i = 1; i <= top(); ++i) {
    const std::vector<Slot>& sample = levels_[i - 1].sample;
    if (std::find(sample.begin(), sample.end(), slot) != sample.end()) return i;
  }
  return 0;
}

// Unlists the dead, but for those of the samples.
void Guess::sweep() {
  const std::vector<Slot> none;
  const auto live_only = [this](std::vector<Slot>& slots, const std::vector<Slot>& sample) {
    std::size_t kept = 0;
    for (Slot slot : slots) {
      if (live(slot) || std::find(sample.begin(), sample.end(), slot) != sample.end())
        slots[kept++] = slot;
      else
        unlist(slot);
    }
    slots.resize(kept);
  };
  for (Level& level : levels_) live_only(level.members, level.sample);
  live_only(beyond_, none);
}

void Guess::purge() {
  for (std::uint32_t i = 1; i <= top(); ++i) {
    const std::vector<Slot>& sample = levels_[i - 1].sample;
    if (std::all_of(sample.begin(), sample.end(), [this](Slot slot) { return live(slot); })) continue;
    rebuild(i);
    break;
  }
  sweep();
}

void Guess::clear() {
  for (Slot slot : release(1)) {
    --listed_;
    --ground_.elements[slot].lists;
  }
}

// Forgets the levels from `from` on and returns their live candidates.
std::vector<Slot> Guess::release(std::uint32_t from) {
  for (std::uint32_t i = from; i <= top(); ++i) {
    size_ -= static_cast<std::uint32_t>(levels_[i - 1].sample.size());
    for (Slot slot : levels_[i - 1].sample)
      if (Element& element = ground_.elements[slot]; element.samples != Element::many) --element.samples;
  }
  chain_->truncate(from - 1);
  std::vector<Slot> candidates;
  const auto collect = [&](const std::vector<Slot>& slots) {
    for (Slot slot : slots) {
      if (live(slot))
        candidates.push_back(slot);
      else
        unlist(slot);
    }
  };
  for (std::uint32_t i = from; i <= top(); ++i) collect(levels_[i - 1].members);
  collect(beyond_);
  beyond_ = {};
  levels_.resize(from - 1);
  return candidates;
}

void Guess::append_live_sample(std::vector<Slot>& out) const {
  for (const Level& level : levels_)
    for (Slot slot : level.sample)
      if (ground_.elements[slot].live) out.push_back(slot);
}

// Those that stayed longest come first: they were worth tau beside most of G.
void Guess::append_candidates(std::size_t most, std::vector<Slot>& out) const {
  const auto take = [&](const std::vector<Slot>& slots) {
    for (Slot slot : slots) {
      if (most == 0) return;
      if (live(slot)) out.push_back(slot), --most;
    }
  };
  take(beyond_);
  for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) take(level->members);
}

std::vector<OwnedKeys> Guess::samples() const {
  std::vector<OwnedKeys> samples(levels_.size());
  for (std::size_t i = 0; i < levels_.size(); ++i)
    for (Slot slot : levels_[i].sample) samples[i].push_back(ground_.ids.at(slot));
  return samples;
}

std::size_t Guess::nbytes() const noexcept {
  std::size_t total = sizeof *this + chain_->nbytes() + beyond_.capacity() * sizeof(Slot);
  for (const Level& level : levels_)
    total += sizeof level + (level.members.capacity() + level.sample.capacity()) * sizeof(Slot) +
             level.gains.capacity() * sizeof(double);
  return total;
}

void Guess::audit() const {
  const auto fail = [this](const std::string& what) {
    throw std::logic_error("guess " + std::to_string(j_) + ": " + what);
  };
  std::vector<std::uint32_t> depth_of(ground_.elements.size(), 0);
  std::size_t listed = 0, stale = 0;
  const auto note = [&](const std::vector<Slot>& slots, std::uint32_t depth) {
    for (Slot slot : slots) {
      ++listed;
      stale += !ground_.elements[slot].live;
      if (depth_of[slot] != 0) fail("element " + ground_.ids.at(slot).str() + " is listed twice");
      depth_of[slot] = depth;
    }
  };
  for (std::uint32_t i = 1; i <= top(); ++i) note(levels_[i - 1].members, i);
  note(beyond_, top() + 1);
  if (listed != listed_ || stale != stale_) fail("the counts of listed elements are off");
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot) {
    if (!ground_.ids.linked(slot)) continue;
    std::uint32_t depth = 0;  // by definition, level by level from the bottom; an element of S_i is in no higher level
    if (contains(ground_.single(slot)))
      while (depth <= top() && joins(slot, depth)) {
        ++depth;
        if (depth <= top() && std::count(levels_[depth - 1].sample.begin(), levels_[depth - 1].sample.end(), slot) > 0) break;
      }
    if (depth_of[slot] != depth)
      fail("L(" + ground_.ids.at(slot).str() + ") is " + std::to_string(depth_of[slot]) + " instead of " +
           std::to_string(depth));
  }
  audit_marginals();
  std::uint32_t size = 0;
  for (const Level& level : levels_) {
    size += static_cast<std::uint32_t>(level.sample.size());
    if (const char* rule = broken(level)) fail(rule);
  }
  if (const char* rule = broken()) fail(rule);
  if (size != size_ || size > capacity()) fail("the size of the prefix is off");
  if (!full() && beyond_.size() > 0) fail("candidates are left although the prefix is not full");
}

// The chain's marginals over every prefix, dead elements included, against those of a chain built afresh.
void Guess::audit_marginals() const {
  const auto fresh = ground_.objective->chain();
  std::vector<double> gains(levels_.size() + 1);
  for (std::uint32_t depth = 0; depth <= levels_.size(); ++depth) {
    if (depth > 0) {
      fresh->open();
      for (Slot slot : levels_[depth - 1].sample) fresh->add(row(slot));
    }
    for (Slot slot = 0; slot < ground_.elements.size(); ++slot) {
      if (!ground_.ids.linked(slot)) continue;
      const double expected = fresh->top_gain(row(slot));
      if (chain_->gain(row(slot), depth) != expected) throw std::logic_error("a marginal depends on the chain's history");
      chain_->gains(row(slot), gains.data());
      if (std::abs(gains[depth] - expected) > 1e-10 * ground_.single(slot))
        throw std::logic_error("the pass over all prefixes and a marginal of one disagree");
    }
  }
}

void Guess::save(SnapshotWriter& out) const {
  out.u32(static_cast<std::uint32_t>(levels_.size()));
  for (const Level& level : levels_) {
    out.u32(level.at_build);
    out.u32(level.inserted);
    out.u32s({level.members.data(), level.members.size()});
    out.u32s({level.sample.data(), level.sample.size()});
  }
  out.u32s({beyond_.data(), beyond_.size()});
}

// Gains and the chain come back by replaying the samples: the same additions give the same bits. What the rest of the class
// relies on is held against its definition, as the bytes may come from anywhere: two marginals a listed element.
void Guess::load(SnapshotReader& in) {
  constexpr std::uint32_t none = 0;
  std::vector<std::uint32_t> depth_of(ground_.elements.size(), none), sampled_at(ground_.elements.size(), none);
  const auto read = [&](std::vector<Slot>& slots, std::vector<std::uint32_t>& places, std::uint32_t place) {
    slots.resize(in.count(4));
    for (Slot& slot : slots) {
      slot = in.u32();
      if (slot >= places.size() || !ground_.ids.taken(slot) || !contains(ground_.single(slot)) ||
          places[slot] != none)
        in.fail("elements of the guess, each once");
      places[slot] = place;
    }
  };
  const auto n_levels = static_cast<std::uint32_t>(in.count(16));
  for (std::uint32_t i = 1; i <= n_levels; ++i) {
    Level level;
    level.at_build = in.u32();
    level.inserted = in.u32();
    read(level.members, depth_of, i);
    read(level.sample, sampled_at, i);
    size_ += static_cast<std::uint32_t>(level.sample.size());
    if (level.sample.empty() || size_ > capacity()) in.fail("samples of at least one and in all at most k elements");
    chain_->open();
    for (Slot slot : level.sample) {
      level.gains.push_back(chain_->add(row(slot)));
      note_sample(ground_.elements[slot]);
    }
    if (broken(level) != nullptr) in.fail("a level that needs no rebuild");
    levels_.push_back(std::move(level));
    for (Slot slot : levels_.back().sample) sampled(slot);
  }
  refresh_live_gain();
  read(beyond_, depth_of, n_levels + 1);
  if (!full() && !beyond_.empty()) in.fail("no candidates behind a prefix that is not full");
  for (Slot slot = 0; slot < depth_of.size(); ++slot) {
    Element& element = ground_.elements[slot];
    if (!element.live && depth_of[slot] == none && sampled_at[slot] != none) {  // as 0.1 kept them
      depth_of[slot] = sampled_at[slot];
      list(slot, depth_of[slot]);
    }
    const std::uint32_t depth = depth_of[slot];
    listed_ += depth != none;
    element.lists += depth != none;
    stale_ += depth != none && !element.live;
    if (!element.live || !contains(ground_.single(slot))) continue;
    const bool right = depth != none && joins(slot, depth - 1) &&
                       (depth > n_levels || sampled_at[slot] == depth || !joins(slot, depth));
    if (!right) in.fail("every live element of the guess at its level");
  }
  loaded();
  if (broken() != nullptr) in.fail("levels that need no rebuild");
}

}  // namespace pyalgo::submodular
