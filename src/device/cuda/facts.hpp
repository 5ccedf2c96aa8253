// What a GPU is, as plain numbers: from the driver's attributes and a table of rates per
// architecture.
#pragma once

#include <string>

#include "base/error.hpp"
#include "device/cuda/driver.hpp"
#include "kernel/device_facts.hpp"

namespace mtmc::device::cuda {

// "sm_90a" for 9.0: with the letter where an architecture has instructions of its own.
std::string architecture_of(int major, int minor);

// Peaks are theoretical: units x clock, memory clock x bus width; of a MIG slice, its share.
// launch_ns is 0: a span holds no launch. Errors: unavailable where the driver does not answer.
Result<kernel::DeviceFacts> facts_of(const Driver& driver, abi::Device device);

}  // namespace mtmc::device::cuda
