// What the core throws when its input is at fault. The bindings turn each kind into its Python exception.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>

namespace pyalgo {

// One row of a batch is at fault. Thrown before anything changed; `row` is the 0-based position in the batch.
class BatchError : public std::runtime_error {
 public:
  enum class Kind { value, type, unknown_element, unknown_index, duplicate_element, feedback };

  BatchError(Kind kind, std::size_t row, const std::string& what) : std::runtime_error(what), kind_(kind), row_(row) {}

  Kind kind() const noexcept { return kind_; }
  std::size_t row() const noexcept { return row_; }

 private:
  Kind kind_;
  std::size_t row_;
};

// A function that was promised to be monotone is not.
class NonMonotoneError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace pyalgo
