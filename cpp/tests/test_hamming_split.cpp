// The split engine against brute force: every tier and mixtures of them, tile borders, several patterns, any code.
#include <map>

#include "hamming/letter_index.hpp"
#include "hamming/scatter.hpp"
#include "hamming/split.hpp"
#include "hamming_oracle.hpp"

using namespace pyalgo;
using namespace pyalgo::hamming;

namespace {

template <class Code>
void check_split(const std::vector<Pattern<Code>>& patterns, const std::vector<Code>& text,
                 const std::vector<double>& density, std::size_t piece = 0, std::size_t spare = 0) {
  for (Isa isa : isa_levels()) check_engine(*make_split(patterns, density, isa), patterns, text, piece, spare);
}

// Sampled densities put letters into tiers; wrong ones (none, all rare, all frequent) must not change a count.
template <class Code>
void test_small(std::mt19937& random) {
  for (int trial = 0; trial < 100; ++trial) {
    const std::uint32_t letters = 1 + random() % 5;
    const std::size_t n = 1 + random() % 64, m = 1 + random() % n;
    const auto text = random_codes<Code>(n, letters, random);
    std::vector<Pattern<Code>> patterns = {pattern_of(random_codes<Code>(m, letters, random))};
    if (trial % 3 == 0)
      patterns.push_back(with_wildcards(pattern_of(random_codes<Code>(1 + random() % n, letters, random)), .5, random));
    if (trial % 7 == 0) patterns.push_back({m, {}, {}});
    for (double density : {0., 1e-9, 1e-3, .3})
      check_split(patterns, text, std::vector<double>(letters, density), random() % 9);
  }
}

// The increments in tiles, in the order of the text, and both, over lengths around a tile's borders.
void test_scatter(std::mt19937& random) {
  const std::size_t lengths[] = {1, 7, 63, 64, 65, 255, 256, 8191, 8192, 8193, 12287, 12288, 12289, 20000};
  for (std::size_t m : lengths)
    for (std::size_t extra : {std::size_t{0}, std::size_t{1}, std::size_t{300}, 8192 - m % 8192}) {
      const std::uint32_t letters = m > 1000 ? 90 : 3;
      const auto text = random_codes<std::uint16_t>(m + extra, letters, random);
      const std::vector<Pattern<std::uint16_t>> patterns = {
          pattern_of(random_codes<std::uint16_t>(m, letters, random))};
      std::vector<double> density(letters, .01);
      for (std::uint32_t c = 0; c < letters; c += 2) density[c] = 0;
      const Scatter<std::uint16_t> scatter(patterns, [&](std::uint16_t code) { return density[code]; });
      auto workspace = scatter.make_workspace();
      std::vector<std::int32_t> out(extra + 1, 5);
      const std::vector<Target> targets = {{out.data(), out.size(), false, 0}};
      scatter.subtract(text.data(), text.size(), targets, workspace);
      for (std::size_t i = 0; i < out.size(); i += 1 + random() % (m / 60 + 1)) {
        std::int32_t matches = 0;
        for (std::size_t j = 0; j < m; ++j) matches += text[i + j] == patterns[0].codes[j];
        CHECK(out[i] == 5 - matches);
      }
    }
}

// One letter everywhere fills counters of a tile to the brim; a text with no letter of the pattern leaves them empty.
void test_uniform() {
  const std::vector<std::uint8_t> text(30000, 1);
  for (std::size_t m : {std::size_t{1}, std::size_t{8192}, std::size_t{29990}}) {
    const Scatter<std::uint8_t> scatter({pattern_of(std::vector<std::uint8_t>(m, 1))},
                                        [](std::uint8_t) { return .001; });
    auto workspace = scatter.make_workspace();
    std::vector<std::int32_t> out(text.size() - m + 1);
    const std::vector<Target> targets = {{out.data(), out.size(), false, 0}};
    for (int round = 1; round <= 2; ++round) {
      scatter.subtract(text.data(), text.size(), targets, workspace);
      CHECK(std::count(out.begin(), out.end(), -round * static_cast<std::int32_t>(m)) ==
            static_cast<std::ptrdiff_t>(out.size()));
    }
    const std::vector<std::uint8_t> other(30000, 0);
    scatter.subtract(other.data(), other.size(), targets, workspace);
    CHECK(out.front() == -2 * static_cast<std::int32_t>(m));
  }
}

// Heavy, medium and rare letters at once, more than 255 letters in a tier, pieces, a spare end.
void test_mixture(std::mt19937& random) {
  const std::size_t n = 3000, m = 900;
  std::vector<std::uint32_t> text(n), codes(m);
  const auto draw = [&] {
    const std::uint32_t kind = random() % 3;
    return kind == 0 ? random() % 2 : kind == 1 ? 2 + random() % 600 : 1000 + random() % 100000;
  };
  for (auto& code : text) code = draw();
  for (auto& code : codes) code = draw();
  std::vector<double> density(1000, 1. / 1800);
  density[0] = density[1] = 1. / 6;
  for (std::size_t c = 2; c < 400; ++c) density[c] = 1;  // so that they are not scattered
  const std::vector<Pattern<std::uint32_t>> patterns = {pattern_of(codes),
                                                        with_wildcards(pattern_of(codes), .3, random)};
  check_split(patterns, text, density);
  check_split(patterns, text, density, 1000, 17);
  CHECK(predicted_split<std::uint32_t>({0, 5}, {9, 1}, m, density).ns >
        predicted_split<std::uint32_t>({5}, {1}, m, density).ns);
}

template <class Code>
void test_index(const std::vector<Code>& letters, std::mt19937& random) {
  const LetterIndex<Code> index(letters);
  for (std::uint32_t i = 0; i < letters.size(); ++i) CHECK(index.find(letters[i]) == i);
  for (int trial = 0; trial < 1000; ++trial) {
    const auto code = static_cast<Code>(random());
    const auto at = std::find(letters.begin(), letters.end(), code);
    CHECK(index.find(code) == static_cast<std::uint32_t>(at - letters.begin()));
  }
}

// Codes anywhere in 32 bits.
void test_sparse_codes(std::mt19937& random) {
  test_index<std::uint8_t>({}, random);
  test_index<std::uint8_t>({255, 3}, random);
  std::map<std::uint32_t, int> distinct;
  while (distinct.size() < 700) distinct[random()];
  std::vector<std::uint32_t> letters = {0, ~0U, 5};
  for (const auto& [code, unused] : distinct) letters.push_back(code);
  test_index(letters, random);
  std::vector<std::uint32_t> text(3000), codes(500);
  for (auto& code : text) code = letters[random() % 40 == 0 ? random() % 2 : random() % letters.size()];
  for (auto& code : codes) code = letters[random() % letters.size()];
  check_split<std::uint32_t>({pattern_of(codes)}, text, {});
}

}  // namespace

int main() {
  std::mt19937 random(1);
  test_small<std::uint8_t>(random);
  test_small<std::uint16_t>(random);
  test_small<std::uint32_t>(random);
  test_scatter(random);
  test_uniform();
  test_mixture(random);
  test_sparse_codes(random);
}
