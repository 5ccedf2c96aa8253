// cp.async: a pipeline that waits, and the two ways to forget it.
__device__ void copy16(void* to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                   (unsigned)__cvta_generic_to_shared(to)),
               "l"(from)
               : "memory");
}

extern "C" __global__ void pipeline(const float* x, float* y, int tiles) {
  __shared__ __align__(16) float tile[3][128];
  const int t = threadIdx.x;
  float sum = 0;
  for (int s = 0; s < 2; ++s) {
    copy16(&tile[s][t * 4], x + s * 128 + t * 4);
    asm volatile("cp.async.commit_group;" ::: "memory");
  }
  for (int i = 0; i < tiles; ++i) {
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    __syncthreads();
    for (int j = 0; j < 4; ++j) sum += tile[i % 3][t + j * 32];
    if (i + 2 < tiles) copy16(&tile[(i + 2) % 3][t * 4], x + (i + 2) * 128 + t * 4);
    asm volatile("cp.async.commit_group;" ::: "memory");
  }
  y[t] = sum;
}

extern "C" __global__ void read_before_wait(const float* x, float* y) {
  __shared__ __align__(16) float tile[128];
  const int t = threadIdx.x;
  copy16(&tile[t * 4], x + t * 4);
  asm volatile("cp.async.commit_group;" ::: "memory");
  y[t] = tile[t * 4];
}

extern "C" __global__ void source_overwritten(float* x, float* y) {
  __shared__ __align__(16) float tile[128];
  const int t = threadIdx.x;
  copy16(&tile[t * 4], x + t * 4);
  x[t * 4] = 1.0f;
  asm volatile("cp.async.wait_all;" ::: "memory");
  y[t] = tile[t * 4];
}
