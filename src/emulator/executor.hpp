// Internal: runs the blocks of one host thread. One Executor per thread; it owns the blocks in
// flight and its own counters, so that threads meet only in device memory and in SharedProgress.
//
// Scheduling, deterministic: a warp runs until it finishes, waits at a barrier, parks or has spun
// for its quota; a block runs its warps in order until none can go on; a cluster runs its blocks
// likewise. A cluster that only spins lets later ones start, up to a limit of live blocks, since on
// the hardware resident blocks run at the same time.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "emulator/listener_set.hpp"
#include "emulator/live_block.hpp"
#include "emulator/print.hpp"
#include "emulator/run.hpp"

namespace mtmc::emulator {

// What the threads of one launch share.
struct SharedProgress {
  std::atomic<uint64_t> instructions{0};
  std::atomic<uint64_t> lowest_fault{~uint64_t{0}};  // position in the list of clusters
};

struct LaunchContext {
  const Program* program;
  const LaunchParams* launch;
  const RunOptions* options;
  DeviceMemory* memory;
  std::vector<uint64_t> variable_address;  // of Code::variables
  std::array<uint32_t, 3> grid;
  std::array<uint32_t, 3> cluster{1, 1, 1};
  bool explicit_cluster = false;
  bool all_resident = false;       // the whole grid lives at once
  uint64_t grid_workspace = 0;     // device address, for cooperative grids
  uint64_t cluster_count = 0;      // to run
  std::vector<uint64_t> clusters;  // which; empty: all
  SharedProgress progress;

  uint32_t blocks_per_cluster() const { return cluster[0] * cluster[1] * cluster[2]; }
  uint64_t cluster_at(uint64_t position) const {
    return clusters.empty() ? position : clusters[position];
  }
  // Linear index in the grid of the block of this rank.
  uint64_t block_of(uint64_t cluster_index, uint32_t rank) const;
};

class Executor {
 public:
  Executor(LaunchContext& context, uint64_t first, uint64_t stride);

  // Runs clusters first, first + stride, ... Returns after a fault that ends the launch, which
  // fault() then holds.
  void run();

  const std::optional<Fault>& fault() const { return fault_; }
  uint64_t fault_position() const { return fault_position_; }
  const Program& program() const { return *context_.program; }
  const Findings& findings() const { return findings_; }
  Fault fault_of(const FaultError& error, const std::array<uint32_t, 3>& block) const;
  // What this thread's blocks did; `executions` by basic block.
  void add_to(Profile& profile, Trace& trace, std::vector<uint64_t>& executions);
  ProfileListener* profile() const { return listeners_.profile(); }
  ListenerSet& listeners() { return listeners_; }

  void resolve(Site& site, const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes,
               SiteRole role);
  // The allocation that holds these bytes of global memory, or the fault.
  const Allocation& find(const Op& op, const Warp& warp, int lane, uint64_t address, uint64_t bytes,
                         SiteRole role) const;
  uint64_t clock() const { return clock_; }
  PrintLog& printed() { return printed_; }
  // Whether the address lies in a .const variable, or in the memory of the kernel's parameters.
  bool is_constant(uint64_t address, bool parameters) const;
  const DeviceMemory& memory() const { return *context_.memory; }
  uint64_t new_copy_id() { return copies_++; }

 private:
  enum class Outcome : uint8_t { finished, moved, stalled };

  // executor.cpp: clusters and blocks
  void run_all();
  void start_cluster();
  Outcome run_cluster(Cluster& cluster);
  Outcome run_pass(LiveBlock& block);
  template <class Call>
  void tell(Call call) {
    if (listeners_.listeners() == nullptr) return;
    for (Listener* listener : listeners_.listeners()->all) call(*listener);
  }

  // deadlock.cpp: reports
  [[noreturn]] void report_deadlock();
  [[noreturn]] void report_divergence(const Warp& warp) const;
  std::string waits_of(const Warp& warp) const;
  std::string place_of(uint32_t block, uint32_t op) const;
  int32_t origin_of(uint32_t block, uint32_t op) const;

  // warp.cpp: lanes of one warp
  void run_warp(Warp& warp);
  void push(Warp& warp, const Group& group);
  int first_runnable(Warp& warp);
  bool park_is_over(Warp& warp, const Park& park);
  void take(Warp& warp, int group);
  bool select(Warp& warp);
  bool leave_block(Warp& warp, const Block& block, Exit exit);
  bool arrive(Warp& warp, const Block& block);
  bool spin(Warp& warp, const Block& block);
  bool lanes_exit(Warp& warp, uint32_t exiting);
  std::string file_name(uint32_t index) const;
  void add_inlined(Fault& fault, const SourceLocation& location) const;
  void add_calls(Fault& fault, uint32_t thread) const;
  // calls.cpp
  bool call(Warp& warp, const Block& block);
  void enter(Warp& warp, const Block& block, const CallSite& site, int lane,
             const CodeFunction& callee);
  uint32_t pointed_function(Warp& warp, const Block& block, const CallSite& site, int lane) const;
  bool leave_function(Warp& warp, const Block& block);
  bool branch_by_table(Warp& warp, const Block& block);
  bool go_each(Warp& warp, const std::array<uint32_t, lanes>& next);
  void charge(Warp& warp, const Block& block);

  LaunchContext& context_;
  const Code& code_;
  uint64_t next_, stride_;
  Findings findings_;
  ListenerSet listeners_;
  PrintLog printed_;
  std::unique_ptr<Site[]> sites_;
  std::vector<std::unique_ptr<Cluster>> live_, idle_;
  LiveBlock* current_ = nullptr;  // the block at work
  uint32_t slots_used_ = 0;
  std::vector<uint64_t> block_warps_, block_lanes_, block_splits_;
  int64_t quota_ = 0;  // instructions until the shared count is brought up to date
  int64_t quota_size_ = 0;
  uint64_t clock_ = 0;
  uint64_t copies_ = 0;
  uint64_t blocks_run_ = 0, warps_run_ = 0;
  std::optional<Fault> fault_;
  uint64_t fault_position_ = ~uint64_t{0};
};

}  // namespace mtmc::emulator
