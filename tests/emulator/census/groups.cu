// Cooperative groups: tiles, coalesced groups, block and grid synchronisation, reductions, copies.
#include <cooperative_groups.h>
#include <cooperative_groups/memcpy_async.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
namespace cg = cooperative_groups;

extern "C" __global__ void grid_sync(float* x, int n) {
  cg::grid_group grid = cg::this_grid();
  for (unsigned long long i = grid.thread_rank(); i < n; i += grid.size()) x[i] *= 2;
  grid.sync();
  if (grid.thread_rank() == 0) x[0] = x[n - 1] + grid.is_valid() + grid.num_blocks();
  const auto token = grid.barrier_arrive();
  grid.barrier_wait(cg::grid_group::arrival_token(token));
}
extern "C" __global__ void tiles(int* x) {
  cg::thread_block block = cg::this_thread_block();
  cg::thread_block_tile<16> tile = cg::tiled_partition<16>(block);
  int v = cg::reduce(tile, x[block.thread_rank()], cg::plus<int>());
  v += cg::exclusive_scan(tile, v);
  cg::coalesced_group active = cg::coalesced_threads();
  if (v & 1) {
    cg::coalesced_group odd = cg::coalesced_threads();
    v += odd.size() + odd.thread_rank() + odd.shfl(v, 0);
  }
  block.sync();
  tile.sync();
  auto half = cg::binary_partition(active, v > 3);
  x[threadIdx.x] = v + tile.any(v > 2) + tile.ballot(v > 3) + tile.meta_group_rank() + half.size() + cg::reduce(tile, (float)v, cg::greater<float>());
  cg::invoke_one(active, [&] { x[0] = 1; });
}
extern "C" __global__ void copies(const float* x, float* y) {
  __shared__ float s[256];
  cg::thread_block block = cg::this_thread_block();
  cg::memcpy_async(block, s, x, sizeof(s));
  cg::wait(block);
  y[threadIdx.x] = s[threadIdx.x ^ 1];
}
#if __CUDA_ARCH__ >= 900
extern "C" __global__ void __cluster_dims__(2, 1, 1) cluster(int* x) {
  __shared__ int s[32];
  cg::cluster_group group = cg::this_cluster();
  s[threadIdx.x] = group.block_rank() + group.num_blocks() + group.dim_blocks().x + group.block_index().x;
  group.sync();
  x[threadIdx.x] = *group.map_shared_rank(s + threadIdx.x, group.block_rank() ^ 1);
  group.barrier_wait(group.barrier_arrive());
}
#endif
