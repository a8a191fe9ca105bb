// Engine E9: for texts and patterns that repeat themselves with some period, up to breaks: scatters the products of
// their difference arrays and sums the result up twice. Period 1 is run-length data.
//
// With A_c(z) the sum of z^x over T[x] = c and B_c alike for P, dA_c = (1 - z^r) A_c has a +1 where a c stands in T and
// none did r places before, a -1 where it is the other way round, and nothing else; so has dB_c. Then
//   sum_c dA_c(z) dB_c(1/z) = (1 - z^r)(1 - z^-r) M(z) = -z^-r (1 - z^r)^2 M(z)
// where M holds the matches: two running sums with stride r, both upwards, give them back as the text goes by.
#pragma once

#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// The period r <= 64 that leaves the fewest differences in the pattern: its first r places and its breaks P[j] != P[j -
// r] (a wildcard equals wildcards only).
struct Period {
  std::size_t period = 1;
  std::size_t breaks = 0;
};
// O(64 length).
template <class Code>
Period best_period(const Pattern<Code>& pattern);

// `period` 0: the best one of each pattern. Cost: sum over letters of |dA_c| |dB_c| increments, plus O(n), for any text
// and pattern; a workspace holds O(length of the longest pattern + block).
template <class Code>
std::unique_ptr<Engine<Code>> make_periodic(const std::vector<Pattern<Code>>& patterns, std::size_t period = 0,
                                            Isa isa = active_isa());

// The increments that counting `size` symbols of text against `pattern` at this period would take, from letter counts
// alone.
template <class Code>
double periodic_increments(const Pattern<Code>& pattern, std::size_t period, const Code* text, std::size_t size);

}  // namespace pyalgo::hamming
