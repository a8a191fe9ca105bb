#include "cost.hpp"

#include <algorithm>
#include <cmath>
#include <mutex>

namespace pyalgo::hamming {
namespace {

constexpr std::array<double, kCostFactors> kAsShipped = {1, 1, 1, 1, 1, 1, 1, 1};
std::mutex mutex;
std::array<double, kCostFactors> factors = kAsShipped;

const Costs& shipped_costs(Isa isa) {
  static const Costs generic{0.15, 0.03, 0.5, 0.1, 0.02, 4e4, 0.2, 0.2, 1e-4, 0.8, 4, 1, 0.06, kAsShipped};
  static const Costs avx2{0.15, 0.012, 0.3, 0.04, 0.004, 4e4, 0.05, 0.05, 5e-5, 0.7, 4, 1, 0.03, kAsShipped};
  static const Costs avx512{0.15, 0.01, 0.3, 0.04, 0.002, 4e4, 0.05, 0.05, 5e-5, 0.7, 4, 1, 0.02, kAsShipped};
  return isa == Isa::avx512 ? avx512 : isa == Isa::avx2 ? avx2 : generic;
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
  const auto raw = [&]() -> double {
    switch (method) {
      case Method::compare: return costs.compare_position * load.patterns + costs.compare_byte * load.code_width * load.counted;
      case Method::bitslice:
        return costs.slice_position * load.patterns + costs.slice_letter * load.letters + costs.slice_symbol * load.counted +
               costs.slice_call / std::max(load.n, 1.0);
      case Method::ntt: return 2.0 + load.letters + 2e-4 * load.counted + 4096 * 4 / std::max(load.n, 1.0);
      case Method::fft: return 100 * (1 + load.letters);
      case Method::split: return load.split;
      case Method::periodic: return costs.periodic_position * load.patterns + costs.periodic_increment * load.increments;
      case Method::sumset:
      case Method::automatic: break;
    }
    return 1e3 + 100 * std::sqrt(load.length);
  };
  return costs.factors[static_cast<std::size_t>(method)] * raw();
}

double predicted_bounded_ns(std::int64_t k, const Load& load, const Costs& costs) {
  (void)load;
  return costs.factors[0] * (0.5 + 0.01 * static_cast<double>(k));
}

}  // namespace pyalgo::hamming
