// c = a b, f16 operands, f32 sums, sides multiples of 128: a 128x128 tile per block of 256 threads,
// depth 32, three stages of cp.async, ldmatrix and mma.m16n8k16. Dynamic shared memory: 3 * (128 *
// 40 + 32 * 136) * 2 bytes.
__device__ inline unsigned shared_address(const void* p) {
  return (unsigned)__cvta_generic_to_shared(p);
}
__device__ inline void copy_16(void* to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared_address(to)), "l"(from));
}
__device__ inline void commit() { asm volatile("cp.async.commit_group;"); }

extern "C" __global__ void __launch_bounds__(256)
    hgemm(const unsigned short* __restrict__ a, const unsigned short* __restrict__ b,
          float* __restrict__ c, int n) {
  constexpr int TILE = 128, DEPTH = 32, STAGES = 3, WIDE_A = DEPTH + 8, WIDE_B = TILE + 8;
  extern __shared__ __align__(16) unsigned short memory[];
  unsigned short* const sa = memory;
  unsigned short* const sb = memory + STAGES * TILE * WIDE_A;
  const int t = threadIdx.x, lane = t & 31, warp = t >> 5, warp_row = warp >> 2,
            warp_column = warp & 3;
  const int row0 = blockIdx.y * TILE, column0 = blockIdx.x * TILE;
  float sum[4][4][4] = {};
  auto load = [&](int stage, int k0) {
    for (int i = 0; i < 2; ++i) {
      const int id = t + i * 256, row = id >> 2, column = (id & 3) * 8;
      copy_16(sa + (stage * TILE + row) * WIDE_A + column,
              a + (size_t)(row0 + row) * n + k0 + column);
    }
    for (int i = 0; i < 2; ++i) {
      const int id = t + i * 256, row = id >> 4, column = (id & 15) * 8;
      copy_16(sb + (stage * DEPTH + row) * WIDE_B + column,
              b + (size_t)(k0 + row) * n + column0 + column);
    }
    commit();
  };
  const int steps = n / DEPTH;
  load(0, 0);
  if (steps > 1)
    load(1, DEPTH);
  else
    commit();
  for (int step = 0; step < steps; ++step) {
    asm volatile("cp.async.wait_group 1;");
    __syncthreads();
    if (step + 2 < steps)
      load((step + 2) % STAGES, (step + 2) * DEPTH);
    else
      commit();
    const unsigned short* tile_a = sa + step % STAGES * TILE * WIDE_A;
    const unsigned short* tile_b = sb + step % STAGES * DEPTH * WIDE_B;
#pragma unroll
    for (int kk = 0; kk < DEPTH; kk += 16) {
      unsigned x[4][4], y[4][2];
#pragma unroll
      for (int i = 0; i < 4; ++i)
        asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                     : "=r"(x[i][0]), "=r"(x[i][1]), "=r"(x[i][2]), "=r"(x[i][3])
                     : "r"(shared_address(tile_a + (warp_row * 64 + i * 16 + (lane & 15)) * WIDE_A +
                                          kk + (lane >> 4) * 8)));
#pragma unroll
      for (int j = 0; j < 4; ++j)
        asm volatile(
            "ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1}, [%2];"
            : "=r"(y[j][0]), "=r"(y[j][1])
            : "r"(shared_address(tile_b + (kk + (lane & 15)) * WIDE_B + warp_column * 32 + j * 8)));
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j)
          asm volatile(
              "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, "
              "{%8,%9}, {%0,%1,%2,%3};"
              : "+f"(sum[i][j][0]), "+f"(sum[i][j][1]), "+f"(sum[i][j][2]), "+f"(sum[i][j][3])
              : "r"(x[i][0]), "r"(x[i][1]), "r"(x[i][2]), "r"(x[i][3]), "r"(y[j][0]), "r"(y[j][1]));
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int row = row0 + warp_row * 64 + i * 16 + (lane >> 2);
      const int column = column0 + warp_column * 32 + j * 8 + (lane & 3) * 2;
      *(float2*)(c + (size_t)row * n + column) = make_float2(sum[i][j][0], sum[i][j][1]);
      *(float2*)(c + (size_t)(row + 8) * n + column) = make_float2(sum[i][j][2], sum[i][j][3]);
    }
  }
}
