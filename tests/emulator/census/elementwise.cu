// Element-wise kernels: vectorised copies, activations, optimiser steps, predicated tails.
#include <cuda_bf16.h>
#include <cuda_fp16.h>

extern "C" __global__ void vadd4(const float4* a, const float4* b, float4* c, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float4 x = __ldg(a + i), y = __ldcs(b + i);
  __stcs(c + i, make_float4(x.x + y.x, x.y + y.y, x.z + y.z, x.w + y.w));
}

extern "C" __global__ void gelu(const float* x, float* y, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    const float v = x[i];
    y[i] = 0.5f * v * (1.0f + erff(v * 0.70710678f));
  }
}

extern "C" __global__ void swiglu(const __nv_bfloat162* g, const __nv_bfloat162* u, __nv_bfloat162* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float2 a = __bfloat1622float2(g[i]), b = __bfloat1622float2(u[i]);
  const float s = a.x / (1.0f + __expf(-a.x)) * b.x, t = a.y / (1.0f + expf(-a.y)) * b.y;
  y[i] = __floats2bfloat162_rn(s, t);
}

extern "C" __global__ void adamw(float* w, float* m, float* v, const float* g, float lr, float b1, float b2,
                                 float eps, float decay, int step, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float gi = g[i];
  const float mi = m[i] = b1 * m[i] + (1 - b1) * gi;
  const float vi = v[i] = b2 * v[i] + (1 - b2) * gi * gi;
  const float mh = mi / (1 - powf(b1, step)), vh = vi / (1 - powf(b2, step));
  w[i] -= lr * (mh / (sqrtf(vh) + eps) + decay * w[i]);
}

extern "C" __global__ void half_axpy(const __half2* x, __half2* y, float a, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = __hfma2(__float2half2_rn(a), x[i], y[i]);
}

extern "C" __global__ void activations(const float* x, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const float v = x[i];
  y[i] = fmaxf(v, 0.0f) + tanhf(v) + fminf(fmaxf(v + 3, 0.0f), 6.0f) * v / 6 +
         (v > 0 ? v : expm1f(v)) + log1pf(expf(v)) + copysignf(1.0f, v) + fabsf(v) + truncf(v) + rintf(v);
}
