// What a launch did, in counts: exact, and equal for any number of host threads. The cost model
// prices it, reports show it; no time anywhere.
//
// All counts cover the blocks that ran. Where only a sample of the grid ran, whoever reads scales
// by blocks_total / blocks_run; distinct sectors do not scale so simply (see cost_model.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "emulator/issue_class.hpp"

namespace mtmc::emulator {

inline constexpr uint64_t kSectorBytes = 32;

struct MemoryTraffic {
  uint64_t requests = 0;    // warp instructions that touched the space
  uint64_t lanes = 0;       // active lanes of these
  uint64_t sectors = 0;     // global: distinct 32-byte sectors per request, summed
  uint64_t wavefronts = 0;  // shared: passes over the banks, summed; 1 per request is conflict free
};

// Distinct memory that the launch touched in one allocation: a lower bound of DRAM traffic.
struct AllocationTraffic {
  std::string name;
  uint64_t address = 0;
  uint64_t bytes = 0;
  uint64_t loaded_sectors = 0;  // distinct 32-byte sectors
  uint64_t stored_sectors = 0;
};

// What one line of source did.
struct LineCounts {
  std::string file;   // as the PTX names it
  uint32_t line = 0;  // 0: instructions without line information
  uint64_t warp_instructions = 0;
  uint64_t global_sectors = 0;
  uint64_t shared_wavefronts = 0;
};

struct Profile {
  uint64_t blocks_run = 0;
  uint64_t blocks_total = 0;
  uint64_t warps_run = 0;
  std::array<uint64_t, kIssueClassCount> warp_instructions{};
  std::array<uint64_t, kIssueClassCount> lane_instructions{};
  // Operations of matrix instructions by unit: see MatrixWork.
  std::array<uint64_t, kComputeKindCount> matrix_operations{};
  MemoryTraffic global_load, global_store, global_atomic;
  MemoryTraffic shared_load, shared_store, shared_atomic;
  uint64_t local_sectors = 0;  // loads and stores of local memory, all lanes at one offset
  // Conditional branches, and those of them that some lanes took and others did not.
  uint64_t branches = 0, divergent_branches = 0;
  std::vector<LineCounts> lines;  // by file and line
  std::vector<AllocationTraffic> allocations;

  uint64_t& of(IssueClass c) { return warp_instructions[static_cast<size_t>(c)]; }
  uint64_t of(IssueClass c) const { return warp_instructions[static_cast<size_t>(c)]; }
  uint64_t total_warp_instructions() const;
  uint64_t total_lane_instructions() const;
  // Mean active lanes of an executed instruction, 0 to 32.
  double active_lanes() const;
};

}  // namespace mtmc::emulator
