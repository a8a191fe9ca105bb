// The split of the cells into parts that are used once each (section 2, step 1).
#pragma once

#include <cstdint>
#include <vector>

#include "lines.hpp"
#include "mix.hpp"
#include "pyalgo/completion.hpp"

namespace pyalgo::completion {

enum class Side : std::uint8_t { rows = 0, cols = 1 };
constexpr Side other(Side side) noexcept { return side == Side::rows ? Side::cols : Side::rows; }

// The part of a cell comes from a hash of the cell: nothing is kept, and it does not matter how cells came.
inline std::uint32_t part_of(const Settings& settings, std::uint64_t row, std::uint64_t col) noexcept {
  return static_cast<std::uint32_t>(cell_uniform(settings.seed, purpose_part, row, col) * settings.parts);
}

// Lines as one part sees them, one at a time.
template <class T>
class PartOfLine {
 public:
  PartOfLine(const Settings& settings, Side side, std::uint32_t part) : settings_(settings), side_(side), part_(part) {}

  Line<T> operator()(std::size_t number, const Line<T>& line) {
    index_.clear();
    value_.clear();
    weight_.clear();
    for (std::size_t t = 0; t < line.size; ++t) {
      const std::uint64_t row = side_ == Side::rows ? number : line.index[t],
                          col = side_ == Side::rows ? line.index[t] : number;
      if (part_of(settings_, row, col) != part_) continue;
      index_.push_back(line.index[t]);
      value_.push_back(line.value[t]);
      if (line.weight != nullptr) weight_.push_back(line.weight[t]);
    }
    const auto size = static_cast<std::uint32_t>(index_.size());
    return {index_.data(), value_.data(), line.weight != nullptr ? weight_.data() : nullptr, size, size};
  }

 private:
  const Settings& settings_;
  Side side_;
  std::uint32_t part_;
  std::vector<std::uint32_t> index_;
  std::vector<T> value_, weight_;
};

}  // namespace pyalgo::completion
