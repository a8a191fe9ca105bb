#include <algorithm>
#include <cmath>
#include <numeric>

#include "pyalgo/bandits.hpp"

namespace pyalgo::bandits {
namespace {

constexpr std::uint32_t kCounts = 1, kFirstHalf = 2, kSecondHalf = 4;  // of a ticket

}  // namespace

Elimination::Elimination(const EliminationSettings& settings)
    : Policy(settings.arms),
      schedule_(settings),
      order_(settings.arms),
      dropped_(settings.arms),
      done_(settings.arms == 1),
      left_(settings.arms == 1 ? 0 : schedule_.block(0)),
      saturated_(settings.arms),
      squares_(settings.bernstein ? settings.arms : 0),
      lower_(settings.arms, 0.0),
      upper_(settings.arms, 1.0),
      halves_(settings.arms),
      drifting_(settings.arms) {
  std::iota(order_.begin(), order_.end(), 0U);
}

Ticket Elimination::play_counted(Arm arm) {
  if (waiting_) return {arm, kCounts, 0};
  const std::uint64_t block = schedule_.block(epoch_), at = block - left_, half = block / 2;
  const std::uint32_t mark = kCounts | (at < half ? kFirstHalf : 0) | (at >= block - half ? kSecondHalf : 0);
  if (--left_ == 0) {
    waiting_ = ++index_ == order_.size();
    left_ = schedule_.block(epoch_);
  }
  return {arm, mark, 0};
}

void Elimination::observe(Arm arm) {
  run_ = std::min(run_of(arm) + 1, schedule_.settings().burn_in);
  last_ = arm;
  ++plays_;
  ++burned_;
}

void Elimination::learn_counted(const Ticket& ticket, double loss) {
  const Arm arm = ticket.arm;
  count(arm, loss);
  if (!squares_.empty()) squares_[arm] += loss * loss;
  if ((ticket.mark & (kFirstHalf | kSecondHalf)) != 0) {
    const int half = (ticket.mark & kSecondHalf) != 0;
    halves_[arm].sums[half] += loss;
    ++halves_[arm].counts[half];
  }
  if (waiting_ && ready()) test();
}

Arm Elimination::recommend() const {
  if (done_) return order_[0];
  Arm best = order_[0];
  for (const Arm arm : order_)
    if (counts_[arm] > 0 && (counts_[best] == 0 || mean(arm) < mean(best) || (mean(arm) == mean(best) && arm < best)))
      best = arm;
  return best;
}

bool Elimination::ready() const noexcept {
  const double wanted = (1 - schedule_.settings().max_missing) * static_cast<double>(schedule_.pooled(epoch_ + 1));
  return std::all_of(order_.begin(), order_.end(),
                     [&](Arm arm) { return counts_[arm] > 0 && static_cast<double>(counts_[arm]) >= wanted; });
}

double Elimination::variance(Arm arm) const noexcept {
  if (squares_.empty()) return 0;
  const double mean = this->mean(arm);
  return std::max(0.0, squares_[arm] / static_cast<double>(counts_[arm]) - mean * mean);
}

void Elimination::test() {
  const double log_term = schedule_.log_term(plays_);
  const auto radius = [&](Arm arm) {
    return schedule_.radius(static_cast<double>(counts_[arm]), variance(arm), log_term);
  };
  double least = INFINITY;
  for (const Arm arm : order_) {
    const double r = radius(arm);
    lower_[arm] = std::max(lower_[arm], mean(arm) - r);
    upper_[arm] = std::min(upper_[arm], mean(arm) + r);
    least = std::min(least, mean(arm) + r);
    look_for_drift(arm, log_term);
  }
  const auto dropped = [&](Arm arm) { return mean(arm) - radius(arm) > least; };
  for (const Arm arm : order_) dropped_[arm] = dropped(arm);
  order_.erase(std::remove_if(order_.begin(), order_.end(), [this](Arm arm) { return dropped_[arm] != 0; }),
               order_.end());
  std::reverse(order_.begin(), order_.end());  // the arm played last goes on, and needs no burn-in
  ++epoch_;
  index_ = 0;
  waiting_ = false;
  done_ = is_done();
  left_ = done_ ? 0 : schedule_.block(epoch_);
  if (done_)
    std::iter_swap(order_.begin(),
                   std::min_element(order_.begin(), order_.end(), [this](Arm a, Arm b) { return mean(a) < mean(b); }));
}

// The two halves of blocks have equal means if M >= m. By Hoeffding's inequality the difference of the means of n_1 and
// n_2 losses exceeds sqrt(L (1/n_1 + 1/n_2) / 2) with probability 2 exp(-L) = delta / (K S) at most.
void Elimination::look_for_drift(Arm arm, double log_term) {
  const Halves& halves = halves_[arm];
  if (drifting_[arm] != 0 || halves.counts[0] == 0 || halves.counts[1] == 0) return;
  const double first = static_cast<double>(halves.counts[0]), second = static_cast<double>(halves.counts[1]);
  const double difference = halves.sums[1] / second - halves.sums[0] / first;
  if (std::abs(difference) <= std::sqrt(log_term * (1 / first + 1 / second) / 2)) return;
  drifting_[arm] = 1;
  if (!alarm_) alarm_ = {arm, epoch_};
}

std::optional<std::pair<Arm, std::uint32_t>> Elimination::take_alarm() {
  auto taken = alarm_;
  alarm_.reset();
  return taken;
}

// Let G be the event that no interval of any test misses h_a(W). On it the best arm x* is never dropped, so h* is at
// least the least lower end among the arms left. A play whose tally is W costs h_a(W) - h*, any other one at most 1 -
// h*; and an arm that is left alone is x*, of cost 0.
double Elimination::bound_regret() const {
  double least = 1;
  for (const Arm arm : order_) least = std::min(least, lower_[arm]);
  least = std::max(least, 0.0);
  double bound = static_cast<double>(burned_) * (1 - least);
  for (Arm arm = 0; arm < arms(); ++arm)
    if (order_.size() > 1 || arm != order_[0])
      bound += static_cast<double>(saturated_[arm]) * std::max(0.0, std::min(upper_[arm], 1.0) - least);
  return bound;
}

Elimination::Report Elimination::report() const {
  Report report{std::vector<bool>(arms()),
                {},
                lower_,
                upper_,
                epoch_,
                Phase::exploring,
                plays_,
                schedule_.failure(),
                bound_regret(),
                {}};
  for (const Arm arm : order_) report.active[arm] = true;
  const double log_term = schedule_.log_term(plays_);
  for (Arm arm = 0; arm < arms(); ++arm) {
    const bool known = counts_[arm] > 0;
    report.radii.push_back(known ? schedule_.radius(static_cast<double>(counts_[arm]), variance(arm), log_term)
                                 : INFINITY);
    report.drifting.push_back(drifting_[arm] != 0);
  }
  if (order_.size() == 1)
    report.phase = Phase::committed;
  else if (done_)
    report.phase = Phase::over;
  else if (waiting_)
    report.phase = Phase::waiting;
  return report;
}

std::size_t Elimination::nbytes() const noexcept {
  return Policy::nbytes() + sizeof(Elimination) - sizeof(Policy) + arms() * (sizeof(Arm) + 25 + sizeof(Halves) + 1) +
         8 * squares_.size();
}

void Elimination::do_save(SnapshotWriter& out) const {
  out.u32s(order_);
  out.u64(index_);
  out.u64(left_);
  out.u32(epoch_);
  out.u8(waiting_);
  out.u32(last_);
  out.u64(run_);
  out.u64(plays_);
  out.u64(burned_);
  for (Arm arm = 0; arm < arms(); ++arm) {
    out.u64(saturated_[arm]);
    out.f64(lower_[arm]);
    out.f64(upper_[arm]);
    for (const int half : {0, 1}) out.f64(halves_[arm].sums[half]), out.u64(halves_[arm].counts[half]);
    out.u8(drifting_[arm]);
    if (!squares_.empty()) out.f64(squares_[arm]);
  }
}

void Elimination::do_load(SnapshotReader& in) {
  const std::size_t left = in.count(4);
  if (left < 1 || left > arms()) in.fail("from 1 to " + std::to_string(arms()) + " arms that are left");
  std::vector<bool> seen(arms());
  order_.resize(left);
  for (Arm& arm : order_) {
    arm = in.u32();
    if (arm >= arms() || seen[arm]) in.fail("an order of arms");
    seen[arm] = true;
  }
  index_ = static_cast<std::size_t>(in.u64());
  left_ = in.u64();
  epoch_ = in.u32();
  done_ = is_done();
  for (Arm arm = 0; arm < arms(); ++arm) dropped_[arm] = !seen[arm];
  waiting_ = in.u8() != 0;
  last_ = in.u32();
  run_ = in.u64();
  plays_ = in.u64();
  burned_ = in.u64();
  if (epoch_ > schedule_.epochs() || last_ >= arms() || run_ > schedule_.settings().burn_in)
    in.fail("a place in the schedule");
  const bool within =
      done_ ? left_ == 0 && !waiting_ && index_ == 0
            : left_ >= 1 && left_ <= schedule_.block(epoch_) && (index_ < left || (waiting_ && index_ == left));
  if (!within || waiting_ != (!done_ && index_ == left)) in.fail("a place in the epoch");
  for (Arm arm = 0; arm < arms(); ++arm) {
    saturated_[arm] = in.u64();
    lower_[arm] = in.f64();
    upper_[arm] = in.f64();
    for (const int half : {0, 1}) halves_[arm].sums[half] = in.f64(), halves_[arm].counts[half] = in.u64();
    drifting_[arm] = in.u8();
    if (!squares_.empty()) squares_[arm] = in.f64();
    if (!(lower_[arm] >= 0 && upper_[arm] <= 1) || drifting_[arm] > 1) in.fail("an interval of an arm");
    if (epoch_ > 0 && seen[arm] && counts_[arm] == 0) in.fail("losses of an arm that was tested");
  }
}

}  // namespace pyalgo::bandits
