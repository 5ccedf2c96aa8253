// Which devices this machine offers. A GPU comes first where the driver finds one (src/device/cuda); the
// emulated devices are always there.
#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

std::vector<Available> available_devices() {
  std::vector<Available> all;
  for (const auto& entry : emulator::device_table()) all.push_back({kPrefix + std::string(entry.name), emulated_facts(entry)});
  return all;
}

Result<Available> find_device(const std::string& name) {
  if (name.empty()) return available_devices().front();
  const auto* entry = emulated_entry(name);
  if (entry) return Available{kPrefix + std::string(entry->name), emulated_facts(*entry)};
  std::string known;
  for (const auto& d : available_devices()) known += (known.empty() ? "" : ", ") + d.name;
  return unavailable(fmt::format("no device '{}': there is {} (or by alias: {})", name, known, emulator::device_aliases()));
}

Result<std::unique_ptr<Device>> open_device(const std::string& name) {
  auto found = find_device(name);
  if (!found) return tl::unexpected<Error>(found.error());
  return make_emulated_device(*emulated_entry(found->name));
}

}  // namespace mtmc::device
