// Cost model, see the header for the method.
#include "emulator/cost_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "emulator/issue_cost.hpp"
#include "emulator/sm_replay.hpp"

namespace mtmc::emulator {
namespace {

struct IssueCycles {
  double cycles = 0.0;
  const char* pipe = "schedulers";
};

// Of one block's share of the counts.
IssueCycles issue_cycles(const DeviceEntry& device, const Profile& profile, double share,
                         double resident_warps) {
  double slots = 0.0;
  std::array<double, kPipeCount> work{};
  for (std::size_t c = 0; c < kIssueClassCount; ++c) {
    const IssueCost& cost = issue_cost(static_cast<IssueClass>(c));
    const auto count = static_cast<double>(profile.warp_instructions[c]);
    slots += count * cost.slots;
    for (int p = 0; p < kPipeCount; ++p) work[p] += count * cost.pipes[p];
  }

  IssueCycles result;
  result.cycles = slots * share / std::min(kSchedulers, resident_warps);
  const std::array<double, kPipeCount> lanes = pipe_lanes(device);
  for (int p = 0; p < kPipeCount; ++p) {
    const double cycles = work[p] * share * kWarpLanes / lanes[p];
    if (cycles > result.cycles) result = {cycles, kPipeNames[p]};
  }
  double tensor = 0.0;
  for (std::size_t kind = 0; kind < kComputeKindCount; ++kind) {
    const double per_clock =
        device.peak_flops(static_cast<ComputeKind>(kind)) / (device.boost_hz * device.sms);
    tensor += static_cast<double>(profile.matrix_operations[kind]) * share / per_clock;
  }
  if (tensor > result.cycles) result = {tensor, "tensor"};
  return result;
}

// Atomics are performed at L2 and cross L1 once.
double l1_cycles(const DeviceEntry& device, const Profile& profile, double share) {
  double wavefronts = static_cast<double>(profile.local_sectors * kSectorBytes) / 128.0;
  for (const MemoryTraffic* t :
       {&profile.shared_load, &profile.shared_store, &profile.shared_atomic}) {
    wavefronts += static_cast<double>(t->wavefronts);
  }
  for (const MemoryTraffic* t :
       {&profile.global_load, &profile.global_store, &profile.global_atomic}) {
    wavefronts += std::max(static_cast<double>(t->requests),
                           static_cast<double>(t->sectors * kSectorBytes) / 128.0);
  }
  return wavefronts * share * 128.0 / device.l1_bytes_per_clock;
}

double overlapped(double a, double b, double c) {
  const double longest = std::max({a, b, c});
  if (longest == 0.0) return 0.0;
  const auto power = [&](double x) { return std::pow(x / longest, kOverlapNorm); };
  return longest * std::pow(power(a) + power(b) + power(c), 1.0 / kOverlapNorm);
}

}  // namespace

const char* cost_limiter_name(CostLimiter limiter) {
  switch (limiter) {
    case CostLimiter::issue:
      return "issue";
    case CostLimiter::shared:
      return "shared";
    case CostLimiter::latency:
      return "latency";
    case CostLimiter::l2:
      return "l2";
    case CostLimiter::dram:
      return "dram";
  }
  return "unknown";
}

Result<ModelledTime> modelled_time(const DeviceEntry& device, const Profile& profile,
                                   const Trace& trace, const BlockResources& block) {
  if (profile.blocks_run == 0 || profile.blocks_total < profile.blocks_run) {
    return bad_input(fmt::format("cost model: {} of {} blocks ran, expected at least one",
                                 profile.blocks_run, profile.blocks_total));
  }
  ModelledTime time;
  time.occupancy = occupancy(device, block);
  if (time.occupancy.blocks_per_sm == 0) {
    return bad_input(fmt::format(
        "cost model: a block of {} threads, {} registers per thread and {} bytes of shared memory "
        "does not fit an SM of {} (limit: {})",
        block.threads, block.registers_per_thread, block.shared_bytes, device.name,
        occupancy_limiter_name(time.occupancy.limiter)));
  }
  time.launch_ns = device.launch_ns;
  time.traffic = cache_traffic(device, profile, trace, block, time.occupancy);

  // Blocks of an SM: of an even spread, and of the busiest one.
  const auto total = static_cast<double>(profile.blocks_total);
  const auto sms = static_cast<double>(device.sms);
  const auto slots = static_cast<double>(time.occupancy.blocks_per_sm);
  const double even = std::max(1.0, total / sms);
  const double busiest = std::ceil(total / sms);
  time.waves = total / (sms * slots);

  // One block's work, in cycles of an SM.
  const double ns_per_cycle = 1e9 / device.boost_hz;
  const double share = 1.0 / static_cast<double>(profile.blocks_run);
  const double resident_warps = std::min(busiest, slots) * ((block.threads + 31) / 32);
  const IssueCycles issue = issue_cycles(device, profile, share, resident_warps);
  const double l1 = l1_cycles(device, profile, share);
  const BlockAlone alone =
      replay_block(device, trace, time.traffic.l1_hit_rate, time.traffic.l2_hit_rate);
  double block_alone = 0.0;
  if (alone.instructions > 0.0) {  // the mean block may be longer or shorter than the traced one
    block_alone = alone.cycles * static_cast<double>(profile.total_warp_instructions()) * share /
                  alone.instructions;
  }
  time.pipe = issue.pipe;
  time.issue_ns = issue.cycles * even * ns_per_cycle;
  time.shared_ns = l1 * even * ns_per_cycle;
  time.latency_ns = block_alone * std::max(1.0, even / slots) * ns_per_cycle;

  const double drawn = std::min(sms, total) * device.l2_bytes_per_clock * device.boost_hz;
  time.l2_ns = time.traffic.l2_bytes / std::min(device.l2_bytes_per_s, drawn) * 1e9;
  time.dram_ns = (time.traffic.dram_read_bytes + time.traffic.dram_write_bytes) /
                 std::min(device.dram_bytes_per_s, drawn) * 1e9;

  const double sm = std::max({time.issue_ns, time.shared_ns, time.latency_ns});
  const double busiest_sm =
      std::max({issue.cycles * busiest, l1 * busiest, block_alone * std::ceil(busiest / slots)}) *
      ns_per_cycle;
  const double spread = overlapped(sm, time.l2_ns, time.dram_ns);
  time.tail_ns = overlapped(busiest_sm, time.l2_ns, time.dram_ns) - spread;
  time.total_ns = time.launch_ns + spread + time.tail_ns;

  const double parts[] = {time.issue_ns, time.shared_ns, time.latency_ns, time.l2_ns, time.dram_ns};
  time.limiter = static_cast<CostLimiter>(std::max_element(std::begin(parts), std::end(parts)) -
                                          std::begin(parts));
  return time;
}

std::vector<std::uint64_t> traced_blocks(const DeviceEntry& device, std::uint64_t blocks_total,
                                         const BlockResources& block) {
  const std::uint64_t resident = occupancy(device, block).blocks_per_sm;
  if (resident == 0) return {};
  return blocks_to_trace(blocks_total, resident * static_cast<std::uint64_t>(device.sms),
                         std::clamp<std::uint64_t>(2 * resident, 16, 64));
}

}  // namespace mtmc::emulator
