// Timing: when samples are taken, which count, when to stop. docs/measurement.md is the same in
// prose.
//
//   warm-up until the last medians agree; then batches of samples; clocks and throttle reasons
//   before and after each batch; a batch during which the device was slowed down is thrown away and
//   taken again, up to a limit; stop when the confidence interval of the median is narrow enough,
//   or at the sample or time limit. The result says which.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "device/stopwatch.hpp"
#include "harness/statistics.hpp"

namespace mtmc::harness {

// Part of every measured time's identity: raise it when what a time means changes.
inline constexpr int kTimingVersion = 1;

struct TimingProtocol {
  device::Submission submission = device::Submission::graph;
  device::CacheState cache = device::CacheState::cold;
  int warm_up_samples = 50;  // at most
  double stable = 0.02;      // warm-up ends when two medians of 5 samples in a row differ by less
  int batch = 10;            // samples between two looks at the clocks
  int min_samples = 20, max_samples = 200;
  double confidence = 0.95;
  double relative_width = 0.01;   // of the median's interval: narrow enough
  std::int64_t budget_ms = 2000;  // host time of one timing; at least one batch is taken
  int throttled_batches = 3;      // that are thrown away before one is kept and flagged
};

// "span/graph/cold/activity/v1": statistic, submission, L2, source of time, version.
std::string protocol_name(const TimingProtocol& protocol, device::TimeSource source);

enum class StopReason { narrow_enough, max_samples, budget };
std::string_view name_of(StopReason reason);

struct Timing {
  double measured_ns = 0;                  // median span; what "measured" means everywhere
  Interval interval;                       // of it, at the protocol's confidence
  std::optional<double> busy_ns, wall_ns;  // medians
  std::vector<double> samples_ns;          // spans, in the order of measuring
  std::string protocol, driver;
  StopReason stopped = StopReason::max_samples;
  int warm_up = 0, discarded = 0, lost = 0;  // samples
  device::Conditions before, after;
  bool throttled = false;  // even the samples that were kept
  std::vector<std::string>
      notes;  // what a reader must know: events instead of activity, shared GPU, ...
};

struct TimingReport {
  std::optional<device::Fault> fault;  // of the steps
  std::optional<Timing> timing;        // absent where there is a fault, or every sample was lost
};

// `handle`: bound on the stopwatch.
Result<TimingReport> time_steps(device::Stopwatch& watch, int handle,
                                const TimingProtocol& protocol);

// Below this no program can be that reads `input_bytes` from DRAM and writes `output_bytes` (as
// much as the L2 holds may still be on its way): max of memory and arithmetic time at the device's
// peaks, ns. No launch time: a span has none.
double floor_ns(double input_bytes, double output_bytes, double arithmetic_ns,
                const kernel::DeviceFacts& device, device::CacheState cache);

nlohmann::json to_json(const TimingProtocol& protocol);
Result<TimingProtocol> timing_protocol_from_json(const nlohmann::json& form);
nlohmann::json to_json(const Timing& timing);
Result<Timing> timing_from_json(const nlohmann::json& form);

}  // namespace mtmc::harness
