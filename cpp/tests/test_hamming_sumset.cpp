// The X+Y procedure against counting all pairs, with its overflow path forced to run, and the engine that stands on it.
#include <cmath>
#include <map>
#include <set>
#include <stdexcept>

#include "hamming/prime_transform.hpp"
#include "hamming/sumset.hpp"
#include "hamming_oracle.hpp"

using namespace pyalgo;
using namespace pyalgo::hamming;

namespace {

using Set = std::vector<std::int64_t>;

Set a_set(int shape, std::size_t size, std::size_t universe, std::mt19937& random) {
  std::set<std::int64_t> numbers;
  size = std::min(size, universe);
  if (shape == 1) {  // an arithmetic progression
    const std::size_t step = 1 + random() % (universe / size);
    for (std::size_t i = 0; i < size; ++i) numbers.insert(static_cast<std::int64_t>(i * step));
  }
  const std::size_t width = shape == 2 ? std::min(universe, 2 * size) : universe;  // 2: a cluster
  while (numbers.size() < size) numbers.insert(static_cast<std::int64_t>(random() % width));
  return {numbers.begin(), numbers.end()};
}

std::int64_t check_counts(const Set& x, const Set& y, const SumsetCounts& got) {
  std::map<std::int64_t, std::int64_t> expected;
  std::int64_t most = 0;
  for (std::int64_t a : x)
    for (std::int64_t b : y) most = std::max(most, ++expected[a + b]);
  CHECK(got.values.size() == expected.size() && got.counts.size() == expected.size());
  std::size_t i = 0;
  for (const auto& [value, count] : expected) {
    CHECK(got.values[i] == value && got.counts[i] == count);
    ++i;
  }
  CHECK(got.info.primes.size() == got.info.rounds && got.info.overflow_rounds <= got.info.rounds);
  return most;
}

// Acceptance 13: N = t sqrt(U) numbers; all shapes; the procedure as it chooses, and forced to overflow.
void test_shapes(std::mt19937& random) {
  for (int shape = 0; shape < 9; ++shape)
    for (std::size_t t : {1, 2, 4, 8})
      for (std::size_t universe : {256, 1000, 4096}) {
        const auto size = static_cast<std::size_t>(static_cast<double>(t) * std::sqrt(universe));
        const Set x = a_set(shape % 3, size, universe, random), y = a_set(shape / 3, size, universe, random);
        check_counts(x, y, sumset_counts(x, y, universe, t));
        for (std::uint32_t p0 : {2, 3, 17}) {
          const SumsetCounts got = sumset_counts(x, y, universe, t, p0);
          const std::int64_t most = check_counts(x, y, got);
          CHECK((got.info.overflow_rounds > 0) == (most >= p0));
        }
      }
}

// At most 8 rounds in 99 % of 1000 seeds, where overflows are few.
void test_rounds(std::mt19937& random) {
  int long_runs = 0, overflowed = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    const std::size_t universe = seed % 2 == 0 ? 512 : 1024, t = 1 + seed % 4;
    const auto size = static_cast<std::size_t>(static_cast<double>(t) * std::sqrt(universe));
    const Set x = a_set(seed % 3, size, universe, random), y = a_set(0, size, universe, random);
    const SumsetCounts got =
        sumset_counts(x, y, universe, seed, static_cast<std::uint32_t>(std::max<std::size_t>(3, 2 * t * t)));
    if (seed % 20 == 0) {
      check_counts(x, y, got);
      CHECK(sumset_counts(x, y, universe, seed, 3).info.primes == sumset_counts(x, y, universe, seed, 3).info.primes);
    }
    long_runs += got.info.rounds > 8;
    overflowed += got.info.overflow_rounds > 0;
  }
  CHECK(long_runs <= 10 && overflowed >= 200);
}

void test_edges() {
  check_counts({}, {1}, sumset_counts(Set{}, Set{1}, 9, 0));
  check_counts({0}, {0}, sumset_counts(Set{0}, Set{0}, 1, 0));
  check_counts({9, 0, 5}, {3}, sumset_counts(Set{9, 0, 5}, Set{3}, 10, 0, 2));
  const std::int64_t far = std::int64_t{1} << 40;
  const Set x = {0, 1, 70, far, far + 1, 3 * far}, y = {2 * far, 0, 1};
  check_counts(x, y, sumset_counts(x, y, 1ULL << 62, 0, 2));
  CHECK(throws<std::invalid_argument>([] { sumset_counts(Set{3}, Set{9}, 9, 0); }));
  CHECK(throws<std::invalid_argument>([] { sumset_counts(Set{-1}, Set{1}, 9, 0); }));
  CHECK(throws<std::invalid_argument>([] { sumset_counts(Set{1, 2, 1}, Set{1}, 9, 0); }));
  CHECK(throws<std::invalid_argument>([] { sumset_counts(Set{1}, Set{1}, 9, 0, 1); }));
}

// Above the size at which transforms recurse, with values near the modulus.
void test_transform(std::mt19937& random) {
  for (std::size_t size : {1, 2, 8, 4096, 16384}) {
    const PrimeTransform transform(16384);
    std::vector<std::uint32_t> a(size), b(size);
    for (auto& value : a) value = PrimeTransform::modulus - 1 - random() % 5;
    for (auto& value : b) value = random() % PrimeTransform::modulus;
    auto spectrum = a, other = b;
    transform.forward(spectrum.data(), size);
    transform.forward(other.data(), size);
    PrimeTransform::multiply(spectrum.data(), other.data(), spectrum.data(), size);
    transform.inverse(spectrum.data(), size);
    for (std::size_t i = 0; i < size; i += 1 + size / 5) {
      std::uint64_t sum = 0;
      for (std::size_t j = 0; j < size; ++j)
        sum = (sum + std::uint64_t{a[j]} * b[(i + size - j) % size]) % PrimeTransform::modulus;
      CHECK(PrimeTransform::at(spectrum.data(), size, i) == sum);
    }
  }
}

template <class Code>
void test_engine_small(std::mt19937& random) {
  for (int trial = 0; trial < 120; ++trial) {
    const std::uint32_t letters = 1 + random() % 5;
    const std::size_t n = 1 + random() % 64, m = 1 + random() % n;
    const auto text = random_codes<Code>(n, letters, random);
    std::vector<Pattern<Code>> patterns = {pattern_of(random_codes<Code>(m, letters, random))};
    if (trial % 3 == 0)
      patterns.push_back(with_wildcards(pattern_of(random_codes<Code>(1 + random() % n, letters, random)), .5, random));
    if (trial % 7 == 0) patterns.push_back({m, {}, {}});
    check_engine(*make_sumset(patterns, trial), patterns, text, random() % 9);
  }
}

// Letters from t below 1 to far above log U, some of them progressions.
void test_engine_densities(std::mt19937& random) {
  for (std::size_t m : {30, 700, 2048}) {
    std::vector<std::uint32_t> text(3 * m + 5);
    for (std::size_t i = 0; i < text.size(); ++i) {
      std::uint32_t letter = 0;
      while (random() % 2 == 0) ++letter;
      text[i] = i % 7 == 0 ? 3 : letter;
    }
    std::vector<std::uint32_t> codes(text.begin() + 11, text.begin() + 11 + static_cast<std::ptrdiff_t>(m));
    for (std::size_t i = 0; i < m; i += 5) codes[i] = 1;
    const std::vector<Pattern<std::uint32_t>> patterns = {pattern_of(codes)};
    check_engine(*make_sumset(patterns, 5), patterns, text);
    check_engine(*make_sumset(patterns, 6), patterns, text, m / 2 + 1, 3);
  }
}

}  // namespace

int main() {
  std::mt19937 random(3);
  test_transform(random);
  test_shapes(random);
  test_rounds(random);
  test_edges();
  test_engine_small<std::uint8_t>(random);
  test_engine_small<std::uint16_t>(random);
  test_engine_small<std::uint32_t>(random);
  test_engine_densities(random);
}
