// Reductions, scans, sorts, histograms, transposes, convolutions, compaction.
#include <cstdint>

extern "C" __global__ void reduce_atomic(const float* x, float* out, double* out64, int* count, int n) {
  float s = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) s += x[i];
  for (int o = 16; o; o >>= 1) s += __shfl_down_sync(~0u, s, o);
  if ((threadIdx.x & 31) == 0) atomicAdd(out, s), atomicAdd(out64, (double)s), atomicAdd(count, 1);
}

extern "C" __global__ void reduce_last_block(const float* x, float* partial, float* out, unsigned* ticket, int n) {
  __shared__ float s[256];
  __shared__ bool last;
  s[threadIdx.x] = blockIdx.x * 256 + threadIdx.x < n ? x[blockIdx.x * 256 + threadIdx.x] : 0;
  __syncthreads();
  for (int o = 128; o; o >>= 1) {
    if (threadIdx.x < o) s[threadIdx.x] += s[threadIdx.x + o];
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = s[0];
    __threadfence();
    last = atomicInc(ticket, gridDim.x) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last) return;
  float t = 0;
  for (int i = threadIdx.x; i < gridDim.x; i += 256) t += ((volatile float*)partial)[i];
  atomicAdd(out, t);
}

extern "C" __global__ void scan(const int* x, int* y, int n) {
  __shared__ int sums[32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5, i = blockIdx.x * blockDim.x + threadIdx.x;
  int v = i < n ? x[i] : 0;
  for (int o = 1; o < 32; o <<= 1) {
    const int u = __shfl_up_sync(~0u, v, o);
    if (lane >= o) v += u;
  }
  if (lane == 31) sums[warp] = v;
  __syncthreads();
  if (warp == 0) {
    int s = lane < blockDim.x / 32 ? sums[lane] : 0;
    for (int o = 1; o < 32; o <<= 1) {
      const int u = __shfl_up_sync(~0u, s, o);
      if (lane >= o) s += u;
    }
    sums[lane] = s;
  }
  __syncthreads();
  if (i < n) y[i] = v + (warp ? sums[warp - 1] : 0);
}

// Decoupled look-back: blocks spin on their predecessor's published prefix.
extern "C" __global__ void scan_lookback(const int* x, int* y, unsigned long long* state, int n) {
  __shared__ int prefix;
  const int sum = __reduce_add_sync(~0u, x[blockIdx.x * 32 + threadIdx.x]);
  if (threadIdx.x == 0) {
    unsigned long long before = 0;
    if (blockIdx.x > 0) {
      do {
        asm volatile("ld.acquire.gpu.global.u64 %0, [%1];" : "=l"(before) : "l"(state + blockIdx.x - 1) : "memory");
        if (!(before >> 32)) __nanosleep(20);
      } while (!(before >> 32));
    }
    prefix = (int)before;
    asm volatile("st.release.gpu.global.u64 [%0], %1;" ::"l"(state + blockIdx.x), "l"((1ull << 32) | unsigned(prefix + sum)) : "memory");
  }
  __syncthreads();
  y[blockIdx.x * 32 + threadIdx.x] = prefix;
}

extern "C" __global__ void bitonic(float* x) {
  __shared__ float s[512];
  s[threadIdx.x] = x[threadIdx.x];
  for (int k = 2; k <= 512; k <<= 1)
    for (int j = k >> 1; j; j >>= 1) {
      __syncthreads();
      const int other = threadIdx.x ^ j;
      if (other > threadIdx.x) {
        const float a = s[threadIdx.x], b = s[other];
        if ((a > b) == ((threadIdx.x & k) == 0)) s[threadIdx.x] = b, s[other] = a;
      }
    }
  __syncthreads();
  x[threadIdx.x] = s[threadIdx.x];
}

extern "C" __global__ void radix_pass(const uint32_t* x, uint32_t* y, int shift) {
  __shared__ int count[16];
  if (threadIdx.x < 16) count[threadIdx.x] = 0;
  __syncthreads();
  const uint32_t v = x[threadIdx.x];
  const unsigned digit = (v >> shift) & 15, peers = __match_any_sync(~0u, digit);
  const int leader = __ffs(peers) - 1, rank = __popc(peers & ((1u << (threadIdx.x & 31)) - 1));
  int at = 0;
  if ((threadIdx.x & 31) == leader) at = atomicAdd(&count[digit], __popc(peers));
  at = __shfl_sync(peers, at, leader) + rank;
  __syncthreads();
  y[at] = v;
}

extern "C" __global__ void histogram(const unsigned char* x, unsigned* bins, int n) {
  __shared__ unsigned local[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) local[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&local[x[i]], 1u);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) atomicAdd(&bins[i], local[i]);
}

extern "C" __global__ void transpose(const float* x, float* y, int n) {
  __shared__ float t[32][33];
  for (int j = 0; j < 32; j += 8) t[threadIdx.y + j][threadIdx.x] = x[(blockIdx.y * 32 + threadIdx.y + j) * n + blockIdx.x * 32 + threadIdx.x];
  __syncthreads();
  for (int j = 0; j < 32; j += 8) y[(blockIdx.x * 32 + threadIdx.y + j) * n + blockIdx.y * 32 + threadIdx.x] = t[threadIdx.x][threadIdx.y + j];
}

__constant__ float filter[64 * 9];
extern "C" __global__ void conv2d(const float* x, float* y, int c, int h, int w) {
  const int px = blockIdx.x * 16 + threadIdx.x, py = blockIdx.y * 16 + threadIdx.y;
  if (px >= w || py >= h) return;
  float s = 0;
  for (int k = 0; k < c; ++k)
    for (int dy = -1; dy <= 1; ++dy)
      for (int dx = -1; dx <= 1; ++dx)
        if (py + dy >= 0 && py + dy < h && px + dx >= 0 && px + dx < w) s += x[(k * h + py + dy) * w + px + dx] * filter[k * 9 + (dy + 1) * 3 + dx + 1];
  y[(blockIdx.z * h + py) * w + px] = s;
}

extern "C" __global__ void compact(const float* x, float* y, int* n_out, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  const bool keep = i < n && x[i] > 0;
  const unsigned ballot = __ballot_sync(~0u, keep);
  if (__all_sync(~0u, keep) || __any_sync(~0u, keep)) {
    int base = 0;
    if ((threadIdx.x & 31) == 0) base = atomicAdd(n_out, __popc(ballot));
    base = __shfl_sync(~0u, base, 0);
    if (keep) y[base + __popc(ballot & ((1u << (threadIdx.x & 31)) - 1))] = x[i];
  }
}

extern "C" __global__ void barriers(int* x, int n) {
  const int c = __syncthreads_count(x[threadIdx.x] > 0);
  const int a = __syncthreads_and(x[threadIdx.x] > c), o = __syncthreads_or(x[threadIdx.x] > n);
  asm volatile("bar.sync 1, 64;" ::: "memory");
  asm volatile("bar.arrive 2, 128;" ::: "memory");
  asm volatile("barrier.sync 3;" ::: "memory");
  __syncwarp();
  __threadfence_block();
  __threadfence_system();
  int pred;
  const unsigned m = __match_all_sync(~0u, x[0], &pred);
  x[threadIdx.x] = a + o + m + pred + __activemask() + __reduce_max_sync(~0u, x[1]) + __reduce_min_sync(~0u, (unsigned)x[2]) +
                   __reduce_and_sync(~0u, (unsigned)x[3]) + __reduce_or_sync(~0u, (unsigned)x[4]) + __reduce_xor_sync(~0u, (unsigned)x[5]);
}

extern "C" __global__ void atomics(int* i, unsigned* u, unsigned long long* l, float* f, double* d) {
  i[10] = atomicAdd(i, 1) + atomicSub(i, 2) + atomicExch(i, 3) + atomicMin(i, 4) + atomicMax(i, 5) + atomicCAS(i, 1, 2) + atomicAnd(i, 3) + atomicOr(i, 4) + atomicXor(i, 5);
  u[10] = atomicMin(u, 4u) + atomicMax(u, 5u) + atomicInc(u, 7u) + atomicDec(u, 9u);
  l[10] = atomicAdd(l, 1ull) + atomicExch(l, 2ull) + atomicCAS(l, 3ull, 4ull) + atomicMin(l, 5ull) + atomicMax((long long*)l, 6ll) + atomicAnd(l, 7ull) + atomicOr(l, 8ull) + atomicXor(l, 1ull);
  f[10] = atomicExch(f, 2.0f) + atomicAdd_block(f, 1.0f) + atomicAdd_system(f, 2.0f);
  d[10] = atomicAdd(d, 3.0);
  atomicAdd_block(i, 1), atomicMax_system(i, 3), atomicAdd(&l[1], 5ull);
}
