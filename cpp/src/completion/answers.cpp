// What a model says: predictions, how sure they are, and what the cells allow to say at all.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "dense.hpp"
#include "kernels.hpp"
#include "model.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/parallel.hpp"

namespace pyalgo::completion {
namespace {

constexpr std::size_t rows_a_task = 1024;
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

// Sets of lines that cells connect, by union-find with path halving.
class Components {
 public:
  explicit Components(std::size_t n) : above_(n), count_(n) {
    std::iota(above_.begin(), above_.end(), std::uint32_t{0});
  }
  void join(std::uint32_t a, std::uint32_t b) noexcept {
    a = root(a);
    b = root(b);
    if (a == b) return;
    above_[std::max(a, b)] = std::min(a, b);
    --count_;
  }
  std::size_t count() const noexcept { return count_; }

 private:
  std::uint32_t root(std::uint32_t a) noexcept {
    for (; above_[a] != a; a = above_[a]) above_[a] = above_[above_[a]];
    return a;
  }
  std::vector<std::uint32_t> above_;
  std::size_t count_;
};

// Indices grouped by the line they are on.
std::vector<std::size_t> by_line(Span<const std::int64_t> lines) {
  std::vector<std::size_t> order(lines.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return lines[a] < lines[b]; });
  return order;
}

}  // namespace

void ErrorSums::add(double weight, double error) noexcept {
  const double e = error * error;
  w += weight;
  we += weight * e;
  ww += weight * weight;
  wwe += weight * weight * e;
  wwee += weight * weight * e * e;
  ++count;
}

void ErrorSums::add(const ErrorSums& more) noexcept {
  w += more.w;
  we += more.we;
  ww += more.ww;
  wwe += more.wwe;
  wwee += more.wwee;
  count += more.count;
}

void ErrorSums::rescale(double ratio) noexcept {
  we *= ratio;
  wwe *= ratio;
  wwee *= ratio * ratio;
}

Rmse ErrorSums::rmse(double scale) const noexcept {
  if (!(w > 0)) return {not_a_number, not_a_number, count};
  const double mean = we / w, root = std::sqrt(mean);
  const double variance = std::max(wwee - 2 * mean * wwe + mean * mean * ww, 0.0) / (w * w);
  return {scale * root, root > 0 ? scale * std::sqrt(variance) / (2 * root) : 0, count};
}

template <class T>
double Model<T>::predicted(std::size_t row, std::size_t col) const noexcept {
  double sum = mean_;
  const bool row_there = row < u_.rows(), col_there = col < v_.rows();
  if (row_there && col_there)
    for (std::size_t a = 0; a < k_; ++a) sum += static_cast<double>(u_[row][a]) * static_cast<double>(v_[col][a]);
  if (settings_.bias && row_there) sum += static_cast<double>(u_[row][k_]);
  if (settings_.bias && col_there) sum += static_cast<double>(v_[col][k_]);
  return sum;
}

template <class T>
void Model<T>::check_cells(Span<const std::int64_t> rows, Span<const std::int64_t> cols) const {
  for (std::size_t i = 0; i < rows.size(); ++i) check_index("row", rows[i], u_.rows(), i);
  for (std::size_t i = 0; i < cols.size(); ++i) check_index("col", cols[i], v_.rows(), i);
}

template <class T>
void Model<T>::predict(Span<const std::int64_t> rows, Span<const std::int64_t> cols, double* out,
                       unsigned threads) const {
  Reading lock(lock_);
  check_cells(rows, cols);
  parallel_for(rows.size(), 16 * rows_a_task, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i)
      out[i] = scale_ * predicted(static_cast<std::size_t>(rows[i]), static_cast<std::size_t>(cols[i]));
  });
}

template <class T>
Leverage Model<T>::leverage(Span<const std::int64_t> rows, Span<const std::int64_t> cols, unsigned threads) const {
  Reading lock(lock_);
  check_cells(rows, cols);
  Leverage found{std::vector<double>(rows.size()), std::vector<double>(rows.size())};
  const Regression how = regression();
  for (const Side side : {Side::rows, Side::cols}) {
    const Span<const std::int64_t> mine = side == Side::rows ? rows : cols, theirs = side == Side::rows ? cols : rows;
    std::vector<double>& out = side == Side::rows ? found.rows : found.cols;
    const std::vector<std::size_t> order = by_line(mine);
    parallel_for(order.size(), 256, threads, [&](std::size_t begin, std::size_t end) {
      RowSolver<T> solver(factors(other(side)), how);
      for (std::size_t at = begin; at < end; ++at) {
        const std::size_t i = order[at];
        if (at == begin || mine[i] != mine[order[at - 1]])
          solver.factor(lines(side)[static_cast<std::size_t>(mine[i])]);
        out[i] = solver.share(factors(other(side))[static_cast<std::size_t>(theirs[i])]);
      }
    });
  }
  return found;
}

template <class T>
double Model<T>::degrees_of_freedom(unsigned threads) const {
  Reading lock(lock_);
  const Regression how = regression();
  double total = 0;
  for (const Side side : {Side::rows, Side::cols}) {
    const std::vector<Task> parts = tasks(side);
    std::vector<double> sums(parts.size());
    parallel_for(parts.size(), 1, threads, [&](std::size_t task, std::size_t) {
      RowSolver<T> solver(factors(other(side)), how);
      for (std::size_t i = parts[task].begin; i < parts[task].end; ++i) {
        if (lines(side)[i].size == 0) continue;
        solver.factor(lines(side)[i]);
        sums[task] += solver.degrees_of_freedom();
      }
    });
    total = std::accumulate(sums.begin(), sums.end(), total);
  }
  return total;
}

template <class T>
ErrorSums Model<T>::errors(const Lines<T>& rows, unsigned threads) const {
  std::vector<ErrorSums> sums(ceil_div(rows.size(), rows_a_task));
  parallel_for(rows.size(), rows_a_task, threads, [&](std::size_t begin, std::size_t end) {
    ErrorSums& sum = sums[begin / rows_a_task];
    for (std::size_t i = begin; i < end; ++i) {
      const Line<T>& line = rows[i];
      for (std::size_t t = 0; t < line.size; ++t)
        sum.add(line.weight != nullptr ? static_cast<double>(line.weight[t]) : 1,
                static_cast<double>(line.value[t]) / scale_ - predicted(i, line.index[t]));
    }
  });
  ErrorSums total;
  for (const ErrorSums& sum : sums) total.add(sum);
  return total;
}

template <class T>
Sampling Model<T>::sampling(unsigned threads) const {
  Sampling found;
  const std::size_t m = u_.rows(), n = v_.rows();
  if (m == 0 || n == 0) return found;
  found.p = static_cast<double>(cells_.rows.cells()) / static_cast<double>(m) / static_cast<double>(n);
  for (const Side side : {Side::rows, Side::cols}) {
    const bool is_rows = side == Side::rows;
    std::uint64_t& least = is_rows ? found.min_row_degree : found.min_col_degree;
    std::uint64_t& most = is_rows ? found.max_row_degree : found.max_col_degree;
    std::uint64_t& under = is_rows ? found.rows_underdetermined : found.cols_underdetermined;
    least = UINT64_MAX;
    for (std::size_t i = 0; i < factors(side).rows(); ++i) {
      const std::uint64_t degree = lines(side)[i].size;
      least = std::min(least, degree);
      most = std::max(most, degree);
      under += degree < width_ ? 1 : 0;
    }
  }
  Components components(m + n);
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t t = 0; t < cells_.rows[i].size; ++t)
      components.join(static_cast<std::uint32_t>(i), static_cast<std::uint32_t>(m + cells_.rows[i].index[t]));
  found.components = components.count();

  // U V^T has the singular values of S_u W_u^T (V^T V) W_u S_u, where U^T U = W_u S_u^2 W_u^T.
  std::vector<double> roots[2], vectors[2], grams[2];
  for (const Side side : {Side::rows, Side::cols}) {
    const auto s = static_cast<std::size_t>(side);
    grams[s] = gram(factors(side), k_, threads);
    std::vector<double> used = grams[s];
    roots[s] = symmetric_eigen(used, k_, vectors[s]);
    const double least = 1e-12 * roots[s][0];
    double longest = 0;
    for (std::size_t i = 0; i < factors(side).rows(); ++i) {
      double length = 0;
      for (std::size_t a = 0; a < k_ && roots[s][a] > least; ++a) {
        double dot = 0;
        for (std::size_t b = 0; b < k_; ++b) dot += vectors[s][a * k_ + b] * static_cast<double>(factors(side)[i][b]);
        length += dot * dot / roots[s][a];
      }
      longest = std::max(longest, length);
    }
    found.incoherence =
        std::max(found.incoherence, longest * static_cast<double>(factors(side).rows()) / static_cast<double>(k_));
  }
  std::vector<double> middle(k_ * k_);
  for (std::size_t a = 0; a < k_; ++a)
    for (std::size_t b = 0; b < k_; ++b) {
      double sum = 0;
      for (std::size_t c = 0; c < k_; ++c)
        for (std::size_t d = 0; d < k_; ++d)
          sum += vectors[0][a * k_ + c] * grams[1][c * k_ + d] * vectors[0][b * k_ + d];
      middle[a * k_ + b] = sum * std::sqrt(std::max(roots[0][a], 0.0)) * std::sqrt(std::max(roots[0][b], 0.0));
    }
  std::vector<double> unused;
  const std::vector<double> values = symmetric_eigen(middle, k_, unused);
  found.condition =
      values[k_ - 1] > 0 ? std::sqrt(values[0] / values[k_ - 1]) : std::numeric_limits<double>::infinity();
  return found;
}

template <class T>
Diagnostics Model<T>::diagnose(unsigned threads) const {
  Reading lock(lock_);
  return {errors(cells_.rows, threads).rmse(scale_), errors(validation_, threads).rmse(scale_), ahead_.rmse(scale_),
          sampling(threads)};
}

template <class T>
void Model<T>::fold_in(Span<const std::int64_t> offsets, Span<const std::int64_t> cols, Span<const double> values,
                       double* out, double* biases, unsigned threads) const {
  Reading lock(lock_);
  check_cells({}, cols);
  for (std::size_t i = 0; i < cols.size(); ++i)
    check_value(values[i], static_cast<double>(static_cast<T>(values[i])), i);
  const std::size_t n = offsets.size() - 1;
  const Regression how = regression();
  parallel_for(n, 64, threads, [&](std::size_t begin, std::size_t end) {
    RowSolver<T> solver(v_, how);
    std::vector<std::uint32_t> index;
    std::vector<T> value;
    std::vector<T> row(u_.stride());
    for (std::size_t i = begin; i < end; ++i) {
      const std::size_t first = static_cast<std::size_t>(offsets[i]),
                        size = static_cast<std::size_t>(offsets[i + 1]) - first;
      std::vector<std::size_t> order = by_line(cols.subspan(first, size));
      index.clear();
      value.clear();
      for (const std::size_t at : order) {
        const auto col = static_cast<std::uint32_t>(cols[first + at]);
        if (!index.empty() && index.back() == col)
          throw BatchError(BatchError::Kind::value, i,
                           "column " + std::to_string(col) + " comes twice in the row: give each cell once");
        index.push_back(col);
        value.push_back(static_cast<T>(values[first + at]));
      }
      std::fill(row.begin(), row.end(), T(0));
      const auto count = static_cast<std::uint32_t>(index.size());
      solver.solve(Line<T>{index.data(), value.data(), nullptr, count, count}, row.data());
      const double root = std::sqrt(scale_);
      for (std::size_t a = 0; a < k_; ++a) out[i * k_ + a] = root * static_cast<double>(row[a]);
      biases[i] = settings_.bias ? scale_ * static_cast<double>(row[k_]) : 0;
    }
  });
}

template <class T>
Top Model<T>::recommend(Span<const std::int64_t> rows, std::size_t n, bool exclude_seen, unsigned threads) const {
  Reading lock(lock_);
  check_cells(rows, {});
  const std::size_t all = v_.rows();
  Top top{std::vector<std::int64_t>(rows.size() * n, -1), std::vector<double>(rows.size() * n, not_a_number)};
  parallel_for(rows.size(), 16, threads, [&](std::size_t begin, std::size_t end) {
    std::vector<T> scores(all), point(v_.stride());
    std::vector<std::uint32_t> order;
    for (std::size_t r = begin; r < end; ++r) {
      const auto row = static_cast<std::size_t>(rows[r]);
      std::copy_n(u_[row], k_, point.begin());
      if (settings_.bias) point[k_] = 1;  // picks the column's bias, which stands behind its factor
      if (all > 0) kernels<T>().times(v_[0], all, v_.stride(), point.data(), scores.data());
      order.clear();
      const Line<T>*seen = &cells_.rows[row], *held = &validation_[row];
      std::size_t s = 0, h = 0;
      for (std::uint32_t j = 0; j < all; ++j) {
        while (s < seen->size && seen->index[s] < j) ++s;
        while (h < held->size && held->index[h] < j) ++h;
        const bool known = (s < seen->size && seen->index[s] == j) || (h < held->size && held->index[h] == j);
        if (!exclude_seen || !known) order.push_back(j);
      }
      const std::size_t count = std::min(n, order.size());
      std::partial_sort(
          order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
          [&](std::uint32_t a, std::uint32_t b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; });
      for (std::size_t i = 0; i < count; ++i) {
        top.cols[r * n + i] = order[i];
        top.scores[r * n + i] = scale_ * predicted(row, order[i]);
      }
    }
  });
  return top;
}

template class Model<float>;
template class Model<double>;

}  // namespace pyalgo::completion
