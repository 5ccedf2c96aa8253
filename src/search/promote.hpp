// Promotion: the tunables of a node that the search likes are tuned, without a planner or a coder.
#pragma once

#include <vector>

#include "search/region_search.hpp"

namespace mtmc::search {

struct Promoted {
  kernel::Candidate candidate;  // with the best configuration that was found
  Assessment assessment;
  std::vector<StepRecord> steps;  // one row "tune", when anything was tried
};

Result<Promoted> promote(const coder::Task& task, const kernel::Candidate& candidate, const Assessment& assessment, double bound_ns,
                         const Settings& settings, SearchTools& tools);

}  // namespace mtmc::search
