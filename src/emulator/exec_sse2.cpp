// Rows of the instruction table for CPUs without FMA, with the values of the functions in
// numeric_*.hpp bit by bit.
//
// The product of two f32 is exact in f64. Its sum with a third, rounded to f64 and then to f32, is
// the fma unless
//  - the first rounding ended halfway between two f32: the second cannot know on which side of it
//    the exact sum lies; or
//  - the result is subnormal, where the halves lie elsewhere. That is harmless where both factors
//    are zero or at least 2^-51: then product and addend are multiples of 2^-149, and a sum below
//    2^-126 is an f32.
// Both are found by their bits, and the instruction is done again by the slow function.
#include <emmintrin.h>

#include <algorithm>

#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"
#include "emulator/vector_rows.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;

inline __m128 floats(__m128i x) { return _mm_castsi128_ps(x); }
inline __m128i bits(__m128 x) { return _mm_castps_si128(x); }
inline __m128 magnitude(__m128 x) { return _mm_and_ps(x, floats(_mm_set1_epi32(0x7fffffff))); }
inline __m128 choose(__m128 condition, __m128 a, __m128 b) {
  return _mm_or_ps(_mm_and_ps(condition, a), _mm_andnot_ps(condition, b));
}
inline __m128 canonical(__m128 x) {
  return choose(_mm_cmpunord_ps(x, x), floats(_mm_set1_epi32(n::kNanF32)), x);
}
inline __m128 flush(__m128 x) {
  const __m128i exponent = _mm_and_si128(bits(x), _mm_set1_epi32(0x7f800000));
  const __m128i subnormal = _mm_cmpeq_epi32(exponent, _mm_setzero_si128());
  return _mm_andnot_ps(floats(_mm_srli_epi32(subnormal, 1)), x);
}
inline __m128d widen_low(__m128 x) { return _mm_cvtps_pd(x); }
inline __m128d widen_high(__m128 x) { return _mm_cvtps_pd(_mm_movehl_ps(x, x)); }
// From memory, which spares a shuffle; g++ 12 loads first and then converts.
inline __m128d widen_two(const float* p) {
  struct Two {
    float value[2];
  };
  __m128d r;
  asm("cvtps2pd %1, %0" : "=x"(r) : "m"(*reinterpret_cast<const Two*>(p)));
  return r;
}
inline __m128 narrow(__m128d low, __m128d high) {
  return _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
}

// Sums in f64 that lie halfway between two f32: of the 29 bits that f32 lacks the first is set and
// the others are clear. Looks at the upper 16 of them, so one in 65536 others is called a half too.
class Halves {
 public:
  void look_at(__m128d low, __m128d high) {
    const __m128 last = _mm_shuffle_ps(_mm_castpd_ps(low), _mm_castpd_ps(high), 0x88);
    least_ = _mm_min_epi16(least_, _mm_slli_epi32(bits(last), 3));
  }
  __m128 found() const {
    return floats(_mm_cmpeq_epi32(_mm_srai_epi32(least_, 16), _mm_set1_epi32(-0x8000)));
  }

 private:
  __m128i least_ = _mm_setzero_si128();
};

// ---- fma ---------------------------------------------------------------------------------------

struct Factor {
  alignas(64) double lane[lanes];
  bool tiny;  // some lane is neither zero nor at least 2^-51

  void load(const float* from) {
    __m128 below = _mm_setzero_ps();
    for (int l = 0; l < lanes; l += 4) {
      const __m128 x = _mm_load_ps(from + l);
      _mm_store_pd(lane + l, widen_low(x));
      _mm_store_pd(lane + l + 2, widen_high(x));
      const __m128 size = magnitude(x);
      below = _mm_or_ps(below, _mm_and_ps(size, _mm_cmplt_ps(size, _mm_set1_ps(0x1p-51f))));
    }
    const __m128i none = _mm_cmpeq_epi32(bits(below), _mm_setzero_si128());
    tiny = _mm_movemask_ps(floats(none)) != 15;
  }
};

// False when some lane is in doubt; d is not written then.
template <bool Masked>
inline bool multiply_add(const Factor& a, const Factor& b, const float* c, float* d,
                         const int32_t* mask) {
  if (a.tiny || b.tiny) return false;
  __m128 result[lanes / 4];
  Halves halves;
  __m128 nan = _mm_setzero_ps();
#pragma GCC unroll 8
  for (int i = 0; i < lanes / 4; ++i) {
    const auto sum = [&](int l) {
      const __m128d product = _mm_mul_pd(_mm_load_pd(a.lane + l), _mm_load_pd(b.lane + l));
      return _mm_add_pd(product, widen_two(c + l));
    };
    const __m128d low = sum(4 * i), high = sum(4 * i + 2);
    halves.look_at(low, high);
    result[i] = narrow(low, high);
    if (i % 2 == 1) nan = _mm_or_ps(nan, _mm_cmpunord_ps(result[i - 1], result[i]));
  }
  if (__builtin_expect(_mm_movemask_ps(_mm_or_ps(nan, halves.found())) != 0, 0)) return false;
#pragma GCC unroll 8
  for (int i = 0; i < lanes / 4; ++i) {
    __m128 r = result[i];
    if constexpr (Masked) {
      const auto* active = reinterpret_cast<const __m128i*>(mask + 4 * i);
      r = choose(floats(_mm_load_si128(active)), r, _mm_load_ps(d + 4 * i));
    }
    _mm_store_ps(d + 4 * i, r);
  }
  return true;
}

constexpr auto slow_fma = [](float a, float b, float c) { return n::fma(a, b, c); };

template <bool Masked>
void fma(const Op& op, Warp& warp) {
  Factor a, b;
  a.load(lane_array<float>(warp, op.a));
  b.load(lane_array<float>(warp, op.b));
  if (!multiply_add<Masked>(a, b, lane_array<float>(warp, op.c), lane_array<float>(warp, op.d),
                            warp.lane_mask)) {
    run_lanes<slow_fma, Masked, float, float, float, float>(op, warp);
  }
}

// Factors come again and again in a run (an outer product): each is widened once.
template <bool Masked>
void fma_run(const Op& op, Warp& warp) {
  constexpr size_t count = 32;
  Factor factors[count], a;
  int32_t held[count];
  std::fill_n(held, count, -1);
  const auto slot_of = [](int32_t offset) { return static_cast<size_t>(offset) / 128 % count; };
  const auto begin = [&](int32_t offset) { a.load(lane_array<float>(warp, offset)); };
  for_each_fma(warp.list(op), begin, [&](int32_t a_offset, int32_t b, int32_t c, int32_t d) {
    Factor& factor = factors[slot_of(b)];
    if (held[slot_of(b)] != b) {
      factor.load(lane_array<float>(warp, b));
      held[slot_of(b)] = b;
    }
    if (!multiply_add<Masked>(a, factor, lane_array<float>(warp, c), lane_array<float>(warp, d),
                              warp.lane_mask)) {
      Op one = op;
      one.a = a_offset, one.b = b, one.c = c, one.d = d;
      run_lanes<slow_fma, Masked, float, float, float, float>(one, warp);
    }
    if (held[slot_of(d)] == d) held[slot_of(d)] = -1;
  });
}

// In a directed mode both roundings go the same way and make one. The unit's mode is switched
// around the loop; the compiler keeps loads and stores, and what lies between them, inside.
template <int Mode, bool Masked>
void fma_directed(const Op& op, Warp& warp) {
  alignas(16) float result[lanes];
  const auto set_mode = [](unsigned control) {
    asm volatile("ldmxcsr %0" : : "m"(control) : "memory");
  };
  const float* a = lane_array<float>(warp, op.a);
  const float* b = lane_array<float>(warp, op.b);
  const float* c = lane_array<float>(warp, op.c);
  const unsigned control = _mm_getcsr();
  set_mode((control & ~unsigned{_MM_ROUND_MASK}) | Mode);
  for (int l = 0; l < lanes; l += 4) {
    const auto sum = [&](int i) {
      return _mm_add_pd(_mm_mul_pd(widen_two(a + i), widen_two(b + i)), widen_two(c + i));
    };
    _mm_store_ps(result + l, narrow(sum(l), sum(l + 2)));
  }
  set_mode(control);
  float* d = lane_array<float>(warp, op.d);
  for (int l = 0; l < lanes; l += 4) {
    const __m128 r = canonical(_mm_load_ps(result + l));
    const auto* active = reinterpret_cast<const __m128i*>(warp.lane_mask + l);
    _mm_store_ps(d + l,
                 !Masked ? r : choose(floats(_mm_load_si128(active)), r, _mm_load_ps(d + l)));
  }
}

// ---- ex2.approx --------------------------------------------------------------------------------

// numeric::ex2. Its sums are normal, so p is kept in f64 and rounded to 24 bits by Veltkamp's
// splitting, which differs from the conversion in halves only.
template <bool Flush>
inline __m128 ex2(__m128 operand, Halves& halves) {
  const __m128 x = Flush ? flush(operand) : operand;
  const __m128 clamped = _mm_min_ps(_mm_max_ps(x, _mm_set1_ps(-151.0f)), _mm_set1_ps(128.0f));
  const __m128i exponent = _mm_cvtps_epi32(clamped);
  const __m128 f = _mm_sub_ps(clamped, _mm_cvtepi32_ps(exponent));
  const __m128d f_low = widen_low(f), f_high = widen_high(f);
  __m128d low = _mm_set1_pd(double{1.5252734e-5f}), high = low;
  const auto step = [&](float addend) {
    const __m128d c = _mm_set1_pd(double{addend});
    const auto rounded = [](__m128d sum) {
      const __m128d scaled = _mm_mul_pd(sum, _mm_set1_pd(0x1p29 + 1.0));
      return _mm_sub_pd(scaled, _mm_sub_pd(scaled, sum));
    };
    low = _mm_add_pd(_mm_mul_pd(low, f_low), c);
    high = _mm_add_pd(_mm_mul_pd(high, f_high), c);
    halves.look_at(low, high);
    low = rounded(low);
    high = rounded(high);
  };
  step(1.5403530e-4f);
  step(1.3333558e-3f);
  step(9.6181291e-3f);
  step(5.5504109e-2f);
  step(2.4022651e-1f);
  step(6.9314718e-1f);
  step(1.0f);
  const __m128i half = _mm_srai_epi32(exponent, 1);
  const auto power = [](__m128i e) {
    return floats(_mm_slli_epi32(_mm_add_epi32(e, _mm_set1_epi32(127)), 23));
  };
  const __m128 scaled =
      _mm_mul_ps(_mm_mul_ps(narrow(low, high), power(half)), power(_mm_sub_epi32(exponent, half)));
  const __m128 nan = _mm_cmpunord_ps(x, x);
  const __m128 r = choose(nan, floats(_mm_set1_epi32(n::kNanF32)), scaled);
  return Flush ? flush(r) : r;
}

template <bool Flush, bool Masked>
void ex2(const Op& op, Warp& warp) {
  const float* a = lane_array<float>(warp, op.a);
  float* d = lane_array<float>(warp, op.d);
  __m128 result[lanes / 4];
  Halves halves;
  for (int i = 0; i < lanes / 4; ++i) result[i] = ex2<Flush>(_mm_load_ps(a + 4 * i), halves);
  if (__builtin_expect(_mm_movemask_ps(halves.found()) != 0, 0)) {
    constexpr auto slow = [](float x) { return Flush ? n::flush(n::ex2(n::flush(x))) : n::ex2(x); };
    return run_lanes<slow, Masked, float, float>(op, warp);
  }
  for (int i = 0; i < lanes / 4; ++i) {
    const auto* active = reinterpret_cast<const __m128i*>(warp.lane_mask + 4 * i);
    _mm_store_ps(d + 4 * i, !Masked ? result[i]
                                    : choose(floats(_mm_load_si128(active)), result[i],
                                             _mm_load_ps(d + 4 * i)));
  }
}

// ---- loads -------------------------------------------------------------------------------------

void load_4x32(const Op& op, Warp& warp, char* base, const int64_t* offset, int kind) {
  const int32_t* list = warp.list(op).data();
  const auto put = [&](int i, int lane, __m128 v) {
    if (list[i] >= 0) _mm_store_ps(lane_array<float>(warp, list[i]) + lane, v);
  };
  const auto at = [&](int lane) {
    return _mm_loadu_ps(reinterpret_cast<const float*>(base + offset[lane]));
  };
  if (kind == uniform || kind == uniform_halves) {
    for (int half = 0; half < lanes; half += 16) {
      const __m128 v = at(half);
      const __m128 each[4] = {_mm_shuffle_ps(v, v, 0x00), _mm_shuffle_ps(v, v, 0x55),
                              _mm_shuffle_ps(v, v, 0xaa), _mm_shuffle_ps(v, v, 0xff)};
      for (int i = 0; i < 4; ++i) {
        for (int l = half; l < half + 16; l += 4) put(i, l, each[i]);
      }
    }
    return;
  }
  for (int l = 0; l < (kind == repeated_half ? 16 : lanes); l += 4) {
    __m128 v[4] = {at(l), at(l + 1), at(l + 2), at(l + 3)};
    _MM_TRANSPOSE4_PS(v[0], v[1], v[2], v[3]);
    for (int i = 0; i < 4; ++i) {
      put(i, l, v[i]);
      if (kind == repeated_half) put(i, l + 16, v[i]);
    }
  }
}

const VectorRow rows[] = {
    {"fma.rn.f32", {fma<false>, fma<true>}},
    {"fma.rm.f32", {fma_directed<_MM_ROUND_DOWN, false>, fma_directed<_MM_ROUND_DOWN, true>}},
    {"fma.rp.f32", {fma_directed<_MM_ROUND_UP, false>, fma_directed<_MM_ROUND_UP, true>}},
    {"fma.rz.f32",
     {fma_directed<_MM_ROUND_TOWARD_ZERO, false>, fma_directed<_MM_ROUND_TOWARD_ZERO, true>}},
    {"ex2.approx.f32", {ex2<false, false>, ex2<false, true>}},
    {"ex2.approx.ftz.f32", {ex2<true, false>, ex2<true, true>}},
};

}  // namespace

VectorRows sse2_rows() {
  return {.rows = rows,
          .count = sizeof(rows) / sizeof(rows[0]),
          .fma_run = {fma_run<false>, fma_run<true>},
          .load_4x32 = load_4x32};
}

}  // namespace mtmc::emulator
