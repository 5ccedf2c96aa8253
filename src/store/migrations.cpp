// The steps of the schema. Tables are STRICT: a column holds its type or nothing. Ids and hashes
// are TEXT, "none" is NULL and never an empty text, enumerations are words held by CHECK. Modelled
// and measured times have tables or columns of their own everywhere.
#include "store/migrations.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

#include "store/connection.hpp"

namespace mtmc::store {

namespace {

// Runs, candidates and what is known about them; the search tree.
constexpr char kSearch[] = R"sql(
CREATE TABLE operators (
  hash TEXT PRIMARY KEY,
  line TEXT NOT NULL,
  json TEXT NOT NULL
) STRICT;
CREATE TABLE operator_names (
  operator_hash TEXT NOT NULL REFERENCES operators,
  name TEXT NOT NULL,
  PRIMARY KEY (name, operator_hash)
) STRICT, WITHOUT ROWID;
CREATE TABLE regions (
  hash TEXT PRIMARY KEY,
  text TEXT NOT NULL
) STRICT;
CREATE TABLE candidates (
  id TEXT PRIMARY KEY,
  region_hash TEXT NOT NULL REFERENCES regions,
  json TEXT NOT NULL,
  parent_id TEXT REFERENCES candidates,
  step_key TEXT NOT NULL,
  written_by TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX candidates_by_region ON candidates (region_hash);
CREATE INDEX candidates_by_parent ON candidates (parent_id);
CREATE TABLE runs (
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL,
  operator_hash TEXT NOT NULL REFERENCES operators,
  device TEXT NOT NULL,
  settings_json TEXT NOT NULL,
  seed INTEGER NOT NULL,
  tool_version TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'failed')),
  started_at_ms INTEGER NOT NULL,
  finished_at_ms INTEGER,
  message TEXT NOT NULL DEFAULT '',
  verdict TEXT,
  verified TEXT,
  candidate_id TEXT REFERENCES candidates,
  bound_ns REAL,
  cost_model_version INTEGER,
  start_modelled_ns REAL,
  best_modelled_ns REAL,
  start_measured_ns REAL,
  best_measured_ns REAL,
  compiles INTEGER,
  llm_calls INTEGER,
  details_json TEXT,
  CHECK (state <> 'finished' OR (finished_at_ms IS NOT NULL AND verdict IS NOT NULL))
) STRICT;
CREATE INDEX runs_by_key ON runs (key, started_at_ms);
CREATE INDEX runs_by_operator ON runs (operator_hash);
CREATE INDEX runs_by_start ON runs (started_at_ms);
CREATE TABLE run_regions (
  run_id TEXT NOT NULL REFERENCES runs,
  ordinal INTEGER NOT NULL,
  region_hash TEXT NOT NULL REFERENCES regions,
  uses INTEGER NOT NULL,
  candidate_id TEXT REFERENCES candidates,
  PRIMARY KEY (run_id, ordinal)
) STRICT, WITHOUT ROWID;
CREATE TABLE compiles (
  binary_hash TEXT PRIMARY KEY,
  outcome TEXT NOT NULL,
  architecture TEXT NOT NULL,
  compiler TEXT NOT NULL,
  registers INTEGER NOT NULL,
  spill_bytes INTEGER NOT NULL,
  static_shared_bytes INTEGER NOT NULL,
  kernels_json TEXT NOT NULL,
  diagnostics_json TEXT NOT NULL,
  compile_ms REAL NOT NULL
) STRICT;
CREATE TABLE verdicts (
  key TEXT PRIMARY KEY,
  candidate_id TEXT NOT NULL REFERENCES candidates,
  binary_hash TEXT NOT NULL,
  device TEXT NOT NULL,
  harness_version INTEGER NOT NULL,
  outcome TEXT NOT NULL,
  verified TEXT NOT NULL,
  message TEXT NOT NULL,
  worst REAL NOT NULL,
  details_json TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX verdicts_by_candidate ON verdicts (candidate_id, device, binary_hash, harness_version);
CREATE TABLE modelled_times (
  candidate_id TEXT NOT NULL REFERENCES candidates,
  binary_hash TEXT NOT NULL,
  device TEXT NOT NULL,
  cost_model_version INTEGER NOT NULL,
  modelled_ns REAL NOT NULL,
  launch_ns REAL NOT NULL,
  issue_ns REAL NOT NULL,
  shared_ns REAL NOT NULL,
  dram_ns REAL NOT NULL,
  counters_json TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (candidate_id, binary_hash, device, cost_model_version)
) STRICT;
CREATE TABLE measured_times (
  id TEXT PRIMARY KEY,
  candidate_id TEXT NOT NULL REFERENCES candidates,
  binary_hash TEXT NOT NULL,
  device TEXT NOT NULL,
  driver TEXT NOT NULL,
  protocol TEXT NOT NULL,
  measured_ns REAL NOT NULL,
  busy_ns REAL,
  span_ns REAL,
  wall_ns REAL,
  samples BLOB NOT NULL,
  details_json TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX measured_times_by_key
  ON measured_times (candidate_id, binary_hash, device, driver, protocol, created_at_ms);
CREATE TABLE nodes (
  run_id TEXT NOT NULL REFERENCES runs,
  id TEXT NOT NULL,
  region_hash TEXT NOT NULL REFERENCES regions,
  parent_id TEXT,
  ordinal INTEGER NOT NULL,
  step_key TEXT NOT NULL,
  step_json TEXT NOT NULL,
  candidate_id TEXT REFERENCES candidates,
  outcome TEXT NOT NULL,
  message TEXT NOT NULL,
  modelled_ns REAL,
  measured_ns REAL,
  gain REAL NOT NULL,
  PRIMARY KEY (run_id, id),
  FOREIGN KEY (run_id, parent_id) REFERENCES nodes (run_id, id)
) STRICT;
CREATE INDEX nodes_by_parent ON nodes (run_id, parent_id);
)sql";

constexpr char kSweeps[] = R"sql(
CREATE TABLE sweeps (
  id TEXT PRIMARY KEY,
  key TEXT NOT NULL,
  name TEXT NOT NULL,
  device TEXT NOT NULL,
  settings_json TEXT NOT NULL,
  seed INTEGER NOT NULL,
  tool_version TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('running', 'finished', 'failed')),
  started_at_ms INTEGER NOT NULL,
  finished_at_ms INTEGER
) STRICT;
CREATE INDEX sweeps_by_key ON sweeps (key, started_at_ms);
CREATE TABLE sweep_items (
  sweep_id TEXT NOT NULL REFERENCES sweeps,
  task_id TEXT NOT NULL,
  ordinal INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done')),
  run_id TEXT REFERENCES runs,
  outcome TEXT NOT NULL,
  message TEXT NOT NULL,
  PRIMARY KEY (sweep_id, task_id)
) STRICT, WITHOUT ROWID;
)sql";

// What models said, what a policy is trained from, what the tuner tried, and the bounds.
constexpr char kLearning[] = R"sql(
CREATE TABLE exchanges (
  key TEXT PRIMARY KEY,
  request_hash TEXT NOT NULL,
  endpoint TEXT NOT NULL,
  sample INTEGER NOT NULL,
  role TEXT NOT NULL,
  run_id TEXT REFERENCES runs,
  model TEXT NOT NULL,
  request_json TEXT NOT NULL,
  answer TEXT NOT NULL,
  prompt_tokens INTEGER NOT NULL,
  completion_tokens INTEGER NOT NULL,
  latency_ms REAL NOT NULL,
  price_usd REAL,
  finish_reason TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX exchanges_by_run ON exchanges (run_id);
CREATE TABLE transitions (
  run_id TEXT NOT NULL,
  node_id TEXT NOT NULL,
  planner TEXT NOT NULL,
  action TEXT NOT NULL,
  architecture TEXT NOT NULL,
  dtype TEXT NOT NULL,
  bottleneck TEXT NOT NULL,
  state_json TEXT NOT NULL,
  expected_gain REAL NOT NULL,
  reward REAL NOT NULL,
  PRIMARY KEY (run_id, node_id),
  FOREIGN KEY (run_id, node_id) REFERENCES nodes (run_id, id)
) STRICT;
CREATE INDEX transitions_by_action ON transitions (action, bottleneck, architecture, dtype);
CREATE TABLE tuning_trials (
  family TEXT NOT NULL,
  device TEXT NOT NULL,
  protocol TEXT NOT NULL,
  configuration_json TEXT NOT NULL,
  outcome TEXT NOT NULL,
  modelled_ns REAL,
  measured_ns REAL,
  candidate_id TEXT REFERENCES candidates,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (family, device, protocol, configuration_json)
) STRICT, WITHOUT ROWID;
CREATE TABLE bounds (
  region_hash TEXT NOT NULL REFERENCES regions,
  device TEXT NOT NULL,
  version INTEGER NOT NULL,
  bound_ns REAL NOT NULL,
  bytes REAL NOT NULL,
  operations REAL NOT NULL,
  PRIMARY KEY (region_hash, device, version)
) STRICT, WITHOUT ROWID;
)sql";

constexpr const char* kCeilings = R"sql(
CREATE TABLE ceilings (
  device TEXT NOT NULL,
  driver TEXT NOT NULL,
  version INTEGER NOT NULL,
  protocol TEXT NOT NULL,
  copy_bytes_per_s REAL NOT NULL,
  fp32_flops REAL NOT NULL,
  tf32_flops REAL NOT NULL,
  bf16_flops REAL NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (device, driver, version)
) STRICT, WITHOUT ROWID;
)sql";

// What other frameworks took for a suite's tasks.
constexpr char kBaselines[] = R"sql(
CREATE TABLE baselines (
  id TEXT PRIMARY KEY,
  task_id TEXT NOT NULL,
  operator_json TEXT NOT NULL,
  device TEXT NOT NULL,
  framework TEXT NOT NULL,
  mode TEXT NOT NULL CHECK (mode IN ('eager', 'compile')),
  precision_json TEXT NOT NULL,
  protocol TEXT NOT NULL,
  measured_ns REAL NOT NULL,
  busy_ns REAL,
  wall_ns REAL,
  samples BLOB NOT NULL,
  details_json TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX baselines_by_task ON baselines (task_id, device, created_at_ms);
)sql";

// Which answers a run took and paid for, what was wrong with one, and two rewards.
constexpr char kConversations[] = R"sql(
ALTER TABLE exchanges ADD COLUMN problem TEXT NOT NULL DEFAULT '';
ALTER TABLE exchanges ADD COLUMN cached_tokens INTEGER NOT NULL DEFAULT 0;
ALTER TABLE exchanges ADD COLUMN tokens_estimated INTEGER NOT NULL DEFAULT 0;
CREATE TABLE run_exchanges (
  run_id TEXT NOT NULL REFERENCES runs,
  ordinal INTEGER NOT NULL,
  key TEXT NOT NULL REFERENCES exchanges,
  charged INTEGER NOT NULL,
  PRIMARY KEY (run_id, ordinal)
) STRICT, WITHOUT ROWID;
INSERT INTO run_exchanges SELECT run_id,
  row_number() OVER (PARTITION BY run_id ORDER BY created_at_ms, rowid) - 1, key, 1
  FROM exchanges WHERE run_id IS NOT NULL;
ALTER TABLE transitions ADD COLUMN risk REAL NOT NULL DEFAULT 0;
ALTER TABLE transitions ADD COLUMN staged_reward REAL NOT NULL DEFAULT 0;
CREATE TABLE translations (
  text TEXT NOT NULL,
  line TEXT NOT NULL,
  model TEXT NOT NULL,
  created_at_ms INTEGER NOT NULL,
  PRIMARY KEY (text, line)
) STRICT;
)sql";

// Parts of modelled times that older cost models did not tell apart.
constexpr char kModelledParts[] = R"sql(
ALTER TABLE modelled_times ADD COLUMN latency_ns REAL NOT NULL DEFAULT 0;
ALTER TABLE modelled_times ADD COLUMN l2_ns REAL NOT NULL DEFAULT 0;
ALTER TABLE modelled_times ADD COLUMN tail_ns REAL NOT NULL DEFAULT 0;
)sql";

}  // namespace

const std::vector<Migration>& migrations() {
  static const std::vector<Migration> kSteps = {
      {"runs, candidates, verdicts, times and the search tree", kSearch},
      {"sweeps", kSweeps},
      {"model exchanges, transitions, tuning trials and bounds", kLearning},
      {"ceilings of real devices", kCeilings},
      {"baselines of suite tasks", kBaselines},
      {"the answers that a run took, plain language and staged rewards", kConversations},
      {"latency, L2 and tail of modelled times", kModelledParts},
  };
  return kSteps;
}

int newest_version() { return static_cast<int>(migrations().size()); }

FileKind kind_of(SQLite::Database& database) {
  FileKind kind;
  const auto objects = first(database, "SELECT count(*) FROM sqlite_master",
                             [](Cursor& c) { return c.integer(); });
  if (*objects == 0) return kind;
  const auto application =
      first(database, "PRAGMA application_id", [](Cursor& c) { return c.integer(); });
  const auto table = first(
      database, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'schema_version'",
      [](Cursor& c) { return c.integer(); });
  if (*application != kApplicationId || *table == 0) {
    kind.foreign = true;
    return kind;
  }
  const auto version = first(database, "SELECT coalesce(max(version), 0) FROM schema_version",
                             [](Cursor& c) { return c.integer(); });
  kind.version = static_cast<int>(*version);
  return kind;
}

void migrate(SQLite::Database& database, int target, std::int64_t now_ms) {
  int version = kind_of(database).version;
  if (version == 0) {
    database.exec("PRAGMA application_id = " + std::to_string(kApplicationId));
    database.exec(
        "CREATE TABLE IF NOT EXISTS schema_version ("
        "version INTEGER PRIMARY KEY, purpose TEXT NOT NULL, migrated_at_ms INTEGER NOT NULL) STRICT");
  }
  for (; version < target; ++version) {
    const Migration& step = migrations()[static_cast<std::size_t>(version)];
    database.exec(step.sql);
    execute(database, "INSERT INTO schema_version VALUES (?, ?, ?)", std::int64_t{version + 1},
            step.purpose, now_ms);
  }
}

}  // namespace mtmc::store
