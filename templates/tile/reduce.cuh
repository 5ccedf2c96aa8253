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
