// Feature-based functions: a concave function of every feature's total. A chain keeps each level's totals and their
// concave values, so a marginal at any level is one pass over the features.
#include <algorithm>
#include <cmath>

#include "payload.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"
#include "row_pool.hpp"

namespace pyalgo::submodular {
namespace {

double apply(Concave concave, double cap, double x) {
  switch (concave) {
    case Concave::sqrt: return std::sqrt(x);
    case Concave::log1p: return std::log1p(x);
    case Concave::inverse: return x / (1.0 + x);
    case Concave::min: break;
  }
  return std::min(x, cap);
}

class FeatureBased final : public Objective {
 public:
  FeatureBased(Concave concave, double cap, Span<const double> weights)
      : concave_(concave), cap_(cap), weights_(weights.begin(), weights.end()), dimensions_(weights.size()) {
    ready();
  }

  const char* name() const noexcept override { return "feature_based"; }
  const char* columns() const noexcept override { return "'features'"; }
  void check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const override;
  std::unique_ptr<PrefixChain> chain() const override;
  std::size_t nbytes() const noexcept override { return features_.nbytes() + weights_.capacity() * sizeof(double); }

  Span<const double> features(Row row) const noexcept { return features_[row]; }
  std::size_t dimensions() const noexcept { return dimensions_; }
  double weight(std::size_t d) const noexcept { return weights_.empty() ? 1.0 : weights_[d]; }
  double phi(double x) const { return apply(concave_, cap_, x); }

 private:
  void do_add(Row row, const PayloadBatch& payload, std::size_t at) override {
    features_.set(row, payload.values_of(at));
    dimensions_ = features_[row].size();
  }
  void do_drop(Row row) override { features_.clear(row); }
  void do_save(SnapshotWriter& out) const override;
  void do_load(SnapshotReader& in) override;

  Concave concave_;
  double cap_;
  std::vector<double> weights_;  // empty: all 1
  std::size_t dimensions_;       // 0 until the first row
  RowPool<double> features_;
};

class FeatureBasedChain final : public PrefixChain {
 public:
  explicit FeatureBasedChain(const FeatureBased& f) : f_(f) {}

  double gain(Row row, std::uint32_t level) const override {
    const Span<const double> x = f_.features(row);
    double sum = 0;
    if (level == 0) {
      for (std::size_t d = 0; d < x.size(); ++d) sum += f_.weight(d) * f_.phi(x[d]);
      return sum;
    }
    const double* totals = totals_.data() + (level - 1) * x.size();
    const double* concave = concave_.data() + (level - 1) * x.size();
    // The maximum guards against a phi that rounding makes decrease.
    for (std::size_t d = 0; d < x.size(); ++d)
      sum += f_.weight(d) * std::max(0.0, f_.phi(totals[d] + x[d]) - concave[d]);
    return sum;
  }

  void gains(Row row, double* out) const override {
    for (std::uint32_t level = 0; level <= levels(); ++level) out[level] = gain(row, level);
  }

  std::unique_ptr<PrefixChain> clone() const override { return std::make_unique<FeatureBasedChain>(*this); }
  std::size_t nbytes() const noexcept override { return (totals_.capacity() + concave_.capacity()) * sizeof(double); }

 private:
  void do_open() override {
    const std::size_t d = f_.dimensions();
    totals_.resize(totals_.size() + d, 0.0);
    concave_.resize(totals_.size(), 0.0);
    if (totals_.size() == d) return;
    std::copy(totals_.end() - 2 * d, totals_.end() - d, totals_.end() - d);
    std::copy(concave_.end() - 2 * d, concave_.end() - d, concave_.end() - d);
  }

  void do_add(Row row) override {
    const Span<const double> x = f_.features(row);
    double* totals = totals_.data() + totals_.size() - x.size();
    double* concave = concave_.data() + concave_.size() - x.size();
    for (std::size_t d = 0; d < x.size(); ++d) {
      totals[d] += x[d];
      concave[d] = f_.phi(totals[d]);
    }
  }

  void do_truncate(std::uint32_t levels) override {
    totals_.resize(levels * f_.dimensions());
    concave_.resize(totals_.size());
  }

  const FeatureBased& f_;
  std::vector<double> totals_;   // level by level from level 1, one a dimension
  std::vector<double> concave_;  // phi of the totals
};

std::unique_ptr<PrefixChain> FeatureBased::chain() const { return std::make_unique<FeatureBasedChain>(*this); }

void FeatureBased::check(const PayloadBatch& payload, Span<const std::uint32_t> rows) const {
  if (!payload.has_values)
    throw BatchError(BatchError::Kind::value, rows[0], "inserts need the column 'features'");
  const std::size_t d = dimensions_ > 0 ? dimensions_ : payload.values_of(rows[0]).size();
  for (std::uint32_t row : rows) {
    const std::size_t here = payload.values_of(row).size();
    if (here != d || d == 0)
      throw BatchError(BatchError::Kind::value, row,
                       "'features' has " + std::to_string(here) + " entries, expected " +
                           (d == 0 ? std::string("at least one") : std::to_string(d)));
  }
  check_values(payload, rows, "features");
}

void FeatureBased::do_save(SnapshotWriter& out) const {
  out.u32(static_cast<std::uint32_t>(dimensions_));
  for (Row row = 0; row < rows(); ++row)
    if (has(row))
      for (double x : features_[row]) out.f64(x);
}

void FeatureBased::do_load(SnapshotReader& in) {
  const std::size_t d = in.u32();
  if (!weights_.empty() && d != weights_.size()) in.fail("as many dimensions as weights");
  dimensions_ = d;
  std::vector<double> values;
  for (Row row = 0; row < rows(); ++row) {
    if (!has(row)) continue;
    if (d == 0) in.fail("rows of at least one feature");
    in.need(d * sizeof(double));
    values.resize(d);
    for (double& x : values) x = load_magnitude(in);
    features_.set(row, {values.data(), d});
  }
}

}  // namespace

std::shared_ptr<Objective> make_feature_based(Concave concave, double cap, Span<const double> weights) {
  return std::make_shared<FeatureBased>(concave, cap, weights);
}

}  // namespace pyalgo::submodular
