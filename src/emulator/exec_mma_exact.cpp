// The arithmetic of tensor cores bit by bit, by the rules that matrix_arithmetic.hpp names. A group
// of products and the accumulator are aligned to their largest exponent, cut to F fraction bits and
// summed.
//
// Two ways through. Rows of 8 in f32 and int32 where that is exact: no infinity or NaN, largest
// exponent in [-90, 120]. There a product is exact in f32 whenever it counts at all, scaling by a
// power of two is exact, and a conversion to int32 truncates. Everything else goes one output at a
// time in f64, which holds every product (22 bits) and every sum (33 bits) exactly.
#include <algorithm>
#include <cmath>

#include "emulator/matrix.hpp"
#include "emulator/matrix_vector.hpp"
#include "emulator/numeric.hpp"

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors stay inside this file

namespace mtmc::emulator {
namespace {

using U8 = uint32_t __attribute__((vector_size(32)));

constexpr int zero_exponent = -126;

using Rule = TensorCoreRule;

int least_exponent(Element e) {
  switch (e) {
    case Element::f16:
    case Element::e5m2:
      return -14;
    case Element::e4m3:
      return -6;
    default:
      return -126;
  }
}

}  // namespace

TensorCoreRule tensor_core_rule(const MatrixForm& form, MatrixArithmetic arithmetic) {
  const bool fp8 = form.a == Element::e4m3 || form.a == Element::e5m2;
  const bool warpgroup = form.has(MatrixForm::warpgroup);
  const bool hopper = arithmetic == MatrixArithmetic::hopper || warpgroup;
  TensorCoreRule rule;
  rule.half = form.d == Accumulator::f16;
  rule.least_a = least_exponent(form.a);
  rule.least_b = least_exponent(form.b);
  rule.least_c = rule.half ? -14 : -126;
  rule.fraction_bits = hopper ? 25 : 24;
  if (fp8 && (warpgroup || !hopper)) {
    rule.fraction_bits = 13;
    rule.result_bits = 13;
  }
  const int longest = fp8 ? 32 : form.a == Element::tf32 ? 8 : 16;
  rule.group = !hopper && form.depth == longest ? form.depth / 2 : form.depth;
  return rule;
}

namespace {

// ---- one output --------------------------------------------------------------------------------

struct Parts {
  double significand;
  int exponent;
};

Parts parts_of(double x, int least) {
  if (x == 0) return {0, zero_exponent};
  const int exponent = std::max(std::ilogb(x), least);
  return {std::ldexp(x, -exponent), exponent};
}

float round_result(const Rule& rule, double x) {
  if (x == 0) return 0;
  if (rule.half) return numeric::f16_to_f32(numeric::f64_to_f16(x));
  const int cut = std::max(std::ilogb(x), -126) - rule.result_bits;
  const double result = std::ldexp(std::trunc(std::ldexp(x, -cut)), cut);
  return result == 0 ? 0.0f : static_cast<float>(result);
}

// a: products in a row; b: with a stride of 8.
float sum_group(const Rule& rule, const float* a, const float* b, float c) {
  double plain = c;
  bool zero = c == 0;
  for (int k = 0; k < rule.group; ++k) {
    const double product = static_cast<double>(a[k]) * b[k * 8];
    plain += product;
    zero = zero && product == 0;
  }
  if (plain != plain) return numeric::f32_of(numeric::kNanF32);
  if (std::isinf(plain)) return static_cast<float>(plain);
  if (zero) return 0;
  const Parts start = parts_of(c, rule.least_c);
  Parts part[deepest];
  int largest = start.exponent;
  for (int k = 0; k < rule.group; ++k) {
    const Parts x = parts_of(a[k], rule.least_a);
    const Parts y = parts_of(b[k * 8], rule.least_b);
    part[k] = {x.significand * y.significand, x.exponent + y.exponent};
    largest = std::max(largest, part[k].exponent);
  }
  const auto aligned = [&](const Parts& p) {
    return static_cast<int64_t>(
        std::ldexp(p.significand, rule.fraction_bits + p.exponent - largest));
  };
  int64_t sum = aligned(start);
  for (int k = 0; k < rule.group; ++k) sum += aligned(part[k]);
  return round_result(rule, std::ldexp(static_cast<double>(sum), largest - rule.fraction_bits));
}

// ---- rows of eight -----------------------------------------------------------------------------

MTMC_INLINE I8 exponents(F8 x, int least) {
  const I8 bits = reinterpret_cast<I8>(x);
  I8 e = ((bits >> 23) & 255) - 127;
  e = e > least ? e : (I8{} + least);
  return (bits & 0x7fffffff) == 0 ? (I8{} + zero_exponent) : e;
}

MTMC_INLINE bool any(I8 mask) {  // of elements that are 0 or -1
#ifdef __AVX__
  return _mm256_movemask_ps(reinterpret_cast<__m256>(mask)) != 0;
#else
  int32_t all = 0;
  for (int i = 0; i < 8; ++i) all |= mask[i];
  return all != 0;
#endif
}

MTMC_INLINE I8 magnitude(I8 x) {
  return x < 0 ? reinterpret_cast<I8>(-reinterpret_cast<U8>(x)) : x;
}

// An integer below 2^31 as a float with `bits` fraction bits, cut; for an f16 result instead with
// its last bit set when something was cut, so that rounding it again is right.
MTMC_INLINE F8 cut(const Rule& rule, I8 sum) {
  const F8 nearest = __builtin_convertvector(sum, F8);
  const I8 back = __builtin_convertvector(nearest, I8);
  I8 bits = reinterpret_cast<I8>(nearest);
  bits += magnitude(back) > magnitude(sum);  // one down in magnitude where it was rounded up
  if (rule.half) return reinterpret_cast<F8>(bits | ((back != sum) & 1));
  return reinterpret_cast<F8>(bits & -(1 << (23 - rule.result_bits)));
}

MTMC_INLINE F8 round_to_half(F8 x) {
#ifdef __AVX2__
  return reinterpret_cast<F8>(_mm256_cvtph_ps(_mm256_cvtps_ph(reinterpret_cast<__m256>(x), 0)));
#else
  for (int s = 0; s < 8; ++s) x[s] = numeric::f16_to_f32(numeric::f32_to_f16(x[s]));
  return x;
#endif
}

// False when some output of the row needs the other way; c is then untouched.
template <int Group>
MTMC_INLINE bool sum_group_row(const Rule& rule, const float* a, const int32_t* a_exponent,
                               const float* b, const I8* b_exponent, F8& c) {
  I8 largest = exponents(c, rule.least_c);
#pragma GCC unroll 16
  for (int k = 0; k < Group; ++k) {
    const I8 e = b_exponent[k] + a_exponent[k];
    largest = largest > e ? largest : e;
  }
  if (__builtin_expect(any((largest < -90) | (largest > 120)), 0)) return false;
  const F8 scale = reinterpret_cast<F8>(((127 + rule.fraction_bits) - largest) << 23);
  I8 even = __builtin_convertvector(c * scale, I8);
  I8 odd = I8{};
#pragma GCC unroll 8
  for (int k = 0; k < Group; k += 2) {
    even += __builtin_convertvector(load8(b + k * 8) * a[k] * scale, I8);
    odd += __builtin_convertvector(load8(b + k * 8 + 8) * a[k + 1] * scale, I8);
  }
  // 16 products of almost 4 and c may not fit at F = 25.
  const auto sum = reinterpret_cast<I8>(reinterpret_cast<U8>(even) + reinterpret_cast<U8>(odd));
  const I8 wrapped = ((even ^ sum) & (odd ^ sum)) < 0;
  if (__builtin_expect(any(wrapped | (magnitude(sum) > 0x7fffff7f)), 0)) {
    return false;
  }
  c = cut(rule, sum) * reinterpret_cast<F8>((largest + (127 - rule.fraction_bits)) << 23);
  if (rule.half) c = round_to_half(c);
  return true;
}

template <int Group>
void multiply_groups(const MatrixForm& form, const Rule& rule, const float* a, const float* b,
                     float* c) {
  const int depth = form.depth;
  constexpr int longest = 32;
  alignas(32) I8 b_exponent[longest];
  alignas(32) int32_t a_exponent[16 * longest];
  I8 top = I8{} - 128;
  for (int k = 0; k < depth; ++k) {
    b_exponent[k] = exponents(load8(b + k * 8), rule.least_b);
    top = top > b_exponent[k] ? top : b_exponent[k];
  }
  for (int i = 0; i < form.tile_rows() * depth; i += 8) {
    const I8 e = exponents(load8(a + i), rule.least_a);
    std::memcpy(a_exponent + i, &e, sizeof(e));
    top = top > e ? top : e;
  }
  // An infinite or NaN element of c has an exponent above 120 and needs no test here.
  const bool finite = !any(top > 127);
  for (int r = 0; r < form.tile_rows(); ++r) {
    const float* row = a + r * depth;
    const int32_t* row_exponent = a_exponent + r * depth;
    F8 sum = load8(c + r * 8);
    for (int k = 0; k < depth; k += Group) {
      if (finite &&
          sum_group_row<Group>(rule, row + k, row_exponent + k, b + k * 8, b_exponent + k, sum)) {
        continue;
      }
      for (int s = 0; s < 8; ++s) sum[s] = sum_group(rule, row + k, b + k * 8 + s, sum[s]);
    }
    store8(c + r * 8, sum);
  }
}

}  // namespace

void multiply_exact(const MatrixForm& form, MatrixArithmetic arithmetic, const float* a,
                    const float* b, float* c) {
  const Rule rule = tensor_core_rule(form, arithmetic);
  switch (rule.group) {
    case 4:
      return multiply_groups<4>(form, rule, a, b, c);
    case 8:
      return multiply_groups<8>(form, rule, a, b, c);
    case 16:
      return multiply_groups<16>(form, rule, a, b, c);
    default:
      return multiply_groups<32>(form, rule, a, b, c);
  }
}

}  // namespace mtmc::emulator
