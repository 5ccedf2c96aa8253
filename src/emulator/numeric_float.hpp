// Floating-point arithmetic of PTX in f16, bf16, f32 and f64; see numeric.hpp.
//
// Sections of the PTX ISA: "Floating Point Instructions", "Half Precision Floating Point
// Instructions", "Comparison and Selection", "Half Precision Comparison Instructions".
//
// Directed rounding in f32 needs no change of the rounding mode: the exact result is held as the
// unevaluated sum of two doubles (Knuth's TwoSum; Boldo and Melquiond's round-to-odd keeps a second
// rounding harmless), rounded to nearest, and moved by one unit where it lies on the wrong side.
#pragma once

#include <bit>
#include <cmath>
#include <concepts>
#include <cstdint>

namespace mtmc::emulator::numeric {

// .rn .rz .rm .rp .rna, and .rni .rzi .rmi .rpi where the result is an integer.
enum class Rounding { nearest_even, toward_zero, down, up, nearest_away };

inline constexpr std::uint32_t kNanF32 = 0x7fffffffu;
inline constexpr std::uint16_t kNanF16 = 0x7fffu;  // also bf16
inline constexpr std::uint16_t kInfF16 = 0x7c00u;
inline constexpr std::uint16_t kInfBf16 = 0x7f80u;

inline std::uint32_t bits_of(float x) { return std::bit_cast<std::uint32_t>(x); }
inline std::uint64_t bits_of(double x) { return std::bit_cast<std::uint64_t>(x); }
inline float f32_of(std::uint32_t bits) { return std::bit_cast<float>(bits); }
inline double f64_of(std::uint64_t bits) { return std::bit_cast<double>(bits); }

inline float canonical(float x) { return x != x ? f32_of(kNanF32) : x; }
inline double canonical(double x) { return x; }  // f64 keeps NaN payloads

// .ftz: a subnormal becomes a zero of its sign.
inline float flush(float x) {
  const std::uint32_t bits = bits_of(x);
  return (bits & 0x7f800000u) == 0 ? f32_of(bits & 0x80000000u) : x;
}
inline std::uint16_t flush_f16(std::uint16_t x) {
  return (x & 0x7c00u) == 0 ? static_cast<std::uint16_t>(x & 0x8000u) : x;
}

// .sat: [+0, 1], NaN gives +0. -0 gives +0.
inline float saturate(float x) { return x > 0.0f ? (x < 1.0f ? x : 1.0f) : 0.0f; }
inline double saturate(double x) { return x > 0.0 ? (x < 1.0 ? x : 1.0) : 0.0; }

// ---- exact sums, and rounding them -------------------------------------------------------------

// value + error is the exact result of an operation and |error| is at most half an ulp of value.
struct ExactSum {
  double value;
  double error;
};

// Exact when no intermediate overflows, which sums of f32 and products of two f32 never do.
inline ExactSum two_sum(double a, double b) {
  const double s = a + b;
  const double b_part = s - a;
  return {s, (a - (s - b_part)) + (b - b_part)};
}

// The neighbours of a finite or infinite value; -0 and +0 are one value.
inline float next_up(float x) {
  const std::uint32_t bits = bits_of(x);
  const std::uint32_t moved = (bits >> 31) != 0 ? bits - 1 : bits + 1;
  return f32_of(x == 0.0f ? 1u : moved);
}
inline float next_down(float x) { return -next_up(-x); }
inline double next_up(double x) {
  const std::uint64_t bits = bits_of(x);
  const std::uint64_t moved = (bits >> 63) != 0 ? bits - 1 : bits + 1;
  return f64_of(x == 0.0 ? 1ull : moved);
}
inline double next_down(double x) { return -next_up(-x); }

// Round to odd: an inexact value whose last bit is even moves by one towards the exact value, so a
// later rounding to at least two bits less is the rounding of the exact value.
// No comparisons: SSE2 has none of 64-bit integers.
inline double round_to_odd(ExactSum x) {
  const double error = x.error == x.error ? x.error : 0.0;  // of infinities
  const std::uint64_t bits = bits_of(x.value), twice = bits_of(error) << 1;
  const std::uint64_t inexact = (twice | (std::uint64_t{0} - twice)) >> 63;
  const std::uint64_t inwards = inexact & ((bits ^ bits_of(error)) >> 63);
  return f64_of((bits - inwards) | inexact);
}
inline float round_to_odd_f32(double x) {
  const float nearest = static_cast<float>(x);
  const double back = nearest;
  const std::uint32_t bits = bits_of(nearest);
  const bool adjust = (back < x || back > x) && (bits & 1) == 0;
  const bool grow = (x > back) == (x > 0.0);
  return f32_of(adjust ? (grow ? bits + 1 : bits - 1) : bits);
}

// Rounds an exact result to f32. Zero results keep the sign of value; NaN becomes canonical.
template <Rounding R>
inline float round_f32(ExactSum x) {
  if constexpr (R == Rounding::nearest_even) {
    return canonical(static_cast<float>(round_to_odd(x)));
  } else {
    const float nearest = static_cast<float>(x.value);
    const double rest = x.value - static_cast<double>(nearest);
    const bool below = rest > 0.0 || (rest == 0.0 && x.error > 0.0);  // nearest < exact
    const bool above = rest < 0.0 || (rest == 0.0 && x.error < 0.0);
    float result = nearest;
    if constexpr (R == Rounding::down) {
      result = above ? next_down(nearest) : nearest;
    } else if constexpr (R == Rounding::up) {
      result = below ? next_up(nearest) : nearest;
    } else {
      static_assert(R == Rounding::toward_zero, "ties away is not an arithmetic rounding of PTX");
      // The sign of the exact result is the sign of value; one step on the bits is one ulp inwards.
      const bool outside = x.value > 0.0 ? above : below;
      result = outside ? f32_of(bits_of(nearest) - 1) : nearest;
    }
    return canonical(result);
  }
}

// An exact sum of two terms that cancels is -0 when rounding down, unless both terms are +0.
template <Rounding R>
inline float with_sum_zero(float result, double a, double b) {
  if constexpr (R == Rounding::down) {
    const bool negative = ((bits_of(a) | bits_of(b)) >> 63) != 0;
    return result == 0.0f && a + b == 0.0 ? (negative ? -0.0f : 0.0f) : result;
  }
  return result;
}

// ---- f32 ---------------------------------------------------------------------------------------

template <Rounding R = Rounding::nearest_even>
inline float add(float a, float b) {
  if constexpr (R == Rounding::nearest_even) return canonical(a + b);
  return with_sum_zero<R>(round_f32<R>(two_sum(a, b)), a, b);
}
template <Rounding R = Rounding::nearest_even>
inline float sub(float a, float b) {
  return add<R>(a, -b);
}
template <Rounding R = Rounding::nearest_even>
inline float mul(float a, float b) {
  if constexpr (R == Rounding::nearest_even) return canonical(a * b);
  return round_f32<R>({static_cast<double>(a) * b, 0.0});
}
// fma to nearest without the instruction; any NaN is a NaN.
inline float fused_in_f64(float a, float b, float c) {
  return static_cast<float>(round_to_odd(two_sum(static_cast<double>(a) * b, c)));
}
inline float fused(float a, float b, float c) {
#ifdef __FMA__
  return std::fma(a, b, c);
#else
  return fused_in_f64(a, b, c);
#endif
}
template <Rounding R = Rounding::nearest_even>
inline float fma(float a, float b, float c) {
  if constexpr (R == Rounding::nearest_even) return canonical(fused(a, b, c));
  const double product = static_cast<double>(a) * b;  // exact: 48 bits, no overflow
  return with_sum_zero<R>(round_f32<R>(two_sum(product, c)), product, c);
}
// The remainder of a correctly rounded quotient (root) is exact in one fma; only its sign matters.
template <Rounding R = Rounding::nearest_even>
inline float div(float a, float b) {
  if constexpr (R == Rounding::nearest_even) return canonical(a / b);
  const double divisor = b;
  const double quotient = a / divisor;
  const double rest = std::fma(-quotient, divisor, static_cast<double>(a));
  return round_f32<R>({quotient, divisor < 0.0 ? -rest : rest});
}
template <Rounding R = Rounding::nearest_even>
inline float rcp(float a) {
  return div<R>(1.0f, a);
}
template <Rounding R = Rounding::nearest_even>
inline float sqrt(float a) {
  if constexpr (R == Rounding::nearest_even) return canonical(__builtin_sqrtf(a));
  const double root = __builtin_sqrt(static_cast<double>(a));
  return round_f32<R>({root, std::fma(-root, root, static_cast<double>(a))});
}

// neg and abs act on the sign bit alone; the NaN they give is the canonical one.
inline float neg(float a) { return canonical(-a); }
inline float abs(float a) { return canonical(f32_of(bits_of(a) & 0x7fffffffu)); }
// copysign d, a, b: the sign of a on the magnitude of b.
inline float copysign(float a, float b) {
  return f32_of((bits_of(a) & 0x80000000u) | (bits_of(b) & 0x7fffffffu));
}
inline double copysign(double a, double b) {
  constexpr std::uint64_t sign = 0x8000000000000000ull;
  return f64_of((bits_of(a) & sign) | (bits_of(b) & ~sign));
}

// min, max: a NaN operand loses against a number, -0 < +0. The _nan forms (.NaN): any NaN wins.
// .xorsign.abs: min or max of the magnitudes, with the product's sign.
inline float min(float a, float b) {
  const float tie = f32_of(bits_of(a) | bits_of(b));
  const float least = a < b ? a : (b < a ? b : tie);
  return canonical(a != a ? b : (b != b ? a : least));
}
inline float max(float a, float b) {
  const float tie = f32_of(bits_of(a) & bits_of(b));
  const float most = a > b ? a : (b > a ? b : tie);
  return canonical(a != a ? b : (b != b ? a : most));
}
inline float min_nan(float a, float b) { return a != a || b != b ? f32_of(kNanF32) : min(a, b); }
inline float max_nan(float a, float b) { return a != a || b != b ? f32_of(kNanF32) : max(a, b); }
inline float xorsign(float a, float b, float magnitude) {
  const std::uint32_t sign = (bits_of(a) ^ bits_of(b)) & 0x80000000u;
  return magnitude != magnitude ? f32_of(kNanF32) : f32_of(bits_of(magnitude) | sign);
}
inline float min_xorsign_abs(float a, float b) { return xorsign(a, b, min(abs(a), abs(b))); }
inline float max_xorsign_abs(float a, float b) { return xorsign(a, b, max(abs(a), abs(b))); }
inline float min_nan_xorsign_abs(float a, float b) {
  return xorsign(a, b, min_nan(abs(a), abs(b)));
}
inline float max_nan_xorsign_abs(float a, float b) {
  return xorsign(a, b, max_nan(abs(a), abs(b)));
}

// ---- f64 ---------------------------------------------------------------------------------------

inline double add(double a, double b) { return a + b; }
inline double sub(double a, double b) { return a - b; }
inline double mul(double a, double b) { return a * b; }
inline double fma(double a, double b, double c) { return std::fma(a, b, c); }
inline double div(double a, double b) { return a / b; }
inline double sqrt(double a) { return __builtin_sqrt(a); }
inline double neg(double a) { return f64_of(bits_of(a) ^ 0x8000000000000000ull); }
inline double abs(double a) { return f64_of(bits_of(a) & 0x7fffffffffffffffull); }
inline double min(double a, double b) {
  const double tie = f64_of(bits_of(a) | bits_of(b));
  const double least = a < b ? a : (b < a ? b : tie);
  return a != a ? b : (b != b ? a : least);
}
inline double max(double a, double b) {
  const double tie = f64_of(bits_of(a) & bits_of(b));
  const double most = a > b ? a : (b > a ? b : tie);
  return a != a ? b : (b != b ? a : most);
}

// Directed rounding (.rz .rm .rp; nearest_even works too). Slow: these switch the rounding mode of
// the calling thread for one operation and restore it.
double add_f64(Rounding rounding, double a, double b);
double mul_f64(Rounding rounding, double a, double b);
double fma_f64(Rounding rounding, double a, double b, double c);
double div_f64(Rounding rounding, double a, double b);
double sqrt_f64(Rounding rounding, double a);

// ---- f16 and bf16 encodings --------------------------------------------------------------------

inline float f16_to_f32(std::uint16_t h) {
  const std::uint32_t sign = (h & 0x8000u) << 16;
  const std::uint32_t shifted = (h & 0x7fffu) << 13;
  const std::uint32_t normal = shifted + (112u << 23);
  constexpr std::uint32_t kMagic = 113u << 23;  // 2^-14: subnormals are normalised by a subtraction
  const std::uint32_t subnormal = bits_of(f32_of(shifted + kMagic) - f32_of(kMagic));
  const std::uint32_t finite = shifted < (0x0400u << 13) ? subnormal : normal;
  const std::uint32_t inf = 0x7f800000u | sign;
  const std::uint32_t magnitude = shifted >= (0x7c00u << 13) ? inf : (finite | sign);
  return f32_of(shifted > (0x7c00u << 13) ? kNanF32 : magnitude);
}

inline float bf16_to_f32(std::uint16_t h) {
  return canonical(f32_of(static_cast<std::uint32_t>(h) << 16));
}

// The magnitude (f32 bits without sign) in a format with E exponent and M mantissa bits: to nearest
// even. The exponent may run past the format's largest; the caller decides what that means.
template <unsigned E, unsigned M>
inline std::uint32_t round_magnitude(std::uint32_t magnitude) {
  constexpr std::uint32_t kBias = (1u << (E - 1)) - 1;
  constexpr std::uint32_t kShift = 23 - M;
  // Adding a power of two whose ulp is the format's smallest subnormal rounds in the hardware.
  constexpr std::uint32_t kMagic = (127 + 1 - kBias + kShift) << 23;
  const std::uint32_t subnormal = bits_of(f32_of(magnitude) + f32_of(kMagic)) - kMagic;
  const std::uint32_t half = (1u << (kShift - 1)) - 1 + ((magnitude >> kShift) & 1);
  const std::uint32_t normal = (magnitude - ((127 - kBias) << 23) + half) >> kShift;
  return magnitude < ((128 - kBias) << 23) ? subnormal : normal;
}
// The same, truncated.
template <unsigned E, unsigned M>
inline std::uint32_t truncate_magnitude(std::uint32_t magnitude) {
  constexpr std::uint32_t kBias = (1u << (E - 1)) - 1;
  constexpr std::uint32_t kShift = 23 - M;
  const std::uint32_t exponent = magnitude >> 23;
  const std::uint32_t shift = kShift + (128 - kBias) - exponent;  // wraps for normals: unused there
  const std::uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
  const std::uint32_t subnormal = exponent != 0 && shift < 25 ? mantissa >> (shift & 31) : 0;
  const std::uint32_t normal = (magnitude - ((127 - kBias) << 23)) >> kShift;
  return magnitude < ((128 - kBias) << 23) ? subnormal : normal;
}

inline std::uint16_t f32_to_f16(float x) {
  const std::uint32_t magnitude = bits_of(x) & 0x7fffffffu;
  const std::uint32_t sign = (bits_of(x) >> 16) & 0x8000u;
  const std::uint32_t rounded = round_magnitude<5, 10>(magnitude);
  const std::uint32_t finite = rounded < kInfF16 ? rounded : kInfF16;
  return static_cast<std::uint16_t>(magnitude > 0x7f800000u ? kNanF16 : (finite | sign));
}
inline std::uint16_t f32_to_bf16(float x) {
  const std::uint32_t bits = bits_of(x);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
  return static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? kNanF16 : rounded);
}

// ---- f16 and bf16 arithmetic -------------------------------------------------------------------
//
// Products of f16 (22 bits) and bf16 (16 bits) are exact in f32, and 24 bits are at least 2p + 2 of
// either, so one operation in f32 rounded again is rounded once (Figueroa). A fused multiply-add is
// not so lucky and goes through round-to-odd.

struct F16 {
  static float widen(std::uint16_t x) { return f16_to_f32(x); }
  static std::uint16_t narrow(float x) { return f32_to_f16(x); }
  // The sum of an exact f32 product and an f16 never leaves f32's range, so TwoSum in f32 is exact.
  static std::uint16_t fma(std::uint16_t a, std::uint16_t b, std::uint16_t c) {
    const float product = widen(a) * widen(b);
    const float addend = widen(c);
    const float sum = product + addend;
    const float part = sum - product;
    const float error = (product - (sum - part)) + (addend - part);
    const std::uint32_t bits = bits_of(sum);
    const bool adjust = (error > 0.0f || error < 0.0f) && (bits & 1) == 0;
    const bool grow = (error > 0.0f) == (sum > 0.0f);
    return narrow(f32_of(adjust ? (grow ? bits + 1 : bits - 1) : bits));
  }
};

struct Bf16 {
  static float widen(std::uint16_t x) { return bf16_to_f32(x); }
  static std::uint16_t narrow(float x) { return f32_to_bf16(x); }
  // bf16 has the exponents of f32: the product needs the range of f64.
  static std::uint16_t fma(std::uint16_t a, std::uint16_t b, std::uint16_t c) {
    const double product = static_cast<double>(widen(a)) * widen(b);
    return narrow(round_to_odd_f32(round_to_odd(two_sum(product, widen(c)))));
  }
};

template <class H>
concept HalfFormat = std::same_as<H, F16> || std::same_as<H, Bf16>;

template <HalfFormat H>
inline std::uint16_t add(std::uint16_t a, std::uint16_t b) {
  return H::narrow(H::widen(a) + H::widen(b));
}
template <HalfFormat H>
inline std::uint16_t sub(std::uint16_t a, std::uint16_t b) {
  return H::narrow(H::widen(a) - H::widen(b));
}
template <HalfFormat H>
inline std::uint16_t mul(std::uint16_t a, std::uint16_t b) {
  return H::narrow(H::widen(a) * H::widen(b));
}
template <HalfFormat H>
inline std::uint16_t fma(std::uint16_t a, std::uint16_t b, std::uint16_t c) {
  return H::fma(a, b, c);
}
template <HalfFormat H>
inline std::uint16_t neg(std::uint16_t a) {
  return H::narrow(-H::widen(a));
}
template <HalfFormat H>
inline std::uint16_t abs(std::uint16_t a) {
  return H::narrow(abs(H::widen(a)));
}
template <HalfFormat H>
inline std::uint16_t min(std::uint16_t a, std::uint16_t b) {
  return H::narrow(min(H::widen(a), H::widen(b)));
}
template <HalfFormat H>
inline std::uint16_t max(std::uint16_t a, std::uint16_t b) {
  return H::narrow(max(H::widen(a), H::widen(b)));
}
template <HalfFormat H>
inline std::uint16_t min_nan(std::uint16_t a, std::uint16_t b) {
  return H::narrow(min_nan(H::widen(a), H::widen(b)));
}
template <HalfFormat H>
inline std::uint16_t max_nan(std::uint16_t a, std::uint16_t b) {
  return H::narrow(max_nan(H::widen(a), H::widen(b)));
}
// The sign bit of a NaN operand counts too.
inline std::uint16_t xorsign(std::uint16_t a, std::uint16_t b, std::uint16_t magnitude) {
  const auto sign = static_cast<std::uint16_t>((a ^ b) & 0x8000u);
  return magnitude == kNanF16 ? kNanF16 : static_cast<std::uint16_t>(magnitude | sign);
}
template <HalfFormat H>
inline std::uint16_t min_xorsign_abs(std::uint16_t a, std::uint16_t b) {
  return xorsign(a, b, min<H>(abs<H>(a), abs<H>(b)));
}
template <HalfFormat H>
inline std::uint16_t max_xorsign_abs(std::uint16_t a, std::uint16_t b) {
  return xorsign(a, b, max<H>(abs<H>(a), abs<H>(b)));
}
template <HalfFormat H>
inline std::uint16_t min_nan_xorsign_abs(std::uint16_t a, std::uint16_t b) {
  return xorsign(a, b, min_nan<H>(abs<H>(a), abs<H>(b)));
}
template <HalfFormat H>
inline std::uint16_t max_nan_xorsign_abs(std::uint16_t a, std::uint16_t b) {
  return xorsign(a, b, max_nan<H>(abs<H>(a), abs<H>(b)));
}
// .sat and .relu of a half result; relu of NaN is the canonical NaN.
template <HalfFormat H>
inline std::uint16_t saturate(std::uint16_t a) {
  return H::narrow(saturate(H::widen(a)));
}
inline std::uint16_t relu(std::uint16_t a, std::uint16_t infinity) {
  const std::uint16_t magnitude = a & 0x7fffu;
  return magnitude > infinity ? kNanF16 : ((a & 0x8000u) != 0 ? std::uint16_t{0} : a);
}
template <HalfFormat H>
inline std::uint16_t relu(std::uint16_t a) {
  return relu(a, std::same_as<H, F16> ? kInfF16 : kInfBf16);
}

// f16x2 and bf16x2: the operation on each half. on_halves<add<F16>>(a, b).
template <auto Operation, class... Packed>
inline std::uint32_t on_halves(Packed... operands) {
  const std::uint32_t low = Operation(static_cast<std::uint16_t>(operands)...);
  const std::uint32_t high = Operation(static_cast<std::uint16_t>(operands >> 16)...);
  return low | (high << 16);
}

// ---- comparison and classes --------------------------------------------------------------------

// setp and set: lo ls hi hs are lt le gt ge on unsigned types. The u-forms hold when either operand
// is NaN; num: both are numbers; nan: one is not.
enum class Compare { eq, ne, lt, le, gt, ge, equ, neu, ltu, leu, gtu, geu, num, nan };

template <Compare C, class T>
inline bool compare(T a, T b) {
  if constexpr (C == Compare::eq) return a == b;
  if constexpr (C == Compare::ne) return (a < b) | (a > b);  // ordered: false for NaN
  if constexpr (C == Compare::lt) return a < b;
  if constexpr (C == Compare::le) return a <= b;
  if constexpr (C == Compare::gt) return a > b;
  if constexpr (C == Compare::ge) return a >= b;
  if constexpr (C == Compare::equ) return !((a < b) | (a > b));
  if constexpr (C == Compare::neu) return !(a == b);
  if constexpr (C == Compare::ltu) return !(a >= b);
  if constexpr (C == Compare::leu) return !(a > b);
  if constexpr (C == Compare::gtu) return !(a <= b);
  if constexpr (C == Compare::geu) return !(a < b);
  if constexpr (C == Compare::num) return (a == a) & (b == b);
  if constexpr (C == Compare::nan) return (a != a) | (b != b);
}

// testp. T is float or double.
template <class T>
struct FloatLayout;
template <>
struct FloatLayout<float> {
  static constexpr std::uint32_t kExponent = 0x7f800000u, kMagnitude = 0x7fffffffu;
};
template <>
struct FloatLayout<double> {
  static constexpr std::uint64_t kExponent = 0x7ff0000000000000ull,
                                 kMagnitude = 0x7fffffffffffffffull;
};
template <class T>
inline bool is_finite(T x) {
  return (bits_of(x) & FloatLayout<T>::kExponent) != FloatLayout<T>::kExponent;
}
template <class T>
inline bool is_infinite(T x) {
  return (bits_of(x) & FloatLayout<T>::kMagnitude) == FloatLayout<T>::kExponent;
}
template <class T>
inline bool is_number(T x) {
  return x == x;
}
template <class T>
inline bool is_not_a_number(T x) {
  return x != x;
}
// The ISA counts both zeros as normal numbers.
template <class T>
inline bool is_normal(T x) {
  return is_finite(x) && ((bits_of(x) & FloatLayout<T>::kExponent) != 0 || x == T{0});
}
template <class T>
inline bool is_subnormal(T x) {
  return (bits_of(x) & FloatLayout<T>::kExponent) == 0 && x != T{0};
}

}  // namespace mtmc::emulator::numeric
