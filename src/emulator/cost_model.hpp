// Cost model v0: how long a launch would take on a device of the table, from what it did under
// emulation. Modelled, never measured: results must not be mixed with measurements.
//
//   total = launch + max(issue, shared, dram)
//
// issue   The busiest SM runs ceil(blocks_total / sms) blocks. Its time is that of its busiest pipe
//         (fma, alu, integer multiply, fp16, fp64, special, load/store, tensor) or of its four
//         schedulers, whichever is longer. PTX instructions count as what the hardware makes of
//         them (a division is a sequence; moves and parameter loads are free): cost_model.cpp has
//         the table. A warp issues at most every second cycle, so few resident warps issue slowly.
// shared  The busiest SM's L1 data stage: shared-memory wavefronts (bank conflicts included), and
//         for global and local accesses one wavefront per request or per 128 bytes of sectors,
//         whichever is more.
// dram    Distinct bytes once, loads and stores; plus, where these exceed the L2, loads that come
//         again: (sectors asked for beyond the distinct ones) * (1 - L2 / footprint). Over the
//         bandwidth of the DRAM, or of the SMs that have a block if these can draw less.
//
// Counts of a sample of blocks scale by blocks_total / blocks_run; distinct sectors scale likewise,
// but not above the bytes of the touched allocations.
//
// Not modelled: latency and dependences beyond the issue rule, L2 bandwidth and hit order, register
// bank conflicts, clocks below boost, overlap of kernels. Repeatable: plain double arithmetic.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/error.hpp"
#include "emulator/profile.hpp"
#include "emulator/device_table.hpp"
#include "emulator/occupancy.hpp"

namespace mtmc::emulator {

// Part of the identity of a modelled time: changes whenever any result may change.
inline constexpr int kCostModelVersion = 1;

enum class CostLimiter : std::uint8_t { issue, shared, dram };

const char* cost_limiter_name(CostLimiter limiter);

struct ModelledTime {
  double launch_ns = 0.0;
  double issue_ns = 0.0;
  double shared_ns = 0.0;
  double dram_ns = 0.0;
  double total_ns = 0.0;
  CostLimiter limiter = CostLimiter::issue;  // the first of the largest, in the order above
  const char* pipe = "";                     // the busiest pipe of issue_ns, a static string
  double dram_bytes = 0.0;                   // read and written
  double waves = 0.0;                        // blocks_total over the blocks resident at once
  Occupancy occupancy;
};

// Fails with bad_input when no block ran or when a block does not fit an SM.
Result<ModelledTime> modelled_time(const DeviceEntry& device, const Profile& profile,
                                   const BlockResources& block);

// The speed-of-light bound on the same table: launch + max(bytes / bandwidth, operations / peak).
// bytes >= 0 read and written, operations >= 0 (a fused multiply-add is two). A kind that the
// device lacks is priced by the unit that stands in for it (DeviceEntry::peak_flops).
double bound_ns(const DeviceEntry& device, double bytes, double operations, ComputeKind kind);

}  // namespace mtmc::emulator
