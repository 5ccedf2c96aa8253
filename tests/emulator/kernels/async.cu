// Hopper's asynchronous machinery as kernels use it: a pipeline of cp.async, a ring of tensor copies
// with one producer warp, blocks that meet through a cluster and a whole grid that synchronises.
#include <cooperative_groups.h>
#include <cuda.h>
namespace cg = cooperative_groups;

typedef unsigned int u32;
typedef unsigned long long u64;

static __device__ __forceinline__ u32 shared_address(const void* p) {
  return (u32)__cvta_generic_to_shared(p);
}
static __device__ __forceinline__ void mbarrier_init(u64* b, u32 count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(b)), "r"(count));
}
static __device__ __forceinline__ void mbarrier_expect(u64* b, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(b)),
               "r"(bytes)
               : "memory");
}
static __device__ __forceinline__ void mbarrier_arrive(u64* b) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(b)) : "memory");
}
static __device__ __forceinline__ void mbarrier_wait(u64* b, u32 parity) {
  asm volatile(
      "{\n.reg .pred p;\nWAIT:\nmbarrier.try_wait.parity.shared::cta.b64 p, [%0], %1;\n"
      "@p bra DONE;\nbra WAIT;\nDONE:\n}\n" ::"r"(shared_address(b)),
      "r"(parity)
      : "memory");
}

// c = a * b, 64x64 blocks, k in steps of 16, three stages in flight.
extern "C" __global__ void __launch_bounds__(256) pipeline_gemm(const float* a, const float* b,
                                                                float* c, int n) {
  constexpr int tile = 64, step = 16, stages = 3;
  __shared__ __align__(16) float as[stages][tile][step];
  __shared__ __align__(16) float bs[stages][step][tile];
  const int row = blockIdx.y * tile, column = blockIdx.x * tile, t = threadIdx.x;
  const auto fetch = [&](int k, int stage) {
    const float* from_a = a + (row + t / 4) * n + k * step + t % 4 * 4;
    const float* from_b = b + (k * step + t / 16) * n + column + t % 16 * 4;
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(
                     shared_address(&as[stage][t / 4][t % 4 * 4])),
                 "l"(from_a));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16;" ::"r"(
                     shared_address(&bs[stage][t / 16][t % 16 * 4])),
                 "l"(from_b));
  };
  float sum[4][4] = {};
  const int steps = n / step, y = t / 16 * 4, x = t % 16 * 4;
  for (int s = 0; s < stages - 1; ++s) {
    if (s < steps) fetch(s, s);
    asm volatile("cp.async.commit_group;");
  }
  for (int k = 0; k < steps; ++k) {
    asm volatile("cp.async.wait_group 1;" ::: "memory");
    __syncthreads();
    if (k + stages - 1 < steps) fetch(k + stages - 1, (k + stages - 1) % stages);
    asm volatile("cp.async.commit_group;");
    for (int i = 0; i < step; ++i)
      for (int r = 0; r < 4; ++r)
        for (int q = 0; q < 4; ++q)
          sum[r][q] = __fmaf_rn(as[k % stages][y + r][i], bs[k % stages][i][x + q], sum[r][q]);
  }
  for (int r = 0; r < 4; ++r)
    for (int q = 0; q < 4; ++q) c[(row + y + r) * n + column + x + q] = sum[r][q];
}

// Warp 4 fetches tiles of 32x32 floats, the four warps before it add two and store the sum through
// the tensor map of y. Ring of two stages.
extern "C" __global__ void __launch_bounds__(160)
    tensor_ring(const __grid_constant__ CUtensorMap x, const __grid_constant__ CUtensorMap y,
                int tiles) {
  constexpr int stages = 2;
  __shared__ __align__(1024) float in[stages][32][32];
  __shared__ __align__(1024) float out[32][32];
  __shared__ u64 full[stages], empty[stages];
  const int t = threadIdx.x;
  if (t == 0) {
    for (int s = 0; s < stages; ++s) {
      mbarrier_init(&full[s], 1);
      mbarrier_init(&empty[s], 128);
    }
    asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  }
  __syncthreads();
  if (t >= 128) {
    asm volatile("setmaxnreg.dec.sync.aligned.u32 24;");
    if (t == 128) {
      asm volatile("prefetch.tensormap [%0];" ::"l"(&x));
      for (int i = 0; i < tiles; ++i) {
        const int s = i % stages;
        mbarrier_wait(&empty[s], (i / stages & 1) ^ 1);
        mbarrier_expect(&full[s], 32 * 32 * 4);
        asm volatile(
            "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes "
            "[%0], [%1, {%2, %3}], [%4];" ::"r"(shared_address(in[s])),
            "l"(&x), "r"((int)blockIdx.x * 32), "r"(i * 32), "r"(shared_address(&full[s]))
            : "memory");
      }
    }
  } else {
    asm volatile("setmaxnreg.inc.sync.aligned.u32 240;");
    for (int i = 0; i < tiles; ++i) {
      const int s = i % stages;
      mbarrier_wait(&full[s], i / stages & 1);
      for (int k = t; k < 1024; k += 128) {
        const int r = k / 32, q = k % 32;
        const int place = (q / 4 ^ (r & 7)) * 4 + q % 4;  // 128-byte swizzle
        out[r][place] = in[s][r][place] + (float)(q + r);
      }
      mbarrier_arrive(&empty[s]);
      asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
      asm volatile("bar.sync 1, 128;" ::: "memory");
      if (t == 0) {
        asm volatile(
            "cp.async.bulk.tensor.2d.global.shared::cta.tile.bulk_group [%0, {%1, %2}], [%3];" ::
                "l"(&y),
            "r"((int)blockIdx.x * 32), "r"(i * 32), "r"(shared_address(out))
            : "memory");
        asm volatile("cp.async.bulk.commit_group;");
        asm volatile("cp.async.bulk.wait_group.read 0;" ::: "memory");
      }
      asm volatile("bar.sync 1, 128;" ::: "memory");
    }
    if (t == 0) asm volatile("cp.async.bulk.wait_group 0;" ::: "memory");
  }
}

extern "C" __global__ void __cluster_dims__(4, 1, 1) cluster_sum(const float* x, float* y) {
  __shared__ float part;
  cg::cluster_group c = cg::this_cluster();
  float v = x[blockIdx.x * 32 + threadIdx.x];
  for (int s = 16; s; s >>= 1) v += __shfl_xor_sync(~0u, v, s);
  if (threadIdx.x == 0) part = v;
  c.sync();
  if (threadIdx.x == 0) {
    float sum = 0;
    for (unsigned r = 0; r < c.num_blocks(); ++r) sum += *c.map_shared_rank(&part, r);
    y[blockIdx.x] = sum + 1000.0f * (float)c.block_rank();
  }
  c.sync();
}

// Every element becomes its right neighbour plus one, three times.
extern "C" __global__ void grid_sync(int* x, int n) {
  cg::grid_group g = cg::this_grid();
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  for (int r = 0; r < 3; ++r) {
    const int v = x[(i + 1) % n];
    g.sync();
    x[i] = v + 1;
    g.sync();
  }
}

// Prefix sums of blocks, each looking back at its predecessors.
extern "C" __global__ void look_back(const int* x, int* y, volatile u64* state) {
  __shared__ int before;
  const int b = blockIdx.x, t = threadIdx.x;
  int v = x[b * 32 + t];
  for (int d = 1; d < 32; d <<= 1) {
    const int left = __shfl_up_sync(~0u, v, d);
    if (t >= d) v += left;
  }
  if (t == 31) {
    int sum = 0;
    if (b > 0) {
      state[b] = 1ull << 32 | (u32)v;  // an aggregate
      __threadfence();
      for (int k = b - 1; k >= 0; --k) {
        u64 s;
        do {
          s = state[k];
        } while (s >> 32 == 0);
        sum += (int)(u32)s;
        if (s >> 32 == 2) break;
      }
    }
    state[b] = 2ull << 32 | (u32)(v + sum);
    before = sum;
  }
  __syncthreads();
  y[b * 32 + t] = v + before;
}
