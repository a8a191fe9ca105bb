// One hash for all that is decided by a cell alone, however cells come: what is held out, which part a cell is in.
#pragma once

#include <cstdint>

namespace pyalgo::completion {

// The finaliser of splitmix64 (Steele, Lea, Flood 2014).
constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

enum Purpose : std::uint64_t { purpose_hold_out = 1, purpose_sketch = 2, purpose_part = 3 };

// Uniform on [0, 1), a multiple of 2^-53.
constexpr double cell_uniform(std::uint64_t seed, Purpose purpose, std::uint64_t row, std::uint64_t col) noexcept {
  return static_cast<double>(mix(mix(mix(seed ^ purpose << 56) + row) + col) >> 11) * 0x1p-53;
}

}  // namespace pyalgo::completion
