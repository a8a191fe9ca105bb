// Engine E6 against a naive count: every k and code width, with and without an exact engine to fall back on, wildcards
// on both sides, text that the filter cannot cope with, and k that changes between the calls of one workspace.
#include "hamming/bounded.hpp"

#include "hamming/compare.hpp"
#include "slices_oracle.hpp"

using namespace pyalgo;
using namespace pyalgo::hamming;

namespace {

template <class Code>
Hits expected_hits(const std::vector<Code>& text, const Pattern<Code>& pattern, TextWildcard<Code> wildcard,
                   std::int64_t k) {
  Hits hits;
  for (std::size_t i = 0; i + pattern.length <= text.size(); ++i) {
    std::int32_t d = 0;
    for (std::size_t j = 0; j < pattern.codes.size() && d <= k; ++j) {
      const Code c = text[i + pattern.offsets[j]];
      d += c != pattern.codes[j] && !(wildcard.present && c == wildcard.code);
    }
    if (d <= k) hits.push_back(static_cast<std::int64_t>(i) + 1000, d);
  }
  return hits;
}

template <class Code>
void check_search(const std::vector<Code>& text, const Pattern<Code>& pattern, TextWildcard<Code> wildcard,
                  const std::vector<std::int64_t>& ks, bool with_exact, Isa isa) {
  std::shared_ptr<const Engine<Code>> exact;
  if (with_exact) exact = make_compare<Code>({pattern}, isa);
  const auto bounded = make_bounded<Code>(pattern, ks[0], wildcard, exact, isa);
  const auto workspace = bounded->make_workspace();
  for (std::int64_t k : ks) {
    Hits hits{{1}, {2}};
    bounded->search(text.data(), text.size(), 1000, k, hits, *workspace);
    const auto expected = expected_hits(text, pattern, wildcard, k);
    CHECK(hits.size() == expected.size() + 1 && hits.positions[0] == 1);
    for (std::size_t i = 0; i < expected.size(); ++i)
      CHECK(hits.positions[i + 1] == expected.positions[i] && hits.distances[i + 1] == expected.distances[i]);
  }
}

// A pattern out of the text, with some symbols changed.
template <class Code>
Pattern<Code> planted(PhiloxStream& rng, const std::vector<Code>& text, std::uint32_t m, std::uint32_t changes,
                      bool wild) {
  Pattern<Code> pattern;
  pattern.length = m;
  const std::size_t from = rng.below(static_cast<std::uint32_t>(text.size() - m + 1));
  for (std::uint32_t j = 0; j < m; ++j) {
    if (wild && rng.below(8) == 0) continue;
    pattern.offsets.push_back(j);
    pattern.codes.push_back(text[from + j]);
  }
  for (std::uint32_t i = 0; i < changes && !pattern.codes.empty(); ++i)
    pattern.codes[rng.below(static_cast<std::uint32_t>(pattern.codes.size()))] ^= 1;
  return pattern;
}

template <class Code>
void test_small(Isa isa) {
  PhiloxStream rng(3, 0, 0);
  for (int trial = 0; trial < 250; ++trial) {
    const std::uint32_t n = 1 + rng.below(trial % 4 == 0 ? 600 : 64), m = 1 + rng.below(std::min(n, 200U)),
                        letters = 1 + rng.below(5);
    const auto text = random_text<Code>(rng, n, letters);
    const auto pattern = planted<Code>(rng, text, m, rng.below(5), trial % 3 == 0);
    const std::int64_t k = rng.below(m + 3);
    check_search<Code>(text, pattern, {}, {k, 0, k / 2, k + 1, -1}, trial % 2 == 0, isa);
    check_search<Code>(text, pattern, {true, text[0]}, {k, 0}, false, isa);
  }
}

template <class Code>
void test_large(Isa isa) {
  PhiloxStream rng(4, 0, 0);
  for (std::uint32_t letters : {2, 4, 200}) {
    for (std::uint32_t m : {20, 64, 255, 1500}) {
      const auto text = random_text<Code>(rng, m + 6000, letters);
      const auto pattern = planted<Code>(rng, text, m, m / 20, letters == 4);
      const std::vector<std::int64_t> ks{m / 16, m / 4, 63, 16, 15, 0};
      check_search<Code>(text, pattern, {}, ks, m % 2 == 0, isa);
      if (m <= 255) check_search<Code>(text, pattern, {true, text[5]}, {4, 1}, false, isa);
    }
  }
}

// Long texts of which stretches defeat the filter: those go to the exact engine, with growing pauses between attempts.
template <class Code>
void test_guard(Isa isa) {
  PhiloxStream rng(5, 0, 0);
  for (const bool with_exact : {true, false}) {
    auto text = random_text<Code>(rng, 280000, 4);
    for (std::size_t x = 90000; x < 200000; ++x) text[x] = text[x % 7];
    for (std::size_t x = 150000; x < 160000; ++x) text[x] = text[0];
    const auto pattern = planted<Code>(rng, text, 40, 2, false);
    check_search<Code>(text, pattern, {}, {3}, with_exact, isa);
    Pattern<Code> periodic = pattern;
    for (std::size_t j = 0; j < 40; ++j) periodic.codes[j] = text[j % 7];
    check_search<Code>(text, periodic, {}, {8}, with_exact, isa);
  }
}

template <class Code>
void test_all(Isa isa) {
  test_small<Code>(isa);
  test_large<Code>(isa);
}

}  // namespace

int main() {
  for (Isa isa : {Isa::generic, Isa::avx2, Isa::avx512}) {
    if (isa > detected_isa()) continue;
    test_all<std::uint8_t>(isa);
    test_all<std::uint16_t>(isa);
    test_all<std::uint32_t>(isa);
    test_guard<std::uint8_t>(isa);
  }
  return 0;
}
