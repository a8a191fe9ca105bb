// Bit planes and vertical counters at one level, for engines E2 and E6. Included inside a namespace that defines
// lane_bytes.
//
// A plane has one bit a position of the text, the first in the lowest bit; a Word is as much of it as a register
// holds. A vertical counter is a few Words, of which bit x of the b-th is bit b of the count at position x.

#if defined(PYALGO_VECTORS)
typedef std::uint64_t Word __attribute__((vector_size(lane_bytes)));
#else
using Word = std::uint64_t;
#endif
constexpr std::size_t word_bits = 8 * sizeof(Word);

inline Word load(const void* from) noexcept {
  Word word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Bit x: text[x] == c. The bytes of a vector at a level; templates, so that only the level's own branch is compiled.
template <std::size_t bytes>
inline std::uint64_t equal64(const std::uint8_t* text, std::uint8_t c) noexcept {
#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
  if constexpr (bytes == 64) {
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(text), _mm512_set1_epi8(static_cast<char>(c)));
  } else if constexpr (bytes == 32) {
    const __m256i letter = _mm256_set1_epi8(static_cast<char>(c));
    const auto* at = reinterpret_cast<const __m256i*>(text);
    const auto low =
        static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(at), letter)));
    const auto high =
        static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_loadu_si256(at + 1), letter)));
    return low | std::uint64_t{high} << 32;
  } else {
    const __m128i letter = _mm_set1_epi8(static_cast<char>(c));
    const auto* at = reinterpret_cast<const __m128i*>(text);
    std::uint64_t bits = 0;
    for (int q = 0; q < 4; ++q) {
      const int mask = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128(at + q), letter));
      bits |= std::uint64_t{static_cast<std::uint32_t>(mask)} << (16 * q);
    }
    return bits;
  }
#else
  constexpr std::uint64_t low7 = 0x7f7f7f7f7f7f7f7fULL, each = 0x0101010101010101ULL;
  std::uint64_t bits = 0;
  for (int q = 0; q < 8; ++q) {
    const std::uint64_t x = load_little<std::uint64_t>(text + 8 * q) ^ (each * c);
    const std::uint64_t zero = ~(((x & low7) + low7) | x | low7);      // 0x80 in each byte that is equal
    bits |= (((zero >> 7) * 0x0102040810204080ULL) >> 56) << (8 * q);  // gathers the bytes' lowest bits
  }
  return bits;
#endif
}

template <std::size_t bytes>
inline std::uint64_t equal64(const std::uint16_t* text, std::uint16_t c) noexcept {
#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
  if constexpr (bytes == 64) {
    const __m512i letter = _mm512_set1_epi16(static_cast<short>(c));
    const std::uint64_t low = _mm512_cmpeq_epi16_mask(_mm512_loadu_si512(text), letter);
    return low | std::uint64_t{_mm512_cmpeq_epi16_mask(_mm512_loadu_si512(text + 32), letter)} << 32;
  } else {
    const __m128i letter = _mm_set1_epi16(static_cast<short>(c));
    const auto* at = reinterpret_cast<const __m128i*>(text);
    std::uint64_t bits = 0;
    for (int q = 0; q < 4; ++q) {
      const __m128i low = _mm_cmpeq_epi16(_mm_loadu_si128(at + 2 * q), letter);
      const __m128i high = _mm_cmpeq_epi16(_mm_loadu_si128(at + 2 * q + 1), letter);
      bits |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)))} << (16 * q);
    }
    return bits;
  }
#else
  std::uint64_t bits = 0;
  for (int x = 0; x < 64; ++x) bits |= std::uint64_t{text[x] == c} << x;
  return bits;
#endif
}

template <std::size_t bytes>
inline std::uint64_t equal64(const std::uint32_t* text, std::uint32_t c) noexcept {
#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
  const __m128i letter = _mm_set1_epi32(static_cast<int>(c));
  const auto* at = reinterpret_cast<const __m128i*>(text);
  const auto equal = [&](int q) { return _mm_cmpeq_epi32(_mm_loadu_si128(at + q), letter); };
  std::uint64_t bits = 0;
  for (int q = 0; q < 4; ++q) {
    const __m128i low = _mm_packs_epi32(equal(4 * q), equal(4 * q + 1));
    const __m128i high = _mm_packs_epi32(equal(4 * q + 2), equal(4 * q + 3));
    bits |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high)))} << (16 * q);
  }
  return bits;
#else
  std::uint64_t bits = 0;
  for (int x = 0; x < 64; ++x) bits |= std::uint64_t{text[x] == c} << x;
  return bits;
#endif
}

// The plane "text == c" in `words` words of 64 positions. Nothing at or after text + size is read; positions there
// are set as if the text went on with zeros.
template <class Code>
inline void build_plane(const Code* text, std::size_t size, Code c, std::size_t words, std::uint64_t* plane) noexcept {
  const std::size_t whole = size / 64 < words ? size / 64 : words;
  for (std::size_t w = 0; w < whole; ++w) plane[w] = equal64<lane_bytes>(text + 64 * w, c);
  for (std::size_t w = whole; w < words; ++w) {
    Code rest[64] = {};
    if (64 * w < size) std::memcpy(rest, text + 64 * w, (size - 64 * w) * sizeof(Code));
    plane[w] = equal64<lane_bytes>(rest, c);
  }
}

// The plane moved down by `shift` in 1..7: bit x is bit x + shift. Reads plane[words] too.
inline void shift_plane(const std::uint64_t* __restrict plane, unsigned shift, std::size_t words,
                        std::uint64_t* __restrict shifted) noexcept {
  for (std::size_t w = 0; w < words; ++w) shifted[w] = plane[w] >> shift | plane[w + 1] << (64 - shift);
}

// sum + a + b in every position: the carry is returned.
template <std::size_t bytes>
inline Word full_add(Word& sum, const Word& a, const Word& b) noexcept {
#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
  if constexpr (bytes == 64) {
    const Word carry = (Word)_mm512_ternarylogic_epi64((__m512i)sum, (__m512i)a, (__m512i)b, 0xe8);
    sum = (Word)_mm512_ternarylogic_epi64((__m512i)sum, (__m512i)a, (__m512i)b, 0x96);
    return carry;
  } else
#endif
  {
    const Word either = a ^ b;
    const Word carry = (a & b) | (either & sum);
    sum ^= either;
    return carry;
  }
}

inline Word half_add(Word& sum, const Word& a) noexcept {
  const Word carry = sum & a;
  sum ^= a;
  return carry;
}

// The lowest four bits of a vertical counter. add16 adds the planes' Words at base + at[0..15], and returns the carry
// out of the fourth bit: a tree of 15 full adders for 16 inputs (Harley and Seal's population count).
struct Nibble {
  Word bit[4] = {};
};

inline Word add2(Nibble& sum, const unsigned char* base, const std::uint32_t* at) noexcept {
  return full_add<lane_bytes>(sum.bit[0], load(base + at[0]), load(base + at[1]));
}
inline Word add4(Nibble& sum, const unsigned char* base, const std::uint32_t* at) noexcept {
  const Word first = add2(sum, base, at);
  return full_add<lane_bytes>(sum.bit[1], first, add2(sum, base, at + 2));
}
inline Word add8(Nibble& sum, const unsigned char* base, const std::uint32_t* at) noexcept {
  const Word first = add4(sum, base, at);
  return full_add<lane_bytes>(sum.bit[2], first, add4(sum, base, at + 4));
}
inline Word add16(Nibble& sum, const unsigned char* base, const std::uint32_t* at) noexcept {
  const Word first = add8(sum, base, at);
  return full_add<lane_bytes>(sum.bit[3], first, add8(sum, base, at + 8));
}
