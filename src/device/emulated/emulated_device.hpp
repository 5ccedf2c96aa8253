// The PTX emulator behind the Device interface: runs the PTX that the compiler made, models the time.
#pragma once

#include <memory>

#include "device/device.hpp"
#include "emulator/device_table.hpp"

namespace mtmc::device {

kernel::DeviceFacts emulated_facts(const emulator::DeviceEntry& entry);
// `entry` must outlive the device (rows of the table do).
std::unique_ptr<Device> make_emulated_device(const emulator::DeviceEntry& entry);

}  // namespace mtmc::device
