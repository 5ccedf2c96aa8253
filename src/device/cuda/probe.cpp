// Looks at each part by loading it. Versions come from the parts themselves.
#include "device/cuda/probe.hpp"

#include <fmt/format.h>

#include <map>

#include "device/cuda/cuda_counters.hpp"
#include "device/cuda/cuda_device.hpp"
#include "device/cuda/cupti.hpp"
#include "device/cuda/facts.hpp"
#include "device/cuda/library_steps.hpp"
#include "device/cuda/nvml.hpp"

extern char** environ;

namespace mtmc::device::cuda {

namespace {

Part absent(const std::string& name, const std::string& why, const std::string& advice) {
  return {name, false, "", "", why, advice};
}

Part probe_driver() {
  auto loaded = driver();
  if (!loaded) {
    const auto& message = loaded.error().message;
    const auto cut = message.rfind("; ");
    return absent("driver", message.substr(0, cut),
                  cut == std::string::npos ? "" : message.substr(cut + 2));
  }
  return {"driver", true, driver_version(), (*loaded)->path, "", ""};
}

Part probe_cupti() {
  auto loaded = cupti_library();
  if (!loaded)
    return absent("cupti", loaded.error().message,
                  "install CUPTI of CUDA 12 or 13 (PyPI: nvidia-cuda-cupti), or set "
                  "MTMC_CUDA_CUPTI; times then come from events");
  return {"cupti", true, (*loaded)->version_text(), (*loaded)->library.path(), "", ""};
}

Part probe_nvml() {
  auto loaded = nvml_library();
  if (!loaded)
    return absent("nvml", loaded.error().message,
                  "it comes with the driver; without it clocks and throttling are not known");
  return {"nvml", true, nvml_driver_version(**loaded), nvml_path(**loaded), "", ""};
}

template <class F>
Part probe_library(const char* name, F version_of, const char* advice) {
  std::string path;
  auto version = version_of(path);
  if (!version) return absent(name, version.error().message, advice);
  return {name, true, *version, path, "", ""};
}

std::string uuid_text(const abi::Uuid& uuid) {
  std::string text = "GPU-";
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", uuid.bytes[i]);
  }
  return text;
}

std::vector<Gpu> list_gpus(const Driver& d) {
  std::vector<Gpu> gpus;
  int count = 0;
  if (d.device_get_count(&count) != abi::success) return gpus;
  std::map<std::string, int> seen;
  for (int i = 0; i < count; ++i) {
    abi::Device device = 0;
    if (d.device_get(&device, i) != abi::success) continue;
    auto facts = facts_of(d, device);
    if (!facts) continue;  // vanished between counting and asking
    Gpu gpu;
    gpu.ordinal = i;
    gpu.facts = std::move(*facts);
    gpu.name = gpu.facts.name;
    if (seen[gpu.name]++) gpu.name += fmt::format(" (cuda:{})", i);
    abi::Uuid uuid{};
    if (d.device_get_uuid(&uuid, device) == abi::success) gpu.uuid = uuid_text(uuid);
    std::size_t bytes = 0;
    if (d.device_total_mem(&bytes, device) == abi::success)
      gpu.memory_bytes = static_cast<std::int64_t>(bytes);
    char bus[32] = {};
    d.device_get_pci_bus_id(bus, sizeof bus - 1, device);
    const auto nvml = NvmlGpu::find(bus);
    gpu.mig = gpu.name.find("MIG ") != std::string::npos || nvml.mig_enabled();
    const auto others = nvml.other_processes(false);
    if (others) gpu.other_processes = *others;
    std::vector<std::string> notes;
    if (gpu.mig)
      notes.push_back(
          "a MIG slice: clocks are those of the whole GPU, and its neighbours share the memory's "
          "bandwidth");
    if (gpu.other_processes > 0)
      notes.push_back(fmt::format("{} other process(es) compute on it: times will be noisy",
                                  gpu.other_processes));
    int mode = 0;
    d.device_get_attribute(&mode, abi::compute_mode, device);
    if (mode == 2)
      notes.push_back("its compute mode is prohibited: nothing can run (nvidia-smi -c 0)");
    if (!nvml.note().empty()) notes.push_back(nvml.note());
    for (const auto& n : notes) gpu.note += (gpu.note.empty() ? "" : "; ") + n;
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

}  // namespace

Probe probe() {
  Probe p;
  p.driver = probe_driver();
  p.cupti = probe_cupti();
  p.nvml = probe_nvml();
  p.cublaslt = probe_library("cublaslt", cublaslt_version,
                             "install cuBLAS of CUDA 12 or 13 (PyPI: nvidia-cublas), or set "
                             "MTMC_CUDA_CUBLASLT; only library steps need it");
  p.cudnn = probe_library("cudnn", cudnn_version,
                          "install cuDNN 9 (PyPI: nvidia-cudnn-cu13), or set MTMC_CUDA_CUDNN; only "
                          "library steps need it");
  p.gpus = gpus();
  return p;
}

std::vector<Gpu> gpus() {
  auto loaded = driver();
  return loaded ? list_gpus(**loaded) : std::vector<Gpu>();
}

std::string driver_version() {
  auto loaded = driver();
  if (!loaded) return {};
  std::string text = (*loaded)->version_text();
  if (auto nvml = nvml_library())
    if (const auto version = nvml_driver_version(**nvml); !version.empty()) text += ", " + version;
  return text;
}

Result<void> probe_counters(int ordinal) {
  auto device = CudaDevice::open(ordinal);
  if (!device) return tl::unexpected<Error>(device.error());
  return (*device)->counter_session()->permitted();
}

std::vector<std::string> gpu_environment() {
  std::vector<std::string> out;
  for (char** entry = environ; entry && *entry; ++entry) {
    const std::string text = *entry;
    for (const char* prefix :
         {"CUDA_", "NVIDIA_", "MTMC_CUDA_", "LD_LIBRARY_PATH=", "VIRTUAL_ENV="})
      if (text.rfind(prefix, 0) == 0) {
        out.push_back(text);
        break;
      }
  }
  return out;
}

}  // namespace mtmc::device::cuda
