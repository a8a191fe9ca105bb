// The levels structure of one guess of OPT.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pyalgo/rng.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

// The values of f({e}) that make e a candidate of guess j: from tau = gamma / 2k up to (1+eps) gamma.
struct GuessRange {
  GuessRange(const GroundSet& ground, int j)
      : gamma(ground.grid.at(j)), tau(gamma / (2.0 * ground.settings.k)), top(ground.grid.at(j + 1)) {}
  bool contains(double single) const noexcept { return single >= tau && single < top; }

  double gamma, tau, top;
};

// For gamma = (1+eps)^j and the threshold tau = gamma / 2k, over the live elements with tau <= f({e}) < (1+eps) gamma:
// candidate sets R_1 >= R_2 >= ... and samples S_i of R_i with G_i = G_{i-1} + S_i and
// R_{i+1} = {e in R_i - S_i : f(e|G_i) >= tau}. Only L(e), the largest i with e in R_i, is kept: level i lists the elements with
// L(e) = i. Deleted elements stay listed, and in the samples, until a rebuild or a sweep passes by.
//
// Invariants between updates (audited by `audit`):
//   L(e) is as defined for every live element; at most eps|S_i| elements of S_i are dead;
//   fewer than max(1, |R_i| at build) insertions reached level i since it was built; R_{T+1} is empty or |G_T| = k.
class Guess {
 public:
  Guess(GroundSet& ground, int j);

  bool contains(double single) const noexcept { return range_.contains(single); }
  void build(const std::vector<Slot>& candidates);  // of an empty guess
  void insert(Slot slot);
  void erase(Slot slot);  // of an element no longer live
  void clear();           // forgets everything, so that the guess can be dropped

  double gamma() const noexcept { return range_.gamma; }
  bool full() const noexcept { return size_ >= ground_.settings.k; }
  bool empty() const noexcept { return listed_ == stale_; }  // no live element
  double value() const noexcept { return chain_->value(); }  // f(G), dead elements included
  // A lower bound on f of the live elements of G: by submodularity they are worth at least what each gained over all
  // before it, dead ones included.
  double live_gain() const noexcept { return live_gain_; }
  void append_live_sample(std::vector<Slot>& out) const;

  std::size_t nbytes() const noexcept;
  void audit() const;
  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 private:
  struct Level {
    std::vector<Slot> members;  // L(e) = this level; may hold dead elements
    std::vector<Slot> sample;   // S_i
    std::vector<double> gains;  // what each of the sample gained when it was added
    std::uint32_t at_build = 0;
    std::uint32_t inserted = 0;
    std::uint32_t deleted = 0;  // of the sample

    double live_gain(const std::vector<Element>& elements) const;
  };

  std::vector<Slot>& members(std::uint32_t depth) {
    return depth > levels_.size() ? beyond_ : levels_[depth - 1].members;
  }
  void rebuild(std::uint32_t from);
  std::vector<Slot> release(std::uint32_t from);
  void grow(std::vector<Slot> candidates);
  std::vector<bool> sample_level(const std::vector<Slot>& candidates, const std::vector<double>& gains,
                                 PhiloxStream& random);
  void sweep();
  void unlist(Slot slot);
  void refresh_live_gain();
  void audit_marginals() const;
  Row row(Slot slot) const noexcept { return ground_.elements[slot].row; }

  GroundSet& ground_;
  int j_;
  GuessRange range_;
  std::vector<double> edges_;  // tau (1+eps)^b, b = 0, 1, ...: the lower edges of the buckets of marginals
  std::unique_ptr<PrefixChain> chain_;
  std::vector<Level> levels_;
  std::vector<Slot> beyond_;   // L(e) = T+1: only when |G| = k
  std::uint32_t size_ = 0;     // |G|
  std::size_t listed_ = 0;     // entries of all member lists
  std::size_t stale_ = 0;      // dead ones among them
  double live_gain_ = 0;
};

}  // namespace pyalgo::submodular
