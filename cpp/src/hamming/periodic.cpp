#include "periodic.hpp"

#include <algorithm>
#include <cstring>

#include "letter_index.hpp"

namespace pyalgo::hamming {

namespace {

// A place where a letter begins (+1) or ceases (-1) to stand.
struct Difference {
  std::uint32_t place;
  std::int32_t sign;
};

// The letter's number at each place of the pattern; index.size() at wildcards.
template <class Code>
std::vector<std::uint32_t> numbers_of(const Pattern<Code>& pattern, const LetterIndex<Code>& index) {
  std::vector<std::uint32_t> numbers(pattern.length, index.size());
  for (std::size_t i = 0; i < pattern.codes.size(); ++i) numbers[pattern.offsets[i]] = index.find(pattern.codes[i]);
  return numbers;
}

// Calls visit(letter, place, sign) for all differences of a pattern, places rising, letters as in `numbers`.
template <class Visit>
void for_differences(const std::vector<std::uint32_t>& numbers, std::uint32_t none, std::size_t period, Visit&& visit) {
  const std::size_t length = numbers.size();
  for (std::size_t y = 0; y < length + period; ++y) {
    const std::uint32_t now = y < length ? numbers[y] : none, before = y >= period ? numbers[y - period] : none;
    if (now == before) continue;
    if (now != none) visit(now, y, 1);
    if (before != none) visit(before, y, -1);
  }
}

std::size_t count_breaks(const std::vector<std::uint32_t>& numbers, std::size_t period) {
  std::size_t breaks = 0;
  for (std::size_t y = period; y < numbers.size(); ++y) breaks += numbers[y] != numbers[y - period];
  return breaks;
}

// Calls visit(x) for each x in [first, last) whose symbol differs from that `period` before, or has none before it.
template <class Code, class Visit>
void for_breaks(const Code* text, std::size_t first, std::size_t last, std::size_t period, Visit&& visit) {
  std::size_t x = first;
  for (; x < std::min(period, last); ++x) visit(x);
  constexpr std::size_t stride = 64 / sizeof(Code);
  while (x < last) {
    const std::size_t end = std::min(last, x + stride);
    if (std::memcmp(text + x, text + x - period, (end - x) * sizeof(Code)) == 0) {
      x = end;
      continue;
    }
    for (; x < end; ++x)
      if (text[x] != text[x - period]) visit(x);
  }
}

// One pattern: its differences, letter by letter.
template <class Code>
struct Differences {
  std::size_t length;
  std::size_t period;
  LetterIndex<Code> index;
  std::vector<std::uint32_t> begins;  // letter -> its first one in `all`
  std::vector<Difference> all;

  Differences(const Pattern<Code>& pattern, std::size_t wanted) : length(pattern.length) {
    period = wanted != 0 ? wanted : best_period(pattern).period;
    index = LetterIndex<Code>(letters_of<Code>({pattern}));
    const std::vector<std::uint32_t> numbers = numbers_of(pattern, index);
    begins.assign(index.size() + 2, 0);
    for_differences(numbers, index.size(), period, [&](std::uint32_t letter, std::size_t, int) { ++begins[letter + 1]; });
    for (std::size_t l = 1; l < begins.size(); ++l) begins[l] += begins[l - 1];
    all.resize(begins.back());
    std::vector<std::uint32_t> next = begins;
    for_differences(numbers, index.size(), period, [&](std::uint32_t letter, std::size_t y, int sign) {
      all[next[letter]++] = {static_cast<std::uint32_t>(y), sign};
    });
  }

  // The last place that has a difference, and so the shift of the products.
  std::size_t reach() const noexcept { return length + period - 1; }
};

template <class Code>
class Periodic final : public Engine<Code> {
 public:
  Periodic(const std::vector<Pattern<Code>>& patterns, std::size_t period) {
    for (const Pattern<Code>& pattern : patterns) {
      patterns_.emplace_back(pattern, period);
      block_ = std::max(block_, pattern.length);
    }
  }

  std::unique_ptr<typename Engine<Code>::Workspace> make_workspace() const override {
    auto buffers = std::make_unique<Buffers>();
    std::size_t period = 0, reach = 0;
    for (const Differences<Code>& pattern : patterns_) {
      period = std::max(period, pattern.period);
      reach = std::max(reach, pattern.reach());
    }
    buffers->products.resize(reach + block_);
    buffers->once.resize(period + block_);
    buffers->twice.resize(period + block_);
    return buffers;
  }

  void count(const Code* text, std::size_t, std::uint64_t, Span<const Target> targets,
             typename Engine<Code>::Workspace& workspace) const override {
    for (std::size_t p = 0; p < targets.size(); ++p)
      if (targets[p].count > 0) count_pattern(patterns_[p], text, targets[p], static_cast<Buffers&>(workspace));
  }

 private:
  // Unsigned, as sums on the way may wrap round; the last ones are counts.
  struct Buffers final : Engine<Code>::Workspace {
    std::vector<std::uint32_t> products;
    std::vector<std::uint32_t> once, twice;  // sums; the first `period` are the last of the block before

    std::size_t nbytes() const noexcept override {
      return (products.capacity() + once.capacity() + twice.capacity()) * sizeof(std::uint32_t);
    }
  };

  void count_pattern(const Differences<Code>& pattern, const Code* text, const Target& target, Buffers& buffers) const;

  std::size_t block_ = 8192;
  std::vector<Differences<Code>> patterns_;
};

// products[x + reach - y] += sign of x * sign of y, x from the begin of the block.
template <class Code>
void add_products(const Differences<Code>& pattern, const Code* text, std::size_t start, std::size_t size,
                  std::uint32_t* products) {
  const auto add = [&](Code code, std::size_t x, bool negative) {
    const std::uint32_t letter = pattern.index.find(code);
    std::uint32_t* const zero = products + (x - start) + pattern.reach();
    const Difference* const end = pattern.all.data() + pattern.begins[letter + 1];
    const Difference* at = pattern.all.data() + pattern.begins[letter];
    if (negative)
      for (; at != end; ++at) zero[-static_cast<std::ptrdiff_t>(at->place)] -= static_cast<std::uint32_t>(at->sign);
    else
      for (; at != end; ++at) zero[-static_cast<std::ptrdiff_t>(at->place)] += static_cast<std::uint32_t>(at->sign);
  };
  for_breaks(text, start, start + size, pattern.period, [&](std::size_t x) {
    add(text[x], x, false);
    if (x >= pattern.period) add(text[x - pattern.period], x, true);
  });
}

// to[i] = to[i - stride] + sign * from[i], i from `stride` on; from[0] belongs to to[stride].
template <bool negative>
void sum_up(const std::uint32_t* from, std::uint32_t* to, std::size_t size, std::size_t stride) noexcept {
  if (stride == 1) {  // a running sum in a register instead of a store that is loaded at once
    std::uint32_t sum = to[0];
    for (std::size_t i = 0; i < size; ++i) to[i + 1] = sum = negative ? sum - from[i] : sum + from[i];
    return;
  }
  for (std::size_t i = 0; i < size; ++i) to[i + stride] = negative ? to[i] - from[i] : to[i] + from[i];
}

// Once the block that begins at symbol `start` is added, products[k] is final for k < size; it is the product for alignment
// start - reach + k, and, by the factor -z^-r, the summand of alignment start - reach + k + r = start - (length - 1) + k.
template <class Code>
void Periodic<Code>::count_pattern(const Differences<Code>& pattern, const Code* text, const Target& target,
                                   Buffers& buffers) const {
  const std::size_t period = pattern.period, reach = pattern.reach(), head = pattern.length - 1;
  const std::size_t needed = target.count + head;
  std::uint32_t* const products = buffers.products.data();
  std::uint32_t* const once = buffers.once.data();
  std::uint32_t* const twice = buffers.twice.data();
  std::fill_n(products, reach + block_, 0);
  std::fill_n(once, period, 0);
  std::fill_n(twice, period, 0);
  for (std::size_t start = 0; start < needed; start += block_) {
    const std::size_t size = std::min(block_, needed - start);
    add_products(pattern, text, start, size, products);
    sum_up<true>(products, once, size, period);
    sum_up<false>(once + period, twice, size, period);
    for (std::size_t k = start < head ? std::min(size, head - start) : 0; k < size; ++k) {
      std::int32_t& out = target.out[start + k - head];
      out = (target.accumulate ? out : target.base) - static_cast<std::int32_t>(twice[period + k]);
    }
    std::copy_n(once + size, period, once);
    std::copy_n(twice + size, period, twice);
    std::copy(products + size, products + size + reach, products);
    std::fill_n(products + reach, size, 0);
  }
}

}  // namespace

template <class Code>
Period best_period(const Pattern<Code>& pattern) {
  const LetterIndex<Code> index(letters_of<Code>({pattern}));
  const std::vector<std::uint32_t> numbers = numbers_of(pattern, index);
  Period best{1, count_breaks(numbers, 1)};
  for (std::size_t period = 2; period <= 64 && period < best.period + best.breaks; ++period) {
    const std::size_t breaks = count_breaks(numbers, period);
    if (period + breaks < best.period + best.breaks) best = {period, breaks};
  }
  return best;
}

template <class Code>
std::unique_ptr<Engine<Code>> make_periodic(std::vector<Pattern<Code>> patterns, std::size_t period, Isa) {
  return std::make_unique<Periodic<Code>>(patterns, period);
}

template <class Code>
double periodic_increments(const Pattern<Code>& pattern, std::size_t period, const Code* text, std::size_t size) {
  const Differences<Code> differences(pattern, period);
  std::vector<std::uint64_t> counts(differences.index.size() + 1);
  for_breaks(text, 0, size, differences.period, [&](std::size_t x) {
    ++counts[differences.index.find(text[x])];
    if (x >= differences.period) ++counts[differences.index.find(text[x - differences.period])];
  });
  double sum = 0;
  for (std::uint32_t l = 0; l < differences.index.size(); ++l)
    sum += static_cast<double>(counts[l]) * (differences.begins[l + 1] - differences.begins[l]);
  return sum;
}

template Period best_period(const Pattern<std::uint8_t>&);
template std::unique_ptr<Engine<std::uint8_t>> make_periodic(std::vector<Pattern<std::uint8_t>>, std::size_t, Isa);
template double periodic_increments(const Pattern<std::uint8_t>&, std::size_t, const std::uint8_t*, std::size_t);
template Period best_period(const Pattern<std::uint16_t>&);
template std::unique_ptr<Engine<std::uint16_t>> make_periodic(std::vector<Pattern<std::uint16_t>>, std::size_t, Isa);
template double periodic_increments(const Pattern<std::uint16_t>&, std::size_t, const std::uint16_t*, std::size_t);
template Period best_period(const Pattern<std::uint32_t>&);
template std::unique_ptr<Engine<std::uint32_t>> make_periodic(std::vector<Pattern<std::uint32_t>>, std::size_t, Isa);
template double periodic_increments(const Pattern<std::uint32_t>&, std::size_t, const std::uint32_t*, std::size_t);

}  // namespace pyalgo::hamming
