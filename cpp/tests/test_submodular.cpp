// What Python cannot reach: chains, several threads on one maximiser, and several maximisers on one objective.
#include <thread>
#include <vector>

#include "check.hpp"
#include "every_objective.hpp"
#include "pyalgo/rng.hpp"
#include "pyalgo/submodular.hpp"

using namespace pyalgo;
using namespace pyalgo::submodular;

namespace {

// Element i covers three items near i.
void update(DynamicMaximizer& maximizer, std::int64_t id, bool insert) {
  const std::int8_t op = insert ? 1 : -1;
  const std::vector<std::int64_t> offsets{0, 3}, items{id, id + 1, id + 7};
  PayloadBatch payload;
  payload.has_keys = true;
  payload.key_offsets = offsets;
  payload.keys = {KeyKind::integer, items, {}};
  maximizer.update({&op, 1}, {KeyKind::integer, {&id, 1}, {}}, insert ? &payload : nullptr);
}

void churn(DynamicMaximizer& maximizer, std::int64_t from, int steps) {
  for (int i = 0; i < steps; ++i) {
    update(maximizer, from + i, true);
    if (i >= 20) update(maximizer, from + i - 20, false);
  }
}

void test_grid() {
  for (double base : {1.0001, 1.1, 1.5}) {
    const Geometric grid(base);
    for (double x : {1e-100, 0.3, 1.0, base, base * base, 7.0, 1e100}) {
      const int j = grid.index(x);
      CHECK(grid.at(j) <= x && x < grid.at(j + 1));
    }
  }
}

void test_threads() {
  const auto objective = make_coverage({}, {});
  Settings settings;
  settings.k = 5;
  DynamicMaximizer one(objective, settings), two(objective, settings);
  std::thread writer_one([&] { churn(one, 0, 300); }), writer_two([&] { churn(two, 100000, 300); });
  std::thread reader([&] {
    for (int i = 0; i < 200; ++i) CHECK(one.query(true, i % 2 == 0).slots.size() <= 5);
  });
  writer_one.join();
  writer_two.join();
  reader.join();
  one.audit();
  two.audit();
  CHECK(one.query(true, true).value == 15 && two.query(false, true).value >= 7);
}

// A copy goes its own way; many marginals at once are those one by one, bit for bit.
void test_chains_are_copied() {
  for (unsigned kind = 0; kind < n_kinds; ++kind) {
    const auto f = objective_of(kind);
    f->add_known(FourElements(kind).batch(), 4);
    const std::vector<Row> rows{f->known(0), f->known(1), f->known(2), f->known(3)};
    const auto chain = f->chain();
    chain->open();
    chain->add(rows[0]);
    chain->open();
    const auto copy = chain->clone();
    copy->add(rows[1]);
    copy->truncate(1);
    copy->open();
    CHECK(copy->value() == chain->value() && copy->levels() == 2);
    std::vector<double> top(4);
    chain->top_gains(rows, top.data());
    chain->add(rows[3]);
    for (std::size_t i = 0; i < 4; ++i) {
      CHECK(top[i] == copy->top_gain(rows[i]) && top[i] == copy->gain(rows[i], 2) && top[i] == chain->gain(rows[i], 1));
      CHECK(chain->top_gain(rows[i]) <= top[i]);
      std::uint64_t queries = 0;
      const std::uint32_t depth = chain->depth(rows[i], top[i], queries);
      CHECK(depth >= 2 && (depth == 3) == (chain->gain(rows[i], 2) == top[i]) && queries > 0);
    }
  }
}

}  // namespace

int main() {
  test_chains_are_copied();
  test_grid();
  test_threads();
  return 0;
}
