// The float engine against counting symbol by symbol.
#include <algorithm>
#include <random>
#include <stdexcept>
#include <vector>

#include "check.hpp"
#include "hamming/fft.hpp"

namespace {

using namespace pyalgo;
using namespace pyalgo::hamming;
using Text = std::vector<std::uint8_t>;

Text random_text(std::size_t size, unsigned letters, std::mt19937& rng) {
  Text text(size);
  for (auto& symbol : text) symbol = static_cast<std::uint8_t>(rng() % letters);
  return text;
}

Pattern<std::uint8_t> with_gaps(const Text& symbols, unsigned keep_of_eight, std::mt19937& rng) {
  Pattern<std::uint8_t> pattern;
  pattern.length = symbols.size();
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    if (rng() % 8 >= keep_of_eight) continue;
    pattern.offsets.push_back(static_cast<std::uint32_t>(i));
    pattern.codes.push_back(symbols[i]);
  }
  return pattern;
}

void check_counts(const Text& text, const std::vector<Pattern<std::uint8_t>>& patterns, std::size_t probes,
                  std::mt19937& rng) {
  const auto engine = make_fft(patterns);
  const auto workspace = engine->make_workspace();
  std::vector<std::vector<std::int32_t>> out(patterns.size());
  std::vector<Target> targets;
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    out[p].assign(text.size() - patterns[p].length + 1, 1000);
    targets.push_back({out[p].data(), out[p].size(), p % 2 == 1, 7});
  }
  engine->count(text.data(), text.size(), 12345, {targets.data(), targets.size()}, *workspace);
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    for (std::size_t probe = 0; probe < probes; ++probe) {
      const std::size_t at = probe < 3 ? out[p].size() - 1 - std::min(probe, out[p].size() - 1) : rng() % out[p].size();
      std::int32_t matches = 0;
      for (std::size_t i = 0; i < patterns[p].codes.size(); ++i)
        matches += text[at + patterns[p].offsets[i]] == patterns[p].codes[i];
      CHECK(out[p][at] == (p % 2 == 1 ? 1000 : 7) - matches);
    }
  }
}

}  // namespace

int main() {
  std::mt19937 rng(1);
  for (int round = 0; round < 100; ++round) {
    const std::size_t n = 1 + rng() % 64, m = 1 + rng() % n;
    const unsigned letters = 1 + rng() % 5;
    check_counts(random_text(n, letters, rng),
                 {with_gaps(random_text(m, letters, rng), 8, rng), with_gaps(random_text(m, 3, rng), 5, rng)}, n, rng);
  }
  for (std::size_t m : {511, 512, 513, 2047, 2048, 2049, 4097, 12289}) {
    check_counts(random_text(3 * m + 500, 4, rng),
                 {with_gaps(random_text(m, 4, rng), 8, rng), with_gaps(random_text(m / 2, 5, rng), 6, rng)}, 60, rng);
    check_counts(Text(m + 50, 3), {with_gaps(Text(m, 3), 8, rng)}, 50, rng);
  }
  check_counts(random_text(3000, 256, rng), {with_gaps(random_text(700, 256, rng), 8, rng)}, 60, rng);
  // The bound grows with everything and leaves room for any pattern of this engine's callers.
  CHECK(fft_error_bound(20, 1 << 19, 2) < fft_error_bound(21, 1 << 19, 2));
  CHECK(fft_error_bound(28, std::size_t{1} << 27, 128) < 0.5);
  CHECK(fft_error_bound(10, 100, 1) < 1e-10);
}
