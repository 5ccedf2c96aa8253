#define MTMC_INDEX int
#include "math.cuh"
#include "copy.cuh"

extern "C" __global__ void __launch_bounds__(256)
g0_conv2d(const float* __restrict__ x0, const float* __restrict__ x1, float* __restrict__ t3, index_t d0, index_t d1, index_t d2, index_t d3, index_t d4) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d2 * d3 * d4) return;
  const index_t i3 = e % d3;
  const index_t e_3 = e / d3;
  const index_t i2 = e_3 % d2;
  const index_t e_2 = e_3 / d2;
  const index_t i1 = e_2 % d4;
  const index_t i0 = e_2 / d4;
  float acc = 0.0f;
  for (index_t r0 = 0; r0 < d1; ++r0) {
    for (index_t r1 = 0; r1 < 3; ++r1) {
      for (index_t r2 = 0; r2 < 3; ++r2) {
        const float x0_v = (index_inside(i2 + r1 - 1, d2) && index_inside(i3 + r2 - 1, d3)) ? fetch(x0 + (i0 * d1 * d2 * d3 + r0 * d2 * d3 + i2 * d3 + r1 * d3 + i3 + r2 - d3 - 1)) : 0.0f;
        const float x1_v = fetch(x1 + (i1 * d1 * 9 + r0 * 9 + r1 * 3 + r2));
        acc += x0_v * x1_v;
      }
    }
  }
  put(t3 + e, acc);
}

extern "C" __global__ void __launch_bounds__(256)
g1_conv2d(const float* __restrict__ x2, const float* __restrict__ t3, float* __restrict__ t4, index_t d0, index_t d2, index_t d3, index_t d4) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d2 * d3 * d4) return;
  const index_t i3 = e % d3;
  const index_t e_3 = e / d3;
  const index_t i2 = e_3 % d2;
  const index_t e_2 = e_3 / d2;
  const index_t i1 = e_2 % d4;
  const index_t i0 = e_2 / d4;
  const float t3_v = fetch(t3 + (i0 * d2 * d3 * d4 + i1 * d2 * d3 + i2 * d3 + i3));
  const float x2_v = fetch(x2 + i1);
  const float t4_v = t3_v + x2_v;
  put(t4 + e, t4_v);
}

extern "C" __global__ void __launch_bounds__(256)
g2_relu(const float* __restrict__ t4, float* __restrict__ y0, index_t d0, index_t d2, index_t d3, index_t d4) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d2 * d3 * d4) return;
  const index_t i3 = e % d3;
  const index_t e_3 = e / d3;
  const index_t i2 = e_3 % d2;
  const index_t e_2 = e_3 / d2;
  const index_t i1 = e_2 % d4;
  const index_t i0 = e_2 / d4;
  const float t4_v = fetch(t4 + (i0 * d2 * d3 * d4 + i1 * d2 * d3 + i2 * d3 + i3));
  const float y0_v = max_of(t4_v, 0.0f);
  put(y0 + e, y0_v);
}

// configuration:
// launch g0_conv2d grid [ceil_div(d0 * d2 * d3 * d4, 256)] block [256]
// launch g1_conv2d grid [ceil_div(d0 * d2 * d3 * d4, 256)] block [256]
// launch g2_relu grid [ceil_div(d0 * d2 * d3 * d4, 256)] block [256]
