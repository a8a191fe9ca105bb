// log(1 + x) for x >= 0, from operations that IEEE arithmetic defines: the same bits on every platform and at every width,
// which the C library does not promise, and no call in the inner loop. Included inside a namespace for each SIMD level.

template <class V>
struct BitsOf {
#if defined(PYALGO_VECTORS)
  typedef std::uint64_t type __attribute__((vector_size(sizeof(V))));
#endif
};
template <>
struct BitsOf<double> {
  using type = std::uint64_t;
};

template <class To, class From>
inline To as(const From& from) noexcept {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof to);
  return to;
}

// With 1 + x = 2^k (1 + f), 1 + f in [sqrt(1/2), sqrt(2)), and s = f / (2 + f):
// log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)), R the polynomial of fdlibm's log. Within 1 ulp.
template <class V>
inline V log1p_of(V x) noexcept {
  using Bits = typename BitsOf<V>::type;
  constexpr std::uint64_t sqrt_half = 0x3fe6a09e667f3bcd, mantissa = 0x000fffffffffffff;
  constexpr std::uint64_t shifter = 0x4338000000000000;  // of the double 1.5 * 2^52, to whose last bit integers are added
  const V one = V{} + 1.0;
  const V u = one + x;
  const V rest = smaller(one, x) - (u - larger(one, x));  // exactly what rounding took from u
  const Bits above = as<Bits>(u) - sqrt_half;
  const V k = as<V>((above >> 52) + shifter) - 6755399441055744.0;
  const V f = as<V>((above & mantissa) + sqrt_half) - 1.0;
  const V s = f / (2.0 + f), z = s * s, w = z * z, half = 0.5 * f * f;
  const V even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
  const V odd = z * (6.666666666666735130e-01 +
                     w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
  const V low = s * (half + (odd + even)) + (k * 1.90821492927058770002e-10 + rest / u);
  return low - half + f + k * 6.93147180369123816490e-01;  // ln 2 in two parts: k times the high one is exact
}
