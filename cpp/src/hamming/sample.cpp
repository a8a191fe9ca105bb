#include "sample.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>
#include <optional>

#include "letter_index.hpp"

namespace pyalgo::hamming {
namespace {

// The costs of building a plane, of a moved copy of it, and of counting one place, in one unit (cycles a Word, AVX2).
constexpr double plane_cost = 12, place_cost = 1.7;

// 0, ..., n - 1 in an order of which every stretch is spread over the whole: steps of about 0.618 n, coprime to n.
class Spread {
 public:
  explicit Spread(std::size_t n) : n_(n), step_(static_cast<std::size_t>(0.618 * static_cast<double>(n)) | 1) {
    while (std::gcd(step_, n_) != 1) step_ += 2;
  }
  std::size_t next() noexcept {
    const std::size_t now = at_;
    at_ = (at_ + step_) % n_;
    return now;
  }

 private:
  std::size_t n_, step_, at_ = 0;
};

// Places of one letter with one offset % 8, of which some are taken.
struct Column {
  std::vector<std::uint32_t> offsets;
  std::optional<Spread> order;
  std::size_t taken = 0;

  std::size_t left() const noexcept { return offsets.size() - taken; }
  std::uint32_t take() {
    if (!order) order.emplace(offsets.size());
    ++taken;
    return offsets[order->next()];
  }
};

// Collects places until random text of these rates has more than k mismatches at them but for five standard
// deviations, and a few more, for text that is not random.
template <class Code>
class Chooser {
 public:
  Chooser(const Pattern<Code>& pattern, const Rates<Code>& rates, std::int64_t k)
      : rates_(rates), k_(static_cast<double>(k)), columns_(rates.letters.size()), index_(rates.letters.size(), none) {
    const LetterIndex<Code> index(rates.letters);
    std::vector<std::array<std::uint32_t, 8>> sizes(rates.letters.size());
    for (std::size_t j = 0; j < pattern.codes.size(); ++j)
      ++sizes[index.find(pattern.codes[j])][pattern.offsets[j] % 8];
    for (std::size_t l = 0; l < sizes.size(); ++l)
      for (std::size_t s = 0; s < 8; ++s) columns_[l][s].offsets.reserve(sizes[l][s]);
    for (std::size_t j = 0; j < pattern.codes.size(); ++j)
      columns_[index.find(pattern.codes[j])][pattern.offsets[j] % 8].offsets.push_back(pattern.offsets[j]);
  }

  Sample<Code> choose() {
    // Half of the places at most from one letter as long as there are others: text may have runs of it.
    const double wanted = 1.5 * (k_ + 1) + 48;
    const std::vector<std::size_t> order = by_yield(wanted);
    for (const double most : {wanted / 2, 1e300})
      for (std::size_t letter : order) {
        if (enough()) break;
        take(letter, most);
      }
    sample_.rejects = margin(3) >= 0;
    std::vector<typename Sample<Code>::Place> places;
    Spread mixed(std::max<std::size_t>(sample_.places.size(), 1));
    while (places.size() < sample_.places.size()) places.push_back(sample_.places[mixed.next()]);
    sample_.places = std::move(places);
    return std::move(sample_);
  }

 private:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  std::size_t size_of(std::size_t letter) const {
    std::size_t size = 0;
    for (const Column& column : columns_[letter]) size += column.offsets.size();
    return size;
  }

  // The letters, those first that make most mismatches for their cost.
  std::vector<std::size_t> by_yield(double wanted) const {
    std::vector<std::size_t> order(columns_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<double> yield;
    for (std::size_t c : order)
      yield.push_back((1 - rates_.rate[c]) / (place_cost + plane_cost / std::min<double>(size_of(c), wanted)));
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return yield[a] > yield[b]; });
    return order;
  }

  // By how many mismatches more than k random text has, but for so many standard deviations.
  double margin(double deviations) const { return mean_ - deviations * std::sqrt(variance_) - (k_ + 1); }
  bool enough() const { return sure_at_ > 0 && sample_.places.size() >= sure_at_ + sure_at_ / 8 + 16; }

  // Places of one letter: first those at whole bytes of a plane, which need no moved copy, then copy after copy.
  void take(std::size_t letter, double most) {
    auto& columns = columns_[letter];
    std::array<std::size_t, 8> order{0, 1, 2, 3, 4, 5, 6, 7};
    std::stable_sort(order.begin() + 1, order.end(),
                     [&](auto a, auto b) { return columns[a].left() > columns[b].left(); });
    double taken = 0;
    for (std::size_t s : order) {
      for (; columns[s].left() > 0; taken += 1) {
        if (taken >= most || enough()) return;
        add(letter, columns[s].take());
      }
    }
  }

  void add(std::size_t letter, std::uint32_t offset) {
    if (index_[letter] == none) {
      index_[letter] = static_cast<std::uint32_t>(sample_.letters.size());
      sample_.letters.push_back({rates_.letters[letter], 0});
    }
    auto& copies = sample_.letters[index_[letter]].copies;
    copies = static_cast<std::uint8_t>(copies | 1U << offset % 8);
    sample_.places.push_back({index_[letter], offset});
    sample_.reach = std::max<std::size_t>(sample_.reach, offset + std::size_t{1});
    mean_ += 1 - rates_.rate[letter];
    variance_ += rates_.rate[letter] * (1 - rates_.rate[letter]);
    if (sure_at_ == 0 && margin(5) >= 0) sure_at_ = sample_.places.size();
  }

  const Rates<Code>& rates_;
  double k_;
  std::vector<std::array<Column, 8>> columns_;  // by letter and shift
  std::vector<std::uint32_t> index_;            // of each letter in the sample
  Sample<Code> sample_;
  double mean_ = 0, variance_ = 0;  // of the mismatches at the places
  std::size_t sure_at_ = 0;         // places at which random text was sure to be rejected
};

}  // namespace

template <class Code>
Rates<Code> letter_rates(const Pattern<Code>& pattern, const Code* text, std::size_t size) {
  constexpr double prior = 64;
  Rates<Code> rates;
  rates.letters = letters_of<Code>({&pattern, 1});
  const LetterIndex<Code> index(rates.letters);
  std::vector<std::uint32_t> in_pattern(index.size() + 1), in_text(index.size() + 1);  // the last: no letter
  for (const Code c : pattern.codes) ++in_pattern[index.find(c)];
  for (std::size_t x = 0; x < size; ++x) ++in_text[index.find(text[x])];
  const double share = prior / static_cast<double>(std::max<std::size_t>(pattern.codes.size(), 1));
  for (std::size_t l = 0; l < index.size(); ++l)
    rates.rate.push_back((in_text[l] + share * in_pattern[l]) / (static_cast<double>(size) + prior));
  return rates;
}

template <class Code>
Sample<Code> choose_sample(const Pattern<Code>& pattern, const Rates<Code>& rates, std::int64_t k) {
  return Chooser<Code>(pattern, rates, k).choose();
}

template Rates<std::uint8_t> letter_rates(const Pattern<std::uint8_t>&, const std::uint8_t*, std::size_t);
template Rates<std::uint16_t> letter_rates(const Pattern<std::uint16_t>&, const std::uint16_t*, std::size_t);
template Rates<std::uint32_t> letter_rates(const Pattern<std::uint32_t>&, const std::uint32_t*, std::size_t);
template Sample<std::uint8_t> choose_sample(const Pattern<std::uint8_t>&, const Rates<std::uint8_t>&, std::int64_t);
template Sample<std::uint16_t> choose_sample(const Pattern<std::uint16_t>&, const Rates<std::uint16_t>&, std::int64_t);
template Sample<std::uint32_t> choose_sample(const Pattern<std::uint32_t>&, const Rates<std::uint32_t>&, std::int64_t);

}  // namespace pyalgo::hamming
