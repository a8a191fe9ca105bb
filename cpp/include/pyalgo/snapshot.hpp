// The payload of a snapshot as little-endian fields. The envelope around it (magic, checksum) is pyalgo.snapshot's.
#pragma once

#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "pyalgo/bits.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo {

// Whether `text` is UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
inline bool is_utf8(const std::string& text) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* end = at + text.size();
  while (at < end) {
    const unsigned lead = *at++;
    if (lead < 0x80) continue;
    const int more = lead >= 0xF0 ? 3 : lead >= 0xE0 ? 2 : 1;
    if (lead < 0xC2 || lead > 0xF4 || end - at < more) return false;
    std::uint32_t point = lead & (0x3FU >> more);
    for (int i = 0; i < more; ++i, ++at) {
      if ((*at & 0xC0U) != 0x80U) return false;
      point = point << 6 | (*at & 0x3FU);
    }
    const std::uint32_t least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
    if (point < least || point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) return false;
  }
  return true;
}

// Bytes that are not what was expected at their offset.
class SnapshotFormatError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

class SnapshotWriter {
 public:
  void u8(std::uint8_t value) { put(value); }
  void u32(std::uint32_t value) { put(value); }
  void u64(std::uint64_t value) { put(value); }
  void i64(std::int64_t value) { put(static_cast<std::uint64_t>(value)); }
  void f64(double value) {
    std::uint64_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    put(bits);
  }
  // A count and so many values; the bulk of most states.
  void u32s(Span<const std::uint32_t> values) {
    u32(static_cast<std::uint32_t>(values.size()));
    const std::size_t at = bytes_.size();
    bytes_.resize(at + 4 * values.size());
    store_little(values.data(), values.size(), reinterpret_cast<unsigned char*>(&bytes_[0]) + at);
  }
  // The same of any width, and of any number of values.
  template <class U>
  void numbers(Span<const U> values) {
    u64(values.size());
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof(U) * values.size());
    store_little(values.data(), values.size(), reinterpret_cast<unsigned char*>(&bytes_[0]) + at);
  }
  void string(const std::string& value) {
    u32(static_cast<std::uint32_t>(value.size()));
    bytes_ += value;
  }
  std::string finish() && { return std::move(bytes_); }

 private:
  template <class U>
  void put(U value) {
    unsigned char little[sizeof(U)];
    store_little(value, little);
    bytes_.append(reinterpret_cast<const char*>(little), sizeof(U));
  }

  std::string bytes_;
};

// Reads what a SnapshotWriter wrote. Every read is held against the bytes that are left, every length before anything is
// allocated for it; SnapshotFormatError says what was expected and where.
class SnapshotReader {
 public:
  explicit SnapshotReader(Span<const std::uint8_t> bytes) : bytes_(bytes) {}

  std::uint8_t u8() { return get<std::uint8_t>(); }
  std::uint32_t u32() { return get<std::uint32_t>(); }
  std::uint64_t u64() { return get<std::uint64_t>(); }
  std::int64_t i64() { return static_cast<std::int64_t>(get<std::uint64_t>()); }
  double f64() {
    const std::uint64_t bits = get<std::uint64_t>();
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  std::string string() {  // UTF-8
    const std::size_t size = count(1);
    std::string value(reinterpret_cast<const char*>(bytes_.data()) + at_, size);
    if (!is_utf8(value)) fail("UTF-8");
    at_ += size;
    return value;
  }

  template <class U>
  std::vector<U> numbers() {
    const std::uint64_t n = u64();
    if (n > left() / sizeof(U)) fail("room for " + std::to_string(n) + " numbers");
    std::vector<U> values(static_cast<std::size_t>(n));
    for (U& value : values) value = get<U>();
    return values;
  }

  // A count (u32) of entries that take at least `entry_size` > 0 bytes each.
  std::size_t count(std::size_t entry_size) {
    const std::size_t n = u32();
    if (n > left() / entry_size) fail("room for " + std::to_string(n) + " entries");
    return n;
  }
  void need(std::size_t size) const {
    if (size > left()) fail(std::to_string(size) + " more bytes");
  }
  bool at_end() const noexcept { return left() == 0; }
  void finish() const {
    if (left() > 0) fail("the end, not " + std::to_string(left()) + " more bytes");
  }
  [[noreturn]] void fail(const std::string& expected) const {
    throw SnapshotFormatError("snapshot payload is malformed: expected " + expected + " at byte " + std::to_string(at_));
  }

 private:
  std::size_t left() const noexcept { return bytes_.size() - at_; }

  template <class U>
  U get() {
    need(sizeof(U));
    const U value = load_little<U>(bytes_.data() + at_);
    at_ += sizeof(U);
    return value;
  }

  Span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

}  // namespace pyalgo
