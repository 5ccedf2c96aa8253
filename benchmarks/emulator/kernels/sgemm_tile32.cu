// c = a b for square matrices of any side: 32x32 tiles, one value per thread, guarded edges.
extern "C" __global__ void sgemm_tile32(const float* __restrict__ a, const float* __restrict__ b,
                                        float* __restrict__ c, int n) {
  __shared__ float sa[32][33], sb[32][33];
  const int x = threadIdx.x, y = threadIdx.y;
  const int column = blockIdx.x * 32 + x, row = blockIdx.y * 32 + y;
  float sum = 0.0f;
  for (int k0 = 0; k0 < n; k0 += 32) {
    sa[y][x] = row < n && k0 + x < n ? a[(size_t)row * n + k0 + x] : 0.0f;
    sb[y][x] = k0 + y < n && column < n ? b[(size_t)(k0 + y) * n + column] : 0.0f;
    __syncthreads();
#pragma unroll
    for (int k = 0; k < 32; ++k) sum += sa[y][k] * sb[k][x];
    __syncthreads();
  }
  if (row < n && column < n) c[(size_t)row * n + column] = sum;
}
