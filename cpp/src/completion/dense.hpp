// Small dense matrices of doubles, where a library would call LAPACK: a few hundred rows and columns at most.
// Row-major.
#pragma once

#include <cstddef>
#include <vector>

#include "matrix.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo::completion {

// The factor R of a matrix that comes in blocks of rows, and Q^T y: all that a least-squares problem needs, by
// Householder reflections of [R; block]. O(rows k^2).
class Triangle {
 public:
  explicit Triangle(std::size_t k) : k_(k), r_(k * k), z_(k) {}

  // Rows of k numbers, `stride` apart, and their right sides; both are used up.
  void take(double* rows, std::size_t n, std::size_t stride, double* y);
  const double* r() const noexcept { return r_.data(); }  // k x k, upper

  // x of the least ||R x - z||, of all those the shortest; singular values below `cutoff` times the largest count as
  // zero.
  std::vector<double> least_norm(double cutoff) const;

 private:
  std::size_t k_;
  std::vector<double> r_, z_;
};

// Eigenvalues, descending, of a symmetric n x n matrix, and the vectors as rows of `vectors`; the matrix is used up.
// Jacobi's rotations, O(n^3) a round, a handful of rounds.
std::vector<double> symmetric_eigen(std::vector<double>& matrix, std::size_t n, std::vector<double>& vectors);

// X^T X of the first k columns; the same bits on any number of threads.
template <class T>
std::vector<double> gram(const Matrix<T>& x, std::size_t k, unsigned threads);

// Makes the first k columns orthonormal, keeping their span: shifted Cholesky QR, three times (Fukaya et al. 2020).
template <class T>
void orthonormalise(Matrix<T>& x, std::size_t k, unsigned threads);

// Rows times a k x l matrix from the right, in place of the first l columns (l <= width).
template <class T>
void transform(Matrix<T>& x, std::size_t k, const std::vector<double>& by, std::size_t l, unsigned threads);

}  // namespace pyalgo::completion
