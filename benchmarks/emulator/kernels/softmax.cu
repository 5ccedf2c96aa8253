// y = softmax of each row of x: one block per row, three passes, accurate exp.
__device__ inline float warp_max(float v) {
  for (int o = 16; o > 0; o >>= 1) v = fmaxf(v, __shfl_xor_sync(~0u, v, o));
  return v;
}
__device__ inline float warp_sum(float v) {
  for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(~0u, v, o);
  return v;
}

extern "C" __global__ void softmax(const float* __restrict__ x, float* __restrict__ y,
                                   int columns) {
  __shared__ float part[32];
  const float* from = x + (size_t)blockIdx.x * columns;
  float* to = y + (size_t)blockIdx.x * columns;
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5, warps = blockDim.x >> 5;
  float most = -INFINITY;
  for (int i = t; i < columns; i += blockDim.x) most = fmaxf(most, from[i]);
  most = warp_max(most);
  if (lane == 0) part[warp] = most;
  __syncthreads();
  most = warp_max(lane < warps ? part[lane] : -INFINITY);
  __syncthreads();
  float sum = 0.0f;
  for (int i = t; i < columns; i += blockDim.x) sum += expf(from[i] - most);
  sum = warp_sum(sum);
  if (lane == 0) part[warp] = sum;
  __syncthreads();
  sum = warp_sum(lane < warps ? part[lane] : 0.0f);
  const float inverse = 1.0f / sum;
  for (int i = t; i < columns; i += blockDim.x) to[i] = expf(from[i] - most) * inverse;
}
