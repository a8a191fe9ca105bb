// Starting factors from the singular vectors of the matrix with zeros for what was not observed (section 2, step 2).
//
// Halko, Martinsson, Tropp: "Finding Structure with Randomness", 2011: block power iteration, O(cells l) a step for l =
// k + 8 vectors; nothing is made dense.
#include <algorithm>
#include <cmath>
#include <limits>

#include "dense.hpp"
#include "kernels.hpp"
#include "model.hpp"
#include "pyalgo/parallel.hpp"
#include "pyalgo/rng.hpp"

namespace pyalgo::completion {
namespace {

constexpr std::size_t oversampling = 8;
// The proof wants singular vectors; a start of the practical path is good enough sooner (a sweep costs three steps).
constexpr int power_steps_altmin = 4, power_steps_als = 2;

}  // namespace

// out = A by, or A^T by for the columns: A holds (value - mean), weighted by the share of the mean weight, and zeros.
template <class T>
void Model<T>::multiply(Side side, const Matrix<T>& by, Matrix<T>& out, unsigned threads) const {
  const std::vector<Task> parts = tasks(side);
  const double unit = static_cast<double>(cells_.rows.cells()) / std::max(weight_, std::numeric_limits<double>::min());
  parallel_for(parts.size(), 1, threads, [&](std::size_t task, std::size_t) {
    PartOfLine<T> chosen(settings_, side, 0);
    std::vector<T> values;
    std::vector<double> sum(by.stride());
    for (std::size_t i = parts[task].begin; i < parts[task].end; ++i) {
      const Line<T> line = settings_.independent ? chosen(i, lines(side)[i]) : lines(side)[i];
      values.resize(line.size);
      for (std::size_t t = 0; t < line.size; ++t) {
        const double w = line.weight != nullptr ? unit * static_cast<double>(line.weight[t]) : 1;
        values[t] = static_cast<T>(w * (static_cast<double>(line.value[t]) / scale_ - mean_));
      }
      std::fill(sum.begin(), sum.end(), 0.0);
      kernels<T>().combine_at(by[0], line.index, line.size, by.stride(), values.data(), sum.data());
      for (std::size_t a = 0; a < out.width(); ++a) out[i][a] = static_cast<T>(sum[a]);
    }
  });
}

// Makes rows of the orthonormal U of spiky data incoherent: what is more than twice what the bulk of the rows allows is
// cut.
//
// For an incoherence mu the rows are at most sqrt(mu k / m) long (Jain, Netrapalli, Sanghavi 2013, step 5, whose mu is
// the root of ours). Estimated from the longest row it would never cut; from 95 % of the rows it does.
template <class T>
void Model<T>::clip(unsigned threads) {
  std::vector<double> squares(u_.rows());
  for (std::size_t i = 0; i < u_.rows(); ++i)
    for (std::size_t a = 0; a < k_; ++a) squares[i] += static_cast<double>(u_[i][a]) * static_cast<double>(u_[i][a]);
  const double share = static_cast<double>(k_) / static_cast<double>(u_.rows());
  double bound = settings_.incoherence * share;
  if (settings_.incoherence == 0) {
    const auto nth = squares.begin() + static_cast<std::ptrdiff_t>(squares.size() * 95 / 100);
    std::nth_element(squares.begin(), nth, squares.end());
    bound = std::max(*nth, share);
  }
  const double most = 2 * std::sqrt(bound);
  std::vector<double> left(k_);
  for (std::size_t i = 0; i < u_.rows(); ++i)
    for (std::size_t a = 0; a < k_; ++a) {
      T& x = u_[i][a];
      if (std::abs(static_cast<double>(x)) > most) x = 0;
      left[a] += static_cast<double>(x) * static_cast<double>(x);
    }
  // A direction that was nothing but its spike starts anew.
  for (std::size_t a = 0; a < k_; ++a) {
    if (left[a] > 1e-6) continue;
    PhiloxStream random(settings_.seed, 2, a);
    for (std::size_t i = 0; i < u_.rows(); ++i)
      u_[i][a] = lines(Side::rows)[i].size > 0 ? static_cast<T>(2 * random.uniform() - 1) : T(0);
  }
  orthonormalise(u_, k_, threads);
}

template <class T>
void Model<T>::spectral_start(unsigned threads) {
  const std::size_t m = u_.rows(), n = v_.rows(), l = std::min({k_ + oversampling, m, n}), kept = std::min(k_, l);
  Matrix<T> y(m, l), z(n, l);
  for (std::size_t j = 0; j < n; ++j) {
    PhiloxStream random(settings_.seed, 3, j);
    for (std::size_t a = 0; a < l; ++a) z[j][a] = static_cast<T>(2 * random.uniform() - 1);
  }
  for (int step = 0; step < (settings_.altmin ? power_steps_altmin : power_steps_als); ++step) {
    multiply(Side::rows, z, y, threads);
    orthonormalise(y, l, threads);
    multiply(Side::cols, y, z, threads);
    orthonormalise(z, l, threads);
  }
  // A Z = U S W^T, so that A is near U S (Z W)^T.
  multiply(Side::rows, z, y, threads);
  std::vector<double> squares = gram(y, l, threads), w;
  const std::vector<double> values = symmetric_eigen(squares, l, w);
  const double p = static_cast<double>(cells_.rows.cells()) / (static_cast<double>(m) * static_cast<double>(n)) /
                   (settings_.independent ? settings_.parts : 1);
  std::vector<double> to_u(l * kept), to_v(l * kept);
  for (std::size_t a = 0; a < kept; ++a) {
    const double value = std::sqrt(std::max(values[a], 0.0));
    if (!(value > 0)) continue;
    const double size = settings_.altmin ? 1 : std::sqrt(value / p);
    for (std::size_t b = 0; b < l; ++b) {
      to_u[b * kept + a] = w[a * l + b] / value * size;
      to_v[b * kept + a] = w[a * l + b] * size;
    }
  }
  transform(y, l, to_u, kept, threads);
  transform(z, l, to_v, kept, threads);
  const auto take = [&](const Matrix<T>& from, Matrix<T>& to) {
    for (std::size_t i = 0; i < to.rows(); ++i) std::copy_n(from[i], kept, to[i]);
  };
  take(y, u_);
  if (!settings_.altmin) {
    take(z, v_);
    if (settings_.nonneg)
      for (Matrix<T>* side : {&u_, &v_})
        for (std::size_t i = 0; i < side->rows(); ++i)
          for (std::size_t a = 0; a < k_; ++a) (*side)[i][a] = std::abs((*side)[i][a]);
    return;
  }
  clip(threads);
  Matrix<T> projected(n, k_);
  multiply(Side::cols, copy(u_, k_), projected, threads);
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t a = 0; a < k_; ++a) v_[j][a] = static_cast<T>(static_cast<double>(projected[j][a]) / p);
}

template class Model<float>;
template class Model<double>;

}  // namespace pyalgo::completion
