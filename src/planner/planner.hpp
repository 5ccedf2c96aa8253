// Macro thinking: proposes optimisation steps for a judged candidate. A planner sees state and says steps; it reaches
// nothing else.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "kernel/candidate.hpp"
#include "kernel/device_facts.hpp"
#include "kernel/region.hpp"
#include "kernel/step.hpp"

namespace mtmc::planner {

enum class Bottleneck { launch, issue, shared, dram };
std::string_view name_of(Bottleneck bottleneck);

// What the last steps on the path to this candidate brought.
struct Tried {
  kernel::Step step;
  std::string outcome;  // a verdict's word, or "refused"
  double gain = 0;      // old time / new time; 0 where there is no time
};

struct State {
  const kernel::Region* region = nullptr;
  const kernel::DeviceFacts* device = nullptr;
  const kernel::Candidate* candidate = nullptr;
  double time_ns = 0, bound_ns = 0;
  Bottleneck bottleneck = Bottleneck::launch;
  std::string profile;  // one line a launch: parts of the time, counters
  std::vector<kernel::Step> admissible;  // from the coder, tried ones taken out
  std::vector<Tried> path;               // root to here
};

class Planner {
 public:
  virtual ~Planner() = default;
  virtual std::string name() const = 0;
  // Ranked steps, best first, at most `count`, all from state.admissible (or `stop`).
  virtual Result<std::vector<kernel::Step>> propose(const State& state, int count) = 0;
};

// Documented priors per action and bottleneck (planner/policy_table).
std::unique_ptr<Planner> make_policy_planner();

}  // namespace mtmc::planner
