// The cells of a model: how they come, change and go.
#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>

#include "mix.hpp"
#include "model.hpp"
#include "pyalgo/errors.hpp"

namespace pyalgo::completion {
namespace {

constexpr std::size_t most_lines = std::size_t{1} << 31;

[[noreturn]] void refuse(std::size_t row, const std::string& what) {
  throw BatchError(BatchError::Kind::value, row, what);
}

// The least power of four that is at least x > 0, as far as it and its inverse are numbers; 1 for 0.
double power_of_four(double x) noexcept {
  if (!(x > 0)) return 1;
  int exponent = 0;
  std::frexp(x, &exponent);  // x <= 2^exponent
  return std::ldexp(1.0, 2 * std::clamp(exponent >= 0 ? (exponent + 1) / 2 : -(-exponent / 2), -511, 511));
}

void check_shape(std::size_t m, std::size_t n) {
  if (m >= most_lines || n >= most_lines)
    throw std::overflow_error("a matrix has at most 2147483647 rows and columns, got " + std::to_string(m) + " x " +
                              std::to_string(n));
}

std::string cell(std::int64_t row, std::int64_t col) {
  return "cell (" + std::to_string(row) + ", " + std::to_string(col) + ")";
}

}  // namespace

template <class T>
struct Model<T>::Batch {
  Span<const std::int8_t> ops;
  const Triplets& cells;
  bool grow;
  unsigned rounds, threads;
  std::uint64_t seen;  // rows that count as seen
};

// How far a batch reaches: the shape it needs, and its largest value.
template <class T>
struct Model<T>::Reach {
  std::size_t rows, cols;
  double largest;
};

// What a row of a batch does to the sums, in the unit to come.
template <class T>
struct Model<T>::Effect {
  double sum = 0, squares = 0, weight = 0;
  double ahead = 0, ahead_weight = -1;  // the error of the prediction; negative: none
  bool trained = false, weighted = false;
};

template <class T>
struct Model<T>::Touched {
  std::vector<std::uint32_t> rows, cols;
};

// A row of a batch on its way to its cell.
template <class T>
struct Model<T>::Row {
  std::uint32_t row, col;
  std::uint32_t at;  // in the batch
};

void check_index(const char* what, std::int64_t index, std::size_t bound, std::size_t row) {
  if (index >= 0 && static_cast<std::uint64_t>(index) < bound) return;
  const std::string name = what, have = std::to_string(bound) + " " + name + (bound == 1 ? "" : "s");
  std::string message = name + " must be from 0 to " + std::to_string(bound - 1) + ", as the matrix has " + have +
                        ", got " + std::to_string(index);
  if (bound == 0) message = name + " " + std::to_string(index) + " is not there: the matrix has no " + name + "s yet";
  if (index >= 0) message += ": add_" + name + "s makes room";
  throw BatchError(BatchError::Kind::unknown_index, row, message);
}

void check_value(double value, double as_stored, std::size_t row) {
  if (std::isfinite(as_stored)) return;
  refuse(row, "value must be finite" + std::string(std::isfinite(value) ? " as a float32" : "") + ", got " +
                  (std::isnan(value) ? "nan: leave out what was not observed" : std::to_string(value)));
}

void check_weight(double weight, double as_stored, std::size_t row) {
  if (as_stored >= 0 && std::isfinite(as_stored)) return;
  refuse(row, "weight must be finite and not negative, got " + std::to_string(weight));
}

template <class T>
bool Model<T>::held_out(std::size_t row, std::size_t col) const noexcept {
  if (settings_.hold_out > 0 && cell_uniform(settings_.seed, purpose_hold_out, row, col) < settings_.hold_out)
    return true;
  return row < validation_.size() && validation_.find(row, static_cast<std::uint32_t>(col)) != Lines<T>::npos;
}

// --- All at once

// By counting, stable, first by column and then by row: O(cells), and no more memory than the cells both ways.
template <class T>
Lines<T> Model<T>::gathered(const Triplets& cells, std::size_t m, std::size_t n, Duplicates duplicates,
                            bool held) const {
  const bool weighted = !cells.weights.empty();
  const auto wanted = [&](std::size_t i) {
    return settings_.hold_out > 0
               ? (cell_uniform(settings_.seed, purpose_hold_out, static_cast<std::uint64_t>(cells.rows[i]),
                               static_cast<std::uint64_t>(cells.cols[i])) < settings_.hold_out) == held
               : !held;
  };
  const auto weight = [&](std::size_t i) { return weighted ? static_cast<T>(cells.weights[i]) : T(1); };
  std::vector<std::uint32_t> row_sizes(m), col_sizes(n);
  bool sorted = true;
  std::size_t previous = SIZE_MAX;
  for (std::size_t i = 0; i < cells.rows.size(); ++i) {
    if (!wanted(i)) continue;
    ++row_sizes[static_cast<std::size_t>(cells.rows[i])];
    ++col_sizes[static_cast<std::size_t>(cells.cols[i])];
    sorted = sorted && (previous == SIZE_MAX || cells.rows[previous] < cells.rows[i] ||
                        (cells.rows[previous] == cells.rows[i] && cells.cols[previous] < cells.cols[i]));
    previous = i;
  }
  Lines<T> rows;
  rows.lay_out(row_sizes, weighted);
  const auto put = [&](std::size_t row, std::uint32_t col, T value, T w) {
    const Line<T>& line = rows[row];
    if (line.size == 0 || line.index[line.size - 1] != col) return rows.append(row, col, value, w), true;
    return false;
  };
  if (sorted) {
    for (std::size_t i = 0; i < cells.rows.size(); ++i)
      if (wanted(i))
        put(static_cast<std::size_t>(cells.rows[i]), static_cast<std::uint32_t>(cells.cols[i]),
            static_cast<T>(cells.values[i]), weight(i));
    return rows;
  }
  Lines<T> cols;
  cols.lay_out(col_sizes, weighted);
  for (std::size_t i = 0; i < cells.rows.size(); ++i)
    if (wanted(i))
      cols.append(static_cast<std::size_t>(cells.cols[i]), static_cast<std::uint32_t>(cells.rows[i]),
                  static_cast<T>(cells.values[i]), weight(i));
  std::vector<std::uint32_t> copies(duplicates == Duplicates::mean ? m : 0);  // of a row's cell in the present column
  for (std::size_t j = 0; j < n; ++j) {
    const Line<T>& col = cols[j];
    for (std::size_t t = 0; t < col.size; ++t) {
      const std::size_t row = col.index[t];
      const T w = weighted ? col.weight[t] : T(1);
      if (put(row, static_cast<std::uint32_t>(j), col.value[t], w)) {
        if (duplicates == Duplicates::mean) copies[row] = 1;
        continue;
      }
      const Line<T>& line = rows[row];
      T& value = line.value[line.size - 1];
      switch (duplicates) {
        case Duplicates::error: {
          std::size_t seen = 0;
          for (std::size_t i = 0; i < cells.rows.size(); ++i)
            if (static_cast<std::size_t>(cells.rows[i]) == row && static_cast<std::size_t>(cells.cols[i]) == j &&
                ++seen == 2)
              refuse(i, cell(cells.rows[i], cells.cols[i]) +
                            " comes twice: duplicates must be 'last', 'mean' or 'sum' for that");
          break;
        }
        case Duplicates::last: value = col.value[t]; break;
        case Duplicates::sum: value += col.value[t]; break;
        case Duplicates::mean: value += (col.value[t] - value) / static_cast<T>(++copies[row]); break;
      }
      if (weighted) line.weight[line.size - 1] = w;
    }
  }
  return rows;
}

template <class T>
void Model<T>::set_shape(std::size_t m, std::size_t n) {
  check_shape(m, n);
  u_.reserve(m);
  v_.reserve(n);
  cells_.rows.grow(m);
  cells_.cols.grow(n);
  validation_.grow(m);
  u_.grow(std::max(m, u_.rows()));
  v_.grow(std::max(n, v_.rows()));
}

template <class T>
void Model<T>::assign(const Triplets& cells, std::uint64_t m, std::uint64_t n, Duplicates duplicates) {
  check_shape(m, n);
  for (std::size_t i = 0; i < cells.rows.size(); ++i) {
    check_index("row", cells.rows[i], m, i);
    check_index("col", cells.cols[i], n, i);
    check_value(cells.values[i], static_cast<double>(static_cast<T>(cells.values[i])), i);
    if (!cells.weights.empty())
      check_weight(cells.weights[i], static_cast<double>(static_cast<T>(cells.weights[i])), i);
  }
  Writing lock(lock_);
  Cells<T> fresh;
  fresh.rows = gathered(cells, m, n, duplicates, false);
  Lines<T> held = settings_.hold_out > 0 ? gathered(cells, m, n, duplicates, true) : Lines<T>();
  fresh.cols = transposed(fresh.rows, n);
  held.grow(m);
  Matrix<T> u(m, width_), v(n, width_);
  cells_ = std::move(fresh);
  validation_ = std::move(held);
  u_ = std::move(u);
  v_ = std::move(v);
  seen_ = cells.rows.size();
  changed_ = cells_.rows.cells();
  sweeps_ = 0;
  started_ = false;
  ahead_ = {};
  measure();
}

template <class T>
void Model<T>::hold_out(const Triplets& cells) {
  Writing lock(lock_);
  for (std::size_t i = 0; i < cells.rows.size(); ++i) {
    check_index("row", cells.rows[i], u_.rows(), i);
    check_index("col", cells.cols[i], v_.rows(), i);
    if (cells_.rows.find(static_cast<std::size_t>(cells.rows[i]), static_cast<std::uint32_t>(cells.cols[i])) !=
        Lines<T>::npos)
      refuse(i, cell(cells.rows[i], cells.cols[i]) + " is trained on: a cell for validation must not be");
  }
  const std::vector<std::int8_t> ops(cells.rows.size(), 1);
  take({{ops.data(), ops.size()}, cells, false, 0, 1, 0}, true);
}

// The scale and the sums of the mean, from the cells in their order.
template <class T>
void Model<T>::measure() {
  double largest = 0;
  for (std::size_t i = 0; i < cells_.rows.size(); ++i)
    for (std::size_t t = 0; t < cells_.rows[i].size; ++t)
      largest = std::max(largest, std::abs(static_cast<double>(cells_.rows[i].value[t])));
  scale_ = power_of_four(largest);
  sum_ = squares_ = weight_ = 0;
  for (std::size_t i = 0; i < cells_.rows.size(); ++i) {
    const Line<T>& line = cells_.rows[i];
    for (std::size_t t = 0; t < line.size; ++t) {
      const double w = line.weight != nullptr ? static_cast<double>(line.weight[t]) : 1;
      const double value = static_cast<double>(line.value[t]) / scale_;
      sum_ += w * value;
      squares_ += w * value * value;
      weight_ += w;
    }
  }
  mean_ = settings_.center && weight_ > 0 ? sum_ / weight_ : 0;
}

// All that is kept in units of the scale follows it. Exact, but for what underflows.
template <class T>
void Model<T>::rescale(double scale) noexcept {
  const double ratio = scale_ / scale, root = std::sqrt(ratio);
  if (ratio == 1) return;
  scale_ = scale;
  sum_ *= ratio;
  squares_ *= ratio * ratio;
  mean_ *= ratio;
  ahead_.rescale(ratio * ratio);
  for (Matrix<T>* side : {&u_, &v_})
    for (std::size_t i = 0; i < side->rows(); ++i)
      for (std::size_t a = 0; a < width_; ++a) (*side)[i][a] *= static_cast<T>(a < k_ ? root : ratio);
}

// --- Batch by batch

template <class T>
void Model<T>::update(Span<const std::int8_t> ops, const Triplets& cells, unsigned rounds, unsigned threads,
                      bool grow) {
  Writing lock(lock_);
  take({ops, cells, grow, rounds, threads, ops.size()}, false);
}

// Checks of a batch's rows one by one; then they are brought into the order of their cells.
template <class T>
typename Model<T>::Reach Model<T>::checked(const Batch& batch, std::vector<Row>& rows) const {
  const Triplets& cells = batch.cells;
  Reach reach{u_.rows(), v_.rows(), 0};
  for (std::size_t i = 0; i < batch.ops.size(); ++i) {
    const bool inserts = batch.ops[i] > 0;
    const bool grows = batch.grow && inserts;  // to where check_shape() ends it
    check_index("row", cells.rows[i], grows ? SIZE_MAX : reach.rows, i);
    check_index("col", cells.cols[i], grows ? SIZE_MAX : reach.cols, i);
    rows.push_back({static_cast<std::uint32_t>(cells.rows[i]), static_cast<std::uint32_t>(cells.cols[i]),
                    static_cast<std::uint32_t>(i)});
    if (!inserts) continue;
    const double stored = static_cast<double>(static_cast<T>(cells.values[i]));
    check_value(cells.values[i], stored, i);
    if (!cells.weights.empty())
      check_weight(cells.weights[i], static_cast<double>(static_cast<T>(cells.weights[i])), i);
    reach.rows = std::max(reach.rows, static_cast<std::size_t>(cells.rows[i]) + 1);
    reach.cols = std::max(reach.cols, static_cast<std::size_t>(cells.cols[i]) + 1);
    reach.largest = std::max(reach.largest, std::abs(stored));
  }
  check_shape(reach.rows, reach.cols);
  std::sort(rows.begin(), rows.end(),
            [](const Row& a, const Row& b) { return std::tie(a.row, a.col, a.at) < std::tie(b.row, b.col, b.at); });
  return reach;
}

// What becomes of one cell, by its rows of the batch; false where that is nothing. Of them each tells the sums what it
// does.
template <class T>
bool Model<T>::settle(const Batch& batch, Span<const Row> rows, bool hold, double unit, CellChange<T>& change,
                      std::vector<Effect>& effects) const {
  const Triplets& cells = batch.cells;
  const std::uint32_t row = rows[0].row, col = rows[0].col;
  const Lines<T>& store = hold ? validation_ : cells_.rows;
  const std::size_t place = row < store.size() ? store.find(row, col) : Lines<T>::npos;
  change = {row, col, place != Lines<T>::npos, false, 0, 1};
  bool present = change.present;
  if (present) {
    change.value = store[row].value[place];
    if (store.weighted()) change.weight = store[row].weight[place];
  }
  for (const Row& at : rows) {
    const std::size_t i = at.at;
    const bool inserts = batch.ops[i] > 0;
    if (!inserts && !present)
      throw BatchError(BatchError::Kind::unknown_element, i,
                       cell(row, col) + " is not there: only what was observed can be deleted");
    const T value = inserts ? static_cast<T>(cells.values[i]) : T(0);
    const T weight = !inserts ? T(0) : cells.weights.empty() ? T(1) : static_cast<T>(cells.weights[i]);
    Effect& effect = effects[i];
    effect.weighted = inserts && weight != T(1);
    effect.trained = !hold;
    if (!hold) {
      const double old = static_cast<double>(change.value) / unit,
                   old_weight = present ? static_cast<double>(change.weight) : 0;
      const double now = static_cast<double>(value) / unit, now_weight = static_cast<double>(weight);
      effect.sum = now_weight * now - old_weight * old;
      effect.squares = now_weight * now * now - old_weight * old * old;
      effect.weight = now_weight - old_weight;
      if (inserts && !present && started_) {
        effect.ahead_weight = now_weight;
        effect.ahead = predicted(row, col) * (scale_ / unit) - now;
      }
    }
    present = inserts;
    if (inserts) {
      change.value = value;
      change.weight = weight;
    }
  }
  change.erase = !present;
  return present || change.present;
}

// Makes room, which may fail; then puts all changes in place, which cannot.
template <class T>
typename Model<T>::Touched Model<T>::store(std::vector<CellChange<T>>& trained, std::vector<CellChange<T>>& held) {
  std::vector<CellChange<T>> by_col = trained;
  std::sort(by_col.begin(), by_col.end(), [](const CellChange<T>& a, const CellChange<T>& b) {
    return std::tie(a.index, a.line) < std::tie(b.index, b.line);
  });
  for (CellChange<T>& change : by_col) std::swap(change.line, change.index);
  const auto each_line = [](const std::vector<CellChange<T>>& changes, const auto& visit) {
    for (std::size_t begin = 0, end = 0; begin < changes.size(); begin = end) {
      while (end < changes.size() && changes[end].line == changes[begin].line) ++end;
      visit(Span<const CellChange<T>>(changes.data() + begin, end - begin));
    }
  };
  const auto reserve = [&](const std::vector<CellChange<T>>& changes, Lines<T>& lines) {
    std::vector<std::uint32_t> touched;
    each_line(changes, [&](Span<const CellChange<T>> some) {
      lines.reserve(some[0].line, some.size());
      touched.push_back(some[0].line);
    });
    return touched;
  };
  Touched touched{reserve(trained, cells_.rows), reserve(by_col, cells_.cols)};
  reserve(held, validation_);
  each_line(trained, [&](Span<const CellChange<T>> changes) { cells_.rows.apply(changes); });
  each_line(by_col, [&](Span<const CellChange<T>> changes) { cells_.cols.apply(changes); });
  each_line(held, [&](Span<const CellChange<T>> changes) { validation_.apply(changes); });
  return touched;
}

template <class T>
void Model<T>::take(const Batch& batch, bool held_by_order) {  // under the lock
  std::vector<Row> rows;
  const Reach reach = checked(batch, rows);
  const double unit = std::max(scale_, power_of_four(reach.largest));
  std::vector<Effect> effects(rows.size());
  std::vector<CellChange<T>> trained, held;
  std::optional<BatchError> refused;  // of the first row at fault, though cells come in their own order
  for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
    while (end < rows.size() && rows[end].row == rows[begin].row && rows[end].col == rows[begin].col) ++end;
    const bool hold = held_by_order || held_out(rows[begin].row, rows[begin].col);
    CellChange<T> change;
    try {
      if (settle(batch, {rows.data() + begin, end - begin}, hold, unit, change, effects))
        (hold ? held : trained).push_back(change);
    } catch (const BatchError& error) {
      if (!refused || error.row() < refused->row()) refused.emplace(error);
    }
  }
  if (refused) throw *refused;

  set_shape(reach.rows, reach.cols);
  if (std::any_of(effects.begin(), effects.end(), [](const Effect& effect) { return effect.weighted; }))
    for (Lines<T>* lines : {&cells_.rows, &cells_.cols, &validation_}) lines->give_weights();
  const Touched touched = store(trained, held);
  rescale(unit);
  for (const Effect& effect : effects) {
    sum_ += effect.sum;
    squares_ += effect.squares;
    weight_ += effect.weight;
    changed_ += effect.trained ? 1 : 0;
    if (effect.ahead_weight >= 0) ahead_.add(effect.ahead_weight, effect.ahead);
  }
  if (cells_.rows.cells() == 0) sum_ = squares_ = weight_ = 0;
  seen_ += batch.seen;
  if (batch.rounds == 0 || trained.empty()) return;
  mean_ = settings_.center && weight_ > 0 ? sum_ / weight_ : 0;
  started_ = true;
  wake(Side::cols, touched.cols);
  for (unsigned round = 0; round < batch.rounds; ++round) {
    solve_lines(Side::rows, touched.rows, batch.threads);
    solve_lines(Side::cols, touched.cols, batch.threads);
  }
}

template <class T>
void Model<T>::grow(std::uint64_t m, std::uint64_t n) {
  Writing lock(lock_);
  set_shape(std::max<std::size_t>(m, u_.rows()), std::max<std::size_t>(n, v_.rows()));
}

// The cells of another model that are not here; what is in both must be the same.
template <class T>
std::vector<std::size_t> Model<T>::missing(const Triplets& cells, bool held) const {
  std::vector<std::size_t> found;
  for (std::size_t i = 0; i < cells.rows.size(); ++i) {
    const auto row = static_cast<std::size_t>(cells.rows[i]);
    bool here = false;
    for (const bool here_held : {false, true}) {
      const Lines<T>& store = here_held ? validation_ : cells_.rows;
      const std::size_t place =
          row < store.size() ? store.find(row, static_cast<std::uint32_t>(cells.cols[i])) : Lines<T>::npos;
      if (place == Lines<T>::npos) continue;
      const double value = static_cast<double>(store[row].value[place]);
      const double weight = store.weighted() ? static_cast<double>(store[row].weight[place]) : 1;
      if (here_held != held || value != cells.values[i] || weight != cells.weights[i])
        throw std::invalid_argument(cell(cells.rows[i], cells.cols[i]) + " is in both models, and not the same: " +
                                    std::to_string(value) + " here, " + std::to_string(cells.values[i]) + " there");
      here = true;
    }
    if (!here) found.push_back(i);
  }
  return found;
}

template <class T>
void Model<T>::merge(const Completion& other) {
  if (&other == this) throw std::invalid_argument("a model cannot be merged into itself");
  struct Owned {
    std::vector<std::int64_t> rows, cols;
    std::vector<double> values, weights;
    Triplets view() const { return {rows, cols, values, weights}; }
  };
  Owned theirs[2];
  for (const bool held : {false, true})
    other.cells(held, theirs[held].rows, theirs[held].cols, theirs[held].values, theirs[held].weights);
  const std::uint64_t seen = other.n_seen();
  Writing lock(lock_);
  for (const bool held : {false, true}) {
    Owned& from = theirs[held];
    const std::vector<std::size_t> kept = missing(from.view(), held);
    const auto keep = [&](auto& column) {
      for (std::size_t i = 0; i < kept.size(); ++i) column[i] = column[kept[i]];
      column.resize(kept.size());
    };
    keep(from.rows);
    keep(from.cols);
    keep(from.values);
    keep(from.weights);
  }
  for (const bool held : {false, true}) {
    const std::vector<std::int8_t> ops(theirs[held].rows.size(), 1);
    const Triplets cells = theirs[held].view();
    take({ops, cells, false, 0, 1, held ? seen : 0}, held);
  }
}

template class Model<float>;
template class Model<double>;

}  // namespace pyalgo::completion
