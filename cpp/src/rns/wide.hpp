// Products of two words in full.
#pragma once

#include <cstdint>

namespace pyalgo::rns {

#if defined(__SIZEOF_INT128__)

__extension__ typedef unsigned __int128 Wide;
inline Wide wide_product(std::uint64_t a, std::uint64_t b) noexcept { return Wide{a} * b; }
inline std::uint64_t low(Wide x) noexcept { return static_cast<std::uint64_t>(x); }
inline std::uint64_t high(Wide x) noexcept { return static_cast<std::uint64_t>(x >> 64); }
inline Wide join(std::uint64_t low, std::uint64_t high) noexcept { return Wide{high} << 64 | low; }
inline bool less(Wide a, Wide b) noexcept { return a < b; }

#else

// The few operations that the kernels need, in portable C++.
struct Wide {
  std::uint64_t lo = 0, hi = 0;

  constexpr Wide() noexcept = default;
  constexpr Wide(std::uint64_t low, std::uint64_t high = 0) noexcept : lo(low), hi(high) {}
  friend constexpr Wide operator+(Wide a, Wide b) noexcept {
    const std::uint64_t sum = a.lo + b.lo;
    return {sum, a.hi + b.hi + (sum < a.lo)};
  }
  friend constexpr Wide operator>>(Wide a, unsigned shift) noexcept {
    if (shift == 0) return a;
    return shift >= 64 ? Wide{a.hi >> (shift - 64)} : Wide{a.lo >> shift | a.hi << (64 - shift), a.hi >> shift};
  }
  constexpr Wide& operator+=(Wide b) noexcept { return *this = *this + b; }
};
inline Wide wide_product(std::uint64_t a, std::uint64_t b) noexcept {
  const std::uint64_t a0 = a & 0xffffffff, a1 = a >> 32, b0 = b & 0xffffffff, b1 = b >> 32;
  const std::uint64_t middle = a1 * b0 + (a0 * b0 >> 32), upper = a0 * b1 + (middle & 0xffffffff);
  return {a * b, a1 * b1 + (middle >> 32) + (upper >> 32)};
}
inline std::uint64_t low(Wide x) noexcept { return x.lo; }
inline std::uint64_t high(Wide x) noexcept { return x.hi; }
inline Wide join(std::uint64_t low, std::uint64_t high) noexcept { return {low, high}; }
inline bool less(Wide a, Wide b) noexcept { return a.hi < b.hi || (a.hi == b.hi && a.lo < b.lo); }

#endif

inline std::uint64_t multiply_high(std::uint64_t a, std::uint64_t b) noexcept { return high(wide_product(a, b)); }

// floor((h 2^64) / d) for h < d: for set-up only.
inline std::uint64_t divide_wide(std::uint64_t h, std::uint64_t d) noexcept {
#if defined(__SIZEOF_INT128__)
  return static_cast<std::uint64_t>((Wide{h} << 64) / d);
#else
  std::uint64_t quotient = 0;
  for (int bit = 0; bit < 64; ++bit) {
    const bool carry = h >> 63;
    h <<= 1;
    quotient <<= 1;
    if (carry || h >= d) h -= d, quotient |= 1;
  }
  return quotient;
#endif
}

}  // namespace pyalgo::rns
