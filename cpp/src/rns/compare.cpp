#include "blocks.hpp"

namespace pyalgo::rns {
namespace {

// Lexicographic from the top: what mixed radix is for.
template <class T>
int order(const T* a, std::size_t step_a, const T* b, std::size_t step_b, std::size_t k) noexcept {
  for (std::size_t i = k; i-- > 0;)
    if (a[i * step_a] != b[i * step_b]) return a[i * step_a] < b[i * step_b] ? -1 : 1;
  return 0;
}

}  // namespace

template <class T>
Unreduced first_unreduced(const Basis& basis, Lanes<const T> a) {
  T buffer[block];
  for (std::size_t begin = 0; begin < a.n; begin += block) {
    const std::size_t n = std::min(block, a.n - begin);
    Unreduced first{0, a.n};
    for (std::size_t i = 0; i < basis.size(); ++i) {
      const T* r = staged(a, i, begin, n, buffer);
      if (kernels<T>().largest(r, n) < basis[i].value) continue;
      for (std::size_t j = 0; j < n && begin + j < first.value; ++j)
        if (r[j] >= basis[i].value) first = {i, begin + j};
    }
    if (first.value < a.n) return first;
  }
  return {0, a.n};
}

template <class T>
void equal(const Basis& basis, Lanes<const T> a, Lanes<const T> b, bool* out) {
  std::fill(out, out + a.n, true);
  for (std::size_t i = 0; i < basis.size(); ++i)
    for (std::size_t j = 0; j < a.n; ++j) out[j] = out[j] & (*a.at(i, j) == *b.at(i, j));
}

template <class T>
void is_zero(const Basis& basis, Lanes<const T> a, bool* out) {
  std::fill(out, out + a.n, true);
  for (std::size_t i = 0; i < basis.size(); ++i)
    for (std::size_t j = 0; j < a.n; ++j) out[j] = out[j] & (*a.at(i, j) == 0);
}

template <class T>
void compare(const Basis& basis, Lanes<const T> a, Lanes<const T> b, bool is_signed, std::int8_t* out,
             unsigned threads) {
  const std::size_t k = basis.information();
  const Values<T> of_a{basis, a, is_signed}, of_b{basis, b, is_signed};
  for_blocks(a.n, threads, [&](std::size_t begin, std::size_t n) {
    std::vector<T> left(k * row_stride), right(k * row_stride);
    digits_of(of_a, k, begin, n, left.data());
    digits_of(of_b, k, begin, n, right.data());
    for (std::size_t j = 0; j < n; ++j)
      out[begin + j] = static_cast<std::int8_t>(order(left.data() + j, row_stride, right.data() + j, row_stride, k));
  });
}

template <class T>
void sign(const Basis& basis, Lanes<const T> a, std::int8_t* out, unsigned threads) {
  const std::size_t k = basis.information();
  std::vector<T> zero(basis.size(), 0), zero_digits(k * row_stride), middle(k);
  digits_of(Values<T>{basis, {zero.data(), 1, 1, 1}, true}, k, 0, 1, zero_digits.data());
  for (std::size_t i = 0; i < k; ++i) middle[i] = zero_digits[i * row_stride];
  const Values<T> values{basis, a, true};
  for_blocks(a.n, threads, [&](std::size_t begin, std::size_t n) {
    std::vector<T> digits(k * row_stride);
    digits_of(values, k, begin, n, digits.data());
    for (std::size_t j = 0; j < n; ++j)
      out[begin + j] = static_cast<std::int8_t>(order(digits.data() + j, row_stride, middle.data(), 1, k));
  });
}

template <class T>
std::size_t argmax(const Basis& basis, Lanes<const T> a, bool is_signed) {
  const std::size_t k = basis.information();
  const Values<T> values{basis, a, is_signed};
  std::vector<T> digits(k * row_stride), best(k, 0);
  std::size_t at = 0;
  for (std::size_t begin = 0; begin < a.n; begin += block) {
    const std::size_t n = std::min(block, a.n - begin);
    digits_of(values, k, begin, n, digits.data());
    for (std::size_t j = 0; j < n; ++j) {
      if (order(digits.data() + j, row_stride, best.data(), 1, k) <= 0) continue;
      for (std::size_t i = 0; i < k; ++i) best[i] = digits[i * row_stride + j];
      at = begin + j;
    }
  }
  return at;
}

#define PYALGO_COMPARE(T)                                                                               \
  template Unreduced first_unreduced<T>(const Basis&, Lanes<const T>);                                  \
  template void equal<T>(const Basis&, Lanes<const T>, Lanes<const T>, bool*);                          \
  template void is_zero<T>(const Basis&, Lanes<const T>, bool*);                                        \
  template void compare<T>(const Basis&, Lanes<const T>, Lanes<const T>, bool, std::int8_t*, unsigned); \
  template void sign<T>(const Basis&, Lanes<const T>, std::int8_t*, unsigned);                          \
  template std::size_t argmax<T>(const Basis&, Lanes<const T>, bool);
PYALGO_FOR_EACH_WORD(PYALGO_COMPARE)

}  // namespace pyalgo::rns
