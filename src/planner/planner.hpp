// Macro thinking: proposes optimisation steps for a judged candidate. A planner sees state and says steps; it reaches
// nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "kernel/candidate.hpp"
#include "kernel/device_facts.hpp"
#include "kernel/region.hpp"
#include "kernel/step.hpp"
#include "store/records.hpp"

namespace mtmc::planner {

enum class Bottleneck { launch, issue, shared, dram };
std::string_view name_of(Bottleneck bottleneck);

// A step that was tried, and what it brought.
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
  std::vector<Tried> here;               // steps from this candidate that were tried
  // What earlier runs brought; may be null.
  const std::vector<store::PriorRow>* priors = nullptr;
};

// A step that a planner proposed and that was not taken.
struct RefusedStep {
  std::string what;  // its key, or the beginning of what stood in its place; one line
  std::string why;
};

// What one call of `propose` heard, besides the steps that it returned.
struct PlannerNotes {
  std::vector<RefusedStep> refused;
  int exchanges = 0;        // with a model
  std::string stop_reason;  // why there are no steps; empty where there are
};

class Planner {
 public:
  virtual ~Planner() = default;
  virtual std::string name() const = 0;
  // Ranked steps, best first, at most `count`, all from state.admissible (or `stop`).
  virtual Result<std::vector<kernel::Step>> propose(const State& state, int count) = 0;
  // Of the last call of propose.
  virtual const PlannerNotes& notes() const;
};

// Documented priors per action and bottleneck (planner/policy_table).
std::unique_ptr<Planner> make_policy_planner();

// For comparison (results/): a seeded choice among the admissible steps, all equally likely; and one
// that asks for the whole kernel at once, again until something correct came of it.
std::unique_ptr<Planner> make_random_planner(std::uint64_t seed);
std::unique_ptr<Planner> make_one_shot_planner();

}  // namespace mtmc::planner
