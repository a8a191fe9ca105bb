#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "pyalgo/bandits.hpp"

namespace pyalgo::bandits {
namespace {

// A history of plays is the number whose lowest digit in base K is the latest play.
std::size_t power(std::size_t base, std::size_t exponent) {
  std::size_t value = 1;
  while (exponent-- > 0) value *= base;
  return value;
}

}  // namespace

bool Planner::fits(const Environment& environment) noexcept {
  double states = 1;
  for (std::size_t i = 1; i < environment.memory(); ++i) {
    states *= environment.arms();
    if (states > static_cast<double>(most_states) || i > 62) return false;
  }
  return states * environment.arms() <= 16.0 * most_states;
}

Planner::Planner(const Environment& environment)
    : environment_(environment), arms_(environment.arms()), depth_(environment.memory() - 1), states_(0) {
  if (!fits(environment)) throw std::invalid_argument("the states of the last m - 1 plays are more than 2000000");
  states_ = power(arms_, depth_);
  for (std::size_t length = 0; length <= depth_; ++length) costs_.push_back(costs_of(length));
}

std::vector<double> Planner::costs_of(std::size_t length) const {
  const std::size_t histories = power(arms_, length);
  std::vector<double> costs(histories * arms_), tallies(arms_);
  for (std::size_t history = 0; history < histories; ++history) {
    for (std::size_t arm = 0; arm < arms_; ++arm) tallies[arm] = environment_.weight(static_cast<Arm>(arm), 0);
    for (std::size_t age = 1, rest = history; age <= length; ++age, rest /= arms_)
      tallies[rest % arms_] += environment_.weight(static_cast<Arm>(rest % arms_), age);
    for (std::size_t arm = 0; arm < arms_; ++arm)
      costs[history * arms_ + arm] = environment_.mean(static_cast<Arm>(arm), tallies[arm]);
  }
  return costs;
}

// V_{t}(s) = min_a c(s, a) + V_{t-1}(s a), where s a drops the oldest play.
void Planner::advance(std::vector<double>& values, std::vector<double>& room) const {
  const std::vector<double>& costs = costs_[depth_];
  const std::size_t tails = depth_ == 0 ? 1 : states_ / arms_;
  for (std::size_t state = 0; state < states_; ++state) {
    const double* next = &values[depth_ == 0 ? 0 : state % tails * arms_];
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t arm = 0; arm < arms_; ++arm)
      least = std::min(least, costs[state * arms_ + arm] + next[depth_ == 0 ? 0 : arm]);
    room[state] = least;
  }
  values.swap(room);
}

// From the empty history, where `values` are those of histories of `length`.
double Planner::from_start(const std::vector<double>& values, std::size_t length) const {
  std::vector<double> later = values;
  while (length-- > 0) {
    std::vector<double> earlier(power(arms_, length), std::numeric_limits<double>::infinity());
    for (std::size_t history = 0; history < earlier.size(); ++history)
      for (std::size_t arm = 0; arm < arms_; ++arm) {
        const std::size_t at = history * arms_ + arm;
        earlier[history] = std::min(earlier[history], costs_[length][at] + later[at]);
      }
    later.swap(earlier);
  }
  return later[0];
}

std::vector<double> Planner::values(Span<const std::uint64_t> horizons) const {
  std::vector<double> found, values(states_), room(states_);
  std::uint64_t done = 0;  // steps from a full history
  for (const std::uint64_t horizon : horizons) {
    if (horizon < depth_) {
      const auto length = static_cast<std::size_t>(horizon);
      found.push_back(from_start(std::vector<double>(power(arms_, length)), length));
      continue;
    }
    for (; done < horizon - depth_; ++done) advance(values, room);
    found.push_back(from_start(values, depth_));
  }
  return found;
}

// Values are kept every so many steps, and made again in between: sqrt(T) of them in memory instead of T.
std::vector<Arm> Planner::plays(std::uint64_t horizon) const {
  const std::uint64_t steady = horizon > depth_ ? horizon - depth_ : 0;
  const auto gap = static_cast<std::uint64_t>(std::ceil(std::sqrt(static_cast<double>(steady + 1))));
  std::vector<std::vector<double>> kept;
  std::vector<double> values(states_), room(states_);
  for (std::uint64_t t = 0; t <= steady; ++t) {
    if (t % gap == 0) kept.push_back(values);
    if (t < steady) advance(values, room);
  }
  std::vector<Arm> plays;
  // The start, whose histories are short: layers of values by length, the longest first.
  const std::size_t start = static_cast<std::size_t>(std::min<std::uint64_t>(horizon, depth_));
  std::vector<std::vector<double>> layers(start + 1);
  layers[start] = horizon > depth_ ? values : std::vector<double>(power(arms_, start));
  for (std::size_t length = start; length-- > 0;) {
    layers[length].assign(power(arms_, length), std::numeric_limits<double>::infinity());
    for (std::size_t at = 0; at < layers[length + 1].size(); ++at)
      layers[length][at / arms_] = std::min(layers[length][at / arms_], costs_[length][at] + layers[length + 1][at]);
  }
  std::size_t state = 0;
  const auto take = [&](const std::vector<double>& costs, const std::vector<double>& next, std::size_t size) {
    std::size_t best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t arm = 0; arm < arms_; ++arm) {
      const double value = costs[state * arms_ + arm] + next[(state * arms_ + arm) % size];
      if (value < least) best = arm, least = value;
    }
    plays.push_back(static_cast<Arm>(best));
    state = (state * arms_ + best) % size;
  };
  for (std::size_t length = 0; length < start; ++length)
    take(costs_[length], layers[length + 1], layers[length + 1].size());
  std::vector<std::vector<double>> between;  // V_t for t from kept's multiple below on
  for (std::uint64_t left = steady; left > 0; --left) {
    const std::uint64_t wanted = left - 1, base = wanted / gap;
    if (between.empty() || wanted % gap == gap - 1 || left == steady) {
      between.assign(1, kept[base]);
      for (std::uint64_t t = base * gap; t < wanted; ++t) {
        between.push_back(between.back());
        advance(between.back(), room);
      }
    }
    take(costs_[depth_], between[wanted % gap], states_);
  }
  return plays;
}

}  // namespace pyalgo::bandits
