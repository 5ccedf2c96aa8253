// mtmc devices: what --device takes.
#include <cstdio>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/command.hpp"
#include "device/device.hpp"

namespace mtmc::cli {

void add_devices(CLI::App& app, Action& chosen) {
  auto json = std::make_shared<bool>(false);
  CLI::App* command = app.add_subcommand("devices", "list the devices that kernels can be run on");
  command->add_flag("--json", *json, "print JSON");
  command->callback([&chosen, json] {
    chosen = [json]() -> Result<int> {
      nlohmann::json all = nlohmann::json::array();
      for (const auto& d : device::available_devices()) {
        all.push_back({{"name", d.name}, {"architecture", d.facts.architecture}, {"emulated", d.facts.emulated}, {"sms", d.facts.sms}});
        if (!*json)
          fmt::print("{:<34} {:<7} {:>4} SMs  times are {}\n", d.name, d.facts.architecture, d.facts.sms,
                     d.facts.emulated ? "modelled" : "measured");
      }
      if (*json) fmt::print("{}\n", all.dump());
      return 0;
    };
  });
}

}  // namespace mtmc::cli
