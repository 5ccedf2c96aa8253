#define MTMC_INDEX int
#include "math.cuh"
#include "copy.cuh"

extern "C" __global__ void __launch_bounds__(256)
g0_transpose(const float* __restrict__ x0, float* __restrict__ t3, index_t d0, index_t d1) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d1) return;
  const index_t i1 = e % d0;
  const index_t i0 = e / d0;
  const float x0_v = fetch(x0 + (i1 * d1 + i0));
  put(t3 + e, x0_v);
}

extern "C" __global__ void __launch_bounds__(256)
g1_matmul(const float* __restrict__ x1, const float* __restrict__ t3, float* __restrict__ t4, index_t d0, index_t d1, index_t d2) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d2) return;
  const index_t i1 = e % d0;
  const index_t i0 = e / d0;
  float acc = 0.0f;
  for (index_t r0 = 0; r0 < d1; ++r0) {
    const float x1_v = fetch(x1 + (i0 * d1 + r0));
    const float t3_v = fetch(t3 + (r0 * d0 + i1));
    acc += x1_v * t3_v;
  }
  put(t4 + e, acc);
}

extern "C" __global__ void __launch_bounds__(256)
g2_add(const float* __restrict__ x2, const float* __restrict__ t4, float* __restrict__ t5, index_t d0, index_t d2) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d2) return;
  const index_t i1 = e % d0;
  const index_t i0 = e / d0;
  const float t4_v = fetch(t4 + (i0 * d0 + i1));
  const float x2_v = fetch(x2 + i1);
  const float t5_v = t4_v + x2_v;
  put(t5 + e, t5_v);
}

extern "C" __global__ void __launch_bounds__(256)
g3_gelu(const float* __restrict__ t5, float* __restrict__ y0, index_t d0, index_t d2) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d2) return;
  const index_t i1 = e % d0;
  const index_t i0 = e / d0;
  const float t5_v = fetch(t5 + (i0 * d0 + i1));
  const float y0_v = 0.5f * t5_v * (1.0f + erff(t5_v * 0.70710677f));
  put(y0 + e, y0_v);
}

// configuration:
// launch g0_transpose grid [ceil_div(d0 * d1, 256)] block [256]
// launch g1_matmul grid [ceil_div(d0 * d2, 256)] block [256]
// launch g2_add grid [ceil_div(d0 * d2, 256)] block [256]
// launch g3_gelu grid [ceil_div(d0 * d2, 256)] block [256]
