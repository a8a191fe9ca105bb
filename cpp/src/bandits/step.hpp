// One step of an environment, inline for whoever makes millions of them.
#pragma once

#include <algorithm>

#include "pyalgo/bandits.hpp"
#include "sampling.hpp"

namespace pyalgo::bandits {

// The window after the play has it at its end. A slot's old play is m steps old, and leaves.
inline double Environment::tally(Arm arm) {
  const std::size_t slot = slot_;
  slot_ = slot + 1 == memory_ ? 0 : slot + 1;
  const Arm leaving = ring_[slot];
  ring_[slot] = arm;
  ++time_;
  ++counts_[arm];
  switch (kind_) {
    case Weights::equal:
      if (leaving < arms_) --counts_[leaving];
      return weights_[row_of(arm) * memory_] * static_cast<double>(counts_[arm]);
    case Weights::geometric: return geometric_tally(arm, leaving);
    default:
      if (leaving < arms_) --counts_[leaving];
      return any_tally(arm, slot);
  }
}

// D_a(t) = rho D_a(t-1) + [a_t = a] - rho^m [a_{t-m} = a], brought up to date where an arm enters or leaves the window.
// With an arm's last play its sum is put to 0, so rounding errors live as long as the window. A run of one arm is one
// chain of operations, which is what a step of it takes: in registers from the sum to the sum.
inline double Environment::geometric_tally(Arm arm, std::size_t leaving) {
  const auto powers = [this](Arm a) { return &powers_[row_of(a) * (memory_ + 1)]; };
  const auto present = [&](Arm a) {  // as of now
    const std::uint64_t age = std::min<std::uint64_t>(time_ - touched_[a], memory_);
    touched_[a] = time_;
    return discounted_[a] * powers(a)[age];
  };
  double sum = present(arm);
  if (leaving < arms_) {
    const Arm old = static_cast<Arm>(leaving);
    const bool last = --counts_[old] == (old == arm ? 1 : 0);
    double& left = old == arm ? sum : discounted_[old];
    if (old != arm) left = present(old);
    left = last ? 0 : left - powers(old)[memory_];
  }
  discounted_[arm] = sum + 1;
  return weights_[row_of(arm) * memory_] * discounted_[arm];
}

// Every noise keeps the mean: what is clipped is clipped alike on both sides.
inline double Environment::noisy(double mean) {
  if (noise_ == Noise::none) return mean;
  const double room = std::min(mean, 1 - mean);
  switch (noise_) {
    case Noise::bernoulli: return draws_.uniform() < mean ? 1 : 0;
    case Noise::uniform: return mean + room * (2 * draws_.uniform() - 1);
    default: return mean + std::clamp(0.1 * normal(draws_), -room, room);
  }
}

inline Environment::Outcome Environment::do_step(Arm arm) {
  const double y = tally(arm);
  const double mu = curves_.kind == Curve::linear
                        ? curves_.h0[arm] + (curves_.h1[arm] - curves_.h0[arm]) * (y / full_[arm])
                        : mean(arm, y);
  return {y, mu, noisy(mu)};
}

}  // namespace pyalgo::bandits
