// Engine E2 against a naive count: alphabets up to all bytes, edge lengths, several patterns, every ISA level.
#include "hamming/bitslice.hpp"
#include "slices_oracle.hpp"

using namespace pyalgo;
using namespace pyalgo::hamming;

namespace {

using Byte = std::uint8_t;

void test_all(Isa isa) {
  PhiloxStream rng(2, 0, 0);
  for (int trial = 0; trial < 1500; ++trial) {
    const std::uint32_t n = 1 + rng.below(64), m = 1 + rng.below(n), letters = 1 + rng.below(5);
    const auto text = random_text<Byte>(rng, n, letters);
    const auto pattern = random_pattern<Byte>(rng, m, letters, trial % 2 == 0);
    check_counts(*make_bitslice({pattern}, isa), text, {pattern});
  }
  for (std::size_t m : {63, 64, 65, 240, 255, 256, 257, 511, 512, 513, 2047, 2049})
    for (std::size_t count : {1, 63, 64, 65, 511, 512, 513}) {
      const auto text = random_text<Byte>(rng, m + count - 1, 4);
      const std::vector<Pattern<Byte>> patterns{random_pattern<Byte>(rng, m, 4, false),
                                                random_pattern<Byte>(rng, m / 2, 5, true)};
      check_counts(*make_bitslice(patterns, isa), text, patterns);
    }
  // Several blocks, with the planes of up to 255 letters.
  for (std::uint32_t letters : {2, 4, 64, 256}) {
    const auto text = random_text<Byte>(rng, 40000, letters);
    const std::vector<Pattern<Byte>> patterns{random_pattern<Byte>(rng, 20, letters, false),
                                              random_pattern<Byte>(rng, 300, letters, true)};
    check_counts(*make_bitslice(patterns, isa), text, patterns);
  }
  // All equal: every bit of the counter is reached, and its end.
  for (std::size_t m : {15, 16, 17, 31, 32, 33, 255, 256, 4095, 4096, 12289, 65519, 65520, 65521, 65537}) {
    const std::vector<Byte> text(m + 40, 3);
    Pattern<Byte> pattern = random_pattern<Byte>(rng, m, 1, false);
    pattern.codes.assign(m, 3);
    check_counts(*make_bitslice({pattern}, isa), text, {pattern});
  }
  const Pattern<Byte> wild{5, {}, {}}, one{5, {1}, {1}};
  check_counts(*make_bitslice({wild, one}, isa), std::vector<Byte>(100, 1), {wild, one});
  check_counts(*make_bitslice({one}, isa), {}, {one});  // no alignment
}

}  // namespace

int main() {
  for (Isa isa : {Isa::generic, Isa::avx2, Isa::avx512})
    if (isa <= detected_isa()) test_all(isa);
  return 0;
}
