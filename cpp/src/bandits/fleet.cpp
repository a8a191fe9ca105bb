#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "pyalgo/bandits.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/pages.hpp"
#include "pyalgo/parallel.hpp"

namespace pyalgo::bandits {
namespace {

constexpr std::size_t kAhead = 32;    // rows between a prefetch and its use
constexpr std::size_t kPiece = 1024;  // rows that a shard looks through at a time

[[noreturn]] void refuse_loss(const LossScale& scale, std::size_t row, double loss) {
  throw BatchError(BatchError::Kind::value, row,
                   std::string(scale.reward ? "reward" : "loss") + " must be from " + std::to_string(scale.low) +
                       " to " + std::to_string(scale.high) + ", got " + std::to_string(loss) +
                       ": set loss_range to what there is");
}

template <class T>
T get(const std::uint8_t* from) noexcept {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void set(std::uint8_t* to, T value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

}  // namespace

// What a row changed, so that it can be taken back: of records whose block ended all of it.
struct Fleet::Journal {
  struct Row {
    std::uint32_t row;
    std::uint8_t current;
    Head head;
    double sum;
    float rest;
    std::uint32_t whole;  // where in `records`; none if there is nothing
  };
  static constexpr std::uint32_t none = UINT32_MAX;
  std::vector<Row> rows;
  std::vector<std::uint8_t> records;
};

// A range of places, whole pages, which one thread takes through the batch.
struct Fleet::Shard {
  std::size_t begin, end;
  bool journaled;
  Journal journal;
  std::size_t failed = SIZE_MAX;  // the first row that is refused
  std::uint64_t foreign = 0;
};

Fleet::Fleet(const FleetSettings& settings, std::uint64_t bandits)
    : settings_(settings), schedule_(settings.elimination), arms_(settings.elimination.arms) {
  const double log_term = schedule_.log_term(0);
  for (std::uint32_t s = 0; s < schedule_.epochs(); ++s)
    radii_.push_back(schedule_.radius(static_cast<double>(schedule_.pooled(s + 1)), 0, log_term));
  sums_at_ = head_size + (settings.single ? 4 : 0) + arms_;
  if (!settings.single) sums_at_ = (sums_at_ + 3) / 4 * 4;
  stride_ = sums_at_ + arms_ * (settings.single ? 4 : 8);
  if (!settings.hashed) {
    add(bandits);
    return;
  }
  std::vector<std::int64_t> ids(static_cast<std::size_t>(bandits));
  std::iota(ids.begin(), ids.end(), std::int64_t{0});
  add(ids);
}

// Field by field: what is copied as a whole and then read in parts waits for the copy.
Fleet::Head Fleet::head(std::size_t place) const noexcept {
  const std::uint8_t* at = record(place);
  return {get<std::uint32_t>(at), get<std::uint32_t>(at + 4), get<std::uint32_t>(at + 8), at[12], at[13], at[14]};
}

void Fleet::put(std::size_t place, const Head& head) noexcept {
  std::uint8_t* at = record(place);
  set(at, head.plays);
  set(at + 4, head.left);
  set(at + 8, head.run);
  at[12] = head.last;
  at[13] = head.active;
  at[14] = head.epoch;
}

double Fleet::sum(std::size_t place, Arm arm) const noexcept {
  const std::uint8_t* at = record(place) + sums_at_;
  return settings_.single ? get<float>(at + 4 * arm) : get<double>(at + 8 * arm);
}

void Fleet::put_sum(std::size_t place, Arm arm, double value) noexcept {
  std::uint8_t* at = record(place) + sums_at_;
  settings_.single ? set(at + 4 * arm, static_cast<float>(value)) : set(at + 8 * arm, value);
}

// In floats by Kahan's compensated summation: a sum of 2^24 losses would stop growing otherwise.
void Fleet::add_loss(std::size_t place, Arm arm, double loss) noexcept {
  std::uint8_t* at = record(place) + sums_at_;
  if (!settings_.single) {
    set(at + 8 * arm, get<double>(at + 8 * arm) + loss);
    return;
  }
  std::uint8_t* rest = record(place) + head_size;
  const float sum = get<float>(at + 4 * arm), term = static_cast<float>(loss) - get<float>(rest), next = sum + term;
  set(rest, (next - sum) - term);
  set(at + 4 * arm, next);
}

std::size_t Fleet::place_of(std::int64_t id) const noexcept {
  if (settings_.hashed) {
    const std::uint32_t found = keys_.find(Key::of(id));
    return found == KeyTable::npos ? SIZE_MAX : found;
  }
  const auto place = static_cast<std::size_t>(id);
  return id >= 0 && place < current_.size() && current_[place] != nobody ? place : SIZE_MAX;
}

std::size_t Fleet::known(Span<const std::int64_t> ids, std::size_t row) const {
  const std::size_t place = place_of(ids[row]);
  if (place == SIZE_MAX)
    throw BatchError(BatchError::Kind::unknown_element, row,
                     "id " + std::to_string(ids[row]) + " is no bandit of the fleet: add it with add_bandits");
  return place;
}

void Fleet::begin(std::size_t place) noexcept {
  touch(place);
  std::memset(record(place), 0, stride_);
  Head head{};
  head.active = static_cast<std::uint8_t>(arms_);
  head.left = done(head) ? 0 : static_cast<std::uint32_t>(schedule_.block(0));
  put(place, head);
  for (std::size_t arm = 0; arm < arms_; ++arm) order(place)[arm] = static_cast<std::uint8_t>(arm);
  current_[place] = 0;
}

void Fleet::resize(std::size_t places) {
  if (places > UINT32_MAX - 1) throw std::length_error("a fleet has at most 4294967294 bandits");
  if (places * stride_ > records_.capacity()) {
    records_.reserve(settings_.hashed ? std::max(places, places + places / 8) * stride_ : places * stride_);
    prefer_huge_pages(records_.data(), records_.capacity());
  }
  records_.resize(places * stride_);
  current_.resize(places, nobody);
  stamps_.resize((places + page_size - 1) / page_size, changes_);
}

std::uint64_t Fleet::add(std::uint64_t count) {
  const std::size_t first = current_.size();
  ids_stamp_ = changes_ += count;
  resize(first + static_cast<std::size_t>(count));
  for (std::size_t place = first; place < current_.size(); ++place) begin(place);  // which stamps the pages
  live_ += count;
  return first;
}

void Fleet::add(Span<const std::int64_t> ids) {
  KeyTable seen;
  for (std::size_t row = 0; row < ids.size(); ++row) {
    if (place_of(ids[row]) != SIZE_MAX || seen.find(Key::of(ids[row])) != KeyTable::npos)
      throw BatchError(BatchError::Kind::duplicate_element, row,
                       "id " + std::to_string(ids[row]) + " is in the fleet already");
    seen.insert(Key::of(ids[row]));
  }
  ids_stamp_ = changes_ += ids.size();
  for (const std::int64_t id : ids) {
    const std::uint32_t place = keys_.insert(Key::of(id));
    if (place >= current_.size()) resize(place + 1);
    begin(place);
  }
  live_ += ids.size();
}

void Fleet::remove(Span<const std::int64_t> ids) {
  std::vector<std::size_t> places;
  for (std::size_t row = 0; row < ids.size(); ++row) places.push_back(known(ids, row));
  ids_stamp_ = changes_ += ids.size();
  for (const std::size_t place : places) {
    if (current_[place] == nobody) continue;  // it stands twice in the list
    if (settings_.hashed) {
      keys_.unlink(static_cast<std::uint32_t>(place));
      keys_.release(static_cast<std::uint32_t>(place));
    }
    std::memset(record(place), 0, stride_);
    touch(place);
    current_[place] = nobody;
    --live_;
  }
}

void Fleet::reset(Span<const std::int64_t> ids) {
  for (std::size_t row = 0; row < ids.size(); ++row) known(ids, row);
  changes_ += ids.size();
  for (const std::int64_t id : ids) begin(place_of(id));
}

void Fleet::select(Span<const std::int64_t> ids, std::uint16_t* arms, unsigned threads) const {
  parallel_for(ids.size(), std::size_t{1} << 16, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) arms[row] = current_[known(ids, row)];
  });
}

// Everything of a row that can be said without the rows before it.
void Fleet::check(const Feedback& rows, std::vector<std::uint32_t>& places, unsigned threads) const {
  const LossScale scale = settings_.scale;
  if (settings_.hashed) places.resize(rows.ids.size());
  parallel_for(rows.ids.size(), std::size_t{1} << 16, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; ++row) {
      const std::size_t place = known(rows.ids, row);
      if (settings_.hashed) places[row] = static_cast<std::uint32_t>(place);
      if (!scale.holds(rows.losses[row])) refuse_loss(scale, row, rows.losses[row]);
      if (!rows.arms.empty() && rows.arms[row] >= arms_)
        throw BatchError(
            BatchError::Kind::value, row,
            "arm must be from 0 to " + std::to_string(arms_ - 1) + ", got " + std::to_string(rows.arms[row]));
    }
  });
}

// Whether no row of the shard can be refused any more: no id comes twice, and every arm is the one selected. Shards are
// whole pages, so they share no word of `seen`.
bool Fleet::is_certain(const Feedback& rows, const std::uint32_t* places, const Shard& shard,
                       std::vector<std::uint64_t>& seen) const {
  for (std::size_t row = 0; row < rows.ids.size(); ++row) {
    const std::size_t place = settings_.hashed ? places[row] : static_cast<std::size_t>(rows.ids[row]);
    if (place < shard.begin || place >= shard.end) continue;
    const std::uint64_t bit = std::uint64_t{1} << (place % 64);
    if ((seen[place / 64] & bit) != 0 || rows.arms[row] != current_[place]) return false;
    seen[place / 64] |= bit;
  }
  return true;
}

// Shards are ranges of places, so that the rows of one bandit are taken in their order on any number of threads.
void Fleet::update(const Feedback& rows, std::uint16_t* arms, std::uint32_t* tokens, unsigned threads) {
  const std::size_t n = rows.ids.size();
  std::vector<std::uint32_t> places;
  check(rows, places, threads);
  const std::size_t count = n < 4 * kPiece ? 1 : std::max(threads, 1U), pages = stamps_.size();
  bool may_fail = n > 1 && (!rows.tokens.empty() || (settings_.strict && !rows.arms.empty()));
  std::vector<Shard> shards;
  for (std::size_t i = 0; i < count; ++i)
    shards.push_back({pages * i / count * page_size, pages * (i + 1) / count * page_size, may_fail, {}, SIZE_MAX, 0});
  if (may_fail && rows.tokens.empty() && n >= kPiece && n >= current_.size() / 64) {  // else looking costs too much
    std::vector<std::uint64_t> seen(pages * page_size / 64);
    parallel_for(count, 1, threads, [&](std::size_t begin, std::size_t end) {
      for (std::size_t i = begin; i < end; ++i) shards[i].journaled = !is_certain(rows, places.data(), shards[i], seen);
    });
    may_fail = std::any_of(shards.begin(), shards.end(), [](const Shard& shard) { return shard.journaled; });
    for (Shard& shard : shards) shard.journaled = may_fail;  // what one is refused, all take back
  }
  changes_ += n;
  parallel_for(count, 1, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) apply(rows, places.data(), shards[i], arms, tokens);
  });
  std::size_t failed = SIZE_MAX;
  for (const Shard& shard : shards) failed = std::min(failed, shard.failed);
  if (failed != SIZE_MAX) {
    changes_ -= n;  // pages stay stamped for more than was done, which does no harm
    try {           // before it is undone: what the rows before it made of its bandit is what it is held against
      refuse(rows, failed, place_of(rows.ids[failed]));
    } catch (const BatchError&) {
      for (const Shard& shard : shards) undo(rows, places.data(), shard.journal);
      throw;
    }
  }
  for (const Shard& shard : shards) foreign_ += shard.foreign;
  n_seen_ += n;
}

void Fleet::apply(const Feedback& rows, const std::uint32_t* places, Shard& shard, std::uint16_t* arms,
                  std::uint32_t* tokens) {
  const std::size_t n = rows.ids.size(), width = settings_.single ? 4 : 8;
  const bool whole = shard.begin == 0 && shard.end >= current_.size(), hashed = settings_.hashed;
  const auto place_at = [&](std::size_t row) { return hashed ? places[row] : static_cast<std::size_t>(rows.ids[row]); };
  std::uint32_t mine[kPiece];
  for (std::size_t piece = 0; piece < n; piece += kPiece) {
    std::size_t count = 0;
    for (std::size_t row = piece; row < std::min(n, piece + kPiece); ++row) {
      mine[count] = static_cast<std::uint32_t>(row);
      count += whole || (place_at(row) >= shard.begin && place_at(row) < shard.end);
    }
    // One loop for both, each with its own rows: a function that did nothing but prefetch would be taken for one
    // without effect, and its calls be left out.
    for (std::size_t i = 0; i < count + kAhead; ++i) {
      if (i < count) {
        const std::size_t place = place_at(mine[i]);
        const std::size_t arm = rows.arms.empty() ? current_[place] : rows.arms[mine[i]];
        const std::uint8_t *at = record(place), *sum = at + sums_at_ + arm * width;
#if defined(__GNUC__) || defined(__clang__)
        __builtin_prefetch(at, 1, 3);
        __builtin_prefetch(sum, 1, 3);
#else
        static_cast<void>(at), static_cast<void>(sum);
#endif
      }
      if (i < kAhead) continue;
      const std::uint32_t row = mine[i - kAhead];
      const std::size_t place = place_at(row);
      if (!rows.arms.empty() && !settings_.strict) shard.foreign += rows.arms[row] != current_[place];
      if (!take(rows, row, place, shard.journaled ? &shard.journal : nullptr)) {
        shard.failed = row;
        return;
      }
      arms[row] = current_[place];
      tokens[row] = get<std::uint32_t>(record(place));
    }
  }
}

// Whether the row's play fits; if so it took place, and its loss is taken in.
bool Fleet::take(const Feedback& rows, std::size_t row, std::size_t place, Journal* journal) {
  Head head = this->head(place);
  touch(place);
  const std::uint8_t current = current_[place];
  const Arm arm = rows.arms.empty() ? current : rows.arms[row];
  if (!rows.tokens.empty() && rows.tokens[row] != static_cast<std::int64_t>(head.plays)) return false;
  if (arm != current && settings_.strict) return false;
  const auto burn_in = static_cast<std::uint32_t>(settings_.elimination.burn_in);
  const std::uint32_t run = head.last == arm ? head.run : 0;
  const bool counts = run >= burn_in && arm == current && !done(head);
  if (journal != nullptr)
    journal->rows.push_back({static_cast<std::uint32_t>(row), current, head, sum(place, arm),
                             settings_.single ? get<float>(record(place) + head_size) : 0, Journal::none});
  head.last = static_cast<std::uint8_t>(arm);
  head.run = std::min(run + 1, burn_in);
  head.plays += head.plays != UINT32_MAX;
  if (counts) {
    add_loss(place, arm, settings_.scale.to_unit(rows.losses[row]));
    if (--head.left == 0) {
      if (journal != nullptr) {
        journal->rows.back().whole = static_cast<std::uint32_t>(journal->records.size() / stride_);
        journal->records.insert(journal->records.end(), record(place), record(place) + stride_);
      }
      next_block(place, head);
    }
  }
  put(place, head);
  return true;
}

void Fleet::next_block(std::size_t place, Head& head) {
  if (settings_.single) set(record(place) + head_size, 0.0F);
  const std::uint8_t* order = this->order(place);
  const std::uint8_t* at = std::find(order, order + head.active, current_[place]);
  if (at + 1 < order + head.active) {
    current_[place] = at[1];
    head.left = static_cast<std::uint32_t>(schedule_.block(head.epoch));
    return;
  }
  test(place, head);
}

// The same operations in the same order as Elimination::test. Of arms that are dropped the mean is kept in place of the
// sum.
void Fleet::test(std::size_t place, Head& head) {
  const double n = static_cast<double>(schedule_.pooled(head.epoch + 1U)), radius = radii_[head.epoch];
  double means[most_arms], least = INFINITY;
  std::uint8_t* order = this->order(place);
  for (std::size_t i = 0; i < head.active; ++i) {
    means[order[i]] = sum(place, order[i]) / n;
    least = std::min(least, means[order[i]] + radius);
  }
  const auto stays = [&](std::uint8_t arm) { return !(means[arm] - radius > least); };
  std::uint8_t* kept = std::stable_partition(order, order + head.active, stays);
  for (std::uint8_t* arm = kept; arm != order + head.active; ++arm) put_sum(place, *arm, means[*arm]);
  std::reverse(order, kept);
  head.active = static_cast<std::uint8_t>(kept - order);
  ++head.epoch;
  head.left = done(head) ? 0 : static_cast<std::uint32_t>(schedule_.block(head.epoch));
  if (done(head))
    std::iter_swap(order,
                   std::min_element(order, kept, [&](std::uint8_t a, std::uint8_t b) { return means[a] < means[b]; }));
  current_[place] = order[0];
}

void Fleet::undo(const Feedback& rows, const std::uint32_t* places, const Journal& journal) noexcept {
  for (auto row = journal.rows.rbegin(); row != journal.rows.rend(); ++row) {
    const std::size_t place = settings_.hashed ? places[row->row] : static_cast<std::size_t>(rows.ids[row->row]);
    const Arm arm = rows.arms.empty() ? row->current : rows.arms[row->row];
    if (row->whole != Journal::none) std::memcpy(record(place), &journal.records[row->whole * stride_], stride_);
    current_[place] = row->current;
    put(place, row->head);
    put_sum(place, arm, row->sum);
    if (settings_.single) set(record(place) + head_size, row->rest);
  }
}

void Fleet::refuse(const Feedback& rows, std::size_t row, std::size_t place) const {
  const std::string id = "id " + std::to_string(rows.ids[row]);
  const auto plays = static_cast<std::int64_t>(head(place).plays);
  if (!rows.tokens.empty() && rows.tokens[row] != plays) {
    const std::string given = "token " + std::to_string(rows.tokens[row]) + " of " + id;
    throw BatchError(BatchError::Kind::feedback, row,
                     rows.tokens[row] >= 0 && rows.tokens[row] < plays
                         ? given + " had its loss before: its next token is " + std::to_string(plays)
                         : given + " was never given out: its next token is " + std::to_string(plays));
  }
  throw BatchError(BatchError::Kind::feedback, row,
                   "arm " + std::to_string(rows.arms[row]) + " is not the one selected for " + id + ", " +
                       std::to_string(current_[place]) +
                       ": make the fleet with strict=False if users act by themselves, or "
                       "losses are late");
}

}  // namespace pyalgo::bandits
