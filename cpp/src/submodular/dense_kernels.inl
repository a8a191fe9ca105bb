// The kernels at one level. Included by dense_kernels.cpp inside a namespace that defines `lanes`, the doubles of a vector.

#include "rules.inl"

#if defined(PYALGO_VECTORS)
typedef double V __attribute__((vector_size(lanes * sizeof(double))));
#else
using V = double;
#endif

constexpr std::size_t parts = dense_lanes / lanes;

inline V load(const double* from) noexcept {
  V v;
  std::memcpy(&v, from, sizeof v);
  return v;
}

inline double total_of(const V (&sum)[parts]) noexcept {
  double lane[dense_lanes];
  std::memcpy(lane, sum, sizeof lane);
  double total = lane[0];
  for (std::size_t i = 1; i < dense_lanes; ++i) total += lane[i];
  return total;
}

template <class Rule>
double gain(const double* x, const DensePrefix& prefix) noexcept {
  const Rule rule{prefix.cap};
  V sum[parts] = {};
  for (std::size_t i = 0; i < prefix.n; i += dense_lanes)
    for (std::size_t part = 0; part < parts; ++part) {
      const std::size_t at = i + part * lanes;
      const V worth = Rule::linear ? V{} : load(prefix.worths + at);
      sum[part] += gain_of(rule, load(prefix.totals + at), worth, load(x + at), load(prefix.parameters + at));
    }
  return total_of(sum);
}

inline double dot(const double* x, const double* y, std::size_t n) noexcept {
  V sum[parts] = {};
  for (std::size_t i = 0; i < n; i += dense_lanes)
    for (std::size_t part = 0; part < parts; ++part)
      sum[part] += load(x + i + part * lanes) * load(y + i + part * lanes);
  return total_of(sum);
}

inline double squared_distance(const double* x, const double* y, std::size_t n) noexcept {
  V sum[parts] = {};
  for (std::size_t i = 0; i < n; i += dense_lanes)
    for (std::size_t part = 0; part < parts; ++part) {
      const V difference = load(x + i + part * lanes) - load(y + i + part * lanes);
      sum[part] += difference * difference;
    }
  return total_of(sum);
}

inline DenseGain gain_by(Rule rule) noexcept {
  return by_rule(rule, [](auto type) -> DenseGain { return gain<typename decltype(type)::type>; });
}
