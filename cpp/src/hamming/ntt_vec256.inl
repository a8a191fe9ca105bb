// Vectors of sixteen 16-bit lanes by AVX2. Included in namespaces of ntt_kernel.cpp, inside regions compiled for that
// level.

struct Vec {
  static constexpr std::size_t lanes = 16;
  static constexpr bool looks_up = true;
  __m256i v;
};
inline Vec load(const std::int16_t* from) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))}; }
inline void store(Vec a, std::int16_t* to) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), a.v); }
inline void store32(Vec a, std::int32_t* to) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), a.v); }
inline Vec load32(const std::int32_t* from) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from))}; }
// The same value, of which the compiler knows nothing: keeps it from rearranging sums and from multiplying by shifts.
inline Vec opaque(Vec a) {
#if defined(__GNUC__)
  __asm__("" : "+x"(a.v));
#endif
  return a;
}
inline Vec zero() { return {_mm256_setzero_si256()}; }
inline Vec broadcast(std::int16_t a) { return {_mm256_set1_epi16(a)}; }
inline Vec broadcast32(std::int32_t a) { return {_mm256_set1_epi32(a)}; }
inline Vec operator+(Vec a, Vec b) { return {_mm256_add_epi16(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm256_sub_epi16(a.v, b.v)}; }
inline Vec operator&(Vec a, Vec b) { return {_mm256_and_si256(a.v, b.v)}; }
inline Vec mulhi(Vec a, Vec b) { return {_mm256_mulhi_epi16(a.v, b.v)}; }
inline Vec mullo(Vec a, Vec b) { return {_mm256_mullo_epi16(a.v, b.v)}; }
template <int Bits>
inline Vec shift_right(Vec a) {
  return {_mm256_srai_epi16(a.v, Bits)};
}
inline Vec add32(Vec a, Vec b) { return {_mm256_add_epi32(a.v, b.v)}; }
inline Vec sub32(Vec a, Vec b) { return {_mm256_sub_epi32(a.v, b.v)}; }
inline Vec multiply_add(Vec a, Vec b) { return {_mm256_madd_epi16(a.v, b.v)}; }
inline Vec interleave_low(Vec a, Vec b) { return {_mm256_unpacklo_epi16(a.v, b.v)}; }
inline Vec interleave_high(Vec a, Vec b) { return {_mm256_unpackhi_epi16(a.v, b.v)}; }
// Pairs (a_i, b_i) of even i, and of odd i.
inline Vec pair_even(Vec a, Vec b) { return {_mm256_blend_epi16(a.v, _mm256_slli_epi32(b.v, 16), 0xaa)}; }
inline Vec pair_odd(Vec a, Vec b) { return {_mm256_blend_epi16(_mm256_srli_epi32(a.v, 16), b.v, 0xaa)}; }
// The upper halves of the 32-bit lanes of both, in order.
inline Vec join_upper(Vec even, Vec odd) { return {_mm256_blend_epi16(_mm256_srli_epi32(even.v, 16), odd.v, 0xaa)}; }
inline void prefetch(const std::int16_t* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }
// Non-negative lanes as 32 bits, in order.
inline void widen(Vec a, Vec& low, Vec& high) {
  low = {_mm256_cvtepu16_epi32(_mm256_castsi256_si128(a.v))};
  high = {_mm256_cvtepu16_epi32(_mm256_extracti128_si256(a.v, 1))};
}
// Bytes: all bits set where text[i] is the letter; whether all bits of a vector are set.
inline Vec equal_bytes(const std::uint8_t* text, std::uint8_t letter) {
  const __m256i symbols = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
  return {_mm256_cmpeq_epi8(symbols, _mm256_set1_epi8(static_cast<char>(letter)))};
}
inline Vec operator|(Vec a, Vec b) { return {_mm256_or_si256(a.v, b.v)}; }
inline bool all_set(Vec a) { return _mm256_movemask_epi8(a.v) == -1; }
// -1 where text[i] is the letter, else 0.
inline Vec mask(const std::uint8_t* text, std::uint8_t letter) {
  const __m128i symbols = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  return {_mm256_cvtepi8_epi16(_mm_cmpeq_epi8(symbols, _mm_set1_epi8(static_cast<char>(letter))))};
}
// Which of three symbols are the letter, as indices into the lower and the upper bytes of a table of 8 entries.
inline void store_choices(const std::uint8_t* a, const std::uint8_t* b, const std::uint8_t* c, std::uint8_t letter,
                          std::int16_t* to) {
  const __m128i wanted = _mm_set1_epi8(static_cast<char>(letter));
  const __m128i first =
      _mm_and_si128(_mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a)), wanted), _mm_set1_epi8(1));
  const __m128i second =
      _mm_and_si128(_mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)), wanted), _mm_set1_epi8(2));
  const __m128i third =
      _mm_and_si128(_mm_cmpeq_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(c)), wanted), _mm_set1_epi8(4));
  const __m128i low = _mm_or_si128(first, _mm_or_si128(second, third)), high = _mm_or_si128(low, _mm_set1_epi8(8));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi8(low, high));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 8), _mm_unpackhi_epi8(low, high));
}
inline Vec load_table(const std::uint8_t (&table)[16]) {
  return {_mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(table)))};
}
inline Vec look_up(Vec table, Vec indices) { return {_mm256_shuffle_epi8(table.v, indices.v)}; }
inline void transpose(Vec (&x)[16]) {
  Vec a[16];
  for (int i = 0; i < 16; i += 4) {
    const Vec lo0 = interleave_low(x[i], x[i + 1]), hi0 = interleave_high(x[i], x[i + 1]);
    const Vec lo1 = interleave_low(x[i + 2], x[i + 3]), hi1 = interleave_high(x[i + 2], x[i + 3]);
    a[i] = {_mm256_unpacklo_epi32(lo0.v, lo1.v)};
    a[i + 1] = {_mm256_unpackhi_epi32(lo0.v, lo1.v)};
    a[i + 2] = {_mm256_unpacklo_epi32(hi0.v, hi1.v)};
    a[i + 3] = {_mm256_unpackhi_epi32(hi0.v, hi1.v)};
  }
  for (int i = 0; i < 4; ++i) {
    const __m256i even_low = _mm256_unpacklo_epi64(a[i].v, a[i + 4].v),
                  odd_low = _mm256_unpackhi_epi64(a[i].v, a[i + 4].v);
    const __m256i even_high = _mm256_unpacklo_epi64(a[i + 8].v, a[i + 12].v),
                  odd_high = _mm256_unpackhi_epi64(a[i + 8].v, a[i + 12].v);
    x[2 * i] = {_mm256_permute2x128_si256(even_low, even_high, 0x20)};
    x[2 * i + 1] = {_mm256_permute2x128_si256(odd_low, odd_high, 0x20)};
    x[2 * i + 8] = {_mm256_permute2x128_si256(even_low, even_high, 0x31)};
    x[2 * i + 9] = {_mm256_permute2x128_si256(odd_low, odd_high, 0x31)};
  }
}
