// f16, bf16 and integer conversions.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void half_axpy(const __half2* __restrict__ x, __half2* __restrict__ y,
                                     float scale, int n2) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n2) y[i] = __hfma2(__float2half2_rn(scale), x[i], y[i]);
}

extern "C" __global__ void half_to_float(const __half* __restrict__ x, float* __restrict__ y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = __half2float(x[i]) * 2.0f;
}

extern "C" __global__ void bf16_round(const float* __restrict__ x, __nv_bfloat16* __restrict__ y,
                                      int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = __float2bfloat16(x[i]);
}

extern "C" __global__ void quantise(const float* __restrict__ x, signed char* __restrict__ y,
                                    float inverse, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = (signed char)max(-128, min(127, __float2int_rn(x[i] * inverse)));
}
