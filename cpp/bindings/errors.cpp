#include "errors.hpp"

#include "pyalgo/errors.hpp"
#include "pyalgo/snapshot.hpp"

namespace py = pybind11;

namespace pyalgo::bindings {
namespace {

py::object python_class(BatchError::Kind kind) {
  switch (kind) {
    case BatchError::Kind::value: return py::reinterpret_borrow<py::object>(PyExc_ValueError);
    case BatchError::Kind::type: return py::reinterpret_borrow<py::object>(PyExc_TypeError);
    case BatchError::Kind::unknown_element: return py::module_::import("pyalgo.errors").attr("UnknownElementError");
    case BatchError::Kind::unknown_index: return py::module_::import("pyalgo.errors").attr("UnknownIndexError");
    case BatchError::Kind::feedback: return py::module_::import("pyalgo.errors").attr("FeedbackError");
    case BatchError::Kind::duplicate_element: break;
  }
  return py::module_::import("pyalgo.errors").attr("DuplicateElementError");
}

}  // namespace

void register_errors() {
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const BatchError& error) {
      const py::object cls = python_class(error.kind());
      const py::object raised = cls(py::str("row " + std::to_string(error.row()) + ": " + error.what()));
      raised.attr("row") = error.row();
      PyErr_SetObject(cls.ptr(), raised.ptr());
    } catch (const NonMonotoneError& error) {
      PyErr_SetString(py::module_::import("pyalgo.errors").attr("NonMonotoneError").ptr(), error.what());
    } catch (const SnapshotFormatError& error) {
      PyErr_SetString(py::module_::import("pyalgo.errors").attr("SnapshotError").ptr(), error.what());
    }
  });
}

}  // namespace pyalgo::bindings
