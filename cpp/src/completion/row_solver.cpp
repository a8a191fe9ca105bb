#include "row_solver.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>
#include <vector>

#include "dense.hpp"
#include "kernels.hpp"
#include "mix.hpp"

namespace pyalgo::completion {
namespace {

constexpr std::size_t block_bytes = 16 << 10;  // half of L1; more where that is few rows, which G would wait for
constexpr std::size_t whole_bytes =
    4 << 20;  // of a line that inner iterations read again and again: in stored order, from L2 or L3

// What must be left of a column beyond those before it (1 - R^2) for the normal equations to keep the accuracy: they
// lose the square of the condition. With less, those of single precision are summed in double.
template <class Sum>
constexpr double least_share = sizeof(Sum) == 4 ? 5e-2 : 1e-5;

std::size_t sketch_rows(std::size_t unknowns) noexcept { return 8 * unknowns; }

}  // namespace

double Regression::ridge(std::size_t a, std::size_t d) const noexcept {
  const double count = static_cast<double>(d);
  const double power = reg_power == 0 ? 1 : reg_power == 1 ? count : std::sqrt(count);
  return (a < k ? reg_factor : reg_bias) * power;
}

template <class T>
RowSolver<T>::RowSolver(const Matrix<T>& others, const Regression& how)
    : others_(others),
      how_(how),
      unknowns_(how.unknowns()),
      stride_(padded<T>(unknowns_)),
      ld_(std::max(stride_, padded<double>(unknowns_ + 1))),
      block_(std::clamp<std::size_t>(block_bytes / (stride_ * sizeof(T)) / 4 * 4, 48, 128)),
      y_inside_(unknowns_ < stride_),
      point_(stride_),
      g_(unknowns_ * ld_),
      diagonal_(unknowns_),
      ridge_(ld_),
      b_(ld_),
      solution_(ld_) {}

// Copies the factors of some cells, one behind the other, with what the regression needs beside them; y^T W y.
template <class T>
double RowSolver<T>::pack(const Line<T>& line, std::size_t begin, std::size_t count, std::size_t slot) noexcept {
  T *x = x_.data() + slot * stride_, *y = y_.data() + slot;
  const Packing<T> how{others_[0],
                       stride_,
                       how_.inverse_scale,
                       how_.mean,
                       how_.bias ? how_.k : stride_,
                       y_inside_ ? unknowns_ : stride_};
  const double squares = kernels<T>().pack(how, line.index + begin, line.value + begin, count, line.size - begin, x, y);
  if (line.weight == nullptr) return squares;
  double weighted = 0;
  for (std::size_t t = 0; t < count; ++t) {
    w_[slot + t] = line.weight[begin + t];
    for (std::size_t c = 0; c < stride_; ++c) left_[(slot + t) * stride_ + c] = w_[slot + t] * x[t * stride_ + c];
    weighted += static_cast<double>(w_[slot + t]) * static_cast<double>(y[t]) * static_cast<double>(y[t]);
  }
  return weighted;
}

template <class T>
void RowSolver<T>::make_room(const Line<T>& line, std::size_t rows) {
  rows = std::max(rows, block_);
  if (rows <= room_ && (line.weight == nullptr || w_.data() != nullptr)) return;
  room_ = std::max(rows, room_);
  x_ = Buffer<T>(room_ * stride_);
  y_ = Buffer<T>(room_);
  q_ = Buffer<T>(room_);
  if (line.weight == nullptr) return;
  left_ = Buffer<T>(room_ * stride_);
  w_ = Buffer<T>(room_);
}

// Packs a line that L2 holds as a whole, for inner iterations to find it there.
template <class T>
void RowSolver<T>::load(const Line<T>& line) {
  whole_ = line.size <= std::max(block_, whole_bytes / (stride_ * sizeof(T)));
  make_room(line, whole_ ? line.size : block_);
  if (whole_) pack(line, 0, line.size, 0);
}

// visit(first cell, count, slot) for the line in blocks, packed from `slot` on. Returns y^T W y of what it packed.
template <class T>
template <class Visit>
double RowSolver<T>::each_block(const Line<T>& line, const Visit& visit) {
  double squares = 0;
  for (std::size_t begin = 0; begin < line.size; begin += block_) {
    const std::size_t count = std::min<std::size_t>(block_, line.size - begin);
    if (!whole_) squares += pack(line, begin, count, 0);
    visit(begin, count, whole_ ? begin : 0);
  }
  return squares;
}

// G and, in its column `unknowns`, X^T W y, as sums of products in the type Sum. Returns y^T W y.
template <class T>
template <class Sum>
double RowSolver<T>::accumulate(const Line<T>& line) {
  const Kernels<Sum>& run = kernels<Sum>();
  std::fill_n(g_.data(), unknowns_ * ld_, 0.0);
  std::fill_n(b_.data(), ld_, 0.0);
  make_room(line, block_);
  whole_ = false;  // block by block, from L1
  std::vector<Sum> wide[3];
  const auto as_sum = [](const T* from, std::size_t count, std::vector<Sum>& copy) {
    if constexpr (std::is_same_v<T, Sum>) return from;
    copy.assign(from, from + count);
    return static_cast<const Sum*>(copy.data());
  };
  const double squares = each_block(line, [&](std::size_t, std::size_t n, std::size_t) {
    const Sum* right = as_sum(x_.data(), n * stride_, wide[0]);
    const Sum* left = line.weight == nullptr ? right : as_sum(left_.data(), n * stride_, wide[1]);
    run.gram(left, right, n, stride_, unknowns_, g_.data(), ld_);
    if (!y_inside_) run.combine(left, n, stride_, as_sum(y_.data(), n, wide[2]), b_.data());
  });
  for (std::size_t a = 0; a < unknowns_; ++a) {
    if (!y_inside_) g_[a * ld_ + unknowns_] = b_[a];
    b_[a] = g_[a * ld_ + unknowns_];
    g_[a * ld_ + a] += ridge_[a];
    diagonal_[a] = g_[a * ld_ + a];
  }
  return squares;
}

// In cycles of a machine with two multiply-add units of 32 bytes, fitted to timings (bench_completion_scaling holds it
// to them).
template <class T>
typename RowSolver<T>::Cost RowSolver<T>::cost(std::size_t d) const noexcept {
  const double k = static_cast<double>(unknowns_), n = static_cast<double>(d);
  const double row = k * sizeof(T) / 8;  // doubles that a row takes as many bytes as
  // Of d rows in general position the singular values spread to sqrt(d) +- sqrt(k) (Marchenko, Pastur).
  const double rate = std::min(std::sqrt(std::min(k, n) / std::max(k, n)), 0.85);
  return {n * (0.103 * k * row + 2.2 * row) + 6.1 * k * k + 230 * k, n * 3.2 * row + 1430,
          n * (1.06 * row + 18.7) + 19 * k + 154, 1 + std::log(1 / std::max(how_.tol, 1e-16)) / -std::log(rate)};
}

// Inner iterations where they are expected to cost less than the normal equations, which take over once they have cost
// as much: never over twice the cheaper. How many steps lines take is learned from those before, on the same task.
template <class T>
bool RowSolver<T>::iterated(const Line<T>& line, double& squares) {
  const Cost of = cost(line.size);
  const double afford = (of.normal - of.begin) / of.step;
  const double expected = how_.steps > 0 ? how_.steps : pace_ * of.steps;
  if (!(expected <= afford)) return false;
  squares = conjugate(line, false, how_.steps > 0 ? how_.steps : static_cast<std::size_t>(afford) + 1);
  if (how_.steps > 0) return true;
  pace_ += converged_ ? (static_cast<double>(steps_) / of.steps - pace_) / 4 : pace_;
  return converged_;
}

template <class T>
bool RowSolver<T>::cholesky(double least) {
  const double share = dense_kernels().factor(g_.data(), diagonal_.data(), unknowns_, unknowns_ + 1, ld_, least);
  if (!(share >= least)) return false;
  dense_kernels().back(g_.data(), unknowns_, ld_, unknowns_, solution_.data());
  return true;
}

// For what the normal equations would spoil: from the rows themselves, and of all solutions the shortest.
template <class T>
void RowSolver<T>::orthogonal(const Line<T>& line) {
  Triangle triangle(unknowns_);
  std::vector<double> rows(block_ * unknowns_), y(block_);
  whole_ = false;
  each_block(line, [&](std::size_t, std::size_t n, std::size_t) {
    for (std::size_t t = 0; t < n; ++t) {
      const double root = line.weight == nullptr ? 1 : std::sqrt(static_cast<double>(w_[t]));
      for (std::size_t a = 0; a < unknowns_; ++a)
        rows[t * unknowns_ + a] = root * static_cast<double>(x_[t * stride_ + a]);
      y[t] = root * static_cast<double>(y_[t]);
    }
    triangle.take(rows.data(), n, unknowns_, y.data());
  });
  for (std::size_t a = 0; a < unknowns_; ++a) {
    if (ridge_[a] == 0) continue;
    std::fill_n(rows.begin(), unknowns_, 0.0);
    rows[a] = std::sqrt(ridge_[a]);
    y[0] = 0;
    triangle.take(rows.data(), 1, unknowns_, y.data());
  }
  const double size = static_cast<double>(std::max<std::size_t>(line.size, unknowns_));
  const std::vector<double> x = triangle.least_norm(size * std::numeric_limits<T>::epsilon());
  std::copy(x.begin(), x.end(), solution_.data());
}

// Coordinate descent on the normal equations from the present factor; the bias may be of either sign.
template <class T>
void RowSolver<T>::nonnegative(double squares_of_y) {
  for (std::size_t a = 0; a < unknowns_; ++a)
    for (std::size_t c = 0; c < a; ++c) g_[a * ld_ + c] = g_[c * ld_ + a];
  std::vector<double> gradient(unknowns_);  // G x - b
  for (std::size_t a = 0; a < unknowns_; ++a) {
    if (a < how_.k) solution_[a] = std::max(solution_[a], 0.0);
    gradient[a] = -b_[a];
  }
  for (std::size_t a = 0; a < unknowns_; ++a)
    for (std::size_t c = 0; c < unknowns_; ++c) gradient[c] += g_[a * ld_ + c] * solution_[a];
  for (int round = 0; round < 1000; ++round) {
    double gain = 0;
    for (std::size_t a = 0; a < unknowns_; ++a) {
      const double curvature = g_[a * ld_ + a];
      if (!(curvature > 0)) continue;
      double next = solution_[a] - gradient[a] / curvature;
      if (a < how_.k) next = std::max(next, 0.0);
      const double step = next - solution_[a];
      if (step == 0) continue;
      for (std::size_t c = 0; c < unknowns_; ++c) gradient[c] += step * g_[a * ld_ + c];
      solution_[a] = next;
      gain += curvature * step * step;
    }
    if (gain <= 1e-24 * squares_of_y) break;
  }
}

// R of the QR factors of a sparse embedding of the line: each of its rows lands, with a random sign, on one of 8 k
// (Clarkson, Woodruff 2013). The condition of X R^-1 is then about (1 + 8^-1/2) / (1 - 8^-1/2), whatever that of X.
template <class T>
bool RowSolver<T>::sketch(const Line<T>& line) {
  const std::size_t rows = sketch_rows(unknowns_);
  std::vector<double> embedded(rows * unknowns_), y(rows);
  each_block(line, [&](std::size_t begin, std::size_t n, std::size_t slot) {
    for (std::size_t t = 0; t < n; ++t) {
      const std::uint64_t hash = mix(how_.seed + line.index[begin + t]);
      const double root = line.weight == nullptr ? 1 : std::sqrt(static_cast<double>(w_[slot + t]));
      const double factor = (hash & 1) != 0 ? root : -root;
      double* to = &embedded[(hash >> 32) * rows / (std::uint64_t{1} << 32) * unknowns_];
      for (std::size_t a = 0; a < unknowns_; ++a) to[a] += factor * static_cast<double>(x_[(slot + t) * stride_ + a]);
    }
  });
  Triangle triangle(unknowns_);
  triangle.take(embedded.data(), rows, unknowns_, y.data());
  for (std::size_t a = 0; a < unknowns_; ++a) {
    if (ridge_[a] == 0) continue;
    std::vector<double> row(unknowns_);
    row[a] = std::sqrt(ridge_[a]);
    triangle.take(row.data(), 1, unknowns_, y.data());
  }
  r_.assign(triangle.r(), triangle.r() + unknowns_ * unknowns_);
  double largest = 0;
  for (std::size_t a = 0; a < unknowns_; ++a) largest = std::max(largest, std::abs(r_[a * unknowns_ + a]));
  for (std::size_t a = 0; a < unknowns_; ++a)
    if (std::abs(r_[a * unknowns_ + a]) <= 1e-14 * largest) return false;  // no inverse: go without
  return true;
}

template <class T>
void RowSolver<T>::precondition(const double* s, double* out) const noexcept {
  std::copy_n(s, unknowns_, out);
  if (r_.empty()) return;
  for (std::size_t i = 0; i < unknowns_; ++i) {
    const double* row = &r_[i * unknowns_];
    out[i] /= row[i];
    for (std::size_t c = i + 1; c < unknowns_; ++c) out[c] -= out[i] * row[c];
  }
}

template <class T>
void RowSolver<T>::unprecondition(const double* p, double* out) const noexcept {
  std::copy_n(p, unknowns_, out);
  if (r_.empty()) return;
  for (std::size_t i = unknowns_; i-- > 0;) {
    const double* row = &r_[i * unknowns_];
    for (std::size_t c = i + 1; c < unknowns_; ++c) out[i] -= row[c] * out[c];
    out[i] /= row[i];
  }
}

// Conjugate gradients for least squares (Hestenes, Stiefel), in the space of R where there is one. Returns the squares
// of the residual, which are its by-product.
template <class T>
double RowSolver<T>::conjugate(const Line<T>& line, bool precondition_it, std::size_t most) {
  const Kernels<T>& run = kernels<T>();
  const std::size_t k = unknowns_;
  load(line);
  r_.clear();
  if (precondition_it && !sketch(line)) r_.clear();
  residual_.resize(line.size);
  std::vector<double> s(ld_), z(k), p(k), t(k);
  const auto weighed = [&](std::size_t slot, std::size_t i) { return line.weight == nullptr ? T(1) : w_[slot + i]; };
  const auto set_point = [&](const double* x) {
    for (std::size_t a = 0; a < k; ++a) point_[a] = static_cast<T>(x[a]);
  };
  const auto gather = [&](std::size_t begin, std::size_t n, std::size_t slot, double* into) {  // += X^T W residual
    for (std::size_t i = 0; i < n; ++i) q_[i] = weighed(slot, i) * static_cast<T>(residual_[begin + i]);
    run.combine(x_.data() + slot * stride_, n, stride_, q_.data(), into);
  };
  const auto norm2 = [&](const std::vector<double>& v) {
    double sum = 0;
    for (std::size_t a = 0; a < k; ++a) sum += v[a] * v[a];
    return sum;
  };

  std::fill_n(b_.data(), ld_, 0.0);
  set_point(solution_.data());
  each_block(line, [&](std::size_t begin, std::size_t n, std::size_t slot) {
    const T* x = x_.data() + slot * stride_;
    for (std::size_t i = 0; i < n; ++i) q_[i] = weighed(slot, i) * y_[slot + i];
    run.combine(x, n, stride_, q_.data(), b_.data());
    run.times(x, n, stride_, point_.data(), q_.data());
    for (std::size_t i = 0; i < n; ++i)
      residual_[begin + i] = static_cast<double>(y_[slot + i]) - static_cast<double>(q_[i]);
    gather(begin, n, slot, s.data());
  });
  for (std::size_t a = 0; a < k; ++a) s[a] -= ridge_[a] * solution_[a];
  precondition(b_.data(), z.data());
  constexpr double eps = std::numeric_limits<T>::epsilon();
  double enough = how_.steps > 0 ? 0 : how_.tol * how_.tol * norm2(z);
  precondition(s.data(), z.data());
  p = z;
  double gamma = norm2(z), least = gamma;
  std::size_t improved = 0;  // when; rounding ends the descent before a tolerance that it cannot reach
  for (steps_ = 0; steps_ < most && gamma > enough && steps_ <= improved + k + 10; ++steps_) {
    unprecondition(p.data(), t.data());
    set_point(t.data());
    double delta = 0;
    for (std::size_t a = 0; a < k; ++a) delta += ridge_[a] * t[a] * t[a];
    std::vector<T>& q = image_;
    q.resize(line.size + block_);
    each_block(line, [&](std::size_t begin, std::size_t n, std::size_t slot) {
      run.times(x_.data() + slot * stride_, n, stride_, point_.data(), q.data() + begin);
      for (std::size_t i = 0; i < n; ++i) {
        const double image = static_cast<double>(q[begin + i]);
        delta += static_cast<double>(weighed(slot, i)) * image * image;
      }
    });
    if (!(delta > 0)) break;
    const double alpha = gamma / delta;
    for (std::size_t a = 0; a < k; ++a) solution_[a] += alpha * t[a];
    std::fill(s.begin(), s.end(), 0.0);
    double squares = 0;
    each_block(line, [&](std::size_t begin, std::size_t n, std::size_t slot) {
      for (std::size_t i = 0; i < n; ++i) {
        residual_[begin + i] -= alpha * static_cast<double>(q[begin + i]);
        squares += residual_[begin + i] * residual_[begin + i];
      }
      gather(begin, n, slot, s.data());
    });
    for (std::size_t a = 0; a < k; ++a) s[a] -= ridge_[a] * solution_[a];
    precondition(s.data(), z.data());
    // A gradient that rounding alone would leave, by the norm of X along p and that of the residual, is none.
    enough = std::max(enough, 64 * eps * eps * squares * delta / norm2(p));
    const double next = norm2(z), beta = next / gamma;
    for (std::size_t a = 0; a < k; ++a) p[a] = z[a] + beta * p[a];
    gamma = next;
    if (gamma < least) {
      least = gamma;
      improved = steps_;
    }
  }
  converged_ = steps_ < most || !(gamma > enough);
  double squares = 0;
  for (std::size_t i = 0; i < line.size; ++i)
    squares += (line.weight == nullptr ? 1 : static_cast<double>(line.weight[i])) * residual_[i] * residual_[i];
  return squares;
}

template <class T>
double RowSolver<T>::residual_squares(const Line<T>& line) {
  const Kernels<T>& run = kernels<T>();
  for (std::size_t a = 0; a < unknowns_; ++a) point_[a] = static_cast<T>(solution_[a]);
  double squares = 0;
  whole_ = false;
  each_block(line, [&](std::size_t, std::size_t n, std::size_t) {
    run.times(x_.data(), n, stride_, point_.data(), q_.data());
    for (std::size_t t = 0; t < n; ++t) {
      const double e = static_cast<double>(y_[t]) - static_cast<double>(q_[t]);
      squares += (line.weight == nullptr ? 1 : static_cast<double>(w_[t])) * e * e;
    }
  });
  return squares;
}

template <class T>
double RowSolver<T>::squares(const Line<T>& line, const T* row) {
  if (line.size == 0) return 0;
  make_room(line, block_);
  for (std::size_t a = 0; a < unknowns_; ++a) solution_[a] = static_cast<double>(row[a]);
  return residual_squares(line);
}

template <class T>
Residual RowSolver<T>::solve(const Line<T>& line, T* row) {
  if (line.size == 0) {
    std::fill_n(row, unknowns_, T(0));
    return {};
  }
  for (std::size_t a = 0; a < unknowns_; ++a) {
    ridge_[a] = how_.ridge(a, line.size);
    solution_[a] = static_cast<double>(row[a]);
  }
  Residual left;
  const bool iterates = !how_.nonneg && (how_.solver == Solver::cg || how_.solver == Solver::sketch);
  if (iterates) {
    const bool sketched = how_.solver == Solver::sketch && line.size >= sketch_rows(unknowns_);
    left.squares = conjugate(line, sketched, how_.steps > 0 ? how_.steps : 20 * unknowns_ + 100);
  } else if (how_.nonneg || how_.solver == Solver::cholesky || !iterated(line, left.squares)) {
    for (std::size_t a = 0; a < unknowns_; ++a) solution_[a] = static_cast<double>(row[a]);
    double of_y = accumulate<T>(line);
    bool solved = !how_.nonneg && cholesky(least_share<T>);
    if (sizeof(T) < sizeof(double) && !how_.nonneg && !solved) {
      of_y = accumulate<double>(line);
      solved = cholesky(least_share<double>);
    }
    if (how_.nonneg) {
      nonnegative(of_y);
      left.squares = residual_squares(line);
    } else if (solved) {
      // For the minimiser y^T W y - b^T x = squares + penalty; exact again where too much cancels.
      double explained = 0, penalty = 0;
      for (std::size_t a = 0; a < unknowns_; ++a) {
        explained += b_[a] * solution_[a];
        penalty += ridge_[a] * solution_[a] * solution_[a];
      }
      left.squares = of_y - explained - penalty;
      if (!(left.squares >= (sizeof(T) == 4 ? 1e-2 : 1e-6) * of_y)) left.squares = residual_squares(line);
    } else {
      orthogonal(line);
      left.squares = residual_squares(line);
    }
  }
  for (std::size_t a = 0; a < unknowns_; ++a) {
    row[a] = static_cast<T>(solution_[a]);
    left.penalty += ridge_[a] * solution_[a] * solution_[a];
  }
  return left;
}

template <class T>
void RowSolver<T>::factor(const Line<T>& line) {
  for (std::size_t a = 0; a < unknowns_; ++a) ridge_[a] = how_.ridge(a, line.size);
  determined_ = line.size > 0;
  if (!determined_) return;
  accumulate<T>(line);
  determined_ = dense_kernels().factor(g_.data(), diagonal_.data(), unknowns_, unknowns_, ld_, 1e-12) >= 1e-12;
}

template <class T>
double RowSolver<T>::share(const T* other) const {
  if (!determined_) return std::numeric_limits<double>::infinity();
  std::vector<double> x(unknowns_);
  for (std::size_t a = 0; a < unknowns_; ++a) x[a] = a < how_.k ? static_cast<double>(other[a]) : 1;
  return inverse_form(x, 0);
}

// x^T (U^T U)^-1 x, of an x that is zero before `from`.
template <class T>
double RowSolver<T>::inverse_form(std::vector<double>& x, std::size_t from) const {
  double sum = 0;
  for (std::size_t i = from; i < unknowns_; ++i) {
    const double* row = g_.data() + i * ld_;
    const double z = x[i] / row[i];
    for (std::size_t c = i + 1; c < unknowns_; ++c) x[c] -= z * row[c];
    sum += z * z;
  }
  return sum;
}

template <class T>
double RowSolver<T>::degrees_of_freedom() const {
  if (!determined_) return static_cast<double>(unknowns_);
  double freedom = static_cast<double>(unknowns_);
  std::vector<double> x(unknowns_);
  for (std::size_t a = 0; a < unknowns_; ++a) {
    if (ridge_[a] == 0) continue;
    std::fill(x.begin(), x.end(), 0.0);
    x[a] = 1;
    freedom -= ridge_[a] * inverse_form(x, a);
  }
  return freedom;
}

template class RowSolver<float>;
template class RowSolver<double>;

}  // namespace pyalgo::completion
