// Internal: runs the blocks of one host thread. One Executor per thread; it owns the warps, the
// shared memory of the block at work, and its own counters, so that threads meet only in device
// memory and in SharedProgress.
#pragma once

#include <atomic>
#include <memory>
#include <unordered_map>
#include <vector>

#include "emulator/code.hpp"
#include "emulator/listener_set.hpp"
#include "emulator/run.hpp"

namespace mtmc::emulator {

// What the threads of one launch share.
struct SharedProgress {
  std::atomic<uint64_t> instructions{0};
  std::atomic<uint64_t> lowest_fault{~uint64_t{0}};  // position in the list of blocks
};

struct LaunchContext {
  const Program* program;
  const LaunchParams* launch;
  const RunOptions* options;
  DeviceMemory* memory;
  std::vector<uint64_t> variable_address;  // of Code::variables
  std::array<uint32_t, 3> grid;
  uint64_t block_count = 0;  // to run
  SharedProgress progress;

  uint64_t block_at(uint64_t position) const {
    return options->blocks.empty() ? position : options->blocks[position];
  }
};

struct AlignedFree {
  void operator()(char* p) const;
};
using AlignedBuffer = std::unique_ptr<char, AlignedFree>;

class Executor {
 public:
  Executor(LaunchContext& context, uint64_t first, uint64_t stride);

  // Runs blocks first, first + stride, ... Returns after a fault that ends the launch, which
  // fault() then holds.
  void run();

  const std::optional<Fault>& fault() const { return fault_; }
  uint64_t fault_position() const { return fault_position_; }
  const Findings& findings() const { return findings_; }
  Fault fault_of(const FaultError& error, const std::array<uint32_t, 3>& block) const;
  void add_to(Profile& profile) const;
  ProfileListener* profile() const { return listeners_.profile(); }

  void resolve(Site& site, const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes,
               SiteRole role);
  uint64_t clock() const { return clock_; }

 private:
  struct Barrier {
    uint32_t threads = 0;
    uint32_t expected = 0;
    int32_t origin = -1;
    bool used = false;
  };

  void fill_launch_constants();
  void fill_block_constants(uint64_t linear_block);
  void run_block(uint64_t position);
  bool release_barriers();
  void finish_reduction(uint32_t id);
  [[noreturn]] void report_deadlock();

  void run_warp(Warp& warp);
  void push(Warp& warp, uint32_t block, uint32_t op, uint32_t mask, bool waiting, uint32_t members);
  void select(Warp& warp);
  bool leave_block(Warp& warp, const Block& block);
  bool arrive(Warp& warp, const Block& block);
  void charge(Warp& warp, const Block& block);
  template <class Call>
  void tell(Call call);

  LaunchContext& context_;
  const Code& code_;
  uint64_t first_, stride_;
  uint32_t threads_per_block_;
  uint32_t warp_count_;
  uint32_t shared_bytes_;
  BlockPlace place_;
  Findings findings_;
  ListenerSet listeners_;
  std::unique_ptr<Warp[]> warps_;
  AlignedBuffer registers_, shared_, local_;
  std::vector<uint32_t> predicates_;
  std::unique_ptr<Site[]> sites_;
  std::vector<uint64_t> block_warps_, block_lanes_;
  std::array<Barrier, 16> barriers_{};
  int64_t quota_ = 0;  // instructions until the shared count is brought up to date
  int64_t quota_size_ = 0;
  uint64_t clock_ = 0;
  uint64_t blocks_run_ = 0;
  std::optional<Fault> fault_;
  uint64_t fault_position_ = ~uint64_t{0};
};

}  // namespace mtmc::emulator
