// Rows of devices. Sources, in words:
//   clocks, tensor peaks, DRAM bandwidth and bytes   the data sheet of each product
//   SMs, units per SM, L2 and L1 sizes               the architecture's white paper (Turing, Ampere
//                                                    GA100, Ada, Hopper)
//   threads, blocks, registers, shared memory and    CUDA C++ programming guide, "Technical
//   its carve-out                                    Specifications per Compute Capability"
//   lanes per clock                                  the same, "Throughput of Native Arithmetic
//                                                    Instructions"
//   l1_ and l2_bytes_per_clock                       the same white papers: 128 bytes of L1 data and
//                                                    64 from L2 per SM and clock (T4: 64 and 64)
//   latencies                                        published micro-benchmarks, rounded: Luo et al.
//                                                    (arXiv 2402.13499) for A100, RTX 4090 and H100,
//                                                    taken over for L40S and H200; Jia et al. (arXiv
//                                                    1903.07486) for T4
//   l2_bytes_per_s                                   round estimates below the white papers' peaks,
//                                                    after what such benchmarks reach: Jia et al. for
//                                                    T4 (1.27 TB/s), Chips and Cheese for H100 (5.5
//                                                    TB/s with 114 slower SMs) and RTX 4090 (5 TB/s);
//                                                    A100 two thirds of its 5120 bytes per clock
//   launch_ns                                        a round estimate
// None of it was measured here.
#include "emulator/device_table.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace mtmc::emulator {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr int kKiB = 1 << 10;

// clang-format off
constexpr std::array<DeviceEntry, 6> kDevices = {{
    // H200 data sheet: 67 TFLOP/s fp32, 34 fp64, 989 f16, 495 tf32, 1979 fp8, 4.8 TB/s, 141 GB.
    // Hopper white paper: 132 SMs of 128 fp32 and 64 fp64 lanes, 50 MB L2.
    {.name = "NVIDIA H200", .alias = "h200", .architecture = "sm_90a",
     .compute_major = 9, .compute_minor = 0, .sms = 132, .boost_hz = 1.98e9,
     .fp32_lanes = 128, .fp16_lanes = 128, .fp64_lanes = 64, .integer_lanes = 64,
     .special_lanes = 16, .conversion64_lanes = 16, .load_store_lanes = 32,
     .l1_bytes_per_clock = 128, .l2_bytes_per_clock = 64,
     .shared_latency_cycles = 29, .l1_latency_cycles = 40, .l2_latency_cycles = 260,
     .dram_latency_cycles = 480,
     .tf32_tensor_flops = 494.7e12, .f16_tensor_flops = 989.4e12, .bf16_tensor_flops = 989.4e12,
     .fp8_tensor_flops = 1978.9e12, .int8_tensor_ops = 1978.9e12,
     .fp64_tensor_flops = 66.9e12, .dram_bytes_per_s = 4.8e12, .l2_bytes_per_s = 6.5e12,
     .l2_bytes = 50 * kMiB,
     .dram_bytes = 141'000'000'000, .l1_bytes_per_sm = 256 * kKiB,
     .smallest_shared_carve_out = 0, .shared_bytes_per_sm = 228 * kKiB,
     .shared_bytes_per_block = 48 * kKiB, .shared_bytes_per_block_optin = 227 * kKiB,
     .shared_bytes_reserved = kKiB, .registers_per_sm = 65536, .max_threads_per_sm = 2048,
     .max_blocks_per_sm = 32, .max_threads_per_block = 1024, .launch_ns = 2000.0},
    // H100 SXM5 data sheet: the H200's arithmetic, 3.35 TB/s, 80 GB.
    {.name = "NVIDIA H100 80GB HBM3", .alias = "h100", .architecture = "sm_90a",
     .compute_major = 9, .compute_minor = 0, .sms = 132, .boost_hz = 1.98e9,
     .fp32_lanes = 128, .fp16_lanes = 128, .fp64_lanes = 64, .integer_lanes = 64,
     .special_lanes = 16, .conversion64_lanes = 16, .load_store_lanes = 32,
     .l1_bytes_per_clock = 128, .l2_bytes_per_clock = 64,
     .shared_latency_cycles = 29, .l1_latency_cycles = 40, .l2_latency_cycles = 260,
     .dram_latency_cycles = 480,
     .tf32_tensor_flops = 494.7e12, .f16_tensor_flops = 989.4e12, .bf16_tensor_flops = 989.4e12,
     .fp8_tensor_flops = 1978.9e12, .int8_tensor_ops = 1978.9e12,
     .fp64_tensor_flops = 66.9e12, .dram_bytes_per_s = 3.35e12, .l2_bytes_per_s = 6.5e12,
     .l2_bytes = 50 * kMiB,
     .dram_bytes = 80'000'000'000, .l1_bytes_per_sm = 256 * kKiB,
     .smallest_shared_carve_out = 0, .shared_bytes_per_sm = 228 * kKiB,
     .shared_bytes_per_block = 48 * kKiB, .shared_bytes_per_block_optin = 227 * kKiB,
     .shared_bytes_reserved = kKiB, .registers_per_sm = 65536, .max_threads_per_sm = 2048,
     .max_blocks_per_sm = 32, .max_threads_per_block = 1024, .launch_ns = 2000.0},
    // A100 80 GB SXM4 data sheet: 19.5 TFLOP/s fp32, 9.7 fp64, 312 f16, 156 tf32, 2039 GB/s.
    // Ampere white paper: 108 SMs of 64 fp32 and 32 fp64 lanes, 40 MB L2.
    {.name = "NVIDIA A100-SXM4-80GB", .alias = "a100", .architecture = "sm_80",
     .compute_major = 8, .compute_minor = 0, .sms = 108, .boost_hz = 1.41e9,
     .fp32_lanes = 64, .fp16_lanes = 128, .fp64_lanes = 32, .integer_lanes = 64,
     .special_lanes = 16, .conversion64_lanes = 16, .load_store_lanes = 32,
     .l1_bytes_per_clock = 128, .l2_bytes_per_clock = 64,
     .shared_latency_cycles = 29, .l1_latency_cycles = 38, .l2_latency_cycles = 260,
     .dram_latency_cycles = 470,
     .tf32_tensor_flops = 156.0e12, .f16_tensor_flops = 312.0e12, .bf16_tensor_flops = 312.0e12,
     .fp8_tensor_flops = 0.0, .int8_tensor_ops = 624.0e12,
     .fp64_tensor_flops = 19.5e12, .dram_bytes_per_s = 2.039e12, .l2_bytes_per_s = 4.8e12,
     .l2_bytes = 40 * kMiB,
     .dram_bytes = 80'000'000'000, .l1_bytes_per_sm = 192 * kKiB,
     .smallest_shared_carve_out = 0, .shared_bytes_per_sm = 164 * kKiB,
     .shared_bytes_per_block = 48 * kKiB, .shared_bytes_per_block_optin = 163 * kKiB,
     .shared_bytes_reserved = kKiB, .registers_per_sm = 65536, .max_threads_per_sm = 2048,
     .max_blocks_per_sm = 32, .max_threads_per_block = 1024, .launch_ns = 2200.0},
    // L40S data sheet: 91.6 TFLOP/s fp32, 183 tf32, 362 f16, 733 fp8, 864 GB/s, 48 GB.
    // Ada white paper: 142 SMs, 128 fp32 and 2 fp64 lanes, 96 MB L2.
    {.name = "NVIDIA L40S", .alias = "l40s", .architecture = "sm_89",
     .compute_major = 8, .compute_minor = 9, .sms = 142, .boost_hz = 2.52e9,
     .fp32_lanes = 128, .fp16_lanes = 64, .fp64_lanes = 2, .integer_lanes = 64,
     .special_lanes = 16, .conversion64_lanes = 2, .load_store_lanes = 32,
     .l1_bytes_per_clock = 128, .l2_bytes_per_clock = 64,
     .shared_latency_cycles = 30, .l1_latency_cycles = 43, .l2_latency_cycles = 270,
     .dram_latency_cycles = 540,
     .tf32_tensor_flops = 183.2e12, .f16_tensor_flops = 362.1e12, .bf16_tensor_flops = 362.1e12,
     .fp8_tensor_flops = 733.0e12, .int8_tensor_ops = 733.0e12,
     .fp64_tensor_flops = 0.0, .dram_bytes_per_s = 864.0e9, .l2_bytes_per_s = 5.5e12,
     .l2_bytes = 96 * kMiB,
     .dram_bytes = 48'000'000'000, .l1_bytes_per_sm = 128 * kKiB,
     .smallest_shared_carve_out = 0, .shared_bytes_per_sm = 100 * kKiB,
     .shared_bytes_per_block = 48 * kKiB, .shared_bytes_per_block_optin = 99 * kKiB,
     .shared_bytes_reserved = kKiB, .registers_per_sm = 65536, .max_threads_per_sm = 1536,
     .max_blocks_per_sm = 24, .max_threads_per_block = 1024, .launch_ns = 2200.0},
    // Ada white paper, GeForce RTX 4090: 82.6 TFLOP/s fp32, 82.6 tf32, 165.2 f16 with f32
    // accumulation, 330.3 fp8, 1008 GB/s, 128 SMs, 72 MB L2.
    {.name = "NVIDIA GeForce RTX 4090", .alias = "rtx4090", .architecture = "sm_89",
     .compute_major = 8, .compute_minor = 9, .sms = 128, .boost_hz = 2.52e9,
     .fp32_lanes = 128, .fp16_lanes = 64, .fp64_lanes = 2, .integer_lanes = 64,
     .special_lanes = 16, .conversion64_lanes = 2, .load_store_lanes = 32,
     .l1_bytes_per_clock = 128, .l2_bytes_per_clock = 64,
     .shared_latency_cycles = 30, .l1_latency_cycles = 43, .l2_latency_cycles = 270,
     .dram_latency_cycles = 540,
     .tf32_tensor_flops = 82.6e12, .f16_tensor_flops = 165.2e12, .bf16_tensor_flops = 165.2e12,
     .fp8_tensor_flops = 330.3e12, .int8_tensor_ops = 660.6e12,
     .fp64_tensor_flops = 0.0, .dram_bytes_per_s = 1.008e12, .l2_bytes_per_s = 5.0e12,
     .l2_bytes = 72 * kMiB,
     .dram_bytes = 24'000'000'000, .l1_bytes_per_sm = 128 * kKiB,
     .smallest_shared_carve_out = 0, .shared_bytes_per_sm = 100 * kKiB,
     .shared_bytes_per_block = 48 * kKiB, .shared_bytes_per_block_optin = 99 * kKiB,
     .shared_bytes_reserved = kKiB, .registers_per_sm = 65536, .max_threads_per_sm = 1536,
     .max_blocks_per_sm = 24, .max_threads_per_block = 1024, .launch_ns = 2000.0},
    // T4 data sheet: 8.1 TFLOP/s fp32, 65 f16, 320 GB/s, 16 GB. Turing white paper: 40 SMs of 64
    // fp32 and 2 fp64 lanes, 16 load/store units, 4 MB L2; no tf32, bf16 or fp8 units.
    {.name = "Tesla T4", .alias = "t4", .architecture = "sm_75",
     .compute_major = 7, .compute_minor = 5, .sms = 40, .boost_hz = 1.59e9,
     .fp32_lanes = 64, .fp16_lanes = 64, .fp64_lanes = 2, .integer_lanes = 64,
     .special_lanes = 16, .conversion64_lanes = 2, .load_store_lanes = 16,
     .l1_bytes_per_clock = 64, .l2_bytes_per_clock = 64,
     .shared_latency_cycles = 19, .l1_latency_cycles = 32, .l2_latency_cycles = 190,
     .dram_latency_cycles = 430,
     .tf32_tensor_flops = 0.0, .f16_tensor_flops = 65.1e12, .bf16_tensor_flops = 0.0,
     .fp8_tensor_flops = 0.0, .int8_tensor_ops = 130.0e12,
     .fp64_tensor_flops = 0.0, .dram_bytes_per_s = 320.0e9, .l2_bytes_per_s = 1.27e12,
     .l2_bytes = 4 * kMiB,
     .dram_bytes = 16'000'000'000, .l1_bytes_per_sm = 96 * kKiB,
     .smallest_shared_carve_out = 32 * kKiB, .shared_bytes_per_sm = 64 * kKiB,
     .shared_bytes_per_block = 48 * kKiB, .shared_bytes_per_block_optin = 64 * kKiB,
     .shared_bytes_reserved = 0, .registers_per_sm = 65536, .max_threads_per_sm = 1024,
     .max_blocks_per_sm = 16, .max_threads_per_block = 1024, .launch_ns = 3000.0},
}};
// clang-format on

bool same_letters(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

}  // namespace

double DeviceEntry::peak_flops(ComputeKind kind) const {
  const double clocks = static_cast<double>(sms) * boost_hz;
  const double fp32 = 2.0 * fp32_lanes * clocks;
  const double fp16 = 4.0 * fp16_lanes * clocks;
  switch (kind) {
    case ComputeKind::fp32: return fp32;
    case ComputeKind::fp64: return 2.0 * fp64_lanes * clocks;
    case ComputeKind::fp16: return fp16;
    case ComputeKind::tf32_tensor: return tf32_tensor_flops > 0 ? tf32_tensor_flops : fp32;
    case ComputeKind::f16_tensor: return f16_tensor_flops > 0 ? f16_tensor_flops : fp16;
    case ComputeKind::bf16_tensor: return bf16_tensor_flops > 0 ? bf16_tensor_flops : fp32;
    case ComputeKind::fp8_tensor: return fp8_tensor_flops > 0 ? fp8_tensor_flops : fp32;
    case ComputeKind::int8_tensor: return int8_tensor_ops > 0 ? int8_tensor_ops : fp32;
    case ComputeKind::fp64_tensor:
      return fp64_tensor_flops > 0 ? fp64_tensor_flops : 2.0 * fp64_lanes * clocks;
  }
  return fp32;
}

std::span<const DeviceEntry> device_table() { return kDevices; }

const DeviceEntry* find_device(std::string_view name) {
  for (const DeviceEntry& device : kDevices) {
    if (same_letters(name, device.name) || same_letters(name, device.alias)) return &device;
  }
  return nullptr;
}

std::string device_aliases() {
  std::string list;
  for (const DeviceEntry& device : kDevices) {
    if (!list.empty()) list += ", ";
    list += device.alias;
  }
  return list;
}

}  // namespace mtmc::emulator
