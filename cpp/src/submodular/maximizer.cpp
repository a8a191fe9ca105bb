#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "guess.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

void GroundSet::drop_if_unused(Slot slot) {
  const Element& element = elements[slot];
  if (element.live || element.held > 0 || element.sampled > 0 || !ids.taken(slot)) return;
  objective->drop(element.row);
  ids.release(slot);
}

DynamicMaximizer::DynamicMaximizer(std::shared_ptr<Objective> objective, const Settings& settings)
    : ground_{std::move(objective), Geometric(1.0 + settings.eps), settings, {}, {}, 0, 0} {}

DynamicMaximizer::~DynamicMaximizer() {
  std::lock_guard<std::mutex> lock(ground_.objective->mutex);
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.taken(slot)) ground_.objective->drop(ground_.elements[slot].row);
}

void DynamicMaximizer::update(Span<const std::int8_t> op, const KeyColumn& ids, const PayloadBatch* payload) {
  std::lock_guard<std::mutex> lock(ground_.objective->mutex);
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
  element.single = objective.single(element.row);
  element.live = true;
  ++ground_.queries;
  const Slot slot = ground_.ids.insert(id);
  if (slot >= ground_.elements.size()) ground_.elements.emplace_back();
  ground_.elements[slot] = element;
  if (element.single == 0) return;  // worth nothing to any set: in no guess
  ++magnitudes_[ground_.grid.index(element.single)];
  if (ground_.settings.all_guesses) tend_all(element.single);
  for (auto& [j, guess] : guesses_)
    if (guess->contains(element.single)) guess->insert(slot);
  if (!ground_.settings.all_guesses) tend_window();
}

void DynamicMaximizer::erase(const Key& id) {
  const Slot slot = ground_.ids.find(id);
  const double single = ground_.elements[slot].single;
  ground_.ids.unlink(slot);
  ground_.elements[slot].live = false;
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
      guesses_.emplace(j, std::make_unique<Guess>(ground_, j));
  }
}

// Which guesses may hold OPT, from what the active ones prove: OPT is at least the best live value and the largest
// f({e}), at most f(G) + gamma/2 of any guess whose prefix is not full (unless an f({e}) exceeds its range), at most k
// times the largest f({e}).
DynamicMaximizer::Window DynamicMaximizer::window() const {
  const int largest = magnitudes_.rbegin()->first;
  double lower = ground_.grid.at(largest);
  double upper = ground_.settings.k * ground_.grid.at(largest + 1);
  int of_low = ground_.grid.index(lower), of_high = of_low;
  for (const auto& [j, guess] : guesses_) {
    if (guess->live_gain() > lower) lower = guess->live_gain(), of_low = j;
    if (j < largest || guess->full()) continue;
    const double bound = guess->value() + guess->gamma() / 2;
    if (bound < upper) upper = bound, of_high = j;
  }
  upper = std::max(upper, lower);  // they may meet up to rounding
  return {ground_.grid.index(lower), ground_.grid.index(upper), upper, of_low, of_high};
}

// Keeps the one guess with gamma <= OPT < (1+eps) gamma among the active ones after every update, which is all that the
// ratio needs. New evidence from a guess just built moves the window on; a step past what is active starts over there, and
// as lower bounds only rise and upper bounds only fall within one call, it ends.
void DynamicMaximizer::tend_window() {
  if (magnitudes_.empty()) {
    while (!guesses_.empty()) park(guesses_.begin());
    return;
  }
  Window wanted = window();
  for (;; wanted = window()) {
    const int low = guesses_.empty() ? 0 : guesses_.begin()->first;
    const int high = guesses_.empty() ? -1 : guesses_.rbegin()->first;
    if (guesses_.empty()) {
      activate(wanted.low);
    } else if (wanted.low > high + 1 || wanted.high < low - 1) {
      while (!guesses_.empty()) park(guesses_.begin());
      activate(wanted.low > high + 1 ? wanted.low : wanted.high);
    } else if (wanted.low < low) {
      activate(low - 1);
    } else if (wanted.high > high) {
      activate(high + 1);
    } else {
      break;
    }
  }
  // What proves the window stays: without it the next update would have to build it again.
  const int slack = static_cast<int>(slack_);
  const int low = std::min({wanted.low - slack, wanted.witness_of_low, wanted.witness_of_high});
  const int high = std::max({wanted.high + slack, wanted.witness_of_low, wanted.witness_of_high});
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
  auto guess = std::make_unique<Guess>(ground_, j);
  std::vector<Slot> candidates;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.linked(slot) && guess->contains(ground_.elements[slot].single)) candidates.push_back(slot);
  guess->build(candidates);
  guesses_.emplace(j, std::move(guess));
  ++activations_;
  activation_queries_ += ground_.queries - before;
}

DynamicMaximizer::Guesses::iterator DynamicMaximizer::park(Guesses::iterator guess) {
  guess->second->clear();
  return guesses_.erase(guess);
}

Solution DynamicMaximizer::query(bool refine, bool certificate) const {
  std::lock_guard<std::mutex> lock(ground_.objective->mutex);
  std::optional<Solution>& cached = cache_[refine];
  if (!cached) cached = refine ? refined() : published();
  Solution solution = *cached;
  for (Slot slot : solution.slots) solution.ids.push_back(ground_.ids.at(slot));
  if (certificate) solution.upper_bound = std::min(solution.upper_bound, greedy_bound(solution));
  return solution;
}

Solution DynamicMaximizer::published() const {
  Solution best;
  for (const auto& [j, guess] : guesses_) {
    Solution solution = live_solution(*guess);
    if (solution.value > best.value) best = std::move(solution);
  }
  if (!magnitudes_.empty()) best.upper_bound = std::max(best.value, window().upper_bound);
  return best;
}

// Lazy greedy over the live samples of every guess worth at least 0.4 of the best, and the drawn candidates.
Solution DynamicMaximizer::refined() const {
  Solution best = published();
  std::vector<Slot> pool;
  for (const auto& [j, guess] : guesses_)
    if (live_solution(*guess).value >= 0.4 * best.value) guess->append_live_sample(pool);
  draw_candidates(pool);
  // Ties go to the lowest id.
  std::sort(pool.begin(), pool.end(), [&](Slot a, Slot b) { return ground_.ids.at(a) < ground_.ids.at(b); });
  pool.erase(std::unique(pool.begin(), pool.end()), pool.end());
  std::vector<Row> rows;
  for (Slot slot : pool) rows.push_back(ground_.elements[slot].row);
  Selection greedy = lazy_greedy(*ground_.objective, rows, ground_.settings.k);
  if (greedy.value <= best.value) return best;
  best.slots.clear();
  for (std::uint32_t picked : greedy.picked) best.slots.push_back(pool[picked]);
  best.gains = std::move(greedy.gains);
  best.value = greedy.value;
  best.upper_bound = std::max(best.value, best.upper_bound);  // greedy's own bound is one of the pool alone
  return best;
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

void DynamicMaximizer::draw_candidates(std::vector<Slot>& pool) const {
  if (ground_.settings.refine_budget == 0) return;
  std::vector<Slot> live;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.linked(slot)) live.push_back(slot);
  // A stream of its own: the guesses' streams have their grid index for a number.
  PhiloxStream random(ground_.settings.seed, std::numeric_limits<std::uint32_t>::max() / 2, ground_.epoch);
  const std::size_t drawn = std::min<std::size_t>(live.size(), ground_.settings.refine_budget);
  for (std::size_t i = 0; i < drawn; ++i) {
    std::swap(live[i], live[i + random.below(static_cast<std::uint32_t>(live.size() - i))]);
    pool.push_back(live[i]);
  }
}

// OPT <= f(S) + the sum of the k largest f(e|S), for any S.
double DynamicMaximizer::greedy_bound(const Solution& solution) const {
  const auto chain = ground_.objective->chain();
  chain->open();
  for (Slot slot : solution.slots) chain->add(ground_.elements[slot].row);
  std::vector<double> gains;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.linked(slot)) gains.push_back(chain->top_gain(ground_.elements[slot].row));
  const std::size_t k = std::min<std::size_t>(gains.size(), ground_.settings.k);
  std::partial_sort(gains.begin(), gains.begin() + static_cast<std::ptrdiff_t>(k), gains.end(), std::greater<>());
  double bound = chain->value();
  for (std::size_t i = 0; i < k; ++i) bound += gains[i];
  return bound;
}

std::size_t DynamicMaximizer::nbytes() const noexcept {
  std::lock_guard<std::mutex> lock(ground_.objective->mutex);
  std::size_t total = sizeof *this + ground_.ids.nbytes() + ground_.elements.capacity() * sizeof(Element) +
                      ground_.objective->nbytes();
  for (const auto& [j, guess] : guesses_) total += guess->nbytes();
  return total;
}

void DynamicMaximizer::audit() const {
  std::lock_guard<std::mutex> lock(ground_.objective->mutex);
  const auto empty = ground_.objective->chain();
  std::map<int, std::uint32_t> magnitudes;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot) {
    const Element& element = ground_.elements[slot];
    if (!ground_.ids.taken(slot)) continue;
    if (element.live != ground_.ids.linked(slot)) throw std::logic_error("an id and its element disagree on being live");
    if (!element.live && element.held == 0 && element.sampled == 0) throw std::logic_error("a dead element was not dropped");
    if (element.live && element.single != empty->gain(element.row, 0))
      throw std::logic_error("f of element " + ground_.ids.at(slot).str() + " changed");
    if (element.live && element.single > 0) ++magnitudes[ground_.grid.index(element.single)];
  }
  if (magnitudes != magnitudes_) throw std::logic_error("the counts by magnitude are off");
  for (const auto& [j, guess] : guesses_) {
    guess->audit();
    if (ground_.settings.all_guesses && guess->empty()) throw std::logic_error("an empty guess was kept");
  }
  if (magnitudes_.empty()) return;
  const Window wanted = window();
  for (int j = wanted.low; j <= wanted.high; ++j)
    if (guesses_.count(j) == 0 && !ground_.settings.all_guesses)
      throw std::logic_error("guess " + std::to_string(j) + ", which may hold the optimum, is not kept");
}

std::string DynamicMaximizer::save() const {
  std::lock_guard<std::mutex> lock(ground_.objective->mutex);
  SnapshotWriter out;
  ground_.objective->save(out);
  out.u64(ground_.epoch);
  out.u64(ground_.queries);
  out.u32(slack_);
  out.u64(activations_);
  out.u64(activation_queries_);
  out.u64(queries_at_widening_);
  ground_.ids.save(out);
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.taken(slot)) out.u32(ground_.elements[slot].row);
  out.u32(static_cast<std::uint32_t>(guesses_.size()));
  for (const auto& [j, guess] : guesses_) {
    out.i64(j);
    guess->save(out);
  }
  return std::move(out).finish();
}

std::unique_ptr<DynamicMaximizer> DynamicMaximizer::load(std::shared_ptr<Objective> fresh, const Settings& settings,
                                                         Span<const std::uint8_t> data) {
  SnapshotReader in(data);
  Objective& objective = *fresh;
  objective.load(in);
  auto loaded = std::make_unique<DynamicMaximizer>(std::move(fresh), settings);
  GroundSet& ground = loaded->ground_;
  ground.epoch = in.u64();
  ground.queries = in.u64();
  loaded->slack_ = in.u32();
  loaded->activations_ = in.u64();
  loaded->activation_queries_ = in.u64();
  loaded->queries_at_widening_ = in.u64();
  if (loaded->slack_ > 1000) in.fail("a slack of at most 1000 guesses");
  KeyTable ids = KeyTable::load(in);
  std::vector<Element> elements(ids.capacity());
  for (Slot slot = 0; slot < ids.capacity(); ++slot) {
    if (!ids.taken(slot)) continue;
    Element& element = elements[slot];
    element.row = in.u32();
    if (!objective.has(element.row)) in.fail("elements with rows of the objective");
    element.single = objective.single(element.row);
    element.live = ids.linked(slot);
    if (element.live && element.single > 0) ++loaded->magnitudes_[ground.grid.index(element.single)];
  }
  for (Slot slot = 0; slot < ids.capacity(); ++slot)
    if (ids.taken(slot)) objective.hold(elements[slot].row);
  ground.elements = std::move(elements);
  ground.ids = std::move(ids);  // from here on the destructor lets go of the rows
  objective.settle();
  const std::size_t n_guesses = in.count(12);
  for (std::size_t i = 0; i < n_guesses; ++i) {
    const std::int64_t j = in.i64();
    if (j < -10'000'000 || j > 10'000'000) in.fail("a grid index within ten million");
    if (!loaded->guesses_.empty() && j <= loaded->guesses_.rbegin()->first) in.fail("guesses in ascending order");
    if (!settings.all_guesses && i > 0 && j != loaded->guesses_.rbegin()->first + 1) in.fail("guesses without a gap");
    auto guess = std::make_unique<Guess>(ground, static_cast<int>(j));
    guess->load(in);
    if (guess->empty() && settings.all_guesses) in.fail("guesses that hold a live element");
    loaded->guesses_.emplace(static_cast<int>(j), std::move(guess));
  }
  for (Slot slot = 0; slot < ground.elements.size(); ++slot) {
    const Element& element = ground.elements[slot];
    if (ground.ids.taken(slot) && !element.live && element.held == 0 && element.sampled == 0)
      in.fail("no deleted element that nothing refers to");
  }
  in.finish();
  return loaded;
}

}  // namespace pyalgo::submodular
