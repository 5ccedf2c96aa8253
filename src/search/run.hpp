// One run of generate-operator: an operator in, a proven kernel out, everything on the way remembered. What a person or a script
// is shown of it comes out of the store (report/run_report.hpp).
#pragma once

#include <optional>
#include <string>

#include "llm/endpoint.hpp"
#include "llm/price.hpp"
#include "search/region_search.hpp"

namespace mtmc::search {

// What a run needs from around it.
struct Surroundings {
  std::string tool;             // path of the mtmc executable, for workers
  std::string cache_directory;  // of binaries
  std::string tool_version;
  // Where planner or coder is "llm"; they may be the same.
  llm::Endpoint* planner_endpoint = nullptr;
  llm::Endpoint* coder_endpoint = nullptr;
  const llm::PriceTable* prices = nullptr;  // null: what a model costs is not known
  Meter* sweep = nullptr;                   // of the sweep that the run is a part of
  // Told to the planner in place of the store's: a replay's.
  std::optional<std::vector<store::PriorRow>> priors;
  std::function<void(const std::string&)> began;  // with the run's id, before anything is done
  bool fresh = false;                 // start anew although an equal run is there
  Progress progress;
};

struct RunReport {
  std::string run_id;
  std::string operator_line, device;
  harness::Verdict verdict;         // of the whole operator with the chosen candidates
  std::string candidate_id;         // the costliest region's
  double bound_ns = 0;
  store::Times start, best;  // modelled or measured, as the device is
  std::uint64_t compiles = 0, llm_calls = 0;  // of this call
  Spent spent;
  bool resumed = false;
  std::string message;  // why there is no correct candidate
};

// Errors: unavailable where something that the run needs is missing; the run stays unfinished and the next call with the same
// identity goes on with it.
Result<RunReport> run_operator(const op::Operator& op, const Settings& settings, store::Store& store, const Surroundings& around);

}  // namespace mtmc::search
