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

// One step that was tried, in order of trying.
struct StepRecord {
  std::string action, part;
  std::string outcome;  // a verdict's word, or "refused"
  double gain = 0;      // parent's time / this time; 0 where there is no time
  std::string message;  // why not correct; one line
};

struct RegionResult {
  std::optional<kernel::Candidate> best;  // none: nothing correct was found
  Assessment start, chosen;               // the naive beginning; what was chosen
  std::vector<StepRecord> steps;
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
};

// Best first over at most `beam` open nodes; each expansion asks the planner for `width` steps. Deterministic: given the same
// answers it takes the same way, which is how a killed run resumes: it starts over, and everything that it already knew
// comes out of the store.
Result<RegionResult> search_region(const kernel::Region& region, const kernel::DeviceFacts& device, const Settings& settings,
                                   SearchTools& tools);

}  // namespace mtmc::search
