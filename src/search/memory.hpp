// What the search writes down of its tree: nodes for people and resumption, transitions for a policy that learns.
#pragma once

#include <string>

#include "search/region_search.hpp"

namespace mtmc::search {

// How a node's step is stored: its key, and JSON with `action` and `part`. Tuning is not an action of the planner's but is shown like one.
struct StoredStep {
  std::string key, json;
};
StoredStep stored(const kernel::Step& step);
// Of a proposal that was not taken; `what` is its key or what stood in its place.
StoredStep stored_refusal(const std::string& what);
StoredStep stored_tuning(const std::string& part);

// Gives the node's id. An assessment without a candidate id is of a step for which no candidate was written.
Result<std::string> remember_node(SearchTools& tools, const kernel::Region& region, const std::string& parent, const StoredStep& step,
                                  const Assessment& assessment, double gain);

Result<void> remember_transition(SearchTools& tools, const std::string& node, const kernel::Step& step, const planner::State& state,
                                 const coder::Task& task, harness::Outcome outcome, double gain);

}  // namespace mtmc::search
