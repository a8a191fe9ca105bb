// The paper's own method: per letter a multiset of differences of two sparse sets, counted by overflow recovery (X+Y).
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
// `p0` 0: chosen from the density. x and y are sets of numbers in [0, universe); O(universe log) time at worst.
SumsetCounts sumset_counts(Span<const std::int64_t> x, Span<const std::int64_t> y, std::uint64_t universe, std::uint64_t seed,
                           std::uint32_t p0 = 0);

// Pieces of 2m symbols overlapping by m; per letter sumset_counts of its places in the text and, mirrored, in the pattern.
template <class Code>
std::unique_ptr<Engine<Code>> make_sumset(std::vector<Pattern<Code>> patterns, std::uint64_t seed = 0);

}  // namespace pyalgo::hamming
