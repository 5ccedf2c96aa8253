// Row-wise kernels: softmax, layer norm, RMS norm, cross entropy, top-1.
#include <cfloat>

__device__ float warp_sum(float v) {
  for (int o = 16; o; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
  return v;
}
__device__ float warp_max(float v) {
  for (int o = 16; o; o >>= 1) v = fmaxf(v, __shfl_xor_sync(~0u, v, o));
  return v;
}
__device__ float block_sum(float v, float* scratch) {
  v = warp_sum(v);
  if ((threadIdx.x & 31) == 0) scratch[threadIdx.x >> 5] = v;
  __syncthreads();
  v = threadIdx.x < blockDim.x / 32 ? scratch[threadIdx.x] : 0.0f;
  v = warp_sum(v);
  if (threadIdx.x == 0) scratch[0] = v;
  __syncthreads();
  v = scratch[0];
  __syncthreads();
  return v;
}

extern "C" __global__ void __launch_bounds__(256) softmax(const float* x, float* y, int n) {
  __shared__ float scratch[32];
  const float* row = x + size_t(blockIdx.x) * n;
  float m = -FLT_MAX;
  for (int i = threadIdx.x; i < n; i += blockDim.x) m = fmaxf(m, row[i]);
  m = warp_max(m);
  if ((threadIdx.x & 31) == 0) scratch[threadIdx.x >> 5] = m;
  __syncthreads();
  m = warp_max(threadIdx.x < blockDim.x / 32 ? scratch[threadIdx.x] : -FLT_MAX);
  if (threadIdx.x == 0) scratch[0] = m;
  __syncthreads();
  m = scratch[0];
  __syncthreads();
  float s = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) s += expf(row[i] - m);
  s = block_sum(s, scratch);
  for (int i = threadIdx.x; i < n; i += blockDim.x) y[size_t(blockIdx.x) * n + i] = expf(row[i] - m) / s;
}

extern "C" __global__ void softmax_online(const float* x, float* y, int n) {
  const int row = (blockIdx.x * blockDim.x + threadIdx.x) / 32, lane = threadIdx.x & 31;
  float m = -FLT_MAX, s = 0;
  for (int i = lane; i < n; i += 32) {
    const float v = x[row * n + i], next = fmaxf(m, v);
    s = s * __expf(m - next) + __expf(v - next);
    m = next;
  }
  for (int o = 16; o; o >>= 1) {
    const float om = __shfl_down_sync(~0u, m, o), os = __shfl_down_sync(~0u, s, o);
    const float next = fmaxf(m, om);
    s = s * __expf(m - next) + os * __expf(om - next);
    m = next;
  }
  m = __shfl_sync(~0u, m, 0), s = __shfl_sync(~0u, s, 0);
  for (int i = lane; i < n; i += 32) y[row * n + i] = __fdividef(__expf(x[row * n + i] - m), s);
}

extern "C" __global__ void layernorm(const float4* x, const float4* g, const float4* b, float4* y, int n) {
  __shared__ float scratch[32];
  const float4* row = x + size_t(blockIdx.x) * n;
  float s = 0, q = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    const float4 v = row[i];
    s += v.x + v.y + v.z + v.w;
    q += v.x * v.x + v.y * v.y + v.z * v.z + v.w * v.w;
  }
  const float mean = block_sum(s, scratch) / (4 * n);
  const float var = block_sum(q, scratch) / (4 * n) - mean * mean, r = rsqrtf(var + 1e-5f);
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    const float4 v = row[i], gg = g[i], bb = b[i];
    y[size_t(blockIdx.x) * n + i] = make_float4((v.x - mean) * r * gg.x + bb.x, (v.y - mean) * r * gg.y + bb.y,
                                                (v.z - mean) * r * gg.z + bb.z, (v.w - mean) * r * gg.w + bb.w);
  }
}

extern "C" __global__ void cross_entropy(const float* x, const int* label, float* loss, int n) {
  __shared__ float scratch[32];
  const float* row = x + size_t(blockIdx.x) * n;
  float s = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) s += __expf(row[i]);
  s = block_sum(s, scratch);
  if (threadIdx.x == 0) atomicAdd(loss, logf(s) - row[label[blockIdx.x]]);
}

extern "C" __global__ void argmax(const float* x, int* index, int n) {
  float best = -INFINITY;
  int at = -1;
  for (int i = threadIdx.x; i < n; i += 32) {
    const float v = x[blockIdx.x * n + i];
    if (v > best || isnan(v)) best = v, at = i;
  }
  for (int o = 16; o; o >>= 1) {
    const float ob = __shfl_up_sync(~0u, best, o);
    const int oi = __shfl_up_sync(~0u, at, o);
    if (threadIdx.x >= o && ob > best) best = ob, at = oi;
  }
  if (threadIdx.x == 31) index[blockIdx.x] = at;
}
