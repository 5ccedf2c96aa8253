// What a sweep shows as it ends: its table and summary; the list of a suite's tasks; the same as
// JSON. Pure functions. (What the store holds of a sweep: report/query_report.hpp.)
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "report/mean_gain.hpp"
#include "report/table.hpp"
#include "search/sweep.hpp"

namespace mtmc::report {

struct SweepSummary {
  std::size_t tasks = 0, correct = 0;
  std::map<std::string, std::size_t> outcomes;  // of tasks that are not correct, by outcome
  // By the first operator without a row; "" where the reason is another.
  std::map<std::string, std::size_t> unsupported;
  MeanGain modelled, measured;  // of the correct tasks that have both times
};
SweepSummary summary_of(const search::SweepReport& report);

// One line per task, then the summary. The columns say whether times are modelled or measured.
std::string sweep_text(const search::SweepReport& report, const TextOptions& options = {});
nlohmann::json sweep_json(const search::SweepReport& report);

std::string tasks_text(const std::vector<search::Task>& tasks);
nlohmann::json tasks_json(const std::vector<search::Task>& tasks);

}  // namespace mtmc::report
