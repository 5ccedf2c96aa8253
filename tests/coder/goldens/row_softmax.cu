#define MTMC_INDEX int
#include "math.cuh"
#include "copy.cuh"
#include "reduce.cuh"
#include "row.cuh"

struct G0 {
  const float* __restrict__ x0;
  float* __restrict__ y0;
  index_t d0, d1;

  struct Row {
    index_t p0;
    float t1;
    float t3;
  };
  template <int V>
  struct Item {
    float x0_s[V];
  };
  struct Acc0 {
    float t1 = -INFINITY;
    MTMC_DEVICE void combine(const Acc0& other) {
      t1 = max_of(t1, other.t1);
    }
  };
  struct Acc1 {
    float t3 = 0.0f;
    MTMC_DEVICE void combine(const Acc1& other) {
      t3 += other.t3;
    }
  };
  using Passes = PassList<Acc0, Acc1>;
  static constexpr bool kStores = true;

  MTMC_DEVICE bool aligned() const { return divides(G0_VECTOR, d1); }
  MTMC_DEVICE void begin(Row& row, index_t r) const {
    const index_t p0 = r;
    row.p0 = p0;
  }
  template <int V>
  MTMC_DEVICE void load(const Row& row, index_t c, Item<V>& item) const {
    const index_t p0 = row.p0;
    const index_t c0 = c;
    float x0_v[V];
    fetch<V>(x0 + (p0 * d1 + c0), x0_v);
    #pragma unroll
    for (int v = 0; v < V; ++v) {
      item.x0_s[v] = x0_v[v];
    }
  }
  template <int V>
  MTMC_DEVICE void visit(const Row& row, index_t c, const Item<V>& item, Acc0& acc) const {
    #pragma unroll
    for (int v = 0; v < V; ++v) {
      acc.t1 = max_of(acc.t1, item.x0_s[v]);
    }
  }
  template <int V>
  MTMC_DEVICE void visit(const Row& row, index_t c, const Item<V>& item, Acc1& acc) const {
    #pragma unroll
    for (int v = 0; v < V; ++v) {
      const float t2 = expf(item.x0_s[v] - row.t1);
      acc.t3 += t2;
    }
  }
  MTMC_DEVICE void finish(Row& row, const Acc0& acc) const {
    row.t1 = acc.t1;
  }
  MTMC_DEVICE void finish(Row& row, const Acc1& acc) const {
    row.t3 = acc.t3;
  }
  template <int V>
  MTMC_DEVICE void store(const Row& row, index_t c, const Item<V>& item) const {
    const index_t p0 = row.p0;
    const index_t c0 = c;
    float y0_out[V];
    #pragma unroll
    for (int v = 0; v < V; ++v) {
      const float t2 = expf(item.x0_s[v] - row.t1);
      const float y0_v = t2 / row.t3;
      y0_out[v] = y0_v;
    }
    put<V>(y0 + (p0 * d1 + c0), y0_out);
  }
  MTMC_DEVICE void store_row(const Row& row) const {
  }
};

extern "C" __global__ void __launch_bounds__((G0_LANES > 32 ? G0_LANES : 128))
g0_softmax(const float* __restrict__ x0, float* __restrict__ y0, index_t d0, index_t d1) {
  row_kernel<(G0_LANES > 32 ? G0_LANES : 128), G0_LANES, G0_VECTOR, G0_ITEMS, false>(G0{x0, y0, d0, d1}, d0, d1);
}

// configuration: G0_ITEMS=1 G0_LANES=256 G0_VECTOR=4
// launch g0_softmax grid [ceil_div(d0, select(G0_LANES > 32, G0_LANES, 128) / G0_LANES)] block [select(G0_LANES > 32, G0_LANES, 128)]
