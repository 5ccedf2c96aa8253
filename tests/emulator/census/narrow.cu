// int8, fp8, half and bfloat16: quantisation, dot products, every arithmetic form of the headers.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

extern "C" __global__ void quant_int8(const float* x, signed char* q, float* scale, int n) {
  __shared__ float peak[8];
  float m = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) m = fmaxf(m, fabsf(x[blockIdx.x * n + i]));
  for (int o = 16; o; o >>= 1) m = fmaxf(m, __shfl_xor_sync(~0u, m, o));
  if ((threadIdx.x & 31) == 0) peak[threadIdx.x >> 5] = m;
  __syncthreads();
  for (int i = 0; i < blockDim.x / 32; ++i) m = fmaxf(m, peak[i]);
  const float s = m / 127;
  if (threadIdx.x == 0) scale[blockIdx.x] = s;
  for (int i = threadIdx.x; i < n; i += blockDim.x) q[blockIdx.x * n + i] = (signed char)max(-127, min(127, __float2int_rn(x[blockIdx.x * n + i] / s)));
}
extern "C" __global__ void dot_int8(const int* a, const int* b, int* c, int n) {
  int s = 0;
  for (int i = threadIdx.x; i < n; i += 32) s = __dp4a(a[i], b[i], s);
  s += __dp4a((unsigned)a[0], (unsigned)b[0], 1u) + __dp2a_lo(a[1], b[1], s) + __dp2a_hi((unsigned)a[1], (unsigned)b[1], 2u);
  c[threadIdx.x] = s;
}
extern "C" __global__ void quant_fp8(const float* x, __nv_fp8_e4m3* e4, __nv_fp8_e5m2* e5, float* back, __half* h, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  e4[i] = __nv_fp8_e4m3(x[i]);
  e5[i] = __nv_fp8_e5m2(x[i]);
  back[i] = float(e4[i]) + float(e5[i]);
  const __nv_fp8x2_e4m3 pair(make_float2(x[i], x[i] * 2));
  ((float2*)back)[i] = float2(pair);
  const __nv_fp8x4_e5m2 quad(make_float4(x[i], 1, 2, 3));
  ((float4*)back)[i] = float4(quad);
  ((__half2*)h)[i] = __half2(__nv_fp8x2_e5m2(__float2half2_rn(x[i])));
  h[i] = __half(__nv_fp8_e4m3(h[i]));
  ((__nv_fp8_e4m3*)e5)[i] = __nv_fp8_e4m3(__float2bfloat16(x[i]));
}
extern "C" __global__ void dequant_int4(const unsigned* q, const __half2* scale, __half2* y) {
  const unsigned v = q[threadIdx.x];
  unsigned lo, hi;
  asm("lop3.b32 %0, %1, 0x000f000f, 0x64006400, 0xea;" : "=r"(lo) : "r"(v));
  asm("lop3.b32 %0, %1, 0x00f000f0, 0x64006400, 0xea;" : "=r"(hi) : "r"(v));
  const unsigned bias = 0x64086408;
  asm("sub.f16x2 %0, %0, %1;" : "+r"(lo) : "r"(bias));
  asm("fma.rn.f16x2 %0, %1, %2, %3;" : "=r"(hi) : "r"(hi), "r"(0x2c002c00), "r"(0xd480d480));
  y[threadIdx.x * 2] = __hmul2(*(__half2*)&lo, scale[0]);
  y[threadIdx.x * 2 + 1] = __hmul2(*(__half2*)&hi, scale[1]);
}
extern "C" __global__ void half_math(const __half* x, const __half2* p, __half* y, __half2* z, float* f, int* i) {
  const __half a = x[0], b = x[1], c = x[2];
  y[0] = __hadd(a, b), y[1] = __hsub(a, b), y[2] = __hmul(a, b), y[3] = __hfma(a, b, c), y[4] = __hdiv(a, b), y[5] = __hneg(a), y[6] = __habs(a);
  y[7] = __hmax(a, b), y[8] = __hmin(a, b), y[9] = __hmax_nan(a, b), y[10] = __hfma_relu(a, b, c), y[11] = __hadd_sat(a, b), y[12] = __hfma_sat(a, b, c);
  y[13] = hexp(a), y[14] = hlog(a), y[15] = hsqrt(a), y[16] = hrsqrt(a), y[17] = hsin(a), y[18] = hcos(a), y[19] = hrcp(a), y[20] = hexp2(a), y[21] = hlog2(a);
  y[22] = hfloor(a), y[23] = hceil(a), y[24] = htrunc(a), y[25] = hrint(a), y[26] = __int2half_rn(i[0]), y[27] = __ull2half_rn(i[1]), y[28] = __short2half_rn(i[2]);
  y[29] = __float2half_rz(f[0]), y[30] = __float2half_ru(f[1]), y[31] = __double2half(f[2]), y[32] = __uint2half_rn(i[3]), y[33] = htanh(a);
  z[0] = __hadd2(p[0], p[1]), z[1] = __hsub2(p[0], p[1]), z[2] = __hmul2(p[0], p[1]), z[3] = __hfma2(p[0], p[1], p[2]), z[4] = __h2div(p[0], p[1]);
  z[5] = __hmax2(p[0], p[1]), z[6] = __hmin2(p[0], p[1]), z[7] = __hneg2(p[0]), z[8] = __habs2(p[0]), z[9] = h2exp(p[0]), z[10] = h2sqrt(p[0]), z[11] = __hfma2_relu(p[0], p[1], p[2]);
  z[12] = __lowhigh2highlow(p[0]), z[13] = __halves2half2(a, b), z[14] = __hgt2(p[0], p[1]), z[15] = __heq2(p[0], p[1]), z[16] = h2rcp(p[0]), z[17] = __hadd2_sat(p[0], p[1]);
  z[18] = __shfl_xor_sync(~0u, p[0], 1), z[19] = h2tanh(p[0]), z[20] = __hcmadd(p[0], p[1], p[2]);
  i[10] = __heq(a, b) + __hlt(a, b) * 2 + __hge(a, b) * 4 + __hisnan(a) + __hbgt2(p[0], p[1]) + __half2int_rn(a) + __half2int_rz(b) + __half2ushort_rn(a) + __half2ll_rd(b) + __hneu(a, b) + __hltu2_mask(p[0], p[1]);
  f[10] = __half2float(a) + __low2float(p[0]) + (float)__hge2(p[0], p[1]).x;
  atomicAdd((__half2*)z + 30, p[0]);
  atomicAdd((__half*)y + 60, a);
}
extern "C" __global__ void bf16_math(const __nv_bfloat16* x, const __nv_bfloat162* p, __nv_bfloat16* y, __nv_bfloat162* z, float* f, int* i) {
  const __nv_bfloat16 a = x[0], b = x[1], c = x[2];
  y[0] = __hadd(a, b), y[1] = __hsub(a, b), y[2] = __hmul(a, b), y[3] = __hfma(a, b, c), y[4] = __hdiv(a, b), y[5] = __hneg(a), y[6] = __habs(a);
  y[7] = __hmax(a, b), y[8] = __hmin(a, b), y[9] = __hmin_nan(a, b), y[10] = __hfma_relu(a, b, c), y[11] = hexp(a), y[12] = hlog(a), y[13] = hsqrt(a), y[14] = hrsqrt(a);
  y[15] = htrunc(a), y[16] = __int2bfloat16_rn(i[0]), y[17] = __float2bfloat16_rz(f[0]), y[18] = __double2bfloat16(f[1]), y[19] = hrcp(a), y[20] = htanh(a);
  z[0] = __hadd2(p[0], p[1]), z[1] = __hsub2(p[0], p[1]), z[2] = __hmul2(p[0], p[1]), z[3] = __hfma2(p[0], p[1], p[2]), z[4] = __hmax2(p[0], p[1]), z[5] = __hmin2(p[0], p[1]);
  z[6] = __hneg2(p[0]), z[7] = __habs2(p[0]), z[8] = __floats2bfloat162_rn(f[2], f[3]), z[9] = h2exp(p[0]), z[10] = __hfma2_relu(p[0], p[1], p[2]), z[11] = __hgt2(p[0], p[1]);
  i[10] = __heq(a, b) + __hlt(a, b) * 2 + __hisnan(a) + __bfloat162int_rn(a) + __hbeq2(p[0], p[1]) + __bfloat162uint_rz(b);
  f[10] = __bfloat162float(a) + __low2float(p[0]) + __high2float(p[1]);
  atomicAdd((__nv_bfloat162*)z + 30, p[0]);
  atomicAdd((__nv_bfloat16*)y + 60, a);
}
