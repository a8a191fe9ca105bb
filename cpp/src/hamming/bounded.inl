// The kernels of engine E6 at one level. Included by bounded.cpp, after planes.inl.

// Bit x: a[x] == b[x].
template <std::size_t bytes, class Code>
inline std::uint64_t same64(const Code* a, const Code* b) noexcept {
#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
  if constexpr (bytes == 64 && sizeof(Code) == 1) {
    return _mm512_cmpeq_epi8_mask(_mm512_loadu_si512(a), _mm512_loadu_si512(b));
  } else if constexpr (bytes >= 32 && sizeof(Code) == 1) {
    const auto *x = reinterpret_cast<const __m256i*>(a), *y = reinterpret_cast<const __m256i*>(b);
    const __m256i first = _mm256_cmpeq_epi8(_mm256_loadu_si256(x), _mm256_loadu_si256(y));
    const __m256i second = _mm256_cmpeq_epi8(_mm256_loadu_si256(x + 1), _mm256_loadu_si256(y + 1));
    return static_cast<std::uint32_t>(_mm256_movemask_epi8(first)) |
           std::uint64_t{static_cast<std::uint32_t>(_mm256_movemask_epi8(second))} << 32;
  } else {
    const auto *x = reinterpret_cast<const __m128i*>(a), *y = reinterpret_cast<const __m128i*>(b);
    const auto equal = [&](std::size_t q) {
      const __m128i u = _mm_loadu_si128(x + q), v = _mm_loadu_si128(y + q);
      return sizeof(Code) == 1   ? _mm_cmpeq_epi8(u, v)
             : sizeof(Code) == 2 ? _mm_cmpeq_epi16(u, v)
                                 : _mm_cmpeq_epi32(u, v);
    };
    const auto equal16 = [&](std::size_t q) {
      if (sizeof(Code) == 1) return equal(q);
      if (sizeof(Code) == 2) return _mm_packs_epi16(equal(2 * q), equal(2 * q + 1));
      return _mm_packs_epi16(_mm_packs_epi32(equal(4 * q), equal(4 * q + 1)),
                             _mm_packs_epi32(equal(4 * q + 2), equal(4 * q + 3)));
    };
    std::uint64_t bits = 0;
    for (std::size_t q = 0; q < 4; ++q)
      bits |= std::uint64_t{static_cast<std::uint32_t>(_mm_movemask_epi8(equal16(q)))} << (16 * q);
    return bits;
  }
#else
  std::uint64_t bits = 0;
  for (int x = 0; x < 64; ++x) bits |= std::uint64_t{a[x] == b[x]} << x;
  return bits;
#endif
}

inline std::int64_t ones(std::uint64_t bits) noexcept {
#if defined(PYALGO_VECTORS)
  return __builtin_popcountll(bits);
#else
  return popcount(bits);
#endif
}

// The index of the lowest bit that is set; bits is not 0.
inline std::size_t lowest(std::uint64_t bits) noexcept {
#if defined(PYALGO_VECTORS)
  return static_cast<std::size_t>(__builtin_ctzll(bits));
#else
  return bit_width(bits & (~bits + 1)) - 1;
#endif
}

inline bool all_ones(const Word& word) noexcept {
#if defined(PYALGO_VECTORS)
  std::uint64_t bits = word[0];
  for (std::size_t q = 1; q < lane_bytes / 8; ++q) bits &= word[q];
  return ~bits == 0;
#else
  return ~word == 0;
#endif
}

// The mismatches at one alignment; stops as soon as there are more than k. Adds the groups of 64 symbols compared to
// `groups`.
template <class Code>
std::int64_t distance(const Code* text, const Dense<Code>& pattern, std::int64_t k, std::size_t& groups) noexcept {
  const auto differ = [&](const Code* at, const Code* codes, std::uint64_t fixed) {
    std::uint64_t bits = fixed & ~same64<lane_bytes>(at, codes);
    if (pattern.wildcard.present) bits &= ~equal64<lane_bytes>(at, pattern.wildcard.code);
    return ones(bits);
  };
  const std::size_t length = pattern.codes.size(), whole = length / 64;
  std::int64_t result = 0;
  for (std::size_t w = 0; w < whole; ++w) {
    result += differ(text + 64 * w, pattern.codes.data() + 64 * w, pattern.fixed[w]);
    ++groups;
    if (result > k) return result;
  }
  if (length % 64 == 0) return result;
  if (whole > 0)  // the last 64 symbols, of which some are counted already
    return result +
           differ(text + length - 64, pattern.codes.data() + length - 64, pattern.fixed[whole] << (64 - length % 64));
  Code head[64] = {}, codes[64] = {};
  std::memcpy(head, text, length * sizeof(Code));
  std::memcpy(codes, pattern.codes.data(), length * sizeof(Code));
  return differ(head, codes, pattern.fixed[0]);
}

// The planes "text != letter" for words [from, to) of 64 positions; slot[s] is the copy moved by s or null, slot[0]
// is never null and has a word more. Words before `from` are there already, and from > 0 says that word `from` of
// slot[0] is too.
template <class Code>
void build_mismatches(const Code* text, std::size_t size, Code letter, const TextWildcard<Code>& wildcard,
                      std::size_t from, std::size_t to, std::uint64_t* const* slot) noexcept {
  const std::size_t end = to + 1, whole = size / 64 < end ? size / 64 : end;
  std::uint64_t* plane = slot[0];
  std::size_t w = from == 0 ? 0 : from + 1;
  if (wildcard.present) {
    for (; w < whole; ++w)
      plane[w] = ~(equal64<lane_bytes>(text + 64 * w, letter) | equal64<lane_bytes>(text + 64 * w, wildcard.code));
  } else {
    for (; w < whole; ++w) plane[w] = ~equal64<lane_bytes>(text + 64 * w, letter);
  }
  for (; w < end; ++w) {
    Code rest[64] = {};
    if (64 * w < size) std::memcpy(rest, text + 64 * w, (size - 64 * w) * sizeof(Code));
    plane[w] = ~equal64<lane_bytes>(rest, letter);
    if (wildcard.present) plane[w] &= ~equal64<lane_bytes>(rest, wildcard.code);
  }
  for (unsigned s = 1; s < 8; ++s)
    if (slot[s] != nullptr) shift_plane(plane + from, s, to - from, slot[s] + from);
}

// dead: in each of `words` Words the positions at which more than k of the n places (a multiple of 16) mismatch,
// where the planes found it out; those left alive are to be verified. The counters of 4 + depth bits start at 2^(4 +
// depth) - 1 - k, so that the first mismatch too many carries out of the highest bit, and carries are gathered.
template <std::size_t depth>
void filter(const unsigned char* planes, const std::uint32_t* at, std::size_t n, std::uint64_t k, std::size_t words,
            unsigned char* dead) noexcept {
  const std::uint64_t start = (std::uint64_t{1} << (4 + depth)) - 1 - k;
  const auto bit = [start](std::size_t b) { return Word{} - (start >> b & 1); };
  for (std::size_t w = 0; w < words; ++w, planes += lane_bytes, dead += lane_bytes) {
    Nibble low;
    for (std::size_t b = 0; b < 4; ++b) low.bit[b] = bit(b);
    Word upper[depth == 0 ? 1 : depth];
    for (std::size_t b = 0; b < depth; ++b) upper[b] = bit(4 + b);
    Word over = {};
    for (std::size_t j = 0; j < n; j += 16) {
      Word carry = add16(low, planes, at + j);
      for (std::size_t b = 0; b < depth; ++b) carry = half_add(upper[b], carry);
      over |= carry;
      if (all_ones(over)) break;
    }
    std::memcpy(dead, &over, sizeof over);
  }
}

// Whether none of 64 distances is at most k.
inline bool none_at_most64(const std::int32_t* distances, std::int32_t k) noexcept {
  std::int32_t least = distances[0];
  for (std::size_t i = 1; i < 64; ++i) least = distances[i] < least ? distances[i] : least;
  return least > k;
}

#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
// Moves those of 8 distances that are at most k to the front of `found`, and where they are to `positions`; returns how
// many. Writes 8 of both whatever it finds.
template <std::size_t bytes>
inline std::size_t pack8(const std::int32_t* distances, std::int32_t k, std::int64_t position, std::int64_t* positions,
                         std::int32_t* found) noexcept {
  if constexpr (bytes == 64) {
    const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(distances));
    const __mmask8 within = _mm256_cmple_epi32_mask(all, _mm256_set1_epi32(k));
    const __m512i at = _mm512_add_epi64(_mm512_set1_epi64(position), _mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(found), _mm256_maskz_compress_epi32(within, all));
    _mm512_storeu_si512(positions, _mm512_maskz_compress_epi64(within, at));
    return static_cast<std::size_t>(ones(within));
  } else if constexpr (bytes == 32) {
    const __m256i all = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(distances));
    const int over = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpgt_epi32(all, _mm256_set1_epi32(k))));
    const unsigned within = static_cast<unsigned>(~over) & 0xFF;
    const __m128i lanes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(&packing.lanes[within]));
    const __m256i base = _mm256_set1_epi64x(position);
    auto* to = reinterpret_cast<__m256i*>(positions);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(found),
                        _mm256_permutevar8x32_epi32(all, _mm256_cvtepu8_epi32(lanes)));
    _mm256_storeu_si256(to, _mm256_add_epi64(base, _mm256_cvtepu8_epi64(lanes)));
    _mm256_storeu_si256(to + 1, _mm256_add_epi64(base, _mm256_cvtepu8_epi64(_mm_srli_si128(lanes, 4))));
    return static_cast<std::size_t>(ones(within));
  } else {
    std::size_t n = 0;
    for (std::int64_t i = 0; i < 8; ++i) {
      positions[n] = position + i;
      found[n] = distances[i];
      n += distances[i] <= k;
    }
    return n;
  }
}
#endif

// The hits among `width` counted distances, in rising order: their number. Writes up to gather_slack places further.
std::size_t gather(const std::int32_t* distances, std::size_t width, std::int32_t k, std::int64_t position,
                   std::int64_t* positions, std::int32_t* found) noexcept {
  std::size_t n = 0, x = 0;
#if defined(PYALGO_X86) && defined(PYALGO_VECTORS)
  for (; x + 64 <= width; x += 64) {
    if (none_at_most64(distances + x, k)) continue;
    for (std::size_t i = x; i < x + 64; i += 8)
      n += pack8<lane_bytes>(distances + i, k, position + static_cast<std::int64_t>(i), positions + n, found + n);
  }
#endif
  for (; x < width; ++x) {
    positions[n] = position + static_cast<std::int64_t>(x);
    found[n] = distances[x];
    n += distances[x] <= k;
  }
  return n;
}

template <class Code>
const Kernels<Code> kernels{
    distance<Code>, build_mismatches<Code>, {filter<0>, filter<2>, filter<4>, filter<8>, filter<16>}, gather};
