#include "periodic.hpp"

#include <algorithm>
#include <cstring>

#include "letter_index.hpp"

namespace pyalgo::hamming {

namespace {

// Places to sum up before they leave the first-level cache.
constexpr std::size_t stretch = 2048;

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

// Calls visit(code, place, sign) for all differences of a pattern, places rising.
template <class Code, class Visit>
void for_differences(const Pattern<Code>& pattern, std::size_t period, Visit&& visit) {
  const std::size_t length = pattern.length;
  if (pattern.codes.size() == length) {  // no wildcards
    const Code* codes = pattern.codes.data();
    for_breaks(codes, 0, length, period, [&](std::size_t y) {
      visit(codes[y], y, 1);
      if (y >= period) visit(codes[y - period], y, -1);
    });
    for (std::size_t y = std::max(length, period); y < length + period; ++y) visit(codes[y - period], y, -1);
    return;
  }
  std::vector<Code> codes(length);
  std::vector<std::uint8_t> counts(length);
  for (std::size_t i = 0; i < pattern.codes.size(); ++i) {
    codes[pattern.offsets[i]] = pattern.codes[i];
    counts[pattern.offsets[i]] = 1;
  }
  for (std::size_t y = 0; y < length + period; ++y) {
    const bool now = y < length && counts[y] != 0, before = y >= period && counts[y - period] != 0;
    if (now && before && codes[y] == codes[y - period]) continue;
    if (now) visit(codes[y], y, 1);
    if (before) visit(codes[y - period], y, -1);
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
    // Every letter makes a difference where it comes first, so that these are all letters.
    struct Found {
      Code code;
      Difference difference;
    };
    std::vector<Found> found;
    for_differences(pattern, period, [&](Code code, std::size_t y, std::int32_t sign) {
      found.push_back({code, {static_cast<std::uint32_t>(y), sign}});
    });
    Pattern<Code> beginnings;
    for (const Found& each : found)
      if (each.difference.sign > 0) beginnings.codes.push_back(each.code);
    index = LetterIndex<Code>(letters_of<Code>({&beginnings, 1}));
    begins.assign(index.size() + 2, 0);
    for (const Found& each : found) ++begins[index.find(each.code) + 1];
    for (std::size_t l = 1; l < begins.size(); ++l) begins[l] += begins[l - 1];
    all.resize(begins.back());
    std::vector<std::uint32_t> next = begins;
    for (const Found& each : found) all[next[index.find(each.code)]++] = each.difference;
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
      block_ = std::max(block_, patterns_.back().period);
    }
  }

  std::unique_ptr<typename Engine<Code>::Workspace> make_workspace() const override {
    auto buffers = std::make_unique<Buffers>();
    std::size_t period = 0, reach = 0;
    for (const Differences<Code>& pattern : patterns_) {
      period = std::max(period, pattern.period);
      reach = std::max(reach, pattern.reach());
    }
    buffers->products.resize(2 * reach + block_);
    buffers->once.resize(period);
    buffers->twice.resize(period);
    buffers->sums.resize(std::max(stretch, period));
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
    std::vector<std::uint32_t> products;     // a window that moves upwards, and back when it comes to the end
    std::vector<std::uint32_t> once, twice;  // the running sums, one for each remainder modulo the period
    std::vector<std::uint32_t> sums;         // of a stretch

    std::size_t nbytes() const noexcept override {
      return (products.capacity() + once.capacity() + twice.capacity() + sums.capacity()) * sizeof(std::uint32_t);
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

// sums[i] = the second running sums with stride `period` of -products; remainder by remainder, with the sums in
// registers, as a sum that is stored and loaded again `period` places later stalls when the period is short.
void sum_twice(const std::uint32_t* products, std::size_t size, std::size_t period, std::uint32_t* once,
               std::uint32_t* twice, std::uint32_t* sums) noexcept {
  for (std::size_t j = 0; j < std::min(period, size); ++j) {
    std::uint32_t first = once[j], second = twice[j];
    for (std::size_t i = j; i < size; i += period) sums[i] = second += first -= products[i];
    once[j] = first;
    twice[j] = second;
  }
}

// Once the block that begins at symbol `start` is added, products[k] is final for k < size; it is the product for
// alignment start - reach + k, and, by the factor -z^-r, the summand of alignment start - reach + k + r = start -
// (length - 1) + k.
template <class Code>
void Periodic<Code>::count_pattern(const Differences<Code>& pattern, const Code* text, const Target& target,
                                   Buffers& buffers) const {
  const std::size_t period = pattern.period, reach = pattern.reach(), head = pattern.length - 1;
  const std::size_t needed = target.count + head;
  const std::size_t block = block_ - block_ % period, step = std::max<std::size_t>(1, stretch / period) * period;
  std::uint32_t* products = buffers.products.data();
  const std::uint32_t* const sums = buffers.sums.data();
  std::fill_n(products, reach, 0);
  std::fill(buffers.once.begin(), buffers.once.end(), 0);
  std::fill(buffers.twice.begin(), buffers.twice.end(), 0);
  for (std::size_t start = 0; start < needed; start += block) {
    const std::size_t size = std::min(block, needed - start);
    std::fill_n(products + reach, size, 0);
    add_products(pattern, text, start, size, products);
    for (std::size_t k = 0; k < size; k += step) {
      const std::size_t part = std::min(step, size - k), at = start + k;
      sum_twice(products + k, part, period, buffers.once.data(), buffers.twice.data(), buffers.sums.data());
      for (std::size_t i = at < head ? std::min(part, head - at) : 0; i < part; ++i) {
        std::int32_t& out = target.out[at + i - head];
        out = (target.accumulate ? out : target.base) - static_cast<std::int32_t>(sums[i]);
      }
    }
    products += size;
    if (products + reach + block > buffers.products.data() + buffers.products.size())
      products = std::copy_n(products, reach, buffers.products.data()) - reach;
  }
}

}  // namespace

template <class Code>
Period best_period(const Pattern<Code>& pattern) {
  const LetterIndex<Code> index(letters_of<Code>({&pattern, 1}));
  const std::vector<std::uint32_t> numbers = numbers_of(pattern, index);
  Period best{1, count_breaks(numbers, 1)};
  for (std::size_t period = 2; period <= 64 && period < best.period + best.breaks; ++period) {
    const std::size_t breaks = count_breaks(numbers, period);
    if (period + breaks < best.period + best.breaks) best = {period, breaks};
  }
  return best;
}

template <class Code>
std::unique_ptr<Engine<Code>> make_periodic(const std::vector<Pattern<Code>>& patterns, std::size_t period, Isa) {
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
template std::unique_ptr<Engine<std::uint8_t>> make_periodic(const std::vector<Pattern<std::uint8_t>>&, std::size_t,
                                                             Isa);
template double periodic_increments(const Pattern<std::uint8_t>&, std::size_t, const std::uint8_t*, std::size_t);
template Period best_period(const Pattern<std::uint16_t>&);
template std::unique_ptr<Engine<std::uint16_t>> make_periodic(const std::vector<Pattern<std::uint16_t>>&, std::size_t,
                                                              Isa);
template double periodic_increments(const Pattern<std::uint16_t>&, std::size_t, const std::uint16_t*, std::size_t);
template Period best_period(const Pattern<std::uint32_t>&);
template std::unique_ptr<Engine<std::uint32_t>> make_periodic(const std::vector<Pattern<std::uint32_t>>&, std::size_t,
                                                              Isa);
template double periodic_increments(const Pattern<std::uint32_t>&, std::size_t, const std::uint32_t*, std::size_t);

}  // namespace pyalgo::hamming
