// Cost model: how long a launch would take on a device of the table, from what it did under
// emulation. Modelled, never measured, and not calibrated against any GPU: results must not be
// mixed with measurements.
//
//   sm    = max(issue, shared, latency)
//   total = launch + (sm^p + l2^p + dram^p)^(1/p) + tail,  p = kOverlapNorm
//
// Each part is the time that the launch would take if nothing else limited it, so the largest names
// the limiter and parts do not add up. The norm stands for overlap that is not perfect: two equal
// parts cost 4.4 % more than one, a part nine tenths as long as the largest 1.1 %.
//
// issue    An SM's busiest pipe (fma, alu, integer multiply, fp16, fp64, special, load/store,
//          tensor) or its four schedulers, whichever is longer. PTX instructions count as what the
//          hardware makes of them: issue_cost.cpp has the table.
// shared   An SM's L1 data stage: shared-memory wavefronts (bank conflicts included), and for
//          global and local accesses one per request or per 128 bytes of sectors, whichever is
//          more.
// latency  A traced block alone on an SM (sm_replay.hpp), dependences, barriers and memory latency
//          included, over as many blocks as are resident together. Low occupancy shows here.
// l2       Bytes that L1 lets through (cache_model.hpp) over L2's bandwidth, or over that of the
//          SMs that have a block if these can draw less.
// dram     Bytes that L2 lets through, likewise over DRAM's.
// tail     What whole blocks on whole SMs cost beyond an even spread of the work: the busiest SM
//          has ceil(blocks / SMs) blocks and runs them in whole rounds.
//
// The first four are of an even spread. Counts of a sample of blocks scale by blocks_total /
// blocks_run.
//
// Not modelled: contention of atomics on one address, L2 queues, register bank conflicts, clocks
// below boost, overlap of kernels. Repeatable: plain double arithmetic.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "emulator/cache_model.hpp"
#include "emulator/device_table.hpp"
#include "emulator/occupancy.hpp"
#include "emulator/profile.hpp"
#include "emulator/trace.hpp"

namespace mtmc::emulator {

// Part of the identity of a modelled time: changes whenever any result may change.
inline constexpr int kCostModelVersion = 2;

// An assumption until a GPU says otherwise: infinity would be a roofline, 1 no overlap at all.
inline constexpr double kOverlapNorm = 16;

enum class CostLimiter : std::uint8_t { issue, shared, latency, l2, dram };

const char* cost_limiter_name(CostLimiter limiter);

struct ModelledTime {
  double launch_ns = 0.0;
  double issue_ns = 0.0;
  double shared_ns = 0.0;
  double latency_ns = 0.0;  // 0 without a trace
  double l2_ns = 0.0;
  double dram_ns = 0.0;
  double tail_ns = 0.0;
  double total_ns = 0.0;
  CostLimiter limiter = CostLimiter::issue;  // the first of the largest, in the order above
  const char* pipe = "";                     // the busiest pipe of issue_ns, a static string
  CacheTraffic traffic;
  double waves = 0.0;  // blocks_total over the blocks resident at once
  Occupancy occupancy;
};

// Fails with bad_input when no block ran or when a block does not fit an SM. Without a trace there
// is no latency and no hit in L1.
Result<ModelledTime> modelled_time(const DeviceEntry& device, const Profile& profile,
                                   const Trace& trace, const BlockResources& block);

// Blocks that a launch should trace for this device: enough to meet the sharing between blocks and
// to fill an SM. Empty when a block does not fit.
std::vector<std::uint64_t> traced_blocks(const DeviceEntry& device, std::uint64_t blocks_total,
                                         const BlockResources& block);

}  // namespace mtmc::emulator
