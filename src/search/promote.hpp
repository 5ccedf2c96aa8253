// Promotion: the tunables of a node that the search likes are tuned, without a planner or a coder.
#pragma once

#include <string>

#include "search/region_search.hpp"

namespace mtmc::search {

struct Promoted {
  kernel::Candidate candidate;  // with the best configuration that was found
  Assessment assessment;
};

// `node` is the candidate's in the tree; a better configuration becomes its child.
Result<Promoted> promote(const coder::Task& task, const std::string& node, const kernel::Candidate& candidate, const Assessment& assessment, double bound_ns,
                         const Settings& settings, SearchTools& tools);

}  // namespace mtmc::search
