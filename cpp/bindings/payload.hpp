// The payload columns of a batch, as pyalgo.submodular hands them over.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "arrays.hpp"
#include "pyalgo/submodular.hpp"

namespace pyalgo::bindings {

// A pair of keys and values, each a pair of (offsets, flat values) or None; for a mixture a list of such, one a
// component.
class Payload {
 public:
  explicit Payload(const pybind11::object& payload) {
    namespace py = pybind11;
    if (py::isinstance<py::list>(payload)) {
      for (const py::handle part : payload) parts_.emplace_back(py::reinterpret_borrow<py::object>(part));
      for (const Payload& part : parts_) part_views_.push_back(part.view());
      return;
    }
    const auto columns = py::cast<py::tuple>(payload);
    if (!columns[0].is_none()) {
      const auto pair = py::cast<py::tuple>(columns[0]);
      keys_.emplace(py::object(pair[1]));
      key_offsets_ = checked_offsets(pair[0], keys_->view().size());
    }
    if (!columns[1].is_none()) {
      const auto pair = py::cast<py::tuple>(columns[1]);
      values_ = py::cast<Array<double>>(pair[1]);
      value_offsets_ = checked_offsets(pair[0], static_cast<std::size_t>(values_.size()));
      has_values_ = true;
    }
  }
  Payload(Payload&&) = default;  // what the views point at stays in place

  bool given() const noexcept {
    return keys_ || has_values_ ||
           std::any_of(parts_.begin(), parts_.end(), [](const Payload& part) { return part.given(); });
  }

  submodular::PayloadBatch view() const {
    submodular::PayloadBatch batch;
    batch.has_keys = keys_.has_value();
    batch.key_offsets = bindings::view(key_offsets_);
    if (keys_) batch.keys = keys_->view();
    batch.has_values = has_values_;
    batch.value_offsets = bindings::view(value_offsets_);
    batch.values = bindings::view(values_);
    batch.parts = {part_views_.data(), part_views_.size()};
    return batch;
  }

  std::size_t rows() const {
    for (const Payload& part : parts_)
      if (part.given()) return part.rows();
    const auto offsets = keys_ ? key_offsets_.size() : value_offsets_.size();
    return offsets > 0 ? static_cast<std::size_t>(offsets) - 1 : 0;
  }

 private:
  static Array<std::int64_t> checked_offsets(const pybind11::object& column, std::size_t n_values) {
    auto offsets = pybind11::cast<Array<std::int64_t>>(column);
    const std::int64_t *begin = offsets.data(), *end = begin + offsets.size();
    if (begin == end || *begin != 0 || *(end - 1) != static_cast<std::int64_t>(n_values) || !std::is_sorted(begin, end))
      throw pybind11::value_error("offsets of a list column must rise from 0 to its " + std::to_string(n_values) +
                                  " values");
    return offsets;
  }

  std::optional<Keys> keys_;
  bool has_values_ = false;
  Array<std::int64_t> key_offsets_{0}, value_offsets_{0};
  Array<double> values_{0};
  std::vector<Payload> parts_;
  std::vector<submodular::PayloadBatch> part_views_;
};

}  // namespace pyalgo::bindings
