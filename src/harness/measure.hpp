// Measuring one case on a real device: what `prepare` takes and the time of `run`; then its
// counters.
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
  double floor_ns = 0;  // no program can be faster (harness/timing.hpp)
};

struct Measured {
  std::optional<device::Fault> fault;  // `refused` for a time below the floor
  std::optional<Timing> timing;
  std::optional<double> prepare_ns;
};

// REQUIRES: device.stopwatch().
Result<Measured> measure_case(device::Device& device, const MeasureRequest& request);

struct Counted {
  std::optional<device::Fault> fault;
  std::map<std::string, double> counters;
  std::string note;  // why there are none
};
// Runs the steps several times, each on what the one before left: call it after outputs were
// compared.
Result<Counted> count_case(device::Device& device, std::span<const device::BoundStep> run);

}  // namespace mtmc::harness
