// The paper's own method: per letter a multiset of differences of two sparse sets, counted by overflow recovery (X+Y).
//
// Chan, Jin, Vassilevska Williams, Xu: "Faster Algorithms for Text-to-Pattern Hamming Distances", FOCS 2023. The sums are counted
// modulo a small p0 first. What overflowed p0 is little, as all counts together are |X| |Y|: its places and amounts are found
// from exact counts of the sums modulo a few random primes, each in a universe not much greater than the number of overflows.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo::hamming {

struct SumsetInfo {
  std::uint32_t rounds = 0;            // primes drawn, all levels together
  std::uint32_t overflow_rounds = 0;   // rounds in which some sum had overflowed p0
  std::vector<std::uint64_t> primes;   // those drawn, in order
};

struct SumsetCounts {
  std::vector<std::int64_t> values;  // rising
  std::vector<std::int64_t> counts;  // positive
  SumsetInfo info;
};

// The multiset {x + y}: every value that occurs and how often. Exact; only the time is random (Las Vegas).
//
// x and y are sets of numbers in [0, universe), in any order; std::invalid_argument says which number is out of range or there
// twice. `p0` 0: a prime of about 64 |x| |y| / universe, far above a typical count. With p0 beyond min(|x|, |y|) nothing can
// overflow and no round is needed. O(width log width) time a round and O(width) memory, width the range that x and y span
// together; numbers further apart than 2^25 are counted block by block, in time that grows with the pairs of blocks they are in.
SumsetCounts sumset_counts(Span<const std::int64_t> x, Span<const std::int64_t> y, std::uint64_t universe, std::uint64_t seed,
                           std::uint32_t p0 = 0);

// With U = 3 length: letters of at most sqrt(U) places in the pattern by pairs, O(length^1.5) in all. For the others, of which
// there are at most length / sqrt(U), pieces of 2 length symbols that overlap by length: N^2 = places in the piece times places
// in the pattern and t = N / sqrt(U) decide: t <= 1 pairs, t < log U the sumset of the places in the piece and, mirrored, in the
// pattern; beyond, an exact transform. O(n sqrt(length)) expected.
template <class Code>
std::unique_ptr<Engine<Code>> make_sumset(std::vector<Pattern<Code>> patterns, std::uint64_t seed = 0);

}  // namespace pyalgo::hamming
