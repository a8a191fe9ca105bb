// The periodic engine against brute force on periodic, run-length and random texts, and its count of its own work.
#include <cmath>

#include "hamming/periodic.hpp"
#include "hamming_oracle.hpp"

using namespace pyalgo;
using namespace pyalgo::hamming;

namespace {

// Repeats a random word of `period` symbols, but for `edits` places.
template <class Code>
std::vector<Code> edited_codes(std::size_t size, std::size_t period, std::size_t edits, std::uint32_t letters,
                               std::mt19937& random) {
  const auto word = random_codes<Code>(period, letters, random);
  std::vector<Code> codes(size);
  for (std::size_t i = 0; i < size; ++i) codes[i] = word[i % period];
  for (std::size_t e = 0; e < edits; ++e) codes[random() % size] = static_cast<Code>(random() % (letters + 1));
  return codes;
}

template <class Code>
void test_small(std::mt19937& random) {
  for (int trial = 0; trial < 400; ++trial) {
    const std::uint32_t letters = 1 + random() % 5;
    const std::size_t n = 1 + random() % 64, m = 1 + random() % n, period = 1 + random() % 9;
    const auto text = edited_codes<Code>(n, period, random() % 9, letters, random);
    std::vector<Pattern<Code>> patterns = {pattern_of(edited_codes<Code>(m, period, random() % 4, letters, random))};
    if (trial % 3 == 0)
      patterns.push_back(with_wildcards(pattern_of(edited_codes<Code>(n, 3, 3, letters, random)), .4, random));
    if (trial % 7 == 0) patterns.push_back({m, {}, {}});
    for (std::size_t r : {std::size_t{0}, std::size_t{1}, period, std::size_t{64}, std::size_t{100}})
      check_engine(*make_periodic(patterns, r), patterns, text, random() % 9);
  }
}

// Blocks hold 8192 symbols or a whole pattern; texts end around their borders.
void test_blocks(std::mt19937& random) {
  for (std::size_t m : {std::size_t{1}, std::size_t{64}, std::size_t{511}, std::size_t{9001}})
    for (std::size_t n :
         {std::size_t{8191}, std::size_t{8192}, std::size_t{8193}, std::size_t{9001}, std::size_t{18003}}) {
      if (n < m) continue;
      const auto text = edited_codes<std::uint16_t>(n, 7, 50, 300, random);
      const auto pattern = with_wildcards(pattern_of(edited_codes<std::uint16_t>(m, 7, 9, 300, random)), .01, random);
      check_engine<std::uint16_t>(*make_periodic<std::uint16_t>({pattern}), {pattern}, text, n % 2 * 5000,
                                  n - m > 20 ? 20 : 0);
    }
  const std::vector<std::uint8_t> same(20000, 1);
  const auto pattern = pattern_of(std::vector<std::uint8_t>(12289, 1));
  std::vector<std::int32_t> out(same.size() - 12288);
  const auto engine = make_periodic<std::uint8_t>({pattern});
  auto workspace = engine->make_workspace();
  const std::vector<Target> targets = {{out.data(), out.size(), false, 12289}};
  engine->count(same.data(), same.size(), 0, targets, *workspace);
  CHECK(std::count(out.begin(), out.end(), 0) == static_cast<std::ptrdiff_t>(out.size()));
}

void test_best_period(std::mt19937& random) {
  for (std::size_t period : {1, 2, 7, 31, 64}) {
    std::vector<std::uint8_t> codes(1000);
    for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i % period);
    Period best = best_period(pattern_of(codes));
    CHECK(best.period == period && best.breaks == 0);
    codes[500] = 200;
    best = best_period(pattern_of(codes));
    CHECK(best.period == period && best.breaks == 2);
    Pattern<std::uint8_t> holed = pattern_of(codes);
    holed.codes.erase(holed.codes.begin() + 500);
    holed.offsets.erase(holed.offsets.begin() + 500);
    best = best_period(holed);
    CHECK(best.period == period && best.breaks == 2);
  }
  const Period one = best_period(pattern_of(std::vector<std::uint8_t>{3}));
  CHECK(one.period == 1 && one.breaks == 0);
  const auto codes = random_codes<std::uint8_t>(200, 2, random);
  const Period best = best_period(pattern_of(codes));
  for (std::size_t r = 1; r <= 64; ++r) {
    std::size_t breaks = 0;
    for (std::size_t j = r; j < codes.size(); ++j) breaks += codes[j] != codes[j - r];
    CHECK(best.period + best.breaks <= r + breaks);
  }
}

// The spec's example: 20 edits at period 7 in 1000 places cost under one increment a position; random text costs m and
// more.
void test_increments(std::mt19937& random) {
  const std::size_t n = 100000;
  const auto text = edited_codes<std::uint8_t>(n, 7, 20, 4, random);
  const auto pattern = pattern_of(std::vector<std::uint8_t>(text.begin() + 700, text.begin() + 1700));
  CHECK(periodic_increments(pattern, 0, text.data(), n) < static_cast<double>(n));
  const auto noise = random_codes<std::uint8_t>(n, 4, random);
  const auto other = pattern_of(random_codes<std::uint8_t>(1000, 4, random));
  // Each side has two differences at 3 of 4 places, shared among 4 letters: (1.5 n)(1.5 m) / 4.
  const double expected = 1.5 * 1.5 / 4 * 1000 * static_cast<double>(n);
  CHECK(std::abs(periodic_increments(other, 1, noise.data(), n) / expected - 1) < .05);
}

}  // namespace

int main() {
  std::mt19937 random(2);
  test_small<std::uint8_t>(random);
  test_small<std::uint16_t>(random);
  test_small<std::uint32_t>(random);
  test_blocks(random);
  test_best_period(random);
  test_increments(random);
}
