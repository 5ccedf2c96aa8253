// Flash attention: scalar causal, and fp16 tensor cores with an online softmax in registers.
#include <cfloat>
#include <cuda_fp16.h>

extern "C" __global__ void __launch_bounds__(64) flash_scalar(const float* Q, const float* K, const float* V, float* O, int n, float scale) {
  __shared__ float k[32][64], v[32][64];
  const int row = blockIdx.x * 64 + threadIdx.x;
  const size_t base = size_t(blockIdx.y) * n * 64;
  float q[64], o[64] = {}, m = -FLT_MAX, l = 0;
  for (int i = 0; i < 64; ++i) q[i] = Q[base + row * 64 + i] * scale;
  for (int t = 0; t < n; t += 32) {
    for (int i = threadIdx.x; i < 32 * 64; i += 64) {
      k[i / 64][i % 64] = K[base + t * 64 + i];
      v[i / 64][i % 64] = V[base + t * 64 + i];
    }
    __syncthreads();
    for (int j = 0; j < 32 && t + j <= row; ++j) {
      float s = 0;
#pragma unroll
      for (int i = 0; i < 64; ++i) s += q[i] * k[j][i];
      const float next = fmaxf(m, s), r = __expf(m - next), p = __expf(s - next);
      l = l * r + p, m = next;
#pragma unroll
      for (int i = 0; i < 64; ++i) o[i] = o[i] * r + p * v[j][i];
    }
    __syncthreads();
  }
  for (int i = 0; i < 64; ++i) O[base + row * 64 + i] = o[i] / l;
}

__device__ void mma(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
extern "C" __global__ void flash_mma(const __half* Q, const __half* K, const __half* V, __half* O, int n, float scale) {
  extern __shared__ __align__(128) __half smem[];
  __half* k = smem;
  __half* v = smem + 64 * 72;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const size_t base = size_t(blockIdx.y) * n * 64;
  unsigned q[4][4];
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j)
      q[i][j] = *(const unsigned*)(Q + base + (blockIdx.x * 64 + warp * 16 + lane / 4 + (j & 1) * 8) * 64 + i * 16 + (lane & 3) * 2 + (j >> 1) * 8);
  float o[8][4] = {}, m[2] = {-FLT_MAX, -FLT_MAX}, l[2] = {};
  for (int t = 0; t < n; t += 64) {
    for (int i = threadIdx.x; i < 512; i += blockDim.x) {
      *(int4*)(k + i / 8 * 72 + i % 8 * 8) = *(const int4*)(K + base + t * 64 + i * 8);
      *(int4*)(v + i / 8 * 72 + i % 8 * 8) = *(const int4*)(V + base + t * 64 + i * 8);
    }
    __syncthreads();
    float s[8][4] = {};
    for (int j = 0; j < 8; ++j)
      for (int i = 0; i < 4; ++i) {
        unsigned b[2];
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1}, [%2];" : "=r"(b[0]), "=r"(b[1])
                     : "r"((unsigned)__cvta_generic_to_shared(k + (j * 8 + (lane & 7)) * 72 + i * 16 + (lane >> 3 & 1) * 8)));
        mma(s[j], q[i], b[0], b[1]);
      }
    for (int h = 0; h < 2; ++h) {
      float next = m[h];
      for (int j = 0; j < 8; ++j) next = fmaxf(next, fmaxf(s[j][2 * h], s[j][2 * h + 1]) * scale);
      next = fmaxf(next, __shfl_xor_sync(~0u, next, 1));
      next = fmaxf(next, __shfl_xor_sync(~0u, next, 2));
      const float r = exp2f((m[h] - next) * 1.442695f);
      l[h] *= r, m[h] = next;
      for (int j = 0; j < 8; ++j) {
        o[j][2 * h] *= r, o[j][2 * h + 1] *= r;
        s[j][2 * h] = exp2f((s[j][2 * h] * scale - next) * 1.442695f);
        s[j][2 * h + 1] = exp2f((s[j][2 * h + 1] * scale - next) * 1.442695f);
        l[h] += s[j][2 * h] + s[j][2 * h + 1];
      }
    }
    for (int i = 0; i < 4; ++i) {
      unsigned p[4];
      for (int j = 0; j < 4; ++j) {
        const __half2 pair = __floats2half2_rn(s[2 * i + (j >> 1)][2 * (j & 1)], s[2 * i + (j >> 1)][2 * (j & 1) + 1]);
        p[j] = *(const unsigned*)&pair;
      }
      for (int j = 0; j < 8; ++j) {
        unsigned b[2];
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];" : "=r"(b[0]), "=r"(b[1])
                     : "r"((unsigned)__cvta_generic_to_shared(v + (i * 16 + (lane & 15)) * 72 + j * 8)));
        mma(o[j], p, b[0], b[1]);
      }
    }
    __syncthreads();
  }
  for (int h = 0; h < 2; ++h) {
    l[h] += __shfl_xor_sync(~0u, l[h], 1);
    l[h] += __shfl_xor_sync(~0u, l[h], 2);
    for (int j = 0; j < 8; ++j)
      *(__half2*)(O + base + (blockIdx.x * 64 + warp * 16 + lane / 4 + h * 8) * 64 + j * 8 + (lane & 3) * 2) =
          __floats2half2_rn(o[j][2 * h] / l[h], o[j][2 * h + 1] / l[h]);
  }
}
