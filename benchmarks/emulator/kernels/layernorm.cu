// y = (x - mean) / sqrt(variance + 1e-5) * gain + bias of each row: one block per row, Welford per
// thread.
struct Moments {
  float mean, squares, count;
};
__device__ inline Moments combined(Moments a, Moments b) {
  Moments r = a;
  r.count = a.count + b.count;
  if (r.count > 0.0f) {
    const float d = b.mean - a.mean, share = b.count / r.count;
    r.mean = a.mean + d * share;
    r.squares = a.squares + b.squares + d * d * a.count * share;
  }
  return r;
}
__device__ inline Moments over_warp(Moments m) {
  for (int o = 16; o > 0; o >>= 1) {
    Moments other;
    other.mean = __shfl_xor_sync(~0u, m.mean, o);
    other.squares = __shfl_xor_sync(~0u, m.squares, o);
    other.count = __shfl_xor_sync(~0u, m.count, o);
    m = combined(m, other);
  }
  return m;
}

extern "C" __global__ void layernorm(const float* __restrict__ x, const float* __restrict__ gain,
                                     const float* __restrict__ bias, float* __restrict__ y,
                                     int columns) {
  __shared__ float mean[32], squares[32], count[32];
  const float* from = x + (size_t)blockIdx.x * columns;
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5, warps = blockDim.x >> 5;
  Moments m = {0.0f, 0.0f, 0.0f};
  for (int i = t; i < columns; i += blockDim.x) {
    const float v = from[i], d = v - m.mean;
    m.count += 1.0f;
    m.mean += d / m.count;
    m.squares += d * (v - m.mean);
  }
  m = over_warp(m);
  if (lane == 0) {
    mean[warp] = m.mean;
    squares[warp] = m.squares;
    count[warp] = m.count;
  }
  __syncthreads();
  const Moments none = {0.0f, 0.0f, 0.0f};
  if (lane < warps)
    m = {mean[lane], squares[lane], count[lane]};
  else
    m = none;
  m = over_warp(m);
  const float scale = rsqrtf(m.squares / columns + 1e-5f);
  for (int i = t; i < columns; i += blockDim.x)
    y[(size_t)blockIdx.x * columns + i] = (from[i] - m.mean) * scale * gain[i] + bias[i];
}
