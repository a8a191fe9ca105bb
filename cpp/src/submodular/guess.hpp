// The structure kept for one guess of OPT: a ladder of levels over the live elements.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "pyalgo/submodular.hpp"

namespace pyalgo::submodular {

// The values of f({e}) that make e a candidate of guess j: from tau up to (1+eps) gamma. What gamma guesses is OPT, and tau is
// gamma / 2k; with a constraint it guesses the largest f({e}), up to the factor, and tau is (eps / 10k) (1+eps) gamma.
struct GuessRange {
  GuessRange(const GroundSet& ground, int j) : gamma(ground.grid.at(j)), tau(), top(ground.grid.at(j + 1)) {
    const Settings& settings = ground.settings;
    tau = settings.constraint ? settings.eps * top / (10.0 * settings.k) : gamma / (2.0 * settings.k);
  }
  bool contains(double single) const noexcept { return single >= tau && single < top; }

  double gamma, tau, top;
};

// Candidate sets R_1 >= R_2 >= ... and samples S_i of R_i with G_0 empty, G_i = G_{i-1} + S_i and
// R_{i+1} = {e in R_i - S_i : e may still join above G_i}. Only L(e), the largest i with e in R_i, is kept: level i lists the
// elements with L(e) = i. Deleted elements stay listed, and in the samples, until a rebuild or a sweep passes by; they count
// in G but are never published.
//
// What joins, how a level is sampled, and when a level is built again is up to the method, a class derived from this one.
class Guess {
 public:
  virtual ~Guess() = default;
  virtual std::unique_ptr<Guess> clone() const = 0;

  bool contains(double single) const noexcept { return range_.contains(single); }
  void build(std::vector<Slot> candidates);  // of an empty guess
  void insert(Slot slot);
  void erase(Slot slot);  // of an element no longer live
  void purge();           // lets go of all dead elements
  void clear();           // forgets everything, so that the guess can be dropped

  int index() const noexcept { return j_; }
  double gamma() const noexcept { return range_.gamma; }
  bool empty() const noexcept { return listed_ == stale_; }   // no live element
  double value() const noexcept { return chain_->value(); }  // f(G), dead elements included
  // A lower bound on f of the live elements of G: by submodularity they are worth at least what each gained over all
  // before it, dead ones included.
  double live_gain() const noexcept { return live_gain_; }
  // No k live elements are worth more, unless an f({e}) exceeds the range of the guess. HUGE_VAL: nothing is proven.
  virtual double upper_bound() const noexcept;
  virtual void append_live_sample(std::vector<Slot>& out) const;
  void append_candidates(std::size_t most, std::vector<Slot>& out) const;

  std::vector<OwnedKeys> samples() const;  // of each level

  std::size_t nbytes() const noexcept;
  virtual void audit() const;
  void save(SnapshotWriter& out) const;
  void load(SnapshotReader& in);

 protected:
  struct Level {
    std::vector<Slot> members;  // L(e) = this level; may hold dead elements
    std::vector<Slot> sample;   // S_i
    std::vector<double> gains;  // what each of the sample gained when it was added
    std::uint32_t at_build = 0;  // |R_i| then
    std::uint32_t inserted = 0;  // since then
  };

  Guess(GroundSet& ground, int j);
  Guess(const Guess& other);

  // Of elements that may join above the present prefix: levels over them, until none may join or the prefix is full.
  virtual void grow(std::vector<Slot> candidates) = 0;
  // A new element, not listed yet.
  virtual void arrived(Slot slot) = 0;
  // S_i lost an element, which is no longer live.
  virtual void sample_lost(std::uint32_t level) = 0;
  // The same of an element in no sample.
  virtual void candidate_lost(Slot) {}
  // S_T, of the top level, gained an element.
  virtual void sampled(Slot) {}
  // Lists and chain are back from a snapshot: what the class derives of them.
  virtual void loaded() {}
  // L(e) by the chain as it is.
  virtual std::uint32_t depth(Slot slot) const;
  // Whether e, in R_{level} and not in S_{level}, may join above G_{level}; L(e)'s definition, for audits and snapshots.
  virtual bool joins(Slot slot, std::uint32_t level) const;
  virtual const char* broken(const Level& level) const = 0;  // what of the method's rules a level breaks; null: none
  virtual const char* broken() const { return nullptr; }     // the same of the whole ladder

  std::uint32_t top() const noexcept { return static_cast<std::uint32_t>(levels_.size()); }
  virtual std::uint32_t capacity() const noexcept { return ground_.settings.k; }  // of the prefix
  bool full() const noexcept { return size_ >= capacity(); }
  Row row(Slot slot) const noexcept { return ground_.elements[slot].row; }
  bool live(Slot slot) const noexcept { return ground_.elements[slot].live; }

  void list(Slot slot, std::uint32_t depth);
  void open_level();
  void add_to_sample(Slot slot);  // of the top level, where it is listed too
  std::vector<Slot> release(std::uint32_t from);
  void rebuild(std::uint32_t from);
  virtual void refresh_live_gain();

  GroundSet& ground_;
  int j_;
  GuessRange range_;
  std::unique_ptr<PrefixChain> chain_;
  std::vector<Level> levels_;
  std::vector<Slot> beyond_;  // L(e) = T+1: only when the prefix is full
  std::uint32_t size_ = 0;    // |G|
  double live_gain_ = 0;

 private:
  std::vector<Slot>& members(std::uint32_t depth) { return depth > top() ? beyond_ : levels_[depth - 1].members; }
  std::uint32_t level_sampling(Slot slot) const;
  void sweep();
  void unlist(Slot slot);
  void audit_marginals() const;

  std::size_t listed_ = 0;  // entries of all member lists
  std::size_t stale_ = 0;   // dead ones among them
};

// Of the method and the constraint that the settings name.
std::unique_ptr<Guess> make_guess(GroundSet& ground, int j);

}  // namespace pyalgo::submodular
