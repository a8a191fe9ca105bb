#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <mutex>
#include <numeric>
#include <stdexcept>
#include <tuple>

#include "levels.hpp"
#include "matroid_guess.hpp"
#include "param.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/growth.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

std::unique_ptr<Guess> make_guess(GroundSet& ground, int j) {
  if (ground.settings.constraint) return std::make_unique<MatroidGuess>(ground, j);
  if (ground.settings.method == Method::param) return std::make_unique<ParamGuess>(ground, j);
  return std::make_unique<LevelsGuess>(ground, j);
}

double Settings::ratio() const noexcept {
  if (constraint) return 1 / (4 + eps);
  return (method == Method::levels ? 1 - eps : 1) / (2 * (1 + eps));
}

void GroundSet::drop_if_unused(Slot slot) {
  const Element& element = elements[slot];
  if (element.live || element.lists > 0 || !ids.taken(slot)) return;
  objective->drop(element.row);
  ids.release(slot);
}

DynamicMaximizer::DynamicMaximizer(std::shared_ptr<Objective> objective, const Settings& settings)
    : ground_{std::move(objective), Geometric(1.0 + settings.eps), settings, {}, {}, 0, 0} {
  if (settings.constraint) ground_.settings.k = std::min(settings.k, settings.constraint->rank());
}

DynamicMaximizer::~DynamicMaximizer() {
  std::lock_guard<Objective> lock(*ground_.objective);
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.taken(slot)) ground_.objective->drop(ground_.elements[slot].row);
}

// Runs work that a marginal may end by throwing; then everything is what it was before.
template <class Work>
void DynamicMaximizer::atomically(Work&& work) {
  cache_[0].reset(), cache_[1].reset();
  const auto& constraint = ground_.settings.constraint;
  if (!ground_.objective->may_fail() && !(constraint && constraint->may_fail())) return work();
  const Objective::Restore restore_objective = ground_.objective->backup();
  GroundSet ground = ground_;
  auto magnitudes = magnitudes_;
  Guesses guesses;
  for (const auto& [j, guess] : guesses_) guesses.emplace(j, guess->clone());
  const auto window = std::make_tuple(slack_, activations_, activation_queries_, queries_at_widening_);
  try {
    work();
  } catch (...) {
    restore_objective();
    guesses_ = std::move(guesses);
    ground_ = std::move(ground);
    magnitudes_ = std::move(magnitudes);
    std::tie(slack_, activations_, activation_queries_, queries_at_widening_) = window;
    throw;
  }
}

void DynamicMaximizer::update(Span<const std::int8_t> op, const KeyColumn& ids, const PayloadBatch* payload,
                              Span<const std::uint32_t> groups) {
  std::lock_guard<Objective> lock(*ground_.objective);
  check(op, ids, payload);
  const std::uint32_t n_groups = ground_.n_groups();
  if (n_groups > 0 && groups.size() != op.size()) throw std::invalid_argument("groups must be as many as rows");
  for (std::size_t i = 0; i < groups.size(); ++i)
    if (n_groups > 0 && groups[i] >= n_groups) throw std::invalid_argument("groups must be of the constraint");
  if (op.size() == 0) return;
  atomically([&] {
    for (std::size_t i = 0; i < op.size(); ++i) {
      if (op[i] < 0) {
        erase(ids[i]);
      } else if (payload != nullptr) {
        insert(ids[i], ground_.objective->add(*payload, i), n_groups > 0 ? groups[i] : 0);
      } else {
        const Row row = ground_.objective->known(static_cast<std::size_t>(ids[i].number));
        ground_.objective->hold(row);
        insert(ids[i], row, n_groups > 0 ? groups[i] : 0);
      }
    }
  });
}

void DynamicMaximizer::merge(const DynamicMaximizer& other) {
  Objective& objective = *ground_.objective;
  const Objective& theirs = *other.ground_.objective;
  std::vector<std::mutex*> mutexes = objective.mutexes();
  mutexes.insert(mutexes.end(), theirs.mutexes().begin(), theirs.mutexes().end());
  std::sort(mutexes.begin(), mutexes.end(), std::less<>());
  mutexes.erase(std::unique(mutexes.begin(), mutexes.end()), mutexes.end());
  std::vector<std::unique_lock<std::mutex>> locks;
  for (std::mutex* mutex : mutexes) locks.emplace_back(*mutex);

  // Elements whose rows this objective has already, and those that come with their payload.
  OwnedKeys ids, new_ids;
  std::vector<Row> rows;
  std::vector<std::uint32_t> groups, new_groups;
  OwnedPayload payload;
  for (Slot slot = 0; slot < other.ground_.elements.size(); ++slot) {
    if (!other.ground_.ids.linked(slot)) continue;
    const Key id = other.ground_.ids.at(slot);
    const Row row = other.ground_.elements[slot].row;
    if (&objective == &theirs || objective.knows(id)) {
      ids.push_back(id);
      groups.push_back(other.ground_.group(slot));
      rows.push_back(&objective == &theirs ? row : objective.known(static_cast<std::size_t>(id.number)));
    } else {
      new_ids.push_back(id);
      new_groups.push_back(other.ground_.group(slot));
      theirs.read(row, payload);
    }
  }
  std::vector<std::string_view> texts, new_texts;
  const KeyColumn column = ids.view(texts), new_column = new_ids.view(new_texts);
  const std::vector<std::int8_t> inserts(std::max(column.size(), new_column.size()), 1);
  const PayloadBatch batch = payload.view();
  check_ids({inserts.data(), column.size()}, column);
  check_ids({inserts.data(), new_column.size()}, new_column);
  std::vector<std::uint32_t> all(new_column.size());
  std::iota(all.begin(), all.end(), 0U);
  if (!all.empty()) objective.check(batch, all);
  atomically([&] {
    for (std::size_t i = 0; i < column.size(); ++i) {
      objective.hold(rows[i]);
      insert(column[i], rows[i], groups[i]);
    }
    for (std::size_t i = 0; i < new_column.size(); ++i) insert(new_column[i], objective.add(batch, i), new_groups[i]);
  });
}

void DynamicMaximizer::erase_forever(const KeyColumn& ids) {
  Objective& objective = *ground_.objective;
  std::lock_guard<Objective> lock(objective);
  check_kind(ids);
  atomically([&] {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ground_.ids.find(ids[i]) != KeyTable::npos) erase(ids[i]);
      if (objective.knows(ids[i])) objective.forget(static_cast<std::size_t>(ids[i].number));
    }
    for (auto& [j, guess] : guesses_) guess->purge();
    objective.forget_unused();
    if (!ground_.settings.all_guesses) tend_window();
  });
}

// Everything that can be wrong with a batch is found here, before anything changes.
void DynamicMaximizer::check(Span<const std::int8_t> op, const KeyColumn& ids, const PayloadBatch* payload) const {
  using Kind = BatchError::Kind;
  check_ids(op, ids);
  const Objective& objective = *ground_.objective;
  std::vector<std::uint32_t> inserts;
  for (std::uint32_t i = 0; i < op.size(); ++i) {
    if (op[i] < 0) continue;
    inserts.push_back(i);
    const Key id = ids[i];
    const bool known = objective.knows(id);
    if (payload == nullptr && !known)
      throw BatchError(Kind::unknown_element, i,
                       "id " + id.str() + " has no payload: give " + objective.columns() +
                           (objective.n_known() > 0 ? ", or an id from 0 to " +
                                                          std::to_string(objective.n_known() - 1) + " of the objective"
                                                    : std::string(" with the insert")));
    if (payload != nullptr && known)
      throw BatchError(Kind::value, i,
                       "id " + id.str() +
                           " comes with payload, but the objective holds payload for it already: leave " +
                           objective.columns() + " out, or choose another id");
  }
  if (payload != nullptr && !inserts.empty()) objective.check(*payload, inserts);
}

void DynamicMaximizer::check_kind(const KeyColumn& ids) const {
  if (ids.size() > 0 && ground_.ids.kind() != KeyKind::none && ids.kind != ground_.ids.kind())
    throw BatchError(BatchError::Kind::type, 0,
                     "ids are " + std::string(ids.kind == KeyKind::text ? "strings" : "integers") +
                         " here, but were of the other kind before: one data set takes one kind");
}

void DynamicMaximizer::check_ids(Span<const std::int8_t> op, const KeyColumn& ids) const {
  using Kind = BatchError::Kind;
  check_kind(ids);
  KeyTable touched;  // ids of this batch, and whether each is in the set after the rows so far
  std::vector<bool> present;
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
  }
}

void DynamicMaximizer::insert(const Key& id, Row row, std::uint32_t group) {
  const double single = ground_.objective->single(row);
  ++ground_.epoch;
  ++ground_.queries;
  Element element;
  element.row = row;
  element.live = 1;
  const Slot slot = ground_.ids.insert(id);
  if (slot >= ground_.elements.size()) push_tight(ground_.elements, Element{});
  ground_.elements[slot] = element;
  if (ground_.n_groups() > 0) {
    ground_.groups.resize(ground_.elements.size());
    ground_.groups[slot] = group;
  }
  if (single == 0) return;  // worth nothing to any set: in no guess
  ++magnitudes_[ground_.grid.index(single)];
  if (ground_.settings.all_guesses) tend_all(single);
  for (auto& [j, guess] : guesses_)
    if (guess->contains(single)) guess->insert(slot);
  if (!ground_.settings.all_guesses) tend_window();
}

void DynamicMaximizer::erase(const Key& id) {
  ++ground_.epoch;
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
  for (int j = ground_.grid.index(single) - 1; GuessRange(ground_, j).tau <= single; ++j) {
    if (guesses_.count(j) == 0 && GuessRange(ground_, j).contains(single)) guesses_.emplace(j, make_guess(ground_, j));
  }
}

// What the active guesses prove of OPT: it is at least the best live value; at most the bound of any guess whose range
// no f({e}) exceeds. Above all guesses of the full grid are empty ones, which prove k times the largest f({e}). The
// window is not content with that little: it would stay far from OPT, where answers are poor.
DynamicMaximizer::Window DynamicMaximizer::window() const {
  const int largest = magnitudes_.rbegin()->first;
  Window proven{0, HUGE_VAL, largest, largest};
  if (ground_.settings.all_guesses) proven.upper = ground_.settings.k * ground_.grid.at(largest + 1);
  for (const auto& [j, guess] : guesses_) {
    if (guess->live_gain() > proven.lower) proven.lower = guess->live_gain(), proven.of_lower = j;
    if (j >= largest && guess->upper_bound() < proven.upper) proven.upper = guess->upper_bound(), proven.of_upper = j;
  }
  proven.upper = std::max(proven.upper, proven.lower);  // they may meet up to rounding
  return proven;
}

bool DynamicMaximizer::proves_ratio(const Window& proven) const {
  return proven.lower >= ground_.settings.ratio() * proven.upper * (1 - 1e-12);
}

// Keeps as many guesses as prove the ratio. Two neighbours always do, the first with a full prefix, the second without:
// the first is worth (1-eps) gamma/2, and by the second OPT is at most f(G) + (1+eps) gamma/2; if that is above
// (1+eps) gamma, then f(G) > (1+eps) gamma/2 and the second is worth (1-eps) f(G) (without the 1-eps in method param,
// where no sample holds a dead element). So the search for a proof goes up while the highest guess is full and down
// while the lowest is not, one guess at a time, and ends.
//
// It goes down further than the proof needs, to a guess that is full or worth gamma: an answer of few elements that are
// all worth much may prove the ratio and be far from the best.
void DynamicMaximizer::tend_window() {
  if (magnitudes_.empty()) {
    while (!guesses_.empty()) park(guesses_.begin());
    return;
  }
  const int largest = magnitudes_.rbegin()->first;
  if (ground_.settings.constraint) return tend_constrained(largest);
  const auto is_full = [](const Guess& guess) { return guess.upper_bound() == HUGE_VAL; };
  const auto is_base = [&](const Guess& guess) {
    return is_full(guess) || guess.live_gain() >= guess.gamma() || guess.index() <= largest;
  };
  Window proven = window();
  for (;; proven = window()) {
    if (guesses_.empty() || guesses_.rbegin()->first < largest - 1) {
      while (!guesses_.empty()) park(guesses_.begin());
      activate(largest);
      continue;
    }
    const Guess &lowest = *guesses_.begin()->second, &highest = *guesses_.rbegin()->second;
    const bool proves = proves_ratio(proven);
    if (proves && is_base(lowest)) break;
    if (!proves && (is_full(highest) || highest.index() < largest))
      activate(highest.index() + 1);
    else
      activate(lowest.index() - 1);
  }
  // What proves the ratio stays: without it the next update would have to build it again.
  int base = guesses_.begin()->first;
  for (const auto& [j, guess] : guesses_)
    if (is_base(*guess)) base = j;
  keep(std::min({proven.of_lower, proven.of_upper, base}), std::max(proven.of_lower, proven.of_upper));
}

// With a constraint no prefix is ever full, and the guess whose range ends right above the largest f({e}) proves the
// ratio.
void DynamicMaximizer::tend_constrained(int largest) {
  while (guesses_.count(largest) == 0) {
    if (guesses_.empty() || guesses_.rbegin()->first < largest - 1 || guesses_.begin()->first > largest + 1) {
      while (!guesses_.empty()) park(guesses_.begin());
      activate(largest);
    } else {
      activate(guesses_.rbegin()->first < largest ? largest : guesses_.begin()->first - 1);
    }
  }
  keep(largest, largest);
}

// Parks the guesses outside of these and the slack around them.
void DynamicMaximizer::keep(int lowest, int highest) {
  const int slack = static_cast<int>(slack_);
  const int low = lowest - slack;
  const int high = highest + slack;
  while (guesses_.begin()->first < low) park(guesses_.begin());
  while (guesses_.rbegin()->first > high) park(std::prev(guesses_.end()));
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
  auto guess = make_guess(ground_, j);
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
