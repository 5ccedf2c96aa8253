// Whole kernels whose results a plain C++ loop gives exactly, or within a few ulp.
extern "C" __global__ void vector_add(const float* __restrict__ a, const float* __restrict__ b,
                                      float* __restrict__ c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) c[i] = a[i] + b[i];
}

// Explicit fmaf: the order and the rounding of every step are stated, so results are bits.
extern "C" __global__ void __launch_bounds__(256)
    sgemm(const float* __restrict__ a, const float* __restrict__ b, float* __restrict__ c, int m,
          int n, int k) {
  __shared__ float tile_a[16][17];
  __shared__ float tile_b[16][16];
  const int tx = threadIdx.x, ty = threadIdx.y;
  const int row = blockIdx.y * 16 + ty, column = blockIdx.x * 16 + tx;
  float sum = 0.0f;
  for (int k0 = 0; k0 < k; k0 += 16) {
    tile_a[ty][tx] = row < m && k0 + tx < k ? a[row * k + k0 + tx] : 0.0f;
    tile_b[ty][tx] = column < n && k0 + ty < k ? b[(k0 + ty) * n + column] : 0.0f;
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 16; ++i) sum = fmaf(tile_a[ty][i], tile_b[i][tx], sum);
    __syncthreads();
  }
  if (row < m && column < n) c[row * n + column] = sum;
}

extern "C" __global__ void row_softmax(const float* __restrict__ x, float* __restrict__ y,
                                       int columns) {
  __shared__ float partial[8];
  const float* row = x + (size_t)blockIdx.x * columns;
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  float most = -1.0f / 0.0f;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) most = fmaxf(most, row[i]);
  for (int d = 16; d > 0; d >>= 1) most = fmaxf(most, __shfl_xor_sync(~0u, most, d));
  if (lane == 0) partial[warp] = most;
  __syncthreads();
  most = partial[0];
  for (int w = 1; w < (blockDim.x >> 5); ++w) most = fmaxf(most, partial[w]);
  __syncthreads();
  float sum = 0.0f;
  for (int i = threadIdx.x; i < columns; i += blockDim.x) sum += expf(row[i] - most);
  for (int d = 16; d > 0; d >>= 1) sum += __shfl_down_sync(~0u, sum, d);
  if (lane == 0) partial[warp] = sum;
  __syncthreads();
  sum = 0.0f;
  for (int w = 0; w < (blockDim.x >> 5); ++w) sum += partial[w];
  for (int i = threadIdx.x; i < columns; i += blockDim.x)
    y[(size_t)blockIdx.x * columns + i] = expf(row[i] - most) / sum;
}

// Lanes take different numbers of turns and different ways inside a turn.
extern "C" __global__ void collatz(const unsigned* __restrict__ start, unsigned* __restrict__ steps,
                                   int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned x = start[i], count = 0;
  while (x != 1) {
    if (x & 1)
      x = 3 * x + 1;
    else
      x >>= 1;
    ++count;
  }
  steps[i] = count;
}

extern "C" __global__ void transpose4(const float4* __restrict__ x, float4* __restrict__ y) {
  extern __shared__ float tile[];
  const float4 v = x[threadIdx.x];
  tile[threadIdx.x * 4 + 0] = v.x;
  tile[threadIdx.x * 4 + 1] = v.y;
  tile[threadIdx.x * 4 + 2] = v.z;
  tile[threadIdx.x * 4 + 3] = v.w;
  __syncthreads();
  const int n = blockDim.x;
  y[threadIdx.x] = make_float4(tile[threadIdx.x], tile[n + threadIdx.x], tile[2 * n + threadIdx.x],
                               tile[3 * n + threadIdx.x]);
}

__constant__ float table[4] = {0.5f, 1.5f, 2.5f, 3.5f};
__device__ int offsets[3] = {10, 20, 30};

extern "C" __global__ void lookup(const int* __restrict__ index, float* __restrict__ out, int n) {
  const int i = threadIdx.x;
  if (i < n) out[i] = table[index[i] & 3] + offsets[index[i] % 3];
}

// A local array with a dynamic index, and doubles.
extern "C" __global__ void local_array(const double* __restrict__ x, double* __restrict__ y, int turn) {
  double v[8];
  for (int i = 0; i < 8; ++i) v[i] = x[threadIdx.x * 8 + i];
  double s = 0;
  for (int i = 0; i < 8; ++i) s = fma(v[(i + turn + threadIdx.x) & 7], (double)(i + 1), s);
  y[threadIdx.x] = s / 3.0;
}
