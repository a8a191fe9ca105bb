// The inner loops over dense rows: all SIMD levels sum in 8 lanes and then the lanes in order, so that they give the
// same bits (and, up to 8 terms, those of the plain sum). Rows are padded with zeros to whole blocks of 8.
#pragma once

#include <cstddef>

#include "pyalgo/simd.hpp"
#include "separable.hpp"

namespace pyalgo::submodular {

constexpr std::size_t dense_lanes = 8;

constexpr std::size_t padded(std::size_t n) noexcept { return (n + dense_lanes - 1) / dense_lanes * dense_lanes; }

// One prefix of a dense chain, target by target. `worths` is null for linear rules.
struct DensePrefix {
  const double* totals;
  const double* worths;
  const double* parameters;
  double cap;
  std::size_t n;  // padded
};

// What row x gains over the prefix. Bound by how fast x streams in where rows exceed the cache (10^4 targets: the
// prefix, 80 kB, sits in L2), by the divider for the square root and the inverse (a few cycles for 4 lanes).
using DenseGain = double (*)(const double* x, const DensePrefix& prefix);
DenseGain dense_gain(Rule rule, Isa isa = active_isa());

using DensePair = double (*)(const double* x, const double* y, std::size_t n);
DensePair dense_dot(Isa isa = active_isa());               // sum of x_i y_i
DensePair dense_squared_distance(Isa isa = active_isa());  // sum of (x_i - y_i)^2

}  // namespace pyalgo::submodular
