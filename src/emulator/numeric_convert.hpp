// cvt between integers, f16, bf16, tf32, f32 and f64; see numeric.hpp.
//
// Section of the PTX ISA: "Data Movement and Conversion Instructions: cvt". Half sources widen
// first (f16_to_f32, bf16_to_f32: exact); tf32 lives in 32 bits with the low 13 zero.
#pragma once

#include <cstdint>
#include <limits>
#include <utility>

#include "emulator/numeric_float.hpp"
#include "emulator/numeric_integer.hpp"

namespace mtmc::emulator::numeric {

// ---- integer to integer ------------------------------------------------------------------------

// cvt.sat: clamped to the range of To; without .sat a static_cast truncates or extends.
template <std::integral To, std::integral From>
constexpr To saturate_to(From x) {
  if (std::cmp_less(x, std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
  if (std::cmp_greater(x, std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
  return static_cast<To>(x);
}

// ---- float to integer --------------------------------------------------------------------------

// cvt.rni/.rzi/.rmi/.rpi to the same float type. -0 and the sign of results that become zero stay.
template <Rounding R, std::floating_point F>
inline F round_integral(F x) {
  F result = x;
  if constexpr (R == Rounding::nearest_even) {
    result = sizeof(F) == 4 ? static_cast<F>(__builtin_rintf(static_cast<float>(x)))
                            : static_cast<F>(__builtin_rint(static_cast<double>(x)));
  } else if constexpr (R == Rounding::toward_zero) {
    result = std::trunc(x);
  } else if constexpr (R == Rounding::down) {
    result = std::floor(x);
  } else {
    static_assert(R == Rounding::up);
    result = std::ceil(x);
  }
  return canonical(result);
}

// Rounds, then clamps to the range of Int. NaN gives 0, but 1 << (bits - 1) for an f64 source or a
// 64-bit destination ("Integer Notes" of cvt). Sources of f16 and bf16 come widened to float.
template <std::integral Int, Rounding R, std::floating_point F>
inline Int float_to_int(F x) {
  constexpr bool kNanIsTop = sizeof(F) == 8 || sizeof(Int) == 8;
  constexpr Int kNan = kNanIsTop ? static_cast<Int>(Unsigned<Int>{1} << (kBits<Int> - 1)) : Int{0};
  const F rounded = round_integral<R>(x);
  if constexpr (sizeof(Int) == 8) {
    constexpr F kAbove =
        std::is_signed_v<Int> ? F(9223372036854775808.0) : F(18446744073709551616.0);
    constexpr F kBelow = std::is_signed_v<Int> ? F(-9223372036854775808.0) : F(0);
    const bool inside = rounded >= kBelow && rounded < kAbove;
    const Int clamped =
        rounded >= kAbove ? std::numeric_limits<Int>::max() : std::numeric_limits<Int>::min();
    const Int value = static_cast<Int>(inside ? rounded : F(0));
    return x != x ? kNan : (inside ? value : clamped);
  } else {
    // Every bound up to 32 bits is exact in f64, and f64 to s32 is a vector instruction.
    constexpr double kLeast = static_cast<double>(std::numeric_limits<Int>::min());
    constexpr double kMost = static_cast<double>(std::numeric_limits<Int>::max());
    const double wide = static_cast<double>(rounded);
    const double raised = wide > kLeast ? wide : kLeast;  // NaN becomes kLeast
    const double clamped = raised < kMost ? raised : kMost;
    Int value;
    if constexpr (std::is_same_v<Int, std::uint32_t>) {
      const bool upper = clamped >= 2147483648.0;
      const double low = upper ? clamped - 2147483648.0 : clamped;
      value =
          static_cast<std::uint32_t>(static_cast<std::int32_t>(low)) | (upper ? 0x80000000u : 0u);
    } else {
      value = static_cast<Int>(static_cast<std::int32_t>(clamped));
    }
    return x != x ? kNan : value;
  }
}

// ---- integer to float --------------------------------------------------------------------------

// A 64-bit integer as an exact sum of two doubles.
template <std::integral Int>
inline ExactSum exact_sum(Int x) {
  if constexpr (sizeof(Int) < 8) {
    return {static_cast<double>(x), 0.0};
  } else {
    const double low = static_cast<double>(static_cast<std::uint32_t>(x));
    const double high = std::is_signed_v<Int>
                            ? static_cast<double>(static_cast<std::int32_t>(x >> 32))
                            : static_cast<double>(static_cast<std::uint32_t>(x >> 32));
    return two_sum(high * 4294967296.0, low);
  }
}

template <Rounding R, std::integral Int>
inline float int_to_f32(Int x) {
  if constexpr (R == Rounding::nearest_even || sizeof(Int) <= 2) {
    return static_cast<float>(x);
  } else {
    return round_f32<R>(exact_sum(x));
  }
}

// Sub-64-bit integers are exact in f64 whatever the mode.
template <Rounding R, std::integral Int>
inline double int_to_f64(Int x) {
  if constexpr (R == Rounding::nearest_even || sizeof(Int) <= 4) {
    return static_cast<double>(x);
  } else {
    const ExactSum exact = exact_sum(x);
    const double s = exact.value;
    const double e = exact.error;
    if constexpr (R == Rounding::down) return e < 0.0 ? next_down(s) : s;
    if constexpr (R == Rounding::up) return e > 0.0 ? next_up(s) : s;
    const bool outside = s > 0.0 ? e < 0.0 : e > 0.0;
    return outside ? f64_of(bits_of(s) - 1) : s;
  }
}

// ---- float to float ----------------------------------------------------------------------------

template <Rounding R>
inline float f64_to_f32(double x) {
  if constexpr (R == Rounding::nearest_even) return canonical(static_cast<float>(x));
  return round_f32<R>({x, 0.0});
}

// f32 to f16 and bf16 in any rounding. Truncation overflows to the largest finite value.
template <Rounding R>
inline std::uint16_t f32_to_f16(float x) {
  if constexpr (R == Rounding::nearest_even) {
    return f32_to_f16(x);
  } else {
    const std::uint32_t magnitude = bits_of(x) & 0x7fffffffu;
    const std::uint32_t sign = (bits_of(x) >> 16) & 0x8000u;
    const std::uint32_t cut = truncate_magnitude<5, 10>(magnitude);
    std::uint32_t code = cut < kInfF16 ? cut : kInfF16 - 1u;
    if constexpr (R == Rounding::down || R == Rounding::up) {
      const bool away = (sign != 0) == (R == Rounding::down);
      const bool exact = bits_of(f16_to_f32(static_cast<std::uint16_t>(code))) == magnitude;
      code += away && !exact ? 1u : 0u;
    }
    code = magnitude == 0x7f800000u ? kInfF16 : code;
    return static_cast<std::uint16_t>(magnitude > 0x7f800000u ? kNanF16 : (code | sign));
  }
}
template <Rounding R>
inline std::uint16_t f32_to_bf16(float x) {
  if constexpr (R == Rounding::nearest_even) {
    return f32_to_bf16(x);
  } else {
    const std::uint32_t bits = bits_of(x);
    std::uint32_t code = bits >> 16;
    if constexpr (R == Rounding::down || R == Rounding::up) {
      const bool away = (bits >> 31 != 0) == (R == Rounding::down);
      code += away && (bits & 0xffffu) != 0 ? 1u : 0u;
    }
    return static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? kNanF16 : code);
  }
}

// f64 and integers to f16 and bf16 round once, through an f32 rounded to odd.
template <Rounding R = Rounding::nearest_even>
inline std::uint16_t f64_to_f16(double x) {
  return f32_to_f16<R>(round_to_odd_f32(x));
}
template <Rounding R = Rounding::nearest_even>
inline std::uint16_t f64_to_bf16(double x) {
  return f32_to_bf16<R>(round_to_odd_f32(x));
}
template <Rounding R, std::integral Int>
inline std::uint16_t int_to_f16(Int x) {
  return f64_to_f16<R>(round_to_odd(exact_sum(x)));
}
template <Rounding R, std::integral Int>
inline std::uint16_t int_to_bf16(Int x) {
  return f64_to_bf16<R>(round_to_odd(exact_sum(x)));
}

// fma.{rn,rz,rm,rp}.bf16: the exact sum, rounded to odd twice on the way, then as asked.
template <Rounding R>
inline std::uint16_t fma_bf16(std::uint16_t a, std::uint16_t b, std::uint16_t c) {
  if constexpr (R == Rounding::nearest_even) return Bf16::fma(a, b, c);
  const double product = static_cast<double>(bf16_to_f32(a)) * bf16_to_f32(b);
  const double addend = bf16_to_f32(c);
  const float odd = round_to_odd_f32(round_to_odd(two_sum(product, addend)));
  return f32_to_bf16<R>(with_sum_zero<R>(odd, product, addend));
}

// .satfinite: a magnitude above the format's largest finite value becomes that value; NaN stays.
inline std::uint16_t satfinite_f16(std::uint16_t x) {
  return (x & 0x7fffu) == kInfF16 ? static_cast<std::uint16_t>(x - 1) : x;
}
inline std::uint16_t satfinite_bf16(std::uint16_t x) {
  return (x & 0x7fffu) == kInfBf16 ? static_cast<std::uint16_t>(x - 1) : x;
}

// cvt.{rna,rn,rz}.tf32.f32: 10 mantissa bits.
template <Rounding R>
inline std::uint32_t f32_to_tf32(float x) {
  const std::uint32_t bits = bits_of(x);
  std::uint32_t rounded = bits;
  if constexpr (R == Rounding::nearest_away) rounded = bits + 0x1000u;
  if constexpr (R == Rounding::nearest_even) rounded = bits + 0xfffu + ((bits >> 13) & 1);
  static_assert(R != Rounding::down && R != Rounding::up, "no such cvt to tf32");
  return (bits & 0x7fffffffu) > 0x7f800000u ? kNanF32 : rounded & 0xffffe000u;
}
inline std::uint32_t satfinite_tf32(std::uint32_t x) {
  return (x & 0x7fffffffu) == 0x7f800000u ? x - 0x2000u : x;
}
// .relu of a tf32 result.
inline std::uint32_t relu_tf32(std::uint32_t x) {
  return (x & 0x7fffffffu) > 0x7f800000u ? kNanF32 : ((x >> 31) != 0 ? 0u : x);
}

}  // namespace mtmc::emulator::numeric
