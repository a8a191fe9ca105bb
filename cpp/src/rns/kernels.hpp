// The inner loops over residues of one modulus that lie side by side. All SIMD levels give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pyalgo/rns.hpp"
#include "pyalgo/simd.hpp"

namespace pyalgo::rns {

// Values that are worked on together: staged residues and digits of a block stay in the first two cache levels.
constexpr std::size_t block = 128;
// Between their rows, one a modulus: by a power of two these would crowd a few sets of the cache.
constexpr std::size_t row_stride = block + 8;

struct Carry {
  std::uint64_t low = 0, high = 0;
};

// For n residues each; `r` may be an operand, but for `combine`.
template <class T>
struct Kernels {
  void (*add)(const Modulus& m, const T* a, const T* b, T* r, std::size_t n);
  void (*subtract)(const Modulus& m, const T* a, const T* b, T* r, std::size_t n);
  void (*multiply)(const Modulus& m, const T* a, const T* b, T* r, std::size_t n);
  void (*multiply_add)(const Modulus& m, const T* a, const T* b, const T* c, T* r, std::size_t n);
  // factor a + addend, where factor_shoup = floor(factor 2^64 / m), read for 64-bit words only.
  void (*affine)(const Modulus& m, std::uint64_t factor, std::uint64_t factor_shoup, const T* a, std::uint64_t addend,
                 T* r, std::size_t n);
  // Of any words.
  void (*reduce)(const Modulus& m, const std::uint64_t* x, T* r, std::size_t n);
  void (*reduce_signed)(const Modulus& m, const std::uint64_t* x, T* r, std::size_t n);
  // r_j = sum over t of weights[t] digits[t * stride + j]; weights below m, digits below 2^16, 2^31 (or equal), 2^62 by
  // the word, up to 2^31 terms.
  void (*combine)(const Modulus& m, const T* digits, std::size_t stride, const std::uint64_t* weights,
                  std::size_t terms, T* r, std::size_t n);
  std::uint64_t (*dot)(const Modulus& m, const T* a, const T* b, std::size_t n);  // n up to 2^31
  std::uint64_t (*sum)(const Modulus& m, const T* a, std::size_t n);              // likewise
  T (*largest)(const T* a, std::size_t n);
  // fractions_j += xi_j / m
  void (*add_fractions)(const Modulus& m, const T* xi, double* fractions, std::size_t n);
  // words_j += weight xi_j modulo 2^64
  void (*add_words)(std::uint64_t weight, const T* xi, std::uint64_t* words, std::size_t n);
  // From sum xi_i M_i modulo 2^64, and sum xi_i / m_i to within `error`, to the first modulo M.
  void (*settle_words)(std::uint64_t range, double error, const double* fractions, std::uint64_t* words, std::size_t n);
  // One column of sums over digits: limbs[j * step] is the low word of carry_j + sum of weights[t] digits[t * stride +
  // j], and carry_j what is left of it. `run` products fit 128 bits. Reads digits and carries up to a multiple of 4
  // values.
  void (*column)(const T* digits, std::size_t stride, const std::uint64_t* weights, std::size_t terms, std::size_t run,
                 Carry* carries, std::uint64_t* limbs, std::size_t step, std::size_t n);
};

template <class T>
const Kernels<T>& kernels(Isa isa = active_isa()) noexcept;

// floor(w 2^64 / m) for w < m: w a mod m is then w a - m floor(a w' / 2^64), or m less (Shoup).
std::uint64_t shoup(const Modulus& m, std::uint64_t w) noexcept;

}  // namespace pyalgo::rns
