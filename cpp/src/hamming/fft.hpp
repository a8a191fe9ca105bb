// The float engine: double-precision FFTs whose error is proven below one half, so that rounding is exact.
#pragma once

#include <memory>
#include <vector>

#include "engine.hpp"

namespace pyalgo::hamming {

std::unique_ptr<Engine<std::uint8_t>> make_fft(std::vector<Pattern<std::uint8_t>> patterns);

}  // namespace pyalgo::hamming
