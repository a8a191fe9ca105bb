// The float engine: double-precision FFTs whose error is proven below one half, so that rounding is exact.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "engine.hpp"

namespace pyalgo::hamming {

// Bounds the error of every count that the engine computes by transforms of 2^log_length places, for patterns of
// `symbols` counted symbols and `pairs` pairs of letters: Percival, "Rapid multiplication modulo the sum and difference
// of highly composite numbers" (2003), theorem 5.1, with factors known to 4 u and one more rounding for each pair.
double fft_error_bound(unsigned log_length, std::size_t symbols, std::size_t pairs) noexcept;

// O(n letters log m) time. Two letters share a complex transform. std::length_error if no length of transform is
// provably exact.
std::unique_ptr<Engine<std::uint8_t>> make_fft(std::vector<Pattern<std::uint8_t>> patterns);

}  // namespace pyalgo::hamming
