// The kernels of engine E2 at one level. Included by bitslice.cpp, after planes.inl.

// The position of byte `lane_of_16`, ... in a row: un-slicing leaves the counts of word_bits positions in 8 rows of lane_bytes
// bytes, 16 consecutive positions (8 where a Word is that small) after one another.
constexpr std::size_t run = lane_bytes < 16 ? lane_bytes : 16;

#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
// The bytes of the lower (upper) half of a and b in turn, in every 16 bytes.
template <std::size_t bytes>
inline Word interleave_low(const Word& a, const Word& b) noexcept {
  if constexpr (bytes == 64) return (Word)_mm512_unpacklo_epi8((__m512i)a, (__m512i)b);
  else if constexpr (bytes == 32) return (Word)_mm256_unpacklo_epi8((__m256i)a, (__m256i)b);
  else return (Word)_mm_unpacklo_epi8((__m128i)a, (__m128i)b);
}
template <std::size_t bytes>
inline Word interleave_high(const Word& a, const Word& b) noexcept {
  if constexpr (bytes == 64) return (Word)_mm512_unpackhi_epi8((__m512i)a, (__m512i)b);
  else if constexpr (bytes == 32) return (Word)_mm256_unpackhi_epi8((__m256i)a, (__m256i)b);
  else return (Word)_mm_unpackhi_epi8((__m128i)a, (__m128i)b);
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
inline void emit(const unsigned char* low, const unsigned char* high, std::int32_t base, std::int32_t* __restrict out) noexcept {
  for (std::size_t from = 0; from < lane_bytes; from += run)
    for (std::size_t r = 0; r < 8; ++r, out += run)
      for (std::size_t x = 0; x < run; ++x) {
        std::int32_t matches = low[r * lane_bytes + from + x];
        if (wide) matches |= std::int32_t{high[r * lane_bytes + from + x]} << 8;
        out[x] = (accumulate ? out[x] : base) - matches;
      }
}

// Counts the n symbols at `at` (a multiple of 16, at most 65520) at the word_bits positions of `base`.
inline void count_word(const unsigned char* base, const std::uint32_t* at, std::size_t n, bool accumulate, std::int32_t start,
                       std::int32_t* out) noexcept {
  Nibble sum;
  Word upper[12] = {};  // bits 4, ..., 15 of the counter
  const unsigned depth = bit_width(n) < 5 ? 1 : bit_width(n) - 4;
  std::size_t j = 0;
  for (; j + 32 <= n; j += 32) {
    const Word first = add16(sum, base, at + j);
    Word carry = full_add<lane_bytes>(upper[0], first, add16(sum, base, at + j + 16));
    for (unsigned b = 1; b < depth; ++b) carry = half_add(upper[b], carry);
  }
  if (j < n) {
    Word carry = add16(sum, base, at + j);
    for (unsigned b = 0; b < depth; ++b) carry = half_add(upper[b], carry);
  }
  alignas(64) unsigned char low[word_bits], high[word_bits];
  Word row[8];
  for (int b = 0; b < 4; ++b) {
    row[b] = sum.bit[b];
    row[b + 4] = upper[b];
  }
  unslice(row, low);
  if (depth <= 4) return accumulate ? emit<false, true>(low, high, start, out) : emit<false, false>(low, high, start, out);
  for (int b = 0; b < 8; ++b) row[b] = upper[b + 4];
  unslice(row, high);
  accumulate ? emit<true, true>(low, high, start, out) : emit<true, false>(low, high, start, out);
}

// The alignments [from, from + count) of the target, whose first stands at bit 0 of the planes.
void count_planes(const unsigned char* planes, const std::uint32_t* at, std::size_t n, const Target& target, std::size_t from,
                  std::size_t count) noexcept {
  constexpr std::size_t most = 65520;  // 16 counter bits
  for (std::size_t x = 0; x < count; x += word_bits) {
    std::int32_t* out = target.out + from + x;
    std::int32_t part[word_bits];
    const bool whole = count - x >= word_bits;
    bool accumulate = whole && target.accumulate;
    std::size_t done = 0;
    do {
      const std::size_t step = n - done < most ? n - done : most;
      count_word(planes + x / 8, at + done, step, accumulate, whole ? target.base : 0, whole ? out : part);
      done += step;
      accumulate = true;
    } while (done < n);
    if (whole) continue;
    for (std::size_t i = 0; i < count - x; ++i) out[i] = (target.accumulate ? out[i] : target.base) + part[i];
  }
}

// The planes of one letter for positions [64 from, 64 to) of the block; slot[s] is the copy moved by s, or null.
void build_letter(const std::uint8_t* text, std::size_t size, std::uint8_t letter, std::size_t from, std::size_t to,
                  std::uint64_t* const* slot) noexcept {
  build_plane(text, size, letter, from == 0 ? 0 : from + 1, to + 1, slot[0]);
  for (unsigned s = 1; s < 8; ++s)
    if (slot[s] != nullptr) shift_plane(slot[0], s, from, to, slot[s]);
}
