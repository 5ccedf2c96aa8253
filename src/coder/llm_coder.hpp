// Micro coding by a language model: candidate, step and the action's page as a prompt
// (prompts/coder.md), edits or whole files out of the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "coder/coder.hpp"
#include "llm/endpoint.hpp"

namespace mtmc::coder {

struct LlmCoderSettings {
  std::string model;
  double temperature = 0.2;  // code cold
  int max_tokens = 8192;
  std::optional<std::int64_t> seed;
  int corrections = 1;                    // further calls after an answer that cannot be used
  std::size_t max_source_bytes = 64'000;  // of the candidate's sources in the prompt
};

// A run always begins correct: start() is the given coder's. An answer may leave the writing to the
// base coder ("TEMPLATE: tile g0", one of its steps of the same action): then the result keeps its
// schedule. Other results have none. An answer that cannot be used (coder/llm_answer.hpp), after
// the corrections, is a Refusal with the last reason; an endpoint's failure is an Error. Thread
// safe where endpoint and base are, which must both outlive it.
class LlmCoder final : public Coder {
 public:
  LlmCoder(llm::Endpoint& endpoint, Coder& base, LlmCoderSettings settings);
  std::string name() const override;
  Result<Answer> start(const Task& task) override;
  // What the base coder lists, and besides, for actions that it does not list, a free step on each
  // kernel that the recipe launches
  // ("pipeline softmax_kernel"; fuse on neighbours, "a+b"). Repairs are the search's to add.
  std::vector<kernel::Step> admissible(const Task& task,
                                       const kernel::Candidate& candidate) override;
  bool can_repair() const override { return true; }
  Result<Answer> apply(const Task& task, const kernel::Candidate& candidate,
                       const kernel::Step& step, const Feedback* feedback) override;

 private:
  llm::Endpoint& endpoint_;
  Coder& base_;
  LlmCoderSettings settings_;
};

// The prompt for a step; public because it is worth looking at. `feedback` stands in it for fix_*
// steps only;
// `templates`: steps of this action that the base coder can carry out.
std::vector<llm::Message> coder_prompt(const Task& task, const kernel::Candidate& candidate,
                                       const kernel::Step& step, const Feedback* feedback,
                                       const std::vector<kernel::Step>& templates,
                                       std::size_t max_source_bytes);

}  // namespace mtmc::coder
