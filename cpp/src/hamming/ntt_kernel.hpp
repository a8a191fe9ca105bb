// The vector kernels of the number-theoretic engine, one set a level of instruction sets. Internal to ntt*.cpp.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "ntt_field.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::hamming::ntt {

// Two letters whose spectra are stored interleaved, so that one multiply-add takes both.
struct LetterPair {
  const std::uint8_t* text[2] = {nullptr, nullptr};  // null: the spectrum is zero
  std::uint8_t letter[2] = {0, 0};
};

// y[b] = sum over pieces s and pairs p of x[b + s][p] h[s][p] / 2^16: products of spectra for several blocks.
struct Product {
  const std::int16_t* x = nullptr;       // spectra of segments, tile by tile
  std::size_t x_tile = 0;                // from tile to tile, in elements
  const std::uint32_t* slots = nullptr;  // offset of segment b + s inside a tile
  const std::int16_t* h = nullptr;       // spectra of the pieces, tile by tile
  std::size_t h_tile = 0;
  std::size_t h_piece = 0;  // from piece to piece inside a tile
  std::size_t pieces = 0;
  std::size_t pairs = 0;      // pieces * pairs <= fold_limit
  bool reduce = true;         // needed beyond inverse_limit
  bool accumulate = false;    // y[b] += instead; reduces
  std::int16_t* y = nullptr;  // blocks, each of `length` elements
  std::size_t blocks = 0;
  std::size_t length = 0;
  const Tables* tables = nullptr;  // if not null: the first levels of the inverse transform follow,
  std::int32_t constant = 0;       // of y with this added at all places; 0 <= constant < q
};

// How many pairs of products may add up, for reduced spectra of the pattern and spectra of the text that are reduced or
// not: their sum over 2^16 and a multiple of q over 2^16 must stay below `limit`.
constexpr std::size_t pair_limit(bool reduced, std::int32_t limit) noexcept {
  const std::int64_t x =
      reduced ? reduced_bound
              : std::max(forward_bounds(first_level(1).bound).last, forward_bounds(first_level(2).bound).last);
  return static_cast<std::size_t>((std::int64_t{limit - q / 2 - 2} << 16) / (2 * x * reduced_bound));
}
constexpr std::size_t fold_limit(bool reduced) noexcept { return pair_limit(reduced, 32767); }
constexpr std::size_t inverse_limit(bool reduced) noexcept { return pair_limit(reduced, inverse_input); }

constexpr std::size_t work_size = 4 * power_of_two;

struct Kernel {
  std::size_t lanes;

  // The spectra of text[i] == letter, times -1, for both letters of a pair. Tile t goes to out + t * out_tile: 2 * tile
  // elements, each frequency's two elements side by side. `work` holds work_size elements. The order of frequencies
  // differs between levels.
  void (*forward)(const Tables& tables, const LetterPair& pair, std::int16_t* out, std::size_t out_tile, bool reduced,
                  std::int16_t* work);
  void (*multiply)(const Product& product);
  // The rest of the inverse transform in place: places 0, ..., wanted - 1 in order.
  void (*inverse)(const Tables& tables, std::int16_t* data, std::size_t wanted);
  // out[i] = base - y[i], or out[i] -= y[i], with y[i] taken modulo q into [0, q).
  void (*lift)(const std::int16_t* y, std::size_t count, std::int32_t base, bool accumulate, std::int32_t* out);
  // Whether some text[i] is none of the letters; then out[i] = 1 for those, else 0. `size` is a multiple of 128.
  bool (*others)(const std::uint8_t* text, std::size_t size, const std::uint8_t* letters, std::size_t count,
                 std::uint8_t* out);
};

const Kernel& kernel(Isa isa) noexcept;

}  // namespace pyalgo::hamming::ntt
