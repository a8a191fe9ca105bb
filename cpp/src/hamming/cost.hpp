// What counting costs: the predictions by which a method is chosen, and by which letters are split between tiers.
#pragma once

#include <optional>
#include <vector>

#include "pyalgo/hamming.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// How much there is to do. Of several patterns, the sum.
struct Load {
  double n = 0;           // alignments in one call
  double patterns = 1;
  double length = 0;      // of the longest pattern
  double counted = 0;     // places that count
  double letters = 0;     // distinct ones
  double scattered = 0;   // sum over letters of places in the pattern times share of the text: increments a position, if scattered
  double increments = -1; // a position, of the periodic engine; negative if it was not looked at
  double split = 0;       // ns a position of the best assignment of letters to tiers
  unsigned code_width = 1;
};

// ns a text position, on one core. Infinite for what a method cannot do.
double predicted_ns(Method method, const Load& load) noexcept;

// The same of a search for at most k mismatches in text that is as good as random.
double predicted_bounded_ns(std::int64_t k, const Load& load) noexcept;

// One letter of a pattern by each tier of the split engine.
struct TierCosts {
  double transform, bitslice, scatter;
};
TierCosts tier_costs(double places, double density, double length) noexcept;

}  // namespace pyalgo::hamming
