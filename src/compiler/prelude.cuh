// mtmc prelude: what the run-time compiler lacks, without slow headers. It comes before the first
// line of every source, and is embedded in every exported .cu, so it also compiles under nvcc (and,
// for its tests, as plain host C++).
#ifndef MTMC_PRELUDE
#define MTMC_PRELUDE

#if defined(__CUDACC_RTC__)

typedef signed char int8_t;
typedef unsigned char uint8_t;
typedef short int16_t;
typedef unsigned short uint16_t;
typedef int int32_t;
typedef unsigned int uint32_t;
typedef long int64_t;
typedef unsigned long uint64_t;
typedef long intptr_t;
typedef unsigned long uintptr_t;

#ifndef NULL
#define NULL nullptr
#endif
#ifndef INFINITY
#define INFINITY (__builtin_bit_cast(float, 0x7f800000))
#endif
#ifndef HUGE_VALF
#define HUGE_VALF (__builtin_bit_cast(float, 0x7f800000))
#endif
#ifndef NAN
#define NAN (__builtin_bit_cast(float, 0x7fffffff))
#endif
#ifndef M_PI
#define M_PI 3.14159265358979323846
#define M_PI_2 1.57079632679489661923
#define M_PI_4 0.78539816339744830962
#define M_1_PI 0.31830988618379067154
#define M_2_PI 0.63661977236758134308
#define M_2_SQRTPI 1.12837916709551257390
#define M_SQRT2 1.41421356237309504880
#define M_SQRT1_2 0.70710678118654752440
#define M_E 2.7182818284590452354
#define M_LOG2E 1.4426950408889634074
#define M_LOG10E 0.43429448190325182765
#define M_LN2 0.69314718055994530942
#define M_LN10 2.30258509299404568402
#endif
#ifndef FLT_MAX
#define FLT_MAX 3.402823466e+38f
#define FLT_MIN 1.175494351e-38f
#define FLT_EPSILON 1.192092896e-07f
#define DBL_MAX 1.7976931348623157e+308
#define DBL_MIN 2.2250738585072014e-308
#define DBL_EPSILON 2.2204460492503131e-16
#endif
#ifndef INT_MAX
#define INT_MAX 2147483647
#define INT_MIN (-INT_MAX - 1)
#define UINT_MAX 4294967295u
#define LLONG_MAX 9223372036854775807ll
#define LLONG_MIN (-LLONG_MAX - 1)
#define ULLONG_MAX 18446744073709551615ull
#endif
// NVRTC's own assert formats a message on the host; a trap needs nobody.
#ifdef assert
#undef assert
#endif
#define assert(condition) ((condition) ? (void)0 : __trap())

#else

#include <assert.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#endif

#if defined(__CUDACC__) || defined(__CUDACC_RTC__)
#define MTMC_BOTH __host__ __device__ __forceinline__
#else
#define MTMC_BOTH inline
#endif

MTMC_BOTH unsigned int mtmc_float_bits(float value) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(value);
#else
  unsigned int bits;
  memcpy(&bits, &value, 4);
  return bits;
#endif
}

MTMC_BOTH float mtmc_bits_float(unsigned int bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  float value;
  memcpy(&value, &bits, 4);
  return value;
#endif
}

// IEEE binary16 and bfloat16 as their 16 bits. Rounding is to nearest, ties to even; every NaN
// becomes the quiet NaN 0x7fff, as the hardware's conversions make it.
MTMC_BOTH float mtmc_f16_to_f32(unsigned short half) {
#if defined(__CUDA_ARCH__)
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
#else
  const unsigned int sign = (half & 0x8000u) << 16;
  const unsigned int magnitude = half & 0x7fffu;
  if (magnitude > 0x7c00u) return mtmc_bits_float(0x7fffffffu);
  if (magnitude == 0x7c00u) return mtmc_bits_float(sign | 0x7f800000u);
  if (magnitude >= 0x0400u) return mtmc_bits_float(sign | ((magnitude << 13) + (112u << 23)));
  const float value = (float)magnitude * 5.9604644775390625e-8f;  // 2^-24
  return mtmc_bits_float(sign | mtmc_float_bits(value));
#endif
}

MTMC_BOTH unsigned short mtmc_f32_to_f16(float value) {
#if defined(__CUDA_ARCH__)
  unsigned short half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
#else
  const unsigned int bits = mtmc_float_bits(value);
  const unsigned int sign = (bits >> 16) & 0x8000u;
  const unsigned int magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return 0x7fffu;
  if (magnitude >= 0x477ff000u) return (unsigned short)(sign | 0x7c00u);  // 65520 and above
  unsigned int shift = 13;
  unsigned int mantissa = magnitude - (112u << 23);
  if (magnitude < 0x38800000u) {  // below 2^-14: subnormal, or zero
    if (magnitude < 0x33000000u) return (unsigned short)sign;
    shift = 126u - (magnitude >> 23);
    mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  }
  const unsigned int kept = mantissa >> shift;
  const unsigned int rest = mantissa & ((1u << shift) - 1u);
  const unsigned int tie = 1u << (shift - 1u);
  const unsigned int up = (rest > tie || (rest == tie && (kept & 1u))) ? 1u : 0u;
  return (unsigned short)(sign | (kept + up));
#endif
}

MTMC_BOTH float mtmc_bf16_to_f32(unsigned short brain) {
  return mtmc_bits_float((unsigned int)brain << 16);
}

MTMC_BOTH unsigned short mtmc_f32_to_bf16(float value) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 800
  unsigned short brain;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(brain) : "f"(value));
  return brain;
#else
  const unsigned int bits = mtmc_float_bits(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return 0x7fffu;
  return (unsigned short)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
#endif
}

// Storage types: two bytes, no arithmetic. Compute in float.
struct alignas(2) f16 {
  unsigned short bits;
  f16() = default;
  MTMC_BOTH explicit f16(float value) : bits(mtmc_f32_to_f16(value)) {}
  MTMC_BOTH explicit operator float() const { return mtmc_f16_to_f32(bits); }
};

struct alignas(2) bf16 {
  unsigned short bits;
  bf16() = default;
  MTMC_BOTH explicit bf16(float value) : bits(mtmc_f32_to_bf16(value)) {}
  MTMC_BOTH explicit operator float() const { return mtmc_bf16_to_f32(bits); }
};

#endif
