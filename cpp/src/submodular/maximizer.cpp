#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "levels.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/growth.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {
void GroundSet::drop_if_unused(Slot slot) {
  const Element& element = elements[slot];
  if (element.live || element.lists > 0 || !ids.taken(slot)) return;
  objective->drop(element.row);
  ids.release(slot);
}

DynamicMaximizer::DynamicMaximizer(std::shared_ptr<Objective> objective, const Settings& settings)
    : ground_{std::move(objective), Geometric(1.0 + settings.eps), settings, {}, {}, 0, 0} {}

DynamicMaximizer::~DynamicMaximizer() {
  std::lock_guard<Objective> lock(*ground_.objective);
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.taken(slot)) ground_.objective->drop(ground_.elements[slot].row);
}

void DynamicMaximizer::update(Span<const std::int8_t> op, const KeyColumn& ids, const PayloadBatch* payload) {
  std::lock_guard<Objective> lock(*ground_.objective);
  check(op, ids, payload);
  if (op.size() > 0) cache_[0].reset(), cache_[1].reset();
  for (std::size_t i = 0; i < op.size(); ++i) {
    ++ground_.epoch;
    if (op[i] > 0)
      insert(ids[i], payload, i);
    else
      erase(ids[i]);
  }
}

// Everything that can be wrong with a batch is found here, before anything changes.
void DynamicMaximizer::check(Span<const std::int8_t> op, const KeyColumn& ids, const PayloadBatch* payload) const {
  using Kind = BatchError::Kind;
  const Objective& objective = *ground_.objective;
  if (ids.size() > 0 && ground_.ids.kind() != KeyKind::none && ids.kind != ground_.ids.kind())
    throw BatchError(Kind::type, 0,
                     "ids are " + std::string(ids.kind == KeyKind::text ? "strings" : "integers") +
                         " here, but were of the other kind before: one data set takes one kind");
  KeyTable touched;  // ids of this batch, and whether each is in the set after the rows so far
  std::vector<bool> present;
  std::vector<std::uint32_t> inserts;
  for (std::uint32_t i = 0; i < op.size(); ++i) {
    const Key id = ids[i];
    std::uint32_t at = touched.find(id);
    if (at == KeyTable::npos) {
      at = touched.insert(id);
      present.push_back(ground_.ids.find(id) != KeyTable::npos);
    }
    if (op[i] > 0 && present[at])
      throw BatchError(Kind::duplicate_element, i,
                       "id " + id.str() + " is in the set already: delete it first to insert it anew");
    if (op[i] < 0 && !present[at])
      throw BatchError(Kind::unknown_element, i, "id " + id.str() + " cannot be deleted: it is not in the set");
    present[at] = op[i] > 0;
    if (op[i] < 0) continue;
    inserts.push_back(i);
    const bool known = id.kind == KeyKind::integer && id.number >= 0 &&
                       static_cast<std::uint64_t>(id.number) < objective.n_known();
    if (payload == nullptr && !known)
      throw BatchError(Kind::unknown_element, i,
                       "id " + id.str() + " has no payload: give " + objective.columns() +
                           (objective.n_known() > 0
                                ? ", or an id from 0 to " + std::to_string(objective.n_known() - 1) + " of the objective"
                                : std::string(" with the insert")));
    if (payload != nullptr && known)
      throw BatchError(Kind::value, i,
                       "id " + id.str() + " comes with payload, but the objective holds payload for it already: leave " +
                           objective.columns() + " out, or choose another id");
  }
  if (payload != nullptr && !inserts.empty()) objective.check(*payload, {inserts.data(), inserts.size()});
}

void DynamicMaximizer::insert(const Key& id, const PayloadBatch* payload, std::size_t row) {
  Objective& objective = *ground_.objective;
  Element element;
  if (payload != nullptr) {
    element.row = objective.add(*payload, row);
  } else {
    element.row = objective.known(static_cast<std::size_t>(id.number));
    objective.hold(element.row);
  }
  const double single = objective.single(element.row);
  element.live = 1;
  ++ground_.queries;
  const Slot slot = ground_.ids.insert(id);
  if (slot >= ground_.elements.size()) push_tight(ground_.elements, Element{});
  ground_.elements[slot] = element;
  if (single == 0) return;  // worth nothing to any set: in no guess
  ++magnitudes_[ground_.grid.index(single)];
  if (ground_.settings.all_guesses) tend_all(single);
  for (auto& [j, guess] : guesses_)
    if (guess->contains(single)) guess->insert(slot);
  if (!ground_.settings.all_guesses) tend_window();
}

void DynamicMaximizer::erase(const Key& id) {
  const Slot slot = ground_.ids.find(id);
  const double single = ground_.single(slot);
  ground_.ids.unlink(slot);
  ground_.elements[slot].live = 0;
  if (single > 0) {
    const auto magnitude = magnitudes_.find(ground_.grid.index(single));
    if (--magnitude->second == 0) magnitudes_.erase(magnitude);
    for (auto it = guesses_.begin(); it != guesses_.end();) {
      if (it->second->contains(single)) it->second->erase(slot);
      if (ground_.settings.all_guesses && it->second->empty())
        it = park(it);
      else
        ++it;
    }
  }
  ground_.drop_if_unused(slot);
  if (!ground_.settings.all_guesses) tend_window();
}

// The faithful grid: every guess that some live element belongs to.
void DynamicMaximizer::tend_all(double single) {
  const int last = ground_.grid.index(2.0 * ground_.settings.k * single) + 1;
  for (int j = ground_.grid.index(single) - 1; j <= last; ++j) {
    if (guesses_.count(j) == 0 && GuessRange(ground_, j).contains(single))
      guesses_.emplace(j, std::make_unique<LevelsGuess>(ground_, j));
  }
}

// What the active guesses prove of OPT: it is at least the best live value; at most the bound of any guess whose range no
// f({e}) exceeds, and k times the largest f({e}).
DynamicMaximizer::Window DynamicMaximizer::window() const {
  const int largest = magnitudes_.rbegin()->first;
  Window proven{0, ground_.settings.k * ground_.grid.at(largest + 1), largest, largest};
  for (const auto& [j, guess] : guesses_) {
    if (guess->live_gain() > proven.lower) proven.lower = guess->live_gain(), proven.of_lower = j;
    if (j >= largest && guess->upper_bound() < proven.upper) proven.upper = guess->upper_bound(), proven.of_upper = j;
  }
  proven.upper = std::max(proven.upper, proven.lower);  // they may meet up to rounding
  return proven;
}

// lower >= (1-eps)/(2(1+eps)) upper
bool DynamicMaximizer::proves_ratio(const Window& proven) const {
  const double eps = ground_.settings.eps;
  return 2 * (1 + eps) * proven.lower >= (1 - eps) * proven.upper * (1 - 1e-12);
}

// Keeps as many guesses as prove the ratio. Two neighbours always do, the first with a full prefix, the second without:
// the first is worth (1-eps) gamma/2, and by the second OPT is at most f(G) + (1+eps) gamma/2; if that is above
// (1+eps) gamma, then f(G) > (1+eps) gamma/2 and the second is worth (1-eps) f(G). So the search for a proof goes up
// while the highest guess is full and down while the lowest is not, one guess at a time, and ends.
void DynamicMaximizer::tend_window() {
  if (magnitudes_.empty()) {
    while (!guesses_.empty()) park(guesses_.begin());
    return;
  }
  const int largest = magnitudes_.rbegin()->first;
  Window proven = window();
  for (; !proves_ratio(proven); proven = window()) {
    if (guesses_.empty() || guesses_.rbegin()->first < largest - 1) {
      while (!guesses_.empty()) park(guesses_.begin());
      activate(largest);
    } else if (guesses_.rbegin()->second->upper_bound() == HUGE_VAL || guesses_.rbegin()->first < largest) {
      activate(guesses_.rbegin()->first + 1);
    } else {
      activate(guesses_.begin()->first - 1);
    }
  }
  // What proves the ratio stays: without it the next update would have to build it again.
  const int slack = static_cast<int>(slack_);
  const int low = std::min(proven.of_lower, proven.of_upper) - slack;
  const int high = std::max(proven.of_lower, proven.of_upper) + slack;
  while (!guesses_.empty() && guesses_.begin()->first < low) park(guesses_.begin());
  while (!guesses_.empty() && guesses_.rbegin()->first > high) park(std::prev(guesses_.end()));
  // An optimum that oscillates across guesses would rebuild them again and again: keep more of them instead.
  const std::uint64_t spent = ground_.queries - queries_at_widening_;
  if (activation_queries_ > 1000 && 5 * activation_queries_ > spent && slack_ < 1000) {
    ++slack_;
    activation_queries_ = 0;
    queries_at_widening_ = ground_.queries;
  }
}

void DynamicMaximizer::activate(int j) {
  const std::uint64_t before = ground_.queries;
  auto guess = std::make_unique<LevelsGuess>(ground_, j);
  std::vector<Slot> candidates;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.linked(slot) && guess->contains(ground_.single(slot))) candidates.push_back(slot);
  guess->build(std::move(candidates));
  guesses_.emplace(j, std::move(guess));
  ++activations_;
  activation_queries_ += ground_.queries - before;
}

DynamicMaximizer::Guesses::iterator DynamicMaximizer::park(Guesses::iterator guess) {
  guess->second->clear();
  return guesses_.erase(guess);
}

}  // namespace pyalgo::submodular
