// Engine E5: every letter by the cheapest of three tiers: transform, bit planes, scatter. For alphabets of any size.
#pragma once

#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// `density[c]` is the share of code c in the text, as sampled; codes beyond its end count as absent. It decides the tier of each
// letter and so the time, never the result. Code: uint8, uint16, uint32.
template <class Code>
std::unique_ptr<Engine<Code>> make_split(std::vector<Pattern<Code>> patterns, const std::vector<double>& density,
                                         Isa isa = active_isa());

// ns a text position that counting is predicted to take.
template <class Code>
double predicted_split_ns(const std::vector<Pattern<Code>>& patterns, const std::vector<double>& density,
                          Isa isa = active_isa());

}  // namespace pyalgo::hamming
