// Engine E9: for texts and patterns that repeat themselves with some period, up to breaks: scatters the products of their
// difference arrays and sums the result up twice.
#pragma once

#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// The period r <= 64 with the fewest breaks P[j] != P[j - r], and those breaks (wildcards break too).
struct Period {
  std::size_t period = 1;
  std::size_t breaks = 0;
};
template <class Code>
Period best_period(const Pattern<Code>& pattern);

// `period` 0: the best one of each pattern. Cost: sum over letters of |dA_c| |dB_c| increments, plus O(n).
template <class Code>
std::unique_ptr<Engine<Code>> make_periodic(std::vector<Pattern<Code>> patterns, std::size_t period = 0, Isa isa = active_isa());

// The increments that counting `size` symbols of text against `pattern` at this period would take, from letter counts alone.
template <class Code>
double periodic_increments(const Pattern<Code>& pattern, std::size_t period, const Code* text, std::size_t size);

}  // namespace pyalgo::hamming
