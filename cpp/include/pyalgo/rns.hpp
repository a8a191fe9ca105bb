// Residue number systems: integers as their residues modulo pairwise coprime words, in bulk.
//
// x in [0, M), M = prod m_i, is (x mod m_0, ..., x mod m_{l-1}). Sums and products act on each residue by itself,
// without carries; the Chinese remainder theorem brings x back. Garner 1959 (mixed radix); Barrett, CRYPTO 1986
// (reduction); Shenoy and Kumaresan, IEEE Trans. Computers 38, 1989, Bajard, Eynard, Hasan, Zucca, SAC 2016, and
// Halevi, Polyakov, Shoup, CT-RSA 2019 (base extension).
//
// Everything is exact, and the same bits at every SIMD level and on any number of threads, which split the values and
// never the residues. Inputs are residues in [0, m_i) unless a function says otherwise, and so are outputs. Time
// depends on the data: this is no primitive for secrets.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "pyalgo/span.hpp"

namespace pyalgo::rns {

constexpr std::uint64_t largest_modulus = (std::uint64_t{1} << 62) - 1;
constexpr std::size_t most_moduli = 1024;

// A modulus 2 <= m < 2^62 and the constants that reduce modulo it.
struct Modulus {
  explicit Modulus(std::uint64_t m);

  std::uint64_t value;
  std::uint64_t mask;        // m - 1 where m is a power of two, which takes no division; else 0
  unsigned width;            // bits: 2^(width-1) <= m < 2^width
  std::uint32_t barrett32;   // floor(2^32 / m), for m < 2^16
  std::uint64_t barrett64;   // floor(2^64 / m)
  std::uint64_t barrett128;  // floor(2^(width+63) / m)
  double inverse;            // 1 / m
  double inverse_below;      // (1 - 2^-50) / m: quotients by it never exceed the true one
  std::uint64_t power32;     // 2^32 mod m
  std::uint64_t power63;     // 2^63 mod m
  std::uint64_t power64;     // 2^64 mod m
};

// One residue at a time, for set-up and rare paths. O(1).
std::uint64_t reduce(const Modulus& m, std::uint64_t x) noexcept;                     // x mod m
std::uint64_t multiply(const Modulus& m, std::uint64_t a, std::uint64_t b) noexcept;  // a b mod m for a, b < m
std::uint64_t inverse(const Modulus& m, std::uint64_t a) noexcept;                    // 0 if a is no unit

// What all residues of a basis are stored in: the narrowest of 16, 32 and 64 bits whose kernel takes the largest
// modulus (up to 2^16, up to 2^31, below 2^62).
enum class Word : std::uint8_t { u16 = 2, u32 = 4, u64 = 8 };

// The moduli and every constant that the functions below need: O(l^2) words. Of l moduli the last `redundant` only
// guard: the range M is the product of the others, k = l - redundant.
class Basis {
 public:
  // Throws std::invalid_argument for a modulus out of range, more than most_moduli or none, a pair with a common factor
  // (named with the factor), and redundant moduli that are not all larger than the others, which the distance needs.
  Basis(const std::vector<std::uint64_t>& moduli, std::size_t redundant);

  std::size_t size() const noexcept { return moduli_.size(); }                      // l
  std::size_t information() const noexcept { return moduli_.size() - redundant_; }  // k
  const Modulus& operator[](std::size_t i) const noexcept { return moduli_[i]; }
  Word word() const noexcept { return word_; }
  unsigned bits() const noexcept { return bits_; }                             // of M
  std::size_t limbs() const noexcept { return (bits_ + 63) / 64; }             // of a value below M
  const std::vector<std::uint64_t>& range() const noexcept { return range_; }  // M in little-endian limbs that hold 2 M
  const std::vector<std::uint64_t>& half() const noexcept { return half_; }    // floor(M / 2), as many limbs
  const std::vector<std::uint64_t>& half_residues() const noexcept { return half_residues_; }

  // Garner: W_j = m_0 ... m_{j-1}. Row i of the prefix table: W_j mod m_i for j < i; and W_i^-1 mod m_i.
  const std::uint64_t* prefixes(std::size_t i) const noexcept { return prefixes_.data() + i * size(); }
  std::uint64_t prefix_inverse(std::size_t i) const noexcept { return prefix_inverses_[i]; }
  // CRT over the k information moduli: M_i = M / m_i and its inverse mod m_i.
  std::uint64_t cofactor_inverse(std::size_t i) const noexcept { return cofactor_inverses_[i]; }
  // Of column c (64 bits) of an integer of limbs() + 1 limbs or fewer: the weights of the k digits.
  const std::uint64_t* prefix_column(std::size_t c) const noexcept {
    return prefix_columns_.data() + c * information();
  }
  // The first digit whose weight reaches column c.
  std::size_t prefix_start(std::size_t c) const noexcept { return prefix_starts_[c]; }
  // As prefix_column, of M_i; one further entry stands for -M modulo 2^(64 columns()).
  const std::uint64_t* cofactor_column(std::size_t c) const noexcept {
    return cofactor_columns_.data() + c * (information() + 1);
  }
  std::size_t columns() const noexcept { return range_.size(); }  // limbs that hold 2 M
  // Bounds the error of sum xi_i / m_i in doubles, l (l + 4) 2^-53: each term is within 3 units of 2^-53, each partial
  // sum within l of them.
  double fraction_error() const noexcept;
  std::uint64_t pair_inverse(std::size_t j, std::size_t i) const noexcept;  // m_j^-1 mod m_i, of any i != j

 private:
  void set_prefixes();
  void set_cofactors();

  std::vector<Modulus> moduli_;
  std::size_t redundant_;
  Word word_;
  unsigned bits_ = 0;
  std::vector<std::uint64_t> range_, half_, half_residues_;
  std::vector<std::uint64_t> prefixes_, prefix_inverses_, prefix_columns_;
  std::vector<std::size_t> prefix_starts_;
  std::vector<std::uint64_t> cofactor_inverses_, cofactor_columns_;
};

// Residues of n values: that of value j modulo m_i is data[i * lane + j * step]. step 1 ("planar") is what kernels read
// in place; others are staged through small buffers.
template <class T>
struct Lanes {
  T* data;
  std::size_t n;
  std::ptrdiff_t lane;
  std::ptrdiff_t step;

  T* at(std::size_t i, std::size_t j) const noexcept {
    return data + static_cast<std::ptrdiff_t>(i) * lane + static_cast<std::ptrdiff_t>(j) * step;
  }
  operator Lanes<const T>() const noexcept { return {data, n, lane, step}; }
};

// All templates below exist for T = std::uint16_t, std::uint32_t, std::uint64_t, the basis' word().

// --- In and out. x may be any integer: it is reduced modulo every m_i. O(l) a word.
template <class T>
void encode(const Basis& basis, Span<const std::uint64_t> x, bool is_signed, Lanes<T> out, unsigned threads);
// n rows of `limbs` little-endian limbs, in two's complement if signed. O(l limbs) a value.
template <class T>
void encode_limbs(const Basis& basis, const std::uint64_t* x, std::size_t limbs, bool is_signed, Lanes<T> out,
                  unsigned threads);
// The first row that is not in [0, M), or signed in [-floor(M/2), ceil(M/2)); n if there is none.
std::size_t first_outside(const Basis& basis, const std::uint64_t* x, std::size_t n, std::size_t limbs, bool is_signed);

// crt: sum xi_i M_i less the quotient floor(sum xi_i / m_i) times M. garner: mixed-radix digits, then their sum. Both
// exact, O(k^2) word operations a value. Values are limbs() words each, signed ones in two's complement.
enum class Route : std::uint8_t { crt, garner };
template <class T>
void decode(const Basis& basis, Lanes<const T> r, bool is_signed, Route route, std::uint64_t* out, unsigned threads);
// Digits d_i < m_i with x = d_0 + m_0 (d_1 + m_1 (d_2 + ...)), to out[i * n + j]. O(l^2) a value.
template <class T>
void mixed_radix(const Basis& basis, Lanes<const T> r, std::uint64_t* out, unsigned threads);

// --- Ring operations; `out` may be an operand. O(l) a value.
enum class Operation : std::uint8_t { add, subtract, multiply };
template <class T>
void apply(const Basis& basis, Operation operation, Lanes<const T> a, Lanes<const T> b, Lanes<T> out, unsigned threads);
template <class T>
void multiply_add(const Basis& basis, Lanes<const T> a, Lanes<const T> b, Lanes<const T> c, Lanes<T> out,
                  unsigned threads);
// factors[i] a + addends[i] modulo m_i.
template <class T>
void affine(const Basis& basis, Span<const std::uint64_t> factors, Lanes<const T> a, Span<const std::uint64_t> addends,
            Lanes<T> out, unsigned threads);
// The inverse of every residue. Throws BatchError of the first value that has none, which leaves `out` as it was.
template <class T>
void invert(const Basis& basis, Lanes<const T> a, Lanes<T> out, unsigned threads);

// --- Reductions. Products are summed unreduced as long as they fit: every 15 terms at 62 bits, every 2^31 below 32.
// Matrices p x q by q x s, row after row along the n of each.
template <class T>
void matmul(const Basis& basis, Lanes<const T> a, Lanes<const T> b, std::size_t p, std::size_t q, std::size_t s,
            Lanes<T> out, unsigned threads);
// Row sums and row products of values that are rows of `length`.
template <class T>
void sum(const Basis& basis, Lanes<const T> a, std::size_t length, Lanes<T> out, unsigned threads);
template <class T>
void product(const Basis& basis, Lanes<const T> a, std::size_t length, Lanes<T> out, unsigned threads);
// out[slots[j]] += signs[j] a[j] (+1 or -1; empty: +1), slots below out.n.
template <class T>
void scatter_add(const Basis& basis, Lanes<const T> a, Span<const std::int64_t> slots, Span<const std::int8_t> signs,
                 Lanes<T> out);

// --- Questions.
struct Unreduced {
  std::size_t lane, value;  // of the first residue that is not below its modulus; value == n: there is none
};
template <class T>
Unreduced first_unreduced(const Basis& basis, Lanes<const T> a);
template <class T>
void equal(const Basis& basis, Lanes<const T> a, Lanes<const T> b, bool* out);
template <class T>
void is_zero(const Basis& basis, Lanes<const T> a, bool* out);
// -1, 0 or 1 by mixed-radix digits from the top; signed values by x + floor(M/2). O(k^2) a value.
template <class T>
void compare(const Basis& basis, Lanes<const T> a, Lanes<const T> b, bool is_signed, std::int8_t* out,
             unsigned threads);
template <class T>
void sign(const Basis& basis, Lanes<const T> a, std::int8_t* out, unsigned threads);
template <class T>
std::size_t argmax(const Basis& basis, Lanes<const T> a, bool is_signed);  // the first of the largest; n > 0

// --- Other bases. T is the word of `basis`, U that of the target.
enum class Extension : std::uint8_t { exact, floating, shenoy, fast };
// x mod every modulus of `target`, from its k information residues. exact: by mixed radix, O(k^2 + k l'). floating: the
// quotient in doubles, and by `exact` where it lies within fraction_error() of an integer. shenoy: the quotient modulo
// the first redundant modulus, which must exceed k. fast: no quotient, x + a M with a < k. The latter three O(k l').
template <class T, class U>
void extend(const Basis& basis, Lanes<const T> r, const Basis& target, Extension method, Lanes<U> out,
            unsigned threads);
// x mod q; for signed x in [0, q) too.
template <class T>
void decode_mod(const Basis& basis, Lanes<const T> r, bool is_signed, const Modulus& q, std::uint64_t* out,
                unsigned threads);
// floor(x / m_j), or floor((x + floor(m_j / 2)) / m_j), in the basis without m_j, whose word is U. O(l) a value.
template <class T, class U>
void scale_down(const Basis& basis, Lanes<const T> r, std::size_t j, bool nearest, Lanes<U> out, unsigned threads);

// --- Redundant residues. Values of the range differ in more than `redundant` residues.
// Whether the residues are those of a value in the range: any up to `redundant` wrong ones are noticed.
template <class T>
void consistent(const Basis& basis, Lanes<const T> r, bool is_signed, bool* out, unsigned threads);
// Puts up to floor(redundant / 2) wrong residues of each value right, in place; corrected[i * n + j] marks them. A
// value that no so few changes put right stays, and failed[j] is set. O(binomial(l, floor(redundant / 2)) l^2) an
// inconsistent value. (Continued fractions would be polynomial, but promise fewer errors than the distance allows.)
template <class T>
void correct(const Basis& basis, Lanes<T> r, bool is_signed, bool* corrected, bool* failed, unsigned threads);

}  // namespace pyalgo::rns
