// Elements between memory and registers: one at a time, or V neighbours in accesses of up to 16
// bytes.
//
// Storage types: float, double, f16, bf16, int8_t, uint8_t, int32_t, long long, bool as uint8_t. In
// registers they are float, double or long long. A vector access needs an address that is a
// multiple of its width: the element index must be a multiple of V and the tensor must start at a
// multiple of 16 bytes.
#pragma once
#include "math.cuh"

MTMC_DEVICE float fetch(const float* p) { return *p; }
MTMC_DEVICE double fetch(const double* p) { return *p; }
MTMC_DEVICE float fetch(const f16* p) { return (float)*p; }
MTMC_DEVICE float fetch(const bf16* p) { return (float)*p; }
MTMC_DEVICE long long fetch(const signed char* p) { return *p; }
MTMC_DEVICE long long fetch(const unsigned char* p) { return *p; }
MTMC_DEVICE long long fetch(const int* p) { return *p; }
MTMC_DEVICE long long fetch(const long long* p) { return *p; }

template <class C>
MTMC_DEVICE void put(float* p, C v) {
  *p = (float)v;
}
template <class C>
MTMC_DEVICE void put(double* p, C v) {
  *p = (double)v;
}
template <class C>
MTMC_DEVICE void put(f16* p, C v) {
  *p = f16((float)v);
}
template <class C>
MTMC_DEVICE void put(bf16* p, C v) {
  *p = bf16((float)v);
}
template <class C>
MTMC_DEVICE void put(signed char* p, C v) {
  *p = (signed char)(long long)v;
}
template <class C>
MTMC_DEVICE void put(unsigned char* p, C v) {
  *p = (unsigned char)(long long)v;
}
template <class C>
MTMC_DEVICE void put(int* p, C v) {
  *p = (int)v;
}
template <class C>
MTMC_DEVICE void put(long long* p, C v) {
  *p = (long long)v;
}

// Raw words of 4, 8 and 16 bytes: what one load or store instruction moves.
template <int BYTES>
struct Word;
template <>
struct Word<4> {
  unsigned w[1];
  MTMC_DEVICE void load(const void* p) { w[0] = *(const unsigned*)p; }
  MTMC_DEVICE void store(void* p) const { *(unsigned*)p = w[0]; }
};
template <>
struct Word<8> {
  unsigned w[2];
  MTMC_DEVICE void load(const void* p) {
    const uint2 q = *(const uint2*)p;
    w[0] = q.x, w[1] = q.y;
  }
  MTMC_DEVICE void store(void* p) const { *(uint2*)p = uint2{w[0], w[1]}; }
};
template <>
struct Word<16> {
  unsigned w[4];
  MTMC_DEVICE void load(const void* p) {
    const uint4 q = *(const uint4*)p;
    w[0] = q.x, w[1] = q.y, w[2] = q.z, w[3] = q.w;
  }
  MTMC_DEVICE void store(void* p) const { *(uint4*)p = uint4{w[0], w[1], w[2], w[3]}; }
};

// How an element lies in words; the narrow floats have two to a word. Other types go one at a time.
template <class T>
struct Packing {
  static constexpr bool packed = false;
};
template <>
struct Packing<float> {
  static constexpr bool packed = true;
  MTMC_DEVICE static float get(const unsigned* w, int i) { return __uint_as_float(w[i]); }
  MTMC_DEVICE static void set(unsigned* w, int i, float v) { w[i] = __float_as_uint(v); }
};
template <class T>
struct HalfPacking {
  static constexpr bool packed = true;
  MTMC_DEVICE static float get(const unsigned* w, int i) {
    T h;
    h.bits = (unsigned short)(w[i / 2] >> (i % 2 * 16));
    return (float)h;
  }
  MTMC_DEVICE static void set(unsigned* w, int i, float v) {
    const unsigned bits = T(v).bits;
    w[i / 2] = i % 2 ? (w[i / 2] & 0xffffu) | (bits << 16) : bits;
  }
};
template <>
struct Packing<f16> : HalfPacking<f16> {};
template <>
struct Packing<bf16> : HalfPacking<bf16> {};

// out[0..V) = p[0..V). V is a power of two; p is aligned to the access where V > 1.
template <int V, class T, class C>
MTMC_DEVICE void fetch(const T* p, C (&out)[V]) {
  constexpr int bytes = V * (int)sizeof(T) < 16 ? V * (int)sizeof(T) : 16;
  if constexpr (V == 1 || !Packing<T>::packed || bytes < 4) {
#pragma unroll
    for (int v = 0; v < V; ++v) out[v] = (C)fetch(p + v);
  } else {
    constexpr int lanes = bytes / (int)sizeof(T);
#pragma unroll
    for (int first = 0; first < V; first += lanes) {
      Word<bytes> word;
      word.load(p + first);
#pragma unroll
      for (int v = 0; v < lanes; ++v) out[first + v] = (C)Packing<T>::get(word.w, v);
    }
  }
}

template <int V, class T, class C>
MTMC_DEVICE void put(T* p, const C (&in)[V]) {
  constexpr int bytes = V * (int)sizeof(T) < 16 ? V * (int)sizeof(T) : 16;
  if constexpr (V == 1 || !Packing<T>::packed || bytes < 4) {
#pragma unroll
    for (int v = 0; v < V; ++v) put(p + v, in[v]);
  } else {
    constexpr int lanes = bytes / (int)sizeof(T);
#pragma unroll
    for (int first = 0; first < V; first += lanes) {
      Word<bytes> word;
#pragma unroll
      for (int v = 0; v < lanes; ++v) Packing<T>::set(word.w, v, (float)in[first + v]);
      word.store(p + first);
    }
  }
}

// V neighbours of a 2-byte type as they are stored.
template <int V, class T>
MTMC_DEVICE void fetch_words(const T* p, unsigned (&out)[V / 2]) {
  Word<V * 2> word;
  word.load(p);
#pragma unroll
  for (int i = 0; i < V / 2; ++i) out[i] = word.w[i];
}

// The same for neighbours that lie `step` apart, where some = true; where inside(v) is false, zero stands for the element
// and it is not read.
template <int V, class T, class Inside>
MTMC_DEVICE void gather_words(const T* p, index_t step, bool some, Inside inside, unsigned (&out)[V / 2]) {
#pragma unroll
  for (int i = 0; i < V / 2; ++i) out[i] = 0;
  if (!some) return;
#pragma unroll
  for (int i = 0; i < V / 2; ++i) {
    unsigned short low = 0, high = 0;
    if (inside(2 * i)) low = p[2 * i * step].bits;
    if (inside(2 * i + 1)) high = p[(2 * i + 1) * step].bits;
    asm("mov.b32 %0, {%1, %2};" : "=r"(out[i]) : "h"(low), "h"(high));
  }
}

// The same, not packed yet, where some && inside(v): one predicated load each, so that neither a branch nor the packing
// stands between them.
template <class T, class Inside>
MTMC_DEVICE void gather_parts(const T* p, index_t step, bool some, Inside inside, unsigned short (&out)[8]) {
#pragma unroll
  for (int v = 0; v < 8; ++v) {
    const T* from = p + v * step;
    asm volatile(
        "{\n\t.reg .pred there;\n\tsetp.ne.s32 there, %2, 0;\n\tmov.b16 %0, 0;\n\t"
        "@there ld.global.nc.u16 %0, [%1];\n\t}"
        : "=&h"(out[v])
        : "l"(__cvta_generic_to_global(from)), "r"((int)(some && inside(v))));
  }
}

MTMC_DEVICE bool divides(int vector, index_t value) { return value % vector == 0; }
