// A benchmark suite as data: its tasks in the operator language's JSON form, and which of them this
// tool can express.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "op/operator.hpp"

namespace mtmc::search {

enum class Shapes {
  official,
  small
};  // the suite's own sizes, or ones for a machine without a GPU
std::string_view name_of(Shapes shapes);

struct Task {
  int level = 0, number = 0;
  std::string id;                      // "level1/23"
  std::string name;                    // the suite's
  std::string source_sha256;           // of the suite's file that the task was made from
  std::string official, small;         // operator forms, JSON text
  std::vector<std::string> operators;  // of the nodes, each once, in order of first use
  std::vector<std::string> notes;      // where the task is not quite what the suite runs

  const std::string& form(Shapes shapes) const {
    return shapes == Shapes::official ? official : small;
  }
};

// The tasks of one level, by number: the lines of <folder>/level<N>.jsonl. Errors: unavailable
// where there is no such file, bad_input with the line's number where one is not a task.
Result<std::vector<Task>> read_level(const std::string& folder, int level);

// Where the suite's data lies: share/mtmc/kernelbench beside the folder of the tool `tool`, else
// the source tree's folder.
std::string suite_folder(const std::string& tool);

// "1,2,5-9" as numbers, ascending, each once. Errors: bad_input.
Result<std::vector<int>> numbers_in(std::string_view text);

// Operators of a task that the operator table has no row for.
std::vector<std::string> missing_operators(const Task& task);

// The task as an Operator. Errors: bad_input, "unsupported operator 'cumsum'" where rows are
// missing, otherwise what op::from_json finds wrong.
Result<op::Operator> read_operator(const Task& task, Shapes shapes);

}  // namespace mtmc::search
