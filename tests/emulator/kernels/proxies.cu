// Bulk copies of sm_90: with the fences they need, and without each of them.
#include <cstdint>

__device__ uint32_t shared_address(const void* p) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(p));
}
__device__ void fence_proxy() { asm volatile("fence.proxy.async;" ::: "memory"); }
__device__ void init(uint64_t* bar, int count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(bar)), "r"(count)
               : "memory");
}
__device__ void expect(uint64_t* bar, int bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(bar)),
               "r"(bytes)
               : "memory");
}
__device__ void load(void* to, const void* from, int bytes, uint64_t* bar) {
  asm volatile(
      "cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::
          "r"(shared_address(to)),
      "l"(from), "r"(bytes), "r"(shared_address(bar))
      : "memory");
}
__device__ void store(void* to, const void* from, int bytes) {
  asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], %2;" ::"l"(to),
               "r"(shared_address(from)), "r"(bytes)
               : "memory");
  asm volatile("cp.async.bulk.commit_group;" ::: "memory");
}
__device__ void wait_stores() { asm volatile("cp.async.bulk.wait_group 0;" ::: "memory"); }
__device__ void wait(uint64_t* bar, int phase) {
  asm volatile(
      "{\n.reg .pred p;\nAGAIN:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n@!p bra AGAIN;\n}" ::"r"(
          shared_address(bar)),
      "r"(phase)
      : "memory");
}

extern "C" __global__ void bulk_round_trip(const int* x, int* y) {
  __shared__ __align__(16) int tile[128];
  __shared__ uint64_t bar;
  if (threadIdx.x == 0) {
    init(&bar, 1);
    fence_proxy();
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    expect(&bar, sizeof(tile));
    load(tile, x + blockIdx.x * 128, sizeof(tile), &bar);
  }
  wait(&bar, 0);
  tile[threadIdx.x] += 1;
  fence_proxy();
  __syncthreads();
  if (threadIdx.x == 0) {
    store(y + blockIdx.x * 128, tile, sizeof(tile));
    wait_stores();
  }
}

extern "C" __global__ void store_without_fence(int* y) {
  __shared__ __align__(16) int tile[128];
  tile[threadIdx.x] = threadIdx.x;
  __syncthreads();
  if (threadIdx.x == 0) {
    store(y, tile, sizeof(tile));
    wait_stores();
  }
}

extern "C" __global__ void mbarrier_without_fence(const int* x, int* y) {
  __shared__ __align__(16) int tile[128];
  __shared__ uint64_t bar;
  if (threadIdx.x == 0) init(&bar, 1);
  __syncthreads();
  if (threadIdx.x == 0) {
    expect(&bar, sizeof(tile));
    load(tile, x, sizeof(tile), &bar);
  }
  wait(&bar, 0);
  y[threadIdx.x] = tile[threadIdx.x];
}

extern "C" __global__ void bulk_read_before_wait(const int* x, int* y) {
  __shared__ __align__(16) int tile[128];
  __shared__ uint64_t bar;
  if (threadIdx.x == 0) {
    init(&bar, 1);
    fence_proxy();
    expect(&bar, sizeof(tile));
    load(tile, x, sizeof(tile), &bar);
  }
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
  wait(&bar, 0);
}

extern "C" __global__ void source_reused(int* y) {
  __shared__ __align__(16) int tile[128];
  tile[threadIdx.x] = threadIdx.x;
  fence_proxy();
  __syncthreads();
  if (threadIdx.x == 0) store(y, tile, sizeof(tile));
  __syncthreads();
  tile[threadIdx.x] = 0;
  if (threadIdx.x == 0) wait_stores();
}

extern "C" __global__ void too_many_arrivals(int* y) {
  __shared__ uint64_t bar;
  if (threadIdx.x == 0) init(&bar, 2);
  __syncthreads();
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0], 3;" ::"r"(shared_address(&bar)) : "memory");
  y[threadIdx.x] = 1;
}
