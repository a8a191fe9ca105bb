// Residues in one basis to residues in another.
#include <cmath>
#include <type_traits>

#include "blocks.hpp"

namespace pyalgo::rns {
namespace {

template <class T, class U>
using Wider = std::conditional_t<(sizeof(T) > sizeof(U)), T, U>;

// What every value's digits are multiplied by: weights[e][t] modulo modulus e of the target.
using Weights = std::vector<std::vector<std::uint64_t>>;

// W_j = m_0 ... m_{j-1}, modulo e.
std::vector<std::uint64_t> prefix_weights(const Basis& basis, const Modulus& e) {
  std::vector<std::uint64_t> weights;
  std::uint64_t prefix = 1 % e.value;
  for (std::size_t j = 0; j < basis.information(); ++j) {
    weights.push_back(prefix);
    prefix = multiply(e, prefix, reduce(e, basis[j].value));
  }
  return weights;
}

// M_i modulo e, and -M modulo e for the quotient.
std::vector<std::uint64_t> cofactor_weights(const Basis& basis, const Modulus& e) {
  const std::size_t k = basis.information();
  std::vector<std::uint64_t> weights(k + 1, 1), before = prefix_weights(basis, e);
  std::uint64_t after = 1;
  for (std::size_t i = k; i-- > 0;) {
    weights[i] = multiply(e, before[i], after);
    after = multiply(e, after, reduce(e, basis[i].value));
  }
  weights[k] = after == 0 ? 0 : e.value - after;
  return weights;
}

// r_j = sum over t of weights[t] digits[t * row_stride + j] mod e, in the wider of the two words.
template <class T, class U>
void combine_across(const Modulus& e, const T* digits, const std::vector<std::uint64_t>& weights, std::size_t terms,
                    U* r, std::size_t n, Wider<T, U>* wide) noexcept {
  using W = Wider<T, U>;
  if constexpr (std::is_same_v<T, U>) {
    kernels<T>().combine(e, digits, row_stride, weights.data(), terms, r, n);
  } else {
    W result[block];
    if constexpr (std::is_same_v<T, W>) {
      (void)wide;
      kernels<W>().combine(e, digits, row_stride, weights.data(), terms, result, n);
    } else {
      kernels<W>().combine(e, wide, row_stride, weights.data(), terms, result, n);
    }
    for (std::size_t j = 0; j < n; ++j) r[j] = static_cast<U>(result[j]);
  }
}

// One block: digits (mixed radix, or CRT coefficients and their quotient) to every modulus of the target.
template <class T, class U, class Target>
void spread(const std::vector<T>& digits, const Weights& weights, std::size_t terms, Target&& target_modulus,
            Lanes<U> out, std::size_t begin, std::size_t n) {
  using W = Wider<T, U>;
  std::vector<W> wide;
  if constexpr (!std::is_same_v<T, W>) wide.assign(digits.begin(), digits.end());
  U buffer[block];
  for (std::size_t e = 0; e < weights.size(); ++e) {
    U* to = target(out, e, begin, buffer);
    combine_across<T, U>(target_modulus(e), digits.data(), weights[e], terms, to, n, wide.data());
    unstaged(out, e, begin, n, to);
  }
}

template <class T>
class Quotients {
 public:
  // floor(sum xi_i / m_i) of each value of the block. False where it is in doubt.
  static bool floating(const Basis& basis, double sum, T& quotient) noexcept {
    const double floor = std::floor(sum), fraction = sum - floor, error = basis.fraction_error();
    quotient = static_cast<T>(floor);
    return fraction >= error && fraction <= 1 - error;
  }
  // (sum xi_i M_i - x) M^-1 modulo the redundant modulus, which exceeds the quotient: Shenoy and Kumaresan.
  static void shenoy(const Basis& basis, const Values<T>& values, const std::vector<std::uint64_t>& weights,
                     std::size_t begin, std::size_t n, T* xi) noexcept {
    const std::size_t k = basis.information();
    const Modulus& m = basis[k];
    const std::uint64_t range_inverse = inverse(m, weights[k] == 0 ? 0 : m.value - weights[k]);
    T buffer[block], total[block];
    const T* x = values(k, begin, n, buffer);
    kernels<T>().combine(m, xi, row_stride, weights.data(), k, total, n);
    kernels<T>().subtract(m, total, x, total, n);
    kernels<T>().affine(m, range_inverse, shoup(m, range_inverse), total, 0, xi + k * row_stride, n);
  }
};

// Mixed radix for single values of a block whose quotient is in doubt.
template <class T, class U, class Target>
void extend_one(const Values<T>& values, std::size_t at, const Weights& weights, Target&& target_modulus,
                Lanes<U> out) {
  std::vector<T> digits(values.basis.information() * row_stride);
  digits_of(values, values.basis.information(), at, 1, digits.data());
  spread<T, U>(digits, weights, values.basis.information(), target_modulus, out, at, 1);
}

template <class Target>
Weights weights_for(const Basis& basis, std::size_t count, Target&& target_modulus,
                    std::vector<std::uint64_t> (*weights)(const Basis&, const Modulus&)) {
  Weights all;
  for (std::size_t e = 0; e < count; ++e) all.push_back(weights(basis, target_modulus(e)));
  return all;
}

}  // namespace

template <class T, class U>
void extend(const Basis& basis, Lanes<const T> r, const Basis& other, Extension method, Lanes<U> out,
            unsigned threads) {
  const std::size_t k = basis.information();
  const Values<T> values{basis, r, false};
  const auto modulus = [&](std::size_t e) -> const Modulus& { return other[e]; };
  const Weights prefixes = weights_for(basis, other.size(), modulus, prefix_weights);
  if (method == Extension::exact) {
    for_blocks(r.n, threads, [&](std::size_t begin, std::size_t n) {
      std::vector<T> digits(k * row_stride);
      digits_of(values, k, begin, n, digits.data());
      spread<T, U>(digits, prefixes, k, modulus, out, begin, n);
    });
    return;
  }
  const Weights cofactors = weights_for(basis, other.size(), modulus, cofactor_weights);
  const std::vector<std::uint64_t> guard =
      method == Extension::shenoy ? cofactor_weights(basis, basis[k]) : std::vector<std::uint64_t>();
  for_blocks(r.n, threads, [&](std::size_t begin, std::size_t n) {
    std::vector<T> xi((k + 1) * row_stride);
    double fractions[block];
    bool sure[block];
    coefficients_of(values, begin, n, xi.data(), fractions);
    if (method == Extension::shenoy) Quotients<T>::shenoy(basis, values, guard, begin, n, xi.data());
    for (std::size_t j = 0; j < n; ++j)
      sure[j] = method != Extension::floating || Quotients<T>::floating(basis, fractions[j], xi[k * row_stride + j]);
    spread<T, U>(xi, cofactors, method == Extension::fast ? k : k + 1, modulus, out, begin, n);
    for (std::size_t j = 0; j < n; ++j)
      if (!sure[j]) extend_one<T, U>(values, begin + j, prefixes, modulus, out);
  });
}

template <class T>
void decode_mod(const Basis& basis, Lanes<const T> r, bool is_signed, const Modulus& q, std::uint64_t* out,
                unsigned threads) {
  const std::size_t k = basis.information();
  const Values<T> values{basis, r, is_signed};
  const auto modulus = [&](std::size_t) -> const Modulus& { return q; };
  const Weights weights = weights_for(basis, 1, modulus, prefix_weights);
  const std::vector<std::uint64_t>& half = basis.half();
  std::uint64_t half_residue = 0;
  for (std::size_t j = half.size(); j-- > 0;)
    half_residue = reduce(q, multiply(q, half_residue, q.power64) + reduce(q, half[j]));
  const std::uint64_t back = !is_signed || half_residue == 0 ? 0 : q.value - half_residue;
  const Lanes<std::uint64_t> lanes{out, r.n, 0, 1};
  for_blocks(r.n, threads, [&](std::size_t begin, std::size_t n) {
    std::vector<T> digits(k * row_stride);
    digits_of(values, k, begin, n, digits.data());
    spread<T, std::uint64_t>(digits, weights, k, modulus, lanes, begin, n);
    kernels<std::uint64_t>().affine(q, 1, shoup(q, 1), out + begin, back, out + begin, n);
  });
}

template <class T, class U>
void scale_down(const Basis& basis, Lanes<const T> r, std::size_t j, bool nearest, Lanes<U> out, unsigned threads) {
  const Modulus& dropped = basis[j];
  const std::uint64_t half = nearest ? dropped.value / 2 : 0;
  for_blocks(r.n, threads, [&](std::size_t begin, std::size_t n) {
    const Kernels<T>& kernel = kernels<T>();
    T buffer[block], rest[block], own[block];
    kernel.affine(dropped, 1, shoup(dropped, 1), staged(r, j, begin, n, buffer), half, rest, n);
    for (std::size_t i = 0, to = 0; i < basis.size(); ++i) {
      if (i == j) continue;
      const Modulus& m = basis[i];
      const std::uint64_t inverse_of = basis.pair_inverse(j, i), one = 1;
      // (r_i + half - rest) m_j^-1
      kernel.affine(m, 1, shoup(m, 1), staged(r, i, begin, n, buffer), reduce(m, half), own, n);
      kernel.combine(m, rest, row_stride, &one, 1, buffer, n);
      kernel.subtract(m, own, buffer, own, n);
      kernel.affine(m, inverse_of, shoup(m, inverse_of), own, 0, own, n);
      for (std::size_t b = 0; b < n; ++b) *out.at(to, begin + b) = static_cast<U>(own[b]);
      ++to;
    }
  });
}

#define PYALGO_ACROSS(T, U)                                                                              \
  template void extend<T, U>(const Basis&, Lanes<const T>, const Basis&, Extension, Lanes<U>, unsigned); \
  template void scale_down<T, U>(const Basis&, Lanes<const T>, std::size_t, bool, Lanes<U>, unsigned);
#define PYALGO_EXTEND(T)          \
  PYALGO_ACROSS(T, std::uint16_t) \
  PYALGO_ACROSS(T, std::uint32_t) \
  PYALGO_ACROSS(T, std::uint64_t) \
  template void decode_mod<T>(const Basis&, Lanes<const T>, bool, const Modulus&, std::uint64_t*, unsigned);
PYALGO_FOR_EACH_WORD(PYALGO_EXTEND)

}  // namespace pyalgo::rns
