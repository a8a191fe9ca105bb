// Many short rows of plain values, end to end in one block.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pyalgo/span.hpp"

namespace pyalgo::submodular {

// Rows are set and cleared by index. The block is compacted once more than half of it is garbage, so memory stays within
// twice the live rows and a row costs amortised O(its length).
template <class T>
class RowPool {
 public:
  Span<const T> operator[](std::uint32_t row) const noexcept {
    return {block_.data() + rows_[row].begin, rows_[row].length};
  }

  void set(std::uint32_t row, Span<const T> values) {
    if (row >= rows_.size()) rows_.resize(row + 1);
    rows_[row] = {block_.size(), static_cast<std::uint32_t>(values.size())};
    block_.insert(block_.end(), values.begin(), values.end());
  }

  void clear(std::uint32_t row) {
    garbage_ += rows_[row].length;
    rows_[row] = {};
    if (garbage_ > 64 && 2 * garbage_ > block_.size()) compact();
  }

  std::size_t nbytes() const noexcept { return block_.capacity() * sizeof(T) + rows_.capacity() * sizeof(Row); }

 private:
  struct Row {
    std::size_t begin = 0;
    std::uint32_t length = 0;
  };

  void compact() {
    std::vector<T> block;
    block.reserve(block_.size() - garbage_);
    for (Row& row : rows_) {
      const std::size_t begin = block.size();
      block.insert(block.end(), block_.begin() + row.begin, block_.begin() + row.begin + row.length);
      row.begin = begin;
    }
    block_ = std::move(block);
    garbage_ = 0;
  }

  std::vector<T> block_;
  std::vector<Row> rows_;
  std::size_t garbage_ = 0;
};

}  // namespace pyalgo::submodular
