#define MTMC_INDEX int
#include "math.cuh"
#include "copy.cuh"

extern "C" __global__ void __launch_bounds__(256)
g0_matmul(const float* __restrict__ x0, const float* __restrict__ x1, float* __restrict__ y0, index_t d0, index_t d1, index_t d2) {
  const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (e >= d0 * d2) return;
  const index_t i1 = e % d2;
  const index_t i0 = e / d2;
  float acc = 0.0f;
  for (index_t r0 = 0; r0 < d1; ++r0) {
    const float x0_v = fetch(x0 + (i0 * d1 + r0));
    const float x1_v = fetch(x1 + (r0 * d2 + i1));
    acc += x0_v * x1_v;
  }
  put(y0 + e, acc);
}

// configuration:
// launch g0_matmul grid [ceil_div(d0 * d2, 256)] block [256]
