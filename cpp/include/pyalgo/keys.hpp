// Keys that users give (integers or strings) and the dense indices that algorithms work with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "pyalgo/snapshot.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo {

enum class KeyKind : std::uint8_t { none = 0, integer = 1, text = 2 };

// One key, borrowed.
struct Key {
  KeyKind kind = KeyKind::none;
  std::int64_t number = 0;
  std::string_view text;

  static Key of(std::int64_t number) noexcept { return {KeyKind::integer, number, {}}; }
  static Key of(std::string_view text) noexcept { return {KeyKind::text, 0, text}; }
  std::string str() const;  // as a message shows it: 17 or 'name'
};

bool operator==(const Key& a, const Key& b) noexcept;
bool operator<(const Key& a, const Key& b) noexcept;  // integers by value, before strings by their bytes

// A column of keys, borrowed: all integers or all strings.
struct KeyColumn {
  KeyKind kind = KeyKind::none;
  Span<const std::int64_t> numbers;
  Span<const std::string_view> texts;

  std::size_t size() const noexcept { return kind == KeyKind::text ? texts.size() : numbers.size(); }
  Key operator[](std::size_t i) const noexcept {
    return kind == KeyKind::text ? Key::of(texts[i]) : Key::of(numbers[i]);
  }
};

// Keys that outlive where they came from.
struct OwnedKeys {
  KeyKind kind = KeyKind::none;
  std::vector<std::int64_t> numbers;
  std::vector<std::string> texts;

  void push_back(const Key& key);
  std::size_t size() const noexcept { return kind == KeyKind::text ? texts.size() : numbers.size(); }
  KeyColumn view(std::vector<std::string_view>& room) const;  // `room` holds what strings need
};

// A set of keys, each with a dense index that stays the same while the key is in the table.
//
// Indices are recycled, last released first, so a stream over an ever-growing universe takes memory for its live keys
// only. An index whose key was unlinked is not found any more but stays taken until it is released: what was built on
// the index may outlive the key. All keys of a table are of one kind.
//
// Open addressing with linear probing and backward-shift deletion: expected O(1) per operation, 8 bytes (integers) or
// sizeof(std::string) per key plus at most 12 bytes of index.
class KeyTable {
 public:
  static constexpr std::uint32_t npos = UINT32_MAX;

  KeyKind kind() const noexcept { return kind_; }
  std::size_t size() const noexcept { return linked_; }          // keys that are found
  std::size_t capacity() const noexcept { return state_.size(); }  // every index is below this
  bool linked(std::uint32_t index) const noexcept { return state_[index] == State::linked; }
  bool taken(std::uint32_t index) const noexcept { return state_[index] != State::free; }

  std::uint32_t find(const Key& key) const noexcept;
  std::uint32_t insert(const Key& key);  // the key must be absent and of the table's kind
  void unlink(std::uint32_t index) noexcept;
  void release(std::uint32_t index) noexcept;  // of an unlinked index
  Key at(std::uint32_t index) const noexcept;

  std::size_t nbytes() const noexcept;
  void save(SnapshotWriter& out) const;
  static KeyTable load(SnapshotReader& in);

 private:
  enum class State : std::uint8_t { free = 0, linked = 1, unlinked = 2 };

  std::size_t home(const Key& key) const noexcept;
  void grow();
  void link(std::uint32_t index);

  KeyKind kind_ = KeyKind::none;
  std::size_t linked_ = 0;
  std::vector<std::uint32_t> buckets_;  // a power of two of them, at most two thirds full
  std::vector<State> state_;
  std::vector<std::int64_t> numbers_;
  std::vector<std::string> texts_;
  std::vector<std::uint32_t> free_;
};

}  // namespace pyalgo
