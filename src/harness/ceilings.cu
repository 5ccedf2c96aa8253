// Kernels that do one thing as fast as the device can (src/harness/ceilings.cpp). Each thread keeps several
// independent chains, so that latency hides; results are stored behind a condition that never holds and that
// no compiler can know.
#define CHAINS 8

extern "C" __global__ void __launch_bounds__(256) copy(const float4* from, float4* to, long long count) {
  const long long stride = (long long)gridDim.x * blockDim.x;
  for (long long i = (long long)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride) to[i] = from[i];
}

extern "C" __global__ void __launch_bounds__(256) fp32(float* out, float a, float b, int rounds) {
  float x[CHAINS];
#pragma unroll
  for (int c = 0; c < CHAINS; ++c) x[c] = (float)(threadIdx.x + c);
  for (int r = 0; r < rounds; ++r)
#pragma unroll
    for (int k = 0; k < 4; ++k)
#pragma unroll
      for (int c = 0; c < CHAINS; ++c) x[c] = x[c] * a + b;
  float sum = 0;
#pragma unroll
  for (int c = 0; c < CHAINS; ++c) sum += x[c];
  if (sum == 12345.678f) out[threadIdx.x] = sum;
}

#if __CUDA_ARCH__ >= 800
extern "C" __global__ void __launch_bounds__(256) tf32(float* out, float a, float b, int rounds) {
  float d[CHAINS][4];
#pragma unroll
  for (int c = 0; c < CHAINS; ++c)
#pragma unroll
    for (int i = 0; i < 4; ++i) d[c][i] = 0;
  const unsigned x = __float_as_uint(a), y = __float_as_uint(b);
  for (int r = 0; r < rounds; ++r)
#pragma unroll
    for (int c = 0; c < CHAINS; ++c)
      asm volatile(
          "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
          : "+f"(d[c][0]), "+f"(d[c][1]), "+f"(d[c][2]), "+f"(d[c][3])
          : "r"(x), "r"(y), "r"(x), "r"(y), "r"(x), "r"(y));
  float sum = 0;
#pragma unroll
  for (int c = 0; c < CHAINS; ++c) sum += d[c][0] + d[c][1] + d[c][2] + d[c][3];
  if (sum == 12345.678f) out[threadIdx.x] = sum;
}

extern "C" __global__ void __launch_bounds__(256) bf16(float* out, float a, float b, int rounds) {
  float d[CHAINS][4];
#pragma unroll
  for (int c = 0; c < CHAINS; ++c)
#pragma unroll
    for (int i = 0; i < 4; ++i) d[c][i] = 0;
  const unsigned x = __float_as_uint(a), y = __float_as_uint(b);
  for (int r = 0; r < rounds; ++r)
#pragma unroll
    for (int c = 0; c < CHAINS; ++c)
      asm volatile(
          "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
          : "+f"(d[c][0]), "+f"(d[c][1]), "+f"(d[c][2]), "+f"(d[c][3])
          : "r"(x), "r"(y), "r"(x), "r"(y), "r"(x), "r"(y));
  float sum = 0;
#pragma unroll
  for (int c = 0; c < CHAINS; ++c) sum += d[c][0] + d[c][1] + d[c][2] + d[c][3];
  if (sum == 12345.678f) out[threadIdx.x] = sum;
}
#endif
