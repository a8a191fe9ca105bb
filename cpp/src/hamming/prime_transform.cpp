#include "prime_transform.hpp"

#include <algorithm>

namespace pyalgo::hamming {

namespace {

constexpr std::uint32_t q = PrimeTransform::modulus;
constexpr std::uint32_t generator = 31;  // of the multiplicative group
constexpr std::size_t cached = 4096;     // residues that stay in the first-level cache over all their levels

// -1 / q modulo 2^32, by Newton's iteration: each step doubles the digits that are right.
constexpr std::uint32_t negated_inverse() noexcept {
  std::uint32_t inverse = q;
  for (int i = 0; i < 5; ++i) inverse *= 2 - q * inverse;
  return 0U - inverse;
}

// Both are branch-free: one of two numbers is below q, the other wraps round to a greater one.
constexpr std::uint32_t reduce(std::uint32_t a) noexcept { return std::min(a, a - q); }
constexpr std::uint32_t subtract(std::uint32_t a, std::uint32_t b) noexcept { return std::min(a - b, a - b + q); }

// a b / 2^32 modulo q (Montgomery 1985): a b plus the multiple of q that clears the low word.
constexpr std::uint32_t product(std::uint32_t a, std::uint32_t b) noexcept {
  const std::uint64_t full = std::uint64_t{a} * b;
  const std::uint32_t times = static_cast<std::uint32_t>(full) * negated_inverse();
  return reduce(static_cast<std::uint32_t>((full + std::uint64_t{times} * q) >> 32));
}

constexpr std::uint32_t power(std::uint64_t base, std::uint64_t exponent) noexcept {
  std::uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1) {
    if ((exponent & 1) != 0) result = result * base % q;
    base = base * base % q;
  }
  return static_cast<std::uint32_t>(result);
}

constexpr std::uint64_t montgomery_one = (std::uint64_t{1} << 32) % q;

// What makes product(product(a, b), scale) the plain a b / size.
std::uint32_t scale_of(std::size_t size) noexcept {
  return static_cast<std::uint32_t>(montgomery_one * montgomery_one % q * power(size, q - 2) % q);
}

void forward_level(std::uint32_t* low, std::size_t half, const std::uint32_t* roots) noexcept {
  std::uint32_t* const high = low + half;
  for (std::size_t j = 0; j < half; ++j) {
    const std::uint32_t a = low[j], b = high[j];
    low[j] = reduce(a + b);
    high[j] = product(subtract(a, b), roots[j]);
  }
}

void inverse_level(std::uint32_t* low, std::size_t half, const std::uint32_t* roots) noexcept {
  std::uint32_t* const high = low + half;
  for (std::size_t j = 0; j < half; ++j) {
    const std::uint32_t a = low[j], b = product(high[j], roots[j]);
    low[j] = reduce(a + b);
    high[j] = subtract(a, b);
  }
}

}  // namespace

PrimeTransform::PrimeTransform(std::size_t longest) : roots_(std::max<std::size_t>(longest, 2)) {
  for (std::size_t half = 1; half < longest; half *= 2) {
    const std::uint64_t root = power(generator, (q - 1) / (2 * half));
    const auto factor = static_cast<std::uint32_t>(root * montgomery_one % q);
    roots_[half] = static_cast<std::uint32_t>(montgomery_one);
    for (std::size_t j = 1; j < half; ++j) roots_[half + j] = product(roots_[half + j - 1], factor);
  }
}

// Depth first, so that all levels below a size that a cache holds find it there.
void PrimeTransform::forward(std::uint32_t* values, std::size_t size) const noexcept {
  if (size > cached) {
    forward_level(values, size / 2, &roots_[size / 2]);
    forward(values, size / 2);
    forward(values + size / 2, size / 2);
    return;
  }
  for (std::size_t half = size / 2; half > 0; half /= 2)
    for (std::size_t i = 0; i < size; i += 2 * half) forward_level(values + i, half, &roots_[half]);
}

void PrimeTransform::inverse(std::uint32_t* values, std::size_t size) const noexcept {
  if (size > cached) {
    inverse(values, size / 2);
    inverse(values + size / 2, size / 2);
    inverse_level(values, size / 2, &roots_[size / 2]);
    return;
  }
  for (std::size_t half = 1; half < size; half *= 2)
    for (std::size_t i = 0; i < size; i += 2 * half) inverse_level(values + i, half, &roots_[half]);
}

void PrimeTransform::multiply(const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* to,
                              std::size_t size) noexcept {
  const std::uint32_t scale = scale_of(size);
  for (std::size_t i = 0; i < size; ++i) to[i] = product(product(a[i], b[i]), scale);
}

void PrimeTransform::multiply_add(const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* to,
                                  std::size_t size) noexcept {
  const std::uint32_t scale = scale_of(size);
  for (std::size_t i = 0; i < size; ++i) to[i] = reduce(to[i] + product(product(a[i], b[i]), scale));
}

}  // namespace pyalgo::hamming
