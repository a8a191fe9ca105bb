#include "kernels.hpp"

#include <cmath>
#include <cstring>
#include <type_traits>

#include "wide.hpp"

namespace pyalgo::rns {
namespace {

namespace generic {
constexpr bool fused = false;
#include "kernels.inl"
}  // namespace generic

#if defined(PYALGO_BEGIN_AVX2)
PYALGO_BEGIN_AVX2
namespace avx2 {
constexpr bool fused = true;
#include "kernels.inl"
}  // namespace avx2
PYALGO_END_TARGET

PYALGO_BEGIN_AVX512
namespace avx512 {
constexpr bool fused = true;
#include "kernels.inl"
}  // namespace avx512
PYALGO_END_TARGET
#endif

template <class T>
struct Tables {
  static constexpr Kernels<T> generic_kernels = generic::table<T>();
#if defined(PYALGO_BEGIN_AVX2)
  static constexpr Kernels<T> avx2_kernels = avx2::table<T>();
  static constexpr Kernels<T> avx512_kernels = avx512::table<T>();
  static constexpr Dispatch<const Kernels<T>*> dispatch{&generic_kernels, nullptr, &avx2_kernels, &avx512_kernels};
#else
  static constexpr Dispatch<const Kernels<T>*> dispatch{&generic_kernels};
#endif
};

}  // namespace

template <class T>
const Kernels<T>& kernels(Isa isa) noexcept {
  return *Tables<T>::dispatch.at(isa);
}
template const Kernels<std::uint16_t>& kernels<std::uint16_t>(Isa) noexcept;
template const Kernels<std::uint32_t>& kernels<std::uint32_t>(Isa) noexcept;
template const Kernels<std::uint64_t>& kernels<std::uint64_t>(Isa) noexcept;

std::uint64_t shoup(const Modulus& m, std::uint64_t w) noexcept { return divide_wide(w, m.value); }

std::uint64_t reduce(const Modulus& m, std::uint64_t x) noexcept { return generic::reduce_any(m, x); }

std::uint64_t multiply(const Modulus& m, std::uint64_t a, std::uint64_t b) noexcept {
  return m.mask != 0 ? a * b & m.mask : generic::reduce_wide(m, wide_product(a, b));
}

}  // namespace pyalgo::rns
