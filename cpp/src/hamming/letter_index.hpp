// Numbers the letters of a pattern: code -> its place in a list of distinct codes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine.hpp"
#include "pyalgo/bits.hpp"

namespace pyalgo::hamming {

// The distinct codes of some patterns, rising.
template <class Code>
std::vector<Code> letters_of(Span<const Pattern<Code>> patterns) {
  std::vector<Code> letters;
  std::vector<bool> small(sizeof(Code) == 1 ? 256 : 65536);  // so that few are left to sort
  for (const Pattern<Code>& pattern : patterns) {
    for (const Code code : pattern.codes) {
      if (code < small.size() && small[code]) continue;
      if (code < small.size()) small[code] = true;
      letters.push_back(code);
    }
  }
  std::sort(letters.begin(), letters.end());
  letters.erase(std::unique(letters.begin(), letters.end()), letters.end());
  return letters;
}

// find() is O(1): one load from a table as long as the greatest code where that is not wasteful, else a probe of a hash
// table that is at most half full.
template <class Code>
class LetterIndex {
 public:
  LetterIndex() = default;
  explicit LetterIndex(const std::vector<Code>& letters) : size_(static_cast<std::uint32_t>(letters.size())) {
    if (letters.empty()) return;
    const std::uint64_t top = *std::max_element(letters.begin(), letters.end());
    if (top < std::max<std::uint64_t>(1U << 16, 16 * std::uint64_t{size_})) {
      table_.assign(static_cast<std::size_t>(top) + 1, size_);
      for (std::uint32_t i = 0; i < size_; ++i) table_[letters[i]] = i;
      return;
    }
    const std::size_t slots = next_pow2(2 * letters.size());
    mask_ = static_cast<std::uint32_t>(slots - 1);
    slots_.assign(slots, Slot{0, size_});
    for (std::uint32_t i = 0; i < size_; ++i) {
      std::uint32_t at = hash(letters[i]);
      while (slots_[at].number != size_) at = (at + 1) & mask_;
      slots_[at] = {static_cast<std::uint32_t>(letters[i]), i};
    }
  }

  std::uint32_t size() const noexcept { return size_; }

  // size() for a code that is no letter.
  std::uint32_t find(Code code) const noexcept {
    if (slots_.empty()) return code < table_.size() ? table_[code] : size_;
    std::uint32_t at = hash(code);
    while (slots_[at].number != size_ && slots_[at].code != code) at = (at + 1) & mask_;
    return slots_[at].number;
  }

  std::size_t nbytes() const noexcept { return table_.size() * sizeof(std::uint32_t) + slots_.size() * sizeof(Slot); }

 private:
  struct Slot {
    std::uint32_t code, number;
  };
  // Fibonacci hashing: codes are no adversary's choice, they are numbers of symbols.
  std::uint32_t hash(Code code) const noexcept {
    return static_cast<std::uint32_t>((std::uint64_t{code} * 0x9E3779B97F4A7C15ULL) >> 32) & mask_;
  }

  std::uint32_t size_ = 0;
  std::uint32_t mask_ = 0;
  std::vector<std::uint32_t> table_;
  std::vector<Slot> slots_;
};

// The patterns with only those letters whose number has `wanted`.
template <class Code, class Wanted>
std::vector<Pattern<Code>> restrict_to(const std::vector<Pattern<Code>>& patterns, const LetterIndex<Code>& index,
                                       Wanted&& wanted) {
  std::vector<Pattern<Code>> parts(patterns.size());
  for (std::size_t p = 0; p < patterns.size(); ++p) {
    parts[p].length = patterns[p].length;
    for (std::size_t i = 0; i < patterns[p].codes.size(); ++i) {
      if (!wanted(index.find(patterns[p].codes[i]))) continue;
      parts[p].offsets.push_back(patterns[p].offsets[i]);
      parts[p].codes.push_back(patterns[p].codes[i]);
    }
  }
  return parts;
}

}  // namespace pyalgo::hamming
