#include "dense.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "kernels.hpp"
#include "pyalgo/parallel.hpp"

namespace pyalgo::completion {
namespace {

constexpr std::size_t rows_a_task = 2048;

}  // namespace

void Triangle::take(double* rows, std::size_t n, std::size_t stride, double* y) {
  for (std::size_t j = 0; j < k_; ++j) {
    double* pivot = r_.data() + j * k_;
    double tail = 0;
    for (std::size_t i = 0; i < n; ++i) tail += rows[i * stride + j] * rows[i * stride + j];
    if (tail == 0) continue;
    // Reflect [pivot_j; column j of the rows] onto the pivot. v = (head, column).
    const double norm = std::sqrt(pivot[j] * pivot[j] + tail);
    const double head = pivot[j] > 0 ? pivot[j] + norm : pivot[j] - norm;
    const double scale = 2 / (head * head + tail);
    for (std::size_t c = j + 1; c <= k_; ++c) {
      double& above = c < k_ ? pivot[c] : z_[j];
      double dot = head * above;
      for (std::size_t i = 0; i < n; ++i) dot += rows[i * stride + j] * (c < k_ ? rows[i * stride + c] : y[i]);
      dot *= scale;
      above -= dot * head;
      for (std::size_t i = 0; i < n; ++i) (c < k_ ? rows[i * stride + c] : y[i]) -= dot * rows[i * stride + j];
    }
    pivot[j] = head > 0 ? -norm : norm;
  }
}

std::vector<double> Triangle::least_norm(double cutoff) const {
  // One-sided Jacobi on the rows of W = R: rotations Q of rows make them orthogonal, Q R = S V^T, so that
  // x = sum over rows (Q z)_i / s_i^2 (Q R)_i. Small singular values come out to full relative accuracy.
  std::vector<double> w = r_, z = z_;
  const auto row_dot = [&](std::size_t a, std::size_t b) {
    return std::inner_product(&w[a * k_], &w[a * k_] + k_, &w[b * k_], 0.0);
  };
  for (int round = 0; round < 60; ++round) {
    bool turned = false;
    for (std::size_t p = 0; p + 1 < k_; ++p)
      for (std::size_t q = p + 1; q < k_; ++q) {
        const double pp = row_dot(p, p), qq = row_dot(q, q), pq = row_dot(p, q);
        if (std::abs(pq) <= 1e-15 * std::sqrt(pp * qq) || pq == 0) continue;
        turned = true;
        const double tau = (qq - pp) / (2 * pq);
        const double t = (tau >= 0 ? 1 : -1) / (std::abs(tau) + std::sqrt(1 + tau * tau));
        const double c = 1 / std::sqrt(1 + t * t), s = c * t;
        const auto turn = [&](double& a, double& b) {
          const double old = a;
          a = c * old - s * b;
          b = s * old + c * b;
        };
        for (std::size_t i = 0; i < k_; ++i) turn(w[p * k_ + i], w[q * k_ + i]);
        turn(z[p], z[q]);
      }
    if (!turned) break;
  }
  std::vector<double> squares(k_), x(k_);
  for (std::size_t i = 0; i < k_; ++i) squares[i] = row_dot(i, i);
  const double largest = k_ > 0 ? *std::max_element(squares.begin(), squares.end()) : 0;
  for (std::size_t i = 0; i < k_; ++i) {
    if (squares[i] <= cutoff * cutoff * largest || squares[i] == 0) continue;
    for (std::size_t c = 0; c < k_; ++c) x[c] += z[i] / squares[i] * w[i * k_ + c];
  }
  return x;
}

std::vector<double> symmetric_eigen(std::vector<double>& matrix, std::size_t n, std::vector<double>& vectors) {
  std::vector<double> v(n * n);
  for (std::size_t i = 0; i < n; ++i) v[i * n + i] = 1;
  for (int round = 0; round < 60; ++round) {
    bool turned = false;
    for (std::size_t p = 0; p + 1 < n; ++p)
      for (std::size_t q = p + 1; q < n; ++q) {
        const double pp = matrix[p * n + p], qq = matrix[q * n + q], pq = matrix[p * n + q];
        if (std::abs(pq) <= 1e-16 * std::sqrt(std::abs(pp * qq)) || pq == 0) continue;
        turned = true;
        const double tau = (qq - pp) / (2 * pq);
        const double t = (tau >= 0 ? 1 : -1) / (std::abs(tau) + std::sqrt(1 + tau * tau));
        const double c = 1 / std::sqrt(1 + t * t), s = c * t;
        for (std::size_t i = 0; i < n; ++i) {
          const double a = matrix[i * n + p], b = matrix[i * n + q];
          matrix[i * n + p] = c * a - s * b;
          matrix[i * n + q] = s * a + c * b;
        }
        for (double* rows : {matrix.data(), v.data()})
          for (std::size_t i = 0; i < n; ++i) {
            const double a = rows[p * n + i], b = rows[q * n + i];
            rows[p * n + i] = c * a - s * b;
            rows[q * n + i] = s * a + c * b;
          }
        matrix[p * n + q] = matrix[q * n + p] = 0;
      }
    if (!turned) break;
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return matrix[a * n + a] > matrix[b * n + b]; });
  std::vector<double> values(n);
  vectors.assign(n * n, 0);
  for (std::size_t i = 0; i < n; ++i) {
    values[i] = matrix[order[i] * n + order[i]];
    std::copy_n(&v[order[i] * n], n, &vectors[i * n]);
  }
  return values;
}

template <class T>
std::vector<double> gram(const Matrix<T>& x, std::size_t k, unsigned threads) {
  const std::size_t stride = x.stride();
  std::vector<std::vector<double>> partial(ceil_div(x.rows(), rows_a_task));
  parallel_for(x.rows(), rows_a_task, threads, [&](std::size_t begin, std::size_t end) {
    std::vector<double>& sum = partial[begin / rows_a_task];
    sum.resize(k * stride);
    for (std::size_t i = begin; i < end; i += 32)
      kernels<T>().gram(x[i], x[i], std::min<std::size_t>(32, end - i), stride, k, sum.data(), stride);
  });
  std::vector<double> total(k * k);
  for (const std::vector<double>& sum : partial)
    for (std::size_t a = 0; a < k; ++a)
      for (std::size_t b = a; b < k; ++b) total[a * k + b] += sum[a * stride + b];
  for (std::size_t a = 0; a < k; ++a)
    for (std::size_t b = 0; b < a; ++b) total[a * k + b] = total[b * k + a];
  return total;
}

template <class T>
void transform(Matrix<T>& x, std::size_t k, const std::vector<double>& by, std::size_t l, unsigned threads) {
  parallel_for(x.rows(), rows_a_task, threads, [&](std::size_t begin, std::size_t end) {
    std::vector<double> row(l);
    for (std::size_t i = begin; i < end; ++i) {
      std::fill(row.begin(), row.end(), 0.0);
      for (std::size_t a = 0; a < k; ++a) {
        const double factor = static_cast<double>(x[i][a]);
        for (std::size_t b = 0; b < l; ++b) row[b] += factor * by[a * l + b];
      }
      for (std::size_t b = 0; b < l; ++b) x[i][b] = static_cast<T>(row[b]);
    }
  });
}

template <class T>
void orthonormalise(Matrix<T>& x, std::size_t k, unsigned threads) {
  for (int pass = 0; pass < 3; ++pass) {
    std::vector<double> r = gram(x, k, threads);
    double trace = 0;
    for (std::size_t i = 0; i < k; ++i) trace += r[i * k + i];
    if (!(trace > 0)) return;
    // The shift makes the first factor exist whatever the condition; later passes need none for what is orthonormal by
    // then, and keep a direction that rounding alone made finite.
    const double shift = (pass == 0 ? 1e-13 : 1e-30) * trace;
    std::vector<double> inverse(k * k);  // of the upper triangular factor
    for (std::size_t j = 0; j < k; ++j) {
      double* row = &r[j * k];
      const double pivot = row[j] + shift;
      if (!(pivot > 0)) {  // a column within the span of those before it: leave it out
        std::fill(row + j, row + k, 0.0);
        continue;
      }
      const double root = std::sqrt(pivot);
      for (std::size_t c = j; c < k; ++c) row[c] = (c == j ? pivot : row[c]) / root;
      for (std::size_t i = j + 1; i < k; ++i)
        for (std::size_t c = i; c < k; ++c) r[i * k + c] -= row[i] * row[c];
    }
    for (std::size_t c = 0; c < k; ++c) {
      if (r[c * k + c] == 0) continue;
      inverse[c * k + c] = 1 / r[c * k + c];
      for (std::size_t i = c; i-- > 0;) {
        if (r[i * k + i] == 0) continue;
        double sum = 0;
        for (std::size_t b = i + 1; b <= c; ++b) sum += r[i * k + b] * inverse[b * k + c];
        inverse[i * k + c] = -sum / r[i * k + i];
      }
    }
    transform(x, k, inverse, k, threads);
  }
}

template std::vector<double> gram(const Matrix<float>&, std::size_t, unsigned);
template std::vector<double> gram(const Matrix<double>&, std::size_t, unsigned);
template void transform(Matrix<float>&, std::size_t, const std::vector<double>&, std::size_t, unsigned);
template void transform(Matrix<double>&, std::size_t, const std::vector<double>&, std::size_t, unsigned);
template void orthonormalise(Matrix<float>&, std::size_t, unsigned);
template void orthonormalise(Matrix<double>&, std::size_t, unsigned);

}  // namespace pyalgo::completion
