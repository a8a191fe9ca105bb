// Exact convolutions in the field of 15 * 2^27 + 1 elements.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pyalgo::hamming {

// Number-theoretic transforms of up to `longest` <= 2^27 residues, a power of two. O(size log size); spectra are in
// bit-reversed order, results in negated order, which is what the multiply() and the at() below expect.
class PrimeTransform {
 public:
  static constexpr std::uint32_t modulus = 2013265921;

  explicit PrimeTransform(std::size_t longest);

  void forward(std::uint32_t* values, std::size_t size) const noexcept;
  // Of a sum of products: at(values, size, i) then is residue i of the cyclic convolution.
  void inverse(std::uint32_t* values, std::size_t size) const noexcept;
  static std::uint32_t at(const std::uint32_t* values, std::size_t size, std::size_t i) noexcept {
    return values[(size - i) & (size - 1)];
  }

  // to = a b / size, and to += a b / size, of spectra.
  static void multiply(const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* to, std::size_t size) noexcept;
  static void multiply_add(const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* to,
                           std::size_t size) noexcept;

  std::size_t nbytes() const noexcept { return roots_.capacity() * sizeof(std::uint32_t); }

 private:
  std::vector<std::uint32_t> roots_;  // roots_[h + j], j < h: power j of the root of order 2h, in Montgomery form
};

}  // namespace pyalgo::hamming
