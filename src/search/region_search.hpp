// The loop over one Region: a tree whose nodes are judged candidates and whose edges are steps.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "coder/coder.hpp"
#include "planner/planner.hpp"
#include "search/assess.hpp"
#include "search/budget.hpp"

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
  Meter* meter = nullptr;                                // what may be spent; null: no caps
  const std::vector<store::PriorRow>* priors = nullptr;  // for the planner
  std::int64_t ordinal = 0;                              // of the next node of the run
};

// Best first over at most `beam` open nodes; each expansion asks the planner for `width` steps. Nodes are memoised by their
// code (candidate id) and a step is taken once from a node, so no (code, step) is paid for twice. Deterministic: given the same
// answers it takes the same way, which is how a killed run resumes: it starts over, and everything that it already knew
// comes out of the store.
class RegionSearch {
 public:
  // `device`, `settings` and `tools` outlive it.
  static Result<std::unique_ptr<RegionSearch>> make(const kernel::Region& region, const kernel::DeviceFacts& device,
                                                    const Settings& settings, SearchTools& tools);
  virtual ~RegionSearch() = default;

  // The naive beginning, judged.
  virtual Result<void> begin() = 0;
  // Whether the beginning is correct: without it nothing follows.
  virtual bool begun() const = 0;
  // Whether advance() may still do something.
  virtual bool open() const = 0;
  // Time that the bound says might still be saved; where the next effort is best spent.
  virtual double headroom_ns() const = 0;
  // Expands one node.
  virtual Result<void> advance() = 0;
  // Tunes the best node.
  virtual Result<RegionResult> finish() = 0;
};

// All of it for one region.
Result<RegionResult> search_region(const kernel::Region& region, const kernel::DeviceFacts& device, const Settings& settings,
                                   SearchTools& tools);

}  // namespace mtmc::search
