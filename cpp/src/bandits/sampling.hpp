// Draws of the random policies and environments: from sequences by number, never from a generator that is state.
#pragma once

#include <cmath>
#include <cstdint>

#include "pyalgo/rng.hpp"

namespace pyalgo::bandits {

// What draws: one stream of the generator each. Environments take a stream a run, from 2^16 on.
enum Stream : std::uint32_t { exp3_stream = 1, epsilon_stream, thompson_stream, random_stream, run_stream = 1U << 16 };

// Standard normal, by Box and Muller; the last bit is the C library's.
inline double normal(PhiloxStream& draws) {
  const double radius = std::sqrt(-2 * std::log(1 - draws.uniform()));
  return radius * std::cos(6.283185307179586 * draws.uniform());
}

// Gamma of shape >= 1 and scale 1: Marsaglia, Tsang, "A Simple Method for Generating Gamma Variables", 2000.
inline double gamma(PhiloxStream& draws, double shape) {
  const double d = shape - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  for (;;) {
    const double x = normal(draws), base = 1 + c * x;
    if (base <= 0) continue;
    const double v = base * base * base;
    if (std::log(1 - draws.uniform()) < 0.5 * x * x + d - d * v + d * std::log(v)) return d * v;
  }
}

}  // namespace pyalgo::bandits
