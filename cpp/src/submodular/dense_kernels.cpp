#include "dense_kernels.hpp"

#include <cmath>
#include <cstring>
#include <type_traits>

namespace pyalgo::submodular {
namespace {

namespace generic {
#if defined(PYALGO_VECTORS)
constexpr std::size_t lanes = 2;
#else
constexpr std::size_t lanes = 1;
#endif
#include "dense_kernels.inl"
}  // namespace generic

#if defined(PYALGO_BEGIN_AVX2)
PYALGO_BEGIN_AVX2
namespace avx2 {
constexpr std::size_t lanes = 4;
#include "dense_kernels.inl"
}  // namespace avx2
PYALGO_END_TARGET

PYALGO_BEGIN_AVX512
namespace avx512 {
constexpr std::size_t lanes = 8;
#include "dense_kernels.inl"
}  // namespace avx512
PYALGO_END_TARGET
#endif

}  // namespace

DenseGain dense_gain(Rule rule, Isa isa) {
  Dispatch<DenseGain> table{generic::gain_by(rule)};
#if defined(PYALGO_BEGIN_AVX2)
  table.avx2 = avx2::gain_by(rule);
  table.avx512 = avx512::gain_by(rule);
#endif
  return table.at(isa);
}

DensePair dense_dot(Isa isa) {
  Dispatch<DensePair> table{generic::dot};
#if defined(PYALGO_BEGIN_AVX2)
  table.avx2 = avx2::dot;
  table.avx512 = avx512::dot;
#endif
  return table.at(isa);
}

DensePair dense_squared_distance(Isa isa) {
  Dispatch<DensePair> table{generic::squared_distance};
#if defined(PYALGO_BEGIN_AVX2)
  table.avx2 = avx2::squared_distance;
  table.avx512 = avx512::squared_distance;
#endif
  return table.at(isa);
}

}  // namespace pyalgo::submodular
