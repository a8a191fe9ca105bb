// Engine E1 against a naive count: every code width and ISA level, edge lengths, wildcards, accumulation.
#include <vector>

#include "hamming/compare.hpp"
#include "slices_oracle.hpp"

using namespace pyalgo;
using namespace pyalgo::hamming;

namespace {

template <class Code>
void check_engine(const std::vector<Code>& text, const std::vector<Pattern<Code>>& patterns, Isa isa) {
  check_counts(*make_compare<Code>(patterns, isa), text, patterns);
}

template <class Code>
void check_one(const std::vector<Code>& text, const Pattern<Code>& pattern, Isa isa) {
  const std::size_t m = pattern.length;
  std::vector<Code> codes(m, 0), fixed(m, 0);
  for (std::size_t j = 0; j < pattern.codes.size(); ++j) {
    codes[pattern.offsets[j]] = pattern.codes[j];
    fixed[pattern.offsets[j]] = static_cast<Code>(-1);
  }
  const auto expected = naive(text, pattern, 1, static_cast<std::int32_t>(pattern.codes.size()));
  const CompareOne<Code> compare = compare_one<Code>(isa);
  CHECK(compare(text.data(), codes.data(), fixed.data(), m) == static_cast<std::size_t>(expected[0]));
  if (pattern.codes.size() == m)
    CHECK(compare(text.data(), codes.data(), nullptr, m) == static_cast<std::size_t>(expected[0]));
}

template <class Code>
void test_all(Isa isa) {
  PhiloxStream rng(1, 0, 0);
  for (int trial = 0; trial < 600; ++trial) {
    const std::uint32_t n = 1 + rng.below(64), m = 1 + rng.below(n), letters = 1 + rng.below(5);
    const auto text = random_text<Code>(rng, n, letters);
    const auto pattern = random_pattern<Code>(rng, m, letters, trial % 2 == 0);
    check_engine<Code>(text, {pattern}, isa);
    check_one<Code>(text, pattern, isa);
  }
  for (std::size_t m : {1, 16, 63, 64, 65, 240, 254, 255, 256, 257, 511, 512, 2049})
    for (std::size_t count : {1, 7, 31, 32, 33, 127, 128, 129, 300}) {
      const auto text = random_text<Code>(rng, m + count - 1, 2);
      check_engine<Code>(
          text, {random_pattern<Code>(rng, m, 2, false), random_pattern<Code>(rng, (m + 1) / 2, 2, true)}, isa);
    }
  // All equal: every counter runs to its limit and on.
  for (std::size_t m : {255, 256, 12289, 65535, 65536, 65537}) {
    const std::vector<Code> text(m + 40, 3);
    Pattern<Code> pattern = random_pattern<Code>(rng, m, 1, false);
    pattern.codes.assign(m, 3);
    check_engine<Code>(text, {pattern}, isa);
    check_one<Code>(text, pattern, isa);
    pattern.codes.assign(m, 4);
    check_one<Code>(text, pattern, isa);
  }
  check_engine<Code>(std::vector<Code>(100, 1), {{5, {}, {}}}, isa);  // wildcards alone
  check_engine<Code>({}, {{5, {1}, {1}}}, isa);                       // no alignment
}

}  // namespace

int main() {
  for (Isa isa : {Isa::generic, Isa::avx2, Isa::avx512}) {
    if (isa > detected_isa()) continue;
    test_all<std::uint8_t>(isa);
    test_all<std::uint16_t>(isa);
    test_all<std::uint32_t>(isa);
  }
  return 0;
}
