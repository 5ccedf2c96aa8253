// CUB and libcu++: block reduce, scan, sort, atomics, barriers and pipelines.
#include <cub/cub.cuh>
#include <cuda/atomic>
#include <cuda/barrier>
#include <cuda/pipeline>
#include <cooperative_groups.h>

extern "C" __global__ void cub_reduce(const float* x, float* y) {
  using Reduce = cub::BlockReduce<float, 128>;
  __shared__ typename Reduce::TempStorage storage;
  const float s = Reduce(storage).Sum(x[blockIdx.x * 128 + threadIdx.x]);
  if (threadIdx.x == 0) y[blockIdx.x] = s;
}
extern "C" __global__ void cub_scan(const int* x, int* y) {
  using Scan = cub::BlockScan<int, 128>;
  __shared__ typename Scan::TempStorage storage;
  int v[4];
  for (int i = 0; i < 4; ++i) v[i] = x[threadIdx.x * 4 + i];
  Scan(storage).InclusiveSum(v, v);
  for (int i = 0; i < 4; ++i) y[threadIdx.x * 4 + i] = v[i];
}
extern "C" __global__ void cub_sort(int* x) {
  using Sort = cub::BlockRadixSort<int, 128, 4>;
  __shared__ typename Sort::TempStorage storage;
  int v[4];
  for (int i = 0; i < 4; ++i) v[i] = x[threadIdx.x * 4 + i];
  Sort(storage).Sort(v);
  for (int i = 0; i < 4; ++i) x[threadIdx.x * 4 + i] = v[i];
}
extern "C" __global__ void std_atomics(int* x, float* f) {
  cuda::atomic_ref<int, cuda::thread_scope_device> a(x[0]);
  a.fetch_add(1, cuda::memory_order_relaxed);
  a.store(3, cuda::memory_order_release);
  x[1] = a.load(cuda::memory_order_acquire) + a.exchange(4, cuda::memory_order_acq_rel);
  int expected = 4;
  a.compare_exchange_strong(expected, 5);
  cuda::atomic_ref<float, cuda::thread_scope_block>(f[0]).fetch_add(1.5f);
  cuda::atomic_thread_fence(cuda::memory_order_seq_cst, cuda::thread_scope_device);
}
extern "C" __global__ void std_barrier(const float* x, float* y) {
  __shared__ cuda::barrier<cuda::thread_scope_block> bar;
  __shared__ float s[128];
  if (threadIdx.x == 0) init(&bar, blockDim.x);
  __syncthreads();
  cuda::memcpy_async(&s[threadIdx.x], x + threadIdx.x, cuda::aligned_size_t<4>(4), bar);
  bar.arrive_and_wait();
  y[threadIdx.x] = s[threadIdx.x ^ 1];
}
extern "C" __global__ void std_pipeline(const float* x, float* y, int n) {
  __shared__ float s[2][128];
  auto pipe = cuda::make_pipeline();
  float sum = 0;
  for (int i = 0; i < n; ++i) {
    pipe.producer_acquire();
    cuda::memcpy_async(&s[i & 1][threadIdx.x], x + i * 128 + threadIdx.x, cuda::aligned_size_t<4>(4), pipe);
    pipe.producer_commit();
    pipe.consumer_wait();
    sum += s[i & 1][threadIdx.x];
    pipe.consumer_release();
  }
  y[threadIdx.x] = sum;
}
