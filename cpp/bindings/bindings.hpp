#pragma once

#include <pybind11/pybind11.h>

namespace pyalgo::bindings {

void bind_bandits(pybind11::module_& m);
void bind_bandit_fleets(pybind11::module_& m);
void bind_completion(pybind11::module_& m);
void bind_hamming(pybind11::module_& m);
void bind_rns(pybind11::module_& m);
void bind_submodular(pybind11::module_& m);
void bind_objectives(pybind11::module_& m);  // of submodular
void bind_submodular_static(pybind11::module_& m);

}  // namespace pyalgo::bindings
