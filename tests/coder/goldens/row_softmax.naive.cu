#define MTMC_INDEX int
#include "math.cuh"
#include "copy.cuh"

extern "C" __global__ void __launch_bounds__(256)
g0_softmax(const float* __restrict__ x0, float* __restrict__ t1, index_t d0, index_t d1) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0) return;
  const index_t i0 = e;
  float acc = -INFINITY;
  for (index_t r0 = 0; r0 < d1; ++r0) {
    const float x0_v = fetch(x0 + (i0 * d1 + r0));
    acc = max_of(acc, x0_v);
  }
  put(t1 + e, acc);
}

extern "C" __global__ void __launch_bounds__(256)
g1_softmax(const float* __restrict__ x0, const float* __restrict__ t1, float* __restrict__ t2, index_t d0, index_t d1) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d1) return;
  const index_t i1 = e % d1;
  const index_t i0 = e / d1;
  const float x0_v = fetch(x0 + (i0 * d1 + i1));
  const float t1_v = fetch(t1 + i0);
  const float t2_v = expf(x0_v - t1_v);
  put(t2 + e, t2_v);
}

extern "C" __global__ void __launch_bounds__(256)
g2_softmax(const float* __restrict__ t2, float* __restrict__ t3, index_t d0, index_t d1) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0) return;
  const index_t i0 = e;
  float acc = 0.0f;
  for (index_t r0 = 0; r0 < d1; ++r0) {
    const float t2_v = fetch(t2 + (i0 * d1 + r0));
    acc += t2_v;
  }
  put(t3 + e, acc);
}

extern "C" __global__ void __launch_bounds__(256)
g3_softmax(const float* __restrict__ t2, const float* __restrict__ t3, float* __restrict__ y0, index_t d0, index_t d1) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d1) return;
  const index_t i1 = e % d1;
  const index_t i0 = e / d1;
  const float t2_v = fetch(t2 + (i0 * d1 + i1));
  const float t3_v = fetch(t3 + i0);
  const float y0_v = t2_v / t3_v;
  put(y0 + e, y0_v);
}

// configuration:
// launch g0_softmax grid [ceil_div(d0, 256)] block [256]
// launch g1_softmax grid [ceil_div(d0 * d1, 256)] block [256]
// launch g2_softmax grid [ceil_div(d0, 256)] block [256]
// launch g3_softmax grid [ceil_div(d0 * d1, 256)] block [256]
