#include "kernel/bound.hpp"

#include <algorithm>

namespace mtmc::kernel {

namespace {

double peak(op::DType operand, op::Precision precision, const DeviceFacts& device) {
  switch (operand) {
    case op::DType::f16:
    case op::DType::bf16: return device.f16_flops > 0 ? device.f16_flops : device.fp32_flops;
    case op::DType::f64: return device.fp64_flops;
    case op::DType::f32:
      // The split modes do their products three times on the narrower type; tf32 is the honest peak of all of them.
      if (precision != op::Precision::exact && device.tf32_flops > 0) return device.tf32_flops;
      return device.fp32_flops;
    default: return device.fp32_flops;
  }
}

}  // namespace

double bound_ns(const op::Work& work, op::Precision precision, const DeviceFacts& device) {
  const double memory_s = work.bytes / device.dram_bytes_per_s;
  const double contraction_s = work.contraction_operations / peak(work.operand, precision, device);
  const double other_s = (work.operations - work.contraction_operations) / device.fp32_flops;
  return device.launch_ns + 1e9 * std::max({memory_s, contraction_s, other_s});
}

Result<double> bound_ns(const op::Operator& op, const DeviceFacts& device) {
  auto lowering = op::lower(op);
  if (!lowering) return tl::unexpected<Error>(lowering.error());
  auto work = op::work(*lowering, lowering->dims);
  if (!work) return tl::unexpected<Error>(work.error());
  return bound_ns(*work, op.precision, device);
}

}  // namespace mtmc::kernel
