// What a sweep shows: its table and summary, the list of a suite's tasks, and the same as JSON.
// Pure functions.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "search/sweep.hpp"

namespace mtmc::search {

struct SweepSummary {
  std::size_t tasks = 0, correct = 0;
  std::map<std::string, std::size_t> outcomes;  // of tasks that are not correct, by outcome
  // By the first operator without a row; "" where the reason is another.
  std::map<std::string, std::size_t> unsupported;
  std::size_t with_gain = 0;  // correct tasks that have both times
  double mean_gain = 0;       // geometric, over those; 0 for none
};
SweepSummary summary_of(const SweepReport& report);

// One line per task, then the summary. Times are modelled, and the columns say so.
std::string sweep_text(const SweepReport& report);
nlohmann::json sweep_json(const SweepReport& report);

std::string tasks_text(const std::vector<Task>& tasks);
nlohmann::json tasks_json(const std::vector<Task>& tasks);

}  // namespace mtmc::search
