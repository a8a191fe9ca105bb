// The kernels of engine E2 at one level. Included by bitslice.cpp, after planes.inl.

// Un-slicing leaves the counts of word_bits positions in 8 rows of lane_bytes bytes: the first `run` positions in the
// first row, the next in the second, ..., and so on from the rows' next `run` bytes.
constexpr std::size_t run = lane_bytes < 16 ? lane_bytes : 16;

#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
// The bytes of the lower (upper) half of a and b in turn, in every 16 bytes.
template <std::size_t bytes>
inline Word interleave_low(const Word& a, const Word& b) noexcept {
  if constexpr (bytes == 64)
    return (Word)_mm512_unpacklo_epi8((__m512i)a, (__m512i)b);
  else if constexpr (bytes == 32)
    return (Word)_mm256_unpacklo_epi8((__m256i)a, (__m256i)b);
  else
    return (Word)_mm_unpacklo_epi8((__m128i)a, (__m128i)b);
}
template <std::size_t bytes>
inline Word interleave_high(const Word& a, const Word& b) noexcept {
  if constexpr (bytes == 64)
    return (Word)_mm512_unpackhi_epi8((__m512i)a, (__m512i)b);
  else if constexpr (bytes == 32)
    return (Word)_mm256_unpackhi_epi8((__m256i)a, (__m256i)b);
  else
    return (Word)_mm_unpackhi_epi8((__m128i)a, (__m128i)b);
}

// Byte q of row r -> byte 8 q + r of the concatenation, in every 16 bytes: three perfect shuffles.
inline void interleave(Word (&row)[8]) noexcept {
  Word next[8];
  for (int stage = 4; stage > 0; stage /= 2) {  // the row's index loses its highest bit, the byte's gains a lowest one
    for (int r = 0; r < 4; ++r) {
      next[2 * r] = interleave_low<lane_bytes>(row[r], row[r + 4]);
      next[2 * r + 1] = interleave_high<lane_bytes>(row[r], row[r + 4]);
    }
    for (int r = 0; r < 8; ++r) row[r] = next[r];
  }
}
#else
inline void interleave(Word (&row)[8]) noexcept {
  unsigned char from[8][sizeof(Word)], to[8 * sizeof(Word)];
  std::memcpy(from, row, sizeof from);
  for (std::size_t q = 0; q < sizeof(Word); ++q)
    for (std::size_t r = 0; r < 8; ++r) to[8 * q + r] = from[r][q];
  std::memcpy(row, to, sizeof to);
}
#endif

template <unsigned distance>
inline void swap_bits(Word& low, Word& high, std::uint64_t mask) noexcept {
  const Word differ = ((low >> distance) ^ high) & mask;
  high ^= differ;
  low ^= differ << distance;
}

// Eight bits of a vertical counter -> one byte a position.
inline void unslice(Word (&row)[8], unsigned char* counts) noexcept {
  for (int r = 0; r < 4; ++r) swap_bits<4>(row[r], row[r + 4], 0x0f0f0f0f0f0f0f0fULL);
  for (int r = 0; r < 8; r += 4) {
    swap_bits<2>(row[r], row[r + 2], 0x3333333333333333ULL);
    swap_bits<2>(row[r + 1], row[r + 3], 0x3333333333333333ULL);
  }
  for (int r = 0; r < 8; r += 2) swap_bits<1>(row[r], row[r + 1], 0x5555555555555555ULL);
  interleave(row);
  std::memcpy(counts, row, sizeof row);
}

// out = base - counts, or out -= counts, for word_bits positions; `high` holds the counts' upper bytes.
template <bool wide, bool accumulate>
inline void emit(const unsigned char* low, const unsigned char* high, std::int32_t base,
                 std::int32_t* __restrict out) noexcept {
  for (std::size_t from = 0; from < lane_bytes; from += run)
    for (std::size_t r = 0; r < 8; ++r, out += run)
      for (std::size_t x = 0; x < run; ++x) {
        std::int32_t matches = low[r * lane_bytes + from + x];
        if (wide) matches |= std::int32_t{high[r * lane_bytes + from + x]} << 8;
        out[x] = (accumulate ? out[x] : base) - matches;
      }
}

// A counter of 4 + depth bits at every position of a block: Word by Word, the lowest bit first.
template <std::size_t depth>
struct Counter {
  Nibble low;
  Word upper[depth] = {};
};

// Adds the n symbols (a multiple of 16) at `at` to the counters of `words` Words; the first of all symbols clears
// them. The depth is fixed at compile time, so that a counter needs no loop of its own and stays in registers but for
// its upper bits.
template <std::size_t depth>
void add_symbols(const unsigned char* planes, const std::uint32_t* at, std::size_t n, bool clear, std::size_t words,
                 unsigned char* counters) noexcept {
  for (std::size_t w = 0; w < words; ++w, planes += lane_bytes, counters += sizeof(Counter<depth>)) {
    Counter<depth> counter;
    if (!clear) std::memcpy(&counter, counters, sizeof counter);
    Nibble sum = counter.low;
    std::size_t j = 0;
    for (; j + 32 <= n; j += 32) {
      const Word first = add16(sum, planes, at + j);
      Word carry = full_add<lane_bytes>(counter.upper[0], first, add16(sum, planes, at + j + 16));
      for (std::size_t b = 1; b < depth; ++b) carry = half_add(counter.upper[b], carry);
    }
    if (j < n) {
      Word carry = add16(sum, planes, at + j);
      for (std::size_t b = 0; b < depth; ++b) carry = half_add(counter.upper[b], carry);
    }
    counter.low = sum;
    std::memcpy(counters, &counter, sizeof counter);
  }
}

template <std::size_t depth>
inline void emit_word(const unsigned char* counters, bool accumulate, std::int32_t base, std::int32_t* out) noexcept {
  constexpr bool wide = depth > 4;
  Counter<depth> counter;
  std::memcpy(&counter, counters, sizeof counter);
  alignas(64) unsigned char low[word_bits], high[word_bits];
  Word row[8];
  for (std::size_t b = 0; b < 8; ++b) row[b] = b < 4 ? counter.low.bit[b] : counter.upper[b - 4];
  unslice(row, low);
  if constexpr (wide) {
    for (std::size_t b = 0; b < 8; ++b) row[b] = b + 4 < depth ? counter.upper[b + 4] : Word{};
    unslice(row, high);
  }
  accumulate ? emit<wide, true>(low, high, base, out) : emit<wide, false>(low, high, base, out);
}

// Takes the counts of `count` positions off out, or off base.
template <std::size_t depth>
void emit_counts(const unsigned char* counters, bool accumulate, std::int32_t base, std::size_t count,
                 std::int32_t* out) noexcept {
  std::size_t x = 0;
  for (; x + word_bits <= count; x += word_bits, counters += sizeof(Counter<depth>))
    emit_word<depth>(counters, accumulate, base, out + x);
  if (x == count) return;
  std::int32_t part[word_bits];
  emit_word<depth>(counters, false, 0, part);
  for (std::size_t i = 0; x + i < count; ++i) out[x + i] = (accumulate ? out[x + i] : base) + part[i];
}

// The planes of one letter for the first 64 `words` positions of text. slot[s] is the copy moved by s or null;
// slot[0] is never null and holds a word more.
void build_letter(const std::uint8_t* text, std::size_t size, std::uint8_t letter, std::size_t words,
                  std::uint64_t* const* slot) noexcept {
  build_plane(text, size, letter, words + 1, slot[0]);
  for (unsigned s = 1; s < 8; ++s)
    if (slot[s] != nullptr) shift_plane(slot[0], s, words, slot[s]);
}

const Kernels kernels{build_letter,
                      {add_symbols<4>, add_symbols<6>, add_symbols<8>, add_symbols<12>},
                      {emit_counts<4>, emit_counts<6>, emit_counts<8>, emit_counts<12>}};
