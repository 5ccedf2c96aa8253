// Ranks the admissible steps by what they may be expected to bring here:
//   gain  = prior(action, bottleneck) x the coder's expectation, within the distance to the bound,
//   score = 1 + (gain - 1) x headroom,   headroom = 1 - bound / time, in 0 to 1;
// an action that brought nothing on this path counts half as often as it did so. Repairs come
// before everything: a candidate that is not correct has no time to improve. Nothing is learned and
// nothing is random.
#include <algorithm>
#include <cmath>

#include "planner/planner.hpp"
#include "planner/policy_table.hpp"

namespace mtmc::planner {

namespace {

using kernel::Action;
using kernel::Step;

constexpr double kCloseEnough = 1.05;  // of the bound: below what a model of time can tell apart
constexpr double kNothingGained = 1.02;

bool is_repair(Action action) {
  return action == Action::fix_compile || action == Action::fix_launch ||
         action == Action::fix_numeric;
}

Step stop_step(const char* why) {
  Step step;
  step.action = Action::stop;
  step.hint = why;
  return step;
}

double score(const State& state, const Step& step, double headroom, double at_most) {
  const double expected =
      std::isfinite(step.expected_gain) ? std::clamp(step.expected_gain, 0.1, 100.0) : 1.0;
  double gain = std::min(policy_row(step.action, state.bottleneck).prior_gain * expected, at_most);
  for (const Tried& tried : state.path)
    if (tried.step.action == step.action && tried.gain < kNothingGained && gain > 1)
      gain = 1 + (gain - 1) / 2;
  return 1 + (gain - 1) * headroom;
}

class PolicyPlanner final : public Planner {
 public:
  std::string name() const override { return "policy"; }

  Result<std::vector<Step>> propose(const State& state, int count) override {
    if (count <= 0) return std::vector<Step>{};
    const bool timed = state.time_ns > 0 && state.bound_ns > 0;
    if (timed && state.time_ns <= kCloseEnough * state.bound_ns)
      return std::vector<Step>{stop_step("within 5 % of the bound")};
    const double at_most = timed ? state.time_ns / state.bound_ns : 100;
    const double headroom = timed ? 1 - state.bound_ns / state.time_ns : 1;

    std::vector<Step> ranked;
    for (const Step& step : state.admissible) {
      if (step.action == Action::start || step.action == Action::stop) continue;
      ranked.push_back(step);
      ranked.back().expected_gain = score(state, step, headroom, at_most);
    }
    if (ranked.empty()) return std::vector<Step>{stop_step("no step is admissible")};
    std::sort(ranked.begin(), ranked.end(), [](const Step& a, const Step& b) {
      if (is_repair(a.action) != is_repair(b.action)) return is_repair(a.action);
      if (a.expected_gain != b.expected_gain) return a.expected_gain > b.expected_gain;
      if (a.action != b.action) return a.action < b.action;
      return a.key() < b.key();
    });
    if (ranked.size() > static_cast<std::size_t>(count)) ranked.resize(count);
    return ranked;
  }
};

}  // namespace

std::string_view name_of(Bottleneck bottleneck) {
  constexpr std::string_view kNames[] = {"launch", "issue", "shared", "dram"};
  return kNames[static_cast<int>(bottleneck)];
}

std::unique_ptr<Planner> make_policy_planner() { return std::make_unique<PolicyPlanner>(); }

}  // namespace mtmc::planner
