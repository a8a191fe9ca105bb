// Low-rank matrix completion by alternating minimisation, kept up to date while entries come, change and go.
//
// Gu, Song, Yin, Zhang: "Low Rank Matrix Completion via Robust Alternating Minimization in Nearly Linear Time", ICLR
// 2024.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "pyalgo/span.hpp"

namespace pyalgo::completion {

// How the regression of one row (of the factor of its neighbours) is solved.
//   cholesky   normal equations, O(d k^2 + k^3); ill-conditioned ones by orthogonal factors and the least norm
//   cg         conjugate gradients from the present factor, O(d k) a step
//   sketch     the same, preconditioned by a sparse embedding of the row where it has 8 k entries or more (section 3)
//   automatic  cholesky or cg: by a fixed table of costs, and the steps that lines before took on the same task; the same
//              choice on every machine and any number of threads
enum class Solver : std::uint8_t { automatic, cholesky, cg, sketch };
enum class Start : std::uint8_t { random, spectral };
enum class Duplicates : std::uint8_t { error, last, mean, sum };

struct Settings {
  std::uint32_t rank = 10;
  bool altmin = false;       // the algorithm with a proof: orthonormal factors, no bias, no centre
  bool independent = false;  // altmin: every half step sees entries that no other sees
  std::uint32_t parts = 1;   // independent: 2 T + 1
  Solver solver = Solver::automatic;
  double reg = 1;          // lambda; negative: -lambda where the values have a standard deviation of 1
  double reg_power = 0.5;  // alpha: a row of d entries is held by lambda d^alpha
  bool bias = true;
  bool center = true;
  bool nonneg = false;
  double inner_tol = -1;          // relative to the right side; negative: a tenth of the relative residual
  std::uint32_t inner_steps = 0;  // fixed number of inner iterations; 0: to the tolerance
  Start start = Start::spectral;
  double incoherence = 0;  // altmin: rows of the start are clipped by it; 0: estimated
  double hold_out = 0;     // share of the cells that are kept for validation, chosen by a hash of the cell
  std::uint64_t seed = 0;
  bool single = false;  // float32
};

// Cells, borrowed; `weights` is empty where all are 1.
struct Triplets {
  Span<const std::int64_t> rows, cols;
  Span<const double> values, weights;
};

// What one sweep over both sides left behind. Objectives after the first and the second half step.
struct SweepReport {
  double objective_half = 0, objective = 0;
  double train_rmse = 0, valid_rmse = 0;  // NaN without validation cells
};

// The root of a weighted mean square, with its standard error (delta method).
struct Rmse {
  double value = 0, error = 0;
  std::uint64_t count = 0;
};

// Row-major, U is m x k and V is n x k, in the units of the data (their product and the biases are).
struct Factors {
  std::vector<double> u, v, row_bias, col_bias;
  double mean = 0;
};

// What the cells at hand say about whether they determine a matrix.
struct Sampling {
  double p = 0;  // share of the cells that were seen
  std::uint64_t min_row_degree = 0, max_row_degree = 0, min_col_degree = 0, max_col_degree = 0;
  std::uint64_t rows_underdetermined = 0, cols_underdetermined = 0;  // of fewer cells than unknowns
  std::uint64_t components = 0;  // of the graph of rows and columns; empty rows and columns count one each
  double incoherence = 0;        // of the present factors: max (m/k) ||Q_i||^2 over both sides
  double condition = 0;          // first over last singular value of U V^T
};

struct Diagnostics {
  Rmse train, valid, ahead;  // ahead: predictions of cells before they were learned, since the last sweep
  Sampling sampling;
};

struct Leverage {
  std::vector<double> rows, cols;  // x^T (G + R)^-1 x of either side, the share of the noise that its factor has
};

struct Top {
  std::vector<std::int64_t> cols;  // r x n, -1 beyond what there is
  std::vector<double> scores;
};

// A partially observed m x n matrix and its rank-k model.
//
// Laws: a refused batch changes nothing. The number of threads never changes a bit: a row is solved by one thread, in
// the order of its columns. restart() and sweep() depend on the cells, their shape and the settings alone, not on how
// the cells came. AVX2, AVX-512 and NEON give equal bits (each multiply-add rounds once, in stored order); the baseline
// rounds twice. Any number of threads may read at a time; who changes waits for them.
class Completion {
 public:
  static std::unique_ptr<Completion> make(const Settings& settings);
  static std::unique_ptr<Completion> load(const Settings& settings, Span<const std::uint8_t> bytes, std::string& annex);
  virtual ~Completion() = default;

  // --- Cells. Errors are BatchErrors, thrown before anything changes.

  // Replaces everything by these cells of an m x n matrix. O(cells), by counting.
  virtual void assign(const Triplets& cells, std::uint64_t m, std::uint64_t n, Duplicates duplicates) = 0;
  // Keeps these cells (none of which is present) for validation.
  virtual void hold_out(const Triplets& cells) = 0;
  // Inserts or overwrites (op > 0) and deletes cells, in this order. With rounds > 0 the touched rows and then the
  // touched columns are solved again, so many times: O(sum of their d k^2). `grow` lets the shape follow the indices.
  virtual void update(Span<const std::int8_t> ops, const Triplets& cells, unsigned rounds, unsigned threads,
                      bool grow) = 0;
  virtual void grow(std::uint64_t m, std::uint64_t n) = 0;
  // The union of the cells; one that is in both with another value or weight is a value error. Factors stay.
  virtual void merge(const Completion& other) = 0;

  // --- Factors

  virtual void restart(unsigned threads) = 0;  // the starting factors of these cells, shape and seed
  virtual void set_factors(Span<const double> u, Span<const double> v) = 0;  // biases zero
  virtual SweepReport sweep(unsigned threads) = 0;  // als: rows, then columns; altmin: columns, then rows
  virtual Factors factors() const = 0;
  virtual std::string checkpoint() const = 0;  // of all but the cells
  // Goes back to a checkpoint; the cells must be those of then.
  virtual void restore(const std::string& checkpoint) = 0;
  // Begins at the factors of a checkpoint of another model, of this shape and rank.
  virtual void warm_start(const std::string& checkpoint) = 0;

  // --- Answers. Indices are held against the shape: BatchError of kind unknown_element.

  virtual void predict(Span<const std::int64_t> rows, Span<const std::int64_t> cols, double* out,
                       unsigned threads) const = 0;
  virtual Leverage leverage(Span<const std::int64_t> rows, Span<const std::int64_t> cols, unsigned threads) const = 0;
  virtual double degrees_of_freedom(
      unsigned threads) const = 0;  // trace of the map from cells to fitted cells, side by side
  virtual Diagnostics diagnose(unsigned threads) const = 0;
  // Factors (r x k) and biases (r) of further rows, given as CSR with columns in any order, the columns' factors fixed.
  virtual void fold_in(Span<const std::int64_t> offsets, Span<const std::int64_t> cols, Span<const double> values,
                       double* factors, double* biases, unsigned threads) const = 0;
  virtual Top recommend(Span<const std::int64_t> rows, std::size_t n, bool exclude_seen, unsigned threads) const = 0;

  // --- State

  virtual std::uint64_t n_rows() const = 0;
  virtual std::uint64_t n_cols() const = 0;
  virtual std::uint64_t n_cells() const = 0;  // trained on
  virtual std::uint64_t n_validation() const = 0;
  virtual std::uint64_t n_seen() const = 0;     // rows of batches
  virtual std::uint64_t n_changed() const = 0;  // cells that came, changed or went since the last sweep
  virtual std::uint64_t n_sweeps() const = 0;   // since the last restart
  virtual double reg() const = 0;               // lambda of the factors, in the unit of the values
  virtual std::uint64_t nbytes() const = 0;
  // Cells trained on (or of validation) by row, then column.
  virtual void cells(bool validation, std::vector<std::int64_t>& rows, std::vector<std::int64_t>& cols,
                     std::vector<double>& values, std::vector<double>& weights) const = 0;
  virtual std::string save(const std::string& annex) const = 0;
};

// Multiply-adds of doubles a second of one core, from registers: what the regressions are measured against.
double peak_multiply_adds();

}  // namespace pyalgo::completion
