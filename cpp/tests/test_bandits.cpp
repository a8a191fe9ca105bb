#include "pyalgo/bandits.hpp"

#include <cmath>
#include <numeric>
#include <thread>
#include <vector>

#include "check.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/rng.hpp"

using namespace pyalgo;
using namespace pyalgo::bandits;

namespace {

EliminationSettings small(Arm arms = 3, std::uint64_t memory = 2, std::uint64_t horizon = 400) {
  EliminationSettings settings;
  settings.arms = arms;
  settings.burn_in = memory;
  settings.horizon = horizon;
  settings.first_block = 3;
  return settings;
}

void schedules() {
  EliminationSettings settings;
  settings.arms = 3;
  settings.burn_in = 2;
  settings.horizon = 1000;
  const Schedule schedule(settings);
  CHECK(schedule.epochs() == 11);
  CHECK(std::abs(schedule.log_term(0) - 11.09741) < 1e-5);
  CHECK(schedule.block(0) == 23 && schedule.block(1) == 46 && schedule.pooled(2) == 69);
  CHECK(schedule.block(10) == 1000);                  // cut at the horizon
  CHECK(schedule.pooled(schedule.epochs()) >= 1000);  // so that the tests are enough for every sequence of T plays
  CHECK(std::abs(schedule.failure() - 0.001) < 1e-12);
  settings.horizon = 0;
  settings.delta = 0.1;
  const Schedule endless(settings);
  CHECK(endless.failure() <= 0.1 && endless.failure() > 0.09);
  CHECK(endless.log_term(1u << 30) > endless.log_term(1000));
}

// A fleet on many threads against policies by themselves: every arm, and every bit of the records.
void fleets() {
  constexpr std::size_t bandits = 3000, rows = 40'000;
  const FleetSettings settings{small(), {}, false, true, false};
  Fleet one(settings, bandits), many(settings, bandits);
  std::vector<Desk> desks;
  for (std::size_t i = 0; i < bandits; ++i)
    desks.emplace_back(std::make_unique<Elimination>(settings.elimination), LossScale{}, true);
  PhiloxStream draws(1, 2, 3);
  for (int round = 0; round < 12; ++round) {
    std::vector<std::int64_t> ids(rows);
    std::vector<double> losses(rows);
    std::vector<std::uint16_t> expected(rows), arms(rows), other(rows);
    std::vector<std::uint32_t> tokens(rows), other_tokens(rows);
    for (std::size_t row = 0; row < rows; ++row) {
      ids[row] = draws.below(bandits);
      Desk& desk = desks[static_cast<std::size_t>(ids[row])];
      const std::int64_t arm = desk.policy().choose();
      losses[row] = draws.uniform() / static_cast<double>(1 + arm);
      std::int64_t next = 0;
      desk.update({}, false, Span<const std::int64_t>(&arm, 1), Span<const double>(&losses[row], 1), &next);
      expected[row] = static_cast<std::uint16_t>(next);
    }
    one.update({ids, {}, {}, losses}, arms.data(), tokens.data(), 1);
    many.update({ids, {}, {}, losses}, other.data(), other_tokens.data(), 4);
    CHECK(arms == expected && other == expected && tokens == other_tokens);
  }
  const auto bytes = [](const Fleet& fleet) {
    return std::vector<std::uint8_t>(fleet.records().begin(), fleet.records().end());
  };
  CHECK(bytes(one) == bytes(many));
  CHECK(one.save_head() == many.save_head());
}

// Rows that are refused after others of their bandit, in the shards of several threads.
void refusals() {
  constexpr std::size_t bandits = 500, rows = 20'000;
  for (const bool single : {false, true}) {
    FleetSettings settings{small(), {}, single, true, false};
    Fleet fleet(settings, bandits), twin(settings, bandits);
    PhiloxStream draws(7, 0, single);
    std::vector<std::int64_t> ids(rows);
    std::vector<double> losses(rows);
    std::vector<std::uint16_t> arms(rows), next(rows);
    std::vector<std::uint32_t> tokens(rows);
    for (std::size_t row = 0; row < rows; ++row) {
      ids[row] = draws.below(bandits);
      losses[row] = draws.below(3) / 2.0;
      twin.select(Span<const std::int64_t>(&ids[row], 1), &arms[row], 1);
      twin.update({Span<const std::int64_t>(&ids[row], 1), {}, {}, Span<const double>(&losses[row], 1)}, &next[row],
                  &tokens[row], 1);
    }
    for (const std::size_t wrong : {std::size_t{0}, rows / 2, rows - 1}) {
      std::vector<std::uint16_t> spoilt = arms;
      spoilt[wrong] = static_cast<std::uint16_t>((spoilt[wrong] + 1) % 3);
      const std::string head = fleet.save_head();
      const std::vector<std::uint8_t> before(fleet.records().begin(), fleet.records().end());
      std::size_t named = rows;
      try {
        fleet.update({ids, {spoilt.data(), rows}, {}, losses}, next.data(), tokens.data(), 3);
      } catch (const BatchError& error) {
        named = error.row();
      }
      CHECK(named == wrong);
      CHECK(fleet.save_head() == head);
      CHECK(before == std::vector<std::uint8_t>(fleet.records().begin(), fleet.records().end()));
    }
    fleet.update({ids, {arms.data(), rows}, {}, losses}, next.data(), tokens.data(), 3);
    CHECK(fleet.save_head() == twin.save_head());
  }
}

// Snapshots cut and altered at every byte: refused, or of a state that can be played.
void snapshots() {
  const FleetSettings settings{small(3, 1, 60), {}, false, true, true};
  Fleet fleet(settings, 4);
  const std::vector<std::int64_t> ids{0, 1, 2, 3, 0, 1, 2, 0};
  const std::vector<double> losses{1, 0, 0.5, 1, 0.25, 0, 1, 1};
  std::vector<std::uint16_t> arms(ids.size());
  std::vector<std::uint32_t> tokens(ids.size());
  for (int i = 0; i < 9; ++i) fleet.update({ids, {}, {}, losses}, arms.data(), tokens.data(), 1);
  const std::string head = fleet.save_head();
  std::vector<std::uint8_t> payload(head.begin(), head.end());
  payload.insert(payload.end(), fleet.records().begin(), fleet.records().end());
  const auto attempt = [&](const std::vector<std::uint8_t>& bytes) {
    Fleet loaded(settings, 0);
    try {
      loaded.load(bytes);
    } catch (const SnapshotFormatError&) {
      return;
    } catch (const std::length_error&) {
      return;
    }
    const std::vector<std::int64_t> known = loaded.ids();
    std::vector<std::uint16_t> next(known.size());
    std::vector<std::uint32_t> next_tokens(known.size());
    for (int i = 0; i < 40; ++i)
      loaded.update({known, {}, {}, std::vector<double>(known.size(), 0.5)}, next.data(), next_tokens.data(), 1);
    loaded.summary();
  };
  for (std::size_t size = 0; size < payload.size(); ++size)
    attempt({payload.begin(), payload.begin() + static_cast<std::ptrdiff_t>(size)});
  for (std::size_t at = 0; at < payload.size(); ++at)
    for (const std::uint8_t change : {1, 16, 128, 255}) {
      std::vector<std::uint8_t> altered = payload;
      altered[at] ^= change;
      attempt(altered);
    }
}

// Simulated runs do not depend on the threads that share them out.
void simulations() {
  Curves curves;
  curves.h0 = {0.9, 0.5, 0.7};
  curves.h1 = {0.1, 0.6, 0.3};
  const Environment world(3, curves, {{1, 0.5, 0.25}}, Noise::bernoulli, 5);
  const std::vector<std::uint64_t> points{100, 2000};
  std::vector<double> one(2 * 6), four(2 * 6);
  for (auto* totals : {&one, &four}) {
    std::vector<std::unique_ptr<Policy>> policies;
    std::vector<Policy*> borrowed;
    for (std::uint64_t run = 0; run < 6; ++run) {
      policies.push_back(run % 2 == 0 ? make_exp3(3, 0, 1, run) : std::make_unique<Elimination>(small(3, 3, 2000)));
      borrowed.push_back(policies.back().get());
    }
    simulate(borrowed, world, points, totals == &one ? 1 : 4, totals->data(), nullptr);
  }
  CHECK(one == four);
  const std::vector<std::uint64_t> horizons{10, 100, 1000};
  const Environment known(3, curves, {{1, 0.6, 0.3, 0.1}}, Noise::none, 0);
  const std::vector<double> values = Planner(known).values(horizons);
  CHECK(std::abs(values[0] - 1.6) < 1e-9 && std::abs(values[1] - 10.6) < 1e-9 && std::abs(values[2] - 100.6) < 1e-9);
}

}  // namespace

int main() {
  schedules();
  fleets();
  refusals();
  snapshots();
  simulations();
}
