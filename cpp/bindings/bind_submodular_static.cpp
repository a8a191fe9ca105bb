#include <pybind11/stl.h>

#include <algorithm>
#include <mutex>

#include "arrays.hpp"
#include "bindings.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace submodular;

std::vector<std::uint32_t> known_ids(const Objective& f, Span<const std::int64_t> ids) {
  std::vector<std::uint32_t> known(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || static_cast<std::size_t>(ids[i]) >= f.n_known())
      throw BatchError(BatchError::Kind::unknown_element, i,
                       "id " + std::to_string(ids[i]) + " is not one of the " + std::to_string(f.n_known()) +
                           " elements that the objective knows, 0, 1, ...: add it with add_items first");
    known[i] = static_cast<std::uint32_t>(ids[i]);
  }
  return known;
}

// Ids in the order chosen, their gains, f of them, the proven bound on the optimum, the guess that answered, oracle
// calls.
using Chosen = std::tuple<Array<std::int64_t>, Array<double>, double, double, double, std::uint64_t>;

Chosen to_python(const Selection& selection) {
  const std::vector<std::int64_t> ids(selection.picked.begin(), selection.picked.end());
  return {to_array(ids),         to_array(selection.gains), selection.value,
          selection.upper_bound, selection.guess,           selection.queries};
}

// Greedy over known ids, with ties to the lowest.
template <class Algorithm>
Chosen greedy(Objective& f, const Array<std::int64_t>& ids, const Algorithm& algorithm) {
  Selection selection;
  const Span<const std::int64_t> given = view(ids);
  {
    py::gil_scoped_release unlocked;
    std::lock_guard<Objective> lock(f);
    std::vector<std::uint32_t> candidates = known_ids(f, given);
    bool ascending = true;
    for (std::size_t i = 1; i < candidates.size(); ++i) ascending &= candidates[i - 1] < candidates[i];
    if (!ascending) {
      std::sort(candidates.begin(), candidates.end());
      if (const auto twice = std::adjacent_find(candidates.begin(), candidates.end()); twice != candidates.end())
        throw BatchError(BatchError::Kind::duplicate_element,
                         static_cast<std::size_t>(std::find(given.begin(), given.end(), *twice) - given.begin()),
                         "id " + std::to_string(*twice) + " is given twice: give each candidate once");
    }
    std::vector<Row> rows(candidates.size());
    for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = f.known(candidates[i]);
    selection = algorithm(rows);
    for (std::uint32_t& picked : selection.picked) picked = candidates[picked];
  }
  return to_python(selection);
}

}  // namespace

void bind_submodular_static(py::module_& m) {
  m.def(
      "lazy_greedy",
      [](Objective& f, const Array<std::int64_t>& ids, std::uint32_t k) {
        return greedy(f, ids, [&](Span<const Row> rows) { return lazy_greedy(f, rows, k); });
      },
      py::arg("objective"), py::arg("ids"), py::arg("k"));
  m.def(
      "naive_greedy",
      [](Objective& f, const Array<std::int64_t>& ids, std::uint32_t k) {
        return greedy(f, ids, [&](Span<const Row> rows) { return naive_greedy(f, rows, k); });
      },
      py::arg("objective"), py::arg("ids"), py::arg("k"));
  m.def(
      "stochastic_greedy",
      [](Objective& f, const Array<std::int64_t>& ids, std::uint32_t k, double eps, std::uint64_t seed) {
        return greedy(f, ids, [&](Span<const Row> rows) { return stochastic_greedy(f, rows, k, eps, seed); });
      },
      py::arg("objective"), py::arg("ids"), py::arg("k"), py::arg("eps"), py::arg("seed"));

  py::class_<SieveStreaming>(m, "SieveStreaming")
      .def(py::init<std::shared_ptr<Objective>, std::uint32_t, double>(), py::arg("objective"), py::arg("k"),
           py::arg("eps"))
      .def(
          "insert",
          [](SieveStreaming& self, const Array<std::int64_t>& ids) {
            const Span<const std::int64_t> given = view(ids);
            py::gil_scoped_release unlocked;
            std::lock_guard<Objective> lock(self.objective());
            const std::vector<std::uint32_t> known = known_ids(self.objective(), given);
            self.insert(known);
          },
          py::arg("ids"))
      .def("query",
           [](const SieveStreaming& self) {
             Selection selection;
             {
               py::gil_scoped_release unlocked;
               std::lock_guard<Objective> lock(self.objective());
               selection = self.query();
             }
             return to_python(selection);
           })
      .def_property_readonly("n_seen", &SieveStreaming::n_seen);
}

}  // namespace pyalgo::bindings
