// Engine E3: number-theoretic transforms over small prime fields in 16-bit lanes, overlap-save with partitioned
// patterns.
#pragma once

#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// O(n letters (log N + m / N)) time, N = 4096 or 12288, whichever suits the call; one inverse transform for each 12288
// counted symbols of a pattern. Exact integers throughout. The text's spectra are shared by all patterns and kept in
// the workspace by segment number, so that consecutive calls of a stream transform every complete segment once. A
// workspace takes about 16 m + 0.2 MiB for four letters and at most 64 MiB for any number of them up to m = 10^6.
std::unique_ptr<Engine<std::uint8_t>> make_ntt(std::vector<Pattern<std::uint8_t>> patterns, Isa isa = active_isa());

}  // namespace pyalgo::hamming
