// The X+Y procedure on buffers that are allocated once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "prime_transform.hpp"
#include "pyalgo/rng.hpp"
#include "pyalgo/span.hpp"
#include "sumset.hpp"

namespace pyalgo::hamming {

class SumsetCounter {
 public:
  using Numbers = Span<const std::uint32_t>;

  // For sets whose sums are below `width` <= 2^26.
  explicit SumsetCounter(std::size_t width);

  // counts()[z] = #{(x, y) : x + y = z} for all z < width, exactly. x and y are not empty, rising, without repetitions;
  // p0 > 1. Appends to `info` what was drawn.
  void count(Numbers x, Numbers y, std::uint32_t p0, PhiloxStream& random, SumsetInfo& info);
  const std::vector<std::uint32_t>& counts() const noexcept { return counts_; }

  // A prime of about 64 |x| |y| / width, so that few counts, if any, overflow where the sets have no structure.
  static std::uint32_t default_p0(std::size_t x, std::size_t y, std::size_t width) noexcept;

  std::size_t nbytes() const noexcept;

 private:
  struct Excess {
    std::uint32_t sum, times;  // counts[sum] is low[sum] + times * p0
  };

  void convolve(Numbers x, Numbers y, std::uint32_t prime);
  void fold(Numbers x, Numbers y, std::uint32_t p0, std::uint32_t prime);
  void filter(std::uint32_t prime, bool first);

  PrimeTransform transform_;
  std::size_t size_ = 0;                   // of the last convolution
  std::size_t width_ = 0;                  // of the sums at hand
  std::vector<std::uint32_t> counts_;      // modulo p0 until the end
  std::vector<std::uint32_t> a_, b_;       // of a convolution; the result is a_
  std::vector<std::uint64_t> folded_;      // per remainder: the overflows that are not yet told apart
  std::vector<std::uint32_t> candidates_;  // sums that may have overflowed, but are not certified
  std::vector<Excess> certified_;
};

}  // namespace pyalgo::hamming
