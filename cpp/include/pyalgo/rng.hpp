// Counter-based random numbers: the same on every platform, in any order, on any number of threads.
//
// Philox4x32-10 of Salmon, Moraes, Dror, Shaw: "Parallel Random Numbers: As Easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>

namespace pyalgo {

using PhiloxCounter = std::array<std::uint32_t, 4>;
using PhiloxKey = std::array<std::uint32_t, 2>;

constexpr PhiloxCounter philox4x32_10(PhiloxCounter counter, PhiloxKey key) noexcept {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(a)};
    key = {key[0] + 0x9E3779B9, key[1] + 0xBB67AE85};
  }
  return counter;
}

// The sequence of (seed, stream, epoch): no two of them overlap. The counter holds epoch (64 bits), stream and block, so a
// sequence has 2^34 words. There is no state to save: whoever knows the three numbers can start again.
class PhiloxStream {
 public:
  PhiloxStream(std::uint64_t seed, std::uint32_t stream, std::uint64_t epoch) noexcept
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        counter_{0, stream, static_cast<std::uint32_t>(epoch), static_cast<std::uint32_t>(epoch >> 32)} {}

  std::uint32_t next() noexcept {
    if (at_ == 4) {
      block_ = philox4x32_10(counter_, key_);
      ++counter_[0];
      at_ = 0;
    }
    return block_[at_++];
  }

  // Uniform on 0..n-1 for n > 0, without bias: Lemire, "Fast Random Integer Generation in an Interval", 2019.
  std::uint32_t below(std::uint32_t n) noexcept {
    std::uint64_t product = std::uint64_t{next()} * n;
    if (static_cast<std::uint32_t>(product) < n) {
      const std::uint32_t least = (0U - n) % n;
      while (static_cast<std::uint32_t>(product) < least) product = std::uint64_t{next()} * n;
    }
    return static_cast<std::uint32_t>(product >> 32);
  }

  // Uniform on [0, 1), a multiple of 2^-53.
  double uniform() noexcept {
    const std::uint64_t high = next() >> 5, low = next() >> 6;
    return static_cast<double>((high << 26) | low) * 0x1p-53;
  }

 private:
  PhiloxKey key_;
  PhiloxCounter counter_;
  PhiloxCounter block_{};
  unsigned at_ = 4;
};

}  // namespace pyalgo
