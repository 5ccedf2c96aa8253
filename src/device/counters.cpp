// Metric names were accepted by CUPTI 13.0's host library for TU102, GA100, GA102, AD102, GH100,
// GB100 and GB202 (tests/device/metric_names_test.cpp asks it again wherever there is one). Names
// that the emulator's counters share mean the same thing there.
#include "device/counters.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mtmc::device {

namespace {

constexpr double kPercent = 0.01;

}  // namespace

std::span<const CounterAlias> counter_aliases() {
  static const std::vector<CounterAlias> kAliases = {
      {"dram_read_bytes", {"dram__bytes_op_read.sum", "dram__bytes_read.sum"}},
      {"dram_write_bytes", {"dram__bytes_op_write.sum", "dram__bytes_write.sum"}},
      {"l2_bytes", {"lts__t_bytes.sum"}},
      {"global_load_sectors", {"l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum"}},
      {"global_load_requests", {"l1tex__t_requests_pipe_lsu_mem_global_op_ld.sum"}},
      {"global_store_sectors", {"l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum"}},
      {"global_store_requests", {"l1tex__t_requests_pipe_lsu_mem_global_op_st.sum"}},
      {"shared_wavefronts", {"l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"}},
      {"warp_instructions", {"smsp__inst_executed.sum"}},
      {"occupancy", {"sm__warps_active.avg.pct_of_peak_sustained_active"}, kPercent},
      {"dram_utilisation", {"dram__throughput.avg.pct_of_peak_sustained_elapsed"}, kPercent},
      {"l2_utilisation", {"lts__throughput.avg.pct_of_peak_sustained_elapsed"}, kPercent},
      {"shared_utilisation",
       {"l1tex__data_pipe_lsu_wavefronts.avg.pct_of_peak_sustained_elapsed"},
       kPercent},
      {"issue_utilisation", {"smsp__issue_active.avg.pct_of_peak_sustained_elapsed"}, kPercent},
      {"fma_utilisation",
       {"sm__pipe_fma_cycles_active.avg.pct_of_peak_sustained_elapsed"},
       kPercent},
      {"tensor_utilisation",
       {"sm__pipe_tensor_cycles_active.avg.pct_of_peak_sustained_elapsed"},
       kPercent},
      // Warps that wait for the reason, per instruction issued.
      {"stall_long_scoreboard",
       {"smsp__average_warps_issue_stalled_long_scoreboard_per_issue_active.ratio"}},
      {"stall_short_scoreboard",
       {"smsp__average_warps_issue_stalled_short_scoreboard_per_issue_active.ratio"}},
      {"stall_barrier", {"smsp__average_warps_issue_stalled_barrier_per_issue_active.ratio"}},
      {"stall_math_pipe",
       {"smsp__average_warps_issue_stalled_math_pipe_throttle_per_issue_active.ratio"}},
      {"stall_lg_throttle",
       {"smsp__average_warps_issue_stalled_lg_throttle_per_issue_active.ratio"}},
      {"stall_mio_throttle",
       {"smsp__average_warps_issue_stalled_mio_throttle_per_issue_active.ratio"}},
      {"stall_wait", {"smsp__average_warps_issue_stalled_wait_per_issue_active.ratio"}},
  };
  return kAliases;
}

std::map<std::string, std::string> resolve_counters(
    const std::function<bool(const std::string& metric)>& chip_has) {
  std::map<std::string, std::string> chosen;
  for (const auto& alias : counter_aliases())
    for (const auto& metric : alias.metrics)
      if (chip_has(std::string(metric))) {
        chosen[std::string(alias.name)] = metric;
        break;
      }
  return chosen;
}

std::optional<BottleneckSummary> summarise(const std::map<std::string, double>& counters,
                                           std::optional<double> busy_ns, double span_ns) {
  const auto value = [&](const char* name) {
    const auto it = counters.find(name);
    return it == counters.end() ? -1.0 : it->second;
  };
  struct Signal {
    const char* word;
    const char* name;
    double value;
  };
  Signal signals[] = {
      {"dram", "dram_utilisation", value("dram_utilisation")},
      {"shared", "shared_utilisation", value("shared_utilisation")},
      {"issue", "issue_utilisation", value("issue_utilisation")},
      {"issue", "fma_utilisation", value("fma_utilisation")},
      {"issue", "tensor_utilisation", value("tensor_utilisation")},
  };
  std::stable_sort(std::begin(signals), std::end(signals),
                   [](const Signal& a, const Signal& b) { return a.value > b.value; });
  if (signals[0].value < 0) return std::nullopt;
  BottleneckSummary summary;
  summary.word = signals[0].word;
  summary.line = fmt::format("{} {:.0f} %", signals[0].name, 100 * signals[0].value);
  if (signals[1].value >= 0)
    summary.line += fmt::format(", {} {:.0f} %", signals[1].name, 100 * signals[1].value);
  constexpr double kMostlyIdle = 0.5, kLow = 0.3, kStalled = 2;
  if (busy_ns && span_ns > 0 && *busy_ns < kMostlyIdle * span_ns) {
    summary.word = "launch";
    summary.line =
        fmt::format("idle {:.0f} % of the span between kernels, ", 100 * (1 - *busy_ns / span_ns)) +
        summary.line;
    return summary;
  }
  // Nothing is near its limit: latency. What warps wait for says whose.
  if (signals[0].value < kLow) {
    const Signal stalls[] = {
        {"dram", "stall_long_scoreboard", value("stall_long_scoreboard")},
        {"dram", "stall_lg_throttle", value("stall_lg_throttle")},
        {"shared", "stall_short_scoreboard", value("stall_short_scoreboard")},
        {"shared", "stall_mio_throttle", value("stall_mio_throttle")},
        {"shared", "stall_barrier", value("stall_barrier")},
        {"issue", "stall_math_pipe", value("stall_math_pipe")},
        {"issue", "stall_wait", value("stall_wait")},
    };
    const auto& most =
        *std::max_element(std::begin(stalls), std::end(stalls),
                          [](const Signal& a, const Signal& b) { return a.value < b.value; });
    if (most.value > kStalled) {
      summary.word = most.word;
      summary.line += fmt::format(", {} {:.1f} warps", most.name, most.value);
    }
  }
  return summary;
}

}  // namespace mtmc::device
