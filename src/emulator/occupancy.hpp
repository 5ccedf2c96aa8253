// How many blocks of a kernel are resident on one SM, and what limits them.
//
// Follows the rules of the CUDA occupancy calculator (cuda_occupancy.h): registers are allocated
// per warp in units of 256 and per quarter of the SM; shared memory per block in units of 128 bytes
// (256 before compute capability 8.0) with the driver's reservation added. Clusters and the L1
// carve-out (taken to be the largest) are not modelled.
#pragma once

#include <cstdint>

#include "emulator/device_table.hpp"

namespace mtmc::emulator {

struct BlockResources {
  std::uint32_t threads = 0;               // 1 to max_threads_per_block
  std::uint32_t registers_per_thread = 0;  // as ptxas reports; 0 is unknown and limits nothing
  std::uint64_t shared_bytes = 0;          // static and dynamic
};

enum class OccupancyLimiter : std::uint8_t { threads, registers, shared_memory, blocks };

const char* occupancy_limiter_name(OccupancyLimiter limiter);

struct Occupancy {
  std::uint32_t blocks_per_sm = 0;  // 0: the block cannot be launched, limiter says why
  std::uint32_t warps_per_sm = 0;
  double fraction = 0.0;                                 // of the SM's warps, 0 to 1
  OccupancyLimiter limiter = OccupancyLimiter::threads;  // the first of the tightest, as listed
};

// Any input is answered; a block that no SM can hold has blocks_per_sm 0.
Occupancy occupancy(const DeviceEntry& device, const BlockResources& block);

}  // namespace mtmc::emulator
