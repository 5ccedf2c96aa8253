// Matrix products: SGEMM, fp16/bf16/tf32/int8/fp64 tensor cores through mma, wmma and cp.async.
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_pipeline.h>
#include <mma.h>
using namespace nvcuda;

extern "C" __global__ void __launch_bounds__(256) sgemm(const float* A, const float* B, float* C, int M, int N, int K) {
  __shared__ float a[2][8][132];
  __shared__ float4 b[2][8][32];
  const int tx = threadIdx.x & 15, ty = threadIdx.x >> 4;
  const int row = blockIdx.y * 128, column = blockIdx.x * 128;
  float c[8][8] = {};
  const int ar = threadIdx.x >> 1, ak = (threadIdx.x & 1) * 4, bk = threadIdx.x >> 5, bc = threadIdx.x & 31;
  for (int k = 0, s = 0; k < K; k += 8, s ^= 1) {
    const float4 v = *(const float4*)(A + (row + ar) * K + k + ak);
    a[s][ak][ar] = v.x, a[s][ak + 1][ar] = v.y, a[s][ak + 2][ar] = v.z, a[s][ak + 3][ar] = v.w;
    b[s][bk][bc] = *(const float4*)(B + (k + bk) * N + column + bc * 4);
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      float fa[8];
      float4 fb[2] = {b[s][i][tx * 2], b[s][i][tx * 2 + 1]};
#pragma unroll
      for (int m = 0; m < 8; ++m) fa[m] = a[s][i][ty * 8 + m];
#pragma unroll
      for (int m = 0; m < 8; ++m)
#pragma unroll
        for (int n = 0; n < 8; ++n) c[m][n] += fa[m] * ((float*)fb)[n];
    }
  }
  for (int m = 0; m < 8; ++m)
    for (int n = 0; n < 8; n += 4)
      *(float4*)(C + (row + ty * 8 + m) * N + column + tx * 8 + n) = make_float4(c[m][n], c[m][n + 1], c[m][n + 2], c[m][n + 3]);
}

__device__ unsigned shared_address(const void* p) { return (unsigned)__cvta_generic_to_shared(p); }

extern "C" __global__ void hgemm(const __half* A, const __half* B, float* C, int M, int N, int K) {
  __shared__ __align__(16) __half a[2][64][40], b[2][32][72];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  float c[4][2][4] = {};
  auto copy = [&](int s, int k) {
    for (int i = threadIdx.x; i < 64 * 4; i += blockDim.x)
      asm volatile("cp.async.cg.shared.global.L2::128B [%0], [%1], 16;" ::"r"(shared_address(&a[s][i / 4][i % 4 * 8])),
                   "l"(A + (blockIdx.y * 64 + i / 4) * K + k + i % 4 * 8));
    for (int i = threadIdx.x; i < 32 * 8; i += blockDim.x)
      asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(shared_address(&b[s][i / 8][i % 8 * 8])),
                   "l"(B + (k + i / 8) * N + blockIdx.x * 64 + i % 8 * 8));
    asm volatile("cp.async.commit_group;");
  };
  copy(0, 0);
  for (int k = 0, s = 0; k < K; k += 32, s ^= 1) {
    if (k + 32 < K) copy(s ^ 1, k + 32);
    asm volatile("cp.async.wait_group 1;");
    __syncthreads();
    for (int kk = 0; kk < 32; kk += 16) {
      unsigned fa[4][4], fb[2][2];
      for (int m = 0; m < 4; ++m)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(fa[m][0]), "=r"(fa[m][1]), "=r"(fa[m][2]), "=r"(fa[m][3])
                     : "r"(shared_address(&a[s][m * 16 + (lane & 15)][kk + (lane >> 4) * 8])));
      for (int n = 0; n < 2; ++n)
        asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
                     : "=r"(fb[n][0]), "=r"(fb[n][1])
                     : "r"(shared_address(&b[s][kk + (lane & 15)][warp * 16 + n * 8])));
      for (int m = 0; m < 4; ++m)
        for (int n = 0; n < 2; ++n)
          asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                       : "+f"(c[m][n][0]), "+f"(c[m][n][1]), "+f"(c[m][n][2]), "+f"(c[m][n][3])
                       : "r"(fa[m][0]), "r"(fa[m][1]), "r"(fa[m][2]), "r"(fa[m][3]), "r"(fb[n][0]), "r"(fb[n][1]));
    }
    __syncthreads();
  }
  asm volatile("cp.async.wait_all;");
  for (int m = 0; m < 4; ++m)
    for (int n = 0; n < 2; ++n)
      *(float2*)(C + (blockIdx.y * 64 + m * 16 + lane / 4) * N + blockIdx.x * 64 + warp * 16 + n * 8 + lane % 4 * 2) =
          make_float2(c[m][n][0], c[m][n][1]);
}

// Every other mma shape that generated code uses.
extern "C" __global__ void mma_shapes(unsigned* p, float* f, double* d) {
  unsigned a[4] = {p[0], p[1], p[2], p[3]}, b[2] = {p[4], p[5]}, e = p[6];
  float c[4] = {f[0], f[1], f[2], f[3]};
  int i[4] = {1, 2, 3, 4};
  unsigned h[2] = {p[7], p[8]};
#define F32(text) asm volatile(text : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
#define S32(text) asm volatile(text : "+r"(i[0]), "+r"(i[1]), "+r"(i[2]), "+r"(i[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]))
  F32("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};");
  F32("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};");
  F32("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5}, {%8}, {%0,%1,%2,%3};");
  F32("mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5}, {%8}, {%0,%1,%2,%3};");
  F32("mma.sync.aligned.m16n8k4.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5}, {%8}, {%0,%1,%2,%3};");
  S32("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};");
  S32("mma.sync.aligned.m16n8k32.row.col.satfinite.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};");
  S32("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};");
  S32("mma.sync.aligned.m16n8k16.row.col.s32.s8.s8.s32 {%0,%1,%2,%3}, {%4,%5}, {%8}, {%0,%1,%2,%3};");
  S32("mma.sync.aligned.m16n8k64.row.col.s32.s4.s4.s32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};");
  S32("mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.and.popc {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};");
  asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {%0,%1}, {%2}, {%3}, {%0,%1};" : "+r"(i[0]), "+r"(i[1]) : "r"(a[0]), "r"(b[0]));
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f16.f16.f16.f16 {%0,%1}, {%2,%3,%4,%5}, {%6,%7}, {%0,%1};"
               : "+r"(h[0]), "+r"(h[1]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
  asm volatile("mma.sp.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9,%10,%11}, {%0,%1,%2,%3}, %12, 0x0;"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3]) : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(h[0]), "r"(h[1]), "r"(e));
#if __CUDA_ARCH__ >= 890
  F32("mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};");
  F32("mma.sync.aligned.m16n8k32.row.col.f32.e5m2.e4m3.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};");
#endif
  double u[2] = {d[0], d[1]};
  asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0,%1}, {%2}, {%3}, {%0,%1};" : "+d"(u[0]), "+d"(u[1]) : "d"(d[2]), "d"(d[3]));
#if __CUDA_ARCH__ >= 900
  asm volatile("stmatrix.sync.aligned.m8n8.x4.shared.b16 [%0], {%1,%2,%3,%4};" ::"r"(p[9]), "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]));
  asm volatile("stmatrix.sync.aligned.m8n8.x2.trans.shared.b16 [%0], {%1,%2};" ::"r"(p[9]), "r"(a[0]), "r"(a[1]));
#endif
  asm volatile("ldmatrix.sync.aligned.m8n8.x1.shared.b16 {%0}, [%1];" : "=r"(a[0]) : "r"(p[9]));
  asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(a[1]) : "r"(a[2]));
  for (int k = 0; k < 4; ++k) f[k] = c[k], p[k] = i[k] + h[k & 1] + a[k & 1];
  d[0] = u[0], d[1] = u[1];
}

template <class T, class Acc, int M, int N, int K>
__device__ void wmma_one(const T* a, const T* b, Acc* c) {
  wmma::fragment<wmma::matrix_a, M, N, K, T, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, M, N, K, T, wmma::col_major> fb;
  wmma::fragment<wmma::accumulator, M, N, K, Acc> fc;
  wmma::fill_fragment(fc, Acc(0));
  wmma::load_matrix_sync(fa, a, K);
  wmma::load_matrix_sync(fb, b, K);
  wmma::mma_sync(fc, fa, fb, fc);
  for (int i = 0; i < fc.num_elements; ++i) fc.x[i] = fc.x[i] + fc.x[i];
  wmma::store_matrix_sync(c, fc, N, wmma::mem_row_major);
}
extern "C" __global__ void wmma_shapes(const __half* h, const __nv_bfloat16* b, const signed char* s, float* f, __half* o, int* i) {
  wmma_one<__half, float, 16, 16, 16>(h, h, f);
  wmma_one<__half, __half, 16, 16, 16>(h, h, o);
  wmma_one<__half, float, 32, 8, 16>(h, h, f);
  wmma_one<__half, float, 8, 32, 16>(h, h, f);
  wmma_one<__nv_bfloat16, float, 16, 16, 16>(b, b, f);
  wmma_one<signed char, int, 16, 16, 16>(s, s, i);
}
extern "C" __global__ void wmma_tf32(const float* a, const float* b, float* c) {
  __shared__ float tile[256];
  wmma::fragment<wmma::matrix_a, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fa;
  wmma::fragment<wmma::matrix_b, 16, 16, 8, wmma::precision::tf32, wmma::row_major> fb;
  wmma::fragment<wmma::accumulator, 16, 16, 8, float> fc;
  wmma::load_matrix_sync(fc, c, 16, wmma::mem_row_major);
  wmma::load_matrix_sync(fa, a, 8);
  wmma::load_matrix_sync(fb, b, 16);
  for (int i = 0; i < fa.num_elements; ++i) fa.x[i] = wmma::__float_to_tf32(fa.x[i]);
  wmma::mma_sync(fc, fa, fb, fc);
  wmma::store_matrix_sync(tile, fc, 16, wmma::mem_col_major);
  __syncwarp();
  c[threadIdx.x] = tile[threadIdx.x];
}

extern "C" __global__ void pipelined_sum(const float* x, float* y, int n) {
  __shared__ float stage[2][256];
  float s = 0;
  __pipeline_memcpy_async(&stage[0][threadIdx.x], x + threadIdx.x, 4);
  __pipeline_commit();
  for (int i = 0; i < n; ++i) {
    if (i + 1 < n) __pipeline_memcpy_async(&stage[(i + 1) & 1][threadIdx.x], x + (i + 1) * 256 + threadIdx.x, 4, i == n - 2 ? 2 : 0);
    __pipeline_commit();
    __pipeline_wait_prior(1);
    __syncthreads();
    s += stage[i & 1][255 - threadIdx.x];
    __syncthreads();
  }
  y[threadIdx.x] = s;
}
