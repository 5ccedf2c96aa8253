// Which devices this machine offers. A GPU comes first where the driver finds one (src/device/cuda); the
// emulated devices are always there.
#include <fmt/format.h>

#include <algorithm>

#include "device/cuda/cuda_device.hpp"
#include "device/cuda/probe.hpp"
#include "device/device.hpp"
#include "device/emulated/emulated_device.hpp"

namespace mtmc::device {

namespace {

constexpr const char* kPrefix = "emulated ";

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

const emulator::DeviceEntry* emulated_entry(const std::string& name) {
  std::string bare = lower(name);
  for (const char* prefix : {kPrefix, "emulated:"})
    if (bare.rfind(prefix, 0) == 0) bare = bare.substr(std::string(prefix).size());
  return emulator::find_device(bare);
}

// "cuda:1", or a name as available_devices() prints it.
const cuda::Gpu* find_gpu(const std::vector<cuda::Gpu>& gpus, const std::string& name) {
  const std::string bare = lower(name);
  for (const auto& gpu : gpus)
    if (bare == fmt::format("cuda:{}", gpu.ordinal) || (bare == "cuda" && gpu.ordinal == 0) || bare == lower(gpu.name)) return &gpu;
  return nullptr;
}

bool means_gpu(const std::string& name) { return lower(name).rfind("cuda", 0) == 0; }

}  // namespace

bool is_emulated(const std::string& full_name) { return full_name.rfind(kPrefix, 0) == 0; }

std::vector<Available> available_devices() {
  std::vector<Available> all;
  for (auto& gpu : cuda::gpus()) all.push_back({gpu.name, std::move(gpu.facts)});
  for (const auto& entry : emulator::device_table()) all.push_back({kPrefix + std::string(entry.name), emulated_facts(entry)});
  return all;
}

// An emulated device has its GPU's name behind "emulated "; the bare name means the GPU where there is one.
Result<Available> find_device(const std::string& name) {
  if (name.empty()) return available_devices().front();
  const bool emulated = lower(name).rfind("emulated", 0) == 0;
  const auto gpus = emulated ? std::vector<cuda::Gpu>() : cuda::gpus();
  if (const auto* gpu = find_gpu(gpus, name)) return Available{gpu->name, gpu->facts};
  if (means_gpu(name)) {
    if (auto driver = cuda::driver(); !driver) return tl::unexpected<Error>(driver.error());
    return unavailable(fmt::format("no GPU '{}': the driver shows {}", name, gpus.size()));
  }
  const auto* entry = emulated_entry(name);
  if (entry) return Available{kPrefix + std::string(entry->name), emulated_facts(*entry)};
  std::string known;
  for (const auto& d : available_devices()) known += (known.empty() ? "" : ", ") + d.name;
  return unavailable(fmt::format("no device '{}': there is {} (or by alias: {})", name, known, emulator::device_aliases()));
}

Result<std::unique_ptr<Device>> open_device(const std::string& name) {
  auto found = find_device(name);
  if (!found) return tl::unexpected<Error>(found.error());
  if (found->facts.emulated) {
    // Races of warps cost little and pass every comparison of values; the other checks are `mtmc emulate`'s.
    EmulationSettings settings;
    settings.run.checks = emulator::Checks::shared_races;
    return make_emulated_device(*emulated_entry(found->name), std::move(settings));
  }
  const auto gpus = cuda::gpus();
  const auto* gpu = find_gpu(gpus, found->name);
  if (!gpu) return unavailable(fmt::format("'{}' does not answer any more", found->name));
  auto device = cuda::CudaDevice::open(gpu->ordinal);
  if (!device) return tl::unexpected<Error>(device.error());
  return std::unique_ptr<Device>(std::move(*device));
}

}  // namespace mtmc::device
