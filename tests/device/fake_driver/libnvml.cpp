// NVML's C interface: clocks and throttle reasons come from the scenario, one entry a reading.
#include <cstring>

#include "device/fake_driver/gpu.hpp"

#define FAKE_API extern "C" __attribute__((visibility("default")))

using namespace mtmc;
using fake::Gpu;
namespace abi = fake::abi;

namespace {

Gpu& gpu() { return Gpu::instance(); }
fake::ClockReading& reading() {
  static fake::ClockReading now;
  return now;
}

}  // namespace

FAKE_API int nvmlInit_v2() { return gpu().scenario.nvml; }
FAKE_API const char* nvmlErrorString(int status) {
  return status == abi::nvml_gpu_is_lost     ? "GPU is lost"
         : status == abi::nvml_not_supported ? "Not Supported"
                                             : "Unknown Error";
}
FAKE_API int nvmlSystemGetDriverVersion(char* text, unsigned length) {
  std::strncpy(text, "580.65.06", length);
  return abi::nvml_success;
}
FAKE_API int nvmlDeviceGetHandleByPciBusId_v2(const char*, abi::NvmlDevice* device) {
  *device = reinterpret_cast<abi::NvmlDevice>(&gpu());
  return abi::nvml_success;
}
FAKE_API int nvmlDeviceGetClockInfo(abi::NvmlDevice, int clock, unsigned* mhz) {
  *mhz = clock == abi::nvml_clock_sm ? reading().sm_mhz : 2600;
  return abi::nvml_success;
}
FAKE_API int nvmlDeviceGetMaxClockInfo(abi::NvmlDevice, int, unsigned* mhz) {
  *mhz = 1980;
  return abi::nvml_success;
}
FAKE_API int nvmlDeviceGetCurrentClocksThrottleReasons(abi::NvmlDevice,
                                                       unsigned long long* reasons) {
  if (!gpu().scenario.clocks.empty())
    reading() = gpu().scenario.clocks.next();
  else
    reading() = {};
  *reasons = reading().reasons;
  return abi::nvml_success;
}
FAKE_API int nvmlDeviceGetTemperature(abi::NvmlDevice, int, unsigned* celsius) {
  *celsius = 42;
  return abi::nvml_success;
}
FAKE_API int nvmlDeviceGetPowerUsage(abi::NvmlDevice, unsigned* milliwatts) {
  *milliwatts = 123456;
  return abi::nvml_success;
}
FAKE_API int nvmlDeviceGetComputeRunningProcesses_v3(abi::NvmlDevice, unsigned* count,
                                                     abi::NvmlProcess* processes) {
  const auto& pids = gpu().scenario.processes;
  for (std::size_t i = 0; i < pids.size(); ++i) processes[i] = {pids[i], 0, 0, 0};
  *count = static_cast<unsigned>(pids.size());
  return abi::nvml_success;
}
FAKE_API int nvmlDeviceGetMigMode(abi::NvmlDevice, unsigned* current, unsigned* pending) {
  *current = *pending = gpu().scenario.mig ? 1 : 0;
  return abi::nvml_success;
}
