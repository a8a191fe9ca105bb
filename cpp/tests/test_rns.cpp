#include "pyalgo/rns.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <type_traits>
#include <vector>

#include "check.hpp"
#include "pyalgo/simd.hpp"
#include "rns/kernels.hpp"
#include "rns/wide.hpp"

using namespace pyalgo;
using namespace pyalgo::rns;

namespace {

// The kernels' parts by themselves.
namespace parts {
using namespace pyalgo::rns;
constexpr bool fused = false;
#include "rns/kernels.inl"
}  // namespace parts

std::vector<Isa> levels() {
  std::vector<Isa> found{Isa::generic};
  for (Isa isa : {Isa::neon, Isa::avx2, Isa::avx512})
    if (isa == detected_isa() || (isa == Isa::avx2 && detected_isa() == Isa::avx512)) found.push_back(isa);
  return found;
}

// (a b + c) mod m by 128-bit long division, bit by bit: nothing shared with what is tested.
std::uint64_t multiply_add_slowly(std::uint64_t a, std::uint64_t b, std::uint64_t c, std::uint64_t m) {
  std::uint64_t r = 0;
  for (int bit = 63; bit >= 0; --bit) {
    r = 2 * r % m;
    if (a >> bit & 1) r = (r + b % m) % m;
  }
  return (r + c % m) % m;
}

// A reciprocal that is one too small shows at one of these, for some modulus.
void test_barrett_of_every_16_bit_modulus() {
  for (std::uint32_t m = 2; m < (1U << 16); ++m) {
    const std::uint32_t barrett = Modulus(m).barrett32;
    for (std::uint32_t x : {0U, 1U, m - 1, m, m + 1, 2 * m - 1, (m - 1) * (m - 1), m * (m - 1), 0xffffffffU})
      CHECK(parts::reduce32(x, m, barrett) == x % m);
  }
}

std::vector<std::uint64_t> edge_residues(std::uint64_t m) {
  std::vector<std::uint64_t> edges{0, 1, 2 % m, m / 2, m - m / 2 == m ? 0 : m - m / 2, m - 2, m - 1};
  std::mt19937_64 random(m);
  while (edges.size() < 12) edges.push_back(random() % m);
  return edges;
}

const std::vector<std::uint64_t> edge_words{0,
                                            1,
                                            0xffffffff,
                                            0x100000000,
                                            0x7fffffffffffffff,
                                            0x8000000000000000,
                                            0x8000000000000001,
                                            0xffffffff00000000,
                                            0xfffffffffffffffe,
                                            0xffffffffffffffff,
                                            0x80000000,
                                            0x7fffffff,
                                            0xfffffffe00000001};

template <class T>
void test_modulus(std::uint64_t value, Isa isa) {
  const Modulus m(value);
  const Kernels<T>& kernel = kernels<T>(isa);
  const std::vector<std::uint64_t> edges = edge_residues(value);
  std::vector<T> a, b, c, r;
  for (std::uint64_t x : edges)
    for (std::uint64_t y : edges) {
      a.push_back(static_cast<T>(x));
      b.push_back(static_cast<T>(y));
      c.push_back(static_cast<T>(edges[(a.size() * 7) % edges.size()]));
    }
  const std::size_t n = a.size();
  r.resize(n);
  const auto agrees = [&](auto&& expected) {
    for (std::size_t i = 0; i < n; ++i)
      if (r[i] != expected(i)) return false;
    return true;
  };
  kernel.multiply(m, a.data(), b.data(), r.data(), n);
  CHECK(agrees([&](std::size_t i) { return multiply_add_slowly(a[i], b[i], 0, value); }));
  kernel.multiply_add(m, a.data(), b.data(), c.data(), r.data(), n);
  CHECK(agrees([&](std::size_t i) { return multiply_add_slowly(a[i], b[i], c[i], value); }));
  kernel.add(m, a.data(), b.data(), r.data(), n);
  CHECK(agrees([&](std::size_t i) { return (std::uint64_t{a[i]} + b[i]) % value; }));
  kernel.subtract(m, a.data(), b.data(), r.data(), n);
  CHECK(agrees([&](std::size_t i) { return (std::uint64_t{a[i]} + value - b[i]) % value; }));
  for (std::uint64_t factor : edges) {
    kernel.affine(m, factor, shoup(m, factor), a.data(), edges[5], r.data(), n);
    CHECK(agrees([&](std::size_t i) { return multiply_add_slowly(a[i], factor, edges[5], value); }));
  }
  std::vector<std::uint64_t> words = edge_words;
  std::mt19937_64 random(value);
  while (words.size() < 64) words.push_back(random());
  for (std::uint64_t multiple : {std::uint64_t{1}, ~std::uint64_t{0} / value, (std::uint64_t{1} << 63) / value})
    for (std::uint64_t off : {std::uint64_t{0}, std::uint64_t{1}, value - 1}) words.push_back(multiple * value - off);
  std::vector<T> reduced(words.size());
  kernel.reduce(m, words.data(), reduced.data(), words.size());
  for (std::size_t i = 0; i < words.size(); ++i) CHECK(reduced[i] == words[i] % value);
  kernel.reduce_signed(m, words.data(), reduced.data(), words.size());
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool negative = words[i] >> 63 != 0;
    const std::uint64_t rest = (negative ? 0 - words[i] : words[i]) % value;
    CHECK(reduced[i] == (negative && rest != 0 ? value - rest : rest));
  }
}

// Sums of products at the largest digits and weights, of any number of terms.
template <class T>
void test_sums(std::uint64_t value, std::uint64_t digit, Isa isa) {
  const Modulus m(value);
  for (std::size_t terms : {1, 14, 15, 16, 31, 300}) {
    const std::size_t n = 130;
    std::vector<T> digits(terms * n, static_cast<T>(digit)), r(n);
    const std::vector<std::uint64_t> weights(terms, value - 1);
    kernels<T>(isa).combine(m, digits.data(), n, weights.data(), terms, r.data(), n);
    const std::uint64_t expected =
        multiply_add_slowly(multiply_add_slowly(digit, value - 1, 0, value), terms, 0, value);
    for (T found : r) CHECK(found == expected);
    const std::vector<T> top(terms, static_cast<T>(value - 1));
    CHECK(kernels<T>(isa).dot(m, top.data(), top.data(), terms) == terms % value);
    CHECK(kernels<T>(isa).sum(m, top.data(), terms) == multiply_add_slowly(value - 1, terms, 0, value));
  }
}

void test_kernels() {
  for (Isa isa : levels()) {
    for (std::uint64_t m = 2; m <= 1U << 16; m += m < 1000 ? 1 : 17) test_modulus<std::uint16_t>(m, isa);
    for (std::uint64_t m : {2ULL, 3ULL, 255ULL, 65535ULL, 65536ULL, 65537ULL, 16383ULL, 16385ULL, 1000003ULL,
                            2147483647ULL, 2147483648ULL, 2147483646ULL, 1073741825ULL, 1073741823ULL, 1800000001ULL}) {
      test_modulus<std::uint32_t>(m, isa);
      test_sums<std::uint32_t>(m, 1U << 31, isa);
    }
    for (std::uint64_t m : {2ULL, 3ULL, 65537ULL, (1ULL << 49) - 1, (1ULL << 49) + 1, (1ULL << 50) - 1,
                            (1ULL << 50) - 27, 1ULL << 50, (1ULL << 50) + 1, (1ULL << 52) - 47, (1ULL << 61) - 1,
                            1ULL << 61, (1ULL << 61) + 1, (1ULL << 62) - 1, (1ULL << 62) - 57}) {
      test_modulus<std::uint64_t>(m, isa);
      test_sums<std::uint64_t>(m, (1ULL << 62) - 1, isa);
    }
    for (std::uint64_t m : {2ULL, 3ULL, 65535ULL, 65536ULL}) test_sums<std::uint16_t>(m, 65535, isa);
  }
}

// The arithmetic of the largest values alone: every residue one below its modulus is x = M - 1.
template <class T>
void test_round_trip(const std::vector<std::uint64_t>& moduli, std::size_t redundant) {
  const Basis basis(moduli, redundant);
  const std::size_t n = 259, l = moduli.size(), k = basis.information();
  std::vector<std::uint64_t> x(n * basis.limbs()), back(x.size());
  std::mt19937_64 random(l);
  for (std::uint64_t& limb : x) limb = random();
  std::vector<T> r(l * n);
  const Lanes<T> lanes{r.data(), n, static_cast<std::ptrdiff_t>(n), 1},
      interleaved{r.data(), n, 1, static_cast<std::ptrdiff_t>(l)};
  for (const Lanes<T>& view : {lanes, interleaved})
    for (unsigned threads : {1U, 3U}) {
      encode_limbs(basis, x.data(), basis.limbs(), false, view, threads);
      for (std::size_t i = 0; i < k; ++i) *view.at(i, 0) = static_cast<T>(moduli[i] - 1);
      for (Route route : {Route::crt, Route::garner}) {
        decode<T>(basis, view, false, route, back.data(), threads);
        std::vector<T> again(r.size());
        const Lanes<T> copy{again.data(), n, view.lane, view.step};
        encode_limbs(basis, back.data(), basis.limbs(), false, copy, threads);
        for (std::size_t i = 0; i < k; ++i)
          for (std::size_t j = 0; j < n; ++j) CHECK(*copy.at(i, j) == *view.at(i, j));
        CHECK(first_outside(basis, back.data(), n, basis.limbs(), false) == n);
        std::vector<std::uint64_t> top(basis.range().begin(),
                                       basis.range().begin() + static_cast<std::ptrdiff_t>(basis.limbs()));
        if (basis.range().back() == 0 || basis.columns() == basis.limbs()) {
          top[0] -= 1;  // M - 1 where that borrows nothing
          if (basis.range()[0] != 0) CHECK(std::equal(top.begin(), top.end(), back.begin()));
        }
      }
    }
}

void test_bases() {
  test_round_trip<std::uint16_t>({251, 253, 255, 256}, 0);
  test_round_trip<std::uint16_t>({2}, 0);
  test_round_trip<std::uint32_t>({2147483647, 2147483648, 3, 65533}, 0);
  test_round_trip<std::uint64_t>({(1ULL << 61) - 1, 1ULL << 61, 5, (1ULL << 62) - 57}, 1);
  CHECK(throws<std::invalid_argument>([] { Basis({6, 35, 10}, 0); }));
  CHECK(throws<std::invalid_argument>([] { Basis({1, 3}, 0); }));
  CHECK(throws<std::invalid_argument>([] { Basis({1ULL << 62, 3}, 0); }));
  CHECK(throws<std::invalid_argument>([] { Basis({}, 0); }));
  CHECK(throws<std::invalid_argument>([] { Basis({5, 3}, 1); }));
}

void test_inverses() {
  for (std::uint64_t m : {2ULL, 3ULL, 36ULL, 65536ULL, (1ULL << 61) - 1, (1ULL << 62) - 1}) {
    const Modulus modulus(m);
    std::mt19937_64 random(m);
    for (int i = 0; i < 2000; ++i) {
      const std::uint64_t a = i < 40 ? static_cast<std::uint64_t>(i) % m : random() % m, found = inverse(modulus, a);
      CHECK(std::gcd(a, m) == 1 ? multiply(modulus, a, found) == 1 : found == 0);
    }
  }
}

}  // namespace

int main() {
  test_barrett_of_every_16_bit_modulus();
  test_kernels();
  test_inverses();
  test_bases();
  return 0;
}
