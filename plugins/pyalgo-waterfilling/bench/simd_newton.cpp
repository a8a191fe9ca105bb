// Water-filling by Newton's method as one writes it by hand for AVX2: the loop that numba's has to keep up with.
#include <immintrin.h>

#include <cstdint>
#include <algorithm>
#include <numeric>
#include <vector>

namespace {

double sum(__m256d v) {
  const __m128d low = _mm_add_pd(_mm256_castpd256_pd128(v), _mm256_extractf128_pd(v, 1));
  return _mm_cvtsd_f64(_mm_add_sd(low, _mm_unpackhi_pd(low, low)));
}

std::int64_t sum(__m256i v) {
  alignas(32) std::int64_t lanes[4];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), v);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

double level(const double* a, std::int64_t n, double power, double mu) {
  std::int64_t last = -1;
  for (;;) {
    const __m256d at = _mm256_set1_pd(mu);
    __m256d s[4] = {};
    __m256i c[4] = {};
    std::int64_t k = 0;
    for (; k + 16 <= n; k += 16)
      for (int u = 0; u < 4; ++u) {
        const __m256d x = _mm256_loadu_pd(a + k + 4 * u);
        const __m256d below = _mm256_cmp_pd(x, at, _CMP_LT_OQ);
        s[u] = _mm256_add_pd(s[u], _mm256_and_pd(below, x));
        c[u] = _mm256_sub_epi64(c[u], _mm256_castpd_si256(below));
      }
    double total = sum(_mm256_add_pd(_mm256_add_pd(s[0], s[1]), _mm256_add_pd(s[2], s[3])));
    std::int64_t count = sum(_mm256_add_epi64(_mm256_add_epi64(c[0], c[1]), _mm256_add_epi64(c[2], c[3])));
    for (; k < n; ++k)
      if (a[k] < mu) total += a[k], ++count;
    if (count == last || count == 0) return mu;
    mu = (power + total) / static_cast<double>(count);
    last = count;
  }
}

}  // namespace

extern "C" void newton_rows(const double* a, std::int64_t rows, std::int64_t n, double power, double* out, double* levels,
                            int warm) {
  for (std::int64_t i = 0; i < rows; ++i, a += n, out += n) {
    double mu = levels[i];
    if (!warm) {
      __m256d m[2] = {_mm256_set1_pd(a[0]), _mm256_set1_pd(a[0])};
      std::int64_t k = 0;
      for (; k + 8 <= n; k += 8) {
        m[0] = _mm256_min_pd(m[0], _mm256_loadu_pd(a + k));
        m[1] = _mm256_min_pd(m[1], _mm256_loadu_pd(a + k + 4));
      }
      alignas(32) double lanes[4];
      _mm256_store_pd(lanes, _mm256_min_pd(m[0], m[1]));
      double least = std::min(std::min(lanes[0], lanes[1]), std::min(lanes[2], lanes[3]));
      for (; k < n; ++k) least = std::min(least, a[k]);
      mu = least + power;
    }
    mu = levels[i] = level(a, n, power, mu);
    const __m256d at = _mm256_set1_pd(mu), zero = _mm256_setzero_pd();
    std::int64_t k = 0;
    for (; k + 4 <= n; k += 4) _mm256_storeu_pd(out + k, _mm256_max_pd(_mm256_sub_pd(at, _mm256_loadu_pd(a + k)), zero));
    for (; k < n; ++k) out[k] = std::max(mu - a[k], 0.0);
  }
}

// The textbook's method: sort, and take carriers from the best on while the level is above them.
extern "C" void sorted_rows(const double* a, std::int64_t rows, std::int64_t n, double power, double* out, double* levels) {
  std::vector<double> sorted(n);
  for (std::int64_t i = 0; i < rows; ++i, a += n, out += n) {
    std::copy(a, a + n, sorted.begin());
    std::sort(sorted.begin(), sorted.end());
    double total = power, mu = 0.0;
    for (std::int64_t k = 0; k < n; ++k) {
      const double next = (total + sorted[k]) / static_cast<double>(k + 1);
      if (next <= sorted[k]) break;
      total += sorted[k];
      mu = next;
    }
    levels[i] = mu;
    for (std::int64_t k = 0; k < n; ++k) out[k] = std::max(mu - a[k], 0.0);
  }
}
