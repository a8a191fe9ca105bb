// Blocks of values: how residues reach the kernels, and the two forms that everything else is made of, mixed-radix
// digits and CRT coefficients.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels.hpp"
#include "pyalgo/parallel.hpp"
#include "pyalgo/rns.hpp"

namespace pyalgo::rns {

constexpr std::size_t grain = 64 * block;  // values that one thread takes at a time

// Calls work(begin, count) for stretches of [0, n), of a block or of as many values as given.
template <class Work>
void for_blocks(std::size_t n, unsigned threads, Work&& work, std::size_t together = block) {
  parallel_for(n, grain, threads, [&](std::size_t begin, std::size_t end) {
    for (; begin < end; begin += together) work(begin, std::min(together, end - begin));
  });
}

// Where nothing needs staging, kernels run on long stretches, which the memory system likes best.
template <class... T>
std::size_t stretch(const Lanes<T>&... lanes) noexcept {
  return ((lanes.step == 1) && ...) ? grain : block;
}

// Residues begin, ..., begin + n - 1 of a lane, side by side: where they lie, or copied to `buffer`.
template <class T>
const T* staged(const Lanes<const T>& lanes, std::size_t lane, std::size_t begin, std::size_t n, T* buffer) noexcept {
  if (lanes.step == 1) return lanes.at(lane, begin);
  for (std::size_t j = 0; j < n; ++j) buffer[j] = *lanes.at(lane, begin + j);
  return buffer;
}

// Where a kernel may write residues of a lane; `unstaged` then puts them in place.
template <class T>
T* target(const Lanes<T>& lanes, std::size_t lane, std::size_t begin, T* buffer) noexcept {
  return lanes.step == 1 ? lanes.at(lane, begin) : buffer;
}
template <class T>
void unstaged(const Lanes<T>& lanes, std::size_t lane, std::size_t begin, std::size_t n, const T* buffer) noexcept {
  if (lanes.step == 1) return;
  for (std::size_t j = 0; j < n; ++j) *lanes.at(lane, begin + j) = buffer[j];
}

// x, or x + floor(M/2), which lies in [0, M) for a signed x.
template <class T>
struct Values {
  const Basis& basis;
  Lanes<const T> lanes;
  bool shifted;

  const T* operator()(std::size_t lane, std::size_t begin, std::size_t n, T* buffer) const noexcept {
    const T* from = staged(lanes, lane, begin, n, buffer);
    if (!shifted) return from;
    kernels<T>().affine(basis[lane], 1, shoup(basis[lane], 1), from, basis.half_residues()[lane], buffer, n);
    return buffer;
  }
};

// Garner: d_i = (r_i - sum_{j<i} d_j W_j) W_i^-1 mod m_i, to digits[i * row_stride + b], of the first `lanes` moduli.
// The sum is reduced once a digit: O(lanes^2) products without a division.
template <class T>
void digits_of(const Values<T>& values, std::size_t lanes, std::size_t begin, std::size_t n, T* digits) noexcept {
  const Kernels<T>& kernel = kernels<T>();
  T buffer[block], known[block];
  for (std::size_t i = 0; i < lanes; ++i) {
    const Modulus& m = values.basis[i];
    T* digit = digits + i * row_stride;
    const T* r = values(i, begin, n, buffer);
    if (i == 0) {
      std::copy(r, r + n, digit);
      continue;
    }
    const std::uint64_t inverse = values.basis.prefix_inverse(i);
    kernel.combine(m, digits, row_stride, values.basis.prefixes(i), i, known, n);
    kernel.subtract(m, r, known, digit, n);
    kernel.affine(m, inverse, shoup(m, inverse), digit, 0, digit, n);
  }
}

// xi_i = r_i M_i^-1 mod m_i to xi[i * row_stride + b], and the sum of xi_i / m_i: x = sum xi_i M_i - floor(that sum) M.
// All k.
template <class T>
void coefficients_of(const Values<T>& values, std::size_t begin, std::size_t n, T* xi, double* fractions) noexcept {
  const Kernels<T>& kernel = kernels<T>();
  T buffer[block];
  std::fill(fractions, fractions + n, 0.0);
  for (std::size_t i = 0; i < values.basis.information(); ++i) {
    const Modulus& m = values.basis[i];
    const std::uint64_t inverse = values.basis.cofactor_inverse(i);
    kernel.affine(m, inverse, shoup(m, inverse), values(i, begin, n, buffer), 0, xi + i * row_stride, n);
    kernel.add_fractions(m, xi + i * row_stride, fractions, n);
  }
}

}  // namespace pyalgo::rns

// Instantiates what a file defines for every word.
#define PYALGO_FOR_EACH_WORD(MACRO) MACRO(std::uint16_t) MACRO(std::uint32_t) MACRO(std::uint64_t)
