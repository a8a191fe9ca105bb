// Columns that Python hands over, as the views the core works on. Everything is borrowed from the Python objects, which
// the holder keeps alive; none of it may change while the interpreter lock is released.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string_view>
#include <vector>

#include "pyalgo/keys.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo::bindings {

template <class T>
using Array = pybind11::array_t<T, pybind11::array::c_style>;

template <class T>
Span<const T> view(const Array<T>& array) {
  return {array.data(), static_cast<std::size_t>(array.size())};
}

template <class T>
Array<T> to_array(const std::vector<T>& values) {
  return Array<T>(static_cast<pybind11::ssize_t>(values.size()), values.data());
}

// An int64 array or a list of str.
class Keys {
 public:
  explicit Keys(const pybind11::object& column) : column_(column) {
    if (!pybind11::isinstance<pybind11::list>(column)) {
      numbers_ = pybind11::cast<Array<std::int64_t>>(column);
      return;
    }
    for (const pybind11::handle text : column) {
      Py_ssize_t length = 0;
      const char* bytes = PyUnicode_AsUTF8AndSize(text.ptr(), &length);  // cached by, and as long-lived as, the string
      if (bytes == nullptr) throw pybind11::error_already_set();
      texts_.emplace_back(bytes, static_cast<std::size_t>(length));
    }
    kind_ = KeyKind::text;
  }

  KeyColumn view() const {
    return {kind_, bindings::view(numbers_), Span<const std::string_view>(texts_.data(), texts_.size())};
  }

 private:
  pybind11::object column_;
  Array<std::int64_t> numbers_{0};
  std::vector<std::string_view> texts_;
  KeyKind kind_ = KeyKind::integer;
};

}  // namespace pyalgo::bindings
