// What a run ended with: the object that `generate-operator --json` prints, the summary for people, and
// the whole tree for `query show`. Pure functions of what the store holds.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "report/table.hpp"
#include "store/queries.hpp"

namespace mtmc::report {

// What this call of the tool did, beside what the run did when it was first made.
struct Invocation {
  bool resumed = false;
  std::int64_t compiles = 0;  // 0 where a finished run came back
  std::int64_t llm_calls = 0;
};

// Has at least: run, operator, device, state, verdict, verified, candidate (null where none is
// correct), bound_ns, start and best (each with modelled_ns and/or measured_ns), gain and
// bound_ratio (each by kind of time), steps ({action, part, outcome, gain, kept, ...} in the
// order of trying, without the beginnings), regions, compiles, llm_calls, resumed. What is not
// known is null. Scripts rely on these names.
nlohmann::json run_json(const store::RunView& view, const Invocation& invocation);

// The end of generate-operator.
std::string run_text(const store::RunView& view, const Invocation& invocation,
                     const TextOptions& options = {});

// run_text's head and the tree of each region, for `query show`.
std::string run_tree_text(const store::RunView& view, const TextOptions& options = {});

// JSON as text: two blanks of indentation, one line break at the end; broken UTF-8 becomes U+FFFD.
std::string json_text(const nlohmann::json& value);

}  // namespace mtmc::report
