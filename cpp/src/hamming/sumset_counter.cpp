#include "sumset_counter.hpp"

#include <algorithm>
#include <cassert>

#include "pyalgo/bits.hpp"

namespace pyalgo::hamming {

namespace {

constexpr int most_rounds = 64;

bool is_prime(std::uint32_t n) noexcept {
  if (n < 4) return n > 1;
  if (n % 2 == 0) return false;
  for (std::uint32_t d = 3; d <= n / d; d += 2)
    if (n % d == 0) return false;
  return true;
}

// One lies in [least, 2 least] for every least > 1 (Bertrand's postulate).
std::uint32_t random_prime(std::uint32_t least, PhiloxStream& random) noexcept {
  for (;;) {
    const std::uint32_t n = least + random.below(least + 1);
    if (is_prime(n)) return n;
  }
}

}  // namespace

SumsetCounter::SumsetCounter(std::size_t width)
    : transform_(next_pow2(width)), counts_(width), a_(next_pow2(width)), b_(next_pow2(width)), folded_(width) {
  candidates_.reserve(width);
  certified_.reserve(width);
}

std::size_t SumsetCounter::nbytes() const noexcept {
  return transform_.nbytes() + (counts_.capacity() + a_.capacity() + b_.capacity() + candidates_.capacity()) * 4 +
         (folded_.capacity() + certified_.capacity()) * 8;
}

std::uint32_t SumsetCounter::default_p0(std::size_t x, std::size_t y, std::size_t width) noexcept {
  const double wanted =
      64.0 * static_cast<double>(x) * static_cast<double>(y) / static_cast<double>(std::max<std::size_t>(width, 1));
  auto p0 = static_cast<std::uint32_t>(std::min(std::max(wanted, 67.0), 1e9));
  while (!is_prime(p0)) ++p0;
  return p0;
}

// The linear convolution of X and Y modulo `prime`, in a_. Folded sets are multisets: their convolution stays below the
// modulus of the transform as long as |X| times the multiplicity in Y does, see count().
void SumsetCounter::convolve(Numbers x, Numbers y, std::uint32_t prime) {
  const auto length = [prime](Numbers numbers) { return std::min(prime, numbers[numbers.size() - 1] + 1); };
  size_ = next_pow2(std::size_t{length(x)} + length(y) - 1);
  std::fill_n(a_.begin(), size_, 0);
  std::fill_n(b_.begin(), size_, 0);
  for (std::uint32_t value : x) ++a_[value % prime];
  for (std::uint32_t value : y) ++b_[value % prime];
  transform_.forward(a_.data(), size_);
  transform_.forward(b_.data(), size_);
  PrimeTransform::multiply(a_.data(), b_.data(), a_.data(), size_);
  transform_.inverse(a_.data(), size_);
}

// folded_[r] = (exact count of the sums that are r modulo prime - the same of the low counts) / p0 - what is certified
// already.
void SumsetCounter::fold(Numbers x, Numbers y, std::uint32_t p0, std::uint32_t prime) {
  convolve(x, y, prime);
  const std::size_t remainders = std::min<std::size_t>(prime, width_);
  std::fill_n(folded_.begin(), remainders, 0);
  const auto each = [&](std::size_t size, auto&& value) {  // added up remainder by remainder, without a division each
    for (std::size_t start = 0; start < size; start += remainders)
      for (std::size_t r = 0; r < std::min(remainders, size - start); ++r) folded_[r] += value(start + r);
  };
  each(size_, [&](std::size_t i) -> std::uint64_t { return PrimeTransform::at(a_.data(), size_, i); });
  each(width_, [&](std::size_t z) { return 0 - std::uint64_t{counts_[z]}; });
  for (std::size_t r = 0; r < remainders; ++r) {
    assert(folded_[r] >> 63 == 0 && folded_[r] % p0 == 0);
    folded_[r] /= p0;
  }
  for (const Excess& excess : certified_) folded_[excess.sum % prime] -= excess.times;
}

// Drops the candidates whose remainder has no overflow left, and certifies those that are alone with theirs.
void SumsetCounter::filter(std::uint32_t prime, bool first) {
  if (first) {
    for (std::uint32_t z = 0; z < width_; ++z)
      if (folded_[z % prime] > 0) candidates_.push_back(z);
  } else {
    const auto none = [&](std::uint32_t z) { return folded_[z % prime] == 0; };
    candidates_.erase(std::remove_if(candidates_.begin(), candidates_.end(), none), candidates_.end());
  }
  std::vector<std::uint32_t>& sharing = b_;
  std::fill_n(sharing.begin(), std::min<std::size_t>(prime, width_), 0);
  for (std::uint32_t z : candidates_) ++sharing[z % prime];
  const auto alone = [&](std::uint32_t z) {
    if (sharing[z % prime] > 1) return false;
    certified_.push_back({z, static_cast<std::uint32_t>(folded_[z % prime])});
    return true;
  };
  std::size_t kept = 0;
  for (std::uint32_t z : candidates_)
    if (!alone(z)) candidates_[kept++] = z;
  candidates_.resize(kept);
}

// With p0 at most min(|X|, |Y|) the primes are at least 2 max(|X|, |Y|), so a folded count is at most |X| (width / (2
// |X|) + 1), below width / 2 + |X| < 2^27.
void SumsetCounter::count(Numbers x, Numbers y, std::uint32_t p0, PhiloxStream& random, SumsetInfo& info) {
  width_ = std::size_t{x[x.size() - 1]} + y[y.size() - 1] + 1;
  const auto whole = static_cast<std::uint32_t>(width_);
  const bool may_overflow = p0 <= std::min(x.size(), y.size());
  convolve(x, y, whole);
  for (std::size_t z = 0; z < width_; ++z) counts_[z] = PrimeTransform::at(a_.data(), size_, z) % p0;
  std::fill(counts_.begin() + static_cast<std::ptrdiff_t>(width_), counts_.end(), 0);
  if (!may_overflow) return;

  const std::uint64_t overflows = std::uint64_t{x.size()} * y.size() / p0;  // at most so many
  const auto least =
      static_cast<std::uint32_t>(std::max<std::uint64_t>(64, std::min<std::uint64_t>(2 * overflows, width_)));
  candidates_.clear();
  certified_.clear();
  for (int round = 0; round < most_rounds; ++round) {
    const std::uint32_t prime = random_prime(least, random);
    fold(x, y, p0, prime);
    filter(prime, round == 0);
    info.primes.push_back(prime);
    ++info.rounds;
    info.overflow_rounds += !certified_.empty() || !candidates_.empty();
    if (candidates_.empty()) {
      for (const Excess& excess : certified_) counts_[excess.sum] += excess.times * p0;
      return;
    }
  }
  convolve(x, y, whole);
  for (std::size_t z = 0; z < width_; ++z) counts_[z] = PrimeTransform::at(a_.data(), size_, z);
}

}  // namespace pyalgo::hamming
