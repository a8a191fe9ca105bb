// Engine E5: every letter by the cheapest of three tiers: transform, bit planes, scatter. For alphabets of any size.
#pragma once

#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// `density[c]` is the share of code c in the text, as sampled; codes beyond its end count as absent. It decides the
// tier of each letter and so the time, never the result. Code: uint8, uint16, uint32.
template <class Code>
std::unique_ptr<Engine<Code>> make_split(std::vector<Pattern<Code>> patterns, const std::vector<double>& density,
                                         Isa isa = active_isa());

// What counting is predicted to take, for letters that stand in so many places of patterns up to `length`.
struct SplitCost {
  double ns;           // a text position
  double transformed;  // letters
};
template <class Code>
SplitCost predicted_split(const std::vector<Code>& letters, const std::vector<std::uint32_t>& counts,
                          std::size_t length, const std::vector<double>& density, Isa isa = active_isa());

}  // namespace pyalgo::hamming
