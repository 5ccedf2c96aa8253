// The devices that kernels can be modelled for, as data: one row each in device_table.cpp.
//
// Figures are published ones (data sheets, architecture white papers, the CUDA programming guide),
// dense, at boost clock; nothing here was measured. Where a figure depends on power or clocks the
// real device may stay below it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "emulator/issue_class.hpp"

namespace mtmc::emulator {

struct DeviceEntry {
  const char* name;          // as CUDA reports it
  const char* alias;         // short, lower case
  const char* architecture;  // for NVRTC: "sm_90a"
  int compute_major;
  int compute_minor;
  int sms;
  double boost_hz;

  // Lanes per SM and clock. fp16 counts instructions: a packed one does two operations per lane.
  int fp32_lanes;
  int fp16_lanes;
  int fp64_lanes;
  int integer_lanes;
  int special_lanes;       // MUFU, and conversions between float and integer
  int conversion64_lanes;  // conversions from and to 64-bit types
  int load_store_lanes;
  int l1_bytes_per_clock;  // shared memory and L1 data stage, per SM
  int l2_bytes_per_clock;  // what one SM can draw from L2
  // Cycles until a dependent instruction may issue, of a load without conflicts that hits there.
  int shared_latency_cycles;
  int l1_latency_cycles;
  int l2_latency_cycles;
  int dram_latency_cycles;

  // Tensor core operations per second (a fused multiply-add is two), accumulating in f32; 0: none.
  double tf32_tensor_flops;
  double f16_tensor_flops;
  double bf16_tensor_flops;
  double fp8_tensor_flops;
  double int8_tensor_ops;  // accumulating in s32
  double fp64_tensor_flops;

  double dram_bytes_per_s;
  double l2_bytes_per_s;  // all SMs together
  std::int64_t l2_bytes;
  std::int64_t dram_bytes;

  int l1_bytes_per_sm;  // with the shared memory that is carved out of it
  int smallest_shared_carve_out;
  int shared_bytes_per_sm;
  int shared_bytes_per_block;  // static, and dynamic without opting in
  int shared_bytes_per_block_optin;
  int shared_bytes_reserved;  // taken by the driver from every block
  int registers_per_sm;
  int max_threads_per_sm;
  int max_blocks_per_sm;
  int max_threads_per_block;

  double launch_ns;  // from the end of one kernel to the end of an empty one behind it in a stream

  int max_warps_per_sm() const { return max_threads_per_sm / 32; }
  // Operations per second; a unit that the device lacks answers with the unit that stands in for
  // it: tensor kinds fall back to fp16 (f16) or fp32 (the others).
  double peak_flops(ComputeKind kind) const;
};

// Rows in a stable order; the first is the default device.
std::span<const DeviceEntry> device_table();

// By name or alias, letters of either case; nullptr if there is none.
const DeviceEntry* find_device(std::string_view name);

// "h200, h100, ...": for the message when find_device fails.
std::string device_aliases();

}  // namespace mtmc::emulator
