// The model: cells both ways, factors, and what is needed to take them up again.
//
// Inside, values are divided by a power of four that is at least the largest of them, factors by its root: exact, so
// that the unit changes no bit, and nothing overflows. `scale` below.
#pragma once

#include <mutex>
#include <shared_mutex>
#include <string>
#include <vector>

#include "lines.hpp"
#include "matrix.hpp"
#include "part.hpp"
#include "pyalgo/completion.hpp"
#include "pyalgo/snapshot.hpp"
#include "row_solver.hpp"

namespace pyalgo::completion {

// Weighted squares of errors, enough for their mean and its standard error.
struct ErrorSums {
  double w = 0, we = 0, ww = 0, wwe = 0, wwee = 0;  // e: a squared error
  std::uint64_t count = 0;
  void add(double weight, double error) noexcept;
  void add(const ErrorSums& more) noexcept;
  void rescale(double ratio) noexcept;  // of the squares
  Rmse rmse(double scale) const noexcept;
};

template <class T>
class Model final : public Completion {
 public:
  explicit Model(const Settings& settings);

  void assign(const Triplets& cells, std::uint64_t m, std::uint64_t n, Duplicates duplicates) override;
  void hold_out(const Triplets& cells) override;
  void update(Span<const std::int8_t> ops, const Triplets& cells, unsigned rounds, unsigned threads,
              bool grow) override;
  void grow(std::uint64_t m, std::uint64_t n) override;
  void merge(const Completion& other) override;
  void restart(unsigned threads) override;
  void set_factors(Span<const double> u, Span<const double> v) override;
  SweepReport sweep(unsigned threads) override;
  Factors factors() const override;
  std::string checkpoint() const override;
  void restore(const std::string& checkpoint) override;
  void warm_start(const std::string& checkpoint) override;
  void predict(Span<const std::int64_t> rows, Span<const std::int64_t> cols, double* out,
               unsigned threads) const override;
  Leverage leverage(Span<const std::int64_t> rows, Span<const std::int64_t> cols, unsigned threads) const override;
  double degrees_of_freedom(unsigned threads) const override;
  Diagnostics diagnose(unsigned threads) const override;
  void fold_in(Span<const std::int64_t> offsets, Span<const std::int64_t> cols, Span<const double> values,
               double* factors, double* biases, unsigned threads) const override;
  Top recommend(Span<const std::int64_t> rows, std::size_t n, bool exclude_seen, unsigned threads) const override;
  std::uint64_t n_rows() const override;
  std::uint64_t n_cols() const override;
  std::uint64_t n_cells() const override;
  std::uint64_t n_validation() const override;
  std::uint64_t n_seen() const override;
  std::uint64_t n_changed() const override;
  std::uint64_t n_sweeps() const override;
  double reg() const override;
  std::uint64_t nbytes() const override;
  void cells(bool validation, std::vector<std::int64_t>& rows, std::vector<std::int64_t>& cols,
             std::vector<double>& values, std::vector<double>& weights) const override;
  std::string save(const std::string& annex) const override;
  void load(SnapshotReader& in, std::string& annex);

 private:
  using Reading = std::shared_lock<std::shared_mutex>;
  using Writing = std::unique_lock<std::shared_mutex>;
  struct Task {
    std::size_t begin, end;
  };
  struct Batch;
  struct Row;  // of a batch, sorted by cell
  struct Reach;
  struct Effect;
  struct Touched;

  const Lines<T>& lines(Side side) const noexcept { return side == Side::rows ? cells_.rows : cells_.cols; }
  Lines<T>& lines(Side side) noexcept { return side == Side::rows ? cells_.rows : cells_.cols; }
  const Matrix<T>& factors(Side side) const noexcept { return side == Side::rows ? u_ : v_; }
  Matrix<T>& factors(Side side) noexcept { return side == Side::rows ? u_ : v_; }

  // sweep.cpp
  double spread() const noexcept;
  Regression regression() const;
  std::vector<Task> tasks(Side side) const;
  Residual half_step(Side side, std::uint32_t part, unsigned threads);
  void solve_lines(Side side, Span<const std::uint32_t> touched, unsigned threads);
  double penalty(Side side) const;
  void start_line(Side side, std::size_t line) noexcept;
  void wake(Side side) noexcept;
  void wake(Side side, Span<const std::uint32_t> touched) noexcept;
  // spectral.cpp
  void spectral_start(unsigned threads);
  void multiply(Side side, const Matrix<T>& by, Matrix<T>& out, unsigned threads) const;
  void clip(unsigned threads);
  // cells.cpp
  Lines<T> gathered(const Triplets& cells, std::size_t m, std::size_t n, Duplicates duplicates, bool held) const;
  void take(const Batch& batch, bool held_by_order);
  Reach checked(const Batch& batch, std::vector<Row>& rows) const;
  bool settle(const Batch& batch, Span<const Row> rows, bool hold, double unit, CellChange<T>& change,
              std::vector<Effect>& effects) const;
  Touched store(std::vector<CellChange<T>>& trained, std::vector<CellChange<T>>& held);
  void rescale(double scale) noexcept;
  std::vector<std::size_t> missing(const Triplets& cells, bool held) const;
  void measure();
  void set_shape(std::size_t m, std::size_t n);
  bool held_out(std::size_t row, std::size_t col) const noexcept;
  // answers.cpp
  double predicted(std::size_t row, std::size_t col) const noexcept;
  ErrorSums errors(const Lines<T>& rows, unsigned threads) const;
  Sampling sampling(unsigned threads) const;
  void check_cells(Span<const std::int64_t> rows, Span<const std::int64_t> cols) const;

  const Settings settings_;
  const std::size_t k_, width_;  // width: with the bias, column k
  Cells<T> cells_;
  Lines<T> validation_;  // by row
  Matrix<T> u_, v_;
  double scale_ = 1;                           // a power of four
  double sum_ = 0, squares_ = 0, weight_ = 0;  // of scaled values, weighted, as they came
  double mean_ = 0;                            // scaled
  double relative_residual_ = 1;               // of the last half step
  bool started_ = false;
  std::uint64_t seen_ = 0, changed_ = 0, sweeps_ = 0;
  ErrorSums ahead_;
  mutable std::shared_mutex lock_;
};

// The checks of a batch's row that need nothing but the row and the shape; throw the BatchError.
void check_index(const char* what, std::int64_t index, std::size_t bound, std::size_t row);
void check_value(double value, double as_stored, std::size_t row);
void check_weight(double weight, double as_stored, std::size_t row);

}  // namespace pyalgo::completion
