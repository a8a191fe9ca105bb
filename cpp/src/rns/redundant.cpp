// Redundant residues: Szabo and Tanaka 1967. Values of the range are codewords; those that agree modulo k moduli are
// equal, so that two of them differ in more than `redundant` residues.
#include "blocks.hpp"

namespace pyalgo::rns {

template <class T>
void consistent(const Basis& basis, Lanes<const T> r, bool is_signed, bool* out, unsigned threads) {
  const std::size_t l = basis.size(), k = basis.information();
  const Values<T> values{basis, r, is_signed};
  for_blocks(r.n, threads, [&](std::size_t begin, std::size_t n) {
    std::vector<T> digits(l * row_stride);
    digits_of(values, l, begin, n, digits.data());
    // x < M exactly if no digit stands above M.
    for (std::size_t j = 0; j < n; ++j) {
      bool inside = true;
      for (std::size_t i = k; i < l; ++i) inside = inside && digits[i * row_stride + j] == 0;
      out[begin + j] = inside;
    }
  });
}

namespace {

// One word at a time, for the values that are not consistent.
class Corrector {
 public:
  explicit Corrector(const Basis& basis) : basis_(basis), inverses_(basis.size() * basis.size()) {
    for (std::size_t i = 0; i < basis.size(); ++i)
      for (std::size_t j = 0; j < basis.size(); ++j)
        if (i != j) inverses_[j * basis.size() + i] = basis.pair_inverse(j, i);
  }

  // Drops as few residues as lets the others agree on a value of the range, which then gives all residues.
  bool correct(std::vector<std::uint64_t>& residues) {
    const std::size_t l = basis_.size(), most = (l - basis_.information()) / 2;
    for (std::size_t count = 1; count <= most; ++count) {
      dropped_.resize(count);
      for (std::size_t i = 0; i < count; ++i) dropped_[i] = i;
      do {
        if (agree(residues)) {
          replace(residues);
          return true;
        }
      } while (next(l));
    }
    return false;
  }

 private:
  // The next subset of as many of l positions, in lexicographic order.
  bool next(std::size_t l) noexcept {
    for (std::size_t i = dropped_.size(); i-- > 0;) {
      if (dropped_[i] == l - dropped_.size() + i) continue;
      ++dropped_[i];
      for (std::size_t j = i + 1; j < dropped_.size(); ++j) dropped_[j] = dropped_[j - 1] + 1;
      return true;
    }
    return false;
  }

  // Whether the kept residues are those of a value below M. The first k kept moduli multiply to M or more, because
  // whichever of the others were dropped, larger ones stand in for them: so the digits above must vanish, and then the
  // whole word tells.
  bool agree(const std::vector<std::uint64_t>& residues) {
    kept_.clear();
    for (std::size_t i = 0; i < basis_.size(); ++i)
      if (!std::binary_search(dropped_.begin(), dropped_.end(), i)) kept_.push_back(i);
    digits_.clear();
    for (std::size_t t = 0; t < kept_.size(); ++t) {
      digits_.push_back(digit(residues[kept_[t]], kept_[t], t));
      if (t >= basis_.information() && digits_[t] != 0) return false;
    }
    return below_range();
  }

  // ((r - d_0) m_0^-1 - d_1) m_1^-1 ... modulo m_i, over the kept moduli.
  std::uint64_t digit(std::uint64_t r, std::size_t i, std::size_t count) const {
    const Modulus& m = basis_[i];
    for (std::size_t t = 0; t < count; ++t) {
      const std::uint64_t d = reduce(m, digits_[t]), difference = r >= d ? r - d : r + m.value - d;
      r = multiply(m, difference, inverses_[kept_[t] * basis_.size() + i]);
    }
    return r;
  }

  // Whether the value of the kept digits, taken modulo all moduli, has no digit above M.
  bool below_range() const {
    std::vector<std::uint64_t> word;
    for (std::size_t i = 0; i < basis_.size(); ++i) word.push_back(residue(i));
    std::vector<std::uint64_t> digits;
    for (std::size_t i = 0; i < basis_.size(); ++i) {
      const Modulus& m = basis_[i];
      std::uint64_t known = 0;
      for (std::size_t j = 0; j < i; ++j) {
        known += multiply(m, reduce(m, digits[j]), basis_.prefixes(i)[j]);
        if (known >= m.value) known -= m.value;
      }
      const std::uint64_t difference = word[i] >= known ? word[i] - known : word[i] + m.value - known;
      digits.push_back(multiply(m, difference, basis_.prefix_inverse(i)));
      if (i >= basis_.information() && digits[i] != 0) return false;
    }
    return true;
  }

  // The value modulo m_i, by Horner's rule over the kept digits.
  std::uint64_t residue(std::size_t i) const {
    const Modulus& m = basis_[i];
    std::uint64_t r = 0;
    for (std::size_t t = kept_.size(); t-- > 0;)
      r = reduce(m, multiply(m, r, reduce(m, basis_[kept_[t]].value)) + reduce(m, digits_[t]));
    return r;
  }

  void replace(std::vector<std::uint64_t>& residues) const {
    for (const std::size_t i : dropped_) residues[i] = residue(i);
  }

  const Basis& basis_;
  std::vector<std::uint64_t> inverses_, digits_;
  std::vector<std::size_t> dropped_, kept_;
};

}  // namespace

template <class T>
void correct(const Basis& basis, Lanes<T> r, bool is_signed, bool* corrected, bool* failed, unsigned threads) {
  const std::size_t l = basis.size();
  consistent<T>(basis, r, is_signed, failed, threads);
  std::fill(corrected, corrected + l * r.n, false);
  parallel_for(r.n, block, threads, [&](std::size_t begin, std::size_t end) {
    Corrector corrector(basis);
    std::vector<std::uint64_t> residues(l), before(l);
    for (std::size_t j = begin; j < end; ++j) {
      const bool inconsistent = !failed[j];
      failed[j] = false;
      if (!inconsistent) continue;
      for (std::size_t i = 0; i < l; ++i) {
        const std::uint64_t shift = is_signed ? basis.half_residues()[i] : 0, m = basis[i].value;
        before[i] = residues[i] = (*r.at(i, j) + shift) % m;
      }
      failed[j] = !corrector.correct(residues);
      for (std::size_t i = 0; !failed[j] && i < l; ++i) {
        if (residues[i] == before[i]) continue;
        const std::uint64_t shift = is_signed ? basis.half_residues()[i] : 0, m = basis[i].value;
        *r.at(i, j) = static_cast<T>(residues[i] >= shift ? residues[i] - shift : residues[i] + m - shift);
        corrected[i * r.n + j] = true;
      }
    }
  });
}

#define PYALGO_REDUNDANT(T)                                                         \
  template void consistent<T>(const Basis&, Lanes<const T>, bool, bool*, unsigned); \
  template void correct<T>(const Basis&, Lanes<T>, bool, bool*, bool*, unsigned);
PYALGO_FOR_EACH_WORD(PYALGO_REDUNDANT)

}  // namespace pyalgo::rns
