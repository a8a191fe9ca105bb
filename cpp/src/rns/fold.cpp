// Reductions over values: matrix products, sums, products, scattered sums.
#include "blocks.hpp"

namespace pyalgo::rns {
namespace {

// All residues of a lane side by side: where they lie, or a copy.
template <class T>
const T* whole_lane(const Lanes<const T>& lanes, std::size_t i, std::vector<T>& copy) {
  if (lanes.step == 1) return lanes.at(i, 0);
  copy.resize(lanes.n);
  return staged(lanes, i, 0, lanes.n, copy.data());
}

// Rows are shared out; a chunk has enough of them to be worth a thread.
std::size_t rows_together(std::size_t work_per_row) {
  return std::max<std::size_t>(1, grain / std::max<std::size_t>(1, work_per_row));
}

}  // namespace

template <class T>
void matmul(const Basis& basis, Lanes<const T> a, Lanes<const T> b, std::size_t p, std::size_t q, std::size_t s,
            Lanes<T> out, unsigned threads) {
  std::vector<T> copy_a, copy_b;
  for (std::size_t i = 0; i < basis.size(); ++i) {
    const Modulus& m = basis[i];
    const T* left = whole_lane(a, i, copy_a);
    const T* right = whole_lane(b, i, copy_b);
    parallel_for(p, rows_together(q * s), threads, [&](std::size_t begin, std::size_t end) {
      std::vector<std::uint64_t> weights(q);
      std::vector<T> row(s);
      for (std::size_t x = begin; x < end; ++x) {
        if (s == 1) {
          *out.at(i, x) = static_cast<T>(kernels<T>().dot(m, left + x * q, right, q));
          continue;
        }
        std::copy(left + x * q, left + (x + 1) * q, weights.begin());
        kernels<T>().combine(m, right, s, weights.data(), q, row.data(), s);
        for (std::size_t y = 0; y < s; ++y) *out.at(i, x * s + y) = row[y];
      }
    });
  }
}

template <class T>
void sum(const Basis& basis, Lanes<const T> a, std::size_t length, Lanes<T> out, unsigned threads) {
  std::vector<T> copy;
  for (std::size_t i = 0; i < basis.size(); ++i) {
    const T* from = whole_lane(a, i, copy);
    parallel_for(out.n, rows_together(length), threads, [&](std::size_t begin, std::size_t end) {
      for (std::size_t x = begin; x < end; ++x)
        *out.at(i, x) = static_cast<T>(kernels<T>().sum(basis[i], from + x * length, length));
    });
  }
}

// Halves are multiplied until one residue is left.
template <class T>
void product(const Basis& basis, Lanes<const T> a, std::size_t length, Lanes<T> out, unsigned threads) {
  std::vector<T> copy;
  for (std::size_t i = 0; i < basis.size(); ++i) {
    const T* from = whole_lane(a, i, copy);
    parallel_for(out.n, rows_together(length), threads, [&](std::size_t begin, std::size_t end) {
      std::vector<T> left(std::max<std::size_t>(1, length));
      for (std::size_t x = begin; x < end; ++x) {
        left[0] = 1;  // the empty product
        std::copy(from + x * length, from + (x + 1) * length, left.begin());
        for (std::size_t n = length; n > 1; n -= n / 2)
          kernels<T>().multiply(basis[i], left.data(), left.data() + (n - n / 2), left.data(), n / 2);
        *out.at(i, x) = left[0];
      }
    });
  }
}

template <class T>
void scatter_add(const Basis& basis, Lanes<const T> a, Span<const std::int64_t> slots, Span<const std::int8_t> signs,
                 Lanes<T> out) {
  for (std::size_t i = 0; i < basis.size(); ++i) {
    const std::uint64_t m = basis[i].value;
    for (std::size_t j = 0; j < slots.size(); ++j) {
      const std::uint64_t r = *a.at(i, j), term = signs.empty() || signs[j] > 0 || r == 0 ? r : m - r;
      T& sum = *out.at(i, static_cast<std::size_t>(slots[j]));
      const std::uint64_t total = sum + term;
      sum = static_cast<T>(std::min(total, total - m));
    }
  }
}

#define PYALGO_FOLD(T)                                                                                          \
  template void matmul<T>(const Basis&, Lanes<const T>, Lanes<const T>, std::size_t, std::size_t, std::size_t,  \
                          Lanes<T>, unsigned);                                                                  \
  template void sum<T>(const Basis&, Lanes<const T>, std::size_t, Lanes<T>, unsigned);                          \
  template void product<T>(const Basis&, Lanes<const T>, std::size_t, Lanes<T>, unsigned);                      \
  template void scatter_add<T>(const Basis&, Lanes<const T>, Span<const std::int64_t>, Span<const std::int8_t>, \
                               Lanes<T>);
PYALGO_FOR_EACH_WORD(PYALGO_FOLD)

}  // namespace pyalgo::rns
