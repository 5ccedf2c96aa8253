// Judging: runs candidates on a device over all cases and compares what they wrote with the float64 reference.
// This is the worker's side; the other side is harness/evaluator.hpp.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "compiler/compiler.hpp"
#include "harness/cases.hpp"
#include "harness/timing.hpp"
#include "harness/verdict.hpp"
#include "kernel/candidate.hpp"

namespace mtmc::harness {

struct JudgeLimits {
  // Above so many scalar operations the stated case is judged by a sample of its output elements.
  double reference_operations = 1e8;
  // Above so many it is run in part: a sample of its blocks.
  double emulated_operations = 6e8;
  std::int64_t sampled_elements = 4096;
  std::int64_t sampled_blocks = 32;
  std::uint64_t instruction_budget = std::uint64_t{1} << 31;  // warp instructions of a launch
  std::int64_t memory_bytes = std::int64_t{6} << 30;
  bool only_stated_time = false;  // skip the small cases: a variant of a candidate that passed them
};

// One candidate of a program with its binary; the program of a single region has one unit.
struct Unit {
  kernel::Candidate candidate;
  compiler::Binary binary;
  // Names of the region's inputs and outputs, in its order, and what they are called in the operator that is judged.
  std::vector<std::string> inputs, outputs;
  std::vector<std::string> region_inputs, region_outputs;
};

struct JudgeRequest {
  op::Operator op;  // what is judged: a region's operator, or a whole program's
  std::vector<Unit> units;
  std::uint64_t seed = 0;
  JudgeLimits limits;
  // On a real device: how the run of the stated case is timed, in the same process and from the same binary. Without it, or
  // on an emulated device, nothing is timed.
  std::optional<TimingProtocol> timing;
  bool count = false;  // and its hardware counters read, where they are permitted
  std::int64_t kept_elements = 0;  // of each output of the stated case: as written, for comparing two devices bit by bit
};

// Errors are operational only: what a candidate did wrong is its verdict.
Result<Evaluation> judge(device::Device& device, const JudgeRequest& request);

nlohmann::json to_json(const JudgeRequest& request);
Result<JudgeRequest> judge_request_from_json(const nlohmann::json& form);
nlohmann::json binary_json(const compiler::Binary& binary);
Result<compiler::Binary> binary_from_json(const nlohmann::json& form);

}  // namespace mtmc::harness
