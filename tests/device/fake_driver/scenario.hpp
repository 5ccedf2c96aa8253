// What the fake driver plays: a JSON text in $MTMC_CUDA_FAKE, read when the library is loaded and
// again by mtmcFakeReset(text), which also forgets all state.
//
//   {"devices": [{"name": "Fake GPU", "memory_bytes": N}], "major": 9, "minor": 0, "sms": 2,
//   "l2_bytes": N,
//    "driver_version": 13000, "init": STATUS,
//    "fail": [{"call": "cuMemAlloc_v2", "skip": 3, "times": 1, "status": 2}],   calls that answer a
//    status "durations_ns": {"KERNEL": [10000, 11000]},     what the clock says of a kernel, in
//    turn, the last one again and
//                                                    again; otherwise the cost model's time for the
//                                                    fake's hardware
//    "clocks": [{"sm_mhz": 1000, "reasons": 0}],     one for each reading of the throttle reasons,
//    likewise "processes": [1, 2], "mig": false, "nvml": STATUS, "cupti": {"holder": "Nsight
//    Systems", "lose_after": N, "no_counters": STATUS, "passes": 3}, "counters": {"METRIC": value}}
//    what metrics evaluate to; others are 0
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mtmc::fake {

// Values that come in turn; the last one stays.
template <class T>
class Script {
 public:
  Script() = default;
  explicit Script(std::vector<T> values) : values_(std::move(values)) {}
  bool empty() const { return values_.empty(); }
  const T& next() {
    const T& value = values_[at_];
    if (at_ + 1 < values_.size()) ++at_;
    return value;
  }

 private:
  std::vector<T> values_;
  std::size_t at_ = 0;
};

struct Failure {
  std::string call;
  int skip = 0, times = 1, status = 0;
};

struct ClockReading {
  unsigned sm_mhz = 1000;
  unsigned long long reasons = 0;
};

struct Scenario {
  struct Device {
    std::string name = "Fake GPU";
    std::uint64_t memory_bytes = std::uint64_t{256} << 20;
  };
  std::vector<Device> devices{Device{}};
  int major = 9, minor = 0, sms = 2, driver_version = 13000, init = 0;
  int l2_bytes = 256 << 10;
  std::vector<Failure> fail;
  std::map<std::string, Script<double>> durations_ns;
  Script<ClockReading> clocks;
  std::vector<unsigned> processes;
  bool mig = false;
  int nvml = 0;
  std::string cupti_holder;
  int cupti_lose_after = -1;  // flushes that still bring records
  int no_counters = 0;
  int passes = 2;
  std::map<std::string, double> counters;

  // Aborts on a text that is no scenario: a test is wrong.
  static Scenario parse(const std::string& text);
};

}  // namespace mtmc::fake
