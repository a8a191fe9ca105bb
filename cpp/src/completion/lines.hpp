// The observed cells of a sparse matrix, line by line (a line is a row or a column), each line sorted by index.
//
// As loaded, all lines lie behind one another. A line that outgrows its place moves to one of its own with an eighth of
// room to spare, so a cell comes or goes in O(cells of the line), and no other line is touched.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

#include "pyalgo/span.hpp"

namespace pyalgo::completion {

template <class T>
struct Line {
  std::uint32_t* index = nullptr;
  T* value = nullptr;
  T* weight = nullptr;  // null where all weights are 1
  std::uint32_t size = 0, capacity = 0;
};

// What becomes of one cell of a line.
template <class T>
struct CellChange {
  std::uint32_t line, index;
  bool present, erase;  // whether the cell is there before; whether it is to go
  T value, weight;
};

template <class T>
class Lines {
 public:
  static constexpr std::size_t npos = std::numeric_limits<std::size_t>::max();

  std::size_t size() const noexcept { return lines_.size(); }
  std::size_t cells() const noexcept { return cells_; }
  bool weighted() const noexcept { return weighted_; }
  const Line<T>& operator[](std::size_t line) const noexcept { return lines_[line]; }

  // Place of a cell in its line, or npos. O(log cells of the line).
  std::size_t find(std::size_t line, std::uint32_t index) const noexcept {
    const Line<T>& at = lines_[line];
    const std::uint32_t* found = std::lower_bound(at.index, at.index + at.size, index);
    return found != at.index + at.size && *found == index ? static_cast<std::size_t>(found - at.index) : npos;
  }

  // Empty lines of these capacities, in one piece; append() then fills each in ascending order of its indices.
  void lay_out(Span<const std::uint32_t> capacities, bool weighted);
  void append(std::size_t line, std::uint32_t index, T value, T weight) noexcept {
    Line<T>& to = lines_[line];
    to.index[to.size] = index;
    to.value[to.size] = value;
    if (weighted_) to.weight[to.size] = weight;
    ++to.size;
    ++cells_;
  }
  void truncate(std::size_t line, std::size_t size) noexcept {
    cells_ -= lines_[line].size - size;
    lines_[line].size = static_cast<std::uint32_t>(size);
  }

  void grow(std::size_t lines);
  // Room for `more` cells in a line. What else may fail is done here, so that apply() cannot.
  void reserve(std::size_t line, std::size_t more);
  // All changes of one line, by ascending index.
  void apply(Span<const CellChange<T>> changes) noexcept;

  void give_weights();  // of 1 each
  void compact();       // all lines behind one another again
  bool scattered() const noexcept { return 8 * moved_cells_ > cells_; }
  std::size_t nbytes() const noexcept;

 private:
  void point(Line<T>& line, unsigned char* block, std::size_t capacity) const noexcept;
  std::size_t cell_bytes() const noexcept { return sizeof(std::uint32_t) + (weighted_ ? 2 : 1) * sizeof(T); }

  bool weighted_ = false;
  std::size_t cells_ = 0, moved_cells_ = 0;  // of lines in places of their own, when they moved
  std::vector<Line<T>> lines_;
  std::vector<std::uint32_t> index_;
  std::vector<T> value_, weight_;
  std::vector<std::unique_ptr<unsigned char[]>> own_;  // empty, or one a line
};

// A matrix's cells both ways.
template <class T>
struct Cells {
  Lines<T> rows, cols;
};

// The same cells by the other index. O(cells).
template <class T>
Lines<T> transposed(const Lines<T>& lines, std::size_t n);

}  // namespace pyalgo::completion
