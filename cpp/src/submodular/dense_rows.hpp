// Many rows of one width, in chunks that never move.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "dense_kernels.hpp"
#include "pyalgo/span.hpp"

namespace pyalgo::submodular {

// Rows are padded with zeros to whole blocks and aligned to them. A chunk is about 64 kB, or one row if that is more;
// it goes once none of its rows is in use. Nothing is ever copied to grow.
class DenseRows {
 public:
  std::size_t width() const noexcept { return width_; }
  const double* operator[](std::uint32_t row) const noexcept {
    return chunks_[row >> shift_].blocks[(row & mask()) * blocks_].lane;
  }

  void set_width(std::size_t width) {  // before the first row
    width_ = width;
    blocks_ = padded(width) / dense_lanes;
    while ((blocks_ * sizeof(Block) << (shift_ + 1)) <= 65536) ++shift_;
  }

  void set(std::uint32_t row, Span<const double> values) {
    const std::size_t at = row >> shift_;
    if (at >= chunks_.size()) chunks_.resize(at + 1);
    Chunk& chunk = chunks_[at];
    if (chunk.used++ == 0) chunk.blocks.resize(blocks_ << shift_);
    std::copy(values.begin(), values.end(), chunk.blocks[(row & mask()) * blocks_].lane);
  }

  void clear(std::uint32_t row) noexcept {
    Chunk& chunk = chunks_[row >> shift_];
    if (--chunk.used == 0) chunk.blocks = {};
  }

  std::size_t nbytes() const noexcept {
    std::size_t total = chunks_.capacity() * sizeof(Chunk);
    for (const Chunk& chunk : chunks_) total += chunk.blocks.size() * sizeof(Block);
    return total;
  }

 private:
  struct alignas(64) Block {
    double lane[dense_lanes] = {};
  };
  struct Chunk {
    std::vector<Block> blocks;
    std::uint32_t used = 0;
  };

  std::uint32_t mask() const noexcept { return (1U << shift_) - 1; }

  std::size_t width_ = 0, blocks_ = 0;
  std::uint32_t shift_ = 0;  // a chunk has 2^shift rows
  std::vector<Chunk> chunks_;
};

}  // namespace pyalgo::submodular
