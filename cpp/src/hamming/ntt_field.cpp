#include "ntt_field.hpp"

namespace pyalgo::hamming::ntt {
namespace {

constexpr std::uint64_t order = q - 1;  // of z = 11

constexpr std::int32_t z_power(std::int64_t exponent) noexcept {
  const std::int64_t m = static_cast<std::int64_t>(order);
  return power(generator, static_cast<std::uint64_t>(((exponent % m) + m) % m));
}

constexpr std::size_t reversed(std::size_t k) noexcept {  // of 11 bits
  std::size_t r = 0;
  for (unsigned bit = 0; bit < levels - 1; ++bit) r |= ((k >> bit) & 1) << (levels - 2 - bit);
  return r;
}

// The factor of node k at this depth of a subtree.
Factor node_factor(std::size_t subtree, unsigned depth, std::size_t k) noexcept {
  return factor(z_power(static_cast<std::int64_t>((2048 * subtree >> depth) + 3 * reversed(k))));
}

constexpr Tables::Node spread(Factor f) noexcept {
  const auto both = [](std::int16_t x) {
    const std::uint32_t bits = static_cast<std::uint16_t>(x);
    return static_cast<std::int32_t>(bits << 16 | bits);
  };
  return {both(f.w), both(f.wq)};
}

// A pair of vectors (w, wq).
template <class At>
void append(std::vector<std::int16_t>& to, std::size_t lanes, At&& at) {
  for (std::size_t i = 0; i < lanes; ++i) to.push_back(at(i).w);
  for (std::size_t i = 0; i < lanes; ++i) to.push_back(at(i).wq);
}

}  // namespace

Tables::Tables(std::size_t lane_count, std::size_t subtree_count) : lanes(lane_count), subtrees(subtree_count) {
  const std::size_t rows = power_of_two / lanes;
  unsigned row_levels = 0;
  while ((std::size_t{1} << row_levels) < rows) ++row_levels;
  for (std::size_t j = 0; j < subtrees; ++j) {
    nodes[j].resize(rows);
    for (unsigned depth = 0; depth < row_levels; ++depth) {
      for (std::size_t k = 0; k < (std::size_t{1} << depth); ++k)
        nodes[j][(std::size_t{1} << depth) + k] = spread(node_factor(j, depth, k));
    }
    for (std::size_t index = 0; index < rows / lanes; ++index) {
      for (unsigned depth = row_levels; depth < levels; ++depth) {
        const unsigned below = depth - row_levels;
        for (std::size_t k = 0; k < (std::size_t{1} << below); ++k) {
          append(leaves[j], lanes,
                 [&](std::size_t lane) { return node_factor(j, depth, ((index * lanes + lane) << below) + k); });
        }
      }
    }
    const FirstLevel level = first_level(j);
    for (std::size_t i = 0; i < 6; ++i) first[j][i] = static_cast<std::int16_t>(level.values[i]);
    for (std::size_t half = 0; half < 2; ++half) {
      for (std::size_t chosen = 0; chosen < 8; ++chosen) {
        std::int32_t sum = 0;
        for (std::size_t i = 0; i < 3; ++i) sum += (chosen >> i & 1) != 0 ? level.values[3 * half + i] : 0;
        choices[j][half][chosen] = static_cast<std::uint8_t>(sum & 0xff);
        choices[j][half][8 + chosen] = static_cast<std::uint8_t>(sum >> 8 & 0xff);
      }
    }
  }
  joins.resize(lanes);
  places.assign(2 * lanes, 0);  // v = 0 is none
  const auto place = [](std::size_t h, std::size_t n) {
    return factor(z_power(-3 * static_cast<std::int64_t>(n * (2048 / h))));
  };
  for (std::size_t h = 1; h < power_of_two; h *= 2) {
    for (std::size_t n = 0; h < lanes && n < h; ++n) joins[h + n] = spread(place(h, n));
    for (std::size_t n = 0; h >= lanes && n < h; n += lanes)
      append(places, lanes, [&](std::size_t lane) { return place(h, n + lane); });
  }
  third = spread(factor(z_power(-4096)));
  for (std::size_t n = 0; subtrees == 3 && n < power_of_two; n += lanes) {
    for (std::int64_t times = 1; times <= 2; ++times) {
      append(twists, lanes,
             [&](std::size_t lane) { return factor(z_power(-times * static_cast<std::int64_t>(n + lane))); });
    }
  }
}

const Tables& Tables::shared(std::size_t lanes, std::size_t subtrees) {
  if (lanes == 8) {
    static const Tables short8(8, 1), long8(8, 3);
    return subtrees == 1 ? short8 : long8;
  }
  static const Tables short16(16, 1), long16(16, 3);
  return subtrees == 1 ? short16 : long16;
}

}  // namespace pyalgo::hamming::ntt
