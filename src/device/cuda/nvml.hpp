// NVML behind dlopen: clocks, throttle reasons and who else computes. It only reads.
//
// One thread at a time. Without NVML every field of Conditions is absent and `note` says why.
#pragma once

#include <memory>
#include <string>

#include "base/error.hpp"
#include "device/stopwatch.hpp"

namespace mtmc::device::cuda {

struct NvmlLibrary;

// Initialises NVML once per process. Errors: unavailable: why.
Result<const NvmlLibrary*> nvml_library();
std::string nvml_path(const NvmlLibrary& library);
std::string nvml_driver_version(
    const NvmlLibrary& library);  // "580.65.06"; empty when it cannot say

// The board that a CUDA device lives on. A MIG slice has its board's clocks.
class NvmlGpu {
 public:
  // `pci_bus_id` as cuDeviceGetPCIBusId prints it.
  static NvmlGpu find(const std::string& pci_bus_id);
  // `mine`: this process has a context on the GPU.
  Conditions conditions(bool mine) const;
  // Processes that compute on it, this one left out; absent where NVML does not say.
  std::optional<int> other_processes(bool mine) const;
  bool mig_enabled() const;
  const std::string& note() const { return note_; }

 private:
  const NvmlLibrary* library_ = nullptr;
  void* device_ = nullptr;
  std::string note_;
};

}  // namespace mtmc::device::cuda
