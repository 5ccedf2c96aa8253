// Kernels with no fault, written in the ways that a checker might take for one.
#include <cuda_fp16.h>

extern "C" __global__ void last_block_sum(const float* __restrict__ x, float* partial,
                                          unsigned* count, float* y, int n) {
  __shared__ float s[128];
  __shared__ bool last;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  s[threadIdx.x] = i < n ? x[i] : 0.0f;
  __syncthreads();
  for (int d = 64; d > 0; d >>= 1) {
    if (threadIdx.x < d) s[threadIdx.x] += s[threadIdx.x + d];
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = s[0];
    __threadfence();
    last = atomicAdd(count, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    __threadfence();
    float sum = 0;
    for (unsigned b = 0; b < gridDim.x; ++b) sum += partial[b];
    y[0] = sum;
    *count = 0;
  }
}

extern "C" __global__ void warp_scan(const int* x, int* y) {
  __shared__ int s[128];
  int* mine = s + (threadIdx.x & ~31);
  const int lane = threadIdx.x & 31;
  mine[lane] = x[threadIdx.x];
  __syncwarp();
  for (int d = 1; d < 32; d <<= 1) {
    const int before = lane >= d ? mine[lane - d] : 0;
    __syncwarp();
    mine[lane] += before;
    __syncwarp();
  }
  y[threadIdx.x] = mine[lane];
}

// Warps hand tiles to each other through two named barriers each way.
extern "C" __global__ void two_buffers(const float* x, float* y, int tiles) {
  __shared__ float tile[2][64];
  const int lane = threadIdx.x & 63;
  if (threadIdx.x < 64) {
    for (int t = 0; t < tiles; ++t) {
      if (t >= 2) asm volatile("bar.sync %0, 128;" ::"r"(3 + (t & 1)) : "memory");
      tile[t & 1][lane] = x[t * 64 + lane];
      asm volatile("bar.arrive %0, 128;" ::"r"(1 + (t & 1)) : "memory");
    }
  } else {
    float sum = 0;
    for (int t = 0; t < tiles; ++t) {
      asm volatile("bar.sync %0, 128;" ::"r"(1 + (t & 1)) : "memory");
      sum += tile[t & 1][lane ^ 33];
      if (t + 2 < tiles) asm volatile("bar.arrive %0, 128;" ::"r"(3 + (t & 1)) : "memory");
    }
    y[lane] = sum;
  }
}

// Several warps write bytes of one word, and blocks halves of one word.
extern "C" __global__ void narrow(const unsigned char* x, __half* y, int row) {
  __shared__ unsigned char flag[8];
  if ((threadIdx.x & 31) == 0) flag[threadIdx.x >> 5] = x[threadIdx.x];
  __syncthreads();
  int sum = 0;
  for (int i = 0; i < blockDim.x / 32; ++i) sum += flag[i];
  if (threadIdx.x < row) y[blockIdx.x * row + threadIdx.x] = __int2half_rn(sum + threadIdx.x);
}

// A lock in shared memory orders warps.
extern "C" __global__ void locked(int* out) {
  __shared__ int lock, value;
  if (threadIdx.x == 0) {
    lock = 0;
    value = 0;
  }
  __syncthreads();
  if ((threadIdx.x & 31) == 0) {
    while (atomicCAS(&lock, 0, 1) != 0) {
    }
    __threadfence_block();
    value = value + (threadIdx.x >> 5) + 1;
    __threadfence_block();
    atomicExch(&lock, 0);
  }
  __syncthreads();
  out[threadIdx.x] = value;
}

// Each block adds to what the one before it published.
extern "C" __global__ void chained(const int* x, volatile int* flag, int* prefix, int* y) {
  if (threadIdx.x == 0) {
    int sum = 0;
    if (blockIdx.x > 0) {
      while (flag[blockIdx.x - 1] == 0) {
      }
      __threadfence();
      sum = prefix[blockIdx.x - 1];
    }
    prefix[blockIdx.x] = sum + x[blockIdx.x];
    __threadfence();
    flag[blockIdx.x] = 1;
    y[blockIdx.x] = sum;
  }
}

extern "C" __global__ void __launch_bounds__(256)
    sgemm_double_buffered(const float* __restrict__ a, const float* __restrict__ b,
                          float* __restrict__ c, int n) {
  __shared__ float as[2][8][64], bs[2][8][64];
  const int t = threadIdx.x, row = t / 16 * 4, column = t % 16 * 4;
  const int m0 = blockIdx.y * 64, n0 = blockIdx.x * 64;
  const auto fetch = [&](int k0, int side) {
    for (int i = t; i < 512; i += 256) {
      as[side][i % 8][i / 8] = a[(m0 + i / 8) * n + k0 + i % 8];
      bs[side][i / 64][i % 64] = b[(k0 + i / 64) * n + n0 + i % 64];
    }
  };
  float sum[4][4] = {};
  fetch(0, 0);
  __syncthreads();
  for (int k0 = 0, side = 0; k0 < n; k0 += 8, side ^= 1) {
    if (k0 + 8 < n) fetch(k0 + 8, side ^ 1);
    for (int k = 0; k < 8; ++k) {
      const float4 x = *(const float4*)&as[side][k][row];
      const float4 y = *(const float4*)&bs[side][k][column];
      const float xs[4] = {x.x, x.y, x.z, x.w}, ys[4] = {y.x, y.y, y.z, y.w};
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) sum[i][j] += xs[i] * ys[j];
    }
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) c[(m0 + row + i) * n + n0 + column + j] = sum[i][j];
}

extern "C" __global__ void transpose(const float* __restrict__ x, float* __restrict__ y, int n) {
  __shared__ float tile[16][17];
  tile[threadIdx.y][threadIdx.x] =
      x[(blockIdx.y * 16 + threadIdx.y) * n + blockIdx.x * 16 + threadIdx.x];
  __syncthreads();
  y[(blockIdx.x * 16 + threadIdx.y) * n + blockIdx.y * 16 + threadIdx.x] =
      tile[threadIdx.x][threadIdx.y];
}
