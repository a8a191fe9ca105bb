// The number-theoretic engine against counting symbol by symbol, and its arithmetic over all inputs.
#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "check.hpp"
#include "hamming/ntt.hpp"
#include "hamming/ntt_field.hpp"
#include "hamming/ntt_kernel.hpp"

namespace {

using namespace pyalgo;
using namespace pyalgo::hamming;
using Text = std::vector<std::uint8_t>;

std::vector<Isa> levels() {
  std::vector<Isa> all = {Isa::generic};
  for (Isa isa : {Isa::avx2, Isa::avx512}) {
    if (isa <= detected_isa()) all.push_back(isa);
  }
  return all;
}

std::int32_t matches(const Text& text, std::size_t at, const Pattern<std::uint8_t>& pattern) {
  std::int32_t count = 0;
  for (std::size_t i = 0; i < pattern.offsets.size(); ++i) count += text[at + pattern.offsets[i]] == pattern.codes[i];
  return count;
}

Pattern<std::uint8_t> whole(const Text& symbols) {
  Pattern<std::uint8_t> pattern;
  pattern.length = symbols.size();
  for (std::size_t i = 0; i < symbols.size(); ++i) pattern.offsets.push_back(static_cast<std::uint32_t>(i));
  pattern.codes = symbols;
  return pattern;
}

Text random_text(std::size_t size, unsigned letters, std::mt19937& rng) {
  Text text(size);
  for (auto& symbol : text) symbol = static_cast<std::uint8_t>(rng() % letters * 37 + 5);
  return text;
}

// The engine's counts at all alignments, compared with the oracle at `probes` of them (all if 0).
void check_counts(const Text& text, const std::vector<Pattern<std::uint8_t>>& patterns, Isa isa, std::size_t probes = 0,
                  unsigned seed = 1) {
  const auto engine = make_ntt(patterns, isa);
  const auto workspace = engine->make_workspace();
  const Text exact(text);  // its own allocation: a sanitizer sees reads beyond it
  std::vector<std::vector<std::int32_t>> out(patterns.size());
  std::vector<Target> targets(patterns.size());
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    const std::size_t count = text.size() < patterns[p].length ? 0 : text.size() - patterns[p].length + 1;
    out[p].assign(count, 1000000);
    targets[p] = {out[p].data(), count, p % 2 == 1, 7};
  }
  engine->count(exact.data(), exact.size(), 0, {targets.data(), targets.size()}, *workspace);
  std::mt19937 rng(seed);
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    const std::size_t checks = probes == 0 ? out[p].size() : std::min(probes, out[p].size());
    for (std::size_t i = 0; i < checks; ++i) {
      std::size_t at = i;
      if (probes != 0 && i >= checks / 2) at = rng() % out[p].size();
      if (probes != 0 && i < checks / 4) at = out[p].size() - 1 - i;
      CHECK(out[p][at] == (p % 2 == 1 ? 1000000 : 7) - matches(text, at, patterns[p]));
    }
  }
}

void test_arithmetic() {
  using namespace ntt;
  for (std::int32_t a = -32768; a < 32768; ++a) {
    const std::int32_t r = ntt::reduce(a);
    CHECK(r >= -reduced_bound && r <= reduced_bound && (a - r) % q == 0);
  }
  for (std::int32_t w : {1, 2, 3, 11, 1479, 4043, 6144, 6145, 12288}) {
    const Factor f = factor(w);
    for (std::int32_t b = -32768; b < 32768; ++b) {
      const std::int32_t r = montgomery(b, f);
      CHECK((r - std::int64_t{b} * w) % q == 0);
      CHECK(std::abs(r) <= (std::abs(b) * std::abs(f.w) + 32768 * q) / 65536 + 1);
      CHECK(std::abs(r) <= BoundChain{}.product(std::abs(b)));
    }
  }
  CHECK(forward_bounds(6).largest < 32768 && inverse_bounds().largest < 32768);
  for (std::size_t j : {1, 2}) {
    const FirstLevel level = first_level(j);
    CHECK(forward_bounds(level.bound).largest < 32768);
    for (unsigned chosen = 0; chosen < 8; ++chosen) {  // every sum of masks stays within the bound
      std::int32_t u = 0, v = 0;
      for (unsigned i = 0; i < 3; ++i) {
        if (chosen >> i & 1) u += level.values[i], v += level.values[3 + i];
      }
      CHECK(std::abs(u) < level.bound && std::abs(v) < level.bound);
    }
  }
}

// Spectra of one letter at all levels: the values of the polynomial at all roots, each once; and back.
void test_transform() {
  std::mt19937 rng(5);
  for (Isa isa : levels()) {
    for (std::size_t subtrees : {1, 3}) {
      const ntt::Kernel& kernel = ntt::kernel(isa);
      const ntt::Tables& tables = ntt::Tables::shared(kernel.lanes, subtrees);
      const std::size_t n = subtrees * ntt::power_of_two;
      Text text(n);
      for (auto& symbol : text) symbol = rng() % 3;
      std::vector<std::int16_t> out(2 * n), work(ntt::work_size), one(2 * n), h(2 * n);
      kernel.forward(tables, {{text.data(), text.data()}, {0, 2}}, out.data(), 2 * ntt::tile, true, work.data());
      for (std::int16_t value : out) CHECK(std::abs(value) <= ntt::reduced_bound);
      // Times 2^16, for one letter of the pair: then the inverse gives n times the indicators, and a constant.
      for (unsigned letter = 0; letter < 2; ++letter) {
        for (std::size_t i = 0; i < n; ++i) {
          h[2 * i + letter] = static_cast<std::int16_t>(ntt::centred(65536));
          h[2 * i + 1 - letter] = 0;
        }
        const std::uint32_t slot = 0;
        ntt::Product product;
        product.x = out.data();
        product.h = h.data();
        product.x_tile = product.h_tile = 2 * ntt::tile;
        product.slots = &slot;
        product.pieces = product.pairs = product.blocks = 1;
        product.y = one.data();
        product.length = n;
        product.tables = &tables;
        product.constant = 5;
        kernel.multiply(product);
        kernel.inverse(tables, one.data(), n);
        for (std::size_t i = 0; i < n; ++i)
          CHECK((one[i] - 5 + std::int64_t(n) * (text[i] == 2 * letter)) % ntt::q == 0);
      }
    }
  }
}

void test_lengths() {
  std::mt19937 rng(2);
  for (Isa isa : levels()) {
    for (std::size_t m : {1,    2,    3,    63,   64,   65,   240,  255,   256,   511,   512,   2047,  2048,  2049,
                          2304, 2305, 4095, 4096, 4097, 6144, 6145, 12287, 12288, 12289, 24577, 65535, 65536, 65537}) {
      for (unsigned letters : {1, 2, 4, 5}) {
        if (m > 5000 && letters != 4) continue;
        const Text text = random_text(m + rng() % 9000, letters, rng);
        check_counts(text, {whole(random_text(m, letters > 1 ? letters - 1 : 1, rng))}, isa, 40);
      }
    }
  }
}

void test_small() {
  std::mt19937 rng(3);
  for (int round = 0; round < 200; ++round) {
    const std::size_t n = 1 + rng() % 64, m = 1 + rng() % n;
    const unsigned letters = 1 + rng() % 5;
    check_counts(random_text(n, letters, rng), {whole(random_text(m, letters, rng))},
                 levels()[static_cast<std::size_t>(round) % levels().size()]);
  }
}

// All symbols match: counts of q - 1, q, q + 1 and more.
void test_equal() {
  for (Isa isa : levels()) {
    for (std::size_t m : {12287, 12288, 12289, 12290, 24577})
      check_counts(Text(m + 300, 9), {whole(Text(m, 9))}, isa, 60);
    Pattern<std::uint8_t> nothing;  // all wildcards
    nothing.length = 100;
    check_counts(Text(5000, 9), {nothing}, isa);
  }
}

void test_all_bytes() {
  std::mt19937 rng(4);
  Text text(9000), pattern(3000);
  for (auto& symbol : text) symbol = static_cast<std::uint8_t>(rng());
  for (auto& symbol : pattern) symbol = static_cast<std::uint8_t>(rng());
  check_counts(text, {whole(pattern)}, levels().back(), 300);
  // More spectra than a workspace may hold.
  text.resize(61000);
  pattern.resize(60000);
  for (auto& symbol : text) symbol = static_cast<std::uint8_t>(rng() % 112);
  for (auto& symbol : pattern) symbol = static_cast<std::uint8_t>(rng() % 112);
  check_counts(text, {whole(pattern)}, levels().back(), 20);
  CHECK(make_ntt({whole(pattern)})->make_workspace()->nbytes() <= std::size_t{64} << 20);
}

Pattern<std::uint8_t> with_gaps(Pattern<std::uint8_t> pattern, std::mt19937& rng) {
  Pattern<std::uint8_t> result;
  result.length = pattern.length;
  for (std::size_t i = 0; i < pattern.offsets.size(); ++i) {
    if (rng() % 3 == 0) continue;
    result.offsets.push_back(pattern.offsets[i]);
    result.codes.push_back(pattern.codes[i]);
  }
  return result;
}

// Several patterns of different lengths, other symbols in some segments only.
void test_several() {
  std::mt19937 rng(6);
  for (Isa isa : levels()) {
    for (std::size_t scale : {1, 40, 700, 6000}) {
      Text text = random_text(70000, 4, rng);
      for (int i = 0; i < 20; ++i) text[30000 + rng() % 3000] = 'N';
      std::vector<Pattern<std::uint8_t>> patterns;
      for (std::size_t m : {3, 1, 7, 2}) patterns.push_back(with_gaps(whole(random_text(m * scale, 4, rng)), rng));
      check_counts(text, patterns, isa, 100);
    }
  }
}

// A stream in pieces of any size through one workspace gives what one call gives.
void test_streaming() {
  std::mt19937 rng(7);
  for (int round = 0; round < 24; ++round) {
    const Isa isa = levels()[static_cast<std::size_t>(round) % levels().size()];
    const std::size_t m = round % 6 == 0 ? 9000 + rng() % 30000 : 1 + rng() % 7000;
    const Text text = random_text(40000 + m, 4 + round % 2, rng);
    const auto engine = make_ntt({whole(random_text(m, 4, rng)), whole(random_text(m / 2 + 1, 3, rng))}, isa);
    std::vector<std::vector<std::int32_t>> expected(2), got(2);
    std::vector<Target> targets(2);
    const std::size_t lengths[2] = {m, m / 2 + 1};
    for (std::size_t p = 0; p < 2; ++p) {
      expected[p].assign(text.size() - lengths[p] + 1, 0);
      got[p].assign(text.size() - lengths[p] + 1, 0);
      targets[p] = {expected[p].data(), expected[p].size(), false, 0};
    }
    engine->count(text.data(), text.size(), 0, {targets.data(), 2}, *engine->make_workspace());
    const auto workspace = engine->make_workspace();
    std::size_t emitted[2] = {0, 0};
    for (std::size_t seen = 0; seen < text.size();) {
      const std::size_t chunk = round % 3 == 0 ? 4096 : 1 + rng() % 9000;
      seen = std::min(text.size(), seen + chunk);
      // The patterns have their own positions: one call for each, as a plan of one pattern would do; first the longer.
      for (std::size_t p = 0; p < 2; ++p) {
        const std::size_t done = seen < lengths[p] ? 0 : seen - lengths[p] + 1;
        if (done == emitted[p]) continue;
        targets[p] = {got[p].data() + emitted[p], done - emitted[p], false, 0};
        targets[1 - p] = {};
        const Text known(text.begin() + static_cast<std::ptrdiff_t>(emitted[p]),
                         text.begin() + static_cast<std::ptrdiff_t>(seen));
        engine->count(known.data(), known.size(), emitted[p], {targets.data(), 2}, *workspace);
        emitted[p] = done;
      }
    }
    CHECK(got == expected);
  }
}

}  // namespace

int main() {
  test_arithmetic();
  test_transform();
  test_small();
  test_lengths();
  test_equal();
  test_all_bytes();
  test_several();
  test_streaming();
}
