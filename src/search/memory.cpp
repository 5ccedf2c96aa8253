#include "search/memory.hpp"

#include <nlohmann/json.hpp>

#include "search/reward.hpp"
#include "store/keys.hpp"
#include "store/tree.hpp"

namespace mtmc::search {

StoredStep stored(const kernel::Step& step) { return {step.key(), kernel::to_json(step).dump()}; }

StoredStep stored_refusal(const std::string& what) {
  return {"not taken: " + what, nlohmann::json{{"action", what.substr(0, what.find(' '))}, {"part", "not taken"}}.dump()};
}

StoredStep stored_tuning(const std::string& part) { return {"tune", nlohmann::json{{"action", "tune"}, {"part", part}}.dump()}; }

Result<std::string> remember_node(SearchTools& tools, const kernel::Region& region, const std::string& parent, const StoredStep& step,
                                  const Assessment& assessment, double gain) {
  store::NodeRecord node;
  node.run_id = tools.run_id;
  node.id = store::node_id(region.hash, parent, step.key);
  node.region_hash = region.hash;
  node.parent_id = parent;
  node.ordinal = tools.ordinal++;
  node.step_key = step.key;
  node.step_json = step.json;
  node.candidate_id = assessment.candidate_id;
  node.outcome = std::string(harness::name_of(assessment.evaluation.verdict.outcome));
  node.message = assessment.evaluation.verdict.message;
  node.time = {assessment.evaluation.modelled_ns, assessment.evaluation.measured_ns()};
  node.gain = gain;
  if (auto ok = store::Tree(tools.store).put(node); !ok) return tl::unexpected<Error>(ok.error());
  return node.id;
}

Result<void> remember_transition(SearchTools& tools, const std::string& node, const kernel::Step& step, const planner::State& state,
                                 const coder::Task& task, harness::Outcome outcome, double gain) {
  store::TransitionRecord transition;
  transition.run_id = tools.run_id;
  transition.node_id = node;
  transition.planner = tools.planner.name();
  transition.action = std::string(name_of(step.action));
  transition.architecture = task.device.architecture;
  transition.dtype = std::string(op::name_of(task.region.op.values.front().dtype));
  transition.bottleneck = std::string(planner::name_of(state.bottleneck));
  nlohmann::json admissible = nlohmann::json::array();
  for (const auto& s : state.admissible) admissible.push_back(s.key());
  nlohmann::json path = nlohmann::json::array();
  for (const auto& t : state.path) path.push_back({{"step", t.step.key()}, {"outcome", t.outcome}, {"gain", t.gain}});
  transition.state_json = nlohmann::json{{"time_ns", state.time_ns}, {"bound_ns", state.bound_ns}, {"admissible", admissible}, {"path", path}}.dump();
  transition.expected_gain = step.expected_gain;
  transition.risk = step.risk;
  transition.reward = log_reward(gain);
  transition.staged_reward = staged_reward(outcome, gain);
  return store::Tree(tools.store).put_transition(transition);
}

}  // namespace mtmc::search
