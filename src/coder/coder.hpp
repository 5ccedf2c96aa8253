// Micro coding: writes one step into CUDA. A coder never compiles, measures or decides; search alone drives repair.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "kernel/candidate.hpp"
#include "kernel/device_facts.hpp"
#include "kernel/region.hpp"
#include "kernel/step.hpp"
#include "op/primitive.hpp"

namespace mtmc::coder {

struct Task {
  const kernel::Region& region;
  const op::Lowering& lowering;  // of region.op
  const kernel::DeviceFacts& device;
};

// Why a step was not written: it does not apply, or the answer could not be used. Costs no compile.
struct Refusal {
  std::string reason;
};
using Answer = std::variant<kernel::Candidate, Refusal>;

// What went wrong with a candidate that a fix_* step starts from; data, never instructions.
struct Feedback {
  std::string text;  // compile log, fault report or mismatch, capped
};

class Coder {
 public:
  virtual ~Coder() = default;
  virtual std::string name() const = 0;
  // A correct, simple beginning for the region.
  virtual Result<Answer> start(const Task& task) = 0;
  // Steps that this coder can carry out on the candidate, each with its options filled in.
  virtual std::vector<kernel::Step> admissible(const Task& task, const kernel::Candidate& candidate) = 0;
  // Whether fix_* steps on a candidate that is wrong are worth asking for.
  virtual bool can_repair() const { return false; }
  virtual Result<Answer> apply(const Task& task, const kernel::Candidate& candidate, const kernel::Step& step,
                               const Feedback* feedback) = 0;
};

std::unique_ptr<Coder> make_template_coder();

}  // namespace mtmc::coder
