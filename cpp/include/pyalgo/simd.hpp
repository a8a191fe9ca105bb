// Which instruction set the kernels run on: chosen once, from what the machine has and what PYALGO_ISA asks for.
//
// A kernel with variants is a Dispatch of function pointers of one signature. All variants of an integer kernel give
// identical bits. Wheels are built for the baseline; a variant is compiled for its level by a target attribute.
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>

#if defined(__x86_64__) || defined(_M_X64)
#define PYALGO_X86 1
#if defined(_MSC_VER)
#include <intrin.h>
#else
#include <cpuid.h>
#endif
#endif

#if defined(PYALGO_X86) && !defined(_MSC_VER)
#define PYALGO_TARGET_AVX2 __attribute__((target("avx2,fma,bmi2,popcnt")))
#define PYALGO_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,popcnt")))
#else
#define PYALGO_TARGET_AVX2
#define PYALGO_TARGET_AVX512
#endif

// Every function defined between PYALGO_BEGIN_* and PYALGO_END_TARGET is compiled for that level. Include all headers
// before: an inline function of a library that is compiled in there may be the copy that the linker keeps for everyone.
#if defined(PYALGO_X86) && defined(__clang__)
#define PYALGO_BEGIN_AVX2 \
  _Pragma("clang attribute push(__attribute__((target(\"avx2,fma,bmi2,popcnt\"))), apply_to = function)")
#define PYALGO_BEGIN_AVX512                                                                            \
  _Pragma(                                                                                             \
      "clang attribute push(__attribute__((target(\"avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2," \
      "popcnt\"))), apply_to = function)")
#define PYALGO_END_TARGET _Pragma("clang attribute pop")
#elif defined(PYALGO_X86) && defined(__GNUC__)
#define PYALGO_BEGIN_AVX2 _Pragma("GCC push_options") _Pragma("GCC target(\"avx2,fma,bmi2,popcnt\")")
#define PYALGO_BEGIN_AVX512 \
  _Pragma("GCC push_options") _Pragma("GCC target(\"avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,bmi2,popcnt\")")
#define PYALGO_END_TARGET _Pragma("GCC pop_options")
#endif

// Before a short loop of a constant number of rounds, whose arrays are to be registers.
#if defined(__clang__)
#define PYALGO_UNROLL _Pragma("clang loop unroll(full)")
#elif defined(__GNUC__)
#define PYALGO_UNROLL _Pragma("GCC unroll 16")
#else
#define PYALGO_UNROLL
#endif

// Vectors as a type attribute, which GCC and Clang lower to what the level has (SSE2 or NEON at the baseline).
#if defined(__GNUC__) || defined(__clang__)
#define PYALGO_VECTORS 1
#endif

namespace pyalgo {

enum class Isa { generic = 0, neon = 1, avx2 = 2, avx512 = 3 };

inline const char* name(Isa isa) noexcept {
  switch (isa) {
    case Isa::generic: return "generic";
    case Isa::neon: return "neon";
    case Isa::avx2: return "avx2";
    case Isa::avx512: break;
  }
  return "avx512";
}

// The highest level that both the processor and the operating system support.
inline Isa detected_isa() noexcept {
#if defined(PYALGO_X86)
  unsigned leaf1[4] = {}, leaf7[4] = {};
#if defined(_MSC_VER)
  __cpuid(reinterpret_cast<int*>(leaf1), 1);
  __cpuidex(reinterpret_cast<int*>(leaf7), 7, 0);
#else
  __get_cpuid(1, &leaf1[0], &leaf1[1], &leaf1[2], &leaf1[3]);
  __get_cpuid_count(7, 0, &leaf7[0], &leaf7[1], &leaf7[2], &leaf7[3]);
#endif
  constexpr unsigned osxsave = 1U << 27, fma = 1U << 12, popcnt = 1U << 23;  // leaf 1, ecx
  constexpr unsigned avx2 = 1U << 5, bmi2 = 1U << 8, f = 1U << 16, dq = 1U << 17, bw = 1U << 30,
                     vl = 1U << 31;  // 7, ebx
  if ((leaf1[2] & osxsave) == 0) return Isa::generic;
#if defined(_MSC_VER)
  const unsigned state = static_cast<unsigned>(_xgetbv(0));
#else
  unsigned state, high;
  __asm__("xgetbv" : "=a"(state), "=d"(high) : "c"(0));
#endif
  const auto has = [](unsigned bits, unsigned wanted) { return (bits & wanted) == wanted; };
  if (!has(leaf1[2], fma | popcnt) || !has(leaf7[1], avx2 | bmi2) || !has(state, 0x6)) return Isa::generic;
  return has(leaf7[1], f | dq | bw | vl) && has(state, 0xe6) ? Isa::avx512 : Isa::avx2;
#elif defined(__aarch64__) || defined(_M_ARM64)
  return Isa::neon;
#else
  return Isa::generic;
#endif
}

// The level that `wanted` (the text of PYALGO_ISA; null or empty: the best) means on a machine that has `detected`.
inline Isa chosen_isa(const char* wanted, Isa detected) {
  if (wanted == nullptr || *wanted == '\0') return detected;
  const std::string text = wanted;
  for (Isa isa : {Isa::generic, Isa::neon, Isa::avx2, Isa::avx512}) {
    if (text != name(isa)) continue;
    const bool below = isa == Isa::avx2 && detected == Isa::avx512;
    if (isa == Isa::generic || isa == detected || below) return isa;
    throw std::invalid_argument("PYALGO_ISA=" + text + ": this machine has " + name(detected));
  }
  throw std::invalid_argument("PYALGO_ISA=" + text + ": must be avx512, avx2, neon or generic");
}

inline Isa active_isa() {
  static const Isa isa = chosen_isa(std::getenv("PYALGO_ISA"), detected_isa());
  return isa;
}

// The variants of one kernel; a null one is taken by the next lower level that there is.
template <class Function>
struct Dispatch {
  Function generic;
  Function neon = nullptr;
  Function avx2 = nullptr;
  Function avx512 = nullptr;

  Function at(Isa isa) const noexcept {
    if (isa == Isa::avx512 && avx512 != nullptr) return avx512;
    if ((isa == Isa::avx512 || isa == Isa::avx2) && avx2 != nullptr) return avx2;
    if (isa == Isa::neon && neon != nullptr) return neon;
    return generic;
  }
};

}  // namespace pyalgo
