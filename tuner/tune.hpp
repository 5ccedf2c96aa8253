// The tuning loop: ask a strategy, evaluate, tell it, until a stop rule or the strategy says so.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "tuner/space.hpp"
#include "tuner/strategy.hpp"

namespace mtmc::tuner {

// Any rule that is set ends the run; with none set it ends when the strategy has nothing left.
struct StopRule {
  std::optional<std::size_t> max_evaluations;
  // The best value is this low; within(bound, fraction) makes it from a lower bound.
  std::optional<double> target_value;
  // This many evaluations in a row without an improvement beyond the noise.
  std::optional<std::size_t> max_stalled;
  // Asked before each evaluation; true ends the run (a deadline, an interrupt).
  std::function<bool()> should_stop;

  // Within `fraction` above `bound`: within(100, 0.05) is 105.
  static double within(double bound, double fraction);
};

enum class StopReason { exhausted, max_evaluations, target_reached, stalled, stopped };
std::string_view to_string(StopReason reason);

struct Trial {
  Configuration configuration;
  Measurement measurement;
};

struct TuneResult {
  StopReason reason = StopReason::exhausted;
  std::vector<Trial> trials;        // in the order of evaluation
  std::optional<std::size_t> best;  // into trials; nullopt where every trial failed
  std::size_t failures = 0;

  const Trial* best_trial() const { return best ? &trials[*best] : nullptr; }
};

// Called once per configuration, never twice for the same one. Must not throw.
using Evaluate = std::function<Measurement(const Configuration&)>;

// Values within `relative_noise` (>= 0) of the lowest one are ties, and the earliest trial among
// them is the best: a rerun that measures a little differently keeps its winner. An improvement
// is a new lowest value that no earlier trial ties with. Measurements that are not finite count as
// failures. REQUIRES: the strategy was made for this space.
TuneResult tune(const Space& space, Strategy& strategy, const Evaluate& evaluate,
                const StopRule& stop, double relative_noise = 0);

}  // namespace mtmc::tuner
