// What every tiled product shares: which tile a block takes, the walk along k through stages of shared memory, and the
// sum of what a split product left.
#pragma once
#include "copy.cuh"

// Blocks are linear: tiles fastest, then splits of k, then z. GROUP > 1 walks GROUP rows of tiles together, so that
// neighbouring blocks share operands in L2.
template <int BM, int BN, int BK, int GROUP, int SPLITS>
struct BlockTile {
  index_t m0, n0, z, split;  // the tile's corner, the batch, the part of k
  index_t k_begin, k_end;    // that part

  MTMC_DEVICE BlockTile(index_t M, index_t N, index_t K) {
    const index_t tiles_m = (M + BM - 1) / BM, tiles_n = (N + BN - 1) / BN, tiles = tiles_m * tiles_n;
    index_t block = blockIdx.x;
    const index_t tile = block % tiles;
    block /= tiles;
    split = SPLITS > 1 ? block % SPLITS : 0;
    z = SPLITS > 1 ? block / SPLITS : block;
    index_t bm = tile / tiles_n, bn = tile % tiles_n;
    if (GROUP > 1) {
      const index_t width = GROUP * tiles_n, first = tile / width * GROUP;
      const index_t height = tiles_m - first < GROUP ? tiles_m - first : GROUP;
      bm = first + tile % width % height;
      bn = tile % width / height;
    }
    m0 = bm * BM;
    n0 = bn * BN;
    const index_t chunk = SPLITS > 1 ? ((K + SPLITS - 1) / SPLITS + BK - 1) / BK * BK : K;
    k_begin = split * chunk;
    k_end = k_begin + chunk < K ? k_begin + chunk : K;
  }
};

// load(k0) brings a tile of both operands into registers, store(stage) puts it into shared memory, compute(stage) uses
// it. STAGES 1: load, store, compute. STAGES 2: the next tile is on its way in registers while this one is computed,
// and goes to a second buffer: one barrier a tile.
template <int STAGES, int BK, class Load, class Store, class Compute>
MTMC_DEVICE void walk_tiles(index_t k_begin, index_t k_end, const Load& load, const Store& store,
                            const Compute& compute) {
  if constexpr (STAGES == 1) {
    for (index_t k0 = k_begin; k0 < k_end; k0 += BK) {
      load(k0);
      __syncthreads();
      store(0);
      __syncthreads();
      compute(0);
    }
  } else {
    int stage = 0;
    if (k_begin < k_end) {
      load(k_begin);
      store(0);
      __syncthreads();
    }
    for (index_t k0 = k_begin; k0 < k_end; k0 += BK) {
      const bool more = k0 + BK < k_end;
      if (more) load(k0 + BK);
      compute(stage);
      if (more) {
        stage ^= 1;
        store(stage);
        __syncthreads();
      }
    }
  }
}

MTMC_DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" : : : "memory"); }
// Until at most GROUPS of this thread's groups are under way.
template <int GROUPS>
MTMC_DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;" : : "n"(GROUPS) : "memory");
}

// The walk through a ring of STAGES > 1 buffers, STAGES - 1 tiles ahead of the one that is computed, for tiles of an even
// number of STEPS. start(k0, stage) sends a tile's asynchronous copies and reads into registers what cannot be copied so;
// finish(stage) puts the registers there. read(stage, step, slot) brings the operands of a step into one of two slots, a step
// ahead of multiply(slot). One barrier a tile, in its last step: behind it every thread's copies of the next tile have landed,
// and nobody reads this tile's buffer any more, which the next copies go to.
template <int STAGES, int BK, int STEPS, class Start, class Finish, class Read, class Multiply>
MTMC_DEVICE void walk_ring(index_t k_begin, index_t k_end, const Start& start, const Finish& finish,
                           const Read& read, const Multiply& multiply) {
  static_assert(STAGES > 1 && STEPS % 2 == 0, "slots take turns");
  if (k_begin >= k_end) return;
#pragma unroll 1
  for (int s = 0; s < STAGES - 1; ++s) {
    if (k_begin + s * BK < k_end) {
      start(k_begin + s * BK, s);
      finish(s);
    }
    commit_copies();
  }
  wait_copies<STAGES - 2>();
  __syncthreads();
  read(0, 0, 0);
  int stage = 0, free = STAGES - 1;
  for (index_t k0 = k_begin; k0 < k_end; k0 += BK) {
    const bool ahead = k0 + (STAGES - 1) * BK < k_end;
    const int next = stage + 1 == STAGES ? 0 : stage + 1;
#pragma unroll
    for (int step = 0; step < STEPS; ++step) {
      if (step + 1 < STEPS) {
        read(stage, step + 1, (step + 1) % 2);
      } else {
        if (ahead) finish(free);
        if (k0 + BK < k_end) {
          wait_copies<STAGES - 2>();
          __syncthreads();
          read(next, 0, 0);
        }
      }
      if (step == 0) {
        if (ahead) start(k0 + (STAGES - 1) * BK, free);
        commit_copies();
      }
      multiply(step % 2);
    }
    free = stage;
    stage = next;
  }
}

MTMC_DEVICE void read_four(const float* p, float (&out)[4]) {
  const float4 q = *(const float4*)p;
  out[0] = q.x, out[1] = q.y, out[2] = q.z, out[3] = q.w;
}
MTMC_DEVICE void read_four(const double* p, double (&out)[4]) {
  const double2 low = *(const double2*)p, high = *(const double2*)(p + 2);
  out[0] = low.x, out[1] = low.y, out[2] = high.x, out[3] = high.y;
}

// Second launch of a split product, by blocks of 256 threads: the PARTS partial results of an element are added in a fixed
// order and given to finish(e, sum). LANES threads share the parts of V neighbours, so that few elements with many parts
// still keep the machine's loads under way; a block has 256 / LANES * V elements.
template <int PARTS, int LANES, class Real, class Finish>
MTMC_DEVICE void combine_parts(const Real* partial, index_t total, const Finish& finish) {
  constexpr int V = 4, kVectors = 256 / LANES, kElements = kVectors * V;
  constexpr int kShare = (PARTS + LANES - 1) / LANES, kBatch = kShare < 8 ? kShare : 8;
  __shared__ Real sums[LANES][kElements];
  const int vector = threadIdx.x % kVectors, lane = threadIdx.x / kVectors;
  const index_t first = (index_t)blockIdx.x * kElements, e = first + vector * V;
  Real sum[V];
#pragma unroll
  for (int v = 0; v < V; ++v) sum[v] = 0;
  const bool vectors = total % V == 0;
  for (int s = lane; e < total && s < PARTS; s += LANES * kBatch) {
    Real part[kBatch][V];
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
      const Real* from = partial + (long long)(s + b * LANES) * total + e;
      const bool there = PARTS % (LANES * kBatch) == 0 || s + b * LANES < PARTS;
      if (vectors && there) {
        read_four(from, part[b]);
      } else {
#pragma unroll
        for (int v = 0; v < V; ++v) part[b][v] = there && e + v < total ? from[v] : 0;
      }
    }
#pragma unroll
    for (int b = 0; b < kBatch; ++b) {
#pragma unroll
      for (int v = 0; v < V; ++v) sum[v] += part[b][v];
    }
  }
#pragma unroll
  for (int v = 0; v < V; ++v) sums[lane][vector * V + v] = sum[v];
  __syncthreads();
  for (int i = threadIdx.x; i < kElements && first + i < total; i += 256) {
    Real all = 0;
#pragma unroll
    for (int l = 0; l < LANES; ++l) all += sums[l][i];
    finish(first + i, all);
  }
}
