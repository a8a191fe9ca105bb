// The inner loops of the regressions, at each SIMD level.
//
// Every element of a Gram matrix is one chain of multiply-adds in stored order, a block of rows at a time, so the width
// of the vectors does not tell: AVX2, AVX-512 and NEON give equal bits. The baseline of x86 has no fused multiply-add.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pyalgo/simd.hpp"

namespace pyalgo::completion {

// What the right side of a cell is, and what a row holds beside its factor: y = value * inverse_scale - mean -
// x[bias_at], where a 1 takes its place, and y itself at y_at. Places that are not in the row are no places.
template <class T>
struct Packing {
  const T* x;
  std::size_t stride;
  double inverse_scale, mean;
  std::size_t bias_at, y_at;
};

// Rows x_t (t < n) stand `stride` apart; strides and the leading dimension of G are whole 32-byte vectors of T.
template <class T>
struct Kernels {
  // G[a][b] += sum_t left_t[a] right_t[b] for a < rows and b from a on, and whatever shares vectors with these. In
  // tiles of 4 rows by 3 vectors, whose 12 accumulators keep both multiply-add units of a core busy: at the limit 2
  // vectors a cycle. Reads its rows ceil(k/4) times, so they must be in L1.
  void (*gram)(const T* left, const T* right, std::size_t n, std::size_t stride, std::size_t rows, double* g,
               std::size_t ld);
  // Copies n rows x_(index_t) of a line, one behind the other, with their right sides; returns the sum of the squares
  // of these. `known` >= n indices are there to fetch ahead.
  double (*pack)(const Packing<T>& how, const std::uint32_t* index, const T* value, std::size_t n, std::size_t known,
                 T* out, T* y);
  // s += sum_t r_t x_t
  void (*combine)(const T* x, std::size_t n, std::size_t stride, const T* r, double* s);
  // s += sum_t r_t x_(index_t)
  void (*combine_at)(const T* x, const std::uint32_t* index, std::size_t n, std::size_t stride, const T* r, double* s);
  // out_t = x_t . p
  void (*times)(const T* x, std::size_t n, std::size_t stride, const T* p, T* out);
};

struct DenseKernels {
  // Upper triangle of A (n x n) into U with A = U^T U in place; of the columns n to cols - 1, U^-T. `diagonal` is A's.
  // Returns the least pivot as a share of the diagonal element it came from: what is left of a column beyond those
  // before it. Where that is below `least`, or no number, it stops.
  double (*factor)(double* a, const double* diagonal, std::size_t n, std::size_t cols, std::size_t ld, double least);
  // x = U^-1 z, z column `column` of the factored matrix; x has ld elements, zero from n on.
  void (*back)(const double* u, std::size_t n, std::size_t ld, std::size_t column, double* x);
  // Multiply-adds of doubles per second of one core, from registers; what all else is measured against.
  double (*peak)();
};

template <class T>
Kernels<T> kernels_at(Isa isa);
DenseKernels dense_kernels_at(Isa isa);

template <class T>
const Kernels<T>& kernels() {
  static const Kernels<T> chosen = kernels_at<T>(active_isa());
  return chosen;
}
inline const DenseKernels& dense_kernels() {
  static const DenseKernels chosen = dense_kernels_at(active_isa());
  return chosen;
}

}  // namespace pyalgo::completion
