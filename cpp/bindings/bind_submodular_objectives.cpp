// The objectives, and what Python asks of one without a maximiser.
#include <pybind11/stl.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "arrays.hpp"
#include "bindings.hpp"
#include "payload.hpp"
#include "pyalgo/submodular.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace submodular;

Row known_row(const Objective& f, std::int64_t id) {
  if (id < 0 || static_cast<std::size_t>(id) >= f.n_known())
    throw py::index_error("id " + std::to_string(id) + " is not one of the objective's " + std::to_string(f.n_known()));
  return f.known(static_cast<std::size_t>(id));
}

Array<std::int64_t> add_known(Objective& f, const py::object& columns) {
  const Payload payload(columns);
  const PayloadBatch batch = payload.view();
  std::size_t first = 0;
  {
    py::gil_scoped_release unlocked;
    std::lock_guard<std::mutex> lock(f.mutex);
    first = f.n_known();
    f.add_known(batch, payload.rows());
  }
  std::vector<std::int64_t> ids(payload.rows());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(first + i);
  return to_array(ids);
}

using Levels = std::vector<std::vector<std::int64_t>>;

// Marginals of every id over the chain that `levels` builds, at every prefix: shape (ids, levels + 1). f is a function
// of sets: an element gains nothing over a prefix that it is in.
py::array_t<double> prefix_gains(Objective& f, const Levels& levels, const Array<std::int64_t>& ids) {
  const std::size_t prefixes = levels.size() + 1;
  py::array_t<double> result({static_cast<py::ssize_t>(ids.size()), static_cast<py::ssize_t>(prefixes)});
  const Span<const std::int64_t> asked = view(ids);
  double* out = result.mutable_data();
  py::gil_scoped_release unlocked;
  std::lock_guard<std::mutex> lock(f.mutex);
  const auto chain = f.chain();
  std::unordered_map<std::int64_t, std::size_t> level_of;
  for (const auto& level : levels) {
    chain->open();
    for (std::int64_t id : level)
      if (const Row row = known_row(f, id); level_of.emplace(id, chain->levels()).second) chain->add(row);
  }
  for (std::int64_t id : asked) {
    chain->gains(known_row(f, id), out);
    if (const auto in = level_of.find(id); in != level_of.end()) std::fill(out + in->second, out + prefixes, 0.0);
    out += prefixes;
  }
  return result;
}

double value(Objective& f, const std::vector<std::int64_t>& ids) {
  py::gil_scoped_release unlocked;
  std::lock_guard<std::mutex> lock(f.mutex);
  const auto chain = f.chain();
  std::set<std::int64_t> seen;
  chain->open();
  for (std::int64_t id : ids)
    if (const Row row = known_row(f, id); seen.insert(id).second) chain->add(row);
  return chain->value();
}

}  // namespace

void bind_objectives(py::module_& m) {
  py::class_<Objective, std::shared_ptr<Objective>>(m, "Objective", "A monotone submodular function and its payload.")
      .def_property_readonly("name", &Objective::name)
      .def_property_readonly("n_known", &Objective::n_known, "How many ids (0, 1, ...) it knows ahead of any update.")
      .def_property_readonly("nbytes", &Objective::nbytes)
      .def("add_known", &add_known, py::arg("payload"))
      .def("prefix_gains", &prefix_gains, py::arg("levels"), py::arg("ids"))
      .def("value", &value, py::arg("ids"));

  m.def(
      "coverage",
      [](const py::object& items, const Array<double>& weights) {
        return make_coverage(Keys(items).view(), view(weights));
      },
      py::arg("items"), py::arg("weights"));
  m.def("facility_location", &make_facility_location);
  m.def("dense_facility_location", &make_dense_facility_location, py::arg("customers"));
  m.def(
      "saturated_coverage",
      [](const py::object& customers, const Array<double>& caps, std::optional<double> otherwise) {
        return make_saturated_coverage(Keys(customers).view(), view(caps), otherwise);
      },
      py::arg("customers"), py::arg("caps"), py::arg("otherwise"));
  m.def(
      "dense_saturated_coverage", [](const Array<double>& caps) { return make_dense_saturated_coverage(view(caps)); },
      py::arg("caps"));
  m.def(
      "feature_based",
      [](int concave, double cap, const Array<double>& weights) {
        return make_feature_based(static_cast<Concave>(concave), cap, view(weights));
      },
      py::arg("concave"), py::arg("cap"), py::arg("weights"));
  m.def(
      "sparse_feature_based",
      [](int concave, double cap, const py::object& weighted, const Array<double>& weights) {
        return make_sparse_feature_based(static_cast<Concave>(concave), cap, Keys(weighted).view(), view(weights));
      },
      py::arg("concave"), py::arg("cap"), py::arg("weighted"), py::arg("weights"));
}

}  // namespace pyalgo::bindings
