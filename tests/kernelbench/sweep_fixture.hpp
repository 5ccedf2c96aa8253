// Tasks and results without a suite and without runs.
#pragma once

#include <string>
#include <vector>

#include "search/sweep.hpp"

namespace mtmc::search {

inline Task fake_task(int number, const std::string& name,
                      std::vector<std::string> operators = {"relu"}) {
  Task task;
  task.level = 1;
  task.number = number;
  task.id = "level1/" + std::to_string(number);
  task.name = name;
  task.operators = std::move(operators);
  return task;
}

inline TaskResult correct_result(double start_ns, double best_ns, double bound_ns) {
  TaskResult result;
  result.outcome = "correct";
  result.verified = "full";
  result.start.modelled_ns = start_ns;
  result.best.modelled_ns = best_ns;
  result.bound_ns = bound_ns;
  return result;
}

inline TaskResult other_result(const std::string& outcome, const std::string& message) {
  TaskResult result;
  result.outcome = outcome;
  result.message = message;
  return result;
}

}  // namespace mtmc::search
