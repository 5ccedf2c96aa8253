// C[z, m, n] = visit(sum over k of A[z, m, k] * B[z, k, n]) by shared-memory tiles of BM x BN x BK
// and TM x TN results a thread.
//
// A and B are whatever their loaders say: a strided matrix, an image seen through a convolution's
// window, a map fused into the operand. m, n and k are linear indices; loaders and visitor take
// them apart.
//
// Loader (m stands for n in B's):
//   using Real = float or double;
//   static constexpr bool kAlongK;     // neighbours in memory are neighbours in k; else in m
//   static constexpr int kVector;      // greatest V that load is asked for
//   struct Row;                        // what depends on z and m alone
//   bool aligned() const;              // load<kVector> may be used from multiples of kVector
//   Row row(index_t z, index_t m) const;                            // 0 <= m < M, or unused
//   template <int V> void load(const Row&, index_t k, Real (&out)[V]) const;  // V neighbours, in k
//   or m
// Visitor (epilogue and Store):
//   static constexpr int kVector;  bool aligned() const;            // as above, along n
//   template <int V> void store(index_t z, index_t split, index_t m, index_t n, const Real
//   (&acc)[V]) const;
//
// Fragments: thread (tx, ty) of a (BN/TN) x (BM/TM) grid owns rows (i*(BM/TM) + ty)*4 + 0..3 and
// columns (j*(BN/TN) + tx)*4 + 0..3, so that a warp's 16-byte reads of a row of the tile have no
// bank conflict, and its stores are whole sectors. Rows of both tiles are k; 4 elements of padding
// keep transposing stores apart. GROUP, SPLITS and STAGES as in tile/product.cuh.
#pragma once
#include "product.cuh"

// Four neighbours from shared memory, 16-byte aligned for float.
template <int V>
MTMC_DEVICE void read_fragment(const float* p, float* out) {
  if constexpr (V == 4) {
    const float4 q = *(const float4*)p;
    out[0] = q.x, out[1] = q.y, out[2] = q.z, out[3] = q.w;
  } else {
#pragma unroll
    for (int v = 0; v < V; ++v) out[v] = p[v];
  }
}
template <int V>
MTMC_DEVICE void read_fragment(const double* p, double* out) {
#pragma unroll
  for (int v = 0; v < V; ++v) out[v] = p[v];
}

// One operand's share of a thread: where its elements of a tile lie, and the registers they pass
// through.
template <class Loader, int EXTENT, int BK, int V, int THREADS>
struct TileCopy {
  using Real = typename Loader::Real;
  static constexpr int kStride = EXTENT + 4;
  static constexpr int kVectors = EXTENT * BK / V;
  static constexpr int kShare = (kVectors + THREADS - 1) / THREADS;
  static constexpr bool kAlongK = Loader::kAlongK;
  // Along m, a thread keeps its column of the tile when the threads are a multiple of a tile row.
  static constexpr int kRows = !kAlongK && THREADS % (EXTENT / V) == 0 ? 1 : kShare;

  typename Loader::Row rows[kRows];
  Real regs[kShare][V];

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
  // whole: every element of the tile exists and vectors are aligned.
  MTMC_DEVICE void load(const Loader& loader, index_t z, index_t first, index_t extent, index_t k0,
                        index_t k_end, bool whole) {
    if (whole) {
#pragma unroll
      for (int f = 0; f < kShare; ++f)
        if (mine(f)) loader.template load<V>(rows[kRows == 1 ? 0 : f], k0 + local_k(f), regs[f]);
    } else {
#pragma unroll
      for (int f = 0; f < kShare; ++f) {
#pragma unroll
        for (int v = 0; v < V; ++v) {
          const index_t m = first + local_m(f) + (kAlongK ? 0 : v),
                        k = k0 + local_k(f) + (kAlongK ? v : 0);
          Real one[1] = {0};
          if (mine(f) && m < extent && k < k_end) {
            if (kAlongK || V == 1)
              loader.template load<1>(rows[kRows == 1 ? 0 : f], k, one);
            else
              loader.template load<1>(loader.row(z, m), k, one);
          }
          regs[f][v] = one[0];
        }
      }
    }
  }
  MTMC_DEVICE void store(Real* tile) const {
#pragma unroll
    for (int f = 0; f < kShare; ++f) {
      if (!mine(f)) continue;
      Real* to = tile + local_k(f) * kStride + local_m(f);
      if constexpr (!kAlongK && V == 4 && sizeof(Real) == 4) {
        *(float4*)to =
            float4{(float)regs[f][0], (float)regs[f][1], (float)regs[f][2], (float)regs[f][3]};
      } else {
#pragma unroll
        for (int v = 0; v < V; ++v) to[kAlongK ? v * kStride : v] = regs[f][v];
      }
    }
  }
};

// THREADS = BM/TM * BN/TN.
template <int BM, int BN, int BK, int TM, int TN, int STAGES, int GROUP, int SPLITS, class A,
          class B, class Visitor>
MTMC_DEVICE void matmul(const A& a, const B& b, const Visitor& visitor, index_t M, index_t N,
                        index_t K) {
  using Real = typename A::Real;
  constexpr int TX = BN / TN, TY = BM / TM, THREADS = TX * TY;
  constexpr int VM = TM < 4 ? TM : 4, VN = TN < 4 ? TN : 4;  // neighbours of a fragment
  static_assert(TM % VM == 0 && TN % VN == 0 && BM % TM == 0 && BN % TN == 0,
                "fragments tile the tile");
  constexpr int VA = A::kVector, VB = B::kVector;
  using CopyA = TileCopy<A, BM, BK, VA, THREADS>;
  using CopyB = TileCopy<B, BN, BK, VB, THREADS>;
  __shared__ alignas(16) Real tile_a[STAGES][BK * CopyA::kStride];
  __shared__ alignas(16) Real tile_b[STAGES][BK * CopyB::kStride];

  const BlockTile<BM, BN, BK, GROUP, SPLITS> block(M, N, K);
  const index_t m0 = block.m0, n0 = block.n0, k_end = block.k_end;
  const bool whole_a = m0 + BM <= M && (VA == 1 || a.aligned());
  const bool whole_b = n0 + BN <= N && (VB == 1 || b.aligned());
  // A warp is 8 threads along n and 4 along m where that fits: fewer distinct words in its fragment
  // reads than in a strip.
  constexpr bool square = TX % 8 == 0 && TY % 4 == 0;
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int tx = square ? warp % (TX / 8 > 0 ? TX / 8 : 1) * 8 + lane % 8 : threadIdx.x % TX;
  const int ty = square ? warp / (TX / 8 > 0 ? TX / 8 : 1) * 4 + lane / 8 : threadIdx.x / TX;

  CopyA copy_a;
  CopyB copy_b;
  copy_a.begin(a, block.z, m0);
  copy_b.begin(b, block.z, n0);
  const auto load = [&](index_t k0) {
    const bool inside = k0 + BK <= k_end;
    copy_a.load(a, block.z, m0, M, k0, k_end, whole_a && inside);
    copy_b.load(b, block.z, n0, N, k0, k_end, whole_b && inside);
  };

  Real acc[TM][TN];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN; ++j) acc[i][j] = 0;
  }
  const auto read = [&](int stage, int k, Real(&fa)[TM], Real(&fb)[TN]) {
#pragma unroll
    for (int i = 0; i < TM / VM; ++i)
      read_fragment<VM>(&tile_a[stage][k * CopyA::kStride + (i * TY + ty) * VM], fa + i * VM);
#pragma unroll
    for (int j = 0; j < TN / VN; ++j)
      read_fragment<VN>(&tile_b[stage][k * CopyB::kStride + (j * TX + tx) * VN], fb + j * VN);
  };
  const auto compute = [&](int stage) {
    Real fa[2][TM], fb[2][TN];
    read(stage, 0, fa[0], fb[0]);
#pragma unroll
    for (int k = 0; k < BK; ++k) {
      if (k + 1 < BK) read(stage, k + 1, fa[(k + 1) % 2], fb[(k + 1) % 2]);
#pragma unroll
      for (int i = 0; i < TM; ++i) {
#pragma unroll
        for (int j = 0; j < TN; ++j) acc[i][j] += fa[k % 2][i] * fb[k % 2][j];
      }
    }
  };

  const auto store = [&](int stage) {
    copy_a.store(tile_a[stage]);
    copy_b.store(tile_b[stage]);
  };
  walk_tiles<STAGES, BK>(block.k_begin, k_end, load, store, compute);

  constexpr int VS = Visitor::kVector < VN ? Visitor::kVector : VN;  // neighbours of a store
  const bool vectors = VS > 1 && visitor.aligned();
#pragma unroll
  for (int i = 0; i < TM; ++i) {
    const index_t m = m0 + (i / VM * TY + ty) * VM + i % VM;
    if (m >= M) continue;
#pragma unroll
    for (int j = 0; j < TN; j += VS) {
      const index_t n = n0 + (j / VN * TX + tx) * VN + j % VN;
      Real out[VS];
#pragma unroll
      for (int v = 0; v < VS; ++v) out[v] = acc[i][j + v];
      if (vectors && n + VS <= N) {
        visitor.template store<VS>(block.z, block.split, m, n, out);
      } else {
#pragma unroll
        for (int v = 0; v < VS; ++v) {
          Real one[1] = {out[v]};
          if (n + v < N) visitor.template store<1>(block.z, block.split, m, n + v, one);
        }
      }
    }
  }
}
