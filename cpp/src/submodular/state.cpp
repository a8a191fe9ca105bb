// What the dynamic maximiser consists of: its size, its invariants, its snapshot.
#include <algorithm>
#include <stdexcept>

#include "guess.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

OwnedKeys DynamicMaximizer::live() const {
  std::lock_guard<Objective> lock(*ground_.objective);
  std::vector<Key> keys;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot)
    if (ground_.ids.linked(slot)) keys.push_back(ground_.ids.at(slot));
  std::sort(keys.begin(), keys.end());
  OwnedKeys ids;
  for (const Key& key : keys) ids.push_back(key);
  return ids;
}

std::size_t DynamicMaximizer::nbytes() const noexcept {
  std::lock_guard<Objective> lock(*ground_.objective);
  std::size_t total = sizeof *this + ground_.ids.nbytes() + ground_.elements.capacity() * sizeof(Element) +
                      ground_.objective->nbytes();
  for (const auto& [j, guess] : guesses_) total += guess->nbytes();
  return total;
}

std::vector<Ladder> DynamicMaximizer::ladders() const {
  std::lock_guard<Objective> lock(*ground_.objective);
  std::vector<Ladder> all;
  for (const auto& [j, guess] : guesses_) all.push_back({j, guess->samples()});
  return all;
}

void DynamicMaximizer::audit() const {
  std::lock_guard<Objective> lock(*ground_.objective);
  const auto empty = ground_.objective->chain();
  std::map<int, std::uint32_t> magnitudes;
  for (Slot slot = 0; slot < ground_.elements.size(); ++slot) {
    const Element& element = ground_.elements[slot];
    if (!ground_.ids.taken(slot)) continue;
    if (element.live != ground_.ids.linked(slot)) throw std::logic_error("an id and its element disagree on being live");
    if (!element.live && element.lists == 0) throw std::logic_error("a dead element was not dropped");
    if (element.live && ground_.single(slot) != empty->gain(element.row, 0))
      throw std::logic_error("f of element " + ground_.ids.at(slot).str() + " changed");
    if (element.live && ground_.single(slot) > 0) ++magnitudes[ground_.grid.index(ground_.single(slot))];
  }
  if (magnitudes != magnitudes_) throw std::logic_error("the counts by magnitude are off");
  for (const auto& [j, guess] : guesses_) {
    guess->audit();
    if (ground_.settings.all_guesses && guess->empty()) throw std::logic_error("an empty guess was kept");
  }
  if (magnitudes_.empty()) return;
  if (!proves_ratio(window())) throw std::logic_error("the guesses kept do not prove the ratio");
}

std::string DynamicMaximizer::save(const std::string& annex) const {
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
  for (std::uint32_t group : ground_.groups) out.u32(group);
  out.u32(static_cast<std::uint32_t>(guesses_.size()));
  for (const auto& [j, guess] : guesses_) {
    out.i64(j);
    guess->save(out);
  }
  out.string(annex);
  return std::move(out).finish();
}

std::unique_ptr<DynamicMaximizer> DynamicMaximizer::load(std::shared_ptr<Objective> fresh, const Settings& settings,
                                                         Span<const std::uint8_t> data, std::string& annex) {
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
    element.live = ids.linked(slot);
    const double single = objective.single(element.row);
    if (element.live && single > 0) ++loaded->magnitudes_[ground.grid.index(single)];
  }
  for (Slot slot = 0; slot < ids.capacity(); ++slot)
    if (ids.taken(slot)) objective.hold(elements[slot].row);
  ground.elements = std::move(elements);
  ground.ids = std::move(ids);  // from here on the destructor lets go of the rows
  objective.settle();
  if (const std::uint32_t n_groups = ground.n_groups()) {
    in.need(4 * ground.elements.size());
    ground.groups.resize(ground.elements.size());
    for (std::uint32_t& group : ground.groups)
      if ((group = in.u32()) >= n_groups) in.fail("groups of the constraint");
  }
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
  if (in.at_end()) {  // a state of the first format, whose guesses need not prove the ratio yet
    if (!settings.all_guesses) loaded->tend_window();
  } else {
    annex = in.string();
  }
  in.finish();
  if (!loaded->magnitudes_.empty() && !loaded->proves_ratio(loaded->window())) in.fail("guesses that prove the ratio");
  return loaded;
}

}  // namespace pyalgo::submodular
