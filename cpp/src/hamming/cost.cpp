#include "cost.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace pyalgo::hamming {

double predicted_ns(Method method, const Load& load) noexcept {
  switch (method) {
    case Method::compare: return 0.15 * load.patterns + 0.012 * load.code_width * load.counted;
    case Method::bitslice: return 0.3 * load.patterns + 0.04 * load.letters + 0.004 * load.counted + 40000 / std::max(load.n, 1.0);
    case Method::ntt: return 2.0 + load.letters + 2e-4 * load.counted + 4096 * 4 / std::max(load.n, 1.0);
    case Method::fft: return 100 * (1 + load.letters);
    case Method::split: return 1.0 + load.split;
    case Method::periodic: return 4.0 + 1.0 * load.increments;
    case Method::sumset:
    case Method::automatic: break;
  }
  return 1e3 + 100 * std::sqrt(load.length);
}

double predicted_bounded_ns(std::int64_t k, const Load& load) noexcept { return 0.5 + 0.01 * static_cast<double>(k) + 0 * load.n; }

TierCosts tier_costs(double places, double density, double length) noexcept {
  return {1.2 + 2e-4 * length, places / 200, places * density * 0.7};
}

}  // namespace pyalgo::hamming
