// What all objectives share: rows that are held, the ids known ahead, and the chain's bookkeeping of values.
#include <algorithm>
#include <cmath>
#include <functional>

#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

double Geometric::at(int j) const noexcept {
  double power = 1.0, square = base_;
  for (unsigned n = j < 0 ? 0U - static_cast<unsigned>(j) : static_cast<unsigned>(j); n != 0; n >>= 1) {
    if (n & 1U) power *= square;
    square *= square;
  }
  return j < 0 ? 1.0 / power : power;
}

int Geometric::index(double x) const noexcept {
  // The logarithm only guesses; the powers decide.
  int j = static_cast<int>(std::floor(std::log(x) / std::log(base_)));
  while (at(j) > x) --j;
  while (at(j + 1) <= x) ++j;
  return j;
}

KeyColumn PayloadBatch::keys_of(std::size_t row) const {
  const auto begin = static_cast<std::size_t>(key_offsets[row]);
  const auto length = static_cast<std::size_t>(key_offsets[row + 1]) - begin;
  if (keys.kind == KeyKind::text) return {keys.kind, {}, keys.texts.subspan(begin, length)};
  return {keys.kind, length == 0 ? Span<const std::int64_t>() : keys.numbers.subspan(begin, length), {}};
}

Span<const double> PayloadBatch::values_of(std::size_t row) const {
  const auto begin = static_cast<std::size_t>(value_offsets[row]);
  return values.subspan(begin, static_cast<std::size_t>(value_offsets[row + 1]) - begin);
}

void OwnedPayload::end_row() {
  key_offsets.push_back(static_cast<std::int64_t>(keys.size()));
  value_offsets.push_back(static_cast<std::int64_t>(values.size()));
}

PayloadBatch OwnedPayload::view() {
  part_views_.clear();
  for (OwnedPayload& part : parts) part_views_.push_back(part.view());
  return {has_keys, key_offsets, keys.view(texts_), has_values, value_offsets, values, part_views_};
}

void PrefixChain::open() {
  do_open();
  values_.push_back(values_.back());
}

double PrefixChain::add(Row row) {
  const double gained = top_gain(row);
  do_add(row);
  values_.back() += gained;
  return gained;
}

void PrefixChain::truncate(std::uint32_t levels) {
  do_truncate(levels);
  values_.resize(levels + 1);
}

void PrefixChain::top_gains(Span<const Row> rows, double* out) const {
  for (std::size_t i = 0; i < rows.size(); ++i) out[i] = top_gain(rows[i]);
}

std::uint32_t PrefixChain::depth(Row row, double threshold, std::uint64_t& queries) const {
  ++queries;
  if (gain(row, levels()) >= threshold) return levels() + 1;
  std::uint32_t low = 0, high = levels();  // the answer is in [low, high]: gains do not increase along the chain
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    ++queries;
    if (gain(row, middle) >= threshold)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

std::uint32_t PrefixChain::depth_by_pass(Row row, double threshold, std::uint64_t& queries) const {
  pass_.resize(levels() + 1);
  gains(row, pass_.data());
  std::uint32_t at = levels() + 1;
  while (at > 0 && pass_[at - 1] < threshold) --at;
  // The pass sums in another order than `gain`: what is within its rounding of the threshold, `gain` must decide.
  const double doubt = 1e-9 * (pass_[0] + threshold);
  const bool clear = (at == 0 || pass_[at - 1] - threshold > doubt) && (at > levels() || threshold - pass_[at] > doubt);
  if (!clear) return PrefixChain::depth(row, threshold, queries);
  ++queries;
  return at;
}

void Objective::lock() {
  for (std::mutex* mutex : mutexes_) mutex->lock();
}

void Objective::unlock() {
  for (std::mutex* mutex : mutexes_) mutex->unlock();
}

void Objective::lock_with(const Objective& component) {
  mutexes_.insert(mutexes_.end(), component.mutexes_.begin(), component.mutexes_.end());
  std::sort(mutexes_.begin(), mutexes_.end(), std::less<>());
  mutexes_.erase(std::unique(mutexes_.begin(), mutexes_.end()), mutexes_.end());
}

Row Objective::take() {
  if (free_.empty()) {
    holds_.push_back(1);
    return static_cast<Row>(holds_.size() - 1);
  }
  const Row at = free_.back();
  free_.pop_back();
  holds_[at] = 1;
  return at;
}

Row Objective::add(const PayloadBatch& payload, std::size_t row) {
  const Row at = take();
  do_add(at, payload, row);
  if (at < singles_.size()) singles_[at] = -1.0;
  return at;
}

double Objective::ask_single(Row row) const {
  if (row >= singles_.size()) singles_.resize(holds_.size(), -1.0);
  return singles_[row] = empty_->gain(row, 0);
}

void Objective::drop(Row row) {
  if (--holds_[row] > 0) return;
  do_drop(row);
  free_.push_back(row);
}

void Objective::add_known(const PayloadBatch& payload, std::size_t rows) {
  std::vector<std::uint32_t> all(rows);
  for (std::uint32_t i = 0; i < rows; ++i) all[i] = i;
  check(payload, {all.data(), all.size()});
  for (std::size_t i = 0; i < rows; ++i) known_.push_back(add(payload, i));
}

bool Objective::knows(const Key& id) const noexcept {
  return id.kind == KeyKind::integer && id.number >= 0 && static_cast<std::uint64_t>(id.number) < known_.size() &&
         known_[static_cast<std::size_t>(id.number)] != forgotten;
}

void Objective::forget(std::size_t id) {
  drop(known_[id]);
  known_[id] = forgotten;
}

Objective::Restore Objective::backup() {
  return [this, payload = do_backup(), holds = holds_, free = free_, known = known_, singles = singles_] {
    payload();
    holds_ = holds;
    free_ = free;
    known_ = known;
    singles_ = singles;
  };
}

void Objective::save(SnapshotWriter& out) const {
  out.u32(static_cast<std::uint32_t>(holds_.size()));
  for (std::uint32_t holds : holds_) out.u8(holds > 0);
  for (Row row : free_) out.u32(row);
  out.u32(static_cast<std::uint32_t>(known_.size()));
  for (Row row : known_) out.u32(row);
  do_save(out);
}

// Every row in use comes back with one hold of the loading itself, which `settle` drops once the owners hold theirs.
void Objective::load(SnapshotReader& in) {
  const std::size_t n = in.count(1);
  holds_.assign(n, 0);
  for (std::uint32_t& holds : holds_) holds = in.u8() != 0;
  const auto n_free = static_cast<std::size_t>(std::count(holds_.begin(), holds_.end(), 0U));
  std::vector<bool> listed(n, false);
  for (std::size_t i = 0; i < n_free; ++i) {
    const Row row = in.u32();
    if (row >= n || has(row) || listed[row]) in.fail("a free list of the free rows, each once");
    listed[row] = true;
    free_.push_back(row);
  }
  const std::size_t n_known = in.count(4);
  for (std::size_t i = 0; i < n_known; ++i) {
    const Row row = in.u32();
    if (row != forgotten && !has(row)) in.fail("known ids with rows in use");
    known_.push_back(row);
  }
  do_load(in);
  loading_ = holds_;
  for (Row row : known_)
    if (row != forgotten) hold(row);
}

void Objective::settle() {
  for (Row row = 0; row < loading_.size(); ++row)
    if (loading_[row] > 0) drop(row);
  loading_ = {};
}

}  // namespace pyalgo::submodular
