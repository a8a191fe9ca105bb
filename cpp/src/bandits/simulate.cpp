#include "pyalgo/bandits.hpp"
#include "pyalgo/parallel.hpp"

namespace pyalgo::bandits {

void simulate(const std::vector<Policy*>& policies, const Environment& environment,
              Span<const std::uint64_t> checkpoints, unsigned threads, double* totals, Arm* arms) {
  const std::uint64_t horizon = checkpoints.empty() ? 0 : checkpoints[checkpoints.size() - 1];
  parallel_for(policies.size(), 1, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t run = begin; run < end; ++run) {
      Environment world = environment;
      world.reset(static_cast<std::uint32_t>(run));
      Policy& policy = *policies[run];
      double total = 0;
      std::size_t point = 0;
      for (std::uint64_t t = 0; t < horizon; ++t) {
        const Arm arm = policy.choose();
        const Ticket ticket = policy.play(arm);
        const Environment::Outcome outcome = world.step(arm);
        policy.learn(ticket, outcome.loss);
        total += outcome.mean;
        if (arms != nullptr) arms[run * horizon + t] = arm;
        if (t + 1 == checkpoints[point]) totals[run * checkpoints.size() + point++] = total;
      }
    }
  });
}

}  // namespace pyalgo::bandits
