// Separable objectives over dense rows. A chain keeps every level's aggregates as one row, so that a marginal at any
// level is one pass of a kernel over two or three rows.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "dense_kernels.hpp"
#include "dense_rows.hpp"
#include "payload.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/simd.hpp"
#include "separable.hpp"

namespace pyalgo::submodular {
namespace {

#include "rules.inl"

class Dense;
using MakeChain = std::unique_ptr<PrefixChain> (*)(const Dense&);
MakeChain chain_by(Rule rule);

class Dense final : public Objective {
 public:
  Dense(const Labels& labels, Rule rule, double cap, std::size_t width, Span<const double> parameters)
      : labels_(labels),
        make_chain_(chain_by(rule)),
        gain_(dense_gain(rule)),
        cap_(cap),
        fixed_width_(width),
        parameters_(parameters.begin(), parameters.end()) {
    ready();
  }

  const char* name() const noexcept override { return labels_.name; }
  const char* columns() const noexcept override { return labels_.columns; }
  void check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const override;
  std::unique_ptr<PrefixChain> chain() const override { return make_chain_(*this); }
  void read(Row row, OwnedPayload& out) const override {
    out.has_values = true;
    out.values.insert(out.values.end(), x_[row], x_[row] + x_.width());
    out.end_row();
  }
  std::size_t nbytes() const noexcept override {
    return x_.nbytes() + (parameters_.capacity() + zeros_.capacity()) * sizeof(double);
  }

  const double* x(Row row) const noexcept { return x_[row]; }
  std::size_t padded_width() const noexcept { return zeros_.size(); }  // 0 before the first row
  double parameter(std::size_t u) const noexcept { return parameters_[u]; }
  double cap() const noexcept { return cap_; }
  double gain(Row row, const double* totals, const double* worths) const noexcept {
    return gain_(x_[row], {totals, worths, parameters_.data(), cap_, zeros_.size()});
  }
  const double* zeros() const noexcept { return zeros_.data(); }

 private:
  std::size_t width() const noexcept { return fixed_width_ > 0 ? fixed_width_ : x_.width(); }
  void fit(std::size_t width);
  void do_add(Row row, const PayloadBatch& payload, std::size_t at) override {
    fit(payload.values_of(at).size());
    x_.set(row, payload.values_of(at));
  }
  void do_drop(Row row) override { x_.clear(row); }
  void do_save(SnapshotWriter& out) const override;
  void do_load(SnapshotReader& in) override;
  Restore do_backup() override {
    return
        [this, parameters = parameters_, zeros = zeros_, x = x_] { parameters_ = parameters, zeros_ = zeros, x_ = x; };
  }

  Labels labels_;
  MakeChain make_chain_;
  DenseGain gain_;
  double cap_;
  std::size_t fixed_width_;         // 0: that of the first row
  std::vector<double> parameters_;  // from the first row on padded
  std::vector<double> zeros_;       // the aggregates of no element
  DenseRows x_;
};

template <class Rule>
class DenseChain final : public PrefixChain {
 public:
  explicit DenseChain(const Dense& f) : f_(f), rule_{f.cap()} {}

  double gain(Row row, std::uint32_t level) const override {
    if (level == 0) return f_.gain(row, f_.zeros(), f_.zeros());
    const std::size_t at = (level - 1) * f_.padded_width();
    return f_.gain(row, totals_.data() + at, Rule::linear ? nullptr : worths_.data() + at);
  }

  void gains(Row row, double* out) const override {
    for (std::uint32_t level = 0; level <= levels(); ++level) out[level] = gain(row, level);
  }

  std::unique_ptr<PrefixChain> clone() const override { return std::make_unique<DenseChain>(*this); }
  std::size_t nbytes() const noexcept override { return (totals_.capacity() + worths_.capacity()) * sizeof(double); }

 private:
  void do_open() override {
    fit(levels() + 1);
    const auto n = static_cast<std::ptrdiff_t>(f_.padded_width());
    if (levels() == 0) return;
    std::copy(totals_.end() - 2 * n, totals_.end() - n, totals_.end() - n);
    if (!Rule::linear) std::copy(worths_.end() - 2 * n, worths_.end() - n, worths_.end() - n);
  }

  void do_add(Row row) override {
    fit(levels());  // the level may be older than the first row, which tells the width
    const double* x = f_.x(row);
    const std::size_t n = f_.padded_width();
    double* totals = totals_.data() + totals_.size() - n;
    double* worths = Rule::linear ? nullptr : worths_.data() + worths_.size() - n;
    for (std::size_t u = 0; u < n; ++u) {
      totals[u] = rule_.after(totals[u], x[u], f_.parameter(u));
      if constexpr (!Rule::linear) worths[u] = rule_.worth(totals[u]);
    }
  }

  void do_truncate(std::uint32_t levels) override { fit(levels); }

  void fit(std::uint32_t levels) {
    totals_.resize(levels * f_.padded_width(), 0.0);
    if (!Rule::linear) worths_.resize(totals_.size(), 0.0);
  }

  const Dense& f_;
  Rule rule_;
  std::vector<double> totals_;  // level by level from level 1
  std::vector<double> worths_;  // of the totals, unless they are the same
};

template <class Rule>
std::unique_ptr<PrefixChain> make_chain(const Dense& f) {
  return std::make_unique<DenseChain<Rule>>(f);
}

MakeChain chain_by(Rule rule) {
  return by_rule(rule, [](auto type) -> MakeChain { return make_chain<typename decltype(type)::type>; });
}

void Dense::check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const {
  check_rows(payload, rows, width(), labels_.values);
  check_values(payload, rows, labels_.values);
}

void Dense::fit(std::size_t width) {
  if (!zeros_.empty()) return;
  x_.set_width(width);
  zeros_.assign(padded(width), 0.0);
  if (parameters_.empty()) parameters_.assign(width, 1.0);
  parameters_.resize(padded(width), 0.0);
}

void Dense::do_save(SnapshotWriter& out) const {
  out.u32(static_cast<std::uint32_t>(width()));
  for (Row row = 0; row < rows(); ++row)
    if (has(row))
      for (std::size_t u = 0; u < width(); ++u) out.f64(x_[row][u]);
}

void Dense::do_load(SnapshotReader& in) {
  const std::size_t n = in.u32();
  if (fixed_width_ > 0 && n != fixed_width_) in.fail("rows of " + std::to_string(fixed_width_) + " numbers");
  std::vector<double> values;
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    if (n == 0) in.fail("rows of at least one number");
    in.need(n * sizeof(double));  // before anything of that size is allocated
    values.resize(n);
    for (double& x : values) x = load_magnitude(in);
    fit(n);
    x_.set(row, {values.data(), n});
  }
}

}  // namespace

std::shared_ptr<Objective> make_dense(const Labels& labels, Rule rule, double cap, std::size_t width,
                                      Span<const double> parameters) {
  return std::make_shared<Dense>(labels, rule, cap, width, parameters);
}

}  // namespace pyalgo::submodular
