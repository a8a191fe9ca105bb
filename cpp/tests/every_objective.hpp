// An objective of every kind, and payload for it: for the fuzzer of snapshots and the tests of chains.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

constexpr unsigned n_kinds = 12;

// What a byte stands for: an objective in the low five bits, then the method, a constraint, and the grid of guesses.
inline unsigned kind_of(std::uint8_t byte) { return (byte & 31U) % n_kinds; }
inline Settings settings_of(std::uint8_t byte) {
  Settings settings;
  settings.k = 3;
  settings.method = (byte & 96U) != 0 ? Method::param : Method::levels;
  if ((byte & 64U) != 0) settings.constraint = make_laminar({no_group, 0}, {2, 1});
  settings.all_guesses = (byte & 128U) != 0;
  return settings;
}

// f(S) = |S|.
class Size final : public Oracle {
 public:
  bool gives_gains() const noexcept override { return false; }
  void ask(Span<const Key> prefix, Span<const Key> candidates, double* out) const override {
    for (std::size_t i = 0; i < candidates.size(); ++i) out[i] = static_cast<double>(prefix.size()) + 1;
  }
};

inline const std::vector<std::int64_t>& target_names() {
  static const std::vector<std::int64_t> names{1, 2};
  return names;
}

inline std::shared_ptr<Objective> objective_of(unsigned kind) {
  static const std::vector<double> two{0.5, 2.0};
  const KeyColumn named{KeyKind::integer, target_names(), {}};
  switch (kind) {
    case 0: return make_coverage({}, {});
    case 1: return make_facility_location();
    case 2: return make_feature_based(Concave::sqrt, 1.0, {});
    case 3: return make_dense_facility_location(2);
    case 4: return make_saturated_coverage(named, two, 0.75);
    case 5: return make_dense_saturated_coverage(two);
    case 6: return make_sparse_feature_based(Concave::min, 1.5, named, two);
    case 7: return make_log_det(Kernel::rbf, 1.0, 0.5);
    case 8: return make_log_det(Kernel::precomputed, 1.0, 0.5);
    case 9: return make_callable(std::make_shared<Size>());
    case 10: return make_mixture({objective_of(1), make_log_det(Kernel::linear, 1.0, 1.0)}, two);
    default: break;
  }
  return make_mixture({objective_of(10), objective_of(9)}, two);
}

// Four elements for it: of the columns that may be there each kind takes its own.
class FourElements {
 public:
  explicit FourElements(unsigned kind) {
    batch_.has_keys = kind != 2 && kind != 3 && kind != 5 && kind != 7 && kind != 8;
    batch_.has_values = kind != 0 && kind != 9;
    batch_.key_offsets = kind == 9 ? ones_ : twos_;
    batch_.value_offsets = kind == 8 ? fours_ : twos_;
    batch_.keys = {KeyKind::integer, {keys_.data(), kind == 9 ? 4U : 8U}, {}};
    batch_.values = {values_.data(), kind == 8 ? 16U : 8U};
    if (kind < 10) return;
    for (unsigned part : kind == 10 ? std::vector<unsigned>{1, 7} : std::vector<unsigned>{10, 9}) {
      parts_.push_back(std::make_unique<FourElements>(part));
      views_.push_back(parts_.back()->batch_);
    }
    batch_.parts = {views_.data(), views_.size()};
  }
  const PayloadBatch& batch() const noexcept { return batch_; }

 private:
  std::vector<std::int64_t> ones_{0, 1, 2, 3, 4}, twos_{0, 2, 4, 6, 8}, fours_{0, 4, 8, 12, 16};
  std::vector<std::int64_t> keys_{1, 2, 7, 3, 5, 6, 1, 8};
  std::vector<double> values_{1.0, 0.5, 0.25, 0, 0.5, 1, 0, 0.25, 0.25, 0, 1, 0.5, 0, 0.25, 0.5, 1};
  std::vector<std::unique_ptr<FourElements>> parts_;
  std::vector<PayloadBatch> views_;
  PayloadBatch batch_;
};

}  // namespace pyalgo::submodular
