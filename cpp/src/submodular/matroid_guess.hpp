// Method "param" under a matroid constraint.
#pragma once

#include <optional>

#include "param.hpp"

namespace pyalgo::submodular {

// Beside the prefix I'_i = G_i of all that was ever promoted, an independent set I_i; w(e) = f(e|I') when e was
// promoted. e may join above level i if f(e|I'_i) >= tau, and either I_i + e is independent, or f(e|I'_i) >= 2 w(x) for
// the lightest x with I_i - x + e independent; then x makes room. k truncates: no set of more than k elements is
// independent.
//
// As i grows f(e|I'_i) falls, and w(x) rises: let I^v be the elements of I of weight v or more. The exchange takes x
// for a heavier element spanned by I^w(x), so the span of each I^v only grows, and the lightest x of e's circuit has
// the largest weight v with e in the span of I^v. So R_1 >= R_2 >= ..., and L(e) is found by bisection.
//
// Guarantee, with w(I_T) <= f(I_T) by submodularity: of those that made room each is at most half as heavy as what it
// made room for, so f(I') = w(I') <= 2 w(I_T). No o of an optimum O may join: its gain over I' is below tau = (eps/10k)
// MAX, or below 2 w(x) for its lightest x; those o can be matched to distinct elements of their circuits (O is
// independent), so the latter gains are at most 2 w(I_T) in all. Hence OPT <= f(I') + 2 w(I_T) + (eps/10) MAX <= 4
// w(I_T) + (eps/10) MAX.
class MatroidGuess final : public ParamGuess {
 public:
  MatroidGuess(GroundSet& ground, int j) : ParamGuess(ground, j) {}
  std::unique_ptr<Guess> clone() const override { return std::make_unique<MatroidGuess>(*this); }

  double upper_bound() const noexcept override;
  void append_live_sample(std::vector<Slot>& out) const override;  // I_T
  void audit() const override;

 private:
  // I_i by falling weight, of equals the earlier first.
  struct Basis {
    std::vector<std::uint32_t> levels;  // e_a of level a
    std::vector<Slot> slots;
  };

  std::uint32_t capacity() const noexcept override { return UINT32_MAX; }
  std::uint32_t depth(Slot slot) const override;
  bool joins(Slot slot, std::uint32_t level) const override;
  void sampled(Slot slot) override;
  void refresh_live_gain() override;  // w(I_T)

  Slot element(std::uint32_t level) const noexcept { return levels_[level - 1].sample.front(); }
  double weight(std::uint32_t level) const noexcept { return levels_[level - 1].gains.front(); }
  bool stays(std::uint32_t level, std::uint32_t until) const noexcept { return left_at_[level - 1] > until; }
  Basis basis(std::uint32_t level) const;
  std::optional<std::uint32_t> makes_room(const Basis& basis, Slot slot) const;

  static constexpr std::uint32_t never = UINT32_MAX;
  std::vector<std::uint32_t> left_at_;  // by level a: the one whose element took the place of e_a
};

}  // namespace pyalgo::submodular
