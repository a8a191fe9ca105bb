// The alphabet step: what does not occur in a pattern need not be told apart, so symbols of any width become small
// codes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pyalgo/hamming.hpp"

namespace pyalgo::hamming {

// Letters (the values that occur in patterns, and a wildcard of the text) get the codes 1, 2, ... in rising order,
// every other symbol the code 0. Texts of bytes, and of 16-bit symbols with many letters, are their own codes and are
// never copied, unless a place of a pattern can match no symbol of them: that needs a code that no text has.
class Alphabet {
 public:
  // With `own_codes` false a text is always encoded, so that texts of several widths (the chunks of a str) get the same
  // codes.
  Alphabet(const std::vector<PatternValues>& patterns, std::optional<std::uint64_t> text_wildcard, SymbolType type,
           bool own_codes = true);

  unsigned code_width() const noexcept { return code_width_; }  // bytes: 1, 2 or 4
  bool identity() const noexcept { return identity_; }
  std::uint32_t n_letters() const noexcept { return static_cast<std::uint32_t>(letters_.size()); }

  // Of a letter.
  std::uint32_t code(std::uint64_t value) const noexcept;
  // Of a place that matches no symbol, a wildcard of the text apart.
  std::uint32_t never() const noexcept { return n_letters() + 1; }

  // The codes of `text`: written to `buffer`, which has room for them, unless the symbols are the codes.
  template <class Code>
  const Code* encode(const Text& text, Code* buffer) const noexcept;

 private:
  bool place_letters(unsigned bits, bool probe);
  template <bool probe>
  std::uint32_t look_up(std::uint64_t value) const noexcept;

  std::vector<std::uint64_t> letters_;  // rising
  SymbolType type_;
  bool identity_;
  unsigned code_width_;
  // A hash table without collisions where one was found (few letters), so that a look-up never branches; else with
  // linear probing, at most half full. `slots_` holds codes, 0 where free.
  std::vector<std::uint32_t> slots_;
  std::uint64_t multiplier_ = 0x9E3779B97F4A7C15U;
  unsigned shift_ = 64;
  bool collisions_ = false;
  std::vector<std::uint32_t> table_;  // the code of every 8-bit or 16-bit symbol, indexed by its bits
};

}  // namespace pyalgo::hamming
