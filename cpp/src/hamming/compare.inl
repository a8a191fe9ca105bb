// The kernels of engine E1 at one level. Included by compare.cpp inside a namespace that defines lane_bytes.

template <class Code>
struct Lanes {
  typedef Code Vector __attribute__((vector_size(lane_bytes)));
  static constexpr std::size_t size = lane_bytes / sizeof(Code);

  static Vector load(const void* from) noexcept {
    Vector v;
    std::memcpy(&v, from, sizeof v);
    return v;
  }
  static Vector broadcast(Code c) noexcept { return Vector{} + c; }
};

// Subtracts the matches at size * vectors positions from `text` on from `counts`, modulo the range of Code: minus the number
// of matches, because a true comparison is -1 in every lane.
template <class Code, std::size_t vectors>
inline void match(const Code* text, const std::uint32_t* offsets, const Code* codes, std::size_t n, Code* counts) noexcept {
  using L = Lanes<Code>;
  typename L::Vector sum[vectors] = {};
  for (std::size_t j = 0; j < n; ++j) {
    const typename L::Vector c = L::broadcast(codes[j]);
    const Code* at = text + offsets[j];
    for (std::size_t v = 0; v < vectors; ++v) sum[v] -= (typename L::Vector)(L::load(at + v * L::size) == c);
  }
  std::memcpy(counts, sum, sizeof sum);
}

// The alignments [i + skip, i + size * vectors), in steps of as many symbols as a counter can hold.
template <class Code, std::size_t vectors>
inline void count_block(const Code* text, const Pattern<Code>& pattern, const Target& target, std::size_t i,
                        std::size_t skip) noexcept {
  constexpr std::size_t width = Lanes<Code>::size * vectors;
  constexpr std::size_t most = std::numeric_limits<Code>::max();
  const std::uint32_t* offsets = pattern.offsets.data();
  const Code* codes = pattern.codes.data();
  std::size_t left = pattern.codes.size();
  std::int32_t* __restrict out = target.out + i;
  bool accumulate = target.accumulate;
  do {
    const std::size_t n = left < most ? left : most;
    alignas(64) Code counts[width];
    match<Code, vectors>(text + i, offsets, codes, n, counts);
    if (skip != 0) {
      for (std::size_t x = skip; x < width; ++x)
        out[x] = (accumulate ? out[x] : target.base) - static_cast<std::int32_t>(counts[x]);
    } else if (accumulate) {
      for (std::size_t x = 0; x < width; ++x) out[x] -= static_cast<std::int32_t>(counts[x]);
    } else {
      for (std::size_t x = 0; x < width; ++x) out[x] = target.base - static_cast<std::int32_t>(counts[x]);
    }
    offsets += n;
    codes += n;
    left -= n;
    accumulate = true;
  } while (left != 0);
}

// Sums lanes of 8 or 16 bits up in pairs until they are 32 bits wide.
template <class Code>
inline std::size_t total(typename Lanes<Code>::Vector sum) noexcept {
  using Wide = Lanes<std::uint32_t>;
  typename Wide::Vector w = (typename Wide::Vector)sum;
  if (sizeof(Code) == 1) w = (w & 0x00ff00ff) + ((w >> 8) & 0x00ff00ff);
  if (sizeof(Code) <= 2) w = (w & 0xffff) + (w >> 16);
  std::size_t result = 0;
  for (std::size_t x = 0; x < Wide::size; ++x) result += w[x];
  return result;
}

template <class Code>
std::size_t mismatches(const Code* text, const Code* pattern, const Code* fixed, std::size_t length) noexcept {
  using L = Lanes<Code>;
  constexpr std::size_t most = std::numeric_limits<Code>::max();
  constexpr std::size_t step = 2 * L::size;
  std::size_t result = 0, x = 0;
  while (x + step <= length) {
    const std::size_t steps = (length - x) / step, n = steps < most ? steps : most;
    typename L::Vector sum[2] = {};
    if (fixed == nullptr) {
      for (const std::size_t end = x + n * step; x < end; x += step) {
        sum[0] -= (typename L::Vector)(L::load(text + x) == L::load(pattern + x));
        sum[1] -= (typename L::Vector)(L::load(text + x + L::size) == L::load(pattern + x + L::size));
      }
      result += n * step - total<Code>(sum[0]) - total<Code>(sum[1]);
    } else {
      for (const std::size_t end = x + n * step; x < end; x += step) {
        sum[0] -= (typename L::Vector)(L::load(text + x) != L::load(pattern + x)) & L::load(fixed + x);
        sum[1] -= (typename L::Vector)(L::load(text + x + L::size) != L::load(pattern + x + L::size)) &
                  L::load(fixed + x + L::size);
      }
      result += total<Code>(sum[0]) + total<Code>(sum[1]);
    }
  }
  // The rest in single vectors; the last one overlaps what is done already, whose lanes are left out.
  if (length < L::size) {
    for (; x < length; ++x) result += text[x] != pattern[x] && (fixed == nullptr || fixed[x] != 0);
    return result;
  }
  typename L::Vector sum = {}, index;
  for (std::size_t i = 0; i < L::size; ++i) index[i] = static_cast<Code>(i);
  for (; x < length; x += L::size) {
    const std::size_t at = x + L::size <= length ? x : length - L::size;
    typename L::Vector differ = (typename L::Vector)(L::load(text + at) != L::load(pattern + at));
    if (fixed != nullptr) differ &= L::load(fixed + at);
    sum -= differ & (typename L::Vector)(index >= L::broadcast(static_cast<Code>(x - at)));
  }
  return result + total<Code>(sum);
}

template <class Code>
void count(const Code* text, const Pattern<Code>& pattern, const Target& target) noexcept {
  constexpr std::size_t lanes = Lanes<Code>::size, vectors = 8;
  std::size_t i = 0;
  for (; i + vectors * lanes <= target.count; i += vectors * lanes)
    count_block<Code, vectors>(text, pattern, target, i, 0);
  for (; i + lanes <= target.count; i += lanes) count_block<Code, 1>(text, pattern, target, i, 0);
  if (i == target.count) return;
  if (target.count >= lanes) {  // the last vector overlaps what is done already
    const std::size_t start = target.count - lanes;
    return count_block<Code, 1>(text, pattern, target, start, i - start);
  }
  const std::size_t n = pattern.codes.size();
  const bool solid = n == pattern.length;  // no wildcards: the codes are the pattern
  for (; i < target.count; ++i) {
    std::size_t matches = 0;
    if (solid) {
      matches = n - mismatches<Code>(text + i, pattern.codes.data(), nullptr, n);
    } else {
      for (std::size_t j = 0; j < n; ++j) matches += text[i + pattern.offsets[j]] == pattern.codes[j];
    }
    target.out[i] = (target.accumulate ? target.out[i] : target.base) - static_cast<std::int32_t>(matches);
  }
}
