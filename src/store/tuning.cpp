// Trials and bounds: plain keyed rows.
#include "store/tuning.hpp"

#include "store/connection.hpp"

namespace mtmc::store {

Result<void> Tuning::put_trial(const TrialRecord& t) {
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT OR REPLACE INTO tuning_trials (family, device, protocol, configuration_json, "
            "outcome, modelled_ns, measured_ns, candidate_id, created_at_ms) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            t.family, t.device, t.protocol, t.configuration_json, t.outcome, t.time.modelled_ns,
            t.time.measured_ns, null_if_empty(t.candidate_id), connection_->now_ms());
  });
}

Result<std::vector<TrialRecord>> Tuning::trials(const std::string& family,
                                                const std::string& device,
                                                const std::string& protocol) {
  return connection_->read<std::vector<TrialRecord>>([&](SQLite::Database& db) {
    return all(
        db,
        "SELECT family, device, protocol, configuration_json, outcome, modelled_ns, measured_ns, "
        "candidate_id FROM tuning_trials WHERE family = ? AND device = ? AND protocol = ? "
        "ORDER BY configuration_json",
        [](Cursor& c) {
          return TrialRecord{c.text(), c.text(), c.text(), c.text(), c.text(),
                             {c.maybe_real(), c.maybe_real()}, c.text()};
        },
        family, device, protocol);
  });
}

Result<std::vector<TrialRecord>> Tuning::kin(const std::string& kernel, const std::string& family,
                                             const std::string& device, std::int64_t most) {
  return connection_->read<std::vector<TrialRecord>>([&](SQLite::Database& db) {
    return all(
        db,
        "SELECT family, device, protocol, configuration_json, outcome, modelled_ns, measured_ns, "
        "candidate_id FROM (SELECT *, row_number() OVER (PARTITION BY family, device, protocol "
        "ORDER BY coalesce(measured_ns, modelled_ns), configuration_json) AS place FROM tuning_trials "
        "WHERE substr(family, 1, length(?)) = ? AND outcome = 'correct' AND NOT (family = ? AND device = ?)) "
        "WHERE place <= ? ORDER BY place, family, device, protocol",
        [](Cursor& c) {
          return TrialRecord{c.text(), c.text(), c.text(), c.text(), c.text(),
                             {c.maybe_real(), c.maybe_real()}, c.text()};
        },
        kernel, kernel, family, device, most);
  });
}

Result<void> Tuning::put_bound(const BoundRecord& b) {
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT OR REPLACE INTO bounds (region_hash, device, version, bound_ns, bytes, operations) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            b.region_hash, b.device, b.version, b.bound_ns, b.bytes, b.operations);
  });
}

Result<std::optional<BoundRecord>> Tuning::bound(const std::string& region_hash,
                                                 const std::string& device, std::int64_t version) {
  return connection_->read<std::optional<BoundRecord>>([&](SQLite::Database& db) {
    return first(
        db,
        "SELECT region_hash, device, version, bound_ns, bytes, operations FROM bounds "
        "WHERE region_hash = ? AND device = ? AND version = ?",
        [](Cursor& c) {
          return BoundRecord{c.text(), c.text(), c.integer(), c.real(), c.real(), c.real()};
        },
        region_hash, device, version);
  });
}

}  // namespace mtmc::store
