// The kernels at one level. Included by kernels.cpp inside a namespace that defines `fused`: whether the level has a
// fused multiply-add. Plain loops, which compilers put into vectors; the arithmetic is chosen so that they can.

template <class X>
inline X lesser(X a, X b) noexcept {
  return a < b ? a : b;
}

// --- Words of 16 bits, m <= 2^16: Barrett in 32-bit lanes.

inline std::uint32_t reduce32(std::uint32_t x, std::uint32_t m, std::uint32_t barrett) noexcept {
  const auto quotient = static_cast<std::uint32_t>(std::uint64_t{x} * barrett >> 32);  // the true one, or one less
  const std::uint32_t r = x - quotient * m;
  return lesser(r, r - m);
}

inline void multiply_add_each(const Modulus& modulus, const std::uint16_t* a, const std::uint16_t* b,
                              const std::uint16_t* c, std::uint16_t* r, std::size_t n) noexcept {
  const auto m = static_cast<std::uint32_t>(modulus.value), barrett = modulus.barrett32;
  for (std::size_t i = 0; i < n; ++i)
    r[i] = static_cast<std::uint16_t>(reduce32(std::uint32_t{a[i]} * b[i] + c[i], m, barrett));
}

inline void multiply_each(const Modulus& modulus, const std::uint16_t* a, const std::uint16_t* b, std::uint16_t* r,
                          std::size_t n) noexcept {
  const auto m = static_cast<std::uint32_t>(modulus.value), barrett = modulus.barrett32;
  for (std::size_t i = 0; i < n; ++i)
    r[i] = static_cast<std::uint16_t>(reduce32(std::uint32_t{a[i]} * b[i], m, barrett));
}

inline void affine_each(const Modulus& modulus, std::uint64_t factor, std::uint64_t, const std::uint16_t* a,
                        std::uint64_t addend, std::uint16_t* r, std::size_t n) noexcept {
  const auto m = static_cast<std::uint32_t>(modulus.value), barrett = modulus.barrett32;
  const auto w = static_cast<std::uint32_t>(factor), c = static_cast<std::uint32_t>(addend);
  for (std::size_t i = 0; i < n; ++i) r[i] = static_cast<std::uint16_t>(reduce32(a[i] * w + c, m, barrett));
}

// --- Words of 32 bits, m <= 2^31. The quotient in doubles, by a reciprocal that is 2^-50 too small: with errors below
// 2^-51 it lies less than 2^-18 under the true one, so that its floor is that one's or one less.

inline std::uint32_t reduce_by(std::uint32_t low_word, double x, std::uint32_t m, double inverse_below) noexcept {
  const auto quotient = static_cast<std::uint32_t>(static_cast<std::int32_t>(x * inverse_below));
  const std::uint32_t r = low_word - quotient * m;
  return lesser(r, r - m);
}

inline double as_double(std::uint32_t a) noexcept { return static_cast<double>(static_cast<std::int32_t>(a)); }

inline void multiply_add_each(const Modulus& modulus, const std::uint32_t* a, const std::uint32_t* b,
                              const std::uint32_t* c, std::uint32_t* r, std::size_t n) noexcept {
  const auto m = static_cast<std::uint32_t>(modulus.value);
  const double inverse = modulus.inverse_below;
  for (std::size_t i = 0; i < n; ++i)
    r[i] = reduce_by(a[i] * b[i] + c[i], as_double(a[i]) * as_double(b[i]) + as_double(c[i]), m, inverse);
}

inline void multiply_each(const Modulus& modulus, const std::uint32_t* a, const std::uint32_t* b, std::uint32_t* r,
                          std::size_t n) noexcept {
  const auto m = static_cast<std::uint32_t>(modulus.value);
  const double inverse = modulus.inverse_below;
  for (std::size_t i = 0; i < n; ++i) r[i] = reduce_by(a[i] * b[i], as_double(a[i]) * as_double(b[i]), m, inverse);
}

inline void affine_each(const Modulus& modulus, std::uint64_t factor, std::uint64_t, const std::uint32_t* a,
                        std::uint64_t addend, std::uint32_t* r, std::size_t n) noexcept {
  const auto m = static_cast<std::uint32_t>(modulus.value), w = static_cast<std::uint32_t>(factor);
  const auto c = static_cast<std::uint32_t>(addend);
  const double inverse = modulus.inverse_below, factor_double = as_double(w), addend_double = as_double(c);
  for (std::size_t i = 0; i < n; ++i)
    r[i] = reduce_by(a[i] * w + c, as_double(a[i]) * factor_double + addend_double, m, inverse);
}

// --- Words of 64 bits, m < 2^62: Barrett with products of 128 bits; below 2^50 with fused multiply-adds, in lanes.

inline std::uint64_t once_less(std::uint64_t r, std::uint64_t m) noexcept { return lesser(r, r - m); }

// x < 2^(2 width). The dropped bits of x cost the quotient less than 1/2, those of the reciprocal at most 1/2.
inline std::uint64_t reduce_wide(const Modulus& m, Wide x) noexcept {
  const std::uint64_t quotient = multiply_high(low(x >> (m.width - 2)), m.barrett128) >> 1;
  return once_less(low(x) - quotient * m.value, m.value);
}
inline std::uint64_t reduce64(const Modulus& m, std::uint64_t x) noexcept {
  return once_less(x - multiply_high(x, m.barrett64) * m.value, m.value);
}
// Any x.
inline std::uint64_t reduce128(const Modulus& m, Wide x) noexcept {
  if (m.mask != 0) return low(x) & m.mask;
  return once_less(reduce_wide(m, wide_product(reduce64(m, high(x)), m.power64)) + reduce64(m, low(x)), m.value);
}

constexpr double two52 = 0x1p52,
                 rounding = 0x1.8p52;  // x + rounding - rounding is x to the nearest integer, |x| < 2^51
constexpr std::uint64_t two52_bits = 0x4330000000000000;

inline double exact_double(std::uint64_t below_2_52) noexcept {
  const std::uint64_t bits = below_2_52 | two52_bits;
  double x;
  std::memcpy(&x, &bits, sizeof x);
  return x - two52;
}
inline std::uint64_t exact_word(double integer) noexcept {  // |integer| < 2^51; a negative one modulo 2^64
  const double shifted = integer + rounding;
  std::uint64_t bits, zero_bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  std::memcpy(&zero_bits, &rounding, sizeof zero_bits);
  return bits - zero_bits;
}

// x y modulo m for x, y < m < 2^50. h + l = x y exactly; the quotient q of h is off by less than 1/2 + 1/4 + |l| / m <
// 1, and h - q m and what follows are integers below 2^51, hence exact.
inline std::uint64_t fused_remainder(double x, double y, std::uint64_t m, double divisor, double inverse) noexcept {
  const double h = x * y, l = std::fma(x, y, -h);
  const double quotient = (h * inverse + rounding) - rounding;
  const std::uint64_t r = exact_word(std::fma(-quotient, divisor, h) + l);
  return lesser(r, r + m);
}

inline bool uses_fused(const Modulus& m) noexcept { return fused && m.width <= 50; }

inline void multiply_add_each(const Modulus& modulus, const std::uint64_t* a, const std::uint64_t* b,
                              const std::uint64_t* c, std::uint64_t* r, std::size_t n) noexcept {
  const std::uint64_t m = modulus.value;
  if (uses_fused(modulus)) {
    const double divisor = static_cast<double>(m), inverse = modulus.inverse;
    for (std::size_t i = 0; i < n; ++i)
      r[i] = once_less(fused_remainder(exact_double(a[i]), exact_double(b[i]), m, divisor, inverse) + c[i], m);
  } else {
    for (std::size_t i = 0; i < n; ++i) r[i] = once_less(reduce_wide(modulus, wide_product(a[i], b[i])) + c[i], m);
  }
}

inline void multiply_each(const Modulus& modulus, const std::uint64_t* a, const std::uint64_t* b, std::uint64_t* r,
                          std::size_t n) noexcept {
  if (uses_fused(modulus)) {
    const std::uint64_t m = modulus.value;
    const double divisor = static_cast<double>(m), inverse = modulus.inverse;
    for (std::size_t i = 0; i < n; ++i)
      r[i] = fused_remainder(exact_double(a[i]), exact_double(b[i]), m, divisor, inverse);
  } else {
    for (std::size_t i = 0; i < n; ++i) r[i] = reduce_wide(modulus, wide_product(a[i], b[i]));
  }
}

// Shoup: a constant factor takes one product less, and needs no shifts.
inline void affine_each(const Modulus& modulus, std::uint64_t factor, std::uint64_t factor_shoup,
                        const std::uint64_t* a, std::uint64_t addend, std::uint64_t* r, std::size_t n) noexcept {
  const std::uint64_t m = modulus.value;
  if (uses_fused(modulus)) {
    const double divisor = static_cast<double>(m), inverse = modulus.inverse, w = static_cast<double>(factor);
    for (std::size_t i = 0; i < n; ++i)
      r[i] = once_less(fused_remainder(exact_double(a[i]), w, m, divisor, inverse) + addend, m);
  } else {
    for (std::size_t i = 0; i < n; ++i)
      r[i] = once_less(once_less(a[i] * factor - multiply_high(a[i], factor_shoup) * m, m) + addend, m);
  }
}

// --- The table, for any word. Powers of two take a mask; sums of two residues one conditional subtraction.

template <class T>
using Sum = std::conditional_t<sizeof(T) == 2, std::uint32_t, T>;  // holds 2 m

template <class T>
void add(const Modulus& modulus, const T* a, const T* b, T* r, std::size_t n) noexcept {
  const auto m = static_cast<Sum<T>>(modulus.value);
  for (std::size_t i = 0; i < n; ++i) {
    const Sum<T> sum = Sum<T>{a[i]} + b[i];
    r[i] = static_cast<T>(lesser<Sum<T>>(sum, sum - m));
  }
}

template <class T>
void subtract(const Modulus& modulus, const T* a, const T* b, T* r, std::size_t n) noexcept {
  const auto m = static_cast<Sum<T>>(modulus.value);
  for (std::size_t i = 0; i < n; ++i) {
    const Sum<T> difference = Sum<T>{a[i]} - b[i];
    r[i] = static_cast<T>(lesser<Sum<T>>(difference, difference + m));
  }
}

template <class T>
void multiply(const Modulus& m, const T* a, const T* b, T* r, std::size_t n) noexcept {
  if (m.mask == 0) return multiply_each(m, a, b, r, n);
  const auto mask = static_cast<Sum<T>>(m.mask);
  for (std::size_t i = 0; i < n; ++i) r[i] = static_cast<T>(Sum<T>{a[i]} * b[i] & mask);
}

template <class T>
void multiply_add(const Modulus& m, const T* a, const T* b, const T* c, T* r, std::size_t n) noexcept {
  if (m.mask == 0) return multiply_add_each(m, a, b, c, r, n);
  const auto mask = static_cast<Sum<T>>(m.mask);
  for (std::size_t i = 0; i < n; ++i) r[i] = static_cast<T>((Sum<T>{a[i]} * b[i] + c[i]) & mask);
}

template <class T>
void affine(const Modulus& m, std::uint64_t factor, std::uint64_t factor_shoup, const T* a, std::uint64_t addend, T* r,
            std::size_t n) noexcept {
  if (m.mask == 0) return affine_each(m, factor, factor_shoup, a, addend, r, n);
  const auto mask = static_cast<Sum<T>>(m.mask), w = static_cast<Sum<T>>(factor), c = static_cast<Sum<T>>(addend);
  for (std::size_t i = 0; i < n; ++i) r[i] = static_cast<T>((a[i] * w + c) & mask);
}

// x mod m for any word x, m <= 2^31, m no power of two: the nearest quotient in doubles by the halves of x. The
// quotient must be below 2^50, which leaves its error below 3/8; where m < 2^16 the halves are first folded to x' = (x
// >> 32) (2^32 mod m)
// + (x & 2^32-1) < 2^49.
template <bool is_signed, bool folds, class T>
void reduce_halves(const Modulus& modulus, const std::uint64_t* x, T* r, std::size_t n) noexcept {
  const auto m = static_cast<std::uint32_t>(modulus.value);
  const double inverse = modulus.inverse, inverse_high = modulus.inverse * 0x1p32;
  constexpr std::uint64_t sign = is_signed ? 0x80000000 : 0;  // of the upper half: counted from -2^31, the double exact
  const auto power = modulus.power32;
  for (std::size_t i = 0; i < n; ++i) {
    std::uint64_t word = x[i];
    if (folds) {
      const std::uint64_t upper = word >> 32;
      // A negative upper half is taken as upper - 2^32: less 2^32 power.
      word = static_cast<std::uint32_t>(upper) * power + (word & 0xffffffff) -
             (is_signed ? (upper >> 31) * (power << 32) : 0);
    }
    const double upper = exact_double(word >> 32 ^ sign) - static_cast<double>(sign);
    const double shifted = (upper * inverse_high + exact_double(word & 0xffffffff) * inverse) + rounding;
    std::uint64_t quotient;
    std::memcpy(&quotient, &shifted, sizeof quotient);  // its low half is that of the quotient
    const std::uint32_t rest = static_cast<std::uint32_t>(word) - static_cast<std::uint32_t>(quotient) * m;
    r[i] = static_cast<T>(lesser(rest, rest + m));
  }
}

template <bool is_signed, class T>
void reduce_words(const Modulus& m, const std::uint64_t* x, T* r, std::size_t n) noexcept {
  if (m.mask != 0) {
    for (std::size_t i = 0; i < n; ++i) r[i] = static_cast<T>(x[i] & m.mask);
  } else if constexpr (sizeof(T) == 8) {
    // A negative x is x + 2^63 less 2^63.
    constexpr std::uint64_t sign = is_signed ? std::uint64_t{1} << 63 : 0;
    const std::uint64_t less = is_signed ? m.power63 : 0;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t rest = reduce64(m, x[i] ^ sign) - less;
      r[i] = lesser(rest, rest + m.value);
    }
  } else if (m.width > 16) {
    reduce_halves<is_signed, false>(m, x, r, n);
  } else {
    reduce_halves<is_signed, true>(m, x, r, n);
  }
}

// Sums of products by the word. 16 bits: 2^32 products fit a word. 32 bits: the halves of each product are summed
// apart. 64 bits: as many products of a digit below 2^62 and a weight below m as fit 128 bits beside a residue, 15 or
// more.
constexpr std::size_t tile = 128;

inline std::size_t wide_run(const Modulus& m) noexcept { return (std::size_t{1} << lesser(66 - m.width, 20U)) - 1; }

inline std::uint64_t reduce_any(const Modulus& m, std::uint64_t x) noexcept {
  return m.mask != 0 ? x & m.mask : reduce64(m, x);
}
inline std::uint64_t join_halves(const Modulus& m, std::uint64_t lower, std::uint64_t upper) noexcept {
  return reduce128(m, wide_product(upper, std::uint64_t{1} << 32) + Wide{lower});
}

template <class T>
void combine_small(const Modulus& m, const T* digits, std::size_t stride, const std::uint64_t* weights,
                   std::size_t terms, T* r, std::size_t n) noexcept {
  for (std::size_t begin = 0; begin < n; begin += tile) {
    const std::size_t count = lesser(tile, n - begin);
    std::uint64_t lower[tile] = {}, upper[tile] = {};
    for (std::size_t t = 0; t < terms; ++t) {
      const T* row = digits + t * stride + begin;
      const auto weight = static_cast<std::uint32_t>(weights[t]);
      if (sizeof(T) == 2) {
        for (std::size_t i = 0; i < count; ++i) lower[i] += std::uint32_t{row[i]} * weight;
      } else {
        for (std::size_t i = 0; i < count; ++i) {
          const std::uint64_t product = std::uint64_t{row[i]} * weight;
          lower[i] += product & 0xffffffff;
          upper[i] += product >> 32;
        }
      }
    }
    if (sizeof(T) == 4) {
      T rest[tile];
      for (std::size_t i = 0; i < count; ++i) {
        upper[i] += lower[i] >> 32;
        lower[i] &= 0xffffffff;
      }
      reduce_words<false>(m, upper, rest, count);
      for (std::size_t i = 0; i < count; ++i) lower[i] += std::uint64_t{rest[i]} << 32;
    }
    reduce_words<false>(m, lower, r + begin, count);
  }
}

constexpr std::size_t together = 4;  // values whose products are in flight at once

// sum_lane += sum over t of weights[t] rows[t * stride + lane].
template <class T>
void add_products(const T* rows, std::size_t stride, const std::uint64_t* weights, std::size_t terms,
                  Wide (&sum)[together]) noexcept {
  Wide s0 = sum[0], s1 = sum[1], s2 = sum[2], s3 = sum[3];
  for (std::size_t t = 0; t < terms; ++t, rows += stride) {
    const std::uint64_t w = weights[t];
    s0 += wide_product(rows[0], w);
    s1 += wide_product(rows[1], w);
    s2 += wide_product(rows[2], w);
    s3 += wide_product(rows[3], w);
  }
  sum[0] = s0, sum[1] = s1, sum[2] = s2, sum[3] = s3;
}

inline void combine_wide(const Modulus& m, const std::uint64_t* digits, std::size_t stride,
                         const std::uint64_t* weights, std::size_t terms, std::uint64_t* r, std::size_t n) noexcept {
  const std::size_t run = wide_run(m);
  std::size_t i = 0;
  for (; i + together <= n; i += together) {
    Wide sum[together] = {};
    for (std::size_t t = 0; t < terms; t += run) {
      add_products(digits + t * stride + i, stride, weights + t, lesser(run, terms - t), sum);
      for (Wide& s : sum) s = Wide{reduce128(m, s)};
    }
    for (std::size_t lane = 0; lane < together; ++lane) r[i + lane] = low(sum[lane]);
  }
  for (; i < n; ++i) {
    Wide sum{};
    for (std::size_t t = 0; t < terms; ++t) {
      if (t != 0 && t % run == 0) sum = Wide{reduce128(m, sum)};
      sum += wide_product(digits[t * stride + i], weights[t]);
    }
    r[i] = reduce128(m, sum);
  }
}

template <class T>
void combine(const Modulus& m, const T* digits, std::size_t stride, const std::uint64_t* weights, std::size_t terms,
             T* r, std::size_t n) noexcept {
  if constexpr (sizeof(T) == 8)
    combine_wide(m, digits, stride, weights, terms, r, n);
  else
    combine_small(m, digits, stride, weights, terms, r, n);
}

template <class T>
std::uint64_t dot(const Modulus& m, const T* a, const T* b, std::size_t n) noexcept {
  if constexpr (sizeof(T) == 8) {
    const std::size_t run = wide_run(m);
    Wide sum{};
    for (std::size_t begin = 0; begin < n; begin += run) {
      for (std::size_t i = begin, end = lesser(begin + run, n); i < end; ++i) sum += wide_product(a[i], b[i]);
      sum = Wide{reduce128(m, sum)};
    }
    return low(sum);
  } else if constexpr (sizeof(T) == 2) {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < n; ++i) sum += std::uint32_t{a[i]} * b[i];
    return reduce_any(m, sum);
  } else {
    std::uint64_t lower = 0, upper = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t product = std::uint64_t{a[i]} * b[i];
      lower += product & 0xffffffff;
      upper += product >> 32;
    }
    return join_halves(m, lower, upper);
  }
}

template <class T>
std::uint64_t sum(const Modulus& m, const T* a, std::size_t n) noexcept {
  std::uint64_t lower = 0, upper = 0;
  for (std::size_t i = 0; i < n; ++i) {
    lower += a[i] & 0xffffffff;
    if (sizeof(T) == 8) upper += std::uint64_t{a[i]} >> 32;
  }
  return join_halves(m, lower, upper);
}

template <class T>
T largest(const T* a, std::size_t n) noexcept {
  T most = 0;
  for (std::size_t i = 0; i < n; ++i) most = a[i] > most ? a[i] : most;
  return most;
}

template <class T>
void add_fractions(const Modulus& m, const T* xi, double* fractions, std::size_t n) noexcept {
  const double inverse = m.inverse;
  for (std::size_t i = 0; i < n; ++i) {
    // Signed conversions are what vector units have.
    using Signed = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
    fractions[i] += static_cast<double>(static_cast<Signed>(xi[i])) * inverse;
  }
}

// The low word of weight x, by halves of the weight: two products that vector units have.
inline std::uint64_t low_product(std::uint64_t weight, std::uint32_t x) noexcept {
  const auto lower = static_cast<std::uint32_t>(weight), upper = static_cast<std::uint32_t>(weight >> 32);
  return std::uint64_t{lower} * x + (std::uint64_t{upper * x} << 32);
}

template <class T>
void add_words(std::uint64_t weight, const T* xi, std::uint64_t* words, std::size_t n) noexcept {
  if constexpr (sizeof(T) == 8) {
    for (std::size_t i = 0; i < n; ++i) words[i] += weight * xi[i];
  } else {
    for (std::size_t i = 0; i < n; ++i) words[i] += low_product(weight, xi[i]);
  }
}

// With the quotient k or k - 1 the sum less that many M is y < M + M 2^-30, known modulo 2^64, and y / M to within
// 2^-30. If y >= M then that is above 1/2 and y - M < 2^63; if y < M and it is above 1/2 then y - M is negative.
inline void settle_words(std::uint64_t range, double error, const double* fractions, std::uint64_t* words,
                         std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; ++i) {
    const double lower = fractions[i] - error;
    const auto quotient = static_cast<std::int32_t>(lower > 0 ? lower : 0);
    const std::uint64_t y = words[i] - low_product(range, static_cast<std::uint32_t>(quotient)), less = y - range;
    const bool above = fractions[i] - static_cast<double>(quotient) > 0.5;
    words[i] = above & (static_cast<std::int64_t>(less) >= 0) ? less : y;
  }
}

// Sums of 192 bits: `run` products are added in 128, and then to the carry.
template <class T>
void column(const T* digits, std::size_t stride, const std::uint64_t* weights, std::size_t terms, std::size_t run,
            Carry* carries, std::uint64_t* limbs, std::size_t step, std::size_t n) noexcept {
  for (std::size_t i = 0; i < n; i += together) {
    Wide sum[together];
    std::uint64_t top[together] = {};
    for (std::size_t lane = 0; lane < together; ++lane) sum[lane] = join(carries[i + lane].low, carries[i + lane].high);
    for (std::size_t t = 0; t < terms; t += run) {
      Wide part[together] = {};
      add_products(digits + t * stride + i, stride, weights + t, lesser(run, terms - t), part);
      for (std::size_t lane = 0; lane < together; ++lane) {
        sum[lane] += part[lane];
        top[lane] += less(sum[lane], part[lane]) ? 1 : 0;
      }
    }
    for (std::size_t lane = 0; lane < together; ++lane) {
      carries[i + lane] = {high(sum[lane]), top[lane]};
      if (i + lane < n) limbs[(i + lane) * step] = low(sum[lane]);
    }
  }
}

template <class T>
constexpr Kernels<T> table() noexcept {
  return {add<T>,
          subtract<T>,
          multiply<T>,
          multiply_add<T>,
          affine<T>,
          reduce_words<false, T>,
          reduce_words<true, T>,
          combine<T>,
          dot<T>,
          sum<T>,
          largest<T>,
          add_fractions<T>,
          add_words<T>,
          settle_words,
          column<T>};
}
