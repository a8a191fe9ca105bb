#include "blocks.hpp"

namespace pyalgo::rns {

template <class T>
void encode(const Basis& basis, Span<const std::uint64_t> x, bool is_signed, Lanes<T> out, unsigned threads) {
  const auto reduce_block = is_signed ? kernels<T>().reduce_signed : kernels<T>().reduce;
  for_blocks(
      x.size(), threads,
      [&](std::size_t begin, std::size_t n) {
        T buffer[block];
        for (std::size_t i = 0; i < basis.size(); ++i) {
          T* to = target(out, i, begin, buffer);
          reduce_block(basis[i], x.data() + begin, to, n);
          unstaged(out, i, begin, n, to);
        }
      },
      out.step == 1 ? 8 * block : block);
}

namespace {

// 2^(64 j) mod m of every limb j, and -2^(64 limbs) mod m for the sign bit.
std::vector<std::uint64_t> limb_weights(const Modulus& m, std::size_t limbs) {
  std::vector<std::uint64_t> weights;
  std::uint64_t power = 1;
  for (std::size_t j = 0; j < limbs; ++j) {
    weights.push_back(power);
    power = multiply(m, power, m.power64);
  }
  weights.push_back(power == 0 ? 0 : m.value - power);
  return weights;
}

}  // namespace

template <class T>
void encode_limbs(const Basis& basis, const std::uint64_t* x, std::size_t limbs, bool is_signed, Lanes<T> out,
                  unsigned threads) {
  std::vector<std::vector<std::uint64_t>> weights;
  for (std::size_t i = 0; i < basis.size(); ++i) weights.push_back(limb_weights(basis[i], limbs));
  const std::size_t terms = limbs + (is_signed ? 1 : 0);
  for_blocks(out.n, threads, [&](std::size_t begin, std::size_t n) {
    std::vector<std::uint64_t> rows(terms * row_stride);  // limb after limb of the block's values, and their sign bits
    for (std::size_t b = 0; b < n; ++b)
      for (std::size_t j = 0; j < limbs; ++j) rows[j * row_stride + b] = x[(begin + b) * limbs + j];
    for (std::size_t b = 0; is_signed && b < n; ++b)
      rows[limbs * row_stride + b] = rows[(limbs - 1) * row_stride + b] >> 63;
    std::vector<T> residues(terms * row_stride);
    T buffer[block];
    for (std::size_t i = 0; i < basis.size(); ++i) {
      for (std::size_t j = 0; j < terms; ++j)
        kernels<T>().reduce(basis[i], rows.data() + j * row_stride, residues.data() + j * row_stride, n);
      T* to = target(out, i, begin, buffer);
      kernels<T>().combine(basis[i], residues.data(), row_stride, weights[i].data(), terms, to, n);
      unstaged(out, i, begin, n, to);
    }
  });
}

namespace {

// a < b, of `limbs` limbs and of b's.
bool below(const std::uint64_t* a, std::size_t limbs, const std::vector<std::uint64_t>& b) noexcept {
  for (std::size_t j = std::max(limbs, b.size()); j-- > 0;) {
    const std::uint64_t x = j < limbs ? a[j] : 0, y = j < b.size() ? b[j] : 0;
    if (x != y) return x < y;
  }
  return false;
}

}  // namespace

std::size_t first_outside(const Basis& basis, const std::uint64_t* x, std::size_t n, std::size_t limbs,
                          bool is_signed) {
  const std::vector<std::uint64_t>& half = basis.half();
  const std::size_t length = std::max(limbs, half.size()) + 1;
  std::vector<std::uint64_t> shifted(length);
  for (std::size_t row = 0; row < n; ++row) {
    const std::uint64_t* value = x + row * limbs;
    if (!is_signed) {
      if (!below(value, limbs, basis.range())) return row;
      continue;
    }
    // x + floor(M/2) in two's complement: below M and not negative, which would be a large number here.
    const std::uint64_t sign = value[limbs - 1] >> 63 != 0 ? ~std::uint64_t{0} : 0;
    bool carry = false;
    for (std::size_t j = 0; j < length; ++j) {
      const std::uint64_t a = j < limbs ? value[j] : sign, b = j < half.size() ? half[j] : 0;
      const std::uint64_t sum = a + b;
      shifted[j] = sum + (carry ? 1 : 0);
      carry = sum < a || (carry && shifted[j] == 0);
    }
    if (!below(shifted.data(), length, basis.range())) return row;
  }
  return n;
}

#define PYALGO_ENCODE(T)                                                                      \
  template void encode<T>(const Basis&, Span<const std::uint64_t>, bool, Lanes<T>, unsigned); \
  template void encode_limbs<T>(const Basis&, const std::uint64_t*, std::size_t, bool, Lanes<T>, unsigned);
PYALGO_FOR_EACH_WORD(PYALGO_ENCODE)

}  // namespace pyalgo::rns
