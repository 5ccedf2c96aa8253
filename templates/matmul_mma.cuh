// The product of matmul.cuh on tensor cores: f16 or bf16 operands, f32 sums, by mma.sync m16n8k16.
//
// Loaders and visitor are those of matmul.cuh, with
//   using Element = f16 or bf16;                  // both operands alike
//   static constexpr int kVector;                 // 8, or 1 where neighbours cannot be loaded at once
//   template <int V> void words(const Row&, index_t k, unsigned (&out)[V / 2]) const;  // V = 8
//   elements as they are stored
// and for the ring
//   static constexpr bool kCopies;                // 8 neighbours are 16 bytes of memory, at
//   const Element* at(const Row&, index_t k) const;
//   void parts(const Row&, index_t k, unsigned short (&out)[8]) const;  // else, with kVector 8
//
// Tiles lie in shared memory as their operand does in memory, along k or along m, and the operand
// whose rows are k is transposed by ldmatrix itself. The eight 16-byte rows of an ldmatrix must fall
// on different banks: by 8 elements of padding to a row, or, with SWIZZLE, by permuting the 16-byte
// chunks of a row with bits of its number, which keeps the 16-byte stores apart too. A warp computes
// BM/WARPS_M x BN/WARPS_N results. Source: PTX ISA 9.0, figures of m16n8k16 and ldmatrix.
// GROUP, SPLITS and STAGES as in tile/product.cuh. With RING the stages are a ring in dynamic shared
// memory (STAGES * 2 * BK * (BM + BN) bytes, swizzled) that cp.async fills.
#pragma once
#include "product.cuh"

// `at`: address in the shared window of this lane's row, 16-byte aligned.
template <bool TRANSPOSED>
MTMC_DEVICE void load_matrices(unsigned at, unsigned (&out)[4]) {
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

MTMC_DEVICE void store_shared(unsigned at, const unsigned (&in)[4]) {
  asm volatile("st.shared.v4.u32 [%0], {%1,%2,%3,%4};"
               :
               : "r"(at), "r"(in[0]), "r"(in[1]), "r"(in[2]), "r"(in[3])
               : "memory");
}
// Keeps a value in its register: without it the compiler works it out again in every round of the loop.
MTMC_DEVICE void keep(unsigned& value) { asm volatile("" : "+r"(value)); }

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

// 16 bytes from global to shared memory, past L1; without `there`, zeros.
MTMC_DEVICE void copy_async(unsigned to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" : : "r"(to), "l"(__cvta_generic_to_global(from)) : "memory");
}
MTMC_DEVICE void copy_async(unsigned to, const void* from, bool there) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(to), "l"(__cvta_generic_to_global(from)), "r"(there ? 16 : 0)
               : "memory");
}

// One operand's share of a thread, in 16-bit elements; see TileCopy in matmul.cuh.
template <class Loader, int EXTENT, int BK, int THREADS, bool SWIZZLE>
struct TileCopy16 {
  using Element = typename Loader::Element;
  static constexpr int V = Loader::kVector;
  static constexpr bool kAlongK = Loader::kAlongK;
  static constexpr int kRow = kAlongK ? BK : EXTENT;  // a power of two
  static constexpr int kStride = kRow + (SWIZZLE ? 0 : 8);
  static constexpr int kElements = (kAlongK ? EXTENT : BK) * kStride;
  // 128 bytes hold 64 / kRow rows, which need no permutation among themselves.
  static constexpr int kChunks = kRow / 8, kShift = kChunks >= 8 ? 0 : kChunks == 4 ? 1 : 2,
                       kMask = (kChunks >= 8 ? 8 : kChunks) - 1;
  static constexpr int kVectors = EXTENT * BK / V;
  static constexpr int kShare = (kVectors + THREADS - 1) / THREADS;
  static constexpr int kRows = !kAlongK && THREADS % (EXTENT / V) == 0 ? 1 : kShare;
  static constexpr int kWords = V == 8 ? 4 : 1;

  static constexpr unsigned kBytes = kElements * 2;

  typename Loader::Row rows[kRows];
  unsigned regs[kShare][kWords];
  // Where they go: often a fixed step apart.
  static constexpr int kDown = THREADS / (kRow / V) > 0 ? THREADS / (kRow / V) : 1;
  static constexpr bool kStep = THREADS % (kRow / V) == 0 && (!SWIZZLE || kDown % 8 == 0);
  unsigned to[kStep ? 1 : kShare];
  unsigned origin;  // of the tile's first stage

  MTMC_DEVICE static int local_m(int f) {
    const int i = threadIdx.x + f * THREADS;
    return kAlongK ? i / (BK / V) : i % (EXTENT / V) * V;
  }
  MTMC_DEVICE static int local_k(int f) {
    const int i = threadIdx.x + f * THREADS;
    return kAlongK ? i % (BK / V) * V : i / (EXTENT / V);
  }
  // Where element (m, k) of the tile lies.
  MTMC_DEVICE static int place(int m, int k) {
    const int row = kAlongK ? m : k, column = kAlongK ? k : m;
    if constexpr (!SWIZZLE) return row * kStride + column;
    return row * kStride + ((column / 8 ^ (row >> kShift & kMask)) * 8 + column % 8);
  }
  MTMC_DEVICE static bool mine(int f) {
    return kVectors % THREADS == 0 || (int)threadIdx.x + f * THREADS < kVectors;
  }

  MTMC_DEVICE void begin(const Loader& loader, index_t z, index_t first, unsigned tile) {
#pragma unroll
    for (int f = 0; f < kRows; ++f) rows[f] = loader.row(z, first + local_m(f));
    origin = tile;
#pragma unroll
    for (int f = 0; f < (kStep ? 1 : kShare); ++f) {
      to[f] = tile + 2 * place(local_m(f), local_k(f));
      keep(to[f]);
    }
  }
  MTMC_DEVICE unsigned target(int f, int stage) const {
    return (kStep ? to[0] + f * 2 * kDown * kStride : to[f]) + stage * kBytes;
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
  MTMC_DEVICE void store(int stage) const {
#pragma unroll
    for (int f = 0; f < kShare; ++f) {
      if (!mine(f)) continue;
      const unsigned at = target(f, stage);
      if constexpr (V == 8)
        store_shared(at, regs[f]);
      else
        asm volatile("st.shared.u16 [%0], %1;" : : "r"(at), "h"((unsigned short)regs[f][0]) : "memory");
    }
  }

  // The ring's half of load and store. A tile goes by copies, zeros for what lies outside; or element by element, read
  // now and packed at `finish`, so that nothing waits for it in between; or, unaligned, at once.
  static constexpr bool kParts = V == 8 && !Loader::kCopies;
  struct Parts {
    unsigned short of[kParts ? kShare : 1][8];
    bool held;
  };
  MTMC_DEVICE void start(const Loader& loader, index_t z, index_t first, index_t extent, index_t k0, index_t k_end,
                         bool aligned, int stage, Parts& parts) {
    const bool inside = first + EXTENT <= extent && k0 + BK <= k_end;
    if constexpr (V == 8 && Loader::kCopies) {
      if (aligned && inside) {
#pragma unroll
        for (int f = 0; f < kShare; ++f)
          if (mine(f)) copy_async(target(f, stage), loader.at(rows[kRows == 1 ? 0 : f], k0 + local_k(f)));
        return;
      }
      if (aligned) {
#pragma unroll
        for (int f = 0; f < kShare; ++f)
          if (mine(f))
            copy_async(target(f, stage), loader.at(rows[kRows == 1 ? 0 : f], k0 + local_k(f)),
                       first + local_m(f) < extent && k0 + local_k(f) < k_end);
        return;
      }
    }
    if constexpr (kParts) {
      parts.held = aligned && inside;
      if (parts.held) {
#pragma unroll
        for (int f = 0; f < kShare; ++f)
          if (mine(f)) loader.parts(rows[kRows == 1 ? 0 : f], k0 + local_k(f), parts.of[f]);
        return;
      }
    }
    // Rare, and short rather than fast.
#pragma unroll 1
    for (int i = threadIdx.x; i < EXTENT * BK; i += THREADS) {
      const int dm = kAlongK ? i / BK : i % EXTENT, dk = kAlongK ? i % BK : i / EXTENT;
      float one[1] = {0};
      if (first + dm < extent && k0 + dk < k_end) loader.template load<1>(loader.row(z, first + dm), k0 + dk, one);
      asm volatile("st.shared.u16 [%0], %1;"
                   :
                   : "r"(origin + stage * kBytes + 2 * place(dm, dk)), "h"(Element(one[0]).bits)
                   : "memory");
    }
  }
  MTMC_DEVICE void finish(int stage, const Parts& parts) {
    if constexpr (kParts) {
      if (!parts.held) return;
#pragma unroll
      for (int f = 0; f < kShare; ++f) {
        if (!mine(f)) continue;
        unsigned words[4];
#pragma unroll
        for (int w = 0; w < 4; ++w) words[w] = parts.of[f][2 * w] | (unsigned)parts.of[f][2 * w + 1] << 16;
        store_shared(target(f, stage), words);
      }
    }
  }

  // Where this lane's row of the four 8x8 matrices at (m, 0) lies: for A 16 m by 16 k, for B (n in
  // place of m) 16 n by 16 k.
  template <bool IS_A>
  MTMC_DEVICE static unsigned lane_address(unsigned tile, int m) {
    const int lane = threadIdx.x % 32, low = lane % 8, second = lane / 8 % 2 * 8,
              third = lane / 16 * 8;
    const int dm = kAlongK ? low + (IS_A ? second : third) : (IS_A ? second : third);
    const int dk = kAlongK ? (IS_A ? third : second) : low + (IS_A ? third : second);
    unsigned at = tile + 2 * place(m + dm, dk);
    keep(at);
    return at;
  }
  // The matrices dm further along m and dk along k, multiples of 16 below the warp's part of the tile. Along a row
  // that turns single bits of the chunk's number on, which commutes with the permutation.
  MTMC_DEVICE static void read(unsigned lane, int dm, int dk, unsigned (&out)[4]) {
    const int down = kAlongK ? dm : dk, along = kAlongK ? dk : dm;
    load_matrices<!kAlongK>((SWIZZLE ? lane ^ 2 * along : lane + 2 * along) + 2 * down * kStride, out);
  }
};

template <int BM, int BN, int BK, int WARPS_M, int WARPS_N, int STAGES, int GROUP, int SPLITS,
          bool SWIZZLE, bool RING, class A, class B, class Visitor>
MTMC_DEVICE void matmul_mma(const A& a, const B& b, const Visitor& visitor, index_t M, index_t N,
                            index_t K) {
  constexpr int THREADS = 32 * WARPS_M * WARPS_N, WM = BM / WARPS_M, WN = BN / WARPS_N,
                TM = WM / 16, TN = WN / 8;
  static_assert(WM % 16 == 0 && WN % 16 == 0 && BK % 16 == 0,
                "a warp's tile is made of 16 x 16 x 16");
  using CopyA = TileCopy16<A, BM, BK, THREADS, SWIZZLE>;
  using CopyB = TileCopy16<B, BN, BK, THREADS, SWIZZLE>;
  // The permutation acts on address bits within a row of at most 256 bytes.
  extern __shared__ __align__(256) unsigned short ring[];
  unsigned at_a, at_b;
  if constexpr (RING) {
    at_a = (unsigned)__cvta_generic_to_shared(ring);
    at_b = at_a + STAGES * CopyA::kBytes;
  } else {
    __shared__ alignas(256) unsigned short tile_a[STAGES][CopyA::kElements];
    __shared__ alignas(256) unsigned short tile_b[STAGES][CopyB::kElements];
    at_a = (unsigned)__cvta_generic_to_shared(tile_a);
    at_b = (unsigned)__cvta_generic_to_shared(tile_b);
  }

  const BlockTile<BM, BN, BK, GROUP, SPLITS> block(M, N, K);
  const index_t m0 = block.m0, n0 = block.n0, k_end = block.k_end;
  const bool aligned_a = A::kVector == 8 && a.aligned();
  const bool aligned_b = B::kVector == 8 && b.aligned();

  CopyA copy_a;
  CopyB copy_b;
  copy_a.begin(a, block.z, m0, at_a);
  copy_b.begin(b, block.z, n0, at_b);
  const int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  const int wm = warp / WARPS_N * WM, wn = warp % WARPS_N * WN;
  const unsigned lane_a = CopyA::template lane_address<true>(at_a, wm),
                 lane_b = CopyB::template lane_address<false>(at_b, wn);

  float acc[TM][TN][4];
#pragma unroll
  for (int i = 0; i < TM; ++i) {
#pragma unroll
    for (int j = 0; j < TN; ++j) {
#pragma unroll
      for (int v = 0; v < 4; ++v) acc[i][j][v] = 0;
    }
  }
  const auto read = [&](int stage, int k, unsigned(&fa)[TM][4], unsigned(&fb)[TN / 2][4]) {
#pragma unroll
    for (int i = 0; i < TM; ++i)
      CopyA::read(lane_a + stage * CopyA::kBytes, i * 16, k, fa[i]);
#pragma unroll
    for (int j = 0; j < TN / 2; ++j)
      CopyB::read(lane_b + stage * CopyB::kBytes, j * 16, k, fb[j]);
  };
  const auto multiply = [&](const unsigned(&fa)[TM][4], const unsigned(&fb)[TN / 2][4]) {
#pragma unroll
    for (int i = 0; i < TM; ++i) {
#pragma unroll
      for (int j = 0; j < TN; ++j)
        multiply_add(acc[i][j], fa[i], fb[j / 2][j % 2 * 2], fb[j / 2][j % 2 * 2 + 1],
                     typename A::Element());
    }
  };
  if constexpr (RING) {
    typename CopyA::Parts parts_a;
    typename CopyB::Parts parts_b;
    unsigned fa[2][TM][4], fb[2][TN / 2][4];
    walk_ring<STAGES, BK, BK / 16>(
        block.k_begin, k_end,
        [&](index_t k0, int stage) {
          copy_a.start(a, block.z, m0, M, k0, k_end, aligned_a, stage, parts_a);
          copy_b.start(b, block.z, n0, N, k0, k_end, aligned_b, stage, parts_b);
        },
        [&](int stage) {
          copy_a.finish(stage, parts_a);
          copy_b.finish(stage, parts_b);
        },
        [&](int stage, int step, int slot) { read(stage, step * 16, fa[slot], fb[slot]); },
        [&](int slot) { multiply(fa[slot], fb[slot]); });
  } else {
    const bool whole_a = m0 + BM <= M && aligned_a, whole_b = n0 + BN <= N && aligned_b;
    const auto load = [&](index_t k0) {
      const bool inside = k0 + BK <= k_end;
      copy_a.load(a, block.z, m0, M, k0, k_end, whole_a && inside);
      copy_b.load(b, block.z, n0, N, k0, k_end, whole_b && inside);
    };
    const auto store = [&](int stage) {
      copy_a.store(stage);
      copy_b.store(stage);
    };
    const auto compute = [&](int stage) {
#pragma unroll
      for (int k = 0; k < BK; k += 16) {
        unsigned fa[TM][4], fb[TN / 2][4];
        read(stage, k, fa, fb);
        multiply(fa, fb);
      }
    };
    walk_tiles<STAGES, BK>(block.k_begin, k_end, load, store, compute);
  }

  // A result's row and column: lane / 4 and lane % 4 * 2 of the 16 x 8 of an mma, and eight rows on.
  const index_t m_lane = m0 + wm + lane / 4, n_lane = n0 + wn + lane % 4 * 2;
  const bool vectors = Visitor::kVector > 1 && visitor.aligned();
  if (vectors && m0 + BM <= M && n0 + BN <= N) {
    // Without a test between them, rows share what the epilogue reads of a column.
#pragma unroll
    for (int j = 0; j < TN; ++j) {
#pragma unroll
      for (int i = 0; i < TM * 2; ++i) {
        const float pair[2] = {acc[i / 2][j][i % 2 * 2], acc[i / 2][j][i % 2 * 2 + 1]};
        visitor.template store<2>(block.z, block.split, m_lane + i * 8, n_lane + j * 8, pair);
      }
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < TM * 2; ++i) {
    const index_t m = m_lane + i * 8;
    if (m >= M) continue;
#pragma unroll
    for (int j = 0; j < TN; ++j) {
#pragma unroll
      for (int v = 0; v < 2; ++v) {
        const index_t n = n_lane + j * 8 + v;
        const float one[1] = {acc[i / 2][j][i % 2 * 2 + v]};
        if (n < N) visitor.template store<1>(block.z, block.split, m, n, one);
      }
    }
  }
}
