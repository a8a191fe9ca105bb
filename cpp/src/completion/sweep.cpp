// Half steps over all lines of a side, and over those that a batch touched.
#include <algorithm>
#include <cmath>
#include <limits>

#include "dense.hpp"
#include "mix.hpp"
#include "model.hpp"
#include "part.hpp"
#include "pyalgo/parallel.hpp"
#include "pyalgo/rng.hpp"

namespace pyalgo::completion {
namespace {

constexpr std::size_t most_tasks = 256;     // whose partial sums are added in order
constexpr double work_of_a_task = 200'000;  // multiply-adds at least

// What solving a line costs, about, in multiply-adds.
double work(std::size_t d, std::size_t unknowns) noexcept {
  const double k = static_cast<double>(unknowns);
  return static_cast<double>(d) * k * (k / 2 + 4) + k * k * k / 3 + 100;
}

}  // namespace

template <class T>
Model<T>::Model(const Settings& settings)
    : settings_(settings), k_(settings.rank), width_(k_ + (settings.bias ? 1 : 0)), u_(0, width_), v_(0, width_) {}

// Standard deviation of the values, scaled.
template <class T>
double Model<T>::spread() const noexcept {
  const double mean = weight_ > 0 ? sum_ / weight_ : 0;
  return weight_ > 0 ? std::sqrt(std::max(squares_ / weight_ - mean * mean, 0.0)) : 0;
}

template <class T>
Regression Model<T>::regression() const {
  Regression how;
  how.k = k_;
  how.bias = settings_.bias;
  how.nonneg = settings_.nonneg;
  how.reg_factor = settings_.reg >= 0 ? settings_.reg / scale_ : -settings_.reg * spread();
  how.reg_bias = std::abs(settings_.reg);
  how.reg_power = settings_.reg_power;
  how.inverse_scale = 1 / scale_;
  how.mean = mean_;
  how.solver = settings_.solver;
  const double least = settings_.single ? 1e-6 : 1e-12;
  how.tol = settings_.inner_tol >= 0 ? settings_.inner_tol : std::clamp(0.1 * relative_residual_, least, 0.1);
  how.steps = settings_.inner_steps;
  how.seed = mix(settings_.seed + purpose_sketch);
  return how;
}

// Consecutive lines of about equal work; depends on the cells alone.
template <class T>
std::vector<typename Model<T>::Task> Model<T>::tasks(Side side) const {
  const std::size_t n = factors(side).rows();
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) total += work(lines(side)[i].size, width_);
  const double share = std::max(total / most_tasks, work_of_a_task);
  std::vector<Task> found;
  double sum = 0;
  for (std::size_t i = 0, begin = 0; i < n; ++i) {
    sum += work(lines(side)[i].size, width_);
    if (sum < share && i + 1 < n) continue;
    found.push_back({begin, i + 1});
    begin = i + 1;
    sum = 0;
  }
  return found;
}

// Solves all lines of a side. `part` > 0: from the cells of that part alone.
template <class T>
Residual Model<T>::half_step(Side side, std::uint32_t part, unsigned threads) {
  const std::vector<Task> parts = tasks(side);
  std::vector<Residual> sums(parts.size());
  const Regression how = regression();
  Matrix<T>& mine = factors(side);
  parallel_for(parts.size(), 1, threads, [&](std::size_t task, std::size_t) {
    RowSolver<T> solver(factors(other(side)), how);
    PartOfLine<T> chosen(settings_, side, part);
    for (std::size_t i = parts[task].begin; i < parts[task].end; ++i) {
      const Residual left = solver.solve(part > 0 ? chosen(i, lines(side)[i]) : lines(side)[i], mine[i]);
      sums[task].squares += left.squares;
      sums[task].penalty += left.penalty;
    }
  });
  Residual total;
  for (const Residual& sum : sums) {
    total.squares += sum.squares;
    total.penalty += sum.penalty;
  }
  if (squares_ > 0) relative_residual_ = std::sqrt(std::max(total.squares, 0.0) / squares_);
  return total;
}

template <class T>
void Model<T>::solve_lines(Side side, Span<const std::uint32_t> touched, unsigned threads) {
  const Regression how = regression();
  Matrix<T>& mine = factors(side);
  double total = 0;
  for (const std::uint32_t line : touched) total += work(lines(side)[line].size, width_);
  // Threads cost more than a little work.
  const std::size_t grain =
      total < 20 * work_of_a_task ? touched.size() : std::max<std::size_t>(touched.size() / 64, 1);
  parallel_for(touched.size(), grain, threads, [&](std::size_t begin, std::size_t end) {
    RowSolver<T> solver(factors(other(side)), how);
    for (std::size_t i = begin; i < end; ++i) solver.solve(lines(side)[touched[i]], mine[touched[i]]);
  });
}

template <class T>
double Model<T>::penalty(Side side) const {
  const Regression how = regression();
  double sum = 0;
  for (std::size_t i = 0; i < factors(side).rows(); ++i)
    for (std::size_t a = 0; a < width_; ++a) {
      const double x = static_cast<double>(factors(side)[i][a]);
      sum += how.ridge(a, lines(side)[i].size) * x * x;
    }
  return sum;
}

// Uniform numbers of such a variance that products of two lines vary like the values.
template <class T>
void Model<T>::start_line(Side side, std::size_t line) noexcept {
  const double size =
      weight_ > 0 ? std::sqrt(std::max(squares_ / weight_ - mean_ * mean_, 0.0)) : 1;  // about the centre
  const double width = std::sqrt(3 * std::max(size, 0x1p-40) / std::sqrt(static_cast<double>(k_)));
  PhiloxStream random(settings_.seed, static_cast<std::uint32_t>(side), line);
  for (std::size_t a = 0; a < k_; ++a) {
    const double x = random.uniform();
    factors(side)[line][a] = static_cast<T>(width * (settings_.nonneg ? x : 2 * x - 1));
  }
}

// Lines that have cells and a factor of zeros, which no regression on zeros would ever change, get a starting one.
template <class T>
void Model<T>::wake(Side side, Span<const std::uint32_t> touched) noexcept {
  for (const std::uint32_t line : touched) {
    const T* factor = factors(side)[line];
    if (lines(side)[line].size > 0 && std::all_of(factor, factor + k_, [](T x) { return x == 0; }))
      start_line(side, line);
  }
}

// A side on which nothing is known yet: one line of zeros among others has the others to be solved from.
template <class T>
void Model<T>::wake(Side side) noexcept {
  const Matrix<T>& mine = factors(side);
  for (std::size_t i = 0; i < mine.rows(); ++i)
    if (std::any_of(mine[i], mine[i] + k_, [](T x) { return x != 0; })) return;
  for (std::uint32_t line = 0; line < factors(side).rows(); ++line) wake(side, Span<const std::uint32_t>(&line, 1));
}

template <class T>
void Model<T>::restart(unsigned threads) {
  Writing lock(lock_);
  for (Lines<T>* store : {&cells_.rows, &cells_.cols, &validation_})
    if (store->scattered()) store->compact();
  measure();
  u_.clear();
  v_.clear();
  relative_residual_ = 1;
  sweeps_ = 0;
  changed_ = cells_.rows.cells();
  ahead_ = {};
  started_ = true;
  if (settings_.start == Start::spectral && cells_.rows.cells() > 0) return spectral_start(threads);
  for (const Side side : {Side::rows, Side::cols}) wake(side);
}

template <class T>
SweepReport Model<T>::sweep(unsigned threads) {
  Writing lock(lock_);
  started_ = true;
  mean_ = settings_.center && weight_ > 0 ? sum_ / weight_ : 0;
  const Side first = settings_.altmin ? Side::cols : Side::rows, second = other(first);
  wake(second);
  std::uint32_t part = 0;
  if (settings_.altmin) {
    if (settings_.independent) part = static_cast<std::uint32_t>(2 * (sweeps_ % (settings_.parts / 2)) + 1);
    orthonormalise(factors(second), k_, threads);
  }
  Residual left = half_step(first, part, threads);
  SweepReport report;
  const double square = scale_ * scale_;
  report.objective_half = square * (left.squares + left.penalty + penalty(second));
  if (settings_.altmin) orthonormalise(factors(first), k_, threads);
  left = half_step(second, settings_.independent ? part + 1 : 0, threads);
  report.objective = square * (left.squares + left.penalty + penalty(first));
  ++sweeps_;
  changed_ = 0;
  ahead_ = {};
  const double weight = settings_.independent ? weight_ / settings_.parts : weight_;
  report.train_rmse = scale_ * std::sqrt(std::max(left.squares, 0.0) / weight);
  report.valid_rmse = validation_.cells() > 0 ? errors(validation_, threads).rmse(scale_).value
                                              : std::numeric_limits<double>::quiet_NaN();
  return report;
}

template class Model<float>;
template class Model<double>;

}  // namespace pyalgo::completion
