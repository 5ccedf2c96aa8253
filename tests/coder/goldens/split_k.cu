#define MTMC_INDEX int
#include "math.cuh"
#include "copy.cuh"
#include "product.cuh"
#include "matmul.cuh"

struct G0_Args {
  const float* __restrict__ x0;
  const float* __restrict__ x1;
  index_t d0, d1, d2;
};

struct G0_A : G0_Args {
  using Real = float;
  static constexpr bool kAlongK = true;
  static constexpr int kVector = 4;
  struct Row {
    index_t i0;
  };
  MTMC_DEVICE bool aligned() const { return divides(4, d1); }
  MTMC_DEVICE Row row(index_t z, index_t m) const {
    const index_t i0 = m;
    return Row{i0};
  }
  template <int V>
  MTMC_DEVICE void load(const Row& row, index_t k, Real (&out)[V]) const {
    const index_t i0 = row.i0;
    const index_t k0 = k;
    float x0_v[V];
    fetch<V>(x0 + (i0 * d1 + k0), x0_v);
    #pragma unroll
    for (int v = 0; v < V; ++v) {
      out[v] = x0_v[v];
    }
  }
};

struct G0_B : G0_Args {
  using Real = float;
  static constexpr bool kAlongK = false;
  static constexpr int kVector = 4;
  struct Row {
    index_t i1;
  };
  MTMC_DEVICE bool aligned() const { return divides(4, d2); }
  MTMC_DEVICE Row row(index_t z, index_t m) const {
    const index_t i1 = m;
    return Row{i1};
  }
  template <int V>
  MTMC_DEVICE void load(const Row& row, index_t k, Real (&out)[V]) const {
    const index_t i1 = row.i1;
    const index_t k0 = k;
    float x1_v[V];
    fetch<V>(x1 + (k0 * d2 + i1), x1_v);
    #pragma unroll
    for (int v = 0; v < V; ++v) {
      out[v] = x1_v[v];
    }
  }
};

struct G0_Store : G0_Args {
  float* __restrict__ partial;
  static constexpr int kVector = 4;
  MTMC_DEVICE bool aligned() const { return true && divides(4, d2) && divides(4, d0 * d2); }
  template <int V>
  MTMC_DEVICE void store(index_t z, index_t split, index_t m, index_t n, const float (&acc)[V]) const {
    const index_t i0 = m;
    const index_t i1 = n;
    put<V>(partial + split * (d0 * d2) + i0 * d2 + i1, acc);
  }
};

extern "C" __global__ void __launch_bounds__((G0_BLOCK_M / G0_THREAD_M) * (G0_BLOCK_N / G0_THREAD_N))
g0_matmul_partial(const float* __restrict__ x0, const float* __restrict__ x1, float* __restrict__ partial, index_t d0, index_t d1, index_t d2) {
  matmul<G0_BLOCK_M, G0_BLOCK_N, G0_BLOCK_K, G0_THREAD_M, G0_THREAD_N, 2, 1, G0_PARTS>(
      G0_A{{x0, x1, d0, d1, d2}}, G0_B{{x0, x1, d0, d1, d2}}, G0_Store{{x0, x1, d0, d1, d2}, partial}, d0, d2, d1);
}

extern "C" __global__ void __launch_bounds__(256)
g0_matmul_combine(const float* __restrict__ x0, const float* __restrict__ x1, float* __restrict__ y0, const float* __restrict__ partial, index_t d0, index_t d2) {
  combine_parts<G0_PARTS, G0_LANES>(partial, d0 * d2, [&](index_t e, float acc) {
    const index_t i1 = e % d2;
    const index_t i0 = e / d2;
    put(y0 + (i0 * d2 + i1), acc);
  });
}

// configuration: G0_BLOCK_K=16 G0_BLOCK_M=16 G0_BLOCK_N=16 G0_LANES=8 G0_PARTS=8 G0_THREAD_M=1 G0_THREAD_N=1
// launch g0_matmul_partial grid [ceil_div(d0, G0_BLOCK_M) * ceil_div(d2, G0_BLOCK_N) * G0_PARTS] block [G0_BLOCK_M / G0_THREAD_M * (G0_BLOCK_N / G0_THREAD_N)]
// launch g0_matmul_combine grid [ceil_div(d0 * d2 * G0_LANES, 1024)] block [256]
