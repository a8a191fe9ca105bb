#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <algorithm>
#include <optional>

#include "arrays.hpp"
#include "bindings.hpp"
#include "pyalgo/completion.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

using namespace completion;
using Unlocked = py::call_guard<py::gil_scoped_release>;

template <class Enum>
Enum choice(const char* what, const std::string& name, const std::vector<std::pair<std::string, Enum>>& choices) {
  for (const auto& [text, value] : choices)
    if (text == name) return value;
  throw py::value_error(std::string(what) + " must not be " + name);
}

Settings settings(std::uint32_t rank, bool altmin, bool independent, std::uint32_t parts, const std::string& solver,
                  double reg, double reg_power, bool bias, bool center, bool nonneg, double inner_tol,
                  std::uint32_t inner_steps, bool spectral, double incoherence, double hold_out, std::uint64_t seed,
                  bool single) {
  Settings chosen;
  chosen.rank = rank;
  chosen.altmin = altmin;
  chosen.independent = independent;
  chosen.parts = parts;
  chosen.solver = choice<Solver>(
      "solver", solver,
      {{"auto", Solver::automatic}, {"cholesky", Solver::cholesky}, {"cg", Solver::cg}, {"sketch", Solver::sketch}});
  chosen.reg = reg;
  chosen.reg_power = reg_power;
  chosen.bias = bias;
  chosen.center = center;
  chosen.nonneg = nonneg;
  chosen.inner_tol = inner_tol;
  chosen.inner_steps = inner_steps;
  chosen.start = spectral ? Start::spectral : Start::random;
  chosen.incoherence = incoherence;
  chosen.hold_out = hold_out;
  chosen.seed = seed;
  chosen.single = single;
  return chosen;
}

using Indices = Array<std::int64_t>;
using Values = Array<double>;
using Weights = std::optional<Values>;

// Columns of equally many cells, borrowed.
Triplets triplets(const Indices& rows, const Indices& cols, const Values& values, const Weights& weights) {
  if (rows.size() != cols.size() || rows.size() != values.size() || (weights && weights->size() != rows.size()))
    throw py::value_error("rows, cols, values and weights must be equally long");
  return {view(rows), view(cols), view(values), weights ? view(*weights) : Span<const double>()};
}

void check_pairs(const Indices& rows, const Indices& cols) {
  if (rows.size() != cols.size()) throw py::value_error("rows and cols must be equally long");
}

Values matrix(const std::vector<double>& values, std::size_t width) {
  const std::size_t rows = width > 0 ? values.size() / width : 0;
  Values out({static_cast<py::ssize_t>(rows), static_cast<py::ssize_t>(width)});
  std::copy(values.begin(), values.end(), out.mutable_data());
  return out;
}

py::tuple rmse(const Rmse& found) { return py::make_tuple(found.value, found.error, found.count); }

py::dict to_python(const Diagnostics& found) {
  const Sampling& s = found.sampling;
  py::dict sampling;
  sampling["p"] = s.p;
  sampling["min_row_degree"] = s.min_row_degree;
  sampling["max_row_degree"] = s.max_row_degree;
  sampling["min_col_degree"] = s.min_col_degree;
  sampling["max_col_degree"] = s.max_col_degree;
  sampling["rows_underdetermined"] = s.rows_underdetermined;
  sampling["cols_underdetermined"] = s.cols_underdetermined;
  sampling["components"] = s.components;
  sampling["mu_hat"] = s.incoherence;
  sampling["kappa_hat"] = s.condition;
  py::dict all;
  all["train"] = rmse(found.train);
  all["valid"] = rmse(found.valid);
  all["ahead"] = rmse(found.ahead);
  all["sampling"] = sampling;
  return all;
}

template <class Work>
auto unlocked(const Work& work) {
  const py::gil_scoped_release released;
  return work();
}

}  // namespace

void bind_completion(py::module_& m) {
  m.def("peak_multiply_adds", &peak_multiply_adds, Unlocked(),
        "Multiply-adds of doubles a second of one core, from registers.");

  py::class_<Settings>(m, "CompletionSettings")
      .def(py::init(&settings), py::kw_only(), py::arg("rank"), py::arg("altmin"), py::arg("independent"),
           py::arg("parts"), py::arg("solver"), py::arg("reg"), py::arg("reg_power"), py::arg("bias"),
           py::arg("center"), py::arg("nonneg"), py::arg("inner_tol"), py::arg("inner_steps"), py::arg("spectral"),
           py::arg("incoherence"), py::arg("hold_out"), py::arg("seed"), py::arg("single"));

  py::class_<Completion>(m, "Completion")
      .def(py::init(&Completion::make), py::arg("settings"))
      .def(
          "assign",
          [](Completion& self, const Indices& rows, const Indices& cols, const Values& values, const Weights& weights,
             std::uint64_t n_rows, std::uint64_t n_cols, const std::string& duplicates) {
            const Triplets cells = triplets(rows, cols, values, weights);
            const auto policy = choice<Duplicates>("duplicates", duplicates,
                                                   {{"error", Duplicates::error},
                                                    {"last", Duplicates::last},
                                                    {"mean", Duplicates::mean},
                                                    {"sum", Duplicates::sum}});
            unlocked([&] { self.assign(cells, n_rows, n_cols, policy); });
          },
          py::arg("rows"), py::arg("cols"), py::arg("values"), py::arg("weights"), py::arg("m"), py::arg("n"),
          py::arg("duplicates"))
      .def(
          "hold_out",
          [](Completion& self, const Indices& rows, const Indices& cols, const Values& values, const Weights& weights) {
            const Triplets cells = triplets(rows, cols, values, weights);
            unlocked([&] { self.hold_out(cells); });
          },
          py::arg("rows"), py::arg("cols"), py::arg("values"), py::arg("weights"))
      .def(
          "update",
          [](Completion& self, const Array<std::int8_t>& op, const Indices& rows, const Indices& cols,
             const Values& values, const Weights& weights, unsigned rounds, unsigned threads, bool grow) {
            const Triplets cells = triplets(rows, cols, values, weights);
            if (op.size() != rows.size()) throw py::value_error("op and rows must be equally long");
            unlocked([&] { self.update(view(op), cells, rounds, threads, grow); });
          },
          py::arg("op"), py::arg("rows"), py::arg("cols"), py::arg("values"), py::arg("weights"), py::arg("rounds"),
          py::arg("threads"), py::arg("grow"))
      .def("grow", &Completion::grow, py::arg("m"), py::arg("n"), Unlocked())
      .def("merge", &Completion::merge, py::arg("other"), Unlocked())
      .def("restart", &Completion::restart, py::arg("threads"), Unlocked())
      .def(
          "set_factors", [](Completion& self, const Values& u, const Values& v) { self.set_factors(view(u), view(v)); },
          py::arg("u"), py::arg("v"))
      .def(
          "sweep",
          [](Completion& self, unsigned threads) {
            const SweepReport done = unlocked([&] { return self.sweep(threads); });
            return std::make_tuple(done.objective_half, done.objective, done.train_rmse, done.valid_rmse);
          },
          py::arg("threads"))
      .def("factors",
           [](const Completion& self) {
             const Factors found = unlocked([&] { return self.factors(); });
             const std::size_t rows = found.row_bias.size(), cols = found.col_bias.size();
             const std::size_t k = rows > 0 ? found.u.size() / rows : cols > 0 ? found.v.size() / cols : 0;
             return py::make_tuple(matrix(found.u, k), matrix(found.v, k), to_array(found.row_bias),
                                   to_array(found.col_bias), found.mean);
           })
      .def("checkpoint", [](const Completion& self) { return py::bytes(self.checkpoint()); })
      .def(
          "restore", [](Completion& self, const py::bytes& checkpoint) { self.restore(checkpoint); },
          py::arg("checkpoint"))
      .def(
          "warm_start", [](Completion& self, const py::bytes& checkpoint) { self.warm_start(checkpoint); },
          py::arg("checkpoint"))
      .def(
          "predict",
          [](const Completion& self, const Indices& rows, const Indices& cols, unsigned threads) {
            check_pairs(rows, cols);
            Values out(rows.size());
            double* to = out.mutable_data();
            unlocked([&] { self.predict(view(rows), view(cols), to, threads); });
            return out;
          },
          py::arg("rows"), py::arg("cols"), py::arg("threads"))
      .def(
          "leverage",
          [](const Completion& self, const Indices& rows, const Indices& cols, unsigned threads) {
            check_pairs(rows, cols);
            const Leverage found = unlocked([&] { return self.leverage(view(rows), view(cols), threads); });
            return std::make_pair(to_array(found.rows), to_array(found.cols));
          },
          py::arg("rows"), py::arg("cols"), py::arg("threads"))
      .def("degrees_of_freedom", &Completion::degrees_of_freedom, py::arg("threads"), Unlocked())
      .def(
          "diagnose",
          [](const Completion& self, unsigned threads) {
            const Diagnostics found = unlocked([&] { return self.diagnose(threads); });
            return py::typing::Dict<py::str, py::object>(to_python(found));
          },
          py::arg("threads"))
      .def(
          "fold_in",
          [](const Completion& self, const Indices& offsets, const Indices& cols, const Values& values,
             std::size_t rank, unsigned threads) {
            const std::int64_t *begin = offsets.data(), *end = begin + offsets.size();
            if (begin == end || *begin != 0 || *(end - 1) != cols.size() || cols.size() != values.size() ||
                !std::is_sorted(begin, end))
              throw py::value_error("offsets must rise from 0 to the number of cols and values");
            const py::ssize_t n = offsets.size() - 1;
            Values factors({n, static_cast<py::ssize_t>(rank)}), biases(n);
            double *to = factors.mutable_data(), *bias = biases.mutable_data();
            unlocked([&] { self.fold_in(view(offsets), view(cols), view(values), to, bias, threads); });
            return std::make_pair(factors, biases);
          },
          py::arg("offsets"), py::arg("cols"), py::arg("values"), py::arg("rank"), py::arg("threads"))
      .def(
          "recommend",
          [](const Completion& self, const Indices& rows, std::size_t n, bool exclude_seen, unsigned threads) {
            const Top found = unlocked([&] { return self.recommend(view(rows), n, exclude_seen, threads); });
            const std::vector<py::ssize_t> shape{rows.size(), static_cast<py::ssize_t>(n)};
            Indices cols(shape);
            Values scores(shape);
            std::copy(found.cols.begin(), found.cols.end(), cols.mutable_data());
            std::copy(found.scores.begin(), found.scores.end(), scores.mutable_data());
            return std::make_pair(cols, scores);
          },
          py::arg("rows"), py::arg("n"), py::arg("exclude_seen"), py::arg("threads"))
      .def(
          "cells",
          [](const Completion& self, bool validation) {
            std::vector<std::int64_t> rows, cols;
            std::vector<double> values, weights;
            unlocked([&] { self.cells(validation, rows, cols, values, weights); });
            return py::make_tuple(to_array(rows), to_array(cols), to_array(values), to_array(weights));
          },
          py::arg("validation"))
      .def(
          "save",
          [](const Completion& self, const std::string& annex) {
            return py::bytes(unlocked([&] { return self.save(annex); }));
          },
          py::arg("annex"))
      .def_static(
          "load",
          [](const Settings& settings, const py::bytes& data) {
            const auto bytes = static_cast<std::string_view>(data);
            std::string annex;
            std::unique_ptr<Completion> loaded = unlocked([&] {
              return Completion::load(settings, {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                                      annex);
            });
            return std::make_pair(std::move(loaded), std::move(annex));
          },
          py::arg("settings"), py::arg("data"))
      .def_property_readonly("n_rows", &Completion::n_rows)
      .def_property_readonly("n_cols", &Completion::n_cols)
      .def_property_readonly("n_cells", &Completion::n_cells)
      .def_property_readonly("n_validation", &Completion::n_validation)
      .def_property_readonly("n_seen", &Completion::n_seen)
      .def_property_readonly("n_changed", &Completion::n_changed)
      .def_property_readonly("n_sweeps", &Completion::n_sweeps)
      .def_property_readonly("reg", &Completion::reg)
      .def_property_readonly("nbytes", &Completion::nbytes);
}

}  // namespace pyalgo::bindings
