// The loop over one Region: a tree whose nodes are judged candidates and whose edges are steps.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "coder/coder.hpp"
#include "planner/planner.hpp"
#include "search/assess.hpp"

namespace mtmc::search {

struct RegionResult {
  std::optional<kernel::Candidate> best;  // none: nothing correct was found
  Assessment start, chosen;               // the naive beginning; what was chosen
  double bound_ns = 0;
  std::string message;  // why there is no correct candidate
};

// Where a search says what it is doing; one line each, for a person.
using Progress = std::function<void(const std::string&)>;

struct SearchTools {
  planner::Planner& planner;
  coder::Coder& coder;
  Assessor& assessor;
  store::Store& store;
  std::string run_id;
  Progress progress;
  std::int64_t ordinal = 0;  // of the next node of the run
};

// Best first over at most `beam` open nodes; each expansion asks the planner for `width` steps. Deterministic: given the same
// answers it takes the same way, which is how a killed run resumes: it starts over, and everything that it already knew
// comes out of the store.
Result<RegionResult> search_region(const kernel::Region& region, const kernel::DeviceFacts& device, const Settings& settings,
                                   SearchTools& tools);

}  // namespace mtmc::search
