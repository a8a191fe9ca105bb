// Method "param": one element a level, an expected number of queries an update that does not depend on the size of the
// set.
//
// Banihashem, Biabani, Goudarzi, Hajiaghayi, Jabbarzade, Monemizadeh: "Dynamic Algorithms for Matroid Submodular
// Maximization", SODA 2024 (arXiv 2306.00959).
#pragma once

#include "guess.hpp"
#include "pyalgo/rng.hpp"

namespace pyalgo::submodular {

// S_i = {e_i}, drawn uniformly from the live elements of R_i, whatever came and went before: an arrival takes the place
// of e_i with probability 1/|R_i|. So a deletion that does not know the random bits hits e_i with that probability too,
// and the |R_i| queries of the rebuild are a constant a level in expectation.
//
// Invariants between updates (audited): L(e) is as defined for every live element; every e_i is live; R_{T+1} is empty
// or the prefix is full.
class ParamGuess : public Guess {
 public:
  ParamGuess(GroundSet& ground, int j) : Guess(ground, j) {}
  std::unique_ptr<Guess> clone() const override { return std::make_unique<ParamGuess>(*this); }

 protected:
  void grow(std::vector<Slot> candidates) override;
  void arrived(Slot slot) override;
  void candidate_lost(Slot slot) override;
  void sample_lost(std::uint32_t level) override {
    for (std::uint32_t i = 1; i < level; ++i) --reach_[i - 1];
    rebuild(level);
  }
  void loaded() override {
    reach_.resize(top());
    count_reach(0, reach_);
  }
  const char* broken(const Level& level) const override;
  const char* broken() const override;

 private:
  PhiloxStream& random();
  void replace_sample(std::uint32_t level, Slot slot);
  void count_reach(std::uint32_t base, std::vector<std::uint32_t>& reach) const;

  std::vector<std::uint32_t> reach_;  // |R_i|, live elements only; lists may hold dead ones
  PhiloxStream random_{0, 0, 0};      // of the update at which it was opened
  std::uint64_t opened_ = UINT64_MAX;
};

}  // namespace pyalgo::submodular
