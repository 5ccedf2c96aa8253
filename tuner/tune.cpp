// The lowest value decides which trials are ties; the earliest of the ties wins. The winner is
// looked up again only when the lowest value falls, and only values that low can win later, so the
// whole run costs far less than one evaluation.
#include "tuner/tune.hpp"

#include <cmath>
#include <limits>

#include "base/check.hpp"

namespace mtmc::tuner {

namespace {

class Winner {
 public:
  explicit Winner(double relative_noise)
      : noise_(std::isfinite(relative_noise) && relative_noise > 0 ? relative_noise : 0) {}

  // Takes note of the last trial; true where it improved on all before it beyond the noise.
  bool update(const std::vector<Trial>& trials) {
    const double value = trials.back().measurement.value;
    if (value >= lowest_) return false;
    lowest_ = value;
    const double tied = value + noise_ * std::abs(value);
    for (std::size_t i = 0; i < trials.size(); ++i) {
      const auto& m = trials[i].measurement;
      if (!m.ok || m.value > tied) continue;
      best_ = i;
      return i + 1 == trials.size();
    }
    MTMC_CHECK(false, "the lowest trial does not tie with itself");
    return false;
  }
  std::optional<std::size_t> best() const { return best_; }

 private:
  double noise_;
  double lowest_ = std::numeric_limits<double>::infinity();
  std::optional<std::size_t> best_;
};

std::optional<StopReason> judge(const StopRule& stop, const TuneResult& result,
                                std::size_t stalled) {
  const Trial* best = result.best_trial();
  if (stop.target_value && best && best->measurement.value <= *stop.target_value)
    return StopReason::target_reached;
  if (stop.max_evaluations && result.trials.size() >= *stop.max_evaluations)
    return StopReason::max_evaluations;
  if (stop.max_stalled && stalled >= *stop.max_stalled) return StopReason::stalled;
  if (stop.should_stop && stop.should_stop()) return StopReason::stopped;
  return std::nullopt;
}

}  // namespace

double StopRule::within(double bound, double fraction) {
  return bound + fraction * std::abs(bound);
}

std::string_view to_string(StopReason reason) {
  switch (reason) {
    case StopReason::exhausted:
      return "exhausted";
    case StopReason::max_evaluations:
      return "max_evaluations";
    case StopReason::target_reached:
      return "target_reached";
    case StopReason::stalled:
      return "stalled";
    case StopReason::stopped:
      return "stopped";
  }
  return "unknown";
}

TuneResult tune(const Space& space, Strategy& strategy, const Evaluate& evaluate,
                const StopRule& stop, double relative_noise) {
  TuneResult result;
  Winner winner(relative_noise);
  std::size_t stalled = 0;
  while (true) {
    if (const auto reason = judge(stop, result, stalled)) {
      result.reason = *reason;
      return result;
    }
    auto configuration = strategy.next();
    if (!configuration) return result;
    MTMC_CHECK(space.contains(*configuration), "a strategy proposed an invalid configuration");
    Measurement measurement = evaluate(*configuration);
    if (!std::isfinite(measurement.value)) measurement = Measurement::failure();
    strategy.tell(*configuration, measurement);
    result.trials.push_back({std::move(*configuration), measurement});
    ++stalled;
    if (!measurement.ok) {
      ++result.failures;
    } else if (winner.update(result.trials)) {
      stalled = 0;
    }
    result.best = winner.best();
  }
}

}  // namespace mtmc::tuner
