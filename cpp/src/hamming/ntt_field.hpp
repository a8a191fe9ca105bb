// The field of the number-theoretic transforms and its twiddle factors. Internal to ntt*.cpp.
//
// q = 12289 = 3 * 2^12 + 1, so that x^4096 - 1 and x^12288 - 1 fall into linear factors, and 2.66 q still fits in 16
// bits with a sign: sums need a reduction only at every third level.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace pyalgo::hamming::ntt {

constexpr std::int32_t q = 12289;
constexpr std::int32_t q_inverse = -12287;  // modulo 2^16
constexpr std::size_t power_of_two = 4096;  // the part of each transform that is done by radix-2 levels
constexpr unsigned levels = 12;
constexpr std::size_t tile = 256;       // frequencies that lie together in a stored spectrum
constexpr std::int32_t generator = 11;  // of the multiplicative group, whose order is 12288

constexpr std::int32_t power(std::int64_t base, std::uint64_t exponent) noexcept {
  std::int64_t result = 1;
  for (base %= q; exponent != 0; exponent >>= 1, base = base * base % q) {
    if (exponent & 1) result = result * base % q;
  }
  return static_cast<std::int32_t>(result);
}
static_assert(power(generator, 6144) != 1 && power(generator, 4096) != 1, "11 generates the group");
static_assert(((q * q_inverse) & 0xffff) == 1);

// The representative of least absolute value.
constexpr std::int32_t centred(std::int64_t x) noexcept {
  const std::int64_t r = ((x % q) + q) % q;
  return static_cast<std::int32_t>(r > q / 2 ? r - q : r);
}

// A factor w as mulhi and mullo want it: w 2^16 mod q, and that times 1/q mod 2^16.
struct Factor {
  std::int16_t w = 0;
  std::int16_t wq = 0;
};
constexpr Factor factor(std::int64_t x) noexcept {
  const std::int32_t w = centred(centred(x) * std::int64_t{65536});
  return {static_cast<std::int16_t>(w), static_cast<std::int16_t>(w * q_inverse)};
}
// b w mod q, exactly what the vector kernels compute: |result| <= (|b| |w 2^16 mod q| + 2^15 q) / 2^16 + 1.
constexpr std::int32_t montgomery(std::int32_t b, Factor f) noexcept {
  const auto low = static_cast<std::int16_t>(b * f.wq);
  return ((b * f.w) >> 16) - ((low * q) >> 16);
}
// a modulo q, nearly centred: |result| <= reduced_bound for every 16-bit a.
constexpr std::int32_t reduce(std::int32_t a) noexcept { return a - q * ((((a * 1365) >> 16) + 128) >> 8); }
constexpr std::int32_t reduced_bound = 6209;  // 0.5053 q; the tests try every input

// The largest absolute values through the levels of a transform: every sum must fit in 16 bits with a sign.
struct BoundChain {
  std::int32_t largest = 0;
  std::int32_t last = 0;

  constexpr std::int32_t product(std::int32_t b) const noexcept { return (b * (q / 2) + 32768 * q) / 65536 + 1; }
  // A level (a, b) -> (a + w b, a - w b) on inputs up to `last`, where a may be reduced first.
  constexpr void cross(bool reduce_first) noexcept {
    last = (reduce_first ? reduced_bound : last) + product(last);
    if (last > largest) largest = last;
  }
  constexpr void sum(std::int32_t a, std::int32_t b) noexcept {
    last = a + b;
    if (last > largest) largest = last;
  }
};

// Levels at which the addend is reduced first: forward levels count from the root, inverse levels towards it.
constexpr bool forward_reduces(unsigned level) noexcept { return level == 3 || level == 6 || level == 9; }
constexpr bool inverse_reduces(unsigned level) noexcept { return level % 3 == 0 && level < 10; }

// Forward: the first level starts from zeros and ones (`first` bounds its outcome).
constexpr BoundChain forward_bounds(std::int32_t first) noexcept {
  BoundChain chain;
  chain.last = chain.largest = first;
  for (unsigned level = 1; level < levels; ++level) chain.cross(forward_reduces(level));
  return chain;
}
constexpr std::int32_t inverse_input = 12100;  // bounds what an inverse transform takes
constexpr BoundChain inverse_bounds() noexcept {
  BoundChain chain;
  chain.sum(inverse_input, inverse_input);  // level 11 has no factors
  for (unsigned level = levels - 1; level-- > 0;) chain.cross(inverse_reduces(level));
  const std::int32_t f = chain.last, product = chain.product(f);  // thirds: F_0 + A + B, F_0 - B + zeta (A - B)
  chain.sum(f, 2 * product);
  chain.sum(f + product, chain.product(2 * product));
  return chain;
}

// Level 0 of subtree j = 1, 2 of x^12288 - 1 on symbols that are -1 or 0, where every product is a choice: with a, b, c
// at places n, n + 4096, n + 8192 and a', b', c' at 2048 more, u = a + zeta b + zeta^2 c and w v = w (a' + zeta b' +
// zeta^2 c'), zeta = z^(4096 j), w = z^(2048 j). The factors of each sum add up to 0, so that every partial sum is
// small.
struct FirstLevel {
  std::int32_t values[6] = {};  // times -1
  std::int32_t bound = 0;       // of |u| + |w v|
};
constexpr FirstLevel first_level(std::size_t j) noexcept {
  FirstLevel level;
  for (std::size_t half = 0; half < 2; ++half) {
    std::int32_t* c = level.values + 3 * half;
    std::int32_t total = 0;
    for (std::size_t i = 0; i < 3; ++i)
      total += c[i] = centred(-std::int64_t{power(generator, (2048 * half + 4096 * i) * j)});
    if (total % q != 0) continue;  // subtree 0
    for (std::size_t i = 0; i < 3 && total != 0; ++i) {
      const bool furthest = total > 0 ? c[i] >= c[(i + 1) % 3] && c[i] >= c[(i + 2) % 3]
                                      : c[i] <= c[(i + 1) % 3] && c[i] <= c[(i + 2) % 3];
      if (furthest) c[i] -= total, total = 0;
    }
    std::int32_t positive = 0;
    for (std::size_t i = 0; i < 3; ++i) positive += c[i] > 0 ? c[i] : 0;
    level.bound += positive;
  }
  return level;
}
static_assert(forward_bounds(first_level(1).bound).largest < 32768 &&
              forward_bounds(first_level(2).bound).largest < 32768);
static_assert(forward_bounds(6).largest < 32768 && inverse_bounds().largest < 32768);

// Twiddle factors of the transforms of length 4096 (one subtree) and 12288 (three), for vectors of `lanes` elements.
//
// Forward: x^2L - w^2 -> x^L -+ w. Node k of depth d of the subtree x^4096 - z^(4096 j), z of order 12288, has w = z^e
// with e = 2048 j / 2^d + 3 bitreversed_11(k); one node is shared by all lanes down to nodes of `lanes` coefficients.
// There a square of lanes x lanes coefficients is transposed, so that each lane holds a node of its own. Inverse:
// decimation in time; a level that joins two halves of h elements has the factor g^(-n 2048 / h) at place n, g = z^3.
class Tables {
 public:
  struct Node {  // both halves of each word alike: a broadcast of 32 bits fills a vector
    std::int32_t w;
    std::int32_t wq;
  };
  Tables(std::size_t lanes, std::size_t subtrees);
  // Those of 8 or 16 lanes and 1 or 3 subtrees, built at first use.
  static const Tables& shared(std::size_t lanes, std::size_t subtrees);

  std::size_t lanes;
  std::size_t subtrees;
  std::vector<Node> nodes[3];           // [2^depth + k]
  std::vector<std::int16_t> leaves[3];  // per square: lanes - 1 pairs of vectors (w, wq), level by level
  std::vector<Node> joins;              // [h + n], h < lanes
  std::vector<std::int16_t> places;     // [v] for v = (h + n) / lanes: a pair of vectors
  std::vector<std::int16_t> twists;     // for each vector of places n < 4096: z^-n and z^-2n, a pair of vectors each
  std::int16_t first[3][6] = {};        // first_level
  std::uint8_t choices[3][2][16] =
      {};           // the 8 sums of its first three values, and of its last three: lower bytes, then upper
  Node third = {};  // z^-4096
};

}  // namespace pyalgo::hamming::ntt
