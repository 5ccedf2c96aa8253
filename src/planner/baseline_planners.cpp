// Planners that others are compared with.
#include <algorithm>

#include "base/rng.hpp"
#include "planner/planner.hpp"

namespace mtmc::planner {

namespace {

using kernel::Action;
using kernel::Step;

class RandomPlanner final : public Planner {
 public:
  explicit RandomPlanner(std::uint64_t seed) : seed_(seed) {}
  std::string name() const override { return "random"; }
  Result<std::vector<Step>> propose(const State& state, int count) override {
    std::vector<Step> steps;
    for (const Step& step : state.admissible)
      if (step.action != Action::start && step.action != Action::stop) steps.push_back(step);
    const auto wanted = std::min(steps.size(), static_cast<std::size_t>(std::max(count, 0)));
    for (std::size_t i = 0; i < wanted; ++i)  // Fisher and Yates, as far as needed
      std::swap(steps[i], steps[i + random_bits(seed_, 0, drawn_++) % (steps.size() - i)]);
    steps.resize(wanted);
    return steps;
  }

 private:
  std::uint64_t seed_, drawn_ = 0;
};

class OneShotPlanner final : public Planner {
 public:
  std::string name() const override { return "one-shot"; }
  Result<std::vector<Step>> propose(const State& state, int count) override {
    Step step;
    const bool done = std::any_of(state.here.begin(), state.here.end(),
                                  [](const Tried& t) { return t.outcome == "correct"; });
    if (done || !state.path.empty() || count <= 0) return std::vector<Step>{step};  // stop
    step.action = Action::rewrite;
    step.part = "*";
    step.options["sample"] = static_cast<std::int64_t>(state.here.size()) + 1;
    return std::vector<Step>{step};
  }
};

}  // namespace

const PlannerNotes& Planner::notes() const {
  static const PlannerNotes none;
  return none;
}

std::unique_ptr<Planner> make_random_planner(std::uint64_t seed) {
  return std::make_unique<RandomPlanner>(seed);
}
std::unique_ptr<Planner> make_one_shot_planner() { return std::make_unique<OneShotPlanner>(); }

}  // namespace mtmc::planner
