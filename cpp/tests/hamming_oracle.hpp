// The oracle of the tests of Hamming engines, and random instances for them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "check.hpp"
#include "hamming/engine.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

template <class Code>
Pattern<Code> pattern_of(const std::vector<Code>& codes) {
  Pattern<Code> pattern;
  pattern.length = codes.size();
  pattern.codes = codes;
  for (std::uint32_t j = 0; j < codes.size(); ++j) pattern.offsets.push_back(j);
  return pattern;
}

// Leaves out each place with probability `share`.
template <class Code>
Pattern<Code> with_wildcards(const Pattern<Code>& pattern, double share, std::mt19937& random) {
  Pattern<Code> holed;
  holed.length = pattern.length;
  for (std::size_t i = 0; i < pattern.codes.size(); ++i) {
    if (std::uniform_real_distribution<>()(random) < share) continue;
    holed.offsets.push_back(pattern.offsets[i]);
    holed.codes.push_back(pattern.codes[i]);
  }
  return holed;
}

template <class Code>
std::vector<Code> random_codes(std::size_t size, std::uint32_t letters, std::mt19937& random) {
  std::vector<Code> codes(size);
  for (Code& code : codes) code = static_cast<Code>(random() % letters);
  return codes;
}

template <class Code>
std::vector<std::int32_t> naive_matches(const std::vector<Code>& text, const Pattern<Code>& pattern,
                                        std::size_t count) {
  std::vector<std::int32_t> matches(count);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t k = 0; k < pattern.codes.size(); ++k)
      matches[i] += text[i + pattern.offsets[k]] == pattern.codes[k];
  return matches;
}

// Counts all alignments but the last `spare` of each pattern in pieces of `piece` (0: at once), half of the targets
// accumulating.
template <class Code>
void check_engine(const Engine<Code>& engine, const std::vector<Pattern<Code>>& patterns, const std::vector<Code>& text,
                  std::size_t piece = 0, std::size_t spare = 0) {
  auto workspace = engine.make_workspace();
  std::vector<std::size_t> counts;
  std::vector<std::vector<std::int32_t>> outs;
  std::size_t most = 0;
  for (const Pattern<Code>& pattern : patterns) {
    counts.push_back(text.size() + 1 > pattern.length + spare ? text.size() + 1 - pattern.length - spare : 0);
    outs.emplace_back(counts.back(), 7);
    most = std::max(most, counts.back());
  }
  const std::size_t step = piece == 0 ? std::max<std::size_t>(most, 1) : piece;
  for (std::size_t start = 0; start < most; start += step) {
    std::vector<Target> targets;
    std::size_t size = 0;
    for (std::size_t p = 0; p < patterns.size(); ++p) {
      const std::size_t count = counts[p] > start ? std::min(step, counts[p] - start) : 0;
      targets.push_back({outs[p].data() + std::min(start, counts[p]), count, p % 2 == 1, 100});
      if (count > 0) size = std::max(size, count + patterns[p].length - 1);
    }
    const std::vector<Code> exact(text.begin() + start, text.begin() + start + size);  // so that a stray read is seen
    engine.count(exact.data(), size, start, targets, *workspace);
  }
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    const std::vector<std::int32_t> matches = naive_matches(text, patterns[p], counts[p]);
    for (std::size_t i = 0; i < counts[p]; ++i) CHECK(outs[p][i] == (p % 2 == 1 ? 7 : 100) - matches[i]);
  }
}

inline std::vector<Isa> isa_levels() {
  std::vector<Isa> levels;
  for (Isa isa : {Isa::generic, Isa::neon, Isa::avx2, Isa::avx512})
    if (isa == Isa::generic || isa == detected_isa() || (isa == Isa::avx2 && detected_isa() == Isa::avx512))
      levels.push_back(isa);
  return levels;
}

}  // namespace pyalgo::hamming
