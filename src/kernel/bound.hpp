// The speed-of-light bound of an operator on a device: no correct program that reads its inputs once and writes its outputs
// once can be faster.
#pragma once

#include "base/error.hpp"
#include "kernel/device_facts.hpp"
#include "op/reference.hpp"

namespace mtmc::kernel {

// Part of every stored bound's identity.
inline constexpr int kBoundVersion = 1;

// launch + max(bytes / DRAM bandwidth, contraction operations / peak of their type, other operations / fp32 peak), ns.
// The peak of a contraction: f16 and bf16 operands the tensor cores' rate; f32 the fp32 rate when `precision` is exact and
// the tf32 rate otherwise; f64 the fp64 rate.
double bound_ns(const op::Work& work, op::Precision precision, const DeviceFacts& device);

// The same for an operator at its stated binding.
Result<double> bound_ns(const op::Operator& op, const DeviceFacts& device);

}  // namespace mtmc::kernel
