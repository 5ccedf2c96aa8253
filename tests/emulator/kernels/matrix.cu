// Tensor core forms: one warp, one tile.
#include <cuda_fp16.h>

__device__ __forceinline__ unsigned shared_address(const void* p) {
  return (unsigned)__cvta_generic_to_shared(p);
}

// c (16 x 8) = a (16 x 16, rows) * b (16 x 8, rows): cp.async, ldmatrix, mma.
extern "C" __global__ void tile_f16(const __half* __restrict__ a, const __half* __restrict__ b,
                                    float* __restrict__ c, int rows) {
  __shared__ __align__(16) __half sa[16][24];
  __shared__ __align__(16) __half sb[16][8];
  const int lane = threadIdx.x;
  // Rows beyond "rows" are filled with zeros by a source size of 0.
  const int row = lane / 2;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   shared_address(&sa[row][lane % 2 * 8])),
               "l"(a + row * 16 + lane % 2 * 8), "r"(row < rows ? 16 : 0));
  if (lane < 16)
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(shared_address(&sb[lane][0])),
                 "l"(b + lane * 8));
  asm volatile("cp.async.commit_group;\n cp.async.wait_group 0;" ::: "memory");
  __syncthreads();
  unsigned fa[4], fb[2];
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
               : "=r"(fa[0]), "=r"(fa[1]), "=r"(fa[2]), "=r"(fa[3])
               : "r"(shared_address(&sa[lane & 15][(lane >> 4) * 8])));
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
               : "=r"(fb[0]), "=r"(fb[1])
               : "r"(shared_address(&sb[lane & 15][0])));
  float d[4] = {1.0f, 1.0f, 1.0f, 1.0f};
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
  const int r = lane >> 2, q = (lane & 3) * 2;
  c[r * 8 + q] = d[0];
  c[r * 8 + q + 1] = d[1];
  c[(r + 8) * 8 + q] = d[2];
  c[(r + 8) * 8 + q + 1] = d[3];
}

// c (16 x 8) = a (16 x 8) * b (8 x 8), fragments loaded by hand.
extern "C" __global__ void tile_tf32(const float* __restrict__ a, const float* __restrict__ b,
                                     float* __restrict__ c) {
  const int g = threadIdx.x >> 2, t = threadIdx.x & 3;
  const float va[4] = {a[g * 8 + t], a[(g + 8) * 8 + t], a[g * 8 + t + 4], a[(g + 8) * 8 + t + 4]};
  const float vb[2] = {b[t * 8 + g], b[(t + 4) * 8 + g]};
  unsigned fa[4], fb[2];
  for (int i = 0; i < 4; ++i) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(fa[i]) : "f"(va[i]));
  for (int i = 0; i < 2; ++i) asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(fb[i]) : "f"(vb[i]));
  float d[4] = {};
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(fa[0]), "r"(fa[1]), "r"(fa[2]), "r"(fa[3]), "r"(fb[0]), "r"(fb[1]));
  c[g * 8 + t * 2] = d[0];
  c[g * 8 + t * 2 + 1] = d[1];
  c[(g + 8) * 8 + t * 2] = d[2];
  c[(g + 8) * 8 + t * 2 + 1] = d[3];
}
