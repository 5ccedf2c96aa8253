// The tuning loop: ask a strategy, evaluate, tell it, until a stop rule or the strategy says so.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "tuner/space.hpp"
#include "tuner/strategy.hpp"

namespace mtmc::tuner {

// Any rule that is set ends the run; with none set it ends when the strategy has nothing left.
struct StopRule {
  std::optional<std::size_t> max_evaluations;
  std::optional<double> max_seconds;
  // The best value is this low; within(bound, fraction) makes it from a lower bound.
  std::optional<double> target_value;
  // This many evaluations in a row without an improvement beyond the noise.
  std::optional<std::size_t> max_stalled;
  // How often the winner will run. The next evaluation is not worth it once the time that it can
  // be expected to save over all these runs is below what an evaluation costs (compiling and
  // measuring). Values are then times in ns. Expected is what the last quarter of the
  // evaluations, at least 20, gained on average; fewer than 20 decide nothing.
  std::optional<double> worth_runs;
  // Asked before each evaluation; true ends the run (an interrupt).
  std::function<bool()> should_stop;
  // Seconds of a steady clock; empty: the machine's.
  std::function<double()> clock;

  // Within `fraction` above `bound`: within(100, 0.05) is 105.
  static double within(double bound, double fraction);
};

enum class StopReason {
  exhausted,
  max_evaluations,
  max_seconds,
  target_reached,
  stalled,
  not_worth,
  stopped
};
std::string_view to_string(StopReason reason);

struct Trial {
  std::uint64_t index = 0;  // in the space
  Measurement measurement;
};

struct TuneResult {
  StopReason reason = StopReason::exhausted;
  std::vector<Trial> trials;        // in the order of evaluation
  std::optional<std::size_t> best;  // into trials; nullopt where every trial failed
  std::size_t failures = 0;
  double seconds = 0;

  const Trial* best_trial() const { return best ? &trials[*best] : nullptr; }
};

// What evaluates. Called once per configuration, never twice for the same one. Must not throw.
class Bench {
 public:
  virtual ~Bench() = default;
  // What can be done ahead (compiling), on threads of its own, several at a time. Its end is waited
  // for before measure() of the same configuration.
  virtual void prepare(std::uint64_t) {}
  // On the caller's thread, in the order in which the strategy proposed.
  virtual Measurement measure(std::uint64_t index) = 0;
};

struct TuneSettings {
  StopRule stop;
  // Values within this fraction (>= 0) of the lowest one are ties, and the earliest trial among
  // them is the best: a rerun that measures a little differently keeps its winner. An improvement
  // is a new lowest value that no earlier trial ties with.
  double relative_noise = 0;
  // Threads that prepare, and proposals that may be under way besides the one that is measured.
  // The strategy then chooses without the answers of those; the order of everything stays the
  // same whatever the threads do. 0: nothing is done ahead.
  std::size_t ahead = 0;
  // After each trial.
  std::function<void(const TuneResult&)> progress;
};

// Measurements that are not finite count as failures. REQUIRES: the strategy was made for this
// space. Prepared proposals that a stop rule cut off are not measured.
TuneResult tune(const Space& space, Strategy& strategy, Bench& bench, const TuneSettings& settings);

}  // namespace mtmc::tuner
