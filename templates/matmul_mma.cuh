// The product of matmul.cuh on tensor cores: f16 or bf16 operands, f32 sums, by mma.sync m16n8k16.
//
// Loaders and visitor are those of matmul.cuh, with
//   using Element = f16 or bf16;                  // both operands alike
//   static constexpr int kVector;                 // 8, or 1 where neighbours cannot be loaded at
//   once template <int V> void words(const Row&, index_t k, unsigned (&out)[V / 2]) const;  // V =
//   8 elements as they are stored
//
// Tiles lie in shared memory as their operand does in memory, along k or along m, with 8 elements
// of padding to a row: the eight 16-byte rows of an ldmatrix then fall on different banks, and the
// operand whose rows are k is transposed by ldmatrix itself. A warp computes BM/WARPS_M x
// BN/WARPS_N results. Source: PTX ISA 9.0, figures of m16n8k16 and ldmatrix. STAGES as in
// matmul.cuh.
#pragma once
#include "copy.cuh"

template <bool TRANSPOSED>
MTMC_DEVICE void load_matrices(const unsigned short* row, unsigned (&out)[4]) {
  const unsigned at = (unsigned)__cvta_generic_to_shared(row);
  if constexpr (TRANSPOSED)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(at)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(at)
                 : "memory");
}

MTMC_DEVICE void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                              f16) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}
MTMC_DEVICE void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                              bf16) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, "
      "{%0,%1,%2,%3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// One operand's share of a thread, in 16-bit elements; see TileCopy in matmul.cuh.
template <class Loader, int EXTENT, int BK, int THREADS>
struct TileCopy16 {
  using Element = typename Loader::Element;
  static constexpr int V = Loader::kVector;
  static constexpr bool kAlongK = Loader::kAlongK;
  static constexpr int kStride = (kAlongK ? BK : EXTENT) + 8;
  static constexpr int kElements = (kAlongK ? EXTENT : BK) * kStride;
  static constexpr int kVectors = EXTENT * BK / V;
  static constexpr int kShare = (kVectors + THREADS - 1) / THREADS;
  static constexpr int kRows = !kAlongK && THREADS % (EXTENT / V) == 0 ? 1 : kShare;
  static constexpr int kWords = V == 8 ? 4 : 1;

  typename Loader::Row rows[kRows];
  unsigned regs[kShare][kWords];

  MTMC_DEVICE static int local_m(int f) {
    const int i = threadIdx.x + f * THREADS;
    return kAlongK ? i / (BK / V) : i % (EXTENT / V) * V;
  }
  MTMC_DEVICE static int local_k(int f) {
    const int i = threadIdx.x + f * THREADS;
    return kAlongK ? i % (BK / V) * V : i / (EXTENT / V);
  }
  MTMC_DEVICE static bool mine(int f) {
    return kVectors % THREADS == 0 || (int)threadIdx.x + f * THREADS < kVectors;
  }

  MTMC_DEVICE void begin(const Loader& loader, index_t z, index_t first) {
#pragma unroll
    for (int f = 0; f < kRows; ++f) rows[f] = loader.row(z, first + local_m(f));
  }
  MTMC_DEVICE void load(const Loader& loader, index_t z, index_t first, index_t extent, index_t k0,
                        index_t k_end, bool whole) {
    if constexpr (V == 8) {
      if (whole) {
#pragma unroll
        for (int f = 0; f < kShare; ++f)
          if (mine(f)) loader.template words<8>(rows[kRows == 1 ? 0 : f], k0 + local_k(f), regs[f]);
        return;
      }
    }
#pragma unroll
    for (int f = 0; f < kShare; ++f) {
#pragma unroll
      for (int w = 0; w < kWords; ++w) regs[f][w] = 0;
#pragma unroll
      for (int v = 0; v < V; ++v) {
        const index_t m = first + local_m(f) + (kAlongK ? 0 : v),
                      k = k0 + local_k(f) + (kAlongK ? v : 0);
        float one[1] = {0};
        if (mine(f) && m < extent && k < k_end) {
          if (kAlongK || V == 1)
            loader.template load<1>(rows[kRows == 1 ? 0 : f], k, one);
          else
            loader.template load<1>(loader.row(z, m), k, one);
        }
        regs[f][v / 2] |= (unsigned)Element(one[0]).bits << (v % 2 * 16);
      }
    }
  }
  MTMC_DEVICE void store(unsigned short* tile) const {
#pragma unroll
    for (int f = 0; f < kShare; ++f) {
      if (!mine(f)) continue;
      unsigned short* to =
          tile + (kAlongK ? local_m(f) * kStride + local_k(f) : local_k(f) * kStride + local_m(f));
      if constexpr (V == 8)
        *(uint4*)to = uint4{regs[f][0], regs[f][1], regs[f][2], regs[f][3]};
      else
        *to = (unsigned short)regs[f][0];
    }
  }

  // Four 8x8 matrices of the tile at (m, k): for A 16 m by 16 k, for B (n in place of m) 16 n by 16
  // k.
  template <bool IS_A>
  MTMC_DEVICE static void read(const unsigned short* tile, int m, int k, unsigned (&out)[4]) {
    const int lane = threadIdx.x % 32, low = lane % 8, second = lane / 8 % 2 * 8,
              third = lane / 16 * 8;
    const int dm = kAlongK ? low + (IS_A ? second : third) : (IS_A ? second : third);
    const int dk = kAlongK ? (IS_A ? third : second) : low + (IS_A ? third : second);
    load_matrices<!kAlongK>(
        tile + (kAlongK ? (m + dm) * kStride + k + dk : (k + dk) * kStride + m + dm), out);
  }
};

template <int BM, int BN, int BK, int WARPS_M, int WARPS_N, int STAGES, int GROUP, int SPLITS,
          class A, class B, class Visitor>
MTMC_DEVICE void matmul_mma(const A& a, const B& b, const Visitor& visitor, index_t M, index_t N,
                            index_t K) {
  constexpr int THREADS = 32 * WARPS_M * WARPS_N, WM = BM / WARPS_M, WN = BN / WARPS_N,
                TM = WM / 16, TN = WN / 8;
  static_assert(WM % 16 == 0 && WN % 16 == 0 && BK % 16 == 0,
                "a warp's tile is made of 16 x 16 x 16");
  using CopyA = TileCopy16<A, BM, BK, THREADS>;
  using CopyB = TileCopy16<B, BN, BK, THREADS>;
  __shared__ alignas(16) unsigned short tile_a[STAGES][CopyA::kElements];
  __shared__ alignas(16) unsigned short tile_b[STAGES][CopyB::kElements];

  const index_t tiles_m = (M + BM - 1) / BM, tiles_n = (N + BN - 1) / BN, tiles = tiles_m * tiles_n;
  index_t block = blockIdx.x;
  const index_t tile = block % tiles;
  block /= tiles;
  const index_t split = SPLITS > 1 ? block % SPLITS : 0, z = SPLITS > 1 ? block / SPLITS : block;
  index_t bm = tile / tiles_n, bn = tile % tiles_n;
  if (GROUP > 1) {
    const index_t width = GROUP * tiles_n, first = tile / width * GROUP;
    const index_t height = tiles_m - first < GROUP ? tiles_m - first : GROUP;
    bm = first + tile % width % height;
    bn = tile % width / height;
  }
  const index_t m0 = bm * BM, n0 = bn * BN;
  const index_t chunk = SPLITS > 1 ? ((K + SPLITS - 1) / SPLITS + BK - 1) / BK * BK : K;
  const index_t k_begin = split * chunk, k_end = k_begin + chunk < K ? k_begin + chunk : K;
  const bool whole_a = m0 + BM <= M && A::kVector == 8 && a.aligned();
  const bool whole_b = n0 + BN <= N && B::kVector == 8 && b.aligned();

  CopyA copy_a;
  CopyB copy_b;
  copy_a.begin(a, z, m0);
  copy_b.begin(b, z, n0);
  const auto load = [&](index_t k0) {
    const bool inside = k0 + BK <= k_end;
    copy_a.load(a, z, m0, M, k0, k_end, whole_a && inside);
    copy_b.load(b, z, n0, N, k0, k_end, whole_b && inside);
  };
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int wm = warp / WARPS_N * WM, wn = warp % WARPS_N * WN;

  float acc[TM][TN][4];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN; ++j) {
#pragma unroll
      for (int v = 0; v < 4; ++v) acc[i][j][v] = 0;
    }
  }
  const auto compute = [&](int stage) {
#pragma unroll
    for (int k = 0; k < BK; k += 16) {
      unsigned fa[TM][4], fb[TN / 2][4];
#pragma unroll
      for (int i = 0; i < TM; ++i) CopyA::template read<true>(tile_a[stage], wm + i * 16, k, fa[i]);
#pragma unroll
      for (int j = 0; j < TN / 2; ++j)
        CopyB::template read<false>(tile_b[stage], wn + j * 16, k, fb[j]);
#pragma unroll
      for (int i = 0; i < TM; ++i) {
#pragma unroll
        for (int j = 0; j < TN; ++j)
          multiply_add(acc[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1],
                       typename A::Element());
      }
    }
  };

  if constexpr (STAGES == 1) {
    for (index_t k0 = k_begin; k0 < k_end; k0 += BK) {
      load(k0);
      __syncthreads();
      copy_a.store(tile_a[0]);
      copy_b.store(tile_b[0]);
      __syncthreads();
      compute(0);
    }
  } else {
    int stage = 0;
    if (k_begin < k_end) {
      load(k_begin);
      copy_a.store(tile_a[0]);
      copy_b.store(tile_b[0]);
      __syncthreads();
    }
    for (index_t k0 = k_begin; k0 < k_end; k0 += BK) {
      const bool more = k0 + BK < k_end;
      if (more) load(k0 + BK);
      compute(stage);
      if (more) {
        stage ^= 1;
        copy_a.store(tile_a[stage]);
        copy_b.store(tile_b[stage]);
        __syncthreads();
      }
    }
  }

  const bool vectors = Visitor::kVector > 1 && visitor.aligned();
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const index_t m = m0 + wm + i * 16 + half * 8 + lane / 4;
      if (m >= M) continue;
#pragma unroll
      for (int j = 0; j < TN; ++j) {
        const index_t n = n0 + wn + j * 8 + lane % 4 * 2;
        float pair[2] = {acc[i][j][half * 2], acc[i][j][half * 2 + 1]};
        if (vectors && n + 2 <= N) {
          visitor.template store<2>(z, split, m, n, pair);
        } else {
#pragma unroll
          for (int v = 0; v < 2; ++v) {
            float one[1] = {pair[v]};
            if (n + v < N) visitor.template store<1>(z, split, m, n + v, one);
          }
        }
      }
    }
  }
}
