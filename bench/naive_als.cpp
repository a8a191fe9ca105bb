// Half a sweep of alternating least squares as a textbook has it: the reference that a faster kernel has to beat.
#include <cmath>
#include <cstdint>
#include <vector>

extern "C" void solve_rows(std::int64_t m, const std::int64_t* indptr, const std::int32_t* indices, const double* values,
                           const double* fixed, double* solved, int k, double reg) {
  std::vector<double> gram(k * k), right(k);
  double *g = gram.data(), *y = right.data();
  for (std::int64_t i = 0; i < m; ++i) {
    gram.assign(k * k, 0.0);
    right.assign(k, 0.0);
    for (std::int64_t at = indptr[i]; at < indptr[i + 1]; ++at) {
      const double* row = fixed + std::int64_t{indices[at]} * k;
      for (int a = 0; a < k; ++a) {
        for (int b = 0; b <= a; ++b) g[a * k + b] += row[a] * row[b];
        y[a] += values[at] * row[a];
      }
    }
    for (int a = 0; a < k; ++a) g[a * k + a] += reg;
    for (int a = 0; a < k; ++a) {
      for (int c = 0; c < a; ++c) g[a * k + a] -= g[a * k + c] * g[a * k + c];
      g[a * k + a] = std::sqrt(g[a * k + a]);
      for (int b = a + 1; b < k; ++b) {
        for (int c = 0; c < a; ++c) g[b * k + a] -= g[b * k + c] * g[a * k + c];
        g[b * k + a] /= g[a * k + a];
      }
    }
    double* x = solved + i * k;
    for (int a = 0; a < k; ++a) {
      x[a] = y[a];
      for (int c = 0; c < a; ++c) x[a] -= g[a * k + c] * x[c];
      x[a] /= g[a * k + a];
    }
    for (int a = k - 1; a >= 0; --a) {
      for (int c = a + 1; c < k; ++c) x[a] -= g[c * k + a] * x[c];
      x[a] /= g[a * k + a];
    }
  }
}
