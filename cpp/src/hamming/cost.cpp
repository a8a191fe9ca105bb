#include "cost.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <mutex>

namespace pyalgo::hamming {
namespace {

constexpr std::array<double, kCostFactors> kAsShipped = {1, 1, 1, 1, 1, 1, 1, 1};
std::mutex mutex;
std::array<double, kCostFactors> factors = kAsShipped;

// Generic and AVX2 from a Zen 3 at about 3.4 GHz; AVX-512 from those and the ratios that a Zen 4 showed.
const Costs& shipped_costs(Isa isa) {
  static const Costs generic{Isa::generic, 0.25, 0.0295, 0.6, 0.0092, 0.04, 0.012, 0.25,  1.0,       1.1,
                             0.17,         2,    3,      7,   0.95,   0.06, 0.4,   0.009, kAsShipped};
  static const Costs avx2{Isa::avx2, 0.17, 0.0106, 0.5, 0.0028, 0.02, 0.009, 0.15,  0.47,      0.52,
                          0.08,      1.5,  3,      6,   0.95,   0.03, 0.15,  0.003, kAsShipped};
  static const Costs avx512{Isa::avx512, 0.15, 0.009, 0.4, 0.002, 0.015, 0.006, 0.15,  0.42,      0.47,
                            0.07,        1.5,  3,     6,   0.9,   0.02,  0.1,   0.002, kAsShipped};
  return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : generic;
}

// The positions of whole blocks, for each that is wanted.
double filled(double n, double block) noexcept { return std::ceil(n / block) * block / std::max(n, 1.0); }

// The symbols of text that are read, for each alignment: the last ones need a whole pattern more.
double read(const Load& load) noexcept { return (load.n + load.length) / std::max(load.n, 1.0); }

// A letter's transforms of the pattern, which every call begins with.
double prepared(double letters, const Load& load, const Costs& costs) noexcept {
  if (load.streamed) return 0;
  return load.patterns * letters * std::max(8192.0, 2 * load.length) * costs.ntt_prepare / std::max(load.n, 1.0);
}

// Overlap-save with transforms of 4096 or 12288 elements, whichever is cheaper; a group of up to 12288 counted places
// has an inverse transform of its own.
double ntt_ns(const Load& load, const Costs& costs) {
  const double transformed = std::max(load.letters - 1, 0.0), pairs = std::floor(transformed / 2) + 1;
  double least = std::numeric_limits<double>::infinity();
  for (const double size : {4096.0, 12288.0}) {
    const bool whole = load.length <= size * 9 / 16;
    const double hop = whole ? size - load.length + 1 : size / 2;
    const double pieces = whole ? 1 : std::ceil(load.length / hop);
    const double groups = std::ceil(pieces / std::max(1.0, std::floor(12288 / hop)));
    const double forward = transformed * costs.ntt_forward;
    const double back = groups * costs.ntt_inverse + pieces * pairs * costs.ntt_product;
    // A short text fills a whole block all the same, and the last one needs as many segments as the pattern has pieces.
    const double n = std::max(load.n, 1.0), blocks = std::ceil(load.n / hop);
    const double segments = load.streamed ? load.n / hop + 1 : blocks + pieces - 1;
    const double elements = size / n * (segments * forward + load.patterns * blocks * back);
    least = std::min(least, elements + load.patterns * costs.ntt_position * (2 + groups));
  }
  return least + prepared(load.letters, load, costs);
}

double fft_ns(const Load& load, const Costs& costs) {
  return costs.fft_element * (load.letters + load.patterns) * (4 + std::log2(load.length + 1)) *
         (1 + load.length / 16384);
}

// Letters of few places are counted by pairs, the others by transforms.
double sumset_ns(const Load& load) {
  const double places = load.counted / std::max(load.letters, 1.0);
  return 8 + read(load) * (places * places < 3 * load.length ? 1.5 * load.scattered : 200 * load.letters);
}

}  // namespace

const Costs& reference_costs() { return shipped_costs(Isa::avx2); }

Costs active_costs() {
  Costs costs = shipped_costs(active_isa());
  const std::lock_guard<std::mutex> lock(mutex);
  costs.factors = factors;
  return costs;
}

void set_cost_factors(const std::array<double, kCostFactors>& given) {
  const std::lock_guard<std::mutex> lock(mutex);
  factors = given;
}

double predicted_ns(Method method, const Load& load, const Costs& costs) {
  const auto ns = [&]() -> double {
    switch (method) {
      case Method::compare:
        return costs.compare_position * load.patterns +
               filled(load.n, 256) * costs.compare_byte * load.code_width * load.counted;
      case Method::bitslice: {
        const double copies = std::min(8.0, load.counted / std::max(load.letters, 1.0));
        return costs.slice_position * load.patterns + filled(load.n, 512) * costs.slice_symbol * load.counted +
               read(load) * load.letters * (costs.slice_letter + costs.slice_copy * copies) +
               1.5e4 / std::max(load.n, 1.0);
      }
      case Method::ntt: return ntt_ns(load, costs);
      case Method::fft: return fft_ns(load, costs);
      case Method::split: return 0.2 + 1.02 * read(load) * load.split + prepared(load.transformed, load, costs);
      case Method::periodic:
        return read(load) * (costs.periodic_position * load.patterns + costs.periodic_increment * load.increments);
      case Method::sumset: return sumset_ns(load);
      case Method::automatic: break;
    }
    return std::numeric_limits<double>::infinity();
  };
  return costs.factors[static_cast<std::size_t>(method)] * ns();
}

double predicted_bounded_ns(std::int64_t k, const Load& load, const Costs& costs) {
  // Letters of which the sample has at least one place need planes.
  const double sample = std::min(load.counted, 1.6 * static_cast<double>(k) + 96),
               letters = std::min(load.letters, sample / 8 + 4);
  const double planes = letters * (costs.slice_letter + costs.slice_copy * std::min(8.0, sample / letters));
  return costs.factors[0] * load.code_width * load.patterns *
         (costs.bounded_position + costs.bounded_symbol * sample + read(load) * planes + 1.5e5 / std::max(load.n, 1.0));
}

}  // namespace pyalgo::hamming
