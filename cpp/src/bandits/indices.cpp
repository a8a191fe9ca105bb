// Policies that play the arm of the best index or draw one: of the classical bandit, whose losses do not remember.
#include <algorithm>
#include <cmath>
#include <deque>
#include <limits>

#include "sampling.hpp"
#include "pyalgo/bandits.hpp"

namespace pyalgo::bandits {
namespace {

class Ucb1 final : public Policy {
 public:
  explicit Ucb1(Arm arms) : Policy(arms), means_(arms), widths_(arms), pulls_(arms) {}

  // mean loss - sqrt(2 ln t / n_a); every arm is played once first.
  Arm choose() const override {
    if (fresh_ < arms()) return fresh_;
    const double scale = std::sqrt(2 * std::log(static_cast<double>(plays_)));
    Arm best = 0;
    double least = INFINITY;
    for (Arm arm = 0; arm < arms(); ++arm) {
      const double index = means_[arm] - scale * widths_[arm];
      if (index < least) best = arm, least = index;
    }
    return best;
  }
  Ticket play(Arm arm) override {
    ++plays_;
    if (arm == fresh_) ++fresh_;
    widths_[arm] = 1 / std::sqrt(static_cast<double>(++pulls_[arm]));
    return {arm, 0, 0};
  }
  void learn(const Ticket& ticket, double loss) override {
    count(ticket.arm, loss);
    means_[ticket.arm] = sums_[ticket.arm] / static_cast<double>(counts_[ticket.arm]);
  }
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Ucb1>(*this); }
  std::size_t nbytes() const noexcept override { return Policy::nbytes() + sizeof(Ucb1) + 24 * arms(); }

 protected:
  void do_save(SnapshotWriter& out) const override {
    out.u32(fresh_);
    for (const std::uint64_t pulls : pulls_) out.u64(pulls);
  }
  void do_load(SnapshotReader& in) override {
    fresh_ = in.u32();
    plays_ = 0;
    if (fresh_ > arms()) in.fail("an arm that is next");
    for (Arm arm = 0; arm < arms(); ++arm) {
      pulls_[arm] = in.u64();
      plays_ += pulls_[arm];
      if (pulls_[arm] < counts_[arm] || (pulls_[arm] > 0) != (arm < fresh_)) in.fail("as many plays as losses");
      widths_[arm] = pulls_[arm] > 0 ? 1 / std::sqrt(static_cast<double>(pulls_[arm])) : 0;
      means_[arm] = counts_[arm] > 0 ? sums_[arm] / static_cast<double>(counts_[arm]) : 0;
    }
  }

 private:
  Arm fresh_ = 0;  // the first arm that was not played
  std::uint64_t plays_ = 0;
  std::vector<double> means_, widths_;  // kept up to date, so that a choice needs neither division nor root an arm
  std::vector<std::uint64_t> pulls_;
};

class SlidingWindowUcb final : public Policy {
 public:
  SlidingWindowUcb(Arm arms, std::uint64_t window)
      : Policy(arms), window_(window), recent_sums_(arms), recent_counts_(arms) {}

  Arm choose() const override {
    const double t = static_cast<double>(std::min<std::uint64_t>(plays_, window_));
    const double scale = 2 * std::log(std::max(t, 1.0));
    Arm best = 0;
    double least = INFINITY;
    for (Arm arm = 0; arm < arms(); ++arm) {
      if (recent_counts_[arm] == 0) return arm;
      const double n = static_cast<double>(recent_counts_[arm]), index = recent_sums_[arm] / n - std::sqrt(scale / n);
      if (index < least) best = arm, least = index;
    }
    return best;
  }
  Ticket play(Arm arm) override {
    ++plays_;
    return {arm, 0, 0};
  }
  void learn(const Ticket& ticket, double loss) override {
    count(ticket.arm, loss);
    recent_.push_back({ticket.arm, loss});
    recent_sums_[ticket.arm] += loss;
    ++recent_counts_[ticket.arm];
    if (recent_.size() <= window_) return;
    const auto [arm, old] = recent_.front();
    recent_.pop_front();
    recent_sums_[arm] = --recent_counts_[arm] == 0 ? 0 : recent_sums_[arm] - old;
  }
  std::unique_ptr<Policy> clone() const override { return std::make_unique<SlidingWindowUcb>(*this); }
  std::size_t nbytes() const noexcept override {
    return Policy::nbytes() + sizeof(SlidingWindowUcb) + 16 * (arms() + recent_.size());
  }

 protected:
  void do_save(SnapshotWriter& out) const override {
    out.u64(plays_);
    for (const double sum : recent_sums_) out.f64(sum);  // what was added and taken away, with its rounding
    out.u32(static_cast<std::uint32_t>(recent_.size()));
    for (const auto& [arm, loss] : recent_) out.u32(arm), out.f64(loss);
  }
  void do_load(SnapshotReader& in) override {
    plays_ = in.u64();
    in.need(8 * recent_sums_.size());
    for (double& sum : recent_sums_) sum = in.f64();
    const std::size_t size = in.count(12);
    if (size > window_) in.fail("at most " + std::to_string(window_) + " losses");
    for (std::size_t i = 0; i < size; ++i) {
      const Arm arm = in.u32();
      const double loss = in.f64();
      if (arm >= arms() || !(loss >= 0 && loss <= 1)) in.fail("a loss of the window");
      recent_.push_back({arm, loss});
      ++recent_counts_[arm];
    }
    for (const double sum : recent_sums_)
      if (!std::isfinite(sum)) in.fail("a sum of losses");
  }

 private:
  std::uint64_t window_, plays_ = 0;
  std::deque<std::pair<Arm, double>> recent_;
  std::vector<double> recent_sums_;
  std::vector<std::uint64_t> recent_counts_;
};

class EpsilonGreedy final : public Policy {
 public:
  EpsilonGreedy(Arm arms, double epsilon, std::uint64_t seed) : Policy(arms), epsilon_(epsilon), seed_(seed) {}

  Arm choose() const override {
    PhiloxStream draws(seed_, epsilon_stream, plays_);
    return draws.uniform() < epsilon_ ? draws.below(arms()) : recommend();
  }
  Ticket play(Arm arm) override {
    ++plays_;
    return {arm, 0, 0};
  }
  void learn(const Ticket& ticket, double loss) override { count(ticket.arm, loss); }
  std::unique_ptr<Policy> clone() const override { return std::make_unique<EpsilonGreedy>(*this); }

 protected:
  void do_save(SnapshotWriter& out) const override { out.u64(plays_); }
  void do_load(SnapshotReader& in) override { plays_ = in.u64(); }

 private:
  double epsilon_;
  std::uint64_t seed_, plays_ = 0;
};

class ThompsonBeta final : public Policy {
 public:
  ThompsonBeta(Arm arms, std::uint64_t seed) : Policy(arms), seed_(seed) {}

  // The least of draws from Beta(1 + losses, 1 + gains).
  Arm choose() const override {
    PhiloxStream draws(seed_, thompson_stream, plays_);
    Arm best = 0;
    double least = INFINITY;
    for (Arm arm = 0; arm < arms(); ++arm) {
      const double bad = gamma(draws, 1 + sums_[arm]);
      const double good = gamma(draws, 1 + std::max(0.0, static_cast<double>(counts_[arm]) - sums_[arm]));
      if (bad / (bad + good) < least) best = arm, least = bad / (bad + good);
    }
    return best;
  }
  Ticket play(Arm arm) override {
    ++plays_;
    return {arm, 0, 0};
  }
  void learn(const Ticket& ticket, double loss) override { count(ticket.arm, loss); }
  std::unique_ptr<Policy> clone() const override { return std::make_unique<ThompsonBeta>(*this); }

 protected:
  void do_save(SnapshotWriter& out) const override { out.u64(plays_); }
  void do_load(SnapshotReader& in) override { plays_ = in.u64(); }

 private:
  std::uint64_t seed_, plays_ = 0;
};

class RandomArm final : public Policy {
 public:
  RandomArm(Arm arms, std::uint64_t seed) : Policy(arms), seed_(seed) {}

  Arm choose() const override { return PhiloxStream(seed_, random_stream, plays_).below(arms()); }
  Ticket play(Arm arm) override {
    ++plays_;
    return {arm, 0, 0};
  }
  void learn(const Ticket& ticket, double loss) override { count(ticket.arm, loss); }
  std::unique_ptr<Policy> clone() const override { return std::make_unique<RandomArm>(*this); }

 protected:
  void do_save(SnapshotWriter& out) const override { out.u64(plays_); }
  void do_load(SnapshotReader& in) override { plays_ = in.u64(); }

 private:
  std::uint64_t seed_, plays_ = 0;
};

class Sequence final : public Policy {
 public:
  Sequence(Arm arms, std::vector<Arm> sequence) : Policy(arms), sequence_(std::move(sequence)) {}

  Arm choose() const override { return plays_ < sequence_.size() ? sequence_[plays_] : sequence_.back(); }
  Ticket play(Arm arm) override {
    ++plays_;
    return {arm, 0, 0};
  }
  void learn(const Ticket& ticket, double loss) override { count(ticket.arm, loss); }
  Arm recommend() const override { return choose(); }
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Sequence>(*this); }
  std::size_t nbytes() const noexcept override { return Policy::nbytes() + sizeof(Sequence) + 4 * sequence_.size(); }

 protected:
  void do_save(SnapshotWriter& out) const override { out.u64(plays_); }
  void do_load(SnapshotReader& in) override { plays_ = in.u64(); }

 private:
  std::vector<Arm> sequence_;
  std::uint64_t plays_ = 0;
};

}  // namespace

std::unique_ptr<Policy> make_ucb1(Arm arms) { return std::make_unique<Ucb1>(arms); }
std::unique_ptr<Policy> make_sliding_window_ucb(Arm arms, std::uint64_t window) {
  return std::make_unique<SlidingWindowUcb>(arms, window);
}
std::unique_ptr<Policy> make_epsilon_greedy(Arm arms, double epsilon, std::uint64_t seed) {
  return std::make_unique<EpsilonGreedy>(arms, epsilon, seed);
}
std::unique_ptr<Policy> make_thompson_beta(Arm arms, std::uint64_t seed) {
  return std::make_unique<ThompsonBeta>(arms, seed);
}
std::unique_ptr<Policy> make_random_arm(Arm arms, std::uint64_t seed) {
  return std::make_unique<RandomArm>(arms, seed);
}
std::unique_ptr<Policy> make_sequence(Arm arms, std::vector<Arm> plays) {
  return std::make_unique<Sequence>(arms, std::move(plays));
}

}  // namespace pyalgo::bandits
