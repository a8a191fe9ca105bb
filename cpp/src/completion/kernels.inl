// The kernels at one level. Included by kernels.cpp inside a namespace that defines Vector<T> and multiply_add.

template <class T>
constexpr std::size_t lanes = sizeof(Vector<T>) / sizeof(T);

template <class T>
inline Vector<T> load(const T* from) noexcept {
  Vector<T> v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

template <class T>
inline void store(T* to, Vector<T> v) noexcept {
  std::memcpy(to, &v, sizeof v);
}

template <class T>
inline Vector<T> broadcast(T x) noexcept {
  return x - Vector<T>{};
}

inline void add_to(double* to, Vector<double> v) noexcept { store<double>(to, load(to) + v); }
inline void add_to(double* to, Vector<float> v) noexcept {
  float lane[lanes<float>];
  std::memcpy(lane, &v, sizeof v);
  for (std::size_t i = 0; i < lanes<float>; ++i) to[i] += static_cast<double>(lane[i]);
}

// out[r][c] += sum_t left_t[r] right_t[c], of R rows and C vectors; -= where `Minus`.
template <class T, bool Minus, std::size_t R, std::size_t C>
inline void tile(const T* left, const T* right, std::size_t n, std::size_t stride, double* out,
                 std::size_t ld) noexcept {
  Vector<T> sum[R][C] = {};
  for (std::size_t t = 0; t < n; ++t, left += stride, right += stride) {
    Vector<T> row[C];
    PYALGO_UNROLL for (std::size_t c = 0; c < C; ++c) row[c] = load(right + c * lanes<T>);
    PYALGO_UNROLL for (std::size_t r = 0; r < R; ++r) {
      const Vector<T> factor = broadcast(left[r]);
      PYALGO_UNROLL for (std::size_t c = 0; c < C; ++c) sum[r][c] = multiply_add(factor, row[c], sum[r][c]);
    }
  }
  for (std::size_t r = 0; r < R; ++r)
    for (std::size_t c = 0; c < C; ++c) add_to(out + r * ld + c * lanes<T>, Minus ? -sum[r][c] : sum[r][c]);
}

template <class T, bool Minus, std::size_t R>
inline void strip(const T* left, const T* right, std::size_t n, std::size_t stride, std::size_t vectors, double* out,
                  std::size_t ld) noexcept {
  while (vectors > 0) {
    const std::size_t pieces = (vectors + 2) / 3, c = (vectors + pieces - 1) / pieces;  // evenly: 4 is 2 + 2
    if constexpr (R <= 4)
      if (c == 3) tile<T, Minus, R, 3>(left, right, n, stride, out, ld);
    if (c == 2) tile<T, Minus, R, 2>(left, right, n, stride, out, ld);
    if (c == 1) tile<T, Minus, R, 1>(left, right, n, stride, out, ld);
    right += c * lanes<T>;
    out += c * lanes<T>;
    vectors -= c;
  }
}

// Rows `from` to `rows` - 1 of the sums of products, columns from the diagonal (or the vector it is in) up to `cols`.
template <class T, bool Minus>
inline void triangle(const T* left, const T* right, std::size_t n, std::size_t stride, std::size_t from,
                     std::size_t rows, std::size_t cols, double* out, std::size_t ld) noexcept {
  for (std::size_t r = from; r < rows; r += 4) {
    const std::size_t first = r / lanes<T> * lanes<T>, vectors = (cols - first + lanes<T> - 1) / lanes<T>;
    double* to = out + r * ld + first;
    if (vectors <= 2 && rows - r == 6) return strip<T, Minus, 6>(left + r, right + first, n, stride, vectors, to, ld);
    if (vectors <= 2 && rows - r == 5) return strip<T, Minus, 5>(left + r, right + first, n, stride, vectors, to, ld);
    switch (rows - r) {
      case 1: strip<T, Minus, 1>(left + r, right + first, n, stride, vectors, to, ld); break;
      case 2: strip<T, Minus, 2>(left + r, right + first, n, stride, vectors, to, ld); break;
      case 3: strip<T, Minus, 3>(left + r, right + first, n, stride, vectors, to, ld); break;
      default: strip<T, Minus, 4>(left + r, right + first, n, stride, vectors, to, ld);
    }
  }
}

template <class T>
void gram(const T* left, const T* right, std::size_t n, std::size_t stride, std::size_t rows, double* g,
          std::size_t ld) noexcept {
  triangle<T, false>(left, right, n, stride, 0, rows, stride, g, ld);
}

template <class T, std::size_t C>
inline double pack_rows(const Packing<T>& how, const std::uint32_t* index, const T* value, std::size_t n,
                        std::size_t known, T* out, T* y) noexcept {
  constexpr std::size_t ahead = 12, line = 64 / sizeof(T);
  double squares[4] = {};  // four, so that none waits for the one before
  for (std::size_t t = 0; t < n; ++t, out += how.stride) {
#if defined(__GNUC__)
    const T* later = how.x + index[t + ahead < known ? t + ahead : t] * how.stride;
    for (std::size_t c = 0; c < how.stride; c += line) __builtin_prefetch(later + c);
#endif
    const T* from = how.x + index[t] * how.stride;
    if constexpr (C > 0) {
      PYALGO_UNROLL for (std::size_t c = 0; c < C; ++c) store<T>(out + c * lanes<T>, load(from + c * lanes<T>));
    } else {
      for (std::size_t c = 0; c < how.stride; c += lanes<T>) store<T>(out + c, load(from + c));
    }
    double right = static_cast<double>(value[t]) * how.inverse_scale - how.mean;
    if (how.bias_at < how.stride) {
      right -= static_cast<double>(from[how.bias_at]);
      out[how.bias_at] = 1;
    }
    y[t] = static_cast<T>(right);
    if (how.y_at < how.stride) out[how.y_at] = y[t];
    squares[t % 4] += right * right;
  }
  return squares[0] + squares[1] + (squares[2] + squares[3]);
}

template <class T>
double pack(const Packing<T>& how, const std::uint32_t* index, const T* value, std::size_t n, std::size_t known, T* out,
            T* y) noexcept {
  switch (how.stride / lanes<T>) {
    case 1: return pack_rows<T, 1>(how, index, value, n, known, out, y);
    case 2: return pack_rows<T, 2>(how, index, value, n, known, out, y);
    case 3: return pack_rows<T, 3>(how, index, value, n, known, out, y);
    case 4: return pack_rows<T, 4>(how, index, value, n, known, out, y);
    default: return pack_rows<T, 0>(how, index, value, n, known, out, y);
  }
}

// s += sum_t r_t row(t), of C vectors; row t belongs to sum t mod 4, so that the sums do not wait for one another.
template <class T, std::size_t C, class Row>
inline void combine_part(const Row& row, std::size_t n, const T* r, double* s) noexcept {
  Vector<T> sum[4][C] = {};
  std::size_t t = 0;
  for (; t + 4 <= n; t += 4) {
    PYALGO_UNROLL for (std::size_t w = 0; w < 4; ++w) {
      const Vector<T> factor = broadcast(r[t + w]);
      const T* from = row(t + w);
      PYALGO_UNROLL for (std::size_t c = 0; c < C; ++c) sum[w][c] =
          multiply_add(factor, load(from + c * lanes<T>), sum[w][c]);
    }
  }
  for (; t < n; ++t)
    for (std::size_t c = 0; c < C; ++c)
      sum[0][c] = multiply_add(broadcast(r[t]), load(row(t) + c * lanes<T>), sum[0][c]);
  for (std::size_t w = 0; w < 4; ++w)
    for (std::size_t c = 0; c < C; ++c) add_to(s + c * lanes<T>, sum[w][c]);
}

template <class T>
void combine(const T* x, std::size_t n, std::size_t stride, const T* r, double* s) noexcept {
  for (std::size_t at = 0; at < stride;) {
    const auto row = [&](std::size_t t) { return x + t * stride + at; };
    const bool two = at + 2 * lanes<T> <= stride;
    (two ? combine_part<T, 2, decltype(row)> : combine_part<T, 1, decltype(row)>)(row, n, r, s + at);
    at += (two ? 2 : 1) * lanes<T>;
  }
}

template <class T>
void combine_at(const T* x, const std::uint32_t* index, std::size_t n, std::size_t stride, const T* r,
                double* s) noexcept {
  for (std::size_t at = 0; at < stride;) {
    const auto row = [&](std::size_t t) { return x + index[t] * stride + at; };
    const bool two = at + 2 * lanes<T> <= stride;
    (two ? combine_part<T, 2, decltype(row)> : combine_part<T, 1, decltype(row)>)(row, n, r, s + at);
    at += (two ? 2 : 1) * lanes<T>;
  }
}

template <class T>
inline T sum_of(Vector<T> v) noexcept {
  T lane[lanes<T>];
  std::memcpy(lane, &v, sizeof v);
  T total = lane[0];
  for (std::size_t i = 1; i < lanes<T>; ++i) total += lane[i];
  return total;
}

template <class T>
void times(const T* x, std::size_t n, std::size_t stride, const T* p, T* out) noexcept {
  std::size_t t = 0;
  for (; t + 4 <= n; t += 4) {
    const T* row = x + t * stride;
    Vector<T> sum[4] = {};
    for (std::size_t c = 0; c < stride; c += lanes<T>) {
      const Vector<T> other = load(p + c);
      PYALGO_UNROLL for (std::size_t i = 0; i < 4; ++i) sum[i] =
          multiply_add(load(row + i * stride + c), other, sum[i]);
    }
    for (std::size_t i = 0; i < 4; ++i) out[t + i] = sum_of<T>(sum[i]);
  }
  for (; t < n; ++t) {
    Vector<T> sum = {};
    for (std::size_t c = 0; c < stride; c += lanes<T>) sum = multiply_add(load(x + t * stride + c), load(p + c), sum);
    out[t] = sum_of<T>(sum);
  }
}

// Four rows at a time: what the rows above take off in tiles, then row by row.
inline double factor(double* a, const double* diagonal, std::size_t n, std::size_t cols, std::size_t ld,
                     double least) noexcept {
  constexpr std::size_t w = lanes<double>, panel = 4;
  double worst = 1;
  for (std::size_t first = 0; first < n; first += panel) {
    const std::size_t end = first + panel < n ? first + panel : n;
    if (first > 0) triangle<double, true>(a, a, first, ld, first, end, cols, a, ld);
    for (std::size_t j = first; j < end; ++j) {
      double* row = a + j * ld;
      const double share = row[j] / diagonal[j];
      if (!(share >= least)) return share > 0 ? share : 0;
      worst = share < worst ? share : worst;
      const Vector<double> scale = broadcast(1 / std::sqrt(row[j]));
      for (std::size_t c = j / w * w; c < cols; c += w) store<double>(row + c, load(row + c) * scale);
      for (std::size_t i = j + 1; i < end; ++i) {
        double* below = a + i * ld;
        const Vector<double> minus = broadcast(-row[i]);
        for (std::size_t c = i / w * w; c < cols; c += w)
          store<double>(below + c, multiply_add(minus, load(row + c), load(below + c)));
      }
    }
  }
  return worst;
}

inline void back(const double* u, std::size_t n, std::size_t ld, std::size_t column, double* x) noexcept {
  constexpr std::size_t w = lanes<double>;
  for (std::size_t i = 0; i < ld; ++i) x[i] = 0;
  for (std::size_t i = n; i-- > 0;) {
    const double* row = u + i * ld;
    Vector<double> sum = {};  // x is still zero up to i, where the row holds other things
    for (std::size_t c = i / w * w; c < n; c += w) sum = multiply_add(load(row + c), load(x + c), sum);
    x[i] = (row[column] - sum_of<double>(sum)) / row[i];
  }
}

inline double peak() {
  Vector<double> sum[12];
  for (std::size_t i = 0; i < 12; ++i) sum[i] = broadcast(static_cast<double>(i));
  const Vector<double> a = broadcast(0.999), b = broadcast(0.001);
  constexpr std::size_t rounds = 2'000'000;
  double best = 0;
  for (int repeat = 0; repeat < 5; ++repeat) {
    const auto begin = std::chrono::steady_clock::now();
    for (std::size_t t = 0; t < rounds; ++t) {
      PYALGO_UNROLL for (std::size_t i = 0; i < 12; ++i) sum[i] = multiply_add(sum[i], a, b);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    double lane = 0;
    for (std::size_t i = 0; i < 12; ++i) lane += sum_of<double>(sum[i]);
    const double rate = static_cast<double>(rounds * 12 * lanes<double>) / seconds.count();
    best = rate > best && lane != 0 ? rate : best;  // reading the sums keeps the loop from being left out
  }
  return best;
}
