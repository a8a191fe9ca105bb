// Vectors of eight 16-bit lanes: SSE2, or plain arrays where there is none. Included in a namespace of ntt_kernel.cpp.

#if defined(PYALGO_X86)
struct Vec {
  static constexpr std::size_t lanes = 8;
  static constexpr bool looks_up = false;  // pshufb came with SSSE3
  __m128i v;
};
inline Vec load(const std::int16_t* from) { return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))}; }
inline void store(Vec a, std::int16_t* to) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), a.v); }
inline void store32(Vec a, std::int32_t* to) { _mm_storeu_si128(reinterpret_cast<__m128i*>(to), a.v); }
inline Vec load32(const std::int32_t* from) { return {_mm_loadu_si128(reinterpret_cast<const __m128i*>(from))}; }
// The same value, of which the compiler knows nothing: keeps it from rearranging sums and from multiplying by shifts.
inline Vec opaque(Vec a) {
#if defined(__GNUC__)
  __asm__("" : "+x"(a.v));
#endif
  return a;
}
inline Vec zero() { return {_mm_setzero_si128()}; }
inline Vec broadcast(std::int16_t a) { return {_mm_set1_epi16(a)}; }
inline Vec broadcast32(std::int32_t a) { return {_mm_set1_epi32(a)}; }
inline Vec operator+(Vec a, Vec b) { return {_mm_add_epi16(a.v, b.v)}; }
inline Vec operator-(Vec a, Vec b) { return {_mm_sub_epi16(a.v, b.v)}; }
inline Vec operator&(Vec a, Vec b) { return {_mm_and_si128(a.v, b.v)}; }
inline Vec mulhi(Vec a, Vec b) { return {_mm_mulhi_epi16(a.v, b.v)}; }
inline Vec mullo(Vec a, Vec b) { return {_mm_mullo_epi16(a.v, b.v)}; }
template <int Bits>
inline Vec shift_right(Vec a) {
  return {_mm_srai_epi16(a.v, Bits)};
}
inline Vec add32(Vec a, Vec b) { return {_mm_add_epi32(a.v, b.v)}; }
inline Vec sub32(Vec a, Vec b) { return {_mm_sub_epi32(a.v, b.v)}; }
inline Vec multiply_add(Vec a, Vec b) { return {_mm_madd_epi16(a.v, b.v)}; }
inline Vec interleave_low(Vec a, Vec b) { return {_mm_unpacklo_epi16(a.v, b.v)}; }
inline Vec interleave_high(Vec a, Vec b) { return {_mm_unpackhi_epi16(a.v, b.v)}; }
// The lower halves of a's 32-bit lanes under the upper halves of b's.
inline __m128i choose_upper(__m128i a, __m128i b) {
  const __m128i upper = _mm_set1_epi32(-65536);
  return _mm_or_si128(_mm_andnot_si128(upper, a), _mm_and_si128(upper, b));
}
// Pairs (a_i, b_i) of even i, and of odd i.
inline Vec pair_even(Vec a, Vec b) { return {choose_upper(a.v, _mm_slli_epi32(b.v, 16))}; }
inline Vec pair_odd(Vec a, Vec b) { return {choose_upper(_mm_srli_epi32(a.v, 16), b.v)}; }
// The upper halves of the 32-bit lanes of both, in order.
inline Vec join_upper(Vec even, Vec odd) { return {choose_upper(_mm_srli_epi32(even.v, 16), odd.v)}; }
inline void prefetch(const std::int16_t* at) { _mm_prefetch(reinterpret_cast<const char*>(at), _MM_HINT_T0); }
// Non-negative lanes as 32 bits, in order.
inline void widen(Vec a, Vec& low, Vec& high) {
  low = {_mm_unpacklo_epi16(a.v, _mm_setzero_si128())};
  high = {_mm_unpackhi_epi16(a.v, _mm_setzero_si128())};
}
// Bytes: all bits set where text[i] is the letter; whether all bits of a vector are set.
inline Vec equal_bytes(const std::uint8_t* text, std::uint8_t letter) {
  const __m128i symbols = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  return {_mm_cmpeq_epi8(symbols, _mm_set1_epi8(static_cast<char>(letter)))};
}
inline Vec operator|(Vec a, Vec b) { return {_mm_or_si128(a.v, b.v)}; }
inline bool all_set(Vec a) { return _mm_movemask_epi8(a.v) == 0xffff; }
// -1 where text[i] is the letter, else 0.
inline Vec mask(const std::uint8_t* text, std::uint8_t letter) {
  const __m128i equal =
      _mm_cmpeq_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(text)), _mm_set1_epi8(static_cast<char>(letter)));
  return {_mm_unpacklo_epi8(equal, equal)};
}
inline void transpose(Vec (&x)[8]) {
  Vec a[8], b[8];
  for (int i = 0; i < 4; ++i) {
    a[2 * i] = interleave_low(x[2 * i], x[2 * i + 1]);
    a[2 * i + 1] = interleave_high(x[2 * i], x[2 * i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = {_mm_unpacklo_epi32(a[i].v, a[i + 2].v)};
    b[i + 1] = {_mm_unpackhi_epi32(a[i].v, a[i + 2].v)};
    b[i + 2] = {_mm_unpacklo_epi32(a[i + 1].v, a[i + 3].v)};
    b[i + 3] = {_mm_unpackhi_epi32(a[i + 1].v, a[i + 3].v)};
  }
  for (int i = 0; i < 4; ++i) {
    x[2 * i] = {_mm_unpacklo_epi64(b[i].v, b[i + 4].v)};
    x[2 * i + 1] = {_mm_unpackhi_epi64(b[i].v, b[i + 4].v)};
  }
}
#else
struct Vec {
  static constexpr std::size_t lanes = 8;
  static constexpr bool looks_up = false;  // pshufb came with SSSE3
  std::int16_t v[8];
};
struct Wide {
  std::int32_t v[4];
};
inline Wide wide(const Vec& a) {
  Wide w;
  std::memcpy(&w, &a, sizeof w);
  return w;
}
inline Vec narrow(const Wide& w) {
  Vec a;
  std::memcpy(&a, &w, sizeof a);
  return a;
}
template <class Action>
inline Vec each(Action&& action) {
  Vec r;
  for (int i = 0; i < 8; ++i) r.v[i] = static_cast<std::int16_t>(action(i));
  return r;
}
template <class Action>
inline Vec each32(Action&& action) {
  Wide r;
  for (int i = 0; i < 4; ++i) r.v[i] = action(i);
  return narrow(r);
}
inline Vec load(const std::int16_t* from) {
  return each([=](int i) { return from[i]; });
}
inline void store(Vec a, std::int16_t* to) { std::memcpy(to, &a, sizeof a); }
inline Vec load32(const std::int32_t* from) {
  return each32([=](int i) { return from[i]; });
}
inline void store32(Vec a, std::int32_t* to) { std::memcpy(to, &a, sizeof a); }
inline Vec zero() { return {}; }
inline Vec opaque(Vec a) { return a; }
inline Vec broadcast(std::int16_t a) {
  return each([=](int) { return a; });
}
inline Vec broadcast32(std::int32_t a) {
  return each32([=](int) { return a; });
}
inline Vec operator+(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] + b.v[i]; });
}
inline Vec operator-(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] - b.v[i]; });
}
inline Vec operator&(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] & b.v[i]; });
}
inline Vec mulhi(Vec a, Vec b) {
  return each([&](int i) { return (a.v[i] * b.v[i]) >> 16; });
}
inline Vec mullo(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] * b.v[i]; });
}
template <int Bits>
inline Vec shift_right(Vec a) {
  return each([&](int i) { return a.v[i] >> Bits; });
}
inline Vec add32(Vec a, Vec b) {
  const Wide x = wide(a), y = wide(b);
  return each32([&](int i) { return x.v[i] + y.v[i]; });
}
inline Vec sub32(Vec a, Vec b) {
  const Wide x = wide(a), y = wide(b);
  return each32([&](int i) { return x.v[i] - y.v[i]; });
}
inline Vec multiply_add(Vec a, Vec b) {
  return each32([&](int i) { return a.v[2 * i] * b.v[2 * i] + a.v[2 * i + 1] * b.v[2 * i + 1]; });
}
inline Vec pair_even(Vec a, Vec b) {
  return each([&](int i) { return i % 2 == 0 ? a.v[i] : b.v[i - 1]; });
}
inline Vec pair_odd(Vec a, Vec b) {
  return each([&](int i) { return i % 2 == 0 ? a.v[i + 1] : b.v[i]; });
}
inline Vec join_upper(Vec even, Vec odd) {
  const Wide x = wide(even), y = wide(odd);
  return each([&](int i) { return (i % 2 == 0 ? x.v[i / 2] : y.v[i / 2]) >> 16; });
}
inline void prefetch(const std::int16_t*) {}
inline void widen(Vec a, Vec& low, Vec& high) {
  low = each32([&](int i) { return a.v[i]; });
  high = each32([&](int i) { return a.v[4 + i]; });
}
inline Vec equal_bytes(const std::uint8_t* text, std::uint8_t letter) {
  return each([=](int i) { return (text[2 * i] == letter ? 0xff : 0) | (text[2 * i + 1] == letter ? 0xff00 : 0); });
}
inline Vec operator|(Vec a, Vec b) {
  return each([&](int i) { return a.v[i] | b.v[i]; });
}
inline bool all_set(Vec a) {
  bool all = true;
  for (std::int16_t v : a.v) all = all && v == -1;
  return all;
}
inline Vec mask(const std::uint8_t* text, std::uint8_t letter) {
  return each([=](int i) { return -(text[i] == letter); });
}
inline void transpose(Vec (&x)[8]) {
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < i; ++j) std::swap(x[i].v[j], x[j].v[i]);
  }
}
#endif
inline void store_choices(const std::uint8_t*, const std::uint8_t*, const std::uint8_t*, std::uint8_t, std::int16_t*) {}
inline Vec load_table(const std::uint8_t (&)[16]) { return zero(); }
inline Vec look_up(Vec table, Vec) { return table; }
