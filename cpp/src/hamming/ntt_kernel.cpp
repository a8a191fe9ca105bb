#include "ntt_kernel.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#if defined(PYALGO_BEGIN_AVX2)
#include <immintrin.h>
#endif

namespace pyalgo::hamming::ntt {
namespace {

namespace generic {
#include "ntt_vec128.inl"
#include "ntt_kernel.inl"
}  // namespace generic

#if defined(PYALGO_BEGIN_AVX2)
PYALGO_BEGIN_AVX2
namespace avx2 {
#include "ntt_vec256.inl"
#include "ntt_kernel.inl"
}  // namespace avx2
PYALGO_END_TARGET

// The same vectors, but twice as many registers.
PYALGO_BEGIN_AVX512
namespace avx512 {
#include "ntt_vec256.inl"
#include "ntt_kernel.inl"
}  // namespace avx512
PYALGO_END_TARGET
#endif

constexpr Kernel generic_kernel = generic::table();
#if defined(PYALGO_BEGIN_AVX2)
constexpr Kernel avx2_kernel = avx2::table();
constexpr Kernel avx512_kernel = avx512::table();
constexpr Dispatch<const Kernel*> kernels{&generic_kernel, nullptr, &avx2_kernel, &avx512_kernel};
#else
constexpr Dispatch<const Kernel*> kernels{&generic_kernel};
#endif

}  // namespace

const Kernel& kernel(Isa isa) noexcept { return *kernels.at(isa); }

}  // namespace pyalgo::hamming::ntt
