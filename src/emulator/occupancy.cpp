// Resident blocks as the minimum over four resources. Source: NVIDIA's cuda_occupancy.h (CUDA 13),
// restated for 32-thread warps, four sub-partitions and a granularity of 256 registers, which hold
// for every compute capability from 7.0 on.
#include "emulator/occupancy.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace mtmc::emulator {
namespace {

constexpr std::uint64_t kWarp = 32;
constexpr std::uint64_t kSubPartitions = 4;
constexpr std::uint64_t kRegisterUnit = 256;
constexpr std::uint64_t kMaxRegistersPerThread = 255;
constexpr std::uint64_t kUnlimited = std::numeric_limits<std::uint64_t>::max();

constexpr std::uint64_t ceil_div(std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; }
constexpr std::uint64_t round_up(std::uint64_t a, std::uint64_t b) { return ceil_div(a, b) * b; }

std::uint64_t blocks_by_registers(const DeviceEntry& device, std::uint64_t warps,
                                  std::uint64_t registers_per_thread) {
  if (registers_per_thread == 0) return kUnlimited;
  if (registers_per_thread > kMaxRegistersPerThread) return 0;
  const auto total = static_cast<std::uint64_t>(device.registers_per_sm);
  const std::uint64_t per_warp = round_up(registers_per_thread * kWarp, kRegisterUnit);
  // The launch check assumes that a block fills whole rows of the sub-partitions.
  if (per_warp * round_up(warps, kSubPartitions) > total) return 0;
  const std::uint64_t resident_warps = total / kSubPartitions / per_warp * kSubPartitions;
  return resident_warps / warps;
}

std::uint64_t blocks_by_shared(const DeviceEntry& device, std::uint64_t shared_bytes) {
  if (shared_bytes > static_cast<std::uint64_t>(device.shared_bytes_per_block_optin)) return 0;
  const std::uint64_t unit = device.compute_major >= 8 ? 128 : 256;
  const std::uint64_t used =
      round_up(shared_bytes + static_cast<std::uint64_t>(device.shared_bytes_reserved), unit);
  return used == 0 ? kUnlimited : static_cast<std::uint64_t>(device.shared_bytes_per_sm) / used;
}

}  // namespace

const char* occupancy_limiter_name(OccupancyLimiter limiter) {
  switch (limiter) {
    case OccupancyLimiter::threads:
      return "threads";
    case OccupancyLimiter::registers:
      return "registers";
    case OccupancyLimiter::shared_memory:
      return "shared memory";
    case OccupancyLimiter::blocks:
      return "blocks";
  }
  return "unknown";
}

Occupancy occupancy(const DeviceEntry& device, const BlockResources& block) {
  const auto max_warps = static_cast<std::uint64_t>(device.max_warps_per_sm());
  const std::uint64_t warps = ceil_div(block.threads, kWarp);
  const bool valid = block.threads > 0 &&
                     block.threads <= static_cast<std::uint32_t>(device.max_threads_per_block);
  if (!valid) return {};

  const std::array<std::uint64_t, 4> limits = {
      max_warps / warps,
      blocks_by_registers(device, warps, block.registers_per_thread),
      blocks_by_shared(device, block.shared_bytes),
      static_cast<std::uint64_t>(device.max_blocks_per_sm),
  };
  const auto tightest = std::min_element(limits.begin(), limits.end());
  Occupancy result;
  result.blocks_per_sm = static_cast<std::uint32_t>(*tightest);
  result.warps_per_sm = static_cast<std::uint32_t>(*tightest * warps);
  result.fraction = static_cast<double>(result.warps_per_sm) / static_cast<double>(max_warps);
  result.limiter = static_cast<OccupancyLimiter>(tightest - limits.begin());
  return result;
}

}  // namespace mtmc::emulator
