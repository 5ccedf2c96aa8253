// Stopwatch: submits steps on a real device again and again and says how long each repetition took.
//
// It knows nothing of statistics or of when to stop; harness/timing.hpp does. One repetition (a
// sample) is
//
//   restore buffers, evict or warm the L2, then the steps, submitted while the device is held back
//   so that the host's speed is not in the device's times (where the device offers that; see
//   facts())
//
// Words: busy = sum of the durations of what the device executed; span = first start to last end;
// wall = host clock from submission to the end of synchronising. Owned by its Device and used from
// the same thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "device/device.hpp"

namespace mtmc::device {

enum class Submission { stream, graph };
enum class TimeSource {
  activity,  // CUPTI activity records: the device's own time stamps of every kernel, memset and
             // copy
  events,    // a pair of CUDA events around the steps: no busy time
};
enum class CacheState {
  cold,  // the L2 is overwritten before each sample
  warm,  // left as the sample before left it
};
std::string_view name_of(Submission submission);
std::string_view name_of(TimeSource source);
std::string_view name_of(CacheState state);

struct Sample {
  std::optional<double> busy_ns;  // activity only
  double span_ns = 0;
  std::optional<double> wall_ns;  // of some repetitions: submitting and waiting are in it
};

// Copied from `from` to `to` before each sample: what the steps change in place.
struct Restore {
  int from = -1, to = -1;  // device buffers
  std::int64_t bytes = 0;
};

struct SampleReport {
  std::optional<Fault> fault;   // of the steps; samples are then void
  std::vector<Sample> samples;  // in the order of measuring
  int lost = 0;                 // repetitions whose records were dropped or incomplete
};

// Clocks and their brakes, read through NVML and never changed.
struct Conditions {
  std::optional<double> sm_hz, memory_hz, max_sm_hz;
  std::optional<double> temperature_c, power_w;
  // "thermal", "power_brake", "hw_slowdown": the device was slowed down. "power_cap",
  // "applications_clocks", "sync_boost": it runs at the limit that somebody set. "idle" is left
  // out.
  std::vector<std::string> throttled, capped;
  std::optional<int> other_processes;  // computing on the same GPU
  std::string note;                    // why something above is absent; one line
};

struct StopwatchFacts {
  TimeSource source = TimeSource::events;
  std::string why;     // events: why there are no activity records, and what to do
  std::string driver;  // "CUDA 13.0, 580.65.06"
  bool gated = false;  // the device is held back while the host submits
};

class Stopwatch {
 public:
  virtual ~Stopwatch() = default;
  virtual const StopwatchFacts& facts() const = 0;
  // Makes steps ready for repetition (captures the graph) and answers a handle, valid until reset()
  // of the device. `steps` and what they point to must outlive the handle.
  // Errors: bad_input where the steps cannot be submitted in this mode (a library call that cannot
  // be captured): try the other one.
  virtual Result<int> bind(std::span<const BoundStep> steps, Submission submission,
                           std::span<const Restore> restores) = 0;
  virtual Result<SampleReport> sample(int handle, int count, CacheState state) = 0;
  virtual Conditions conditions() = 0;
};

}  // namespace mtmc::device
