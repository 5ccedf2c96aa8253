// What every tiled product shares: which tile a block takes, and the walk along k through one or two stages of shared
// memory.
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
