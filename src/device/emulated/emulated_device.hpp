// The PTX emulator behind the Device interface: runs the PTX that the compiler made, models the
// time.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "device/device.hpp"
#include "emulator/cost_model.hpp"
#include "emulator/device_table.hpp"
#include "emulator/run.hpp"

namespace mtmc::device {

kernel::DeviceFacts emulated_facts(const emulator::DeviceEntry& entry);

// One launch in the emulator's own terms: for whoever wants more than a RunReport holds.
struct EmulatedLaunch {
  std::string kernel;
  emulator::LaunchReport report;
  emulator::BlockResources block;
  emulator::Occupancy occupancy;
  std::optional<emulator::ModelledTime> modelled;  // none after a fault
};

struct EmulationSettings {
  emulator::RunOptions run;  // what device::RunOptions does not say; its members win
  std::function<void(const EmulatedLaunch&)> on_launch;  // also after one that a fault ended
};

// `entry` must outlive the device (rows of the table do).
std::unique_ptr<Device> make_emulated_device(const emulator::DeviceEntry& entry,
                                             EmulationSettings settings = {});

}  // namespace mtmc::device
