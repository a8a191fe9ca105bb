// Engine E1: compares every symbol of a pattern with every symbol of the text, many positions at a time.
#pragma once

#include <memory>
#include <vector>

#include "engine.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// O(n m / lanes) time, no memory but a block of counters. Code: uint8, uint16, uint32.
template <class Code>
std::unique_ptr<Engine<Code>> make_compare(std::vector<Pattern<Code>> patterns, Isa isa = active_isa());

// Mismatches between text[0, length) and one pattern: a single alignment, by vectors along the pattern. For one-symbol
// updates of streams. `pattern` holds `length` codes; `fixed` is null if all count, else 0xff.. where they do and 0
// where not.
template <class Code>
using CompareOne = std::size_t (*)(const Code* text, const Code* pattern, const Code* fixed, std::size_t length);
template <class Code>
CompareOne<Code> compare_one(Isa isa = active_isa());

}  // namespace pyalgo::hamming
