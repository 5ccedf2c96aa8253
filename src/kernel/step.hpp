// Actions and steps: the vocabulary of macro thinking. One page each in prompts/actions/.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace mtmc::kernel {

enum class Action {
  start,  // not a step: the naive beginning of a tree
  fuse, tile, reorder, vectorize, stage, pipeline, tensorize, swizzle, split, persist, specialize, precision, library,
  fix_compile, fix_launch, fix_numeric, stop,
  rewrite,  // the whole kernel anew: what a model is asked for at once, without a plan
};
std::string_view name_of(Action action);
std::optional<Action> action_named(std::string_view name);
const std::vector<Action>& all_actions();

// One optimisation step: an action on a part of the candidate. `part` names a group of the schedule ("g1") or a pair
// ("g1+g2" for fuse), or is free text for code without a schedule; `options` are what the coder needs to carry it out.
struct Step {
  Action action = Action::stop;
  std::string part;
  std::map<std::string, std::int64_t> options;
  std::string hint;           // for a model's eyes
  double expected_gain = 1;   // ratio of times, above 1 is faster; a prior, not a promise
  double risk = 0;            // 0 to 1: how likely it comes to nothing

  std::string key() const;  // "split g0 ways=4": equal keys are the same step
};

nlohmann::json to_json(const Step& step);
Result<Step> step_from_json(const nlohmann::json& form);

}  // namespace mtmc::kernel
