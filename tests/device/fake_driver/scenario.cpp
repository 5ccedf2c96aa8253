#include "device/fake_driver/scenario.hpp"

#include <cstdio>
#include <cstdlib>

namespace mtmc::fake {

Scenario Scenario::parse(const std::string& text) {
  Scenario s;
  if (text.empty()) return s;
  const auto form = nlohmann::json::parse(text, nullptr, false);
  if (!form.is_object()) {
    std::fprintf(stderr, "fake driver: the scenario is no JSON object: %s\n", text.c_str());
    std::abort();
  }
  if (form.contains("devices")) {
    s.devices.clear();
    for (const auto& d : form["devices"])
      s.devices.push_back(
          {d.value("name", Device{}.name), d.value("memory_bytes", Device{}.memory_bytes)});
  }
  s.major = form.value("major", s.major);
  s.minor = form.value("minor", s.minor);
  s.sms = form.value("sms", s.sms);
  s.l2_bytes = form.value("l2_bytes", s.l2_bytes);
  s.driver_version = form.value("driver_version", s.driver_version);
  s.init = form.value("init", 0);
  if (form.contains("fail"))
    for (const auto& f : form["fail"])
      s.fail.push_back({f.at("call").get<std::string>(), f.value("skip", 0),
                        f.value("times", 1 << 30), f.at("status").get<int>()});
  if (form.contains("durations_ns"))
    for (const auto& [kernel, values] : form["durations_ns"].items())
      s.durations_ns[kernel] = Script<double>(values.get<std::vector<double>>());
  if (form.contains("clocks")) {
    std::vector<ClockReading> readings;
    for (const auto& c : form["clocks"])
      readings.push_back({c.value("sm_mhz", 1000u), c.value("reasons", 0ull)});
    s.clocks = Script<ClockReading>(std::move(readings));
  }
  if (form.contains("processes")) s.processes = form["processes"].get<std::vector<unsigned>>();
  s.mig = form.value("mig", false);
  s.nvml = form.value("nvml", 0);
  if (form.contains("cupti")) {
    const auto& c = form["cupti"];
    s.cupti_holder = c.value("holder", std::string());
    s.cupti_lose_after = c.value("lose_after", -1);
    s.no_counters = c.value("no_counters", 0);
    s.passes = c.value("passes", s.passes);
  }
  if (form.contains("counters")) s.counters = form["counters"].get<std::map<std::string, double>>();
  return s;
}

}  // namespace mtmc::fake
