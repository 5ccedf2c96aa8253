// How long one block takes when it has an SM to itself: its traced path through an in-order model
// of the SM. Modelled, never measured.
//
// Four sub-cores, warp w on sub-core w mod 4, each issues the ready warp that waited longest. An
// instruction issues when its sources are there and its pipe is free; its targets are there a
// latency later. The latencies are those of the class (sm_replay.cpp) and of the device's memories
// (device_table.hpp); a global load takes the mean over the hit rates that the caller gives.
// Requests pass the SM's L1 data stage one after another, at their mean number of wavefronts.
// bar.sync holds a warp until the block's other unfinished warps are there; cp.async groups are
// waited for as the code says.
//
// Not modelled: queues before pipes, register bank conflicts, instruction fetch, dual issue; waits
// on mbarriers and of wgmma cost their issue slot alone; barriers of part of a block hold nobody.
#pragma once

#include "emulator/device_table.hpp"
#include "emulator/trace.hpp"

namespace mtmc::emulator {

struct BlockAlone {
  double cycles = 0.0;        // 0: nothing was traced
  double instructions = 0.0;  // warp instructions of this block
};

BlockAlone replay_block(const DeviceEntry& device, const Trace& trace, double l1_hit_rate,
                        double l2_hit_rate);

}  // namespace mtmc::emulator
