// The operators that a GPU check runs, and candidates of them: a table, and the coder's steps.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "kernel/candidate.hpp"
#include "kernel/device_facts.hpp"
#include "kernel/region.hpp"

namespace mtmc::search {

struct CheckOperator {
  std::string name;  // unique, one word
  std::string line;  // one region
};

// Families and types, at shapes that an emulator runs whole.
const std::vector<CheckOperator>& correctness_operators();
// Shapes at which a GPU's time is not its launches'; an emulator samples blocks of them.
const std::vector<CheckOperator>& cost_operators();

struct CheckTask {
  kernel::Region region;
  std::vector<kernel::Candidate> candidates;  // distinct
};

// Candidates of the operator: the coder's start and what its steps lead to, level by level, at most
// `per_level` of each of four levels (spread over what there is). `configurations`: with up to so
// many of each one's ranked ones. Nothing is compiled. Deterministic. Errors: a line that is no
// single region.
Result<CheckTask> check_task(const op::Operator& op, const kernel::DeviceFacts& device,
                             std::size_t per_level, std::size_t configurations);

}  // namespace mtmc::search
