// Reasons for which a device is slower than it could be are of two kinds: brakes that come and go
// (heat, power delivery) and limits that somebody set or that the power budget sets for every heavy
// kernel. Only the former make a sample worthless.
#include "device/cuda/nvml.hpp"

#include <unistd.h>

#include <fmt/format.h>

#include <vector>

#include "device/cuda/abi.hpp"
#include "device/cuda/shared_library.hpp"

namespace mtmc::device::cuda {

struct NvmlLibrary {
  std::string path;
  const char* (*error_string)(int);
  int (*system_driver_version)(char*, unsigned);
  int (*handle_by_pci)(const char*, abi::NvmlDevice*);
  int (*clock)(abi::NvmlDevice, int, unsigned*);
  int (*max_clock)(abi::NvmlDevice, int, unsigned*);
  int (*throttle_reasons)(abi::NvmlDevice, unsigned long long*);
  int (*temperature)(abi::NvmlDevice, int, unsigned*);
  int (*power)(abi::NvmlDevice, unsigned*);
  int (*processes)(abi::NvmlDevice, unsigned*, abi::NvmlProcess*);
  int (*mig_mode)(abi::NvmlDevice, unsigned*, unsigned*);
};

namespace {

Result<NvmlLibrary> load() {
  auto library = SharedLibrary::open("MTMC_CUDA_NVML", {"libnvidia-ml.so.1"});
  if (!library) return tl::unexpected<Error>(library.error());
  NvmlLibrary n{};
  n.path = library->path();
  const auto get = [&](auto& function, const char* name) {
    function = library->find<std::decay_t<decltype(function)>>(name);
    return function != nullptr;
  };
  int (*init)() = nullptr;
  const bool whole = get(init, "nvmlInit_v2") && get(n.error_string, "nvmlErrorString") &&
                     get(n.system_driver_version, "nvmlSystemGetDriverVersion") &&
                     get(n.handle_by_pci, "nvmlDeviceGetHandleByPciBusId_v2");
  if (!whole)
    return unavailable(n.path + " lacks functions of NVML; is it of a driver before 450?");
  get(n.clock, "nvmlDeviceGetClockInfo");
  get(n.max_clock, "nvmlDeviceGetMaxClockInfo");
  // Renamed in 12.x; the old name is kept by later drivers.
  if (!get(n.throttle_reasons, "nvmlDeviceGetCurrentClocksEventReasons"))
    get(n.throttle_reasons, "nvmlDeviceGetCurrentClocksThrottleReasons");
  get(n.temperature, "nvmlDeviceGetTemperature");
  get(n.power, "nvmlDeviceGetPowerUsage");
  if (!get(n.processes, "nvmlDeviceGetComputeRunningProcesses_v3"))
    get(n.processes, "nvmlDeviceGetComputeRunningProcesses_v2");
  get(n.mig_mode, "nvmlDeviceGetMigMode");
  if (const int status = init(); status != abi::nvml_success)
    return unavailable(std::string("NVML does not start: ") + n.error_string(status));
  return n;
}

struct Reason {
  std::uint64_t bit;
  const char* word;
  bool brake;
};
constexpr Reason kReasons[] = {
    {abi::throttle_hw_slowdown, "hw_slowdown", true},
    {abi::throttle_sw_thermal, "thermal", true},
    {abi::throttle_hw_thermal, "hw_thermal", true},
    {abi::throttle_hw_power_brake, "power_brake", true},
    {abi::throttle_sw_power_cap, "power_cap", false},
    {abi::throttle_applications_clocks, "applications_clocks", false},
    {abi::throttle_sync_boost, "sync_boost", false},
};

}  // namespace

Result<const NvmlLibrary*> nvml_library() {
  static const Result<NvmlLibrary> loaded = load();
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  return &*loaded;
}

std::string nvml_path(const NvmlLibrary& library) { return library.path; }

std::string nvml_driver_version(const NvmlLibrary& library) {
  char text[96] = {};
  return library.system_driver_version(text, sizeof text - 1) == abi::nvml_success ? text : "";
}

NvmlGpu NvmlGpu::find(const std::string& pci_bus_id) {
  NvmlGpu gpu;
  auto library = nvml_library();
  if (!library) {
    gpu.note_ = "clocks are not known: " + library.error().message;
    return gpu;
  }
  abi::NvmlDevice device = nullptr;
  const int status = (*library)->handle_by_pci(pci_bus_id.c_str(), &device);
  if (status != abi::nvml_success) {
    gpu.note_ = fmt::format("clocks are not known: NVML and {}: {}", pci_bus_id,
                            (*library)->error_string(status));
    return gpu;
  }
  gpu.library_ = *library;
  gpu.device_ = device;
  return gpu;
}

Conditions NvmlGpu::conditions(bool mine) const {
  Conditions c;
  c.note = note_;
  if (!library_) return c;
  const auto device = static_cast<abi::NvmlDevice>(device_);
  const auto number = [&](auto function, int which, double scale) -> std::optional<double> {
    unsigned value = 0;
    if (!function || function(device, which, &value) != abi::nvml_success) return std::nullopt;
    return value * scale;
  };
  c.sm_hz = number(library_->clock, abi::nvml_clock_sm, 1e6);
  c.memory_hz = number(library_->clock, abi::nvml_clock_memory, 1e6);
  c.max_sm_hz = number(library_->max_clock, abi::nvml_clock_sm, 1e6);
  c.temperature_c = number(library_->temperature, 0, 1);
  unsigned milliwatts = 0;
  if (library_->power && library_->power(device, &milliwatts) == abi::nvml_success)
    c.power_w = milliwatts / 1000.0;
  unsigned long long reasons = 0;
  int status = abi::nvml_not_supported;
  if (library_->throttle_reasons) status = library_->throttle_reasons(device, &reasons);
  if (status == abi::nvml_success) {
    for (const auto& r : kReasons)
      if (reasons & r.bit) (r.brake ? c.throttled : c.capped).push_back(r.word);
  } else {
    c.note = fmt::format("throttle reasons are not known: {}", library_->error_string(status));
  }
  c.other_processes = other_processes(mine);
  return c;
}

std::optional<int> NvmlGpu::other_processes(bool mine) const {
  unsigned count = 128;
  std::vector<abi::NvmlProcess> processes(count);
  if (!library_ || !library_->processes ||
      library_->processes(static_cast<abi::NvmlDevice>(device_), &count, processes.data()) !=
          abi::nvml_success)
    return std::nullopt;
  // In a container the numbers are the host's, or ours is not listed: then one of them is us.
  int others = 0;
  bool listed = false;
  for (unsigned i = 0; i < count; ++i) {
    if (processes[i].pid == static_cast<unsigned>(getpid()))
      listed = true;
    else
      ++others;
  }
  if (mine && !listed && others > 0) --others;
  return others;
}

bool NvmlGpu::mig_enabled() const {
  unsigned current = 0, pending = 0;
  return library_ && library_->mig_mode &&
         library_->mig_mode(static_cast<abi::NvmlDevice>(device_), &current, &pending) ==
             abi::nvml_success &&
         current == 1;
}

}  // namespace mtmc::device::cuda
