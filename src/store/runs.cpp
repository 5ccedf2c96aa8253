// A run is looked up by the hash of its identity. Its result stands in typed columns, so that
// queries need not open JSON, and once more as JSON for what has no column.
#include "store/runs.hpp"

#include "store/keys.hpp"
#include "store/run_rows.hpp"

namespace mtmc::store {

const char* word_of(RunState state) {
  switch (state) {
    case RunState::running: return "running";
    case RunState::finished: return "finished";
    case RunState::failed: return "failed";
  }
  return "failed";
}

RunState run_state_named(const std::string& word) {
  if (word == "running") return RunState::running;
  return word == "finished" ? RunState::finished : RunState::failed;
}

RunRecord read_run(Cursor& c) {
  RunRecord run;
  run.id = c.text();
  run.identity.operator_hash = c.text();
  run.identity.device = c.text();
  run.identity.settings_json = c.text();
  run.identity.seed = static_cast<std::uint64_t>(c.integer());
  run.identity.tool_version = c.text();
  run.state = run_state_named(c.text());
  run.started_at_ms = c.integer();
  run.finished_at_ms = c.integer();
  run.message = c.text();
  if (run.state != RunState::finished) return run;
  RunResult result;
  result.message = run.message;
  result.verdict = c.text();
  result.verified = c.text();
  result.candidate_id = c.text();
  result.bound_ns = c.real();
  result.cost_model_version = c.integer();
  result.start.modelled_ns = c.maybe_real();
  result.start.measured_ns = c.maybe_real();
  result.best.modelled_ns = c.maybe_real();
  result.best.measured_ns = c.maybe_real();
  result.compiles = c.integer();
  result.llm_calls = c.integer();
  result.details_json = c.text();
  run.result = std::move(result);
  return run;
}

void add_regions(SQLite::Database& db, RunRecord& run) {
  if (!run.result) return;
  run.result->regions = all(
      db,
      "SELECT region_hash, uses, candidate_id FROM run_regions WHERE run_id = ? ORDER BY ordinal",
      [](Cursor& c) { return RunRegion{c.text(), c.integer(), c.text()}; }, run.id);
}

std::optional<RunRecord> run_with_id(SQLite::Database& db, const std::string& id) {
  auto run = first(db, std::string("SELECT ") + kRunColumns + " FROM runs r WHERE r.id = ?",
                   read_run, id);
  if (run) add_regions(db, *run);
  return run;
}

std::optional<OperatorRecord> operator_with_hash(SQLite::Database& db, const std::string& hash) {
  auto op = first(
      db, "SELECT hash, line, json FROM operators WHERE hash = ?",
      [](Cursor& c) { return OperatorRecord{c.text(), c.text(), c.text(), {}}; }, hash);
  if (op)
    op->names = all(
        db, "SELECT name FROM operator_names WHERE operator_hash = ? ORDER BY name",
        [](Cursor& c) { return c.text(); }, hash);
  return op;
}

Result<Runs::Begun> Runs::begin(const OperatorRecord& op, const RunIdentity& identity, bool fresh) {
  if (op.hash.empty() || op.hash != identity.operator_hash)
    return internal_error("a run of operator '" + identity.operator_hash + "' came with operator '" +
                          op.hash + "'");
  return connection_->write<Begun>([&](SQLite::Database& db) {
    execute(db, "INSERT INTO operators (hash, line, json) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            op.hash, op.line, op.json);
    for (const std::string& name : op.names)
      execute(db,
              "INSERT INTO operator_names (operator_hash, name) VALUES (?, ?) ON CONFLICT DO NOTHING",
              op.hash, name);
    const std::string key = run_key(identity);
    if (!fresh) {
      auto found = first(db,
                         std::string("SELECT ") + kRunColumns +
                             " FROM runs r WHERE r.key = ? ORDER BY r.started_at_ms DESC, "
                             "r.rowid DESC LIMIT 1",
                         read_run, key);
      if (found) {
        if (found->state == RunState::failed) {
          execute(db,
                  "UPDATE runs SET state = 'running', finished_at_ms = NULL, message = '' "
                  "WHERE id = ?",
                  found->id);
          found->state = RunState::running;
          found->finished_at_ms = 0;
          found->message.clear();
        }
        add_regions(db, *found);
        return Begun{std::move(*found), true};
      }
    }
    RunRecord run;
    run.id = random_id();
    run.identity = identity;
    run.started_at_ms = connection_->now_ms();
    execute(db,
            "INSERT INTO runs (id, key, operator_hash, device, settings_json, seed, tool_version, "
            "state, started_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?)",
            run.id, key, identity.operator_hash, identity.device, identity.settings_json,
            identity.seed, identity.tool_version, run.started_at_ms);
    return Begun{std::move(run), false};
  });
}

Result<void> Runs::finish(const std::string& run_id, const RunResult& result) {
  if (result.verdict.empty()) return internal_error("run " + run_id + " finished without a verdict");
  auto changed = connection_->write<int>([&](SQLite::Database& db) {
    const int rows = execute(
        db,
        "UPDATE runs SET state = 'finished', finished_at_ms = ?, message = ?, verdict = ?, "
        "verified = ?, candidate_id = ?, bound_ns = ?, cost_model_version = ?, "
        "start_modelled_ns = ?, start_measured_ns = ?, best_modelled_ns = ?, best_measured_ns = ?, "
        "compiles = ?, llm_calls = ?, details_json = ? WHERE id = ?",
        connection_->now_ms(), result.message, result.verdict, result.verified,
        null_if_empty(result.candidate_id), result.bound_ns, result.cost_model_version,
        result.start.modelled_ns, result.start.measured_ns, result.best.modelled_ns,
        result.best.measured_ns, result.compiles, result.llm_calls, result.details_json, run_id);
    if (rows == 0) return rows;
    execute(db, "DELETE FROM run_regions WHERE run_id = ?", run_id);
    std::int64_t ordinal = 0;
    for (const RunRegion& region : result.regions)
      execute(db, "INSERT INTO run_regions VALUES (?, ?, ?, ?, ?)", run_id, ordinal++,
              region.region_hash, region.uses, null_if_empty(region.candidate_id));
    return rows;
  });
  if (!changed) return tl::unexpected<Error>(changed.error());
  if (*changed == 0) return internal_error("there is no run " + run_id + " to finish");
  return {};
}

Result<void> Runs::fail(const std::string& run_id, const std::string& message) {
  auto changed = connection_->write<int>([&](SQLite::Database& db) {
    return execute(db,
                   "UPDATE runs SET state = 'failed', finished_at_ms = ?, message = ? "
                   "WHERE id = ? AND state = 'running'",
                   connection_->now_ms(), message, run_id);
  });
  if (!changed) return tl::unexpected<Error>(changed.error());
  if (*changed == 0) return internal_error("there is no running run " + run_id + " that could fail");
  return {};
}

Result<std::optional<RunRecord>> Runs::find(const std::string& run_id) {
  return connection_->read<std::optional<RunRecord>>(
      [&](SQLite::Database& db) { return run_with_id(db, run_id); });
}

Result<std::optional<OperatorRecord>> Runs::operator_of(const std::string& operator_hash) {
  return connection_->read<std::optional<OperatorRecord>>(
      [&](SQLite::Database& db) { return operator_with_hash(db, operator_hash); });
}

}  // namespace mtmc::store
