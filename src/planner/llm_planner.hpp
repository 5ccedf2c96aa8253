// Macro thinking by a language model: the state as a prompt (prompts/planner.md), its steps out of
// the answer.
#pragma once

#include <string>
#include <vector>

#include "llm/endpoint.hpp"
#include "planner/planner.hpp"

namespace mtmc::planner {

struct LlmPlannerSettings {
  std::string model;
  double temperature = 0.8;  // plan hot
  int max_tokens = 2048;
  std::optional<std::int64_t> seed;
  bool structured = true;  // ask the endpoint to hold the answer to a schema, where it can
  std::size_t max_source_bytes = 24'000;
};

// Only steps of state.admissible (by key) and `stop` are taken; everything else is refused with a
// reason. An answer without one step that can be taken is corrected once, with the reasons; after
// that the proposal is empty, which means stop, and notes() say why. An endpoint's failure is an
// Error, as it came. Not thread safe; the endpoint must outlive it.
class LlmPlanner final : public Planner {
 public:
  LlmPlanner(llm::Endpoint& endpoint, LlmPlannerSettings settings);
  std::string name() const override;
  Result<std::vector<kernel::Step>> propose(const State& state, int count) override;
  const PlannerNotes& notes() const override { return notes_; }

 private:
  llm::Endpoint& endpoint_;
  LlmPlannerSettings settings_;
  PlannerNotes notes_;
};

// The prompt for a state; public because it is worth looking at.
std::vector<llm::Message> planner_prompt(const State& state, int count,
                                         std::size_t max_source_bytes);

// Takes the steps out of an answer, in its order, at most `count`; what is not taken goes to
// `refused`.
std::vector<kernel::Step> read_steps(const std::string& answer, const State& state, int count,
                                     std::vector<RefusedStep>& refused);

}  // namespace mtmc::planner
