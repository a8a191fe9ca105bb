// Engines of bytes for alphabets of any size: the letters in groups of at most 255, each counted in codes of its own.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine.hpp"

namespace pyalgo::hamming {

using ByteEngineFactory = std::function<std::unique_ptr<Engine<std::uint8_t>>(std::vector<Pattern<std::uint8_t>>)>;

// As many text passes as groups. For bytes it is what `factory` makes, and nothing more.
template <class Code>
std::unique_ptr<Engine<Code>> make_grouped(std::vector<Pattern<Code>> patterns, const ByteEngineFactory& factory);

}  // namespace pyalgo::hamming
