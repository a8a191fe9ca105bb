// Engine E3: number-theoretic transforms over small prime fields in 16-bit lanes, overlap-save with partitioned patterns.
#pragma once

#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// O(n letters (log N + m / N)) time. Exact integers throughout. The text's spectra are shared by all patterns and kept in the
// workspace by segment number, so that consecutive calls of a stream transform every complete segment once.
std::unique_ptr<Engine<std::uint8_t>> make_ntt(std::vector<Pattern<std::uint8_t>> patterns, Isa isa = active_isa());

}  // namespace pyalgo::hamming
