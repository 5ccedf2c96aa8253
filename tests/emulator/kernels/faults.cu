// One kernel per kind of fault.
extern "C" __global__ void out_of_bounds(const float* __restrict__ x, float* __restrict__ y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i + n];
}

extern "C" __global__ void store_at(float* y, int i) { y[i] = 1.0f; }

extern "C" __global__ void misaligned(const char* x, float* y) {
  y[threadIdx.x] = *(const float*)(x + 2 + threadIdx.x * 4);
}

extern "C" __global__ void divergent_barrier(int* x) {
  if (threadIdx.x < 7) {
    x[threadIdx.x] = 1;
    __syncthreads();
    x[threadIdx.x] = 2;
  } else {
    __syncwarp(0xffffff80u);
    x[threadIdx.x] = 3;
    asm volatile("bar.warp.sync 0xffffffff;" ::: "memory");
  }
}

extern "C" __global__ void deadlock(int* x) {
  if (threadIdx.x < 32) asm volatile("bar.sync 1, 64;" ::: "memory");
  x[threadIdx.x] = 1;
}

extern "C" __global__ void endless(volatile int* x) {
  while (x[0] == 0) {
  }
}

extern "C" __global__ void traps(const int* x) {
  if (x[threadIdx.x] == 5) asm volatile("trap;");
}

extern "C" __global__ void lonely_shuffle(int* x) {
  int v = x[threadIdx.x];
  if (threadIdx.x < 16) v = __shfl_xor_sync(0xffffu, v, 16);
  x[threadIdx.x] = v;
}

extern "C" __global__ void shared_overrun(int* x, int i) {
  __shared__ int s[16];
  s[threadIdx.x & 15] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = s[i + (threadIdx.x & 15)];
}
