#include "blocks.hpp"
#include "pyalgo/errors.hpp"

namespace pyalgo::rns {

template <class T>
void apply(const Basis& basis, Operation operation, Lanes<const T> a, Lanes<const T> b, Lanes<T> out,
           unsigned threads) {
  const Kernels<T>& kernel = kernels<T>();
  const auto run = operation == Operation::add        ? kernel.add
                   : operation == Operation::subtract ? kernel.subtract
                                                      : kernel.multiply;
  for_blocks(
      a.n, threads,
      [&](std::size_t begin, std::size_t n) {
        T of_a[block], of_b[block], result[block];
        for (std::size_t i = 0; i < basis.size(); ++i) {
          T* to = target(out, i, begin, result);
          run(basis[i], staged(a, i, begin, n, of_a), staged(b, i, begin, n, of_b), to, n);
          unstaged(out, i, begin, n, to);
        }
      },
      stretch(a, b, out));
}

template <class T>
void multiply_add(const Basis& basis, Lanes<const T> a, Lanes<const T> b, Lanes<const T> c, Lanes<T> out,
                  unsigned threads) {
  for_blocks(
      a.n, threads,
      [&](std::size_t begin, std::size_t n) {
        T of_a[block], of_b[block], of_c[block], result[block];
        for (std::size_t i = 0; i < basis.size(); ++i) {
          T* to = target(out, i, begin, result);
          kernels<T>().multiply_add(basis[i], staged(a, i, begin, n, of_a), staged(b, i, begin, n, of_b),
                                    staged(c, i, begin, n, of_c), to, n);
          unstaged(out, i, begin, n, to);
        }
      },
      stretch(a, b, c, out));
}

template <class T>
void affine(const Basis& basis, Span<const std::uint64_t> factors, Lanes<const T> a, Span<const std::uint64_t> addends,
            Lanes<T> out, unsigned threads) {
  std::vector<std::uint64_t> quotients;
  for (std::size_t i = 0; i < basis.size(); ++i) quotients.push_back(shoup(basis[i], factors[i]));
  for_blocks(
      a.n, threads,
      [&](std::size_t begin, std::size_t n) {
        T of_a[block], result[block];
        for (std::size_t i = 0; i < basis.size(); ++i) {
          T* to = target(out, i, begin, result);
          kernels<T>().affine(basis[i], factors[i], quotients[i], staged(a, i, begin, n, of_a), addends[i], to, n);
          unstaged(out, i, begin, n, to);
        }
      },
      stretch(a, out));
}

// Montgomery's trick: one inverse a block, of the product of all, and three products a value.
template <class T>
void invert(const Basis& basis, Lanes<const T> a, Lanes<T> out, unsigned threads) {
  for_blocks(a.n, threads, [&](std::size_t begin, std::size_t n) {
    T buffer[block];
    for (std::size_t i = 0; i < basis.size(); ++i) {
      const Modulus& m = basis[i];
      const T* from = staged(a, i, begin, n, buffer);
      for (std::size_t j = 0; j < n; ++j)
        if (inverse(m, from[j]) == 0)
          throw BatchError(BatchError::Kind::value, begin + j,
                           "residue " + std::to_string(from[j]) + " has no inverse modulo " + std::to_string(m.value));
    }
  });
  for_blocks(a.n, threads, [&](std::size_t begin, std::size_t n) {
    T buffer[block], result[block];
    std::uint64_t before[block];
    for (std::size_t i = 0; i < basis.size(); ++i) {
      const Modulus& m = basis[i];
      const T* from = staged(a, i, begin, n, buffer);
      std::uint64_t all = 1;
      for (std::size_t j = 0; j < n; ++j) {
        before[j] = all;
        all = multiply(m, all, from[j]);
      }
      all = inverse(m, all);
      for (std::size_t j = n; j-- > 0;) {
        result[j] = static_cast<T>(multiply(m, all, before[j]));
        all = multiply(m, all, from[j]);
      }
      for (std::size_t j = 0; j < n; ++j) *out.at(i, begin + j) = result[j];
    }
  });
}

#define PYALGO_RING(T)                                                                                             \
  template void apply<T>(const Basis&, Operation, Lanes<const T>, Lanes<const T>, Lanes<T>, unsigned);             \
  template void multiply_add<T>(const Basis&, Lanes<const T>, Lanes<const T>, Lanes<const T>, Lanes<T>, unsigned); \
  template void affine<T>(const Basis&, Span<const std::uint64_t>, Lanes<const T>, Span<const std::uint64_t>,      \
                          Lanes<T>, unsigned);                                                                     \
  template void invert<T>(const Basis&, Lanes<const T>, Lanes<T>, unsigned);
PYALGO_FOR_EACH_WORD(PYALGO_RING)

}  // namespace pyalgo::rns
