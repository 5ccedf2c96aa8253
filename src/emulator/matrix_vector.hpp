// Internal: rows of 8 for the matrix instructions. GCC vectors, lowered by any target; conversions
// of halves have AVX2 code, for the rest of the targets decode_row() in exec_mma.cpp does.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "emulator/matrix.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {

using F4 = float __attribute__((vector_size(16)));
using F8 = float __attribute__((vector_size(32)));
using I8 = int32_t __attribute__((vector_size(32)));

#define MTMC_INLINE inline __attribute__((always_inline))

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpsabi"  // all of these are inlined

MTMC_INLINE F8 load8(const float* p) {
  F8 x;
  std::memcpy(&x, p, sizeof(x));
  return x;
}
MTMC_INLINE void store8(float* p, F8 x) { std::memcpy(p, &x, sizeof(x)); }

// out = low four, high four: one vector, so that a load of the row does not wait for two stores.
MTMC_INLINE void join4(const float* low, const float* high, float* out) {
  F4 x, y;
  std::memcpy(&x, low, sizeof(x));
  std::memcpy(&y, high, sizeof(y));
  store8(out, __builtin_shufflevector(x, y, 0, 1, 2, 3, 4, 5, 6, 7));
}
template <class W>
MTMC_INLINE void join4(const W* low, const W* high, W* out) {
  std::memcpy(out, low, 4 * sizeof(W));
  std::memcpy(out + 4, high, 4 * sizeof(W));
}

// The way back. NaN in f32 becomes the canonical one.
MTMC_INLINE void split4(const float* row, float* low, float* high) {
  F8 x = load8(row);
  x = x == x ? x : (F8{} + numeric::f32_of(numeric::kNanF32));
  const F4 y = __builtin_shufflevector(x, x, 0, 1, 2, 3);
  const F4 z = __builtin_shufflevector(x, x, 4, 5, 6, 7);
  std::memcpy(low, &y, sizeof(y));
  std::memcpy(high, &z, sizeof(z));
}
template <class W>
MTMC_INLINE void split4(const W* row, W* low, W* high) {
  std::memcpy(low, row, 4 * sizeof(W));
  std::memcpy(high, row + 4, 4 * sizeof(W));
}

// fma(a, b, c) per element. ExactProduct: a * b needs no rounding, so without FMA a multiplication
// and an addition give the same.
template <bool ExactProduct>
MTMC_INLINE F8 add_product(float a, F8 b, F8 c) {
#if defined(__FMA__) && defined(__AVX__)
  return reinterpret_cast<F8>(
      _mm256_fmadd_ps(_mm256_set1_ps(a), reinterpret_cast<__m256>(b), reinterpret_cast<__m256>(c)));
#else
  if constexpr (ExactProduct) return c + a * b;
  for (int s = 0; s < 8; ++s) c[s] = numeric::fused(a, b[s], c[s]);
  return c;
#endif
}

#ifdef __AVX2__
MTMC_INLINE F8 f16_to_f8(__m128i x) { return reinterpret_cast<F8>(_mm256_cvtph_ps(x)); }
MTMC_INLINE F8 bf16_to_f8(__m128i x) {
  return reinterpret_cast<F8>(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
}

// Registers of B, 8 columns of 8 halves each, to rows of slots: b[k][slot]. Two registers at once.
MTMC_INLINE void decode_b_halves(bool bf16, Fragment reg, int count, float* b) {
  static constexpr int column[8] = {0, 2, 4, 6, 1, 3, 5, 7};
  for (int i = 0; i < count; i += 2) {
    const auto* first = reinterpret_cast<const __m128i*>(reg[i]);
    const auto* second = reinterpret_cast<const __m128i*>(reg[i + 1 < count ? i + 1 : i]);
    __m256i r[8], t[8], u[8], w[8];
    for (int s = 0; s < 8; ++s) {
      r[s] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_load_si128(first + column[s])),
                                     _mm_load_si128(second + column[s]), 1);
    }
    for (int p = 0; p < 4; ++p) {
      t[2 * p] = _mm256_unpacklo_epi16(r[2 * p], r[2 * p + 1]);
      t[2 * p + 1] = _mm256_unpackhi_epi16(r[2 * p], r[2 * p + 1]);
    }
    for (int q = 0; q < 2; ++q) {  // slots 0 to 3, 4 to 7; each holds two values of k
      u[4 * q] = _mm256_unpacklo_epi32(t[4 * q], t[4 * q + 2]);
      u[4 * q + 1] = _mm256_unpackhi_epi32(t[4 * q], t[4 * q + 2]);
      u[4 * q + 2] = _mm256_unpacklo_epi32(t[4 * q + 1], t[4 * q + 3]);
      u[4 * q + 3] = _mm256_unpackhi_epi32(t[4 * q + 1], t[4 * q + 3]);
    }
    for (int p = 0; p < 4; ++p) {
      w[2 * p] = _mm256_unpacklo_epi64(u[p], u[p + 4]);
      w[2 * p + 1] = _mm256_unpackhi_epi64(u[p], u[p + 4]);
    }
    for (int k = 0; k < 8; ++k) {
      const __m128i low = _mm256_castsi256_si128(w[k]);
      const __m128i high = _mm256_extracti128_si256(w[k], 1);
      store8(b + (i * 8 + k) * 8, bf16 ? bf16_to_f8(low) : f16_to_f8(low));
      if (i + 1 < count) {
        store8(b + (i * 8 + 8 + k) * 8, bf16 ? bf16_to_f8(high) : f16_to_f8(high));
      }
    }
  }
}
#endif

#pragma GCC diagnostic pop

}  // namespace mtmc::emulator
