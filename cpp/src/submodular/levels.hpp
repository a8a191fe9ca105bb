// Method "levels": samples of many elements a level, an expected polylogarithmic number of queries an update.
#pragma once

#include "guess.hpp"
#include "pyalgo/rng.hpp"

namespace pyalgo::submodular {

// e joins above G_i if f(e|G_i) >= tau. A level is a random sample of a bucket of candidates whose marginals agree within
// 1+eps, so that a deletion that does not know the random bits seldom hits it.
//
// Invariants between updates (audited):
//   L(e) is as defined for every live element; R_{T+1} is empty or |G_T| = k;
//   the dead elements of the samples gained at most eps f(G), so that f(live G) >= (1-eps) f(G);
//   fewer than max(1, |R_i| at build) insertions reached level i since it was built.
class LevelsGuess final : public Guess {
 public:
  LevelsGuess(GroundSet& ground, int j);
  std::unique_ptr<Guess> clone() const override { return std::make_unique<LevelsGuess>(*this); }

 private:
  void grow(std::vector<Slot> candidates) override;
  void arrived(Slot slot) override;
  void sample_lost(std::uint32_t) override { repay(); }
  const char* broken(const Level& level) const override;
  const char* broken() const override;

  bool in_debt() const noexcept { return live_gain() < (1 - ground_.settings.eps) * value(); }
  void repay();
  std::uint32_t cheapest_repair() const;
  void survey(std::vector<Slot>& candidates, std::vector<double>& gains, std::vector<Slot>& fallen, PhiloxStream& random);
  void sample_level(std::vector<Slot>& candidates, const std::vector<double>& gains, PhiloxStream& random);

  std::vector<double> edges_;  // tau (1+eps)^b, b = 0, 1, ...: the lower edges of the buckets of marginals
};

}  // namespace pyalgo::submodular
