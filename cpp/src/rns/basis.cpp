#include <algorithm>
#include <numeric>

#include "pyalgo/bits.hpp"
#include "pyalgo/rns.hpp"
#include "wide.hpp"

namespace pyalgo::rns {
namespace {

using Limbs = std::vector<std::uint64_t>;

// value *= factor, in as many limbs as it has.
void multiply_by(Limbs& value, std::uint64_t factor) {
  Wide carry{};
  for (std::uint64_t& limb : value) {
    carry += wide_product(limb, factor);
    limb = low(carry);
    carry = Wide{high(carry)};
  }
}

unsigned width_of(const Limbs& value) {
  std::size_t n = value.size();
  while (n > 0 && value[n - 1] == 0) --n;
  return n == 0 ? 0 : static_cast<unsigned>(64 * (n - 1)) + bit_width(value[n - 1]);
}

std::uint64_t residue_of(const Limbs& value, const Modulus& m) {
  std::uint64_t r = 0;
  for (std::size_t i = value.size(); i-- > 0;) r = reduce(m, multiply(m, r, m.power64) + reduce(m, value[i]));
  return r;
}

Word word_for(std::uint64_t largest) {
  if (largest <= (1U << 16)) return Word::u16;
  return largest <= (1U << 31) ? Word::u32 : Word::u64;
}

void check(const std::vector<std::uint64_t>& moduli, std::size_t redundant) {
  if (moduli.empty() || moduli.size() > most_moduli)
    throw std::invalid_argument("a basis has 1 to " + std::to_string(most_moduli) + " moduli, got " +
                                std::to_string(moduli.size()));
  if (redundant >= moduli.size())
    throw std::invalid_argument("redundant must be below the number of moduli, " + std::to_string(moduli.size()) +
                                ", got " + std::to_string(redundant));
  for (std::size_t i = 0; i < moduli.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      if (const std::uint64_t common = std::gcd(moduli[j], moduli[i]); common != 1)
        throw std::invalid_argument("moduli must be pairwise coprime: " + std::to_string(moduli[j]) + " and " +
                                    std::to_string(moduli[i]) + " (positions " + std::to_string(j) + " and " +
                                    std::to_string(i) + ") have the common factor " + std::to_string(common));
  const auto guards = moduli.end() - static_cast<std::ptrdiff_t>(redundant);
  const std::uint64_t largest = *std::max_element(moduli.begin(), guards);
  for (auto guard = guards; guard != moduli.end(); ++guard)
    if (*guard < largest)
      throw std::invalid_argument(
          "redundant moduli must be larger than the others, or they guard less than promised: " +
          std::to_string(*guard) + " is below " + std::to_string(largest));
}

}  // namespace

Modulus::Modulus(std::uint64_t m) : value(m), mask((m & (m - 1)) == 0 ? m - 1 : 0), width(bit_width(m)), barrett32(0) {
  if (m < 2 || m > largest_modulus)
    throw std::invalid_argument("a modulus must be from 2 to 2^62 - 1, got " + std::to_string(m));
  if (m < (1U << 16)) barrett32 = static_cast<std::uint32_t>((std::uint64_t{1} << 32) / m);
  barrett64 = divide_wide(1, m);
  barrett128 = mask != 0 ? 0 : divide_wide(std::uint64_t{1} << (width - 1), m);
  inverse = 1.0 / static_cast<double>(m);
  inverse_below = inverse * (1 - 0x1p-50);
  power32 = (std::uint64_t{1} << 32) % m;
  power63 = (std::uint64_t{1} << 63) % m;
  power64 = 2 * power63 % m;
}

std::uint64_t inverse(const Modulus& m, std::uint64_t a) noexcept {
  // Extended Euclid; the coefficients of a stay below m in size.
  std::uint64_t r0 = m.value, r1 = a;
  std::int64_t t0 = 0, t1 = 1;
  while (r1 != 0) {
    const std::uint64_t quotient = r0 / r1, r2 = r0 - quotient * r1;
    // The last step alone could overflow, and its outcome is not used.
    const std::int64_t t2 = r2 == 0 ? 0 : t0 - static_cast<std::int64_t>(quotient) * t1;
    r0 = r1, r1 = r2;
    t0 = t1, t1 = t2;
  }
  if (r0 != 1) return 0;
  return t0 < 0 ? static_cast<std::uint64_t>(t0 + static_cast<std::int64_t>(m.value)) : static_cast<std::uint64_t>(t0);
}

Basis::Basis(const std::vector<std::uint64_t>& moduli, std::size_t redundant) : redundant_(redundant) {
  for (std::uint64_t m : moduli) moduli_.emplace_back(m);
  check(moduli, redundant);
  word_ = word_for(*std::max_element(moduli.begin(), moduli.end()));
  Limbs range(moduli.size() + 1);
  range[0] = 1;
  for (std::size_t i = 0; i < information(); ++i) multiply_by(range, moduli[i]);
  bits_ = width_of(range);
  // As many limbs as hold 2 M.
  range_.assign(range.begin(), range.begin() + static_cast<std::ptrdiff_t>(bits_ / 64 + 1));
  half_.resize(range_.size());
  for (std::size_t i = 0; i < range_.size(); ++i)
    half_[i] = range_[i] >> 1 | (i + 1 < range_.size() ? range_[i + 1] << 63 : 0);
  for (const Modulus& m : moduli_) half_residues_.push_back(residue_of(half_, m));
  set_prefixes();
  set_cofactors();
}

double Basis::fraction_error() const noexcept {
  const auto l = static_cast<double>(size());
  return l * (l + 4) * 0x1p-53;
}

std::uint64_t Basis::pair_inverse(std::size_t j, std::size_t i) const noexcept {
  return inverse(moduli_[i], reduce(moduli_[i], moduli_[j].value));
}

void Basis::set_prefixes() {
  const std::size_t l = size(), k = information();
  prefixes_.assign(l * l, 0);
  for (std::size_t i = 0; i < l; ++i) {
    std::uint64_t prefix = 1;
    for (std::size_t j = 0; j < i; ++j) {
      prefixes_[i * l + j] = prefix;
      prefix = multiply(moduli_[i], prefix, reduce(moduli_[i], moduli_[j].value));
    }
    prefix_inverses_.push_back(inverse(moduli_[i], prefix));
  }
  prefix_columns_.assign(columns() * k, 0);
  Limbs prefix(columns());
  prefix[0] = 1;
  for (std::size_t j = 0; j < k; ++j) {
    for (std::size_t c = 0; c < columns(); ++c) prefix_columns_[c * k + j] = prefix[c];
    while (prefix_starts_.size() * 64 < width_of(prefix)) prefix_starts_.push_back(j);
    multiply_by(prefix, moduli_[j].value);
  }
  prefix_starts_.resize(columns(), k);
}

void Basis::set_cofactors() {
  const std::size_t k = information();
  cofactor_columns_.assign(columns() * (k + 1), 0);
  for (std::size_t i = 0; i < k; ++i) {
    Limbs cofactor(columns());
    cofactor[0] = 1;
    for (std::size_t j = 0; j < k; ++j)
      if (j != i) multiply_by(cofactor, moduli_[j].value);
    for (std::size_t c = 0; c < columns(); ++c) cofactor_columns_[c * (k + 1) + i] = cofactor[c];
    cofactor_inverses_.push_back(inverse(moduli_[i], residue_of(cofactor, moduli_[i])));
  }
  bool borrow = false;  // 0 - M
  for (std::size_t c = 0; c < columns(); ++c) {
    cofactor_columns_[c * (k + 1) + k] = 0 - range_[c] - (borrow ? 1 : 0);
    borrow = borrow || range_[c] != 0;
  }
}

}  // namespace pyalgo::rns
