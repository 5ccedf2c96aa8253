#define MTMC_INDEX int
#include "math.cuh"
#include "copy.cuh"
#include "product.cuh"
#include "matmul.cuh"

struct G0_Args {
  const float* __restrict__ x0;
  const float* __restrict__ x1;
  const float* __restrict__ x2;
  float* __restrict__ y0;
  index_t d0, d1, d2, d3, d4;
};

struct G0_A : G0_Args {
  using Real = float;
  static constexpr bool kAlongK = true;
  static constexpr int kVector = 1;
  struct Row {
    index_t i1;
  };
  MTMC_DEVICE bool aligned() const { return divides(4, d1 * 9); }
  MTMC_DEVICE Row row(index_t z, index_t m) const {
    const index_t i1 = m;
    return Row{i1};
  }
  template <int V>
  MTMC_DEVICE void load(const Row& row, index_t k, Real (&out)[V]) const {
    const index_t i1 = row.i1;
    const index_t k0_k1_k2 = k;
    float x1_v[V];
    fetch<V>(x1 + (i1 * d1 * 9 + k0_k1_k2), x1_v);
    #pragma unroll
    for (int v = 0; v < V; ++v) {
      out[v] = x1_v[v];
    }
  }
};

struct G0_B : G0_Args {
  using Real = float;
  static constexpr bool kAlongK = false;
  static constexpr int kVector = 1;
  struct Row {
    index_t i0;
    index_t i2;
    index_t i3;
  };
  MTMC_DEVICE bool aligned() const { return divides(4, d3); }
  MTMC_DEVICE Row row(index_t z, index_t m) const {
    const index_t i3 = m % d3;
    const index_t m_2 = m / d3;
    const index_t i2 = m_2 % d2;
    const index_t i0 = m_2 / d2;
    return Row{i0, i2, i3};
  }
  template <int V>
  MTMC_DEVICE void load(const Row& row, index_t k, Real (&out)[V]) const {
    const index_t i0 = row.i0;
    const index_t i2 = row.i2;
    const index_t i3 = row.i3;
    const index_t k2 = k % 3;
    const index_t k_2 = k / 3;
    const index_t k1 = k_2 % 3;
    const index_t k0 = k_2 / 3;
    #pragma unroll
    for (int v = 0; v < V; ++v) {
      const float x0_v = (index_inside(i2 + k1 - 1, d2) && index_inside(i3 + v + k2 - 1, d3)) ? fetch(x0 + (i0 * d1 * d2 * d3 + k0 * d2 * d3 + i2 * d3 + k1 * d3 + (i3 + v) + k2 - d3 - 1)) : 0.0f;
      out[v] = x0_v;
    }
  }
};

struct G0_Store : G0_Args {
  static constexpr int kVector = 1;
  MTMC_DEVICE bool aligned() const { return divides(4, d3) && divides(4, d2 * d3 * d4) && divides(4, d2 * d3); }
  template <int V>
  MTMC_DEVICE void store(index_t z, index_t split, index_t m, index_t n, const float (&acc)[V]) const {
    const index_t i1 = m;
    const index_t i3 = n % d3;
    const index_t n_2 = n / d3;
    const index_t i2 = n_2 % d2;
    const index_t i0 = n_2 / d2;
    const float x2_v = fetch(x2 + i1);
    float y0_out[V];
    #pragma unroll
    for (int v = 0; v < V; ++v) {
      const float t4 = acc[v] + x2_v;
      const float y0_v = max_of(t4, 0.0f);
      y0_out[v] = y0_v;
    }
    put<V>(y0 + (i0 * d2 * d3 * d4 + i1 * d2 * d3 + i2 * d3 + i3), y0_out);
  }
};

extern "C" __global__ void __launch_bounds__((G0_BLOCK_M / G0_THREAD_M) * (G0_BLOCK_N / G0_THREAD_N))
g0_relu(const float* __restrict__ x0, const float* __restrict__ x1, const float* __restrict__ x2, float* __restrict__ y0, index_t d0, index_t d1, index_t d2, index_t d3, index_t d4) {
  matmul<G0_BLOCK_M, G0_BLOCK_N, G0_BLOCK_K, G0_THREAD_M, G0_THREAD_N, 2, 1, 1>(
      G0_A{{x0, x1, x2, y0, d0, d1, d2, d3, d4}}, G0_B{{x0, x1, x2, y0, d0, d1, d2, d3, d4}}, G0_Store{{x0, x1, x2, y0, d0, d1, d2, d3, d4}}, d4, d0 * d2 * d3, d1 * 9);
}

// configuration: G0_BLOCK_K=16 G0_BLOCK_M=16 G0_BLOCK_N=16 G0_THREAD_M=1 G0_THREAD_N=1
// launch g0_relu grid [ceil_div(d4, G0_BLOCK_M) * ceil_div(d0 * d2 * d3, G0_BLOCK_N)] block [G0_BLOCK_M / G0_THREAD_M * (G0_BLOCK_N / G0_THREAD_N)]
