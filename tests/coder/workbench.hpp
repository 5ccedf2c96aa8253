// Runs candidates of the template coder: NVRTC, the emulator, and the float64 reference, without
// device or harness.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coder/coder.hpp"
#include "compiler/compiler.hpp"
#include "emulator/cost_model.hpp"
#include "emulator/profile.hpp"
#include "kernel/candidate.hpp"
#include "op/reference.hpp"

namespace mtmc::coder::test {

// One operator with everything a Task needs; must stay where it is.
struct Problem {
  explicit Problem(const std::string& line);
  Problem(const Problem&) = delete;
  kernel::Region region;
  op::Lowering lowering;
  kernel::DeviceFacts device;
  Task task() const { return {region, lowering, device}; }
};

// The candidate after steps such as "fuse *", "tile g0" or "split g0 ways=4" from the naive start.
// Throws std::runtime_error with the refusal where a step does not apply.
kernel::Candidate after(const Problem& problem, const std::vector<std::string>& steps);
kernel::Step parse_step(const std::string& text);

// PTX of a candidate at a configuration. `worker` is the program that serves compile requests.
// Throws with the log.
class PtxCompiler {
 public:
  explicit PtxCompiler(const std::string& worker);
  bool available() const { return compiler_ != nullptr; }
  const std::string& why_not() const { return why_not_; }
  std::string ptx(const std::vector<kernel::SourceFile>& sources,
                  const kernel::Configuration& configuration);

 private:
  std::unique_ptr<compiler::Compiler> compiler_;
  std::string why_not_;
};

struct Run {
  std::string mismatch;  // empty: every element of every output is within tolerance
  std::vector<emulator::Profile> profiles;  // of each launch
  std::vector<emulator::ModelledTime>
      times;         // the same on the emulated H200; registers are not known
  double worst = 0;  // largest deviation over its tolerance
};

// Executes the recipe at `dims` with the operator's inputs and compares all outputs with the
// reference.
Run run(const Problem& problem, const kernel::Candidate& candidate,
        const kernel::Configuration& configuration, const std::string& ptx, const Symbols& dims);

}  // namespace mtmc::coder::test
