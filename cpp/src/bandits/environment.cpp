#include "pyalgo/bandits.hpp"

#include <algorithm>
#include <cmath>

#include "step.hpp"

namespace pyalgo::bandits {

Environment::Environment(Arm arms, Curves curves, std::vector<std::vector<double>> weights, Noise noise,
                         std::uint64_t seed)
    : arms_(arms),
      curves_(std::move(curves)),
      memory_(weights[0].size()),
      rows_(weights.size()),
      noise_(noise),
      seed_(seed),
      draws_(seed, run_stream, 0) {
  for (const auto& row : weights) weights_.insert(weights_.end(), row.begin(), row.end());
  for (Arm arm = 0; arm < arms_; ++arm) {
    double sum = 0;
    for (std::size_t age = 0; age < memory_; ++age) sum += weight(arm, age);
    full_.push_back(sum);
  }
  classify();
  ring_.resize(memory_);
  counts_.resize(arms_);
  discounted_.resize(arms_);
  touched_.resize(arms_);
  reset(0);
}

void Environment::classify() {
  bool equal = true, geometric = memory_ > 1;
  for (std::size_t row = 0; row < rows_; ++row) {
    const double* w = &weights_[row * memory_];
    for (std::size_t age = 1; age < memory_; ++age) equal &= w[age] == w[0];
    const double ratio = w[0] > 0 && memory_ > 1 ? w[1] / w[0] : 1;
    geometric &= ratio > 0 && ratio < 1;
    double power = 1;
    for (std::size_t age = 0; age < memory_ && geometric; ++age, power *= ratio)
      geometric = std::abs(w[age] - w[0] * power) <= 1e-13 * w[0];
  }
  kind_ = equal ? Weights::equal : geometric ? Weights::geometric : Weights::any;
  if (kind_ != Weights::geometric) return;
  for (std::size_t row = 0; row < rows_; ++row) {
    double power = 1;
    for (std::size_t age = 0; age <= memory_; ++age, power *= weights_[row * memory_ + 1] / weights_[row * memory_])
      powers_.push_back(power);
  }
}

void Environment::reset(std::uint32_t run) {
  draws_ = PhiloxStream(seed_, run_stream + run, 0);
  time_ = 0;
  slot_ = 0;
  std::fill(ring_.begin(), ring_.end(), arms_);
  std::fill(counts_.begin(), counts_.end(), 0);
  std::fill(discounted_.begin(), discounted_.end(), 0.0);
  std::fill(touched_.begin(), touched_.end(), 0);
}

double Environment::mean(Arm arm, double tally) const {
  const double u = full_[arm] > 0 ? tally / full_[arm] : 0;
  if (curves_.kind == Curve::grid) {
    const std::size_t points = curves_.grid.size() / arms_;
    const double* h = &curves_.grid[arm * points];
    const double at = std::min(u, 1.0) * static_cast<double>(points - 1);
    const std::size_t i = std::min(static_cast<std::size_t>(at), points - 2);
    return h[i] + (h[i + 1] - h[i]) * (at - static_cast<double>(i));
  }
  const double h0 = curves_.h0[arm], h1 = curves_.h1[arm];
  switch (curves_.kind) {
    case Curve::linear: return h0 + (h1 - h0) * u;
    case Curve::saturating: return h1 + (h0 - h1) * std::exp(-curves_.shape[arm] * u);
    case Curve::hump: return std::min(1.0, h0 + (h1 - h0) * u + 4 * curves_.shape[arm] * u * (1 - u));
    default: return u < curves_.shape[arm] ? h0 : h1;
  }
}

double Environment::any_tally(Arm arm, std::size_t slot) const {
  const double* w = &weights_[row_of(arm) * memory_];
  double sums[4] = {0, 0, 0, 0};
  const auto add = [&](const Arm* plays, const double* weights, std::size_t n, bool backwards) {
    for (std::size_t i = 0; i < n; ++i) sums[i % 4] += plays[backwards ? n - 1 - i : i] == arm ? weights[i] : 0;
  };
  add(ring_.data(), w, slot + 1, true);                                  // ages 0 ... slot
  add(ring_.data() + slot + 1, w + slot + 1, memory_ - slot - 1, true);  // and those behind the end
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

Environment::Outcome Environment::step(Arm arm) { return do_step(arm); }

}  // namespace pyalgo::bandits
