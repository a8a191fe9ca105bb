// Separable objectives: f(S) = sum over targets u of what a rule makes of the x_eu of the elements e of S. A rule
// (rules.inl) and a layout (sparse.cpp, dense.cpp) make an objective:
//
//            rule                                              targets, x
//   best     max_e x_eu                  facility location     customers, similarities
//   saturated min(p_u, sum_e x_eu)       saturated coverage    customers, similarities
//   others   p_u phi(sum_e x_eu)         feature-based         dimensions, features
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

enum class Rule : std::uint8_t { best, saturated, sqrt, log1p, inverse, min };

// What an objective is called, and its columns; `keys` (the targets) is null for dense rows.
struct Labels {
  const char* name;
  const char* columns;
  const char* keys;
  const char* values;
};

// The rule's number of each target (a cap or a weight).
struct Parameters {
  OwnedKeys targets;
  std::vector<double> values;
  double otherwise = 1;  // of the targets that are not named; NaN: there are no others
};

std::shared_ptr<Objective> make_sparse(const Labels& labels, Rule rule, double cap, Parameters parameters);
// Rows of `width` numbers; 0: what the first row has. `parameters` empty: all 1.
std::shared_ptr<Objective> make_dense(const Labels& labels, Rule rule, double cap, std::size_t width,
                                      Span<const double> parameters);

}  // namespace pyalgo::submodular
