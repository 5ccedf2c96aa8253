// mma of f16, bf16 and tf32 for AVX-512: a vector holds one column of 16 rows of the accumulator,
// so that an element of B is what a multiplication broadcasts from memory. Values are those of
// exec_mma.cpp and exec_mma_exact.cpp bit by bit. As in exec_avx512.cpp, nothing here may
// instantiate inline functions of other headers.
//
// A fragment register has 8 rows of 16 bytes over the lanes, 4 rows to a vector. Transposing the
// four dwords of each 128-bit part of four such vectors gives columns of 16 rows in the order 0 4 8
// 12, 1 5 9 13, 2 6 10 14, 3 7 11 15, which is kept from operand to result.
#include <immintrin.h>

#include "emulator/matrix.hpp"

namespace mtmc::emulator {
namespace {

using F = __m512;
using I = __m512i;

inline F floats(I x) { return _mm512_castsi512_ps(x); }
inline I bits(F x) { return _mm512_castps_si512(x); }
inline I word(int32_t x) { return _mm512_set1_epi32(x); }

// The four vectors of a pair of registers: rows 0 to 7 and 8 to 15.
inline void load_rows(const char* low, const char* high, I* z) {
  z[0] = _mm512_loadu_si512(low);
  z[1] = _mm512_loadu_si512(low + 64);
  z[2] = _mm512_loadu_si512(high);
  z[3] = _mm512_loadu_si512(high + 64);
}

// Its own inverse.
inline void transpose(I* z) {
  const I low01 = _mm512_unpacklo_epi32(z[0], z[1]), high01 = _mm512_unpackhi_epi32(z[0], z[1]);
  const I low23 = _mm512_unpacklo_epi32(z[2], z[3]), high23 = _mm512_unpackhi_epi32(z[2], z[3]);
  z[0] = _mm512_unpacklo_epi64(low01, low23);
  z[1] = _mm512_unpackhi_epi64(low01, low23);
  z[2] = _mm512_unpacklo_epi64(high01, high23);
  z[3] = _mm512_unpackhi_epi64(high01, high23);
}

template <Element E>
inline F widen(__m256i halves) {
  if constexpr (E == Element::f16) return _mm512_cvtph_ps(halves);
  return floats(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// Four rows of eight halves per vector to eight columns.
template <Element E>
inline void columns_of_halves(const I* z, F* column) {
  const I order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
  const I pairs[4] = {_mm512_unpacklo_epi16(z[0], z[1]), _mm512_unpacklo_epi16(z[2], z[3]),
                      _mm512_unpackhi_epi16(z[0], z[1]), _mm512_unpackhi_epi16(z[2], z[3])};
  for (int half = 0; half < 2; ++half) {
    const I first = pairs[2 * half], second = pairs[2 * half + 1];
    const I two[2] = {_mm512_unpacklo_epi32(first, second), _mm512_unpackhi_epi32(first, second)};
    for (int i = 0; i < 2; ++i) {
      const I x = _mm512_permutexvar_epi64(order, two[i]);
      column[4 * half + 2 * i] = widen<E>(_mm512_castsi512_si256(x));
      column[4 * half + 2 * i + 1] = widen<E>(_mm512_extracti64x4_epi64(x, 1));
    }
  }
}

// ---- operands ----------------------------------------------------------------------------------

// k of one register.
template <Element E>
constexpr int run_of = E == Element::tf32 ? 4 : 8;

// What decode_a() and decode_b() leave. Exponents are those of TensorCoreRule, A's plus 127, two
// neighbours along k per 32-bit element.
template <Element E, int Blocks>
struct Decoded {
  static constexpr int depth = run_of<E> * Blocks;
  struct alignas(64) A {
    float value[depth][16];  // 16 rows
    int32_t exponents[depth / 2][16];
    bool finite;
  };
  struct alignas(64) B {
    float value[Blocks][8][run_of<E>];  // by column
    int32_t exponents[Blocks][8][run_of<E> / 2];
    bool finite;
  };
};

// Field of the exponent, as the rule sees it: subnormals have their format's least exponent, zero
// has that of f32.
template <Element E>
inline I rule_exponent(F x) {
  const I doubled = _mm512_slli_epi32(bits(x), 1);
  const I field = _mm512_srli_epi32(doubled, 24);
  if constexpr (E != Element::f16) return _mm512_max_epi32(field, word(1));
  const __mmask16 some = _mm512_test_epi32_mask(doubled, doubled);
  return _mm512_mask_max_epi32(word(1), some, field, word(127 - 14));
}

template <Element E, int Blocks, bool Exact>
void decode_a(const MatrixForm& form, Fragment from, void* place) {
  using A = typename Decoded<E, Blocks>::A;
  A& to = *static_cast<A*>(place);
  constexpr int run = run_of<E>;
  const I sign = word((form.flags & MatrixForm::negate_a) != 0 ? INT32_MIN : 0);
  I largest = _mm512_setzero_si512();
  for (int block = 0; block < Blocks; ++block) {
    I z[4];
    F column[8];
    load_rows(from.base + from.offset[2 * block], from.base + from.offset[2 * block + 1], z);
    if constexpr (E == Element::tf32) {
      transpose(z);
      for (int k = 0; k < 4; ++k) column[k] = floats(_mm512_and_si512(z[k], word(~0x1fff)));
    } else {
      columns_of_halves<E>(z, column);
    }
    for (int k = 0; k < run; ++k) {
      _mm512_store_ps(to.value[block * run + k], floats(_mm512_xor_si512(bits(column[k]), sign)));
    }
    if constexpr (Exact) {
      for (int k = 0; k < run; k += 2) {
        const I even = rule_exponent<E>(column[k]), odd = rule_exponent<E>(column[k + 1]);
        largest = _mm512_max_epi32(largest, _mm512_max_epi32(even, odd));
        _mm512_store_si512(to.exponents[(block * run + k) / 2],
                           _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
      }
    }
  }
  if constexpr (Exact) to.finite = _mm512_cmpeq_epi32_mask(largest, word(255)) == 0;
}

template <Element E, int Blocks, bool Exact>
void decode_b(const MatrixForm& form, Fragment from, void* place) {
  using B = typename Decoded<E, Blocks>::B;
  B& to = *static_cast<B*>(place);
  const I sign = word((form.flags & MatrixForm::negate_b) != 0 ? INT32_MIN : 0);
  constexpr int vectors = run_of<E> / 2;  // of a register
  I largest = _mm512_setzero_si512();
  for (int block = 0; block < Blocks; ++block) {
    const char* in = from.base + from.offset[block];
    for (int i = 0; i < vectors; ++i) {
      F x;
      if constexpr (E == Element::tf32) {
        x = floats(_mm512_and_si512(_mm512_loadu_si512(in + 64 * i), word(~0x1fff)));
      } else {
        x = widen<E>(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + 32 * i)));
      }
      _mm512_store_ps(&to.value[block][0][0] + 16 * i, floats(_mm512_xor_si512(bits(x), sign)));
      if constexpr (Exact) {
        const I e = rule_exponent<E>(x);
        largest = _mm512_max_epi32(largest, e);
        _mm256_store_si256(reinterpret_cast<__m256i*>(&to.exponents[block][0][0] + 8 * i),
                           _mm512_cvtepi32_epi16(_mm512_sub_epi32(e, word(127))));
      }
    }
  }
  if constexpr (Exact) to.finite = _mm512_cmpeq_epi32_mask(largest, word(255)) == 0;
}

template <bool Half>
inline void load_sums(Fragment from, F* sum) {
  if (from.base == nullptr) {
    for (int n = 0; n < 8; ++n) sum[n] = _mm512_setzero_ps();
    return;
  }
  I z[4];
  if constexpr (Half) {
    load_rows(from.base + from.offset[0], from.base + from.offset[1], z);
    columns_of_halves<Element::f16>(z, sum);
  } else {
    for (int odd = 0; odd < 2; ++odd) {
      load_rows(from.base + from.offset[odd], from.base + from.offset[odd + 2], z);
      transpose(z);
      for (int i = 0; i < 4; ++i) sum[2 * i + odd] = floats(z[i]);
    }
  }
}

// NaN becomes the canonical one.
inline void make_canonical(F* sum) {
  unsigned nan = 0;
  for (int n = 0; n < 8; n += 2) nan |= _mm512_cmp_ps_mask(sum[n], sum[n + 1], _CMP_UNORD_Q);
  if (__builtin_expect(nan == 0, 1)) return;
  for (int n = 0; n < 8; ++n) {
    const __mmask16 m = _mm512_cmp_ps_mask(sum[n], sum[n], _CMP_UNORD_Q);
    sum[n] = floats(_mm512_mask_mov_epi32(bits(sum[n]), m, word(0x7fffffff)));
  }
}

template <bool Half>
inline void store_sums(const F* sum, Fragment to) {
  const auto store = [&](const I* z, int low, int high) {
    char* const first = to.base + to.offset[low];
    char* const second = to.base + to.offset[high];
    _mm512_storeu_si512(first, z[0]);
    _mm512_storeu_si512(first + 64, z[1]);
    _mm512_storeu_si512(second, z[2]);
    _mm512_storeu_si512(second + 64, z[3]);
  };
  I z[4];
  if constexpr (Half) {
    const auto half = [](F x) { return _mm512_cvtepu16_epi32(_mm512_cvtps_ph(x, 0)); };
    for (int i = 0; i < 4; ++i) {
      z[i] = _mm512_or_si512(half(sum[2 * i]), _mm512_slli_epi32(half(sum[2 * i + 1]), 16));
    }
    transpose(z);
    store(z, 0, 1);
  } else {
    for (int odd = 0; odd < 2; ++odd) {
      for (int i = 0; i < 4; ++i) z[i] = bits(sum[2 * i + odd]);
      transpose(z);
      store(z, odd, odd + 2);
    }
  }
}

// ---- a chain of fma ----------------------------------------------------------------------------

template <Element E, int Blocks, bool Half>
bool multiply_chain(const MatrixForm&, MatrixArithmetic, const void* a_place, const void* b_place,
                    Fragment c, Fragment d) {
  using D = Decoded<E, Blocks>;
  const auto& a = *static_cast<const typename D::A*>(a_place);
  const auto& b = *static_cast<const typename D::B*>(b_place);
  F sum[8];
  load_sums<Half>(c, sum);
#pragma GCC unroll 2
  for (int block = 0; block < Blocks; ++block) {
#pragma GCC unroll 8
    for (int k = 0; k < run_of<E>; ++k) {
      const F x = _mm512_load_ps(a.value[block * run_of<E> + k]);
#pragma GCC unroll 8
      for (int n = 0; n < 8; ++n) {
        sum[n] = _mm512_fmadd_ps(x, _mm512_set1_ps(b.value[block][n][k]), sum[n]);
      }
    }
  }
  make_canonical(sum);
  store_sums<Half>(sum, d);
  return true;
}

// ---- the tensor cores' rule --------------------------------------------------------------------
//
// As in exec_mma_exact.cpp: a product counts as an integer of F fraction bits below the largest
// exponent, which f32 and int32 give exactly while that exponent L lies in [-90, 120].

constexpr int least_field = 127 - 90, most_field = 127 + 120;

// Products of f16 are 0 or have an exponent of at least -28, so L can only be too small when c is,
// and a zero in c may count as -90.
template <Element E>
constexpr bool narrow = E == Element::f16;

// Nonzero values outside [2^-90, 2^110): each sum adds less than 2^36.
inline unsigned out_of_range(F c) {
  const I doubled = _mm512_slli_epi32(bits(c), 1);
  const I above = _mm512_sub_epi32(doubled, word(least_field << 24));
  const __mmask16 some = _mm512_test_epi32_mask(doubled, doubled);
  constexpr auto range = static_cast<int32_t>(static_cast<uint32_t>(237 - least_field) << 24);
  return _mm512_mask_cmpge_epu32_mask(some, above, word(range));
}

// c + the products of one group in one column; bad: lanes that this cannot do.
template <Element E, int Group, bool Half, int F_bits>
inline F sum_group(const F* a, const I* a_exponents, const float* const* b,
                   const int32_t* const* b_exponents, F c, unsigned& bad) {
  constexpr int run = run_of<E>;
  // The largest exponent plus 127.
  I pair = _mm512_set1_epi32(0);
#pragma GCC unroll 8
  for (int k = 0; k < Group; k += 2) {
    const I e = _mm512_add_epi16(a_exponents[k / 2], word(b_exponents[k / run][k % run / 2]));
    pair = k == 0 ? e : _mm512_max_epi16(pair, e);
  }
  pair = _mm512_max_epi16(pair, _mm512_slli_epi32(pair, 16));
  I of_c = _mm512_srli_epi32(_mm512_slli_epi32(bits(c), 1), 24);
  if constexpr (Half) {
    const __mmask16 some = _mm512_test_epi32_mask(of_c, of_c);
    of_c = _mm512_mask_max_epi32(word(least_field), some, of_c, word(127 - 14));
  } else {
    of_c = _mm512_max_epi32(of_c, word(narrow<E> ? least_field : 1));
  }
  const I largest = _mm512_max_epi32(_mm512_srai_epi32(pair, 16), of_c);
  if constexpr (!narrow<E>) {
    const I above = _mm512_sub_epi32(largest, word(least_field));
    bad |= _mm512_cmpgt_epu32_mask(above, word(most_field - least_field));
  }
  // 2^(F - L) and its inverse.
  const I scale_bits = _mm512_slli_epi32(_mm512_sub_epi32(word(254 + F_bits), largest), 23);
  const F scale = floats(scale_bits);
  const F back = floats(_mm512_sub_epi32(word(254 << 23), scale_bits));
  I even = _mm512_cvttps_epi32(_mm512_mul_ps(c, scale));
  I odd = _mm512_setzero_si512();
#pragma GCC unroll 16
  for (int k = 0; k < Group; ++k) {
    const F product = _mm512_mul_ps(a[k], _mm512_set1_ps(b[k / run][k % run]));
    const I term = _mm512_cvttps_epi32(_mm512_mul_ps(product, scale));
    (k % 2 == 0 ? even : odd) = _mm512_add_epi32(k % 2 == 0 ? even : odd, term);
  }
  const I sum = _mm512_add_epi32(even, odd);
  if constexpr (F_bits == 25 && Group == 16) {  // 16 products of almost 4, and c
    bad |= _mm512_movepi32_mask(
        _mm512_and_si512(_mm512_xor_si512(even, sum), _mm512_xor_si512(odd, sum)));
  }
  F result = _mm512_cvt_roundepi32_ps(sum, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
  if constexpr (!Half) return _mm512_mul_ps(result, back);
  // With its last bit set when something was cut, so that rounding it again is right.
  const __mmask16 cut = _mm512_cmpneq_epi32_mask(_mm512_cvttps_epi32(result), sum);
  result = floats(_mm512_mask_or_epi32(bits(result), cut, bits(result), word(1)));
  return _mm512_cvtph_ps(_mm512_cvtps_ph(_mm512_mul_ps(result, back), 0));
}

template <Element E, int Blocks, bool Half, bool Hopper>
bool multiply_exact(const MatrixForm&, MatrixArithmetic, const void* a_place, const void* b_place,
                    Fragment c, Fragment d) {
  using D = Decoded<E, Blocks>;
  const auto& a = *static_cast<const typename D::A*>(a_place);
  const auto& b = *static_cast<const typename D::B*>(b_place);
  if (!a.finite || !b.finite) return false;
  constexpr int run = run_of<E>, parts = Hopper ? Blocks : 1, group = run * parts;
  F sum[8];
  load_sums<Half>(c, sum);
  unsigned bad = 0;
  if constexpr (narrow<E>) {
    for (int n = 0; n < 8; ++n) bad |= out_of_range(sum[n]);
  }
  for (int block = 0; block < Blocks; block += parts) {
    F value[group];
    I exponents[group / 2];
    for (int k = 0; k < group; ++k) value[k] = _mm512_load_ps(a.value[block * run + k]);
    for (int k = 0; k < group / 2; ++k) {
      exponents[k] = _mm512_load_si512(a.exponents[block * run / 2 + k]);
    }
    if (Half && block > 0) {  // the first group may have overflowed to infinity
      for (int n = 0; n < 8; ++n) bad |= out_of_range(sum[n]);
    }
#pragma GCC unroll 1
    for (int n = 0; n < 8; ++n) {
      const float* b_value[parts];
      const int32_t* b_exponents[parts];
      for (int i = 0; i < parts; ++i) {
        b_value[i] = b.value[block + i][n];
        b_exponents[i] = b.exponents[block + i][n];
      }
      sum[n] = sum_group < E, group, Half,
      Hopper ? 25 : 24 > (value, exponents, b_value, b_exponents, sum[n], bad);
    }
  }
  if (__builtin_expect(bad != 0, 0)) return false;
  store_sums<Half>(sum, d);
  return true;
}

// ---- choice ------------------------------------------------------------------------------------

template <Element E, int Blocks, bool Half>
MatrixUnit unit_of(MatrixArithmetic arithmetic, bool hopper) {
  static_assert(sizeof(typename Decoded<E, Blocks>::A) <= 16 * run_of<E> * Blocks * 6 + 64);
  static_assert(sizeof(typename Decoded<E, Blocks>::B) <= 8 * run_of<E> * Blocks * 6 + 64);
  if (arithmetic == MatrixArithmetic::fma_chain) {
    return {decode_a<E, Blocks, false>, decode_b<E, Blocks, false>,
            multiply_chain<E, Blocks, Half>};
  }
  return {decode_a<E, Blocks, true>, decode_b<E, Blocks, true>,
          hopper ? multiply_exact<E, Blocks, Half, true> : multiply_exact<E, Blocks, Half, false>};
}

template <Element E, bool Half>
MatrixUnit unit_of_depth(const MatrixForm& form, MatrixArithmetic arithmetic) {
  const bool hopper =
      arithmetic == MatrixArithmetic::hopper || (form.flags & MatrixForm::warpgroup) != 0;
  if (form.depth == run_of<E>) return unit_of<E, 1, Half>(arithmetic, hopper);
  if (form.depth == 2 * run_of<E>) return unit_of<E, 2, Half>(arithmetic, hopper);
  return {};
}

}  // namespace

MatrixUnit avx512_matrix_unit(const MatrixForm& form, MatrixArithmetic arithmetic) {
  if (form.rows == 8 || form.a != form.b) return {};
  if (form.d == Accumulator::f16) {
    return form.a == Element::f16 ? unit_of_depth<Element::f16, true>(form, arithmetic)
                                  : MatrixUnit{};
  }
  if (form.d != Accumulator::f32) return {};
  switch (form.a) {
    case Element::f16:
      return unit_of_depth<Element::f16, false>(form, arithmetic);
    case Element::bf16:
      return unit_of_depth<Element::bf16, false>(form, arithmetic);
    case Element::tf32:
      return unit_of_depth<Element::tf32, false>(form, arithmetic);
    default:
      return {};
  }
}

}  // namespace mtmc::emulator
