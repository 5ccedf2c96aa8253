// What the search writes down of its tree: nodes for people and resumption, transitions for a policy that learns.
#pragma once

#include <string>

#include "search/region_search.hpp"

namespace mtmc::search {

// Gives the node's id. `candidate_id` is empty where no candidate was written.
Result<std::string> remember_node(SearchTools& tools, const kernel::Region& region, const std::string& parent, const kernel::Step& step,
                                  const Assessment& assessment, const std::string& candidate_id, double gain, std::int64_t ordinal);

Result<void> remember_transition(SearchTools& tools, const std::string& node, const kernel::Step& step, const planner::State& state,
                                 const coder::Task& task, double gain);

}  // namespace mtmc::search
