#include "pyalgo/keys.hpp"

#include <functional>

#include "pyalgo/growth.hpp"

namespace pyalgo {

std::string Key::str() const {
  return kind == KeyKind::text ? "'" + std::string(text) + "'" : std::to_string(number);
}

bool operator==(const Key& a, const Key& b) noexcept {
  return a.kind == b.kind && (a.kind == KeyKind::text ? a.text == b.text : a.number == b.number);
}

bool operator<(const Key& a, const Key& b) noexcept {
  if (a.kind != b.kind) return a.kind < b.kind;
  return a.kind == KeyKind::text ? a.text < b.text : a.number < b.number;
}

void OwnedKeys::push_back(const Key& key) {
  kind = key.kind;
  if (kind == KeyKind::text)
    texts.emplace_back(key.text);
  else
    numbers.push_back(key.number);
}

KeyColumn OwnedKeys::view(std::vector<std::string_view>& room) const {
  room.assign(texts.begin(), texts.end());
  return {kind, numbers, room};
}

Key KeyTable::at(std::uint32_t index) const noexcept {
  return kind_ == KeyKind::text ? Key::of(std::string_view(texts_[index])) : Key::of(numbers_[index]);
}

std::size_t KeyTable::home(const Key& key) const noexcept {
  std::uint64_t h = key.kind == KeyKind::text ? static_cast<std::uint64_t>(std::hash<std::string_view>{}(key.text))
                                              : static_cast<std::uint64_t>(key.number);
  // The finaliser of MurmurHash3: consecutive integers must not fill consecutive buckets.
  h = (h ^ (h >> 33)) * 0xff51afd7ed558ccdULL;
  h = (h ^ (h >> 33)) * 0xc4ceb9fe1a85ec53ULL;
  return static_cast<std::size_t>(h ^ (h >> 33)) & (buckets_.size() - 1);
}

std::uint32_t KeyTable::find(const Key& key) const noexcept {
  if (linked_ == 0 || key.kind != kind_) return npos;
  for (std::size_t b = home(key);; b = (b + 1) & (buckets_.size() - 1)) {
    if (buckets_[b] == npos) return npos;
    if (at(buckets_[b]) == key) return buckets_[b];
  }
}

void KeyTable::link(std::uint32_t index) {
  std::size_t b = home(at(index));
  while (buckets_[b] != npos) b = (b + 1) & (buckets_.size() - 1);
  buckets_[b] = index;
}

void KeyTable::grow() {
  buckets_.assign(buckets_.empty() ? 16 : 2 * buckets_.size(), npos);
  for (std::uint32_t i = 0; i < state_.size(); ++i)
    if (linked(i)) link(i);
}

std::uint32_t KeyTable::insert(const Key& key) {
  if (kind_ == KeyKind::none) kind_ = key.kind;
  if (3 * (linked_ + 1) > 2 * buckets_.size()) grow();
  std::uint32_t index;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(state_.size());
    push_tight(state_, State::linked);
    if (kind_ == KeyKind::text)
      push_tight(texts_, std::string(key.text));
    else
      push_tight(numbers_, key.number);
  } else {
    index = free_.back();
    free_.pop_back();
    state_[index] = State::linked;
    if (kind_ == KeyKind::text)
      texts_[index] = std::string(key.text);
    else
      numbers_[index] = key.number;
  }
  link(index);
  ++linked_;
  return index;
}

void KeyTable::unlink(std::uint32_t index) noexcept {
  const std::size_t mask = buckets_.size() - 1;
  std::size_t hole = home(at(index));
  while (buckets_[hole] != index) hole = (hole + 1) & mask;
  // Backward shift: move up every later key of the run that may stand in the hole, so that no tombstone is needed.
  for (std::size_t b = (hole + 1) & mask; buckets_[b] != npos; b = (b + 1) & mask) {
    const std::size_t wanted = home(at(buckets_[b]));
    if (((b - wanted) & mask) >= ((b - hole) & mask)) {
      buckets_[hole] = buckets_[b];
      hole = b;
    }
  }
  buckets_[hole] = npos;
  state_[index] = State::unlinked;
  --linked_;
}

void KeyTable::release(std::uint32_t index) noexcept {
  state_[index] = State::free;
  if (kind_ == KeyKind::text) texts_[index] = std::string();
  free_.push_back(index);
}

std::size_t KeyTable::nbytes() const noexcept {
  std::size_t total = buckets_.capacity() * sizeof(std::uint32_t) + state_.capacity() + free_.capacity() * 4 +
                      numbers_.capacity() * sizeof(std::int64_t) + texts_.capacity() * sizeof(std::string);
  for (const std::string& text : texts_)
    if (text.capacity() > sizeof(std::string) / 2) total += text.capacity() + 1;
  return total;
}

void KeyTable::save(SnapshotWriter& out) const {
  out.u8(static_cast<std::uint8_t>(kind_));
  out.u32(static_cast<std::uint32_t>(state_.size()));
  for (std::uint32_t i = 0; i < state_.size(); ++i) {
    out.u8(static_cast<std::uint8_t>(state_[i]));
    if (!taken(i)) continue;
    if (kind_ == KeyKind::text)
      out.string(texts_[i]);
    else
      out.i64(numbers_[i]);
  }
  for (std::uint32_t index : free_) out.u32(index);
}

KeyTable KeyTable::load(SnapshotReader& in) {
  KeyTable table;
  const std::uint8_t kind = in.u8();
  if (kind > 2) in.fail("a key kind of 0, 1 or 2");
  table.kind_ = static_cast<KeyKind>(kind);
  const std::size_t n = in.count(1);
  if (n > 0 && table.kind_ == KeyKind::none) in.fail("no keys in a table without a kind");
  std::size_t n_free = 0;
  for (std::uint32_t i = 0; i < n; ++i) {
    const std::uint8_t state = in.u8();
    if (state > 2) in.fail("a key state of 0, 1 or 2");
    Key key = Key::of(std::int64_t{0});
    std::string text;
    if (state == 0)
      ++n_free;
    else if (table.kind_ == KeyKind::text)
      text = in.string();
    else
      key.number = in.i64();
    if (table.kind_ == KeyKind::text) {
      key = Key::of(std::string_view(text));
      table.texts_.push_back(text);
    } else {
      table.numbers_.push_back(key.number);
    }
    table.state_.push_back(State::free);
    if (state == 1) {
      if (table.find(key) != npos) in.fail("every key once");
      table.state_[i] = State::linked;
      if (3 * (table.linked_ + 1) > 2 * table.buckets_.size()) {
        table.grow();
      } else {
        table.link(i);
      }
      ++table.linked_;
    }
    table.state_[i] = static_cast<State>(state);
  }
  std::vector<bool> listed(n, false);
  for (std::size_t i = 0; i < n_free; ++i) {
    const std::uint32_t index = in.u32();
    if (index >= n || table.taken(index) || listed[index]) in.fail("a free list of the free indices, each once");
    listed[index] = true;
    table.free_.push_back(index);
  }
  return table;
}

}  // namespace pyalgo
