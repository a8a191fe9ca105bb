#include "blocks.hpp"

namespace pyalgo::rns {
namespace {

void subtract_if_not_below(std::uint64_t* x, const std::vector<std::uint64_t>& y) noexcept {
  std::size_t j = y.size();
  while (j-- > 0)
    if (x[j] != y[j]) {
      if (x[j] < y[j]) return;
      break;
    }
  bool borrow = false;
  for (j = 0; j < y.size(); ++j) {
    const std::uint64_t difference = x[j] - y[j], result = difference - (borrow ? 1 : 0);
    borrow = x[j] < y[j] || (borrow && difference == 0);
    x[j] = result;
  }
}

// x - floor(M/2) of a value that was shifted by it, in two's complement.
void unshift(const Basis& basis, std::uint64_t* x, std::size_t limbs) noexcept {
  bool borrow = false;
  for (std::size_t j = 0; j < limbs; ++j) {
    const std::uint64_t half = basis.half()[j], difference = x[j] - half, result = difference - (borrow ? 1 : 0);
    borrow = x[j] < half || (borrow && difference == 0);
    x[j] = result;
  }
}

// How many products of a digit and a limb can be summed in 128 bits. The quotient, below most_moduli, is a digit too.
std::size_t products_in_sum(const Basis& basis) noexcept {
  unsigned width = 10;
  for (std::size_t i = 0; i < basis.information(); ++i) width = std::max(width, basis[i].width);
  return std::size_t{1} << std::min(64 - width, 20U);
}

// The quotient or one less: what is left is below 2 M.
std::uint64_t low_quotient(double fraction_sum, double error) noexcept {
  return fraction_sum > error ? static_cast<std::uint64_t>(fraction_sum - error) : 0;
}

template <class T>
void garner_block(const Values<T>& values, std::size_t begin, std::size_t n, T* digits, std::uint64_t* out) noexcept {
  const Basis& basis = values.basis;
  const std::size_t k = basis.information(), limbs = basis.limbs(), run = products_in_sum(basis);
  digits_of(values, k, begin, n, digits);
  if (limbs == 1) {
    std::fill(out, out + n, 0);
    for (std::size_t i = 0; i < k; ++i)
      kernels<T>().add_words(basis.prefix_column(0)[i], digits + i * row_stride, out, n);
    return;
  }
  Carry carries[block];
  for (std::size_t c = 0; c < limbs; ++c) {
    const std::size_t start = basis.prefix_start(c);
    kernels<T>().column(digits + start * row_stride, row_stride, basis.prefix_column(c) + start, k - start, run,
                        carries, out + c, limbs, n);
  }
}

template <class T>
void crt_words(const Values<T>& values, const T* xi, const double* fractions, std::size_t n,
               std::uint64_t* out) noexcept {
  const Basis& basis = values.basis;
  std::fill(out, out + n, 0);
  for (std::size_t i = 0; i < basis.information(); ++i)
    kernels<T>().add_words(basis.cofactor_column(0)[i], xi + i * row_stride, out, n);
  kernels<T>().settle_words(basis.range()[0], basis.fraction_error(), fractions, out, n);
}

template <class T>
void crt_block(const Values<T>& values, std::size_t begin, std::size_t n, T* xi, std::uint64_t* out) {
  const Basis& basis = values.basis;
  const std::size_t k = basis.information(), limbs = basis.limbs(), columns = basis.columns();
  double fractions[block];
  coefficients_of(values, begin, n, xi, fractions);
  if (limbs == 1) return crt_words(values, xi, fractions, n, out);
  for (std::size_t b = 0; b < n; ++b)
    xi[k * row_stride + b] = static_cast<T>(low_quotient(fractions[b], basis.fraction_error()));
  Carry carries[block];
  std::vector<std::uint64_t> x(columns * n);
  for (std::size_t c = 0; c < columns; ++c)
    kernels<T>().column(xi, row_stride, basis.cofactor_column(c), k + 1, products_in_sum(basis), carries, x.data() + c,
                        columns, n);
  for (std::size_t b = 0; b < n; ++b) {
    std::uint64_t* value = x.data() + b * columns;
    subtract_if_not_below(value, basis.range());
    std::copy(value, value + limbs, out + b * limbs);
  }
}

}  // namespace

template <class T>
void decode(const Basis& basis, Lanes<const T> r, bool is_signed, Route route, std::uint64_t* out, unsigned threads) {
  const Values<T> values{basis, r, is_signed};
  const std::size_t limbs = basis.limbs();
  for_blocks(r.n, threads, [&](std::size_t begin, std::size_t n) {
    std::vector<T> digits((basis.information() + 1) * row_stride);  // and the quotients
    std::uint64_t* to = out + begin * limbs;
    (route == Route::crt ? crt_block<T> : garner_block<T>)(values, begin, n, digits.data(), to);
    for (std::size_t b = 0; is_signed && b < n; ++b) unshift(basis, to + b * limbs, limbs);
  });
}

template <class T>
void mixed_radix(const Basis& basis, Lanes<const T> r, std::uint64_t* out, unsigned threads) {
  const Values<T> values{basis, r, false};
  for_blocks(r.n, threads, [&](std::size_t begin, std::size_t n) {
    std::vector<T> digits(basis.size() * row_stride);
    digits_of(values, basis.size(), begin, n, digits.data());
    for (std::size_t i = 0; i < basis.size(); ++i)
      std::copy(digits.data() + i * row_stride, digits.data() + i * row_stride + n, out + i * r.n + begin);
  });
}

#define PYALGO_DECODE(T)                                                                        \
  template void decode<T>(const Basis&, Lanes<const T>, bool, Route, std::uint64_t*, unsigned); \
  template void mixed_radix<T>(const Basis&, Lanes<const T>, std::uint64_t*, unsigned);
PYALGO_FOR_EACH_WORD(PYALGO_DECODE)

}  // namespace pyalgo::rns
