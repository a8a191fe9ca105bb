#include <cmath>

#include "pyalgo/bandits.hpp"

namespace pyalgo::bandits {

Arm Policy::recommend() const {
  Arm best = 0;
  double least = INFINITY;
  for (Arm arm = 0; arm < arms(); ++arm) {
    const double mean = counts_[arm] > 0 ? sums_[arm] / static_cast<double>(counts_[arm]) : INFINITY;
    if (mean < least) best = arm, least = mean;
  }
  return best;
}

std::size_t Policy::nbytes() const noexcept { return 16 * sums_.capacity() + sizeof(Policy); }

void Policy::save(SnapshotWriter& out) const {
  for (const double sum : sums_) out.f64(sum);
  for (const std::uint64_t count : counts_) out.u64(count);
  do_save(out);
}

void Policy::load(SnapshotReader& in) {
  in.need(16 * sums_.size());
  for (double& sum : sums_) sum = in.f64();
  for (std::uint64_t& count : counts_) count = in.u64();
  for (Arm arm = 0; arm < arms(); ++arm)
    if (!(sums_[arm] >= 0 && sums_[arm] <= 1.0000001 * static_cast<double>(counts_[arm])))
      in.fail("sums of losses from 0 to 1");
  do_load(in);
}

}  // namespace pyalgo::bandits
