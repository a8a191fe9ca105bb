#include <pybind11/stl.h>

#include <optional>

#include "arrays.hpp"
#include "bindings.hpp"
#include "payload.hpp"
#include "pyalgo/submodular.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace submodular;

// A user's function of an array of ids: whether they may be chosen together.
class PythonMatroid final : public Matroid {
 public:
  explicit PythonMatroid(py::object independent) : independent_(std::move(independent)) {}
  ~PythonMatroid() override {
    py::gil_scoped_acquire locked;
    independent_ = py::object();
  }

  bool fits(const GroundSet& ground, Span<const Slot> set, Slot slot) const override {
    OwnedKeys keys;
    for (Slot chosen : set) keys.push_back(ground.ids.at(chosen));
    keys.push_back(ground.ids.at(slot));
    py::gil_scoped_acquire locked;
    const py::object answer = independent_(keys.kind == KeyKind::text
                                               ? py::module_::import("numpy").attr("array")(keys.texts, "object")
                                               : py::object(to_array(keys.numbers)));
    if (!py::isinstance<py::bool_>(answer) && !py::isinstance(answer, py::module_::import("numpy").attr("bool_")))
      throw py::type_error("independent must return True or False, got " + py::repr(answer).cast<std::string>());
    return answer.cast<bool>();
  }

  bool may_fail() const noexcept override { return true; }

 private:
  py::object independent_;
};

py::object to_python(const OwnedKeys& keys) {
  return keys.kind == KeyKind::text ? py::object(py::cast(keys.texts)) : py::object(to_array(keys.numbers));
}

// Ids in the order chosen, their gains, f of them, the proven bound on the optimum, and the guess that answered.
using Answer = std::tuple<py::object, Array<double>, double, double, double>;

Answer to_python(const Solution& solution) {
  return {to_python(solution.ids), to_array(solution.gains), solution.value, solution.upper_bound, solution.guess};
}

Settings settings(std::uint32_t k, double eps, std::uint64_t seed, bool all_guesses, std::uint32_t refine_budget,
                  bool param, const std::optional<std::shared_ptr<Matroid>>& constraint) {
  return {k, eps, seed, all_guesses, refine_budget, param ? Method::param : Method::levels, constraint.value_or(nullptr)};
}

}  // namespace

void bind_submodular(py::module_& m) {
  bind_objectives(m);

  py::class_<Matroid, std::shared_ptr<Matroid>>(m, "Matroid", py::release_gil_before_calling_cpp_dtor());
  m.def(
      "laminar_matroid",
      [](std::vector<std::int64_t> parents, std::vector<std::uint32_t> capacities) {
        if (parents.size() != capacities.size() || parents.empty())
          throw py::value_error("parents and capacities must be equally many, and some");
        std::vector<std::uint32_t> above;
        for (std::int64_t parent : parents) {
          if (parent < -1 || parent >= static_cast<std::int64_t>(above.size()))
            throw py::value_error("a group must come after its parent");
          above.push_back(parent < 0 ? no_group : static_cast<std::uint32_t>(parent));
        }
        return std::const_pointer_cast<Matroid>(make_laminar(std::move(above), std::move(capacities)));
      },
      py::arg("parents"), py::arg("capacities"));
  m.def(
      "callable_matroid",
      [](py::object independent) -> std::shared_ptr<Matroid> {
        return std::make_shared<PythonMatroid>(std::move(independent));
      },
      py::arg("independent"));

  py::class_<Settings>(m, "Settings")
      .def(py::init(&settings), py::kw_only(), py::arg("k"), py::arg("eps"), py::arg("seed"), py::arg("all_guesses"),
           py::arg("refine_budget"), py::arg("param"), py::arg("constraint"));

  // Whatever takes the objective's lock lets go of the interpreter's before: a callable objective takes that under its
  // own.
  py::class_<DynamicMaximizer>(m, "DynamicMaximizer", py::release_gil_before_calling_cpp_dtor())
      .def(py::init<std::shared_ptr<Objective>, const Settings&>(), py::arg("objective"), py::arg("settings"))
      .def(
          "update",
          [](DynamicMaximizer& self, const Array<std::int8_t>& op, const py::object& ids, const py::object& payload,
             const Array<std::uint32_t>& groups) {
            const Keys id_column(ids);
            const Payload columns(payload);
            const PayloadBatch batch = columns.view();
            const Span<const std::int8_t> ops = view(op);
            const Span<const std::uint32_t> group_of = view(groups);
            py::gil_scoped_release unlocked;
            self.update(ops, id_column.view(), columns.given() ? &batch : nullptr, group_of);
          },
          py::arg("op"), py::arg("ids"), py::arg("payload"), py::arg("groups"))
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
      .def("merge", &DynamicMaximizer::merge, py::arg("other"), py::call_guard<py::gil_scoped_release>())
      .def(
          "erase_forever",
          [](DynamicMaximizer& self, const py::object& ids) {
            const Keys id_column(ids);
            py::gil_scoped_release unlocked;
            self.erase_forever(id_column.view());
          },
          py::arg("ids"))
      .def("ladders",
           [](const DynamicMaximizer& self) {
             std::vector<std::pair<int, std::vector<py::object>>> all;
             for (const Ladder& ladder : self.ladders()) {
               all.emplace_back(ladder.index, std::vector<py::object>());
               for (const OwnedKeys& sample : ladder.samples) all.back().second.push_back(to_python(sample));
             }
             return all;
           })
      .def("live",
           [](const DynamicMaximizer& self) {
             OwnedKeys ids;
             {
               py::gil_scoped_release unlocked;
               ids = self.live();
             }
             return to_python(ids);
           })
      .def("audit", &DynamicMaximizer::audit, py::call_guard<py::gil_scoped_release>())
      .def(
          "save",
          [](const DynamicMaximizer& self, const std::string& annex) {
            std::string bytes;
            {
              py::gil_scoped_release unlocked;
              bytes = self.save(annex);
            }
            return py::bytes(bytes);
          },
          py::arg("annex"))
      .def_static(
          "load",
          [](std::shared_ptr<Objective> fresh, const Settings& settings, const py::bytes& data) {
            const auto bytes = static_cast<std::string_view>(data);
            std::string annex;
            std::unique_ptr<DynamicMaximizer> loaded;
            {
              py::gil_scoped_release unlocked;
              loaded = DynamicMaximizer::load(std::move(fresh), settings,
                                              {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, annex);
            }
            return std::make_pair(std::move(loaded), std::move(annex));
          },
          py::arg("fresh_objective"), py::arg("settings"), py::arg("data"))
      .def_property_readonly("objective", &DynamicMaximizer::objective)
      .def_property_readonly("n_seen", &DynamicMaximizer::n_seen)
      .def_property_readonly("n_live", &DynamicMaximizer::n_live)
      .def_property_readonly("n_guesses", &DynamicMaximizer::n_guesses)
      .def_property_readonly("activations", &DynamicMaximizer::activations)
      .def_property_readonly("queries", &DynamicMaximizer::queries)
      .def_property_readonly("nbytes",
                             py::cpp_function(&DynamicMaximizer::nbytes, py::call_guard<py::gil_scoped_release>()))
      .def_property_readonly("payload_nbytes", &DynamicMaximizer::payload_nbytes);
}

}  // namespace pyalgo::bindings
