// Rows of the instruction table for AVX-512, 16 lanes of 32 bits at a time, with the values of the
// functions in numeric_*.hpp bit by bit. This file alone is compiled for AVX-512, so it must not
// instantiate inline functions of other headers that the linker could pick for the rest.
#include <immintrin.h>

#include "emulator/matrix.hpp"
#include "emulator/vector_rows.hpp"

namespace mtmc::emulator {
namespace {

using F = __m512;
using I = __m512i;

inline F floats(I x) { return _mm512_castsi512_ps(x); }
inline I bits(F x) { return _mm512_castps_si512(x); }
inline I load(const Warp& warp, int32_t offset, int i) {
  return _mm512_load_si512(warp.registers + offset + 64 * i);
}
inline __m256i load_half(const Warp& warp, int32_t offset, int i) {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(warp.registers + offset + 32 * i));
}
// Vector i of a register of 32 or 64 bits.
template <int Width, bool Masked>
inline void store(Warp& warp, int32_t offset, int i, I x) {
  char* to = warp.registers + offset + 64 * i;
  if constexpr (!Masked) {
    _mm512_store_si512(to, x);
  } else if constexpr (Width == 32) {
    _mm512_mask_store_epi32(to, static_cast<__mmask16>(warp.mask >> (16 * i)), x);
  } else {
    _mm512_mask_store_epi64(to, static_cast<__mmask8>(warp.mask >> (8 * i)), x);
  }
}

inline F canonical(F x) {
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return floats(_mm512_mask_mov_epi32(bits(x), nan, _mm512_set1_epi32(0x7fffffff)));
}
inline F flush(F x) {
  const __mmask16 subnormal = _mm512_testn_epi32_mask(bits(x), _mm512_set1_epi32(0x7f800000));
  const I sign = _mm512_set1_epi32(static_cast<int>(0x80000000u));
  return floats(_mm512_mask_and_epi32(bits(x), subnormal, bits(x), sign));
}

// ---- operations --------------------------------------------------------------------------------

#define MTMC_OP1(NAME, ...)                         \
  struct NAME {                                     \
    static inline I of(I a) { return __VA_ARGS__; } \
  };
#define MTMC_OP2(NAME, ...)                              \
  struct NAME {                                          \
    static inline I of(I a, I b) { return __VA_ARGS__; } \
  };
#define MTMC_OP3(NAME, ...)                                   \
  struct NAME {                                               \
    static inline I of(I a, I b, I c) { return __VA_ARGS__; } \
  };

MTMC_OP1(Move, a)
MTMC_OP1(Not, _mm512_xor_si512(a, _mm512_set1_epi32(-1)))
MTMC_OP2(And, _mm512_and_si512(a, b))
MTMC_OP2(Or, _mm512_or_si512(a, b))
MTMC_OP2(Xor, _mm512_xor_si512(a, b))
MTMC_OP2(Add32, _mm512_add_epi32(a, b))
MTMC_OP2(Sub32, _mm512_sub_epi32(a, b))
MTMC_OP2(Mul32, _mm512_mullo_epi32(a, b))
MTMC_OP3(Mad32, _mm512_add_epi32(_mm512_mullo_epi32(a, b), c))
MTMC_OP2(Shl32, _mm512_sllv_epi32(a, b))  // counts beyond the width give 0, as in PTX
MTMC_OP2(ShrU32, _mm512_srlv_epi32(a, b))
MTMC_OP2(ShrS32, _mm512_srav_epi32(a, b))
MTMC_OP2(MinS32, _mm512_min_epi32(a, b))
MTMC_OP2(MaxS32, _mm512_max_epi32(a, b))
MTMC_OP2(MinU32, _mm512_min_epu32(a, b))
MTMC_OP2(MaxU32, _mm512_max_epu32(a, b))
MTMC_OP2(Add64, _mm512_add_epi64(a, b))
MTMC_OP2(Sub64, _mm512_sub_epi64(a, b))
MTMC_OP2(Mul64, _mm512_mullo_epi64(a, b))

MTMC_OP1(Neg, bits(canonical(floats(_mm512_xor_si512(a, _mm512_set1_epi32(INT32_MIN))))))
MTMC_OP1(Abs, bits(canonical(floats(_mm512_and_si512(a, _mm512_set1_epi32(INT32_MAX))))))
MTMC_OP2(AddF, bits(canonical(_mm512_add_ps(floats(a), floats(b)))))
MTMC_OP2(SubF, bits(canonical(_mm512_sub_ps(floats(a), floats(b)))))
MTMC_OP2(MulF, bits(canonical(_mm512_mul_ps(floats(a), floats(b)))))
MTMC_OP2(DivF, bits(canonical(_mm512_div_ps(floats(a), floats(b)))))
MTMC_OP1(RcpF, bits(canonical(_mm512_div_ps(_mm512_set1_ps(1.0f), floats(a)))))
MTMC_OP1(SqrtF, bits(canonical(_mm512_sqrt_ps(floats(a)))))
MTMC_OP3(FmaF, bits(canonical(_mm512_fmadd_ps(floats(a), floats(b), floats(c)))))

// The directions of embedded rounding.
constexpr int down = _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC;
constexpr int up = _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC;
constexpr int toward_zero = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
template <int Direction>
struct FmaDirected {
  static inline I of(I a, I b, I c) {
    return bits(canonical(_mm512_fmadd_round_ps(floats(a), floats(b), floats(c), Direction)));
  }
};

// .ftz: operands and result.
template <class Operation>
struct Flushed {
  static inline I f(I x) { return bits(flush(floats(x))); }
  static inline I of(I a) { return f(Operation::of(f(a))); }
  static inline I of(I a, I b) { return f(Operation::of(f(a), f(b))); }
  static inline I of(I a, I b, I c) { return f(Operation::of(f(a), f(b), f(c))); }
};

// vmaxps gives its second operand for a NaN and for two zeros.
template <bool Max>
struct Extreme {
  static inline I of(I a, I b) {
    const F x = floats(a), y = floats(b);
    F r = Max ? _mm512_max_ps(x, y) : _mm512_min_ps(x, y);
    const __mmask16 tie = _mm512_cmp_ps_mask(x, y, _CMP_EQ_OQ);
    const I merged =
        Max ? _mm512_mask_and_epi32(bits(r), tie, a, b) : _mm512_mask_or_epi32(bits(r), tie, a, b);
    const __mmask16 y_is_nan = _mm512_cmp_ps_mask(y, y, _CMP_UNORD_Q);
    r = floats(_mm512_mask_mov_epi32(merged, y_is_nan, a));
    return bits(canonical(r));
  }
};

struct Saturate {
  static inline I of(I a) {  // NaN gives 0: vmaxps gives its second operand then
    const F positive = _mm512_max_ps(floats(a), _mm512_setzero_ps());
    const F r = _mm512_min_ps(positive, _mm512_set1_ps(1.0f));
    const __mmask16 above = _mm512_cmp_ps_mask(floats(a), _mm512_setzero_ps(), _CMP_GT_OQ);
    return _mm512_maskz_mov_epi32(above, bits(r));
  }
};

// numeric::ex2. A value beyond the range gives infinity or zero by its exponent alone, and
// vreduceps gives 0 for infinities.
struct Exp2 {
  static inline I of(I a) {
    const F x = floats(a);
    constexpr int nearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    const F whole = _mm512_roundscale_ps(x, nearest);
    const F f = _mm512_reduce_ps(x, nearest);
    F p = _mm512_set1_ps(1.5252734e-5f);
    const auto step = [&](float c) { p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c)); };
    step(1.5403530e-4f);
    step(1.3333558e-3f);
    step(9.6181291e-3f);
    step(5.5504109e-2f);
    step(2.4022651e-1f);
    step(6.9314718e-1f);
    step(1.0f);
    const F r = _mm512_scalef_ps(p, whole);
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_mask_mov_epi32(bits(r), nan, _mm512_set1_epi32(0x7fffffff));
  }
};
struct Exp2Flushed {  // a subnormal operand gives 1, as zero does
  static inline I of(I a) { return bits(flush(floats(Exp2::of(a)))); }
};

struct SignedToFloat {
  static inline I of(I a) { return bits(_mm512_cvtepi32_ps(a)); }
};
struct UnsignedToFloat {
  static inline I of(I a) { return bits(_mm512_cvtepu32_ps(a)); }
};

// ---- handlers ----------------------------------------------------------------------------------

template <class Operation, int Width, int Sources, bool Masked>
void plain(const Op& op, Warp& warp) {
  for (int i = 0; i < Width / 16; ++i) {
    I r;
    if constexpr (Sources == 1) r = Operation::of(load(warp, op.a, i));
    if constexpr (Sources == 2) r = Operation::of(load(warp, op.a, i), load(warp, op.b, i));
    if constexpr (Sources == 3) {
      r = Operation::of(load(warp, op.a, i), load(warp, op.b, i), load(warp, op.c, i));
    }
    store<Width, Masked>(warp, op.d, i, r);
  }
}

// A 64-bit value shifted by 32-bit counts.
template <bool Left, bool Masked>
void shift_64(const Op& op, Warp& warp) {
  for (int i = 0; i < 4; ++i) {
    const I a = load(warp, op.a, i), count = _mm512_cvtepu32_epi64(load_half(warp, op.b, i));
    store<64, Masked>(warp, op.d, i,
                      Left ? _mm512_sllv_epi64(a, count) : _mm512_srlv_epi64(a, count));
  }
}

template <bool Signed>
inline I widened(const Warp& warp, int32_t offset, int i) {
  const __m256i x = load_half(warp, offset, i);
  return Signed ? _mm512_cvtepi32_epi64(x) : _mm512_cvtepu32_epi64(x);
}
template <bool Signed>
inline I wide_product(const Op& op, const Warp& warp, int i) {
  const I a = widened<Signed>(warp, op.a, i), b = widened<Signed>(warp, op.b, i);
  return Signed ? _mm512_mul_epi32(a, b) : _mm512_mul_epu32(a, b);
}
// The vectors are all read before the first is written: a 32-bit register never shares the place of
// a 64-bit one, but keep the handlers free of that assumption.
template <bool Signed, bool Masked>
void widen(const Op& op, Warp& warp) {
  I r[4];
  for (int i = 0; i < 4; ++i) r[i] = widened<Signed>(warp, op.a, i);
  for (int i = 0; i < 4; ++i) store<64, Masked>(warp, op.d, i, r[i]);
}
template <bool Signed, bool Masked>
void multiply_wide(const Op& op, Warp& warp) {
  I r[4];
  for (int i = 0; i < 4; ++i) r[i] = wide_product<Signed>(op, warp, i);
  for (int i = 0; i < 4; ++i) store<64, Masked>(warp, op.d, i, r[i]);
}
template <bool Signed, bool Masked>
void multiply_add_wide(const Op& op, Warp& warp) {
  I r[4];
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_add_epi64(wide_product<Signed>(op, warp, i), load(warp, op.c, i));
  }
  for (int i = 0; i < 4; ++i) store<64, Masked>(warp, op.d, i, r[i]);
}

// The low halves of 64-bit values.
template <bool Masked>
void narrow(const Op& op, Warp& warp) {
  for (int i = 0; i < 2; ++i) {
    const __m256i low = _mm512_cvtepi64_epi32(load(warp, op.a, 2 * i));
    const __m256i high = _mm512_cvtepi64_epi32(load(warp, op.a, 2 * i + 1));
    store<32, Masked>(warp, op.d, i, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
  }
}

enum class Kind { s32, u32, s64, u64, f32 };

template <Kind K, int Predicate>
inline uint32_t compare(const Op& op, const Warp& warp, int i) {
  const I a = load(warp, op.a, i), b = load(warp, op.b, i);
  if constexpr (K == Kind::f32) return _mm512_cmp_ps_mask(floats(a), floats(b), Predicate);
  if constexpr (K == Kind::s32) return _mm512_cmp_epi32_mask(a, b, Predicate);
  if constexpr (K == Kind::u32) return _mm512_cmp_epu32_mask(a, b, Predicate);
  if constexpr (K == Kind::s64) return _mm512_cmp_epi64_mask(a, b, Predicate);
  if constexpr (K == Kind::u64) return _mm512_cmp_epu64_mask(a, b, Predicate);
}
template <Kind K, int Predicate, bool Masked>
void set_predicate(const Op& op, Warp& warp) {
  constexpr int step = K == Kind::s64 || K == Kind::u64 ? 8 : 16;
  uint32_t result = 0;
  for (int i = 0; i < lanes / step; ++i) {
    result |= compare<K, Predicate>(op, warp, i) << (step * i);
  }
  uint32_t& d = warp.predicates[op.d];
  d = Masked ? (d & ~warp.mask) | (result & warp.mask) : result;
}

// Makes every NaN among the results of a run the canonical one. Which NaN it is makes no difference
// to whoever computes with it before.
[[gnu::noinline, gnu::cold]] void make_canonical(const std::vector<int32_t>& list, Warp& warp) {
  for (size_t i = 0; i < list.size();) {
    const size_t end = i + 2 + 3 * static_cast<size_t>(list[i + 1]);
    for (i += 2; i < end; i += 3) {
      for (int half = 0; half < 2; ++half) {
        const I d = load(warp, list[i + 2], half);
        store<32, false>(warp, list[i + 2], half, bits(canonical(floats(d))));
      }
    }
  }
}

void fma_run(const Op& op, Warp& warp) {
  const std::vector<int32_t>& list = warp.list(op);
  const int32_t* p = list.data();
  const int32_t* const end = p + list.size();
  char* const registers = warp.registers;
  const auto at = [registers](int32_t offset) {
    return reinterpret_cast<float*>(registers + offset);
  };
  __mmask16 nan = 0;
  F x0 = _mm512_setzero_ps(), x1 = x0;
  int32_t last = -1;  // where the result above lies: an addend need not wait for the store
  while (p != end) {
    const float* a = at(*p++);
    int32_t count = *p++;
    const F a0 = _mm512_load_ps(a), a1 = _mm512_load_ps(a + 16);
    do {
      const float* const b = at(p[0]);
      if (p[1] != last) {
        const float* const c = at(p[1]);
        x0 = _mm512_load_ps(c);
        x1 = _mm512_load_ps(c + 16);
      }
      last = p[2];
      float* const d = at(last);
      p += 3;
      x0 = _mm512_fmadd_ps(a0, _mm512_load_ps(b), x0);
      x1 = _mm512_fmadd_ps(a1, _mm512_load_ps(b + 16), x1);
      nan = _kor_mask16(nan, _mm512_cmp_ps_mask(x0, x1, _CMP_UNORD_Q));
      _mm512_store_ps(d, x0);
      _mm512_store_ps(d + 16, x1);
    } while (--count != 0);
  }
  if (__builtin_expect(nan != 0, 0)) make_canonical(list, warp);
}

// An outer product onto accumulators: every group has the same Count factors, which stay in vector
// registers, and its targets are its addends.
template <int Count>
void fma_outer(const Op& op, Warp& warp) {
  const std::vector<int32_t>& list = warp.list(op);
  const int32_t* p = list.data();
  const int32_t* const end = p + list.size();
  char* const registers = warp.registers;
  const auto at = [registers](int32_t offset) {
    return reinterpret_cast<float*>(registers + offset);
  };
  F b0[Count], b1[Count];
  for (int i = 0; i < Count; ++i) {
    b0[i] = _mm512_load_ps(at(p[2 + 3 * i]));
    b1[i] = _mm512_load_ps(at(p[2 + 3 * i]) + 16);
  }
  __mmask16 nan = 0;
  for (; p != end; p += 2 + 3 * Count) {
    const F a0 = _mm512_load_ps(at(p[0])), a1 = _mm512_load_ps(at(p[0]) + 16);
#pragma GCC unroll 8
    for (int i = 0; i < Count; ++i) {
      float* const d = at(p[4 + 3 * i]);
      const F x0 = _mm512_fmadd_ps(a0, b0[i], _mm512_load_ps(d));
      const F x1 = _mm512_fmadd_ps(a1, b1[i], _mm512_load_ps(d + 16));
      nan = _kor_mask16(nan, _mm512_cmp_ps_mask(x0, x1, _CMP_UNORD_Q));
      _mm512_store_ps(d, x0);
      _mm512_store_ps(d + 16, x1);
    }
  }
  if (__builtin_expect(nan != 0, 0)) make_canonical(list, warp);
}

void permute(uint32_t* to, const uint32_t* value, const int32_t* from) {
  const I low = _mm512_load_si512(value), high = _mm512_load_si512(value + 16);
  for (int i = 0; i < lanes; i += 16) {
    _mm512_store_si512(to + i, _mm512_permutex2var_epi32(low, _mm512_load_si512(from + i), high));
  }
}

// ---- loads: whole vectors, so that whoever reads them at once need not wait for two halves -----

void load_32(const Op& op, Warp& warp, char* base, const int64_t* offset, int kind) {
  char* d = warp.registers + op.d;
  if (kind == contiguous) {
    _mm512_store_si512(d, _mm512_loadu_si512(base));
    _mm512_store_si512(d + 64, _mm512_loadu_si512(base + 64));
  } else if (kind == uniform || kind == uniform_halves) {
    int value[2];
    __builtin_memcpy(&value[0], base, 4);
    __builtin_memcpy(&value[1], base + offset[16], 4);
    _mm512_store_si512(d, _mm512_set1_epi32(value[0]));
    _mm512_store_si512(d + 64, _mm512_set1_epi32(value[1]));
  } else {
    for (int i = 0; i < lanes; i += 16) {
      const __m256i low = _mm512_i64gather_epi32(_mm512_load_si512(offset + i), base, 1);
      const __m256i high = _mm512_i64gather_epi32(_mm512_load_si512(offset + i + 8), base, 1);
      _mm512_store_si512(d + 4 * i, _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1));
    }
  }
}

// 16 lanes of 16 bytes become four vectors.
inline void transpose_16(const char* base, const int64_t* offset, F* v) {
  for (int j = 0; j < 4; ++j) {  // row j: lanes j, j + 4, j + 8, j + 12
    const auto part = [&](int l) {
      return _mm_loadu_ps(reinterpret_cast<const float*>(base + offset[l]));
    };
    F row = _mm512_castps128_ps512(part(j));
    row = _mm512_insertf32x4(row, part(j + 4), 1);
    row = _mm512_insertf32x4(row, part(j + 8), 2);
    v[j] = _mm512_insertf32x4(row, part(j + 12), 3);
  }
  const F ab_low = _mm512_unpacklo_ps(v[0], v[1]), ab_high = _mm512_unpackhi_ps(v[0], v[1]);
  const F cd_low = _mm512_unpacklo_ps(v[2], v[3]), cd_high = _mm512_unpackhi_ps(v[2], v[3]);
  v[0] = _mm512_shuffle_ps(ab_low, cd_low, 0x44);
  v[1] = _mm512_shuffle_ps(ab_low, cd_low, 0xee);
  v[2] = _mm512_shuffle_ps(ab_high, cd_high, 0x44);
  v[3] = _mm512_shuffle_ps(ab_high, cd_high, 0xee);
}

// The same where the lanes' 16 bytes follow each other.
inline void deinterleave_16(const char* base, F* v) {
  const auto* p = reinterpret_cast<const float*>(base);
  const F r0 = _mm512_loadu_ps(p), r1 = _mm512_loadu_ps(p + 16);
  const F r2 = _mm512_loadu_ps(p + 32), r3 = _mm512_loadu_ps(p + 48);
  I every_fourth = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  for (int i = 0; i < 4; ++i) {
    const F low = _mm512_permutex2var_ps(r0, every_fourth, r1);
    const F high = _mm512_permutex2var_ps(r2, every_fourth, r3);
    v[i] = _mm512_mask_blend_ps(0xff00, low, high);
    every_fourth = _mm512_add_epi32(every_fourth, _mm512_set1_epi32(1));
  }
}

void load_4x32(const Op& op, Warp& warp, char* base, const int64_t* offset, int kind) {
  const int32_t* list = warp.list(op).data();
  char* const registers = warp.registers;
  const auto put = [&](int half, const F* v) {
    for (int i = 0; i < 4; ++i) {
      if (list[i] >= 0) _mm512_store_ps(registers + list[i] + 64 * half, v[i]);
    }
  };
  F v[4];
  if (kind == uniform || kind == uniform_halves) {
    for (int half = 0; half < 2; ++half) {
      const auto* p = reinterpret_cast<const float*>(base + offset[16 * half]);
      for (int i = 0; i < 4; ++i) v[i] = _mm512_set1_ps(p[i]);
      put(half, v);
    }
    return;
  }
  if (kind == contiguous || kind == repeated_run) {
    deinterleave_16(base, v);
    put(0, v);
    if (kind == contiguous) deinterleave_16(base + 256, v);
    return put(1, v);
  }
  transpose_16(base, offset, v);
  put(0, v);
  if (kind != repeated_half) transpose_16(base, offset + 16, v);
  put(1, v);
}

#define MTMC_PLAIN(OPCODE, OPERATION, WIDTH, SOURCES)                                           \
  {                                                                                             \
    OPCODE, { plain<OPERATION, WIDTH, SOURCES, false>, plain<OPERATION, WIDTH, SOURCES, true> } \
  }
#define MTMC_SETP(NAME, TYPE, KIND, PREDICATE)                                                \
  {                                                                                           \
    "setp." NAME "." TYPE, {                                                                  \
      set_predicate<Kind::KIND, PREDICATE, false>, set_predicate<Kind::KIND, PREDICATE, true> \
    }                                                                                         \
  }
#define MTMC_SETP_INTEGER(TYPE, KIND)                                                         \
  MTMC_SETP("eq", TYPE, KIND, _MM_CMPINT_EQ), MTMC_SETP("ne", TYPE, KIND, _MM_CMPINT_NE),     \
      MTMC_SETP("lt", TYPE, KIND, _MM_CMPINT_LT), MTMC_SETP("le", TYPE, KIND, _MM_CMPINT_LE), \
      MTMC_SETP("gt", TYPE, KIND, _MM_CMPINT_NLE), MTMC_SETP("ge", TYPE, KIND, _MM_CMPINT_NLT)
#define MTMC_WIDE(OPCODE, HANDLER, SIGNED)                    \
  {                                                           \
    OPCODE, { HANDLER<SIGNED, false>, HANDLER<SIGNED, true> } \
  }
#define MTMC_NARROW(OPCODE)                 \
  {                                         \
    OPCODE, { narrow<false>, narrow<true> } \
  }
#define MTMC_FLOAT(OPCODE, OPERATION, SOURCES)       \
  MTMC_PLAIN(OPCODE ".f32", OPERATION, 32, SOURCES), \
      MTMC_PLAIN(OPCODE ".ftz.f32", Flushed<OPERATION>, 32, SOURCES)

const VectorRow rows[] = {
    MTMC_PLAIN("mov.b32", Move, 32, 1),
    MTMC_PLAIN("mov.b64", Move, 64, 1),
    MTMC_PLAIN("not.b32", Not, 32, 1),
    MTMC_PLAIN("and.b32", And, 32, 2),
    MTMC_PLAIN("or.b32", Or, 32, 2),
    MTMC_PLAIN("xor.b32", Xor, 32, 2),
    MTMC_PLAIN("and.b64", And, 64, 2),
    MTMC_PLAIN("or.b64", Or, 64, 2),
    MTMC_PLAIN("xor.b64", Xor, 64, 2),
    MTMC_PLAIN("add.s32", Add32, 32, 2),
    MTMC_PLAIN("add.u32", Add32, 32, 2),
    MTMC_PLAIN("sub.s32", Sub32, 32, 2),
    MTMC_PLAIN("sub.u32", Sub32, 32, 2),
    MTMC_PLAIN("mul.lo.s32", Mul32, 32, 2),
    MTMC_PLAIN("mul.lo.u32", Mul32, 32, 2),
    MTMC_PLAIN("mad.lo.s32", Mad32, 32, 3),
    MTMC_PLAIN("mad.lo.u32", Mad32, 32, 3),
    MTMC_PLAIN("shl.b32", Shl32, 32, 2),
    MTMC_PLAIN("shr.u32", ShrU32, 32, 2),
    MTMC_PLAIN("shr.b32", ShrU32, 32, 2),
    MTMC_PLAIN("shr.s32", ShrS32, 32, 2),
    MTMC_PLAIN("min.s32", MinS32, 32, 2),
    MTMC_PLAIN("max.s32", MaxS32, 32, 2),
    MTMC_PLAIN("min.u32", MinU32, 32, 2),
    MTMC_PLAIN("max.u32", MaxU32, 32, 2),
    MTMC_PLAIN("add.s64", Add64, 64, 2),
    MTMC_PLAIN("add.u64", Add64, 64, 2),
    MTMC_PLAIN("sub.s64", Sub64, 64, 2),
    MTMC_PLAIN("sub.u64", Sub64, 64, 2),
    MTMC_PLAIN("mul.lo.s64", Mul64, 64, 2),
    MTMC_PLAIN("mul.lo.u64", Mul64, 64, 2),
    MTMC_WIDE("shl.b64", shift_64, true),
    MTMC_WIDE("shr.u64", shift_64, false),
    MTMC_WIDE("shr.b64", shift_64, false),
    MTMC_WIDE("mul.wide.s32", multiply_wide, true),
    MTMC_WIDE("mul.wide.u32", multiply_wide, false),
    MTMC_WIDE("mad.wide.s32", multiply_add_wide, true),
    MTMC_WIDE("mad.wide.u32", multiply_add_wide, false),
    MTMC_WIDE("cvt.s64.s32", widen, true),
    MTMC_WIDE("cvt.u64.u32", widen, false),
    MTMC_NARROW("cvt.u32.u64"),
    MTMC_NARROW("cvt.u32.s64"),
    MTMC_NARROW("cvt.s32.u64"),
    MTMC_NARROW("cvt.s32.s64"),
    MTMC_PLAIN("cvt.rn.f32.s32", SignedToFloat, 32, 1),
    MTMC_PLAIN("cvt.rn.f32.u32", UnsignedToFloat, 32, 1),
    MTMC_PLAIN("cvt.sat.f32.f32", Saturate, 32, 1),
    MTMC_FLOAT("add", AddF, 2),
    MTMC_FLOAT("sub", SubF, 2),
    MTMC_FLOAT("mul", MulF, 2),
    MTMC_FLOAT("add.rn", AddF, 2),
    MTMC_FLOAT("sub.rn", SubF, 2),
    MTMC_FLOAT("mul.rn", MulF, 2),
    MTMC_FLOAT("div.rn", DivF, 2),
    MTMC_FLOAT("rcp.rn", RcpF, 1),
    MTMC_FLOAT("sqrt.rn", SqrtF, 1),
    MTMC_FLOAT("fma.rn", FmaF, 3),
    MTMC_FLOAT("fma.rm", FmaDirected<down>, 3),
    MTMC_FLOAT("fma.rp", FmaDirected<up>, 3),
    MTMC_FLOAT("fma.rz", FmaDirected<toward_zero>, 3),
    MTMC_FLOAT("min", Extreme<false>, 2),
    MTMC_FLOAT("max", Extreme<true>, 2),
    MTMC_FLOAT("neg", Neg, 1),
    MTMC_FLOAT("abs", Abs, 1),
    MTMC_PLAIN("ex2.approx.f32", Exp2, 32, 1),
    MTMC_PLAIN("ex2.approx.ftz.f32", Exp2Flushed, 32, 1),
    MTMC_SETP_INTEGER("s32", s32),
    MTMC_SETP_INTEGER("u32", u32),
    MTMC_SETP("eq", "b32", u32, _MM_CMPINT_EQ),
    MTMC_SETP("ne", "b32", u32, _MM_CMPINT_NE),
    MTMC_SETP_INTEGER("s64", s64),
    MTMC_SETP_INTEGER("u64", u64),
    MTMC_SETP("eq", "b64", u64, _MM_CMPINT_EQ),
    MTMC_SETP("ne", "b64", u64, _MM_CMPINT_NE),
    MTMC_SETP("eq", "f32", f32, _CMP_EQ_OQ),
    MTMC_SETP("ne", "f32", f32, _CMP_NEQ_OQ),
    MTMC_SETP("lt", "f32", f32, _CMP_LT_OQ),
    MTMC_SETP("le", "f32", f32, _CMP_LE_OQ),
    MTMC_SETP("gt", "f32", f32, _CMP_GT_OQ),
    MTMC_SETP("ge", "f32", f32, _CMP_GE_OQ),
    MTMC_SETP("equ", "f32", f32, _CMP_EQ_UQ),
    MTMC_SETP("neu", "f32", f32, _CMP_NEQ_UQ),
    MTMC_SETP("ltu", "f32", f32, _CMP_NGE_UQ),
    MTMC_SETP("leu", "f32", f32, _CMP_NGT_UQ),
    MTMC_SETP("gtu", "f32", f32, _CMP_NLE_UQ),
    MTMC_SETP("geu", "f32", f32, _CMP_NLT_UQ),
};

}  // namespace

VectorRows avx512_rows() {
  return {.rows = rows,
          .count = sizeof(rows) / sizeof(rows[0]),
          .fma_run = {fma_run, nullptr},
          .fma_outer_4 = fma_outer<4>,
          .fma_outer_8 = fma_outer<8>,
          .load_32 = load_32,
          .load_4x32 = load_4x32,
          .permute = permute,
          .matrix_unit = avx512_matrix_unit};
}

}  // namespace mtmc::emulator
