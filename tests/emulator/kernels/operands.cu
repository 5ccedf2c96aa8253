// wgmma of sm_90a whose operands in shared memory are overwritten before it has read them, and a
// pipeline of bulk copies that waits as it should.
#include <cuda_fp16.h>

#include <cstdint>

__device__ __forceinline__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
__device__ __forceinline__ void init(uint64_t* bar) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(bar)) : "memory");
}
__device__ __forceinline__ void expect(uint64_t* bar, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(bar)),
               "r"(bytes)
               : "memory");
}
__device__ __forceinline__ void arrive(uint64_t* bar) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(bar)) : "memory");
}
__device__ __forceinline__ void load(void* to, const void* from, int bytes, uint64_t* bar) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(to)),
      "l"(from), "r"(bytes), "r"(shared_address(bar))
      : "memory");
}
__device__ __forceinline__ void wait(uint64_t* bar, int phase) {
  asm volatile(
      "{\n.reg .pred p;\nAGAIN:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n@!p bra AGAIN;\n}" ::"r"(
          shared_address(bar)),
      "r"(phase)
      : "memory");
}

// 8 x 16-byte core matrices, one after the other along k: no swizzle, K-major.
__device__ __forceinline__ uint64_t descriptor(const void* tile) {
  const uint64_t leading = 128, stride = 256;
  return (shared_address(tile) >> 4) | (leading >> 4) << 16 | (stride >> 4) << 32;
}
// sum += a (64 x 16) * b (8 x 16) transposed
__device__ __forceinline__ void multiply(float (&sum)[4], const __half* a, const __half* b) {
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
  asm volatile(
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%0, %1, %2, %3}, %4, %5, 1, 1, 1, 0, 0;"
      : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
      : "l"(descriptor(a)), "l"(descriptor(b))
      : "memory");
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
}
template <int Pending>
__device__ __forceinline__ void wait_products(float (&sum)[4]) {
  asm volatile("wgmma.wait_group.sync.aligned %4;"
               : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
               : "n"(Pending)
               : "memory");
}
__device__ __forceinline__ void write(float* c, const float (&sum)[4]) {
  const int row = threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4, column = threadIdx.x % 4 * 2;
  for (int i = 0; i < 4; ++i) c[(row + i / 2 * 8) * 8 + column + i % 2] = sum[i];
}

// A stage: a's tile, then b's, as wgmma wants them.
constexpr int a_halves = 64 * 16, b_halves = 8 * 16, stage_halves = a_halves + b_halves;
constexpr int stage_bytes = stage_halves * 2;

__device__ __forceinline__ void first_stage(__half* tile, const __half* x, uint64_t* bar) {
  if (threadIdx.x == 0) {
    init(bar);
    asm volatile("fence.proxy.async;" ::: "memory");
    expect(bar, stage_bytes);
    load(tile, x, stage_bytes, bar);
  }
  __syncthreads();
  wait(bar, 0);
}

extern "C" __global__ void __launch_bounds__(128) operand_stored_early(const __half* x, float* c) {
  __shared__ __align__(128) __half tile[stage_halves];
  __shared__ uint64_t bar;
  first_stage(tile, x, &bar);
  float sum[4] = {};
  multiply(sum, tile, tile + a_halves);
  __syncthreads();
  tile[a_halves + threadIdx.x] = __float2half(0.0f);
  wait_products<0>(sum);
  write(c, sum);
}

extern "C" __global__ void __launch_bounds__(128) operand_copied_early(const __half* x, float* c) {
  __shared__ __align__(128) __half tile[stage_halves];
  __shared__ uint64_t bar;
  first_stage(tile, x, &bar);
  float sum[4] = {};
  multiply(sum, tile, tile + a_halves);
  __syncthreads();
  if (threadIdx.x == 0) {
    expect(&bar, stage_bytes);
    load(tile, x + stage_halves, stage_bytes, &bar);
  }
  wait_products<0>(sum);
  wait(&bar, 1);
  multiply(sum, tile, tile + a_halves);
  wait_products<0>(sum);
  write(c, sum);
}

// A warp fills a ring of three stages, a warpgroup multiplies them with one product under way; one
// of its threads says for all that a stage is free.
extern "C" __global__ void __launch_bounds__(160) ring(const __half* x, float* c, int stages) {
  __shared__ __align__(128) __half tile[3][stage_halves];
  __shared__ uint64_t full[3], empty[3];
  if (threadIdx.x == 0) {
    for (int i = 0; i < 3; ++i) {
      init(&full[i]);
      init(&empty[i]);
    }
    asm volatile("fence.proxy.async;" ::: "memory");
  }
  __syncthreads();
  if (threadIdx.x >= 128) {
    if (threadIdx.x == 128) {
      for (int s = 0; s < stages; ++s) {
        if (s >= 3) wait(&empty[s % 3], s / 3 % 2 ^ 1);
        expect(&full[s % 3], stage_bytes);
        load(tile[s % 3], x + s * stage_halves, stage_bytes, &full[s % 3]);
      }
    }
    return;
  }
  float sum[4] = {};
  for (int s = 0; s < stages; ++s) {
    wait(&full[s % 3], s / 3 % 2);
    multiply(sum, tile[s % 3], tile[s % 3] + a_halves);
    wait_products<1>(sum);
    if (s > 0 && threadIdx.x == 64) arrive(&empty[(s - 1) % 3]);
  }
  wait_products<0>(sum);
  write(c, sum);
}
