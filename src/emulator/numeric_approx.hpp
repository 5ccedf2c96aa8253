// The .approx instructions of PTX: ex2, lg2, sin, cos, tanh, rcp, rsqrt, sqrt, div.
//
// Sections of the PTX ISA: "Floating Point Instructions: ex2, lg2, sin, cos, tanh, rcp, rsqrt,
// sqrt, div". The hardware interpolates in tables that are not published, so its bits cannot be
// given: these are closer to the exact value than the ISA demands, and results must be compared
// with a tolerance.
//
// Largest error of each form here, and what the PTX ISA promises of the hardware. An ulp is of the
// exact result; the .ftz forms flush operands and results and are otherwise the same.
//   ex2.approx.f32         1 ulp                    2^-22 relative
//   lg2.approx.f32         0.51 ulp                 2^-22 absolute in (1/2, 2), else relative
//   sin, cos.approx.f32    2^-24 for |x| <= 2^33    2^-20.5 absolute in [-2 pi, 2 pi]
//   tanh.approx.f32        0.51 ulp                 2^-11 relative
//   rcp.approx.f32         0.5 ulp                  2^-23 relative
//   sqrt.approx.f32        0.51 ulp                 2^-23 relative
//   rsqrt.approx.f32       0.51 ulp                 2^-22.9 relative
//   div.approx, div.full   0.51 ulp                 2 ulp (div.approx: 2^-126 <= |b| <= 2^126)
//   ex2.approx.f16, bf16   0.51 ulp                 2^-9.9, 2^-7 relative
//   tanh.approx.f16, bf16  0.51 ulp                 2^-10.987, 2^-8 absolute
//   rcp, rsqrt.ftz.f64     2^-20 relative           none stated
// Beyond 2^33 sin and cos stay in [-1, 1] and lose accuracy with the size of the argument.
// tests/emulator/approximation_test.cpp holds them to both columns.
//
// Method: polynomials after the usual argument reduction; ex2 in f32, the others in f64, with masks
// in place of branches.
#pragma once

#include <cstdint>

#include "emulator/numeric_float.hpp"

namespace mtmc::emulator::numeric {

// Adding and subtracting this rounds |x| < 2^51 to an integer held in the low bits.
inline constexpr double kRoundMagic = 6755399441055744.0;  // 1.5 * 2^52

// ex2.approx.f32: within 1 ulp; subnormal results kept; -inf gives +0.
inline float ex2(float x) {
  const float low = x > -151.0f ? x : -151.0f;  // NaN becomes -151 and is put back at the end
  const float clamped = low < 128.0f ? low : 128.0f;
  const float whole = __builtin_rintf(clamped);
  const float f = clamped - whole;
  // ln(2)^k / k!: |f| <= 1/2 leaves a relative truncation error below 2^-27.
  float p = 1.5252734e-5f;
  p = fused(p, f, 1.5403530e-4f);
  p = fused(p, f, 1.3333558e-3f);
  p = fused(p, f, 9.6181291e-3f);
  p = fused(p, f, 5.5504109e-2f);
  p = fused(p, f, 2.4022651e-1f);
  p = fused(p, f, 6.9314718e-1f);
  p = fused(p, f, 1.0f);
  const std::int32_t exponent = static_cast<std::int32_t>(whole);
  const std::int32_t half = exponent >> 1;  // two factors reach subnormals and infinity
  const float scale_a = f32_of(static_cast<std::uint32_t>(half + 127) << 23);
  const float scale_b = f32_of(static_cast<std::uint32_t>(exponent - half + 127) << 23);
  return x != x ? f32_of(kNanF32) : p * scale_a * scale_b;
}

// 2^x in f64 for |x| < 1000: relative error below 1e-13.
inline double ex2_f64(double x) {
  const double shifted = x + kRoundMagic;
  const double f = x - (shifted - kRoundMagic);
  const double t = f * 0.69314718055994530942;
  double p = 1.0 / 39916800.0;
  p = std::fma(p, t, 1.0 / 3628800.0);
  p = std::fma(p, t, 1.0 / 362880.0);
  p = std::fma(p, t, 1.0 / 40320.0);
  p = std::fma(p, t, 1.0 / 5040.0);
  p = std::fma(p, t, 1.0 / 720.0);
  p = std::fma(p, t, 1.0 / 120.0);
  p = std::fma(p, t, 1.0 / 24.0);
  p = std::fma(p, t, 1.0 / 6.0);
  p = std::fma(p, t, 0.5);
  p = std::fma(p, t, 1.0);
  p = std::fma(p, t, 1.0);
  return f64_of(bits_of(p) + (bits_of(shifted) << 52));
}

// lg2.approx.f32: within 1 ulp; lg2(+-0) = -inf, negative arguments give NaN.
inline float lg2(float x) {
  const double wide = x;  // a subnormal f32 is a normal f64
  const std::uint64_t bits = bits_of(wide);
  // x = m * 2^e with m in [sqrt(1/2), sqrt(2)), so that lg2 near 1 keeps its relative accuracy.
  constexpr std::uint64_t kRootHalf = 0x3fe6a09e667f3bcdull;
  const std::uint64_t offset = bits - kRootHalf;
  const std::uint64_t biased = (offset >> 52) & 0x7ff;  // exponent modulo 2048
  const double exponent =
      f64_of(0x4330000000000000ull | ((biased + 1024) & 0x7ff)) - 4503599627370496.0 - 1024.0;
  const double m = f64_of((offset & 0x000fffffffffffffull) + kRootHalf);
  const double z = (m - 1.0) / (m + 1.0);
  const double zz = z * z;
  double p = 1.0 / 15.0;
  p = std::fma(p, zz, 1.0 / 13.0);
  p = std::fma(p, zz, 1.0 / 11.0);
  p = std::fma(p, zz, 1.0 / 9.0);
  p = std::fma(p, zz, 1.0 / 7.0);
  p = std::fma(p, zz, 1.0 / 5.0);
  p = std::fma(p, zz, 1.0 / 3.0);
  p = std::fma(p, zz, 1.0);
  const double log = std::fma(2.88539008177792681472 * z, p, exponent);  // 2 / ln 2
  const float inf = f32_of(0x7f800000u);
  const float finite = static_cast<float>(log);
  const float positive = x == inf ? inf : finite;
  return x > 0.0f ? positive : (x == 0.0f ? -inf : f32_of(kNanF32));
}

// The sine (quadrant 0) or cosine (quadrant 1) of x: absolute error below 2^-24 for |x| < 2^20 or
// so; beyond that the argument's reduction with 107 bits of pi loses accuracy slowly, while the
// result stays in [-1, 1]. Infinities give NaN.
inline float sine(float x, double quadrant_offset) {
  const double wide = x;
  const double turns = __builtin_rint(wide * 0.63661977236758134308);  // 2 / pi
  double r = std::fma(-turns, 1.57079632679489655800, wide);
  r = std::fma(-turns, 6.12323399573676603587e-17, r);
  r = r < -0.8 ? -0.8 : (r > 0.8 ? 0.8 : r);
  const double rr = r * r;
  double s = -1.0 / 39916800.0;
  s = std::fma(s, rr, 1.0 / 362880.0);
  s = std::fma(s, rr, -1.0 / 5040.0);
  s = std::fma(s, rr, 1.0 / 120.0);
  s = std::fma(s, rr, -1.0 / 6.0);
  s = std::fma(s * rr, r, r);
  double c = 1.0 / 479001600.0;
  c = std::fma(c, rr, -1.0 / 3628800.0);
  c = std::fma(c, rr, 1.0 / 40320.0);
  c = std::fma(c, rr, -1.0 / 720.0);
  c = std::fma(c, rr, 1.0 / 24.0);
  c = std::fma(c, rr, -0.5);
  c = std::fma(c, rr, 1.0);
  const double quarter = turns + quadrant_offset;
  const double quadrant = quarter - 4.0 * std::floor(quarter * 0.25);  // 0, 1, 2, 3
  const double picked = quadrant == 1.0 || quadrant == 3.0 ? c : s;
  const double result = quadrant >= 2.0 ? -picked : picked;
  return is_finite(x) ? static_cast<float>(result) : f32_of(kNanF32);
}
inline float sin(float x) { return x == 0.0f ? x : sine(x, 0.0); }
inline float cos(float x) { return sine(x, 1.0); }

// tanh.approx.f32: within 1 ulp (the hardware: relative error 2^-11).
inline float tanh(float x) {
  const double magnitude = abs(x) < 20.0f ? static_cast<double>(abs(x)) : 20.0;
  const double t = ex2_f64(magnitude * 2.88539008177792681472);  // e^(2|x|)
  const float large = static_cast<float>((t - 1.0) / (t + 1.0));
  const float positive = magnitude < 0.000244140625 ? abs(x) : large;
  return x != x ? f32_of(kNanF32) : copysign(x, positive);
}

// rcp.approx.f32, sqrt.approx.f32 are rounded correctly here; rsqrt.approx.f32 is within 1 ulp.
inline float rcp_approx(float x) { return canonical(1.0f / x); }
inline float sqrt_approx(float x) { return canonical(__builtin_sqrtf(x)); }
inline float rsqrt(float x) {
  return canonical(static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(x))));
}

// div.approx.f32: for 2^126 < |b| < 2^128 the result is 0 with the quotient's sign, or NaN for an
// infinite a, as the ISA states. div.full.f32 scales its operands and has no such range: use div.
inline float div_approx(float a, float b) {
  const std::uint32_t magnitude = bits_of(b) & 0x7fffffffu;
  const bool huge = magnitude > 0x7e800000u && magnitude < 0x7f800000u;
  const float zero = f32_of((bits_of(a) ^ bits_of(b)) & 0x80000000u);
  return huge ? (is_finite(a) ? zero : f32_of(kNanF32)) : canonical(a / b);
}

// rcp.approx.ftz.f64, rsqrt.approx.ftz.f64: the low 32 bits of the result are zero, subnormal
// operands and results count as zeros, NaN is canonical.
double rcp_approx_ftz_f64(double x);
double rsqrt_approx_ftz_f64(double x);

// ex2.approx.{f16,ftz.bf16}, tanh.approx.{f16,bf16}: one half; H is F16 or Bf16.
template <HalfFormat H>
inline std::uint16_t ex2(std::uint16_t x) {
  return H::narrow(ex2(H::widen(x)));
}
template <HalfFormat H>
inline std::uint16_t tanh(std::uint16_t x) {
  return H::narrow(tanh(H::widen(x)));
}

}  // namespace mtmc::emulator::numeric
