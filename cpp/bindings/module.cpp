#include "bindings.hpp"
#include "errors.hpp"

PYBIND11_MODULE(_core, m, pybind11::mod_gil_not_used()) {
  m.doc() = "Compiled core of pyalgo. Private: use the modules of pyalgo instead.";
  m.attr("__version__") = PYALGO_VERSION;
  pyalgo::bindings::register_errors();
  pyalgo::bindings::bind_bandits(m);
  pyalgo::bindings::bind_bandit_fleets(m);
  pyalgo::bindings::bind_completion(m);
  pyalgo::bindings::bind_hamming(m);
  pyalgo::bindings::bind_rns(m);
  pyalgo::bindings::bind_submodular(m);
  pyalgo::bindings::bind_submodular_static(m);
}
