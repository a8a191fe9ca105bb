#include <pybind11/stl.h>

#include <algorithm>
#include <unordered_map>

#include "arrays.hpp"
#include "bindings.hpp"
#include "pyalgo/submodular.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace submodular;

Array<std::int64_t> checked_offsets(const py::object& column, std::size_t n_values) {
  auto offsets = py::cast<Array<std::int64_t>>(column);
  const std::int64_t *begin = offsets.data(), *end = begin + offsets.size();
  if (begin == end || *begin != 0 || *(end - 1) != static_cast<std::int64_t>(n_values) || !std::is_sorted(begin, end))
    throw py::value_error("offsets of a list column must rise from 0 to its " + std::to_string(n_values) + " values");
  return offsets;
}

// The payload columns as pyalgo.submodular hands them over: each a pair of (offsets, flat values), or None.
class Payload {
 public:
  Payload(const py::object& keys, const py::object& values) {
    if (!keys.is_none()) {
      const auto pair = py::cast<py::tuple>(keys);
      keys_.emplace(py::object(pair[1]));
      key_offsets_ = checked_offsets(pair[0], keys_->view().size());
    }
    if (!values.is_none()) {
      const auto pair = py::cast<py::tuple>(values);
      values_ = py::cast<Array<double>>(pair[1]);
      value_offsets_ = checked_offsets(pair[0], static_cast<std::size_t>(values_.size()));
      has_values_ = true;
    }
  }

  bool given() const noexcept { return keys_.has_value() || has_values_; }

  PayloadBatch view() const {
    PayloadBatch batch;
    batch.has_keys = keys_.has_value();
    batch.key_offsets = bindings::view(key_offsets_);
    if (keys_) batch.keys = keys_->view();
    batch.has_values = has_values_;
    batch.value_offsets = bindings::view(value_offsets_);
    batch.values = bindings::view(values_);
    return batch;
  }

  std::size_t rows() const {
    const auto offsets = keys_ ? key_offsets_.size() : value_offsets_.size();
    return static_cast<std::size_t>(offsets) - 1;
  }

 private:
  std::optional<Keys> keys_;
  bool has_values_ = false;
  Array<std::int64_t> key_offsets_{0}, value_offsets_{0};
  Array<double> values_{0};
};

Row known_row(const Objective& f, std::int64_t id) {
  if (id < 0 || static_cast<std::size_t>(id) >= f.n_known())
    throw py::index_error("id " + std::to_string(id) + " is not one of the objective's " + std::to_string(f.n_known()));
  return f.known(static_cast<std::size_t>(id));
}

Array<std::int64_t> add_known(Objective& f, const py::object& keys, const py::object& values) {
  const Payload payload(keys, values);
  const PayloadBatch batch = payload.view();
  const std::size_t first = f.n_known();
  {
    py::gil_scoped_release unlocked;
    std::lock_guard<std::mutex> lock(f.mutex);
    f.add_known(batch, payload.rows());
  }
  std::vector<std::int64_t> ids(payload.rows());
  for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int64_t>(first + i);
  return to_array(ids);
}

// Marginals of every id over the chain that `levels` builds, at every prefix: shape (ids, levels + 1). f is a function of
// sets: an element gains nothing over a prefix that it is in.
py::array_t<double> prefix_gains(Objective& f, const std::vector<std::vector<std::int64_t>>& levels,
                                 const Array<std::int64_t>& ids) {
  std::lock_guard<std::mutex> lock(f.mutex);
  const auto chain = f.chain();
  std::unordered_map<std::int64_t, std::size_t> level_of;
  for (const auto& level : levels) {
    chain->open();
    for (std::int64_t id : level)
      if (const Row row = known_row(f, id); level_of.emplace(id, chain->levels()).second) chain->add(row);
  }
  const std::size_t prefixes = levels.size() + 1;
  py::array_t<double> out({static_cast<py::ssize_t>(ids.size()), static_cast<py::ssize_t>(prefixes)});
  for (py::ssize_t i = 0; i < ids.size(); ++i) {
    double* gains = out.mutable_data(i, 0);
    chain->gains(known_row(f, ids.data()[i]), gains);
    if (const auto in = level_of.find(ids.data()[i]); in != level_of.end())
      std::fill(gains + in->second, gains + prefixes, 0.0);
  }
  return out;
}

// Ids in the order chosen, their gains, f of them, the proven bound on the optimum, and the guess that answered.
using Answer = std::tuple<py::object, Array<double>, double, double, double>;

Answer to_python(const Solution& solution) {
  const py::object ids = solution.ids.kind == KeyKind::text ? py::object(py::cast(solution.ids.texts))
                                                            : py::object(to_array(solution.ids.numbers));
  return {ids, to_array(solution.gains), solution.value, solution.upper_bound, solution.guess};
}

Settings settings(std::uint32_t k, double eps, std::uint64_t seed, bool all_guesses, std::uint32_t refine_budget) {
  return {k, eps, seed, all_guesses, refine_budget};
}

}  // namespace

void bind_submodular(py::module_& m) {
  py::class_<Objective, std::shared_ptr<Objective>>(m, "Objective", "A monotone submodular function and its payload.")
      .def_property_readonly("name", &Objective::name)
      .def_property_readonly("n_known", &Objective::n_known, "How many ids (0, 1, ...) it knows ahead of any update.")
      .def_property_readonly("nbytes", &Objective::nbytes)
      .def("add_known", &add_known, py::arg("keys"), py::arg("values"))
      .def("prefix_gains", &prefix_gains, py::arg("levels"), py::arg("ids"));

  m.def(
      "coverage",
      [](const py::object& items, const Array<double>& weights) { return make_coverage(Keys(items).view(), view(weights)); },
      py::arg("items"), py::arg("weights"));
  m.def("facility_location", &make_facility_location);
  m.def(
      "feature_based",
      [](int concave, double cap, const Array<double>& weights) {
        return make_feature_based(static_cast<Concave>(concave), cap, view(weights));
      },
      py::arg("concave"), py::arg("cap"), py::arg("weights"));

  py::class_<Settings>(m, "Settings")
      .def(py::init(&settings), py::kw_only(), py::arg("k"), py::arg("eps"), py::arg("seed"), py::arg("all_guesses"),
           py::arg("refine_budget"));

  py::class_<DynamicMaximizer>(m, "DynamicMaximizer")
      .def(py::init<std::shared_ptr<Objective>, const Settings&>(), py::arg("objective"), py::arg("settings"))
      .def(
          "update",
          [](DynamicMaximizer& self, const Array<std::int8_t>& op, const py::object& ids, const py::object& keys,
             const py::object& values) {
            const Keys id_column(ids);
            const Payload payload(keys, values);
            const PayloadBatch batch = payload.view();
            const Span<const std::int8_t> ops = view(op);
            py::gil_scoped_release unlocked;
            self.update(ops, id_column.view(), payload.given() ? &batch : nullptr);
          },
          py::arg("op"), py::arg("ids"), py::arg("keys"), py::arg("values"))
      .def(
          "query",
          [](const DynamicMaximizer& self, bool refine, bool certificate) {
            Solution solution;
            {
              py::gil_scoped_release unlocked;
              solution = self.query(refine, certificate);
            }
            return to_python(solution);
          },
          py::arg("refine"), py::arg("certificate"))
      .def("audit", &DynamicMaximizer::audit, py::call_guard<py::gil_scoped_release>())
      .def("save",
           [](const DynamicMaximizer& self) {
             std::string bytes;
             {
               py::gil_scoped_release unlocked;
               bytes = self.save();
             }
             return py::bytes(bytes);
           })
      .def_static(
          "load",
          [](std::shared_ptr<Objective> fresh, const Settings& settings, const py::bytes& data) {
            const auto bytes = static_cast<std::string_view>(data);
            py::gil_scoped_release unlocked;
            return DynamicMaximizer::load(std::move(fresh), settings,
                                          {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
          },
          py::arg("fresh_objective"), py::arg("settings"), py::arg("data"))
      .def_property_readonly("objective", &DynamicMaximizer::objective)
      .def_property_readonly("n_seen", &DynamicMaximizer::n_seen)
      .def_property_readonly("n_live", &DynamicMaximizer::n_live)
      .def_property_readonly("n_guesses", &DynamicMaximizer::n_guesses)
      .def_property_readonly("activations", &DynamicMaximizer::activations)
      .def_property_readonly("queries", &DynamicMaximizer::queries)
      .def_property_readonly("nbytes", &DynamicMaximizer::nbytes)
      .def_property_readonly("payload_nbytes", &DynamicMaximizer::payload_nbytes);
}

}  // namespace pyalgo::bindings
