#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "greedy.hpp"
#include "levels.hpp"
#include "param.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/growth.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {
namespace {

// How many candidates a guess puts into the pool of a refined query, times k.
constexpr std::size_t candidates_per_pick = 2;

std::unique_ptr<Guess> make_guess(GroundSet& ground, int j) {
  if (ground.settings.method == Method::param) return std::make_unique<ParamGuess>(ground, j);
  return std::make_unique<LevelsGuess>(ground, j);
}

}  // namespace

double Settings::ratio() const noexcept { return (method == Method::levels ? 1 - eps : 1) / (2 * (1 + eps)); }

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
  element.single = objective.single(element.row);
  element.live = 1;
  ++ground_.queries;
  const Slot slot = ground_.ids.insert(id);
  if (slot >= ground_.elements.size()) push_tight(ground_.elements, Element{});
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
      guesses_.emplace(j, make_guess(ground_, j));
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

bool DynamicMaximizer::proves_ratio(const Window& proven) const {
  return proven.lower >= ground_.settings.ratio() * proven.upper * (1 - 1e-12);
}

// Keeps as many guesses as prove the ratio. Two neighbours always do, the first with a full prefix, the second without:
// the first is worth (1-eps) gamma/2, and by the second OPT is at most f(G) + (1+eps) gamma/2; if that is above
// (1+eps) gamma, then f(G) > (1+eps) gamma/2 and the second is worth (1-eps) f(G) (without the 1-eps where no dead element
// is left in a sample, method "param"). So the search for a proof goes up
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
  auto guess = make_guess(ground_, j);
  std::vector<Slot> candidates;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.linked(slot) && guess->contains(ground_.elements[slot].single)) candidates.push_back(slot);
  guess->build(std::move(candidates));
  guesses_.emplace(j, std::move(guess));
  ++activations_;
  activation_queries_ += ground_.queries - before;
}

DynamicMaximizer::Guesses::iterator DynamicMaximizer::park(Guesses::iterator guess) {
  guess->second->clear();
  return guesses_.erase(guess);
}

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
  Solution best;
  const Guess* source = nullptr;
  for (const auto& [j, guess] : guesses_) {
    Solution solution = live_solution(*guess);
    if (solution.value > best.value) best = std::move(solution), source = guess.get();
  }
  if (source != nullptr && best.slots.size() < ground_.settings.k) {
    std::vector<Slot> pool;
    source->append_candidates(ground_.settings.k, pool);
    best = lazy_greedy(ground_, std::move(pool), std::move(best));
  }
  if (!magnitudes_.empty()) best.upper_bound = std::max(best.value, window().upper);
  return best;
}

// Lazy greedy over the live samples of every guess worth at least 0.4 of the best and those that came nearest to them, and
// the drawn candidates.
Solution DynamicMaximizer::refined() const {
  Solution best = published();
  std::vector<Slot> pool;
  for (const auto& [j, guess] : guesses_)
    if (guess->live_gain() >= 0.4 * best.value) {
      guess->append_live_sample(pool);
      guess->append_candidates(candidates_per_pick * ground_.settings.k, pool);
    }
  draw_candidates(pool);
  Solution greedy = lazy_greedy(ground_, std::move(pool));
  if (greedy.value <= best.value) return best;
  greedy.upper_bound = std::max(greedy.value, best.upper_bound);
  greedy.guess = best.guess;
  return greedy;
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
  std::lock_guard<Objective> lock(*ground_.objective);
  std::size_t total = sizeof *this + ground_.ids.nbytes() + ground_.elements.capacity() * sizeof(Element) +
                      ground_.objective->nbytes();
  for (const auto& [j, guess] : guesses_) total += guess->nbytes();
  return total;
}

std::vector<Ladder> DynamicMaximizer::ladders() const {
  std::vector<Ladder> all;
  for (const auto& [j, guess] : guesses_) all.push_back({j, guess->samples()});
  return all;
}

void DynamicMaximizer::audit() const {
  std::lock_guard<Objective> lock(*ground_.objective);
  std::map<int, std::uint32_t> magnitudes;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot) {
    const Element& element = ground_.elements[slot];
    if (!ground_.ids.taken(slot)) continue;
    if (element.live != ground_.ids.linked(slot)) throw std::logic_error("an id and its element disagree on being live");
    if (!element.live && element.lists == 0) throw std::logic_error("a dead element was not dropped");
    if (element.live && element.single != ground_.objective->single(element.row))
      throw std::logic_error("f of element " + ground_.ids.at(slot).str() + " changed");
    if (element.live && element.single > 0) ++magnitudes[ground_.grid.index(element.single)];
  }
  if (magnitudes != magnitudes_) throw std::logic_error("the counts by magnitude are off");
  for (const auto& [j, guess] : guesses_) {
    guess->audit();
    if (ground_.settings.all_guesses && guess->empty()) throw std::logic_error("an empty guess was kept");
  }
  if (magnitudes_.empty()) return;
  if (!proves_ratio(window())) throw std::logic_error("the guesses kept do not prove the ratio");
}

std::string DynamicMaximizer::save() const {
  std::lock_guard<Objective> lock(*ground_.objective);
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
    auto guess = make_guess(ground, static_cast<int>(j));
    guess->load(in);
    if (guess->empty() && settings.all_guesses) in.fail("guesses that hold a live element");
    loaded->guesses_.emplace(static_cast<int>(j), std::move(guess));
  }
  for (Slot slot = 0; slot < ground.elements.size(); ++slot) {
    const Element& element = ground.elements[slot];
    if (ground.ids.taken(slot) && !element.live && element.lists == 0)
      in.fail("no deleted element that nothing refers to");
  }
  in.finish();
  return loaded;
}

}  // namespace pyalgo::submodular
