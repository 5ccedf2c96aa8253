// c = a b for square matrices whose side is a multiple of 128: a 128x128 tile per block of 256
// threads, 8x8 values per thread, depth 8, double buffered.
extern "C" __global__ void __launch_bounds__(256)
    sgemm(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int n) {
  constexpr int TILE = 128, DEPTH = 8;
  __shared__ __align__(16) float sa[2][DEPTH][TILE];
  __shared__ __align__(16) float sb[2][DEPTH][TILE];
  const int t = threadIdx.x, tx = t % 16, ty = t / 16;
  const int row_a = t / 2, column_a = t % 2 * 4, row_b = t / 32, column_b = t % 32 * 4;
  const float* from_a = a + (size_t)(blockIdx.y * TILE + row_a) * n + column_a;
  const float* from_b = b + (size_t)row_b * n + blockIdx.x * TILE + column_b;
  float sum[8][8] = {};
  float4 next_a = *(const float4*)from_a, next_b = *(const float4*)from_b;
  sa[0][column_a][row_a] = next_a.x;
  sa[0][column_a + 1][row_a] = next_a.y;
  sa[0][column_a + 2][row_a] = next_a.z;
  sa[0][column_a + 3][row_a] = next_a.w;
  *(float4*)&sb[0][row_b][column_b] = next_b;
  __syncthreads();
  int buffer = 0;
  for (int k0 = 0; k0 < n; k0 += DEPTH) {
    const bool more = k0 + DEPTH < n;
    if (more) {
      next_a = *(const float4*)(from_a + k0 + DEPTH);
      next_b = *(const float4*)(from_b + (size_t)(k0 + DEPTH) * n);
    }
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
      float x[8], y[8];
      *(float4*)&x[0] = *(float4*)&sa[buffer][k][ty * 4];
      *(float4*)&x[4] = *(float4*)&sa[buffer][k][64 + ty * 4];
      *(float4*)&y[0] = *(float4*)&sb[buffer][k][tx * 4];
      *(float4*)&y[4] = *(float4*)&sb[buffer][k][64 + tx * 4];
#pragma unroll
      for (int i = 0; i < 8; ++i) {
#pragma unroll
        for (int j = 0; j < 8; ++j) sum[i][j] += x[i] * y[j];
      }
    }
    if (more) {
      buffer ^= 1;
      sa[buffer][column_a][row_a] = next_a.x;
      sa[buffer][column_a + 1][row_a] = next_a.y;
      sa[buffer][column_a + 2][row_a] = next_a.z;
      sa[buffer][column_a + 3][row_a] = next_a.w;
      *(float4*)&sb[buffer][row_b][column_b] = next_b;
      __syncthreads();
    }
  }
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const int row = blockIdx.y * TILE + (i < 4 ? ty * 4 + i : 64 + ty * 4 + i - 4);
    float* to = c + (size_t)row * n + blockIdx.x * TILE;
    *(float4*)(to + tx * 4) = *(float4*)&sum[i][0];
    *(float4*)(to + 64 + tx * 4) = *(float4*)&sum[i][4];
  }
}
