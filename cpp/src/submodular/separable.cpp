// The separable objectives by their names.
#include "separable.hpp"

#include <limits>

namespace pyalgo::submodular {
namespace {

constexpr Labels facility_location{"facility_location", "'neighbours' and 'similarities'", "neighbours",
                                   "similarities"};
constexpr Labels dense_facility_location{"facility_location", "'similarities'", nullptr, "similarities"};
constexpr Labels saturated{"saturated_coverage", "'neighbours' and 'similarities'", "neighbours", "similarities"};
constexpr Labels dense_saturated{"saturated_coverage", "'similarities'", nullptr, "similarities"};
constexpr Labels feature_based{"feature_based", "'dimensions' and 'features'", "dimensions", "features"};
constexpr Labels dense_feature_based{"feature_based", "'features'", nullptr, "features"};

Rule rule_of(Concave concave) {
  switch (concave) {
    case Concave::sqrt: return Rule::sqrt;
    case Concave::log1p: return Rule::log1p;
    case Concave::inverse: return Rule::inverse;
    case Concave::min: break;
  }
  return Rule::min;
}

Parameters parameters(const KeyColumn& targets, Span<const double> values, double otherwise) {
  Parameters owned;
  for (std::size_t i = 0; i < targets.size(); ++i) owned.targets.push_back(targets[i]);
  owned.values.assign(values.begin(), values.end());
  owned.otherwise = otherwise;
  return owned;
}

}  // namespace

std::shared_ptr<Objective> make_facility_location() { return make_sparse(facility_location, Rule::best, 0, {}); }

std::shared_ptr<Objective> make_dense_facility_location(std::size_t customers) {
  return make_dense(dense_facility_location, Rule::best, 0, customers, {});
}

std::shared_ptr<Objective> make_saturated_coverage(const KeyColumn& customers, Span<const double> caps,
                                                   std::optional<double> otherwise) {
  return make_sparse(saturated, Rule::saturated, 0,
                     parameters(customers, caps, otherwise.value_or(std::numeric_limits<double>::quiet_NaN())));
}

std::shared_ptr<Objective> make_dense_saturated_coverage(Span<const double> caps) {
  return make_dense(dense_saturated, Rule::saturated, 0, caps.size(), caps);
}

std::shared_ptr<Objective> make_feature_based(Concave concave, double cap, Span<const double> weights) {
  return make_dense(dense_feature_based, rule_of(concave), cap, weights.size(), weights);
}

std::shared_ptr<Objective> make_sparse_feature_based(Concave concave, double cap, const KeyColumn& weighted,
                                                     Span<const double> weights) {
  return make_sparse(feature_based, rule_of(concave), cap, parameters(weighted, weights, 1.0));
}

}  // namespace pyalgo::submodular
