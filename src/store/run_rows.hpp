// Inside src/store: a row of `runs` as a record, for the facets that read runs.
#pragma once

#include <optional>
#include <string>

#include "store/connection.hpp"
#include "store/records.hpp"

namespace mtmc::store {

// Columns that read_run takes, in its order, of a table called r.
inline constexpr char kRunColumns[] =
    "r.id, r.operator_hash, r.device, r.settings_json, r.seed, r.tool_version, r.state, "
    "r.started_at_ms, r.finished_at_ms, r.message, r.verdict, r.verified, r.candidate_id, r.bound_ns, "
    "r.cost_model_version, r.start_modelled_ns, r.start_measured_ns, r.best_modelled_ns, "
    "r.best_measured_ns, r.compiles, r.llm_calls, r.details_json";

// Without the result's regions; add_regions() reads these.
RunRecord read_run(Cursor& cursor);
void add_regions(SQLite::Database& database, RunRecord& run);
std::optional<RunRecord> run_with_id(SQLite::Database& database, const std::string& id);
std::optional<OperatorRecord> operator_with_hash(SQLite::Database& database,
                                                 const std::string& hash);

const char* word_of(RunState state);
RunState run_state_named(const std::string& word);

}  // namespace mtmc::store
