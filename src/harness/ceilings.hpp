// Ceilings: what a device reached on kernels that do nothing else. Measured once per device and
// driver, and stored.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/error.hpp"
#include "compiler/compiler.hpp"
#include "device/device.hpp"
#include "harness/timing.hpp"

namespace mtmc::harness {

inline constexpr int kCeilingsVersion = 1;

// Rates; 0 where the device has no such unit.
struct Ceilings {
  double copy_bytes_per_s = 0;            // read + written, buffers far larger than the L2
  double fp32_flops = 0;                  // a multiply-add is two
  double tf32_flops = 0, bf16_flops = 0;  // through mma.sync, which Hopper's wgmma exceeds
  std::string device, driver, protocol;
};

// The kernels, for the compiler. Below sm_80 the tensor ones are empty.
compiler::CompileRequest ceiling_kernels(const std::string& architecture);
// Errors: unavailable where the device has no stopwatch or cannot hold the buffers.
Result<Ceilings> measure_ceilings(device::Device& device, const compiler::Binary& kernels,
                                  const TimingProtocol& protocol);

nlohmann::json to_json(const Ceilings& ceilings);
Result<Ceilings> ceilings_from_json(const nlohmann::json& form);

}  // namespace mtmc::harness
