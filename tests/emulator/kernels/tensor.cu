// Tensor core products as people write them: nvcuda::wmma, and wgmma in a loop over k.
#include <cuda_fp16.h>
#include <mma.h>

// c = a * b, all row-major; a warp per 16 x 16 tile. m, n and k are multiples of 16.
extern "C" __global__ void product_wmma(const __half* a, const __half* b, float* c, int n, int k) {
  using namespace nvcuda::wmma;
  fragment<matrix_a, 16, 16, 16, __half, row_major> fa;
  fragment<matrix_b, 16, 16, 16, __half, row_major> fb;
  fragment<accumulator, 16, 16, 16, float> sum;
  fill_fragment(sum, 0.0f);
  const int row = blockIdx.y * 16, column = blockIdx.x * 16;
  for (int p = 0; p < k; p += 16) {
    load_matrix_sync(fa, a + row * k + p, k);
    load_matrix_sync(fb, b + p * n + column, n);
    mma_sync(sum, fa, fb, sum);
  }
  for (int i = 0; i < sum.num_elements; ++i) sum.x[i] *= 2.0f;
  store_matrix_sync(c + row * n + column, sum, n, mem_row_major);
}

#if __CUDA_ARCH__ == 900 && defined(__CUDA_ARCH_FEAT_SM90_ALL)
// 8 x 16-byte core matrices, one after the other along k: no swizzle, K-major.
__device__ __forceinline__ unsigned long long descriptor(unsigned address) {
  const unsigned long long leading = 128, stride = 512;
  return (address >> 4) | (leading >> 4) << 16 | (stride >> 4) << 32;
}

// c (64 x 16) = 2 * a (64 x k, rows) * b (16 x k, rows) transposed; k is a multiple of 32.
extern "C" __global__ void __launch_bounds__(128)
    product_wgmma(const __half* a, const __half* b, float* c, int k) {
  __shared__ __align__(128) __half sa[64 * 32];
  __shared__ __align__(128) __half sb[16 * 32];
  float sum[8] = {};
  const auto place = [](int row, int p) {
    return row / 8 * 256 + p / 8 * 64 + row % 8 * 8 + p % 8;
  };
  for (int first = 0; first < k; first += 32) {
    for (int i = threadIdx.x; i < 64 * 32; i += 128) {
      sa[place(i / 32, i % 32)] = a[i / 32 * k + first + i % 32];
    }
    for (int i = threadIdx.x; i < 16 * 32; i += 128) {
      sb[place(i / 32, i % 32)] = b[i / 32 * k + first + i % 32];
    }
    asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
    __syncthreads();
    asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
    for (int step = 0; step < 2; ++step) {
      asm volatile(
          "{\n.reg .pred p;\nsetp.ne.b32 p, %10, 0;\n"
          "wgmma.mma_async.sync.aligned.m64n16k16.f32.f16.f16 "
          "{%0, %1, %2, %3, %4, %5, %6, %7}, %8, %9, p, 1, 1, 0, 0;\n}\n"
          : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3]), "+f"(sum[4]), "+f"(sum[5]),
            "+f"(sum[6]), "+f"(sum[7])
          : "l"(descriptor((unsigned)__cvta_generic_to_shared(sa) + step * 256)),
            "l"(descriptor((unsigned)__cvta_generic_to_shared(sb) + step * 256)), "r"(1));
    }
    asm volatile("wgmma.commit_group.sync.aligned;\n wgmma.wait_group.sync.aligned 0;" ::
                     : "memory");
    __syncthreads();
  }
  const int row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  for (int i = 0; i < 8; ++i) {
    c[(row + i / 2 % 2 * 8) * 16 + column + i / 4 * 8 + i % 2] = 2.0f * sum[i];
  }
}
#endif
