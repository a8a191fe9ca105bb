// What there is to know of a fleet, and how it is put on file.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "pyalgo/bandits.hpp"
#include "pyalgo/errors.hpp"

namespace pyalgo::bandits {

Fleet::States Fleet::states(Span<const std::int64_t> ids) const {
  States found;
  found.counts.assign(ids.size() * arms_, 0);
  found.sums.assign(ids.size() * arms_, 0);
  found.means.assign(ids.size() * arms_, NAN);
  for (std::size_t row = 0; row < ids.size(); ++row) {
    const std::size_t place = known(ids, row);
    const Head head = this->head(place);
    found.arms.push_back(current_[place]);
    found.epochs.push_back(head.epoch);
    found.active.push_back(head.active);
    found.tokens.push_back(head.plays);
    const std::uint8_t* order = this->order(place);
    const std::size_t playing =
        static_cast<std::size_t>(std::find(order, order + head.active, current_[place]) - order);
    for (std::size_t i = 0; i < arms_; ++i) {
      const std::size_t at = row * arms_ + order[i];
      if (i >= head.active) {
        found.means[at] = sum(place, order[i]);
        continue;
      }
      std::uint64_t count = schedule_.pooled(head.epoch);
      if (!done(head) && i <= playing) count += schedule_.block(head.epoch) - (i == playing ? head.left : 0);
      found.counts[at] = static_cast<std::int64_t>(count);
      found.sums[at] = sum(place, order[i]);
      if (count > 0) found.means[at] = found.sums[at] / static_cast<double>(count);
    }
  }
  return found;
}

std::vector<std::int64_t> Fleet::ids() const {
  std::vector<std::int64_t> found;
  for (std::size_t place = 0; place < current_.size(); ++place)
    if (current_[place] != nobody)
      found.push_back(settings_.hashed ? keys_.at(static_cast<std::uint32_t>(place)).number
                                       : static_cast<std::int64_t>(place));
  return found;
}

// Who passed the test of epoch s - 1 has h_a(W) - h* <= 4 r_{s-1} if no interval misses; so a play of epoch s costs at
// most that, one of epoch 0 or of a burn-in at most 1. A bandit that is committed plays x*, but for a burn-in at no
// cost. Epoch s has at most K n_s plays that count and K M others. A play of the user's own costs at most 1, and M
// plays of a new burn-in.
Fleet::Summary Fleet::summary() const {
  Summary found;
  found.committed_to.assign(arms_, 0);
  found.playing.assign(arms_, 0);
  found.epochs.assign(schedule_.epochs() + 1, 0);
  found.bandits = live_;
  found.failure = schedule_.failure();
  const double k = static_cast<double>(arms_), m = static_cast<double>(settings_.elimination.burn_in);
  const auto cost = [&](std::size_t epoch) { return epoch == 0 ? 1 : std::min(1.0, 4 * radii_[epoch - 1]); };
  std::vector<double> before{0};
  for (std::uint32_t s = 0; s < schedule_.epochs(); ++s)
    before.push_back(before.back() + k * (m + static_cast<double>(schedule_.block(s)) * cost(s)));
  for (std::size_t place = 0; place < current_.size(); ++place) {
    if (current_[place] == nobody) continue;
    const Head head = this->head(place);
    const double plays = head.plays;
    ++found.playing[current_[place]];
    ++found.epochs[head.epoch];
    found.plays += head.plays;
    double now = m;
    if (head.active == 1) {
      ++found.committed;
      ++found.committed_to[current_[place]];
    } else {
      const double counted = done(head) ? plays : std::min(plays, k * static_cast<double>(schedule_.block(head.epoch)));
      now = k * m + counted * cost(head.epoch);
    }
    found.regret_bound += std::min(plays, before[head.epoch] + now);
  }
  found.foreign = foreign_;
  found.regret_bound += static_cast<double>(foreign_) * (1 + m);
  return found;
}

std::size_t Fleet::nbytes() const noexcept {
  return sizeof(Fleet) + records_.size() + current_.size() + 8 * stamps_.size() +
         (settings_.hashed ? keys_.nbytes() : 0) + 8 * (radii_.size() + 2 * schedule_.epochs() + 1);
}

void Fleet::merge(const Fleet& other) {
  const std::vector<std::int64_t> ids = other.ids();
  for (std::size_t row = 0; row < ids.size(); ++row)
    if (place_of(ids[row]) != SIZE_MAX)
      throw BatchError(BatchError::Kind::duplicate_element, row,
                       "id " + std::to_string(ids[row]) + " is in both fleets: merge fleets of different ids");
  if (settings_.hashed) {
    add(ids);
  } else {
    ids_stamp_ = changes_ += ids.size();
    if (other.current_.size() > current_.size()) resize(other.current_.size());
    live_ += ids.size();
  }
  for (const std::int64_t id : ids) {
    const std::size_t from = other.place_of(id), to = settings_.hashed ? place_of(id) : from;
    std::memcpy(record(to), other.record(from), stride_);
    touch(to);
    current_[to] = other.current_[from];
  }
  n_seen_ += other.n_seen_;
  foreign_ += other.foreign_;
}

namespace {

// The numbers of a record in the order of bytes on file; its own inverse.
void swap_bytes(std::uint8_t* record, std::size_t arms, bool single) {
  const auto turn = [](std::uint8_t* at, std::size_t size) { std::reverse(at, at + size); };
  for (std::size_t i = 0; i < 3; ++i) turn(record + 4 * i, 4);
  if (single) turn(record + 15, 4);
  const std::size_t size = single ? 4 : 8, first = single ? 19 + arms : (15 + arms + 3) / 4 * 4;
  for (std::size_t i = 0; i < arms; ++i) turn(record + first + i * size, size);
}

}  // namespace

std::string Fleet::save_head() const {
  SnapshotWriter out;
  out.u64(records_.size());
  out.u64(n_seen_);
  out.u64(foreign_);
  out.u64(changes_);
  if (settings_.hashed) keys_.save(out);
  out.numbers(Span<const std::uint8_t>(current_));
  return std::move(out).finish();
}

std::vector<std::uint8_t> Fleet::turned_records() const {
  std::vector<std::uint8_t> records = records_;
  for (std::size_t place = 0; place < current_.size(); ++place)
    swap_bytes(&records[place * stride_], arms_, settings_.single);
  return records;
}

void Fleet::load(Span<const std::uint8_t> payload) {
  SnapshotReader first(payload);
  const std::uint64_t size = first.u64();
  first.need(static_cast<std::size_t>(std::min<std::uint64_t>(size, SIZE_MAX)));
  SnapshotReader in(payload.subspan(8, payload.size() - 8 - static_cast<std::size_t>(size)));
  n_seen_ = in.u64();
  foreign_ = in.u64();
  ids_stamp_ = changes_ = in.u64();
  if (settings_.hashed) keys_ = KeyTable::load(in);
  const std::vector<std::uint8_t> current = in.numbers<std::uint8_t>();
  in.finish();
  if (size / stride_ != current.size() || size % stride_ != 0) in.fail("as many records as bandits");
  resize(current.size());
  current_ = current;
  if (size > 0) std::memcpy(records_.data(), payload.end() - size, static_cast<std::size_t>(size));
  live_ = 0;
  for (std::size_t place = 0; place < current_.size(); ++place) {
    if (big_endian) swap_bytes(record(place), arms_, settings_.single);
    check_place(place, in);
    live_ += current_[place] != nobody;
  }
  if (settings_.hashed && keys_.size() != live_) in.fail("a bandit for every id");
}

void Fleet::check_place(std::size_t place, SnapshotReader& in) {
  const bool there = current_[place] != nobody;
  if (settings_.hashed) {
    const bool linked = place < keys_.capacity() && keys_.linked(static_cast<std::uint32_t>(place));
    if (linked != there) in.fail("a bandit for every id");
  }
  if (there) check_record(place, in);
}

namespace {

constexpr std::uint64_t kChanges = UINT64_MAX;  // where a snapshot has the size of its records

}  // namespace

std::string Fleet::changes_since(std::uint64_t earlier) const {
  SnapshotWriter out;
  for (const std::uint64_t number : {kChanges, earlier, changes_, n_seen_, foreign_, std::uint64_t{current_.size()}})
    out.u64(number);
  out.u8(settings_.hashed && ids_stamp_ > earlier);
  if (settings_.hashed && ids_stamp_ > earlier) keys_.save(out);
  std::vector<std::uint64_t> pages;
  for (std::size_t page = 0; page < stamps_.size(); ++page)
    if (stamps_[page] > earlier) pages.push_back(page);
  out.numbers(Span<const std::uint64_t>(pages));
  for (const std::uint64_t page : pages) {
    const std::size_t first = static_cast<std::size_t>(page) * page_size,
                      n = std::min(page_size, current_.size() - first);
    std::vector<std::uint8_t> records(record(first), record(first) + n * stride_);
    if (big_endian)
      for (std::size_t i = 0; i < n; ++i) swap_bytes(&records[i * stride_], arms_, settings_.single);
    out.numbers(Span<const std::uint8_t>(&current_[first], n));
    out.numbers(Span<const std::uint8_t>(records));
  }
  return std::move(out).finish();
}

void Fleet::apply_changes(Span<const std::uint8_t> payload) {
  SnapshotReader in(payload);
  if (in.u64() != kChanges) in.fail("changes of a fleet, not a fleet");
  const std::uint64_t earlier = in.u64();
  if (earlier != changes_)
    throw std::invalid_argument("the changes are since state " + std::to_string(earlier) +
                                ", and this fleet is in state " + std::to_string(changes_) +
                                ": apply them in their order");
  Fleet next = *this;
  next.changes_ = in.u64();
  next.n_seen_ = in.u64();
  next.foreign_ = in.u64();
  const std::uint64_t places = in.u64();
  if (next.changes_ < changes_ || places < current_.size() || places > UINT32_MAX - 1) in.fail("a later state");
  if (in.u8() != 0) {
    if (!settings_.hashed) in.fail("no ids of a dense fleet");
    next.keys_ = KeyTable::load(in);
    next.ids_stamp_ = next.changes_;
  }
  const std::vector<std::uint64_t> pages = in.numbers<std::uint64_t>();
  if (places > current_.size() && places - current_.size() > pages.size() * page_size) in.fail("pages of new bandits");
  next.resize(static_cast<std::size_t>(places));
  for (const std::uint64_t page : pages) {
    if (page >= next.stamps_.size()) in.fail("a page of the fleet");
    const std::size_t first = static_cast<std::size_t>(page) * page_size;
    const std::vector<std::uint8_t> current = in.numbers<std::uint8_t>(), records = in.numbers<std::uint8_t>();
    if (current.size() != std::min(page_size, next.current_.size() - first) ||
        records.size() != current.size() * stride_)
      in.fail("a whole page");
    std::copy(current.begin(), current.end(), next.current_.begin() + static_cast<std::ptrdiff_t>(first));
    std::copy(records.begin(), records.end(), next.record(first));
    next.touch(first);
    for (std::size_t i = 0; big_endian && i < current.size(); ++i)
      swap_bytes(next.record(first + i), arms_, settings_.single);
  }
  in.finish();
  next.live_ = 0;
  for (std::size_t place = 0; place < next.current_.size(); ++place) {
    next.check_place(place, in);
    next.live_ += next.current_[place] != nobody;
  }
  if (settings_.hashed && next.keys_.size() != next.live_) in.fail("a bandit for every id");
  *this = std::move(next);
}

void Fleet::check_record(std::size_t place, SnapshotReader& in) const {
  const Head head = this->head(place);
  const std::uint8_t* order = this->order(place);
  if (head.active < 1 || head.active > arms_ || head.epoch > schedule_.epochs() || head.last >= arms_ ||
      head.run > settings_.elimination.burn_in)
    in.fail("a place in the schedule of bandit " + std::to_string(place));
  bool seen[most_arms] = {};
  for (std::size_t i = 0; i < arms_; ++i) {
    if (order[i] >= arms_ || seen[order[i]]) in.fail("an order of arms of bandit " + std::to_string(place));
    seen[order[i]] = true;
  }
  const std::uint64_t block = done(head) ? 0 : schedule_.block(head.epoch);
  const std::uint8_t* at = std::find(order, order + head.active, current_[place]);
  if (head.left > block || (head.left == 0) != done(head) || at == order + head.active || (done(head) && at != order))
    in.fail("a place in the epoch of bandit " + std::to_string(place));
  const double most = 1.0001 * static_cast<double>(schedule_.pooled(head.epoch) + block);
  for (std::size_t i = 0; i < arms_; ++i) {
    const double value = sum(place, order[i]);
    if (!(value >= 0 && value <= (i < head.active ? most : 1.0001)))
      in.fail("sums of losses from 0 to 1 of bandit " + std::to_string(place));
  }
}

}  // namespace pyalgo::bandits
