// Engine E2: bit planes of the text, one a letter, added up by carry-save adders: one word holds as many positions as
// bits.
#pragma once

#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// O(n (m + 64 letters) / bits) time; the planes of a block of text are shared by all patterns.
std::unique_ptr<Engine<std::uint8_t>> make_bitslice(std::vector<Pattern<std::uint8_t>> patterns,
                                                    Isa isa = active_isa());

}  // namespace pyalgo::hamming
