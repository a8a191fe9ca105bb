#include "pyalgo/bandits.hpp"
#include "pyalgo/parallel.hpp"
#include "step.hpp"

namespace pyalgo::bandits {

// The loop of one run, with the policy's calls inline where its class is known.
struct Stage {
  Environment world;
  Span<const std::uint64_t> checkpoints;
  double* totals;
  Arm* arms;

  template <class Some>
  void run(Some& policy) {
    double total = 0;
    std::uint64_t t = 0;
    for (std::size_t point = 0; point < checkpoints.size(); ++point) {
      for (; t < checkpoints[point]; ++t) {
        const Arm arm = policy.choose();
        const Ticket ticket = policy.play(arm);
        const Environment::Outcome outcome = world.do_step(arm);
        policy.learn(ticket, outcome.loss);
        total += outcome.mean;
        if (arms != nullptr) arms[t] = arm;
      }
      totals[point] = total;
    }
  }
};

void simulate(const std::vector<Policy*>& policies, const Environment& environment,
              Span<const std::uint64_t> checkpoints, unsigned threads, double* totals, Arm* arms) {
  const std::size_t points = checkpoints.size();
  const std::uint64_t horizon = points == 0 ? 0 : checkpoints[points - 1];
  parallel_for(policies.size(), 1, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t run = begin; run < end; ++run) {
      Stage stage{environment, checkpoints, totals + run * points, arms == nullptr ? nullptr : arms + run * horizon};
      stage.world.reset(static_cast<std::uint32_t>(run));
      if (auto* elimination = dynamic_cast<Elimination*>(policies[run]))
        stage.run(*elimination);
      else
        stage.run(*policies[run]);
    }
  });
}

}  // namespace pyalgo::bandits
