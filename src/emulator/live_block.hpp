// Internal: a thread block in flight: its warps, shared and local memory and its barriers, and the
// cluster it belongs to. A block launched without a cluster is a cluster of one. Used by one host
// thread; blocks are reused from launch position to launch position.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "emulator/code.hpp"

namespace mtmc::emulator {

struct LaunchContext;
struct LaunchParams;
struct BlockAsync;
struct Cluster;

struct AlignedFree {
  void operator()(char* p) const;
};
using AlignedBuffer = std::unique_ptr<char, AlignedFree>;

// One of the 16 named barriers of a block.
struct NamedBarrier {
  uint32_t threads = 0;   // arrived so far
  uint32_t expected = 0;  // 0: every thread that has not exited
  int32_t origin = -1;
  bool used = false;
};

struct LiveBlock {
  LiveBlock(const LaunchContext& context, Executor& executor, Site* sites, uint32_t slot);
  ~LiveBlock();

  // Makes the block the one at this linear index: constants, poisoned memory, all warps ready.
  void begin(uint64_t linear_index, Cluster& of, uint32_t rank_in_cluster);

  // Wakes the warps of every complete barrier; false when there was none.
  bool release_barriers();
  // What the barrier waits for: its count, or the threads of warps that have not finished.
  uint32_t needed(const NamedBarrier& barrier) const;

  static uint64_t bytes_needed(const LaunchContext& context);
  static uint32_t warps_of(const LaunchParams& launch);
  static uint32_t shared_bytes_of(const LaunchContext& context);

  char* shared() const { return shared_.get(); }

  const LaunchContext& context;
  const Code& code;
  uint32_t threads = 1;
  uint32_t warp_count = 0;
  uint32_t shared_bytes = 0;
  std::unique_ptr<Warp[]> warps;
  std::array<NamedBarrier, 16> barriers{};
  BlockPlace place;
  Cluster* cluster = nullptr;
  uint32_t rank = 0;
  bool done = false;
  std::unique_ptr<BlockAsync> async;  // nullptr where the kernel has nothing asynchronous

 private:
  void fill_launch_constants();
  void fill_block_constants();
  uint64_t special_value(Special name, uint32_t warp, uint32_t lane) const;
  void finish_reduction(uint32_t id);

  AlignedBuffer registers_, shared_, local_;
  std::vector<uint32_t> predicates_;
  std::unique_ptr<CallStack[]> call_stacks_;
};

// True when the warps of this one's warpgroup, but for those that are done, have committed so many
// groups of wgmma: only then is the last of them over.
bool wgmma_groups_committed(const Warp& warp, uint64_t groups);

// Blocks that live together and reach each other's shared memory.
struct Cluster {
  std::vector<std::unique_ptr<LiveBlock>> blocks;  // by rank
  uint64_t position = 0;                           // in the launch's list of clusters
  uint64_t phase = 0;                              // of barrier.cluster
  bool spins = false;                              // its last pass only spun
};

}  // namespace mtmc::emulator
