// A model as bytes, and its plain properties.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "model.hpp"

namespace pyalgo::completion {
namespace {

constexpr std::uint8_t format = 1;

template <class T>
using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

template <class T>
void put(SnapshotWriter& out, const std::vector<T>& values) {
  std::vector<Bits<T>> bits(values.size());
  if (!values.empty()) std::memcpy(bits.data(), values.data(), values.size() * sizeof(T));
  out.numbers(Span<const Bits<T>>(bits));
}

template <class T>
std::vector<T> get(SnapshotReader& in) {
  const std::vector<Bits<T>> bits = in.numbers<Bits<T>>();
  std::vector<T> values(bits.size());
  if (!bits.empty()) std::memcpy(values.data(), bits.data(), bits.size() * sizeof(T));
  for (const T value : values)
    if (!std::isfinite(value)) in.fail("a finite number");
  return values;
}

template <class T>
void put(SnapshotWriter& out, const Lines<T>& lines) {
  std::vector<std::uint32_t> sizes, index;
  std::vector<T> value, weight;
  index.reserve(lines.cells());
  value.reserve(lines.cells());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Line<T>& line = lines[i];
    sizes.push_back(line.size);
    index.insert(index.end(), line.index, line.index + line.size);
    value.insert(value.end(), line.value, line.value + line.size);
    if (lines.weighted()) weight.insert(weight.end(), line.weight, line.weight + line.size);
  }
  out.numbers(Span<const std::uint32_t>(sizes));
  out.numbers(Span<const std::uint32_t>(index));
  put(out, value);
  out.u8(lines.weighted() ? 1 : 0);
  put(out, weight);
}

// Lines of a matrix with `m` lines of `n` places.
template <class T>
Lines<T> get_lines(SnapshotReader& in, std::size_t m, std::size_t n) {
  const std::vector<std::uint32_t> sizes = in.numbers<std::uint32_t>(), index = in.numbers<std::uint32_t>();
  const std::vector<T> value = get<T>(in);
  const bool weighted = in.u8() != 0;
  const std::vector<T> weight = get<T>(in);
  std::uint64_t total = 0;
  for (const std::uint32_t size : sizes) total += size;
  if (sizes.size() != m) in.fail("the sizes of " + std::to_string(m) + " lines");
  if (total != index.size() || total != value.size() || weight.size() != (weighted ? total : 0))
    in.fail(std::to_string(total) + " cells");
  Lines<T> lines;
  lines.lay_out(sizes, weighted);
  std::size_t at = 0;
  for (std::size_t i = 0; i < m; ++i)
    for (std::size_t t = 0; t < sizes[i]; ++t, ++at) {
      if (index[at] >= n || (t > 0 && index[at] <= index[at - 1]))
        in.fail("ascending indices below " + std::to_string(n));
      if (weighted && !(weight[at] >= 0)) in.fail("a weight");
      lines.append(i, index[at], value[at], weighted ? weight[at] : T(1));
    }
  return lines;
}

template <class T>
std::vector<T> flat(const Matrix<T>& from) {
  std::vector<T> values;
  values.reserve(from.rows() * from.width());
  for (std::size_t i = 0; i < from.rows(); ++i) values.insert(values.end(), from[i], from[i] + from.width());
  return values;
}

template <class T>
void unflatten(SnapshotReader& in, Matrix<T>& to) {
  const std::vector<T> values = get<T>(in);
  if (values.size() != to.rows() * to.width()) in.fail(std::to_string(to.rows() * to.width()) + " numbers");
  for (std::size_t i = 0; i < to.rows(); ++i) std::copy_n(values.data() + i * to.width(), to.width(), to[i]);
}

}  // namespace

template <class T>
std::string Model<T>::save(const std::string& annex) const {
  Reading lock(lock_);
  SnapshotWriter out;
  out.u8(format);
  out.string(annex);
  out.u64(u_.rows());
  out.u64(v_.rows());
  put(out, cells_.rows);
  put(out, validation_);
  put(out, flat(u_));
  put(out, flat(v_));
  for (const double x : {scale_, sum_, squares_, weight_, mean_, relative_residual_, ahead_.w, ahead_.we, ahead_.ww,
                         ahead_.wwe, ahead_.wwee})
    out.f64(x);
  for (const std::uint64_t n : {ahead_.count, seen_, changed_, sweeps_}) out.u64(n);
  out.u8(started_ ? 1 : 0);
  return std::move(out).finish();
}

template <class T>
void Model<T>::load(SnapshotReader& in, std::string& annex) {
  if (in.u8() != format) in.fail("format 1");
  annex = in.string();
  const std::uint64_t m = in.u64(), n = in.u64();
  // Every line takes bytes further on; those of the columns are their factors.
  if (m > (std::uint64_t{1} << 31) || n > (std::uint64_t{1} << 31)) in.fail("a shape");
  in.need(m * 4);
  in.need(n * width_ * sizeof(T));
  cells_.rows = get_lines<T>(in, m, n);
  validation_ = get_lines<T>(in, m, n);
  if (cells_.rows.weighted() != validation_.weighted() && validation_.cells() > 0)
    in.fail("weights everywhere or nowhere");
  cells_.cols = transposed(cells_.rows, n);
  u_ = Matrix<T>(m, width_);
  v_ = Matrix<T>(n, width_);
  unflatten(in, u_);
  unflatten(in, v_);
  for (double* x : {&scale_, &sum_, &squares_, &weight_, &mean_, &relative_residual_, &ahead_.w, &ahead_.we, &ahead_.ww,
                    &ahead_.wwe, &ahead_.wwee}) {
    *x = in.f64();
    if (!std::isfinite(*x)) in.fail("a finite number");
  }
  int exponent = 0;
  if (!(scale_ > 0) || std::frexp(scale_, &exponent) != 0.5 || exponent % 2 == 0) in.fail("a power of four");
  for (std::uint64_t* count : {&ahead_.count, &seen_, &changed_, &sweeps_}) *count = in.u64();
  started_ = in.u8() != 0;
  in.finish();
}

template <class T>
std::string Model<T>::checkpoint() const {
  Reading lock(lock_);
  SnapshotWriter out;
  put(out, flat(u_));
  put(out, flat(v_));
  for (const double x : {scale_, mean_, relative_residual_, sum_, squares_, weight_, ahead_.w, ahead_.we, ahead_.ww,
                         ahead_.wwe, ahead_.wwee})
    out.f64(x);
  for (const std::uint64_t n : {ahead_.count, changed_, sweeps_}) out.u64(n);
  out.u8(started_ ? 1 : 0);
  return std::move(out).finish();
}

template <class T>
void Model<T>::restore(const std::string& checkpoint) {
  Writing lock(lock_);
  SnapshotReader in({reinterpret_cast<const std::uint8_t*>(checkpoint.data()), checkpoint.size()});
  unflatten(in, u_);
  unflatten(in, v_);
  for (double* x : {&scale_, &mean_, &relative_residual_, &sum_, &squares_, &weight_, &ahead_.w, &ahead_.we, &ahead_.ww,
                    &ahead_.wwe, &ahead_.wwee})
    *x = in.f64();
  for (std::uint64_t* count : {&ahead_.count, &changed_, &sweeps_}) *count = in.u64();
  started_ = in.u8() != 0;
}

template <class T>
void Model<T>::warm_start(const std::string& checkpoint) {
  Writing lock(lock_);
  SnapshotReader in({reinterpret_cast<const std::uint8_t*>(checkpoint.data()), checkpoint.size()});
  unflatten(in, u_);
  unflatten(in, v_);
  measure();
  const double scale = in.f64(), ratio = scale / scale_, root = std::sqrt(ratio);
  for (Matrix<T>* side : {&u_, &v_})
    for (std::size_t i = 0; i < side->rows(); ++i)
      for (std::size_t a = 0; a < width_; ++a) (*side)[i][a] *= static_cast<T>(a < k_ ? root : ratio);
  if (settings_.center) mean_ = in.f64() * ratio;
  relative_residual_ = 1;
  sweeps_ = 0;
  changed_ = cells_.rows.cells();
  ahead_ = {};
  started_ = true;
}

template <class T>
void Model<T>::set_factors(Span<const double> u, Span<const double> v) {
  Writing lock(lock_);
  if (u.size() != u_.rows() * k_ || v.size() != v_.rows() * k_)
    throw std::invalid_argument("factors must have the shapes " + std::to_string(u_.rows()) + " x " +
                                std::to_string(k_) + " and " + std::to_string(v_.rows()) + " x " + std::to_string(k_));
  for (const Span<const double> values : {u, v})
    for (const double x : values)
      if (!std::isfinite(x)) throw std::invalid_argument("factors must be finite, got " + std::to_string(x));
  measure();
  const double root = std::sqrt(scale_);
  const auto take = [&](Span<const double> from, Matrix<T>& to) {
    to.clear();
    for (std::size_t i = 0; i < to.rows(); ++i)
      for (std::size_t a = 0; a < k_; ++a) to[i][a] = static_cast<T>(from[i * k_ + a] / root);
  };
  take(u, u_);
  take(v, v_);
  relative_residual_ = 1;
  sweeps_ = 0;
  changed_ = cells_.rows.cells();
  ahead_ = {};
  started_ = true;
}

template <class T>
Factors Model<T>::factors() const {
  Reading lock(lock_);
  const double root = std::sqrt(scale_);
  Factors found;
  const auto take = [&](const Matrix<T>& from, std::vector<double>& factors, std::vector<double>& biases) {
    factors.reserve(from.rows() * k_);
    for (std::size_t i = 0; i < from.rows(); ++i) {
      for (std::size_t a = 0; a < k_; ++a) factors.push_back(root * static_cast<double>(from[i][a]));
      biases.push_back(settings_.bias ? scale_ * static_cast<double>(from[i][k_]) : 0);
    }
  };
  take(u_, found.u, found.row_bias);
  take(v_, found.v, found.col_bias);
  found.mean = scale_ * mean_;
  return found;
}

template <class T>
void Model<T>::cells(bool validation, std::vector<std::int64_t>& rows, std::vector<std::int64_t>& cols,
                     std::vector<double>& values, std::vector<double>& weights) const {
  Reading lock(lock_);
  const Lines<T>& from = validation ? validation_ : cells_.rows;
  for (std::size_t i = 0; i < from.size(); ++i)
    for (std::size_t t = 0; t < from[i].size; ++t) {
      rows.push_back(static_cast<std::int64_t>(i));
      cols.push_back(from[i].index[t]);
      values.push_back(static_cast<double>(from[i].value[t]));
      weights.push_back(from[i].weight != nullptr ? static_cast<double>(from[i].weight[t]) : 1);
    }
}

template <class T>
std::uint64_t Model<T>::n_rows() const {
  Reading lock(lock_);
  return u_.rows();
}

template <class T>
std::uint64_t Model<T>::n_cols() const {
  Reading lock(lock_);
  return v_.rows();
}

template <class T>
std::uint64_t Model<T>::n_cells() const {
  Reading lock(lock_);
  return cells_.rows.cells();
}

template <class T>
std::uint64_t Model<T>::n_validation() const {
  Reading lock(lock_);
  return validation_.cells();
}

template <class T>
std::uint64_t Model<T>::n_seen() const {
  Reading lock(lock_);
  return seen_;
}

template <class T>
std::uint64_t Model<T>::n_changed() const {
  Reading lock(lock_);
  return changed_;
}

template <class T>
std::uint64_t Model<T>::n_sweeps() const {
  Reading lock(lock_);
  return sweeps_;
}

template <class T>
double Model<T>::reg() const {
  Reading lock(lock_);
  return regression().reg_factor * scale_;
}

template <class T>
std::uint64_t Model<T>::nbytes() const {
  Reading lock(lock_);
  return cells_.rows.nbytes() + cells_.cols.nbytes() + validation_.nbytes() + u_.nbytes() + v_.nbytes() + sizeof(*this);
}

template class Model<float>;
template class Model<double>;

}  // namespace pyalgo::completion
