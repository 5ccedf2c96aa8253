#include "device/emulated/emulated_device.hpp"

namespace mtmc::device {

kernel::DeviceFacts emulated_facts(const emulator::DeviceEntry& entry) {
  using emulator::ComputeKind;
  kernel::DeviceFacts facts;
  facts.name = entry.name;
  facts.architecture = entry.architecture;
  facts.emulated = true;
  facts.sms = entry.sms;
  facts.clock_hz = entry.boost_hz;
  facts.dram_bytes_per_s = entry.dram_bytes_per_s;
  facts.l2_bytes = entry.l2_bytes;
  facts.shared_bytes = entry.shared_bytes_per_block;
  facts.shared_optin_bytes = entry.shared_bytes_per_block_optin;
  facts.shared_per_sm_bytes = entry.shared_bytes_per_sm;
  facts.registers_per_sm = entry.registers_per_sm;
  facts.max_threads_per_sm = entry.max_threads_per_sm;
  facts.fp32_flops = entry.peak_flops(ComputeKind::fp32);
  facts.fp64_flops = entry.peak_flops(ComputeKind::fp64);
  facts.tf32_flops = entry.tf32_tensor_flops;
  facts.f16_flops = entry.f16_tensor_flops;
  facts.launch_ns = entry.launch_ns;
  return facts;
}

}  // namespace mtmc::device
