// What the subcommands of `mtmc kernelbench` share: which tasks are meant.
#pragma once

#include <string>
#include <vector>

#include "cli/command.hpp"
#include "search/suite.hpp"

namespace mtmc::cli {

struct TaskChoice {
  std::vector<int> levels = {1};
  std::string ids;   // "1,2,5-9" of each level; empty: all
  std::string data;  // folder of level<N>.jsonl; empty: the one that came with the tool
};

struct ChosenTasks {
  std::vector<search::Task> tasks;
  std::string data_hash;  // of all tasks of the levels: a sweep over other data is another sweep
};

void add_task_choice(CLI::App& command, TaskChoice& choice);
Result<ChosenTasks> choose_tasks(const TaskChoice& choice);

// kernelbench certify
void add_certify(CLI::App& kernelbench, Action& chosen);

}  // namespace mtmc::cli
