// Measuring one case on a real device: what `prepare` takes, the time of `run`, its counters.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/error.hpp"
#include "device/device.hpp"
#include "harness/timing.hpp"

namespace mtmc::harness {

struct MeasureRequest {
  std::span<const device::BoundStep> prepare, run;  // outlive the call; `prepare` has run
  std::span<const device::Restore>
      restores;  // what the run changes and a repetition needs as it was
  TimingProtocol protocol;
  bool count = false;
  double floor_ns = 0;  // no program can be faster (harness/timing.hpp)
};

struct Measured {
  std::optional<device::Fault> fault;  // `refused` for a time below the floor
  std::optional<Timing> timing;
  std::optional<double> prepare_ns;
  std::map<std::string, double> counters;
  std::string counters_note;
};

// REQUIRES: device.stopwatch().
Result<Measured> measure_case(device::Device& device, const MeasureRequest& request);

}  // namespace mtmc::harness
