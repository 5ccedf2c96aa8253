// Cost model v0, see the header for the method.
//
// The table below says what one PTX instruction becomes on the hardware, in warp instructions per
// pipe. Its rows are estimates from the documented throughputs and from the sequences that the CUDA
// programming guide and published disassemblies describe; they were not fitted to measurements.
// Revisit when a calibration on a real device exists: the version string must then change.
#include "emulator/cost_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace mtmc::emulator {
namespace {

enum Pipe { kFma, kAlu, kMultiply, kHalf, kFp64, kSpecial, kWide, kLoadStore, kPipeCount };

constexpr std::array<const char*, kPipeCount> kPipeNames = {
    "fma", "alu", "integer multiply", "fp16", "fp64", "special", "conversion64", "load/store"};

// Warp instructions per PTX instruction: issue slots, and how many of them go to which pipe.
struct IssueCost {
  IssueClass issue_class;
  double slots;
  std::array<double, kPipeCount> pipes;
};

constexpr IssueCost kCosts[] = {
    //                                  slots   fma alu mul  half f64 spec wide l/s
    {IssueClass::fp32, 1, {1, 0, 0, 0, 0, 0, 0, 0}},
    {IssueClass::fp16, 1, {0, 0, 0, 1, 0, 0, 0, 0}},
    {IssueClass::fp64, 1, {0, 0, 0, 0, 1, 0, 0, 0}},
    {IssueClass::integer, 1, {0, 1, 0, 0, 0, 0, 0, 0}},
    {IssueClass::integer_multiply, 1, {0, 0, 1, 0, 0, 0, 0, 0}},
    {IssueClass::integer64, 2, {0, 2, 0, 0, 0, 0, 0, 0}},
    {IssueClass::integer64_multiply, 4, {0, 0, 4, 0, 0, 0, 0, 0}},
    {IssueClass::bit_count, 1, {0, 0, 0, 0, 0, 1, 0, 0}},
    {IssueClass::compare, 1, {0, 1, 0, 0, 0, 0, 0, 0}},
    {IssueClass::select, 1, {0, 1, 0, 0, 0, 0, 0, 0}},
    {IssueClass::move, 0, {0, 0, 0, 0, 0, 0, 0, 0}},
    {IssueClass::conversion, 1, {0, 0, 0, 0, 0, 1, 0, 0}},
    {IssueClass::conversion_half, 1, {0, 1, 0, 0, 0, 0, 0, 0}},
    {IssueClass::conversion64, 1, {0, 0, 0, 0, 0, 0, 1, 0}},
    {IssueClass::special, 2, {1, 0, 0, 0, 0, 1, 0, 0}},
    {IssueClass::divide_f32, 10, {8, 1, 0, 0, 0, 1, 0, 0}},
    {IssueClass::divide_f64, 18, {0, 5, 0, 0, 12, 1, 0, 0}},
    {IssueClass::divide_integer, 17, {0, 8, 6, 0, 0, 3, 0, 0}},
    {IssueClass::divide_integer64, 80, {0, 40, 36, 0, 0, 4, 0, 0}},
    {IssueClass::load_global, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::store_global, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::load_shared, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::store_shared, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::load_local, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::store_local, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::load_constant, 0, {0, 0, 0, 0, 0, 0, 0, 0}},
    {IssueClass::atomic_global, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::atomic_shared, 2, {0, 1, 0, 0, 0, 0, 0, 1}},
    {IssueClass::async_copy, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::shuffle, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::barrier, 1, {0, 0, 0, 0, 0, 0, 0, 0}},
    {IssueClass::control, 1, {0, 0, 0, 0, 0, 0, 0, 0}},
    {IssueClass::matrix, 1, {0, 0, 0, 0, 0, 0, 0, 0}},
    {IssueClass::matrix_load, 1, {0, 0, 0, 0, 0, 0, 0, 1}},
    {IssueClass::other, 1, {0, 1, 0, 0, 0, 0, 0, 0}},
};
static_assert(std::size(kCosts) == kIssueClassCount);

constexpr bool rows_are_in_order() {
  for (std::size_t i = 0; i < std::size(kCosts); ++i) {
    if (kCosts[i].issue_class != static_cast<IssueClass>(i)) return false;
  }
  return true;
}
static_assert(rows_are_in_order());

constexpr double kSchedulers = 4.0;
constexpr double kIssuePerWarp = 0.5;  // instructions per cycle and warp
constexpr double kWarpLanes = 32.0;

std::array<double, kPipeCount> lanes_of(const DeviceEntry& device) {
  std::array<double, kPipeCount> lanes{};
  lanes[kFma] = device.fp32_lanes;
  lanes[kAlu] = device.integer_lanes;
  lanes[kMultiply] = device.integer_lanes;
  lanes[kHalf] = device.fp16_lanes;
  lanes[kFp64] = device.fp64_lanes;
  lanes[kSpecial] = device.special_lanes;
  lanes[kWide] = device.conversion64_lanes;
  lanes[kLoadStore] = device.load_store_lanes;
  return lanes;
}

struct IssueCycles {
  double cycles = 0.0;  // on the busiest SM
  const char* pipe = "schedulers";
};

// per_sm scales a count over the blocks that ran to the share of the busiest SM.
IssueCycles issue_cycles(const DeviceEntry& device, const Profile& profile, double per_sm,
                         double resident_warps) {
  double slots = 0.0;
  std::array<double, kPipeCount> work{};
  for (const IssueCost& row : kCosts) {
    const auto count = static_cast<double>(profile.of(row.issue_class));
    slots += count * row.slots;
    for (int p = 0; p < kPipeCount; ++p) work[p] += count * row.pipes[p];
  }

  IssueCycles result;
  result.cycles = slots * per_sm / std::min(kSchedulers, resident_warps * kIssuePerWarp);
  const std::array<double, kPipeCount> lanes = lanes_of(device);
  for (int p = 0; p < kPipeCount; ++p) {
    const double cycles = work[p] * per_sm * kWarpLanes / lanes[p];
    if (cycles > result.cycles) result = {cycles, kPipeNames[p]};
  }

  double tensor = 0.0;
  for (std::size_t kind = 0; kind < kComputeKindCount; ++kind) {
    const double per_clock =
        device.peak_flops(static_cast<ComputeKind>(kind)) / (device.boost_hz * device.sms);
    tensor += static_cast<double>(profile.matrix_operations[kind]) * per_sm / per_clock;
  }
  if (tensor > result.cycles) result = {tensor, "tensor"};
  return result;
}

// Atomics are performed at L2 and cross L1 once.
double l1_cycles(const DeviceEntry& device, const Profile& profile, double per_sm) {
  double wavefronts = 0.0;
  for (const MemoryTraffic* t :
       {&profile.shared_load, &profile.shared_store, &profile.shared_atomic}) {
    wavefronts += static_cast<double>(t->wavefronts);
  }
  for (const MemoryTraffic* t :
       {&profile.global_load, &profile.global_store, &profile.global_atomic}) {
    wavefronts += std::max(static_cast<double>(t->requests),
                           static_cast<double>(t->sectors * kSectorBytes) / 128.0);
  }
  return wavefronts * per_sm * 128.0 / device.l1_bytes_per_clock;
}

// Bytes between L2 and DRAM over the whole launch.
double dram_bytes(const DeviceEntry& device, const Profile& profile, double scale) {
  std::uint64_t loaded_sectors = 0, stored_sectors = 0, touched = 0;
  for (const AllocationTraffic& allocation : profile.allocations) {
    loaded_sectors += allocation.loaded_sectors;
    stored_sectors += allocation.stored_sectors;
    if (allocation.loaded_sectors + allocation.stored_sectors > 0) touched += allocation.bytes;
  }
  const auto whole = static_cast<double>(touched);
  const auto unique_bytes = [&](std::uint64_t sectors) {
    const auto sampled = static_cast<double>(sectors * kSectorBytes);
    return std::max(sampled, std::min(sampled * scale, whole));
  };
  const double loaded = unique_bytes(loaded_sectors);
  const double stored = unique_bytes(stored_sectors);

  const std::uint64_t asked = profile.global_load.sectors + profile.global_atomic.sectors;
  const double again = std::max(0.0, static_cast<double>(asked * kSectorBytes) * scale - loaded);
  const double footprint = loaded + stored;
  const auto l2 = static_cast<double>(device.l2_bytes);
  const double miss = footprint > l2 ? 1.0 - l2 / footprint : 0.0;
  return footprint + again * miss;
}

}  // namespace

const char* cost_limiter_name(CostLimiter limiter) {
  switch (limiter) {
    case CostLimiter::issue:
      return "issue";
    case CostLimiter::shared:
      return "shared";
    case CostLimiter::dram:
      return "dram";
  }
  return "unknown";
}

Result<ModelledTime> modelled_time(const DeviceEntry& device, const Profile& profile,
                                   const BlockResources& block) {
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

  const auto sms = static_cast<std::uint64_t>(device.sms);
  const std::uint64_t busiest = (profile.blocks_total + sms - 1) / sms;  // blocks on one SM
  const auto blocks_run = static_cast<double>(profile.blocks_run);
  const double scale = static_cast<double>(profile.blocks_total) / blocks_run;
  const double per_sm = static_cast<double>(busiest) / blocks_run;
  const std::uint64_t resident = std::min<std::uint64_t>(busiest, time.occupancy.blocks_per_sm);
  const auto resident_warps = static_cast<double>(resident * ((block.threads + 31) / 32));
  time.waves = static_cast<double>(profile.blocks_total) /
               static_cast<double>(sms * time.occupancy.blocks_per_sm);

  const double ns_per_cycle = 1e9 / device.boost_hz;
  const IssueCycles issue = issue_cycles(device, profile, per_sm, resident_warps);
  time.pipe = issue.pipe;
  time.issue_ns = issue.cycles * ns_per_cycle;
  time.shared_ns = l1_cycles(device, profile, per_sm) * ns_per_cycle;
  time.dram_bytes = dram_bytes(device, profile, scale);
  const auto sms_used = static_cast<double>(std::min(sms, profile.blocks_total));
  const double drawn = sms_used * device.l2_bytes_per_clock * device.boost_hz;
  time.dram_ns = time.dram_bytes / std::min(device.dram_bytes_per_s, drawn) * 1e9;

  time.launch_ns = device.launch_ns;
  const double longest = std::max({time.issue_ns, time.shared_ns, time.dram_ns});
  time.limiter = longest == time.issue_ns    ? CostLimiter::issue
                 : longest == time.shared_ns ? CostLimiter::shared
                                             : CostLimiter::dram;
  time.total_ns = time.launch_ns + longest;
  return time;
}

double bound_ns(const DeviceEntry& device, double bytes, double operations, ComputeKind kind) {
  const double memory_ns = bytes / device.dram_bytes_per_s * 1e9;
  const double compute_ns = operations / device.peak_flops(kind) * 1e9;
  return device.launch_ns + std::max(memory_ns, compute_ns);
}

}  // namespace mtmc::emulator
