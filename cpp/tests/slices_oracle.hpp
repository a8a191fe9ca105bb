// Random instances and the naive count that engines E1 and E2 are checked against.
#pragma once

#include <memory>
#include <vector>

#include "hamming/engine.hpp"
#include "check.hpp"
#include "pyalgo/rng.hpp"

namespace pyalgo::hamming {

template <class Code>
std::vector<Code> random_text(PhiloxStream& rng, std::size_t n, std::uint32_t letters) {
  std::vector<Code> text(n);
  for (Code& c : text) c = static_cast<Code>(rng.below(letters) * 0x01010101U);
  return text;
}

template <class Code>
Pattern<Code> random_pattern(PhiloxStream& rng, std::size_t m, std::uint32_t letters, bool wild) {
  Pattern<Code> pattern;
  pattern.length = m;
  for (std::size_t j = 0; j < m; ++j) {
    if (wild && rng.below(4) == 0) continue;
    pattern.offsets.push_back(static_cast<std::uint32_t>(j));
    pattern.codes.push_back(static_cast<Code>(rng.below(letters) * 0x01010101U));
  }
  return pattern;
}

template <class Code>
std::vector<std::int32_t> naive(const std::vector<Code>& text, const Pattern<Code>& pattern, std::size_t count,
                                std::int32_t base) {
  std::vector<std::int32_t> out(count, base);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = 0; j < pattern.codes.size(); ++j) out[i] -= text[i + pattern.offsets[j]] == pattern.codes[j];
  return out;
}

template <class Code>
void check_counts(const Engine<Code>& engine, const std::vector<Code>& text,
                  const std::vector<Pattern<Code>>& patterns) {
  const auto workspace = engine.make_workspace();
  std::vector<std::vector<std::int32_t>> out;
  std::vector<Target> targets;
  for (const Pattern<Code>& pattern : patterns) {
    const std::size_t count = text.size() < pattern.length ? 0 : text.size() - pattern.length + 1;
    out.emplace_back(count, -7);
    targets.push_back({out.back().data(), count, false, static_cast<std::int32_t>(pattern.codes.size())});
  }
  for (bool accumulate : {false, true}) {
    for (Target& target : targets) target.accumulate = accumulate;
    engine.count(text.data(), text.size(), 0, targets, *workspace);
    for (std::size_t p = 0; p < patterns.size(); ++p) {
      const auto fixed = static_cast<std::int32_t>(patterns[p].codes.size());
      std::vector<std::int32_t> expected = naive(text, patterns[p], targets[p].count, fixed);
      for (std::int32_t& d : expected) d = accumulate ? 2 * d - fixed : d;
      CHECK(out[p] == expected);
    }
  }
}

}  // namespace pyalgo::hamming
