// Bits of integers, and integers as little-endian bytes whatever the machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace pyalgo {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) noexcept { return a / b + (a % b != 0); }

constexpr unsigned popcount(std::uint64_t x) noexcept {
  x -= (x >> 1) & 0x5555555555555555ULL;
  x = (x & 0x3333333333333333ULL) + ((x >> 2) & 0x3333333333333333ULL);
  x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fULL;
  return static_cast<unsigned>((x * 0x0101010101010101ULL) >> 56);
}

// The number of bits that x needs; 0 for 0.
constexpr unsigned bit_width(std::uint64_t x) noexcept {
  unsigned width = 0;
  for (; x != 0; x >>= 1) ++width;
  return width;
}

// The smallest power of two that is at least x; 1 for 0.
constexpr std::uint64_t next_pow2(std::uint64_t x) noexcept { return x <= 1 ? 1 : std::uint64_t{1} << bit_width(x - 1); }

template <class U>
void store_little(U value, unsigned char* to) noexcept {
  static_assert(std::is_unsigned_v<U>);
  for (std::size_t i = 0; i < sizeof(U); ++i) to[i] = static_cast<unsigned char>(value >> (8 * i));
}

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
constexpr bool big_endian = true;
#else
constexpr bool big_endian = false;
#endif

template <class U>
void store_little(const U* values, std::size_t n, unsigned char* to) noexcept {
  if (!big_endian && n > 0) std::memcpy(to, values, n * sizeof(U));
  for (std::size_t i = 0; big_endian && i < n; ++i) store_little(values[i], to + i * sizeof(U));
}

template <class U>
U load_little(const unsigned char* from) noexcept {
  static_assert(std::is_unsigned_v<U>);
  U value = 0;
  for (std::size_t i = 0; i < sizeof(U); ++i) value = static_cast<U>(value | static_cast<U>(U{from[i]} << (8 * i)));
  return value;
}

}  // namespace pyalgo
