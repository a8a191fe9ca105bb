#include <algorithm>
#include <cmath>

#include "pyalgo/bandits.hpp"
#include "pyalgo/bits.hpp"

namespace pyalgo::bandits {
namespace {

std::uint64_t first_horizon(const EliminationSettings& settings) {
  return std::max<std::uint64_t>(2 * settings.arms * settings.burn_in, 1000);
}

std::uint32_t tests_within(std::uint64_t horizon) { return bit_width(horizon - 1) + 1; }  // ceil(log2 T) + 1

}  // namespace

Schedule::Schedule(const EliminationSettings& settings) : settings_(settings) {
  constexpr std::uint64_t longest = std::uint64_t{1} << 60;
  const double log_term = this->log_term(0);
  std::uint64_t block = settings.first_block;
  if (block == 0)
    block = std::max<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(2 * log_term)), settings.burn_in);
  const std::uint64_t most = settings.horizon > 0 ? settings.horizon : longest;
  const std::uint32_t epochs = settings.horizon > 0 ? tests_within(settings.horizon) : 62;
  pooled_.push_back(0);
  for (std::uint32_t s = 0; s < epochs && (settings.horizon > 0 || block < longest); ++s) {
    blocks_.push_back(std::min(block, most));
    pooled_.push_back(pooled_.back() + blocks_.back());
    block = std::min(2 * block, longest);
  }
}

double Schedule::union_size(std::uint64_t horizon) const {
  const double tests = tests_within(horizon), sides = settings_.bernstein ? 3 : 2;
  return sides * settings_.arms * (settings_.horizon > 0 ? tests : tests * (tests + 1));
}

double Schedule::log_term(std::uint64_t plays) const {
  std::uint64_t horizon = settings_.horizon;
  if (horizon == 0)
    for (horizon = first_horizon(settings_); horizon < plays;) horizon *= 2;
  const double delta = settings_.delta > 0 ? settings_.delta : 1 / static_cast<double>(horizon);
  return std::log(union_size(horizon) / delta);
}

// Hoeffding's, or that of Audibert, Munos, Szepesvari 2009 (Theorem 1), which is why it has a third event in the union.
double Schedule::radius(double count, double variance, double log_term) const {
  if (!settings_.bernstein) return settings_.radius_scale * std::sqrt(log_term / (2 * count));
  return settings_.radius_scale * (std::sqrt(2 * variance * log_term / count) + 3 * log_term / count);
}

// At radius c r the exponent is c^2 L for Hoeffding's, and at least min(c, c^2) L for Bernstein's; c = 1 gives delta.
double Schedule::failure() const {
  const double c = settings_.radius_scale, power = settings_.bernstein ? std::min(c, c * c) : c * c;
  const std::uint64_t horizon = settings_.horizon > 0 ? settings_.horizon : first_horizon(settings_);
  const double delta = settings_.delta > 0 ? settings_.delta : 1 / static_cast<double>(horizon);
  if (settings_.horizon > 0) {
    const double size = union_size(horizon);
    return power == 1 ? delta : std::min(1.0, size * std::pow(delta / size, power));
  }
  const double sides = (settings_.bernstein ? 3.0 : 2.0) * settings_.arms;
  double sum = 0;
  for (std::uint32_t s = 0; s < epochs(); ++s) sum += sides * std::pow(delta / (sides * (s + 1.0) * (s + 2.0)), power);
  return std::min(1.0, sum);
}

}  // namespace pyalgo::bandits
