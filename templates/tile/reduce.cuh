// Combining per-thread accumulators of any struct over a group of threads.
//
// An accumulator is a struct of 4- and 8-byte fields with `void combine(const Acc& other)`,
// commutative. Every thread of the group gets the same result, bit for bit: the butterfly adds the
// same pairs in every lane.
#pragma once
#include "math.cuh"

// Value and position of an argmax or argmin; of equal values the lower position wins, and a NaN
// wins over everything.
template <class T>
struct Arg {
  T value;
  index_t at;
};
template <class T>
MTMC_DEVICE void take_max(Arg<T>& best, T value, index_t at) {
  const bool nan = value != value, best_nan = best.value != best.value;
  if (nan ? (!best_nan || at < best.at)
          : (!best_nan && (value > best.value || (value == best.value && at < best.at))))
    best.value = value, best.at = at;
}
template <class T>
MTMC_DEVICE void take_min(Arg<T>& best, T value, index_t at) {
  const bool nan = value != value, best_nan = best.value != best.value;
  if (nan ? (!best_nan || at < best.at)
          : (!best_nan && (value < best.value || (value == best.value && at < best.at))))
    best.value = value, best.at = at;
}

// The same as an accumulator, without branches where no NaN is met: lanes seldom agree. A NaN is an
// infinity at a position below zero, so that value and then position order everything.
constexpr index_t kNoPosition = sizeof(index_t) == 8 ? (index_t)0x7fffffffffffffffll : (index_t)0x7fffffff;
template <class T, bool MAX>
struct ArgOf {
  T value;  // begins as the identity
  index_t at = kNoPosition;

  MTMC_DEVICE static bool beats(T a, T b) { return MAX ? a > b : a < b; }
  MTMC_DEVICE static float huge(float) { return INFINITY; }
  MTMC_DEVICE static double huge(double) { return INFINITY; }
  MTMC_DEVICE static long long huge(long long) { return 0; }  // never met
  // Values of V neighbours, whose positions are above all that were seen.
  template <int V>
  MTMC_DEVICE void see(const T (&values)[V], index_t first) {
    T nan = 0;  // stays zero without NaN and infinity
#pragma unroll
    for (int v = 0; v < V; ++v) nan += values[v] * 0;
    if (nan == 0) {
      int best = V;
#pragma unroll
      for (int v = 0; v < V; ++v) {
        const bool take = beats(values[v], value);
        value = take ? values[v] : value;
        best = take ? v : best;
      }
      at = best < V ? first + best : at;
      return;
    }
    for (int v = 0; v < V; ++v) {
      if (values[v] != values[v]) {
        if (at >= 0) value = (MAX ? 1 : -1) * huge(value), at = first + v - kNoPosition - 1;
      } else if (beats(values[v], value)) {
        value = values[v], at = first + v;
      }
    }
  }
  MTMC_DEVICE void combine(const ArgOf& other) {
    const bool take = beats(other.value, value) | ((other.value == value) & (other.at < at));
    value = take ? other.value : value;
    at = take ? other.at : at;
  }
  // Of a row of nothing but the identity, the first.
  MTMC_DEVICE index_t position() const { return at == kNoPosition ? 0 : at & kNoPosition; }
};

template <class T>
MTMC_DEVICE T shuffle_xor(const T& value, int mask) {
  static_assert(sizeof(T) % 4 == 0, "accumulators are made of words");
  T result;
  const unsigned* from = (const unsigned*)&value;
  unsigned* to = (unsigned*)&result;
#pragma unroll
  for (int i = 0; i < (int)(sizeof(T) / 4); ++i)
    to[i] = __shfl_xor_sync(0xffffffffu, from[i], mask);
  return result;
}

// Over LANES neighbouring threads, a power of two; above 32, LANES is the whole block.
template <int LANES, class Acc>
MTMC_DEVICE void reduce_lanes(Acc& acc) {
#pragma unroll
  for (int mask = (LANES < 32 ? LANES : 32) / 2; mask > 0; mask /= 2)
    acc.combine(shuffle_xor(acc, mask));
  if constexpr (LANES > 32) {
    constexpr int warps = LANES / 32;
    __shared__ alignas(16) unsigned char storage[warps * sizeof(Acc)];
    Acc* partial = (Acc*)storage;
    if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = acc;
    __syncthreads();
    acc = partial[threadIdx.x % warps];
#pragma unroll
    for (int mask = warps / 2; mask > 0; mask /= 2) acc.combine(shuffle_xor(acc, mask));
    __syncthreads();
  }
}

// Over the LANES threads of a block that share threadIdx.x % 32.
template <int LANES, class Acc>
MTMC_DEVICE void reduce_columns(Acc& acc) {
  if constexpr (LANES > 1) {
    __shared__ alignas(16) unsigned char storage[LANES * 32 * sizeof(Acc)];
    Acc* partial = (Acc*)storage;
    partial[threadIdx.x] = acc;
    __syncthreads();
    acc = partial[threadIdx.x % 32];
    for (int lane = 1; lane < LANES; ++lane) acc.combine(partial[lane * 32 + threadIdx.x % 32]);
    __syncthreads();
  }
}
