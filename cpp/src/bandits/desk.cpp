#include <utility>

#include "pyalgo/bandits.hpp"
#include "pyalgo/errors.hpp"

namespace pyalgo::bandits {

Desk::Desk(std::unique_ptr<Policy> policy, LossScale scale, bool strict)
    : policy_(std::move(policy)), scale_(scale), strict_(strict) {}

Desk::Selection Desk::select() {
  const Arm arm = policy_->choose();
  open_.emplace_hint(open_.end(), next_token_, policy_->play(arm));
  return {arm, next_token_++};
}

void Desk::observe(Arm arm) { policy_->observe(arm); }

void Desk::update(Span<const std::int64_t> tokens, bool by_token, Span<const std::int64_t> arms,
                  Span<const double> losses, std::int64_t* next) {
  for (std::size_t row = 0; row < losses.size(); ++row) {
    check(row, losses[row]);
    if (!by_token && (arms[row] < 0 || arms[row] >= static_cast<std::int64_t>(policy_->arms())))
      throw BatchError(
          BatchError::Kind::value, row,
          "arm must be from 0 to " + std::to_string(policy_->arms() - 1) + ", got " + std::to_string(arms[row]));
  }
  // A row may be refused for what the rows before it made of the state. A single one is looked at before it changes
  // anything.
  std::unique_ptr<Policy> policy;
  std::map<std::uint64_t, Ticket> open;
  const auto next_token = next_token_, n_seen = n_seen_;
  if (losses.size() > 1) policy = policy_->clone(), open = open_;
  try {
    for (std::size_t row = 0; row < losses.size(); ++row) {
      by_token ? take(row, tokens[row], losses[row]) : take_of(row, arms[row], losses[row]);
      next[row] = policy_->choose();
    }
  } catch (...) {
    if (policy) policy_ = std::move(policy), open_ = std::move(open), next_token_ = next_token, n_seen_ = n_seen;
    throw;
  }
}

void Desk::check(std::size_t row, double loss) const {
  if (scale_.holds(loss)) return;
  throw BatchError(BatchError::Kind::value, row,
                   std::string(scale_.reward ? "reward" : "loss") + " must be from " + std::to_string(scale_.low) +
                       " to " + std::to_string(scale_.high) + ", got " + std::to_string(loss) +
                       ": set loss_range to what there is");
}

void Desk::take(std::size_t row, std::int64_t token, double loss) {
  const auto found = token < 0 ? open_.end() : open_.find(static_cast<std::uint64_t>(token));
  if (found == open_.end()) {
    const bool issued = token >= 0 && static_cast<std::uint64_t>(token) < next_token_;
    throw BatchError(BatchError::Kind::feedback, row,
                     "token " + std::to_string(token) +
                         (issued ? " had its loss before: give every loss once" : " was never given out by select()"));
  }
  const Ticket ticket = found->second;
  open_.erase(found);
  policy_->learn(ticket, scale_.to_unit(loss));
  ++n_seen_;
}

void Desk::take_of(std::size_t row, std::int64_t arm, double loss) {
  auto oldest = open_.begin();
  if (!strict_)
    while (oldest != open_.end() && oldest->second.arm != arm) ++oldest;
  const bool made = oldest != open_.end();
  const Arm wanted = made ? oldest->second.arm : policy_->choose();
  if (wanted != arm) {
    if (strict_)
      throw BatchError(BatchError::Kind::feedback, row,
                       "arm " + std::to_string(arm) + " is not the one selected, " + std::to_string(wanted) +
                           ": give the loss by its token, or make the policy with strict=False");
    policy_->observe(static_cast<Arm>(arm));
    ++n_seen_;
    return;
  }
  const Ticket ticket = made ? oldest->second : policy_->play(wanted);
  if (made)
    open_.erase(oldest);
  else
    ++next_token_;
  policy_->learn(ticket, scale_.to_unit(loss));
  ++n_seen_;
}

std::size_t Desk::nbytes() const noexcept { return policy_->nbytes() + open_.size() * 64 + sizeof(Desk); }

void Desk::save(SnapshotWriter& out) const {
  policy_->save(out);
  out.u64(next_token_);
  out.u64(n_seen_);
  out.u32(static_cast<std::uint32_t>(open_.size()));
  for (const auto& [token, ticket] : open_) {
    out.u64(token);
    out.u32(ticket.arm);
    out.u32(ticket.mark);
    out.f64(ticket.weight);
  }
}

void Desk::load(SnapshotReader& in) {
  policy_->load(in);
  next_token_ = in.u64();
  n_seen_ = in.u64();
  for (std::size_t left = in.count(24); left > 0; --left) {
    const std::uint64_t token = in.u64();
    Ticket ticket{in.u32(), in.u32(), in.f64()};
    const bool rising = open_.empty() || token > open_.rbegin()->first;
    if (!rising || token >= next_token_ || ticket.arm >= policy_->arms() || !(ticket.weight >= 0))
      in.fail("an open play");
    open_.emplace_hint(open_.end(), token, ticket);
  }
}

}  // namespace pyalgo::bandits
