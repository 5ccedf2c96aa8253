// Shuffles, votes, barriers, atomics: everything that needs more than one lane.
extern "C" __global__ void block_sum(const int* __restrict__ x, int* __restrict__ out, int n) {
  __shared__ int partial[32];
  int s = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) s += x[i];
  for (int d = 16; d > 0; d >>= 1) s += __shfl_down_sync(~0u, s, d);
  if ((threadIdx.x & 31) == 0) partial[threadIdx.x >> 5] = s;
  __syncthreads();
  if (threadIdx.x < 32) {
    s = threadIdx.x < blockDim.x / 32 ? partial[threadIdx.x] : 0;
    for (int d = 16; d > 0; d >>= 1) s += __shfl_xor_sync(~0u, s, d);
    if (threadIdx.x == 0) atomicAdd(out, s);
  }
}

extern "C" __global__ void histogram(const unsigned char* __restrict__ x, unsigned* __restrict__ bins,
                                     int n) {
  __shared__ unsigned local[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) local[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
    atomicAdd(&local[x[i]], 1u);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) atomicAdd(&bins[i], local[i]);
}

extern "C" __global__ void float_atomics(const float* __restrict__ x, float* __restrict__ sum,
                                         int* __restrict__ most, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  atomicAdd(sum, x[i]);
  atomicMax(most, (int)(x[i] * 1000.0f));
  atomicCAS(most + 1, 0, 77);
  atomicXor((unsigned*)most + 2, 1u << (i & 31));
  atomicInc((unsigned*)most + 3, 1000u);
}

extern "C" __global__ void votes(const int* __restrict__ x, unsigned* __restrict__ out) {
  const int lane = threadIdx.x;
  const int v = x[lane];
  out[lane] = __ballot_sync(~0u, v > 3);
  out[32 + lane] = __any_sync(~0u, v > 30) * 2 + __all_sync(~0u, v >= 0);
  out[64 + lane] = __match_any_sync(~0u, v & 3);
  out[96 + lane] = __reduce_add_sync(~0u, (unsigned)v);
  out[128 + lane] = __shfl_up_sync(~0u, v, 3);
  out[160 + lane] = __shfl_sync(~0u, v, lane * 7, 8);
  unsigned m = 0;
  if (lane % 3 == 0) m = __ballot_sync(0x49249249u, v & 1);
  out[192 + lane] = m;
  out[224 + lane] = __popc(__activemask());
}

// One half of a diverged warp meets the other at a shuffle, not at the end of a loop.
extern "C" __global__ void late_meeting(const int* __restrict__ turns, int* __restrict__ out) {
  int s = 0;
  for (int i = 0; i < turns[threadIdx.x]; ++i) s += i;
  __syncwarp();
  out[threadIdx.x] = __shfl_xor_sync(~0u, s, 1) + __syncthreads_count(s > 10);
}

extern "C" __global__ void producer_consumer(int* __restrict__ out) {
  __shared__ int mailbox[32];
  if (threadIdx.x < 32) {
    mailbox[threadIdx.x] = threadIdx.x * 3;
    asm volatile("bar.arrive 1, 64;" ::: "memory");
  } else {
    asm volatile("bar.sync 1, 64;" ::: "memory");
    out[threadIdx.x - 32] = mailbox[63 - threadIdx.x];
  }
}

extern "C" __global__ void early_exit(int* __restrict__ out) {
  if (threadIdx.x % 3 == 1) return;
  __syncthreads();
  out[threadIdx.x] = threadIdx.x + 1;
}

// The pointer's space is known only at run time.
extern "C" __global__ void generic_pointers(int* __restrict__ out, const int* __restrict__ in,
                                            int which) {
  __shared__ int s[32];
  int mine[2] = {(int)threadIdx.x * 5, which};
  s[threadIdx.x] = threadIdx.x + 100;
  __syncthreads();
  const int* p = (threadIdx.x & 1) ? &s[31 - threadIdx.x] : &in[threadIdx.x];
  if (threadIdx.x == 8) p = &mine[which];
  out[threadIdx.x] = *(const volatile int*)p;
}
