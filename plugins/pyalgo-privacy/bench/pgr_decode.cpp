// Decoding of projective geometry response (Feldman, Nelson, Nguyen, Talwar 2022) by the dynamic programme over coordinates,
// O(K q t): for every point u of the projective space over F_q the number of reports v with u . v = 0.
//
// The peer that the server of modular subset selection is measured against. Reports and values are numbered as in
// pyalgo_privacy.projective: a point's first coordinate that is not 0 is 1, and q^m + r, read from its coordinates as digits,
// has the number (q^m - 1) / (q - 1) + r.

#include <cstddef>
#include <cstdint>
#include <numeric>
#include <vector>

namespace {

using Counts = std::vector<int32_t>;

std::size_t power(std::size_t q, int t) {
  std::size_t result = 1;
  while (t-- > 0) result *= q;
  return result;
}

std::size_t points(std::size_t q, int t) { return (power(q, t) - 1) / (q - 1); }

// in[z][v][rest] -> out[u][z][rest] = sum over v of in[z - u v][v][rest], for one prefix.
void next_coordinate(const int32_t* in, int32_t* out, std::size_t q, std::size_t rest) {
  for (std::size_t u = 0; u < q; ++u) {
    for (std::size_t z = 0; z < q; ++z) {
      int32_t* row = out + (u * q + z) * rest;
      std::size_t from = z;
      for (std::size_t v = 0; v < q; ++v) {
        const int32_t* add = in + (from * q + v) * rest;
        for (std::size_t i = 0; i < rest; ++i) row[i] += add[i];
        from = from >= u ? from - u : from + q - u;
      }
    }
  }
}

// The same with rest = 1, where z is what runs in memory: turned[v][z].
void last_coordinate(const int32_t* in, int32_t* out, std::size_t q, int32_t* turned) {
  for (std::size_t z = 0; z < q; ++z)
    for (std::size_t v = 0; v < q; ++v) turned[v * q + z] = in[z * q + v];
  for (std::size_t u = 0; u < q; ++u) {
    int32_t* row = out + u * q;
    std::size_t shift = 0;  // u v modulo q
    for (std::size_t v = 0; v < q; ++v) {
      const int32_t* add = turned + v * q;
      for (std::size_t z = shift; z < q; ++z) row[z] += add[z - shift];
      for (std::size_t z = 0; z < shift; ++z) row[z] += add[z + q - shift];
      shift = shift + u < q ? shift + u : shift + u - q;
    }
  }
}

// radon[w][s] = sum of y[v] over w . v = s, for the points w of d coordinates: w_1 = 0 from the sums over v_1; w_1 = 1 begins
// with z = v_1, and every further coordinate is one stage.
void transform(const int32_t* y, std::size_t q, int d, int32_t* radon) {
  if (d > 1) {
    const std::size_t rest = power(q, d - 1);
    Counts sums(rest, 0);
    for (std::size_t v = 0; v < q; ++v)
      for (std::size_t i = 0; i < rest; ++i) sums[i] += y[v * rest + i];
    transform(sums.data(), q, d - 1, radon);
  }
  int32_t* out = radon + (d > 1 ? points(q, d - 1) : 0) * q;
  Counts now(y, y + power(q, d)), next, turned(q * q);
  for (int j = 2; j <= d; ++j) {
    const std::size_t prefixes = power(q, j - 2), rest = power(q, d - j), size = q * q * rest;
    next.assign(now.size(), 0);
    for (std::size_t p = 0; p < prefixes; ++p) {
      if (rest == 1)
        last_coordinate(now.data() + p * size, next.data() + p * size, q, turned.data());
      else
        next_coordinate(now.data() + p * size, next.data() + p * size, q, rest);
    }
    now.swap(next);
  }
  for (std::size_t i = 0; i < now.size(); ++i) out[i] = now[i];
}

void decode(const int32_t* counts, std::size_t q, int t, int64_t* out) {
  if (t == 1) {
    out[0] = 0;
    return;
  }
  const int d = t - 1;
  const std::size_t smaller = points(q, d), size = power(q, d);
  std::vector<int64_t> below(smaller);
  decode(counts, q, d, below.data());
  Counts radon(smaller * q);
  transform(counts + smaller, q, d, radon.data());
  for (std::size_t w = 0; w < smaller; ++w) out[w] = radon[w * q] + below[w];
  out[smaller] = std::accumulate(counts, counts + smaller, int64_t{0});
  // u = (1, a w): a w . v' = -1, so s = -1 / a.
  std::vector<std::size_t> inverse(q, 0);
  for (std::size_t a = 1; a < q; ++a)
    for (std::size_t b = 1; b < q; ++b)
      if (a * b % q == 1) inverse[a] = b;
  std::size_t w = 0;
  for (int place = 0; place < d; ++place) {
    const std::size_t top = power(q, place);
    for (std::size_t low = 0; low < top; ++low, ++w) {
      for (std::size_t a = 1; a < q; ++a) {
        std::size_t code = a * top, scale = 1;
        for (std::size_t digits = low; digits > 0; digits /= q, scale *= q) code += digits % q * a % q * scale;
        out[smaller + code] = radon[w * q + (q - inverse[a])] + below[w];
      }
    }
  }
}

}  // namespace

extern "C" void pgr_decode(const int32_t* counts, int q, int t, int64_t* out) {
  decode(counts, static_cast<std::size_t>(q), t, out);
}
