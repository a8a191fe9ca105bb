// The regression of one line of a matrix on the factors of its cells' other sides.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lines.hpp"
#include "matrix.hpp"
#include "pyalgo/completion.hpp"

namespace pyalgo::completion {

// min over x of sum_t w_t (y_t - x . [v_t, 1])^2 + sum_a ridge_a x_a^2, with y_t = value / scale - mean - (bias of t's
// other side), and the 1 only where there are biases. A factor's bias stands behind it in its row.
struct Regression {
  std::size_t k = 0;  // without the bias
  bool bias = false, nonneg = false;
  double reg_factor = 0, reg_bias = 0, reg_power = 0;  // ridge_a = reg d^power
  double inverse_scale = 1, mean = 0;
  Solver solver = Solver::automatic;
  double tol = 0.1;         // of the inner iterations
  std::uint32_t steps = 0;  // their number, where it is fixed
  std::uint64_t seed = 0;   // of the sketches
  std::size_t unknowns() const noexcept { return k + (bias ? 1 : 0); }
  double ridge(std::size_t a, std::size_t d) const noexcept;
};

struct Residual {
  double squares = 0;  // weighted
  double penalty = 0;  // sum_a ridge_a x_a^2
};

// Working memory for lines one after another, on one thread.
template <class T>
class RowSolver {
 public:
  RowSolver(const Matrix<T>& others, const Regression& how);

  // Solves in place: `row` holds the present factor, where inner iterations start. A line without cells gets zeros.
  Residual solve(const Line<T>& line, T* row);
  // Residual of a given factor.
  double squares(const Line<T>& line, const T* row);
  // x^T (G + R)^-1 x of a line for any x = [factor, 1]; infinite where cells and ridge do not determine the line.
  void factor(const Line<T>& line);
  double share(const T* other) const;
  // Trace of G (G + R)^-1 of the line of the last factor(): how many of its unknowns the cells determine.
  double degrees_of_freedom() const;

 private:
  double pack(const Line<T>& line, std::size_t begin, std::size_t count, std::size_t slot) noexcept;
  template <class Visit>
  double each_block(const Line<T>& line, const Visit& visit);
  void make_room(const Line<T>& line, std::size_t rows);
  void load(const Line<T>& line);
  template <class Sum>
  double accumulate(const Line<T>& line);
  struct Cost {
    double normal, begin, step, steps;  // of the normal equations; of inner iterations, and how many there will be
  };
  Cost cost(std::size_t d) const noexcept;
  bool iterated(const Line<T>& line, double& squares);
  bool cholesky(double least);
  void orthogonal(const Line<T>& line);
  void nonnegative(double squares_of_y);
  double conjugate(const Line<T>& line, bool precondition, std::size_t most);
  bool sketch(const Line<T>& line);
  void precondition(const double* s, double* out) const noexcept;    // R^-T s
  void unprecondition(const double* p, double* out) const noexcept;  // R^-1 p
  double residual_squares(const Line<T>& line);
  double inverse_form(std::vector<double>& x, std::size_t from) const;

  const Matrix<T>& others_;
  const Regression how_;
  const std::size_t unknowns_, stride_, ld_, block_;
  bool y_inside_;  // the right side stands in the padding of the packed rows, as one more column of the Gram matrix
  bool whole_ = false;    // the line of load() is packed as a whole
  std::size_t room_ = 0;  // rows that the packed arrays hold
  Buffer<T> x_, left_, y_, w_, point_, q_;
  Buffer<double> g_, diagonal_, ridge_, b_, solution_;
  double pace_ = 0.5;  // steps of inner iterations over those that cost() expects; from a present factor they are fewer
  std::size_t steps_ = 0;  // of the last inner iterations, and whether they reached their tolerance
  bool converged_ = false;
  bool determined_ = false;           // the matrix of factor() has an inverse
  std::vector<double> residual_, r_;  // of the conjugate gradients; the preconditioner, or empty
  std::vector<T> image_;
};

}  // namespace pyalgo::completion
