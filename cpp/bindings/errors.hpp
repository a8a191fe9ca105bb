// How the core's exceptions reach Python.
#pragma once

#include <pybind11/pybind11.h>

namespace pyalgo::bindings {

// BatchError becomes the Python exception of its kind with the attribute `row`; SnapshotFormatError becomes
// pyalgo.SnapshotError, NonMonotoneError pyalgo.NonMonotoneError. std::invalid_argument is ValueError by pybind11's own rules.
void register_errors();

}  // namespace pyalgo::bindings
