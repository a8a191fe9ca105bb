#include "kernels.hpp"

#include <chrono>
#include <cmath>
#include <cstring>

#if defined(PYALGO_BEGIN_AVX2)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(PYALGO_VECTORS)
#include <arm_neon.h>
#endif

namespace pyalgo::completion {
namespace {

#if defined(PYALGO_VECTORS)
template <class T, std::size_t Bytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(Bytes)));
};
#endif

namespace generic {
#if defined(PYALGO_VECTORS)
template <class T>
using Vector = typename VectorOf<T, 16>::type;
#else
template <class T>
using Vector = T;
#endif
#if defined(__aarch64__) && defined(PYALGO_VECTORS)
inline Vector<double> multiply_add(Vector<double> a, Vector<double> b, Vector<double> c) noexcept {
  return vfmaq_f64(c, a, b);
}
inline Vector<float> multiply_add(Vector<float> a, Vector<float> b, Vector<float> c) noexcept {
  return vfmaq_f32(c, a, b);
}
#else
template <class V>
inline V multiply_add(V a, V b, V c) noexcept {
  return a * b + c;
}
#endif
#include "kernels.inl"
}  // namespace generic

#if defined(PYALGO_BEGIN_AVX2)
PYALGO_BEGIN_AVX2
namespace avx2 {
template <class T>
using Vector = typename VectorOf<T, 32>::type;
inline Vector<double> multiply_add(Vector<double> a, Vector<double> b, Vector<double> c) noexcept {
  return _mm256_fmadd_pd(a, b, c);
}
inline Vector<float> multiply_add(Vector<float> a, Vector<float> b, Vector<float> c) noexcept {
  return _mm256_fmadd_ps(a, b, c);
}
#include "kernels.inl"
}  // namespace avx2
PYALGO_END_TARGET

PYALGO_BEGIN_AVX512
namespace avx512 {
template <class T>
using Vector = typename VectorOf<T, 64>::type;
inline Vector<double> multiply_add(Vector<double> a, Vector<double> b, Vector<double> c) noexcept {
  return _mm512_fmadd_pd(a, b, c);
}
inline Vector<float> multiply_add(Vector<float> a, Vector<float> b, Vector<float> c) noexcept {
  return _mm512_fmadd_ps(a, b, c);
}
#include "kernels.inl"

// Strides are whole vectors of 32 bytes; where they are not of 64, those of 32 do.
template <class T>
void gram_of_any_stride(const T* left, const T* right, std::size_t n, std::size_t stride, std::size_t rows, double* g,
                        std::size_t ld) noexcept {
  (stride % lanes<T> == 0 ? gram<T> : avx2::gram<T>)(left, right, n, stride, rows, g, ld);
}
template <class T>
void combine_of_any_stride(const T* x, std::size_t n, std::size_t stride, const T* r, double* s) noexcept {
  (stride % lanes<T> == 0 ? combine<T> : avx2::combine<T>)(x, n, stride, r, s);
}
}  // namespace avx512
PYALGO_END_TARGET
#endif

}  // namespace

template <class T>
Kernels<T> kernels_at(Isa isa) {
#if defined(PYALGO_BEGIN_AVX2)
  if (isa == Isa::avx2 || isa == Isa::avx512) {
    Kernels<T> chosen{avx2::gram<T>, avx2::pack<T>, avx2::combine<T>, avx2::combine_at<T>, avx2::times<T>};
    if (isa == Isa::avx512) {  // sums over lanes depend on their number: times() stays
      chosen.gram = avx512::gram_of_any_stride<T>;
      chosen.combine = avx512::combine_of_any_stride<T>;
    }
    return chosen;
  }
#endif
  static_cast<void>(isa);
  return {generic::gram<T>, generic::pack<T>, generic::combine<T>, generic::combine_at<T>, generic::times<T>};
}
template Kernels<float> kernels_at(Isa isa);
template Kernels<double> kernels_at(Isa isa);

DenseKernels dense_kernels_at(Isa isa) {
#if defined(PYALGO_BEGIN_AVX2)
  if (isa == Isa::avx512) return {avx2::factor, avx2::back, avx512::peak};
  if (isa == Isa::avx2) return {avx2::factor, avx2::back, avx2::peak};
#endif
  static_cast<void>(isa);
  return {generic::factor, generic::back, generic::peak};
}

}  // namespace pyalgo::completion
