// What counting costs: the predictions by which a method is chosen. Fitted to measurements (bench_hamming_dispatch.py),
// rounded.
#pragma once

#include <array>
#include <cstdint>

#include "pyalgo/hamming.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming {

// How much there is to do. Of several patterns, the sum.
struct Load {
  double n = 0;  // alignments in one call
  double patterns = 1;
  double length = 0;      // of the longest pattern
  double counted = 0;     // places that count
  double letters = 0;     // distinct ones
  double increments = 0;  // a position, of the periodic engine
  double scattered = 0;   // a position, if every place of the pattern met every equal symbol by itself
  double split = 0;  // ns a position of the split engine, as it predicts itself, and the letters that it transforms
  double transformed = 0;
  unsigned code_width = 1;
  bool streamed = false;  // one of many calls: engines are there, and know the text before
};

// What elementary steps take on one core, in ns, and the factors by which calibration found this machine to differ.
struct Costs {
  Isa isa;
  double compare_position, compare_byte;                          // a position; a counted symbol, times its width
  double slice_position, slice_symbol, slice_letter, slice_copy;  // a letter's plane, and each of its shifted copies
  double ntt_position, ntt_forward, ntt_inverse, ntt_product, ntt_prepare;  // an element of a transform or product
  double fft_element;                                                       // of a transform
  double periodic_position, periodic_increment;
  double single_byte;                        // of one alignment alone
  double bounded_position, bounded_symbol;   // a symbol of the sample
  std::array<double, kCostFactors> factors;  // by Method; that of `automatic` is the bounded search's
};

Costs active_costs();            // of the ISA level in force, and as calibrated
const Costs& reference_costs();  // the same on every machine

// ns a text position, on one core.
double predicted_ns(Method method, const Load& load, const Costs& costs);

// The same of a search for at most k mismatches in text that is as good as random.
double predicted_bounded_ns(std::int64_t k, const Load& load, const Costs& costs);

}  // namespace pyalgo::hamming
