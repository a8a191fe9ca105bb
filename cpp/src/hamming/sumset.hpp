// The paper's own method: per letter a multiset of differences of two sparse sets, counted by overflow recovery (X+Y).
//
// Chan, Jin, Vassilevska Williams, Xu: "Faster Algorithms for Text-to-Pattern Hamming Distances", FOCS 2023. The sums
// are counted modulo a small p0 first. What overflowed p0 is little, as all counts together are |X| |Y|: its places and
// amounts are found from exact counts of the sums modulo a few random primes, each in a universe not much greater than
// the number of overflows.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/hamming.hpp"

namespace pyalgo::hamming {

// With U = 3 length: letters of at most sqrt(U) places in the pattern by pairs, O(length^1.5) in all. For the others,
// of which there are at most length / sqrt(U), pieces of 2 length symbols that overlap by length: N^2 = places in the
// piece times places in the pattern and t = N / sqrt(U) decide: t <= 1 pairs, t < log U the sumset of the places in the
// piece and, mirrored, in the pattern; beyond, an exact transform. O(n sqrt(length)) expected.
template <class Code>
std::unique_ptr<Engine<Code>> make_sumset(std::vector<Pattern<Code>> patterns, std::uint64_t seed = 0);

}  // namespace pyalgo::hamming
