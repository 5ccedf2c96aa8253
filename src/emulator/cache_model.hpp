// How much of a launch's global traffic each cache lets through, from the traces of a sample of
// blocks. Modelled, never measured.
//
// L1     Per SM, what shared memory leaves of it; 128-byte lines of four sectors, 16 ways, LRU.
//        Loads allocate, stores write through without allocating, atomics and loads that ask to
//        go past L1 leave it alone. The traced blocks that fit one SM share it, their warps taking
//        turns by request; where an SM runs several such groups one after another, the lines stay.
// L2     One for the device, the same lines, write-back. Traced blocks take turns by request, as if
//        all started together; the capacity is scaled by the sample's share of the wave's distinct
//        bytes.
// waves  How many distinct bytes a whole wave touches follows from how many traced blocks share
//        each sector: the incidence estimator of Chao and Lin (2012) for samples without
//        replacement, which is linear for private data and saturates for shared data. Waves run
//        one after another; what a later wave asks for again is in L2 with the probability
//        L2 / distinct bytes of the launch.
//
// Errors: capacity effects between blocks that are out of step, hash conflicts, prefetching, dirty
// fills and L2's two halves are not modelled. Without a trace every sector reaches L2 and every
// distinct byte comes from DRAM once. Distinct bytes of a launch of which only a sample ran are
// scaled by blocks, but not beyond their allocations.
#pragma once

#include "emulator/device_table.hpp"
#include "emulator/occupancy.hpp"
#include "emulator/profile.hpp"
#include "emulator/trace.hpp"

namespace mtmc::emulator {

// Of the whole launch, in bytes where nothing else is said.
struct CacheTraffic {
  double l1_hit_rate = 0.0;  // of loaded sectors
  double l2_hit_rate = 0.0;  // of loaded sectors that L1 did not have
  double l2_bytes = 0.0;     // between the L1s and L2, loads, stores and atomics
  double dram_read_bytes = 0.0;
  double dram_write_bytes = 0.0;
};

// blocks_run of the profile is at least 1 and the occupancy at least one block per SM.
CacheTraffic cache_traffic(const DeviceEntry& device, const Profile& profile, const Trace& trace,
                           const BlockResources& block, const Occupancy& occupancy);

// Bytes of L1 that are left when `shared_bytes` of the SM's memory are shared memory.
std::int64_t l1_capacity(const DeviceEntry& device, std::uint64_t shared_bytes);

}  // namespace mtmc::emulator
