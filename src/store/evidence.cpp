// Verdicts are keyed by all that they depend on; times by candidate, binary, device and by what made
// the time (cost model, or driver and protocol). Modelled and measured times have a table each and
// are never compared here.
#include "store/evidence.hpp"

#include <cmath>

#include "store/evidence_rows.hpp"
#include "store/keys.hpp"

namespace mtmc::store {

namespace {

bool is_time(double ns) { return std::isfinite(ns) && ns >= 0; }
bool is_time(const std::optional<double>& ns) { return !ns || is_time(*ns); }

tl::unexpected<Error> no_time(const char* word, const std::string& candidate_id, double ns) {
  return internal_error(std::string("the ") + word + " time of candidate " + candidate_id + " is " +
                        std::to_string(ns) + " ns: expected finite parts that are not negative");
}

// True of row t where the newest harness that judged its binary said `correct` and nothing that refutes.
std::string is_correct() {
  return std::string("(SELECT max(v.outcome = 'correct') AND NOT max(v.outcome IN ") + kRefuting +
         ") FROM verdicts v WHERE v.candidate_id = t.candidate_id AND v.device = t.device AND "
         "v.binary_hash = t.binary_hash AND v.harness_version = (SELECT max(w.harness_version) FROM "
         "verdicts w WHERE w.candidate_id = t.candidate_id AND w.device = t.device AND w.binary_hash "
         "= t.binary_hash)) = 1";
}

}  // namespace

Result<void> Evidence::put_verdict(const VerdictRecord& verdict) {
  return connection_->write<void>([&](SQLite::Database& db) {
    // A ratio against a tolerance may be infinite or no number; SQLite has no NaN.
    const double worst = std::isnan(verdict.worst) ? INFINITY : verdict.worst;
    execute(db,
            "INSERT OR REPLACE INTO verdicts (key, candidate_id, binary_hash, device, harness_version, "
            "outcome, verified, message, worst, details_json, created_at_ms) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            verdict.key, verdict.candidate_id, verdict.binary_hash, verdict.device,
            verdict.harness_version, verdict.outcome, verdict.verified, verdict.message, worst,
            verdict.details_json, connection_->now_ms());
  });
}

Result<std::optional<VerdictRecord>> Evidence::verdict(const std::string& key) {
  return connection_->read<std::optional<VerdictRecord>>([&](SQLite::Database& db) {
    return first(db, std::string(kVerdictColumns) + "WHERE key = ?", read_verdict, key);
  });
}

Result<void> Evidence::put_modelled(const ModelledTime& time) {
  for (double ns : {time.modelled_ns, time.launch_ns, time.issue_ns, time.shared_ns,
                    time.latency_ns, time.l2_ns, time.dram_ns, time.tail_ns})
    if (!is_time(ns)) return no_time("modelled", time.key.candidate_id, ns);
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT OR REPLACE INTO modelled_times (candidate_id, binary_hash, device, "
            "cost_model_version, modelled_ns, launch_ns, issue_ns, shared_ns, latency_ns, l2_ns, dram_ns, "
            "tail_ns, counters_json, created_at_ms) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            time.key.candidate_id, time.key.binary_hash, time.key.device,
            time.key.cost_model_version, time.modelled_ns, time.launch_ns, time.issue_ns,
            time.shared_ns, time.latency_ns, time.l2_ns, time.dram_ns, time.tail_ns, time.counters_json, connection_->now_ms());
  });
}

Result<std::optional<ModelledTime>> Evidence::modelled(const ModelledKey& key) {
  return connection_->read<std::optional<ModelledTime>>([&](SQLite::Database& db) {
    return first(db,
                 std::string(kModelledColumns) +
                     "WHERE candidate_id = ? AND binary_hash = ? AND device = ? AND "
                     "cost_model_version = ?",
                 read_modelled, key.candidate_id, key.binary_hash, key.device,
                 key.cost_model_version);
  });
}

Result<void> Evidence::put_measured(const MeasuredTime& time) {
  if (!is_time(time.measured_ns))
    return no_time("measured", time.key.candidate_id, time.measured_ns);
  for (const auto& ns : {time.busy_ns, time.span_ns, time.wall_ns})
    if (!is_time(ns)) return no_time("measured", time.key.candidate_id, *ns);
  return connection_->write<void>([&](SQLite::Database& db) {
    const std::string samples = blob_of(time.samples_ns);
    SQLite::Statement insert(
        db,
        "INSERT INTO measured_times (id, candidate_id, binary_hash, device, driver, protocol, "
        "measured_ns, busy_ns, span_ns, wall_ns, samples, details_json, created_at_ms) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    bind_all(insert, random_id(), time.key.candidate_id, time.key.binary_hash, time.key.device,
             time.key.driver, time.key.protocol, time.measured_ns, time.busy_ns, time.span_ns,
             time.wall_ns);
    insert.bind(11, static_cast<const void*>(samples.data()), static_cast<int>(samples.size()));
    insert.bind(12, time.details_json);
    insert.bind(13, connection_->now_ms());
    insert.exec();
  });
}

Result<std::optional<MeasuredTime>> Evidence::measured(const MeasuredKey& key) {
  return connection_->read<std::optional<MeasuredTime>>([&](SQLite::Database& db) {
    return first(db,
                 std::string(kMeasuredColumns) +
                     "WHERE candidate_id = ? AND binary_hash = ? AND device = ? AND driver = ? AND "
                     "protocol = ? ORDER BY created_at_ms DESC, rowid DESC LIMIT 1",
                 read_measured, key.candidate_id, key.binary_hash, key.device, key.driver,
                 key.protocol);
  });
}

Result<std::optional<BestCandidate>> Evidence::best_modelled(const std::string& region_hash,
                                                             const std::string& device,
                                                             std::int64_t cost_model_version) {
  return connection_->read<std::optional<BestCandidate>>([&](SQLite::Database& db) {
    return first(
        db,
        std::string("SELECT t.candidate_id, t.modelled_ns FROM modelled_times t JOIN candidates c ON "
                    "c.id = t.candidate_id WHERE c.region_hash = ? AND t.device = ? AND "
                    "t.cost_model_version = ? AND ") +
            is_correct() + " ORDER BY t.modelled_ns, t.candidate_id LIMIT 1",
        [](Cursor& c) {
          return BestCandidate{c.text(), {c.maybe_real(), std::nullopt}};
        },
        region_hash, device, cost_model_version);
  });
}

Result<std::optional<BestCandidate>> Evidence::best_measured(const std::string& region_hash,
                                                             const std::string& device,
                                                             const std::string& protocol) {
  return connection_->read<std::optional<BestCandidate>>([&](SQLite::Database& db) {
    return first(
        db,
        std::string("SELECT t.candidate_id, t.measured_ns FROM measured_times t JOIN candidates c ON "
                    "c.id = t.candidate_id WHERE c.region_hash = ? AND t.device = ? AND t.protocol = ? "
                    "AND NOT EXISTS (SELECT 1 FROM measured_times n WHERE n.candidate_id = "
                    "t.candidate_id AND n.binary_hash = t.binary_hash AND n.device = t.device AND "
                    "n.protocol = t.protocol AND (n.created_at_ms, n.rowid) > (t.created_at_ms, "
                    "t.rowid)) AND ") +
            is_correct() + " ORDER BY t.measured_ns, t.candidate_id LIMIT 1",
        [](Cursor& c) {
          return BestCandidate{c.text(), {std::nullopt, c.maybe_real()}};
        },
        region_hash, device, protocol);
  });
}

}  // namespace mtmc::store
