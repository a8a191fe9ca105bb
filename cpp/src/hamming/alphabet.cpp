#include "alphabet.hpp"

#include <algorithm>
#include <cstring>

namespace pyalgo::hamming {
namespace {

template <class Symbol>
std::uint64_t widened(const void* data, std::size_t i) noexcept {
  Symbol symbol;
  std::memcpy(&symbol, static_cast<const unsigned char*>(data) + i * sizeof symbol, sizeof symbol);
  return static_cast<std::uint64_t>(symbol);  // sign-extends signed ones
}

// Calls work(Symbol{}) with the type that `type` describes.
template <class Work>
auto with_symbol(SymbolType type, Work&& work) {
  switch (type.width) {
    case 1: return type.is_signed ? work(std::int8_t{}) : work(std::uint8_t{});
    case 2: return type.is_signed ? work(std::int16_t{}) : work(std::uint16_t{});
    case 4: return type.is_signed ? work(std::int32_t{}) : work(std::uint32_t{});
    default: return type.is_signed ? work(std::int64_t{}) : work(std::uint64_t{});
  }
}

bool fits(std::uint64_t value, SymbolType type) {
  return with_symbol(
      type, [&](auto symbol) { return static_cast<std::uint64_t>(static_cast<decltype(symbol)>(value)) == value; });
}

constexpr std::size_t kMaxLetters8 = 254, kMaxLetters16 = 65534;  // that fit beside the codes of others and of `never`

}  // namespace

std::vector<std::uint64_t> values_of(const Text& text) {
  std::vector<std::uint64_t> values(text.size);
  with_symbol(text.type, [&](auto symbol) {
    for (std::size_t i = 0; i < text.size; ++i) values[i] = widened<decltype(symbol)>(text.data, i);
  });
  return values;
}

Alphabet::Alphabet(const std::vector<PatternValues>& patterns, std::optional<std::uint64_t> text_wildcard,
                   SymbolType type, bool own_codes)
    : type_(type) {
  std::vector<bool> small(std::size_t{1} << 16);  // the usual letters, so that only few are left to sort
  const auto add = [&](std::uint64_t value) {
    if (value < small.size() && small[value]) return;
    if (value < small.size()) small[value] = true;
    letters_.push_back(value);
  };
  for (const PatternValues& pattern : patterns) {
    for (std::size_t j = 0; j < pattern.values.size(); ++j) {
      if (pattern.counts[j]) add(pattern.values[j]);
    }
  }
  bool matchable = !text_wildcard || std::find(letters_.begin(), letters_.end(), *text_wildcard) == letters_.end();
  if (text_wildcard) add(*text_wildcard);
  std::sort(letters_.begin(), letters_.end());
  letters_.erase(std::unique(letters_.begin(), letters_.end()), letters_.end());
  for (const std::uint64_t letter : letters_) matchable = matchable && fits(letter, type);
  const bool own = type.width == 1 || (type.width == 2 && letters_.size() > kMaxLetters8);
  identity_ = own_codes && matchable && own;
  code_width_ = identity_ ? type.width : letters_.size() <= kMaxLetters8 ? 1 : letters_.size() <= kMaxLetters16 ? 2 : 4;
  if (identity_) return;
  unsigned bits = 4;
  while ((std::size_t{1} << bits) < 2 * letters_.size()) ++bits;
  // Birthdays: among 2^15 slots 256 letters collide with probability 0.63.
  bool placed = false;
  for (unsigned more = bits; more <= std::min(bits + 6, 15U) && !placed; ++more) {
    for (int attempt = 0; attempt < 4 && !placed; ++attempt) {
      multiplier_ = multiplier_ * 0xD1342543DE82EF95U | 1;
      placed = place_letters(more, false);
    }
  }
  collisions_ = !placed || letters_.empty();
  if (collisions_) place_letters(bits, true);
  // Chunks of a str may be narrower than the widest; those of bytes are the common case.
  const SymbolType narrow = type.width <= 2 ? type : SymbolType{1, type.is_signed};
  table_.resize(std::size_t{1} << (8 * narrow.width));
  for (std::size_t bits_of = 0; bits_of < table_.size(); ++bits_of) {
    const auto unsigned_bits = static_cast<std::uint16_t>(bits_of);
    const auto signed_value =
        narrow.width == 1 ? static_cast<std::int8_t>(unsigned_bits) : static_cast<std::int16_t>(unsigned_bits);
    table_[bits_of] =
        look_up<true>(narrow.is_signed ? static_cast<std::uint64_t>(std::int64_t{signed_value}) : bits_of);
  }
}

// Whether every letter found a slot; with `probe` each does.
bool Alphabet::place_letters(unsigned bits, bool probe) {
  shift_ = 64 - bits;
  slots_.assign(std::size_t{1} << bits, 0);
  for (std::uint32_t letter = 0; letter < n_letters(); ++letter) {
    std::size_t at = (letters_[letter] * multiplier_) >> shift_;
    if (slots_[at] != 0 && !probe) return false;
    while (slots_[at] != 0) at = (at + 1) & (slots_.size() - 1);
    slots_[at] = letter + 1;
  }
  return true;
}

template <bool probe>
std::uint32_t Alphabet::look_up(std::uint64_t value) const noexcept {
  std::size_t at = (value * multiplier_) >> shift_;
  if constexpr (!probe) {
    const std::uint32_t code = slots_[at];
    // Code 0 is held against some letter too, but gives 0 either way.
    return letters_[code == 0 ? 0 : code - 1] == value ? code : 0;
  } else {
    for (;; at = (at + 1) & (slots_.size() - 1)) {
      const std::uint32_t code = slots_[at];
      if (code == 0 || letters_[code - 1] == value) return code;
    }
  }
}

std::uint32_t Alphabet::code(std::uint64_t value) const noexcept {
  if (!identity_) return collisions_ ? look_up<true>(value) : look_up<false>(value);
  return static_cast<std::uint32_t>(type_.width == 1 ? value & 0xFF : value & 0xFFFF);
}

template <class Code>
const Code* Alphabet::encode(const Text& text, Code* buffer) const noexcept {
  if (identity_) return static_cast<const Code*>(text.data);
  const bool tabled = text.type.width <= 2 && table_.size() == std::size_t{1} << (8 * text.type.width);
  with_symbol(text.type, [&](auto symbol) {
    using Symbol = decltype(symbol);
    if constexpr (sizeof(Symbol) <= 2) {
      if (tabled) {
        for (std::size_t i = 0; i < text.size; ++i)
          buffer[i] = static_cast<Code>(table_[widened<std::make_unsigned_t<Symbol>>(text.data, i)]);
        return;
      }
    }
    for (std::size_t i = 0; i < text.size; ++i)
      buffer[i] = static_cast<Code>(collisions_ ? look_up<true>(widened<Symbol>(text.data, i))
                                                : look_up<false>(widened<Symbol>(text.data, i)));
  });
  return buffer;
}

template const std::uint8_t* Alphabet::encode(const Text&, std::uint8_t*) const noexcept;
template const std::uint16_t* Alphabet::encode(const Text&, std::uint16_t*) const noexcept;
template const std::uint32_t* Alphabet::encode(const Text&, std::uint32_t*) const noexcept;

}  // namespace pyalgo::hamming
