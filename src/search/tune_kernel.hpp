// mtmc tune on a kernel: a .cu with a recipe and tunables, judged against the operator that it
// claims to compute.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "search/run.hpp"
#include "tuner/recording.hpp"
#include "tuner/tune.hpp"

namespace mtmc::search {

struct TuneProblem {
  kernel::Region region;
  kernel::Candidate candidate;  // its configuration is the default
};

// The form of docs/tuning.md: {operator, recipe, tunables, constraints, configuration}, a candidate
// without its sources. `line`, where it is not empty, stands for the form's operator. Without a
// configuration the first value of each tunable is the default. Errors: bad_input.
Result<TuneProblem> tune_problem(const std::string& source_name, const std::string& source,
                                 const nlohmann::json& form, const std::string& line);

struct TuneRequest {
  std::string device;  // full name
  std::string strategy{tuner::kDefaultStrategy};
  std::uint64_t seed = 1;
  double relative_noise = 0;
  tuner::StopRule stop;
  harness::JudgeLimits limits;
  std::vector<kernel::Configuration> starts;  // tried after the default; winners from elsewhere
  // After each trial: so far, how many of them the store knew.
  std::function<void(const tuner::TuneResult&, const tuner::Space&)> progress;
};

struct TuneOutcome {
  tuner::Space space;
  tuner::TuneResult result;
  std::size_t known = 0;                        // trials that the store answered
  std::size_t warm = 0;                         // starts taken from other devices and shapes
  std::map<std::string, std::size_t> failures;  // by outcome
  std::vector<std::string> outcomes;            // of each trial
  std::uint64_t compiles = 0, evaluations = 0, twins = 0;
  std::string candidate_id;  // the best's; empty: none is correct
};

// The best configurations of a recording, as starts. Errors: bad_input where it is another
// kernel's: a tunable that it does not know, or a value that is no integer.
Result<std::vector<kernel::Configuration>> starts_of(const tuner::Recording& recording,
                                                     const kernel::Candidate& candidate);

// Goes through the search's compiler, workers and verdicts, two compiles ahead of the evaluation.
// Every trial is remembered: the same call again answers what it knows from the store and goes on.
// Errors: unavailable; bad_input for a space that cannot be built.
Result<TuneOutcome> tune_kernel(const TuneProblem& problem, const TuneRequest& request,
                                store::Store& store, const Surroundings& around);

// The outcome in the form that tuners exchange; times in ms, as they do.
tuner::Recording recording_of(const TuneOutcome& outcome, const std::string& device,
                              const std::string& kernel);

}  // namespace mtmc::search
