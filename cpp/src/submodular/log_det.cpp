// 1/2 log det(I + K_SS / noise^2): the information that observations of S, with noise, carry on a Gaussian process of
// covariance K. A chain is a Cholesky factorisation, one row an element: solving for a further element row by row
// passes all prefixes, and its variance given a prefix is the same sequence of operations however long the chain is.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "dense_kernels.hpp"
#include "dense_rows.hpp"
#include "payload.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {
namespace {

#include "rules.inl"

// Squares of features and of the noise stay far within the range of a double.
constexpr double largest_feature = 1e50;

class LogDet final : public Objective {
 public:
  LogDet(Kernel kernel, double bandwidth, double noise)
      : kernel_(kernel), decay_(-0.5 / (bandwidth * bandwidth)), precision_(1.0 / (noise * noise)) {
    ready();
  }

  const char* name() const noexcept override { return "log_det"; }
  const char* columns() const noexcept override {
    return kernel_ == Kernel::precomputed ? "a kernel that has it" : "'features'";
  }
  void check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const override;
  std::unique_ptr<PrefixChain> chain() const override;
  void read(Row row, OwnedPayload& out) const override {
    out.has_values = true;
    out.values.insert(out.values.end(), x_[row], x_[row] + x_.width());
    out.end_row();
  }
  std::size_t nbytes() const noexcept override { return x_.nbytes(); }

  double covariance(Row a, Row b) const noexcept {  // K_ab / noise^2
    const std::size_t n = padded(x_.width());
    switch (kernel_) {
      case Kernel::rbf: return std::exp(decay_ * squared_distance_(x_[a], x_[b], n)) * precision_;
      case Kernel::linear: return dot_(x_[a], x_[b], n) * precision_;
      case Kernel::precomputed: break;
    }
    return x_[a][b] * precision_;
  }
  double dot(const double* x, const double* y, std::size_t n) const noexcept { return dot_(x, y, n); }

 private:
  void do_add(Row row, const PayloadBatch& payload, std::size_t at) override {
    if (x_.width() == 0) x_.set_width(payload.values_of(at).size());
    x_.set(row, payload.values_of(at));
  }
  void do_drop(Row row) override { x_.clear(row); }
  void do_save(SnapshotWriter& out) const override;
  void do_load(SnapshotReader& in) override;
  Restore do_backup() override {
    return [this, x = x_] { x_ = x; };
  }

  Kernel kernel_;
  double decay_, precision_;
  DensePair dot_ = dense_dot(), squared_distance_ = dense_squared_distance();
  DenseRows x_;  // features; or the rows of K, where row i is of element i
};

class LogDetChain final : public PrefixChain {
 public:
  explicit LogDetChain(const LogDet& f) : f_(f) {}

  double gain(Row row, std::uint32_t level) const override {
    double excess = f_.covariance(row, row);
    solve(row, 0, ends_[level], excess);
    return half_log(excess);
  }

  void gains(Row row, double* out) const override {
    double excess = f_.covariance(row, row);
    for (std::uint32_t level = 0; level <= levels(); ++level) {
      if (level > 0) solve(row, ends_[level - 1], ends_[level], excess);
      out[level] = half_log(excess);
    }
  }

  // Upwards, as far as the threshold holds: a level costs no more than its own rows, and the variance only falls.
  std::uint32_t depth(Row row, double threshold, std::uint64_t& queries) const override {
    ++queries;
    double excess = f_.covariance(row, row);
    for (std::uint32_t level = 0; level <= levels(); ++level) {
      if (level > 0) solve(row, ends_[level - 1], ends_[level], excess);
      if (half_log(excess) < threshold) return level;
    }
    return levels() + 1;
  }

  std::unique_ptr<PrefixChain> clone() const override { return std::make_unique<LogDetChain>(*this); }

  std::size_t nbytes() const noexcept override {
    return elements_.capacity() * sizeof(Row) + ends_.capacity() * sizeof(std::size_t) +
           (factor_.capacity() + diagonal_.capacity() + solution_.capacity()) * sizeof(double);
  }

 private:
  // `excess`: by how much the element's variance exceeds the noise, which is 1 here.
  static double half_log(double excess) noexcept { return excess > smallest_magnitude ? 0.5 * log1p_of(excess) : 0.0; }

  // Continues the forward substitution for the row from element `from` to before `to`.
  void solve(Row row, std::size_t from, std::size_t to, double& excess) const {
    for (std::size_t j = from; j < to; ++j) {
      const double known = f_.dot(factor_.data() + begins_[j], solution_.data(), padded(j));
      const double c = (f_.covariance(elements_[j], row) - known) / diagonal_[j];
      solution_[j] = c;
      excess -= c * c;
    }
  }

  void do_open() override { ends_.push_back(elements_.size()); }

  void do_add(Row row) override {
    const std::size_t n = elements_.size();
    double excess = f_.covariance(row, row);
    solve(row, 0, n, excess);
    begins_.push_back(factor_.size());
    factor_.resize(factor_.size() + padded(n), 0.0);
    std::copy_n(solution_.begin(), n, factor_.begin() + static_cast<std::ptrdiff_t>(begins_[n]));
    diagonal_.push_back(std::sqrt(1.0 + std::max(0.0, excess)));
    elements_.push_back(row);
    solution_.resize(padded(n + 1), 0.0);
    ends_.back() = elements_.size();
  }

  void do_truncate(std::uint32_t levels) override {
    ends_.resize(levels + 1);
    if (elements_.size() == ends_.back()) return;
    factor_.resize(begins_[ends_.back()]);
    elements_.resize(ends_.back()), begins_.resize(ends_.back()), diagonal_.resize(ends_.back());
  }

  const LogDet& f_;
  std::vector<Row> elements_;         // of the prefix, in order
  std::vector<std::size_t> ends_{0};  // by level: how many of them
  std::vector<double> factor_;        // the lower Cholesky factor of I + K / noise^2, below its diagonal
  std::vector<std::size_t> begins_;   // of its rows, each padded with zeros
  std::vector<double> diagonal_;
  mutable std::vector<double> solution_;  // of the last forward substitution; whatever stands beyond meets zeros
};

std::unique_ptr<PrefixChain> LogDet::chain() const { return std::make_unique<LogDetChain>(*this); }

void LogDet::check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const {
  if (kernel_ == Kernel::precomputed && (n_known() > 0 || !payload.has_values))
    throw BatchError(BatchError::Kind::value, rows.empty() ? 0 : rows[0],
                     "a precomputed kernel has its elements from the start: give it whole to LogDet.from_kernel");
  const std::size_t width = kernel_ == Kernel::precomputed ? rows.size() : x_.width();
  check_rows(payload, rows, width, "features");
  for (std::uint32_t row : rows)
    for (double x : payload.values_of(row))
      if (!(std::abs(x) <= largest_feature))
        throw BatchError(BatchError::Kind::value, row,
                         "'features' has " + shown(x) + ": it must be from -" + shown(largest_feature) + " to " +
                             shown(largest_feature));
}

void LogDet::do_save(SnapshotWriter& out) const {
  out.u32(static_cast<std::uint32_t>(x_.width()));
  for (Row row = 0; row < rows(); ++row)
    if (has(row))
      for (std::size_t d = 0; d < x_.width(); ++d) out.f64(x_[row][d]);
}

void LogDet::do_load(SnapshotReader& in) {
  const std::size_t n = in.u32();
  if (kernel_ == Kernel::precomputed) {
    if (n != rows() || n_known() != rows()) in.fail("a square kernel of the known elements");
    for (std::size_t i = 0; i < n; ++i)
      if (known(i) != i) in.fail("the rows of a kernel in the order of its elements");
  }
  std::vector<double> values;
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    if (n == 0) in.fail("rows of at least one number");
    in.need(n * sizeof(double));  // before anything of that size is allocated
    values.resize(n);
    for (double& x : values) {
      x = in.f64();
      if (!(std::abs(x) <= largest_feature)) in.fail("a finite number of moderate size");
    }
    if (x_.width() == 0) x_.set_width(n);
    x_.set(row, {values.data(), n});
  }
}

}  // namespace

std::shared_ptr<Objective> make_log_det(Kernel kernel, double bandwidth, double noise) {
  return std::make_shared<LogDet>(kernel, bandwidth, noise);
}

}  // namespace pyalgo::submodular
