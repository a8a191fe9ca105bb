#include <algorithm>
#include <cmath>

#include "sampling.hpp"
#include "pyalgo/bandits.hpp"

namespace pyalgo::bandits {
namespace {

// Rewards 1 - loss are estimated by (1 - loss) / p_a, and each weight multiplied by exp(gamma estimate / K). Over
// batches the estimate is that of the batch's mean reward: the product of a batch's factors, whenever its losses
// arrive.
class Exp3 final : public Policy {
 public:
  Exp3(Arm arms, std::uint64_t horizon, std::uint64_t batch, std::uint64_t seed)
      : Policy(arms), horizon_(horizon), batch_(batch), seed_(seed), weights_(arms, 1.0) {
    begin(horizon > 0 ? std::max<std::uint64_t>(horizon / batch, 1) : 1000);
  }

  Arm choose() const override { return in_batch_ > 0 ? held_ : draw(); }
  Ticket play(Arm arm) override {
    if (in_batch_ == 0) {
      held_ = arm;
      probability_ = (1 - gamma_) * weights_[arm] / total() + gamma_ / arms();
    }
    const Ticket ticket{arm, phase_, probability_};
    if (++in_batch_ == batch_) {
      in_batch_ = 0;
      if (++batches_ >= length_ && horizon_ == 0) {
        ++phase_;  // losses that are still to come belong to weights that are gone
        begin(2 * length_);
      }
    }
    return ticket;
  }
  void learn(const Ticket& ticket, double loss) override {
    count(ticket.arm, loss);
    if (ticket.mark != phase_) return;
    const double rate = gamma_ / (static_cast<double>(arms()) * static_cast<double>(batch_));
    weights_[ticket.arm] *= std::exp(rate * (1 - loss) / ticket.weight);
    if (weights_[ticket.arm] > 1e100)
      for (double& weight : weights_) weight = std::max(weight * 1e-100, 1e-290);
  }
  std::unique_ptr<Policy> clone() const override { return std::make_unique<Exp3>(*this); }
  std::size_t nbytes() const noexcept override { return Policy::nbytes() + sizeof(Exp3) + 8 * arms(); }

 protected:
  void do_save(SnapshotWriter& out) const override {
    for (const double weight : weights_) out.f64(weight);
    out.u64(drawn_ + batches_);
    out.u64(length_);
    out.u64(batches_);
    out.u64(in_batch_);
    out.u32(held_);
    out.u32(phase_);
    out.f64(probability_);
  }
  void do_load(SnapshotReader& in) override {
    in.need(8 * weights_.size());
    for (double& weight : weights_) {
      weight = in.f64();
      if (!(weight > 0 && weight < 1e110)) in.fail("a positive weight");
    }
    const std::uint64_t draws = in.u64(), length = in.u64(), batches = in.u64();
    in_batch_ = in.u64();
    held_ = in.u32();
    phase_ = in.u32();
    probability_ = in.f64();
    if (length == 0 || draws < batches || in_batch_ >= batch_ || held_ >= arms() ||
        !(probability_ >= 0 && probability_ <= 1))
      in.fail("a place in the batches");
    const auto weights = weights_;
    begin(length);
    weights_ = weights;
    batches_ = batches;
    drawn_ = draws - batches;
  }

 private:
  void begin(std::uint64_t length) {
    drawn_ += batches_;
    batches_ = 0;
    length_ = length;
    const double k = arms();
    gamma_ = std::min(1.0, std::sqrt(k * std::log(k) / (1.718281828459045 * static_cast<double>(length))));
    std::fill(weights_.begin(), weights_.end(), 1.0);
  }
  double total() const {
    double sum = 0;
    for (const double weight : weights_) sum += weight;
    return sum;
  }
  Arm draw() const {
    PhiloxStream draws(seed_, exp3_stream, drawn_ + batches_);
    if (draws.uniform() < gamma_) return draws.below(arms());
    double at = draws.uniform() * total();
    for (Arm arm = 0; arm + 1 < arms(); ++arm)
      if ((at -= weights_[arm]) < 0) return arm;
    return arms() - 1;
  }

  std::uint64_t horizon_, batch_, seed_;
  std::uint64_t length_ = 0, batches_ = 0, drawn_ = 0;  // batches wanted, and made, in this phase; made before it
  std::uint64_t in_batch_ = 0;
  Arm held_ = 0;
  std::uint32_t phase_ = 0;
  double gamma_ = 1, probability_ = 1;
  std::vector<double> weights_;
};

}  // namespace

std::unique_ptr<Policy> make_exp3(Arm arms, std::uint64_t horizon, std::uint64_t batch, std::uint64_t seed) {
  return std::make_unique<Exp3>(arms, horizon, batch, seed);
}

}  // namespace pyalgo::bandits
