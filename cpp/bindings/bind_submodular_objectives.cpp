// The objectives, and what Python asks of one without a maximiser.
#include <pybind11/stl.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "arrays.hpp"
#include "bindings.hpp"
#include "payload.hpp"
#include "pyalgo/errors.hpp"
#include "pyalgo/submodular.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace submodular;

Row known_row(const Objective& f, std::int64_t id, std::size_t at) {
  if (id < 0 || static_cast<std::size_t>(id) >= f.n_known())
    throw BatchError(BatchError::Kind::unknown_element, at,
                     "id " + std::to_string(id) + " is none of the " + std::to_string(f.n_known()) +
                         " that the objective knows: add it with add_items, or give an id from there");
  return f.known(static_cast<std::size_t>(id));
}

// A Python function as the core asks it. It is destroyed and asked wherever the core runs, so it takes the
// interpreter's lock itself, once for a batch.
class PythonOracle final : public Oracle {
 public:
  PythonOracle(py::object f, py::object batch_gain) : f_(std::move(f)), batch_gain_(std::move(batch_gain)) {}
  ~PythonOracle() override {
    py::gil_scoped_acquire locked;
    f_ = py::object();
    batch_gain_ = py::object();
  }

  bool gives_gains() const noexcept override { return !batch_gain_.is_none(); }

  void ask(Span<const Key> prefix, Span<const Key> candidates, double* out) const override {
    py::gil_scoped_acquire locked;
    const KeyKind kind = candidates[0].kind;
    if (gives_gains()) {
      const py::object answer = batch_gain_(ids(candidates, kind), ids(prefix, kind));
      const auto gains = py::module_::import("numpy").attr("asarray")(answer, "float64").cast<Array<double>>();
      if (gains.ndim() != 1 || static_cast<std::size_t>(gains.size()) != candidates.size())
        throw py::value_error("batch_gain must return one gain for each of " + std::to_string(candidates.size()) +
                              " ids, got shape " +
                              py::str(py::tuple(py::object(gains.attr("shape")))).cast<std::string>());
      std::copy(gains.data(), gains.data() + gains.size(), out);
      return;
    }
    std::vector<Key> set(prefix.begin(), prefix.end());
    for (const Key& candidate : candidates) {
      set.push_back(candidate);
      *out++ = number(f_(ids({set.data(), set.size()}, kind)));
      set.pop_back();
    }
  }

 private:
  static py::object ids(Span<const Key> keys, KeyKind kind) {
    if (kind == KeyKind::integer) {
      Array<std::int64_t> numbers(static_cast<py::ssize_t>(keys.size()));
      std::transform(keys.begin(), keys.end(), numbers.mutable_data(), [](const Key& key) { return key.number; });
      return std::move(numbers);
    }
    py::list texts;
    for (const Key& key : keys) texts.append(py::str(key.text.data(), key.text.size()));
    return py::module_::import("numpy").attr("array")(texts, "object");
  }

  static double number(const py::object& answer) {
    const double value = PyFloat_AsDouble(answer.ptr());
    if (value == -1 && PyErr_Occurred() != nullptr) {
      if (PyErr_ExceptionMatches(PyExc_TypeError) == 0) throw py::error_already_set();
      PyErr_Clear();
      throw py::type_error("the function must return a number, got " + py::repr(answer).cast<std::string>());
    }
    return value;
  }

  py::object f_, batch_gain_;
};

Array<std::int64_t> add_known(Objective& f, const py::object& columns) {
  const Payload payload(columns);
  const PayloadBatch batch = payload.view();
  std::size_t first = 0;
  {
    py::gil_scoped_release unlocked;
    std::lock_guard<Objective> lock(f);
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
  std::lock_guard<Objective> lock(f);
  const auto chain = f.chain();
  std::unordered_map<std::int64_t, std::size_t> level_of;
  for (const auto& level : levels) {
    chain->open();
    for (std::size_t i = 0; i < level.size(); ++i)
      if (const Row row = known_row(f, level[i], i); level_of.emplace(level[i], chain->levels()).second)
        chain->add(row);
  }
  for (std::size_t i = 0; i < asked.size(); ++i) {
    chain->gains(known_row(f, asked[i], i), out);
    if (const auto in = level_of.find(asked[i]); in != level_of.end()) std::fill(out + in->second, out + prefixes, 0.0);
    out += prefixes;
  }
  return result;
}

double value(Objective& f, const std::vector<std::int64_t>& ids) {
  py::gil_scoped_release unlocked;
  std::lock_guard<Objective> lock(f);
  const auto chain = f.chain();
  std::set<std::int64_t> seen;
  chain->open();
  for (std::size_t i = 0; i < ids.size(); ++i)
    if (const Row row = known_row(f, ids[i], i); seen.insert(ids[i]).second) chain->add(row);
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
  m.def(
      "log_det",
      [](int kernel, double bandwidth, double noise) {
        return make_log_det(static_cast<Kernel>(kernel), bandwidth, noise);
      },
      py::arg("kernel"), py::arg("bandwidth"), py::arg("noise"));
  m.def(
      "mixture",
      [](std::vector<std::shared_ptr<Objective>> components, const Array<double>& weights) {
        return make_mixture(std::move(components), view(weights));
      },
      py::arg("components"), py::arg("weights"));
  m.def(
      "callable",
      [](py::object f, py::object batch_gain) {
        return make_callable(std::make_shared<PythonOracle>(std::move(f), std::move(batch_gain)));
      },
      py::arg("f"), py::arg("batch_gain"));
}

}  // namespace pyalgo::bindings
