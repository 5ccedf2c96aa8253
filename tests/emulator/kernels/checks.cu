// One kernel per kind of fault that Checks::all finds.
extern "C" __global__ void uninitialised_shared(int* x) {
  __shared__ int s[64];
  if (threadIdx.x != 5) s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  x[threadIdx.x] = s[threadIdx.x ^ 1];
}

extern "C" __global__ void uninitialised_global(const float* work, float* y) {
  y[threadIdx.x] = work[threadIdx.x + 2];
}

extern "C" __global__ void missing_syncthreads(int* x) {
  __shared__ int s[64];
  s[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = s[threadIdx.x ^ 32];
}

extern "C" __global__ void overwritten_too_early(int* x) {
  __shared__ int s[64];
  s[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  int sum = 0;
  for (int i = 0; i < 64; ++i) sum += s[i];
  s[threadIdx.x] = sum;
  __syncthreads();
  x[threadIdx.x] = s[threadIdx.x ^ 1];
}

extern "C" __global__ void missing_syncwarp(int* x) {
  __shared__ int s[32];
  s[threadIdx.x] = x[threadIdx.x];
  x[threadIdx.x] = s[threadIdx.x ^ 1];
}

extern "C" __global__ void blocks_write_one_place(float* y) {
  y[threadIdx.x + blockIdx.x * 31] = 1.0f;
}

extern "C" __global__ void last_block_without_fence(const float* x, float* partial, unsigned* count,
                                                    float* y) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = x[blockIdx.x];
    last = atomicAdd(count, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    float sum = 0;
    for (unsigned i = 0; i < gridDim.x; ++i) sum += ((volatile float*)partial)[i];
    y[0] = sum;
  }
}

extern "C" __global__ void divide(const int* a, const int* b, int* q) {
  q[threadIdx.x] = a[threadIdx.x] / b[threadIdx.x] + a[threadIdx.x] % 7;
}

extern "C" __global__ void local_overrun(const int* x, int* y, int at) {
  int a[8];
  for (int i = 0; i < 8; ++i) a[i] = x[i] * i;
  y[threadIdx.x] = a[at + threadIdx.x];
}
