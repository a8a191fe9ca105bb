// What Python cannot reach: several threads on one maximiser, and several maximisers on one objective.
#include <thread>
#include <vector>

#include "check.hpp"
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

}  // namespace

int main() {
  test_grid();
  test_threads();
  return 0;
}
