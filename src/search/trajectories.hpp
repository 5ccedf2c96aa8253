// What a run leaves behind for others: its conversation as a recording, its steps as trajectories.
#pragma once

#include <string>

#include "base/error.hpp"
#include "llm/recording.hpp"
#include "store/store.hpp"

namespace mtmc::search {

// The run's exchanges in its order, with the operator, device, settings and priors that it had:
// what
// --replay takes. Also of a run that is not finished. bad_input where the run asked no model.
Result<llm::Recording> recording_of(store::Store& store, const std::string& run_id);

// One JSON object a line, one line a step that was written or should have been, in the order of
// trying: state (region, candidate with its sources, times, bottleneck, admissible steps, path),
// action, outcome, both rewards, and the candidate that came of it. docs/llm.md has the members.
Result<std::string> trajectories_of(store::Store& store, const std::string& run_id);

}  // namespace mtmc::search
