// Hardware counters under names of our own, so that planner and reports say the same words on every
// chip.
//
// Each counter has a list of metric names in CUPTI's language, newest first: chips differ (GB202
// has dram__bytes_op_read where GH100 has dram__bytes_read). The first one that the chip knows is
// taken; a counter that has none is left out. Names can be resolved without a driver (the
// profiler's host library is enough).
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "device/device.hpp"

namespace mtmc::device {

// One of ours. Fractions are 0 to 1; `scale` brings the metric's value to the unit in the name.
struct CounterAlias {
  std::string_view name;  // "dram_read_bytes", "issue_utilisation", "stall_long_scoreboard"
  std::vector<std::string_view> metrics;
  double scale = 1;
};
std::span<const CounterAlias> counter_aliases();

// Counter -> the first of its metrics that `chip_has` accepts.
std::map<std::string, std::string> resolve_counters(
    const std::function<bool(const std::string& metric)>& chip_has);

struct CounterReport {
  std::optional<Fault> fault;
  std::map<std::string, double> values;  // of all steps together, one run
  int passes = 0;                        // repetitions that the chip needed
  std::vector<std::string> absent;       // counters that this chip has no metric for
};

// Where the time goes, from utilisations: what the planner is told. `word` is one of
// planner::Bottleneck's: launch, issue, shared, dram. `line` names the two strongest signals for
// people and models.
struct BottleneckSummary {
  std::string word;
  std::string line;
};
// Empty where the counters do not say. `busy_ns` and `span_ns`: of the same run; a span that is
// mostly idle is `launch`.
std::optional<BottleneckSummary> summarise(const std::map<std::string, double>& counters,
                                           std::optional<double> busy_ns, double span_ns);

class CounterSession {
 public:
  virtual ~CounterSession() = default;
  // Errors: unavailable where counters are not permitted or CUPTI lacks the API, saying what to do.
  virtual Result<void> permitted() = 0;
  // Runs the steps once per pass; buffers named in `restores` of the stopwatch are the caller's to
  // restore.
  virtual Result<CounterReport> count(std::span<const BoundStep> steps) = 0;
};

}  // namespace mtmc::device
