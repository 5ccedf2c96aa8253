// What a launch did, in counts: exact, and equal for any number of host threads.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mtmc::emulator {

// The pipe or purpose that an instruction belongs to; the cost model prices these.
enum class InstructionClass : uint8_t {
  integer,
  fp32,
  fp64,
  fp16,  // f16 and bf16, packed or not
  conversion,
  special,  // rcp, sqrt, rsqrt, ex2, lg2, sin, cos, tanh, division
  load_global,
  store_global,
  load_shared,
  store_shared,
  local,  // loads and stores of local memory
  atomic,
  shuffle_vote,
  barrier,
  control,
  matrix,
  other,
};
inline constexpr size_t instruction_class_count = 17;

const char* instruction_class_name(InstructionClass value);

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

struct Profile {
  uint64_t blocks_run = 0;
  uint64_t blocks_total = 0;
  uint64_t warps_run = 0;
  std::array<uint64_t, instruction_class_count> warp_instructions{};
  std::array<uint64_t, instruction_class_count> lane_instructions{};
  MemoryTraffic global_load, global_store, global_atomic;
  MemoryTraffic shared_load, shared_store, shared_atomic;
  std::vector<AllocationTraffic> allocations;

  uint64_t total_warp_instructions() const;
  uint64_t total_lane_instructions() const;
};

}  // namespace mtmc::emulator
