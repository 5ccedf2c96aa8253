// One recipe on the emulator, told whole: every fault with its place, counters, occupancy, modelled
// time and what the outputs hold. What `mtmc emulate` prints; needs no operator and no reference.
//
// Inputs and weights are drawn from a normal distribution (integers: 0 to 99) unless the recipe's
// fill or `contents` says otherwise; outputs, and workspace without a fill, hold nothing yet.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "device/device.hpp"
#include "device/emulated/emulated_device.hpp"

namespace mtmc::device {

struct EmulationRequest {
  compiler::Binary binary;  // without facts (PTX that nobody assembled) registers are unknown
  kernel::Recipe recipe;
  Symbols symbols;  // of its expressions; the device's are added
  std::uint64_t seed = 1;
  std::map<std::string, std::string> contents;  // bytes of buffers, by name: as many as they have
  EmulationSettings settings;
  RunOptions run;
};

struct EmulationOutput {
  std::string name;
  op::DType dtype = op::DType::f32;
  std::string bytes;
};

// Launches, memsets and copies of `prepare` and then `run`, in order.
struct Emulation {
  std::vector<emulator::Fault> faults;  // of all launches; the first launch with any is the last that ran
  std::vector<LaunchRecord> records;
  std::vector<EmulatedLaunch>
      launches;  // a kernel's only, by order; one that a fault ended included
  std::vector<EmulationOutput> outputs;  // as the run left them
  // Of all launches together, by the instructions that their warps executed, most first.
  std::vector<emulator::LineCounts> lines;
};

// Errors: bad_input for a recipe that does not resolve, or contents of another size or for an
// unknown buffer; unavailable where buffers exceed the emulator's memory.
Result<Emulation> emulate(const emulator::DeviceEntry& entry, const EmulationRequest& request);

}  // namespace mtmc::device
