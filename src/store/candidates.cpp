// Candidates are kept as their JSON text, uncompressed: a source of 20 kB is small beside the time
// it took to judge it, and a reader with nothing but sqlite3 can look at it.
#include "store/candidates.hpp"

#include "store/connection.hpp"

namespace mtmc::store {

Result<void> Candidates::put_region(const RegionRecord& region) {
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db, "INSERT INTO regions (hash, text) VALUES (?, ?) ON CONFLICT DO NOTHING", region.hash,
            region.text);
  });
}

Result<std::optional<RegionRecord>> Candidates::region(const std::string& hash) {
  return connection_->read<std::optional<RegionRecord>>([&](SQLite::Database& db) {
    return first(
        db, "SELECT hash, text FROM regions WHERE hash = ?",
        [](Cursor& c) { return RegionRecord{c.text(), c.text()}; }, hash);
  });
}

Result<void> Candidates::put(const CandidateRecord& candidate) {
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT INTO candidates (id, region_hash, json, parent_id, step_key, written_by, "
            "created_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            candidate.id, candidate.region_hash, candidate.json, null_if_empty(candidate.parent_id),
            candidate.step_key, candidate.written_by, connection_->now_ms());
  });
}

Result<std::optional<CandidateRecord>> Candidates::find(const std::string& id) {
  return connection_->read<std::optional<CandidateRecord>>([&](SQLite::Database& db) {
    return first(
        db,
        "SELECT id, region_hash, json, parent_id, step_key, written_by, created_at_ms "
        "FROM candidates WHERE id = ?",
        [](Cursor& c) {
          return CandidateRecord{c.text(), c.text(), c.text(),   c.text(),
                                 c.text(), c.text(), c.integer()};
        },
        id);
  });
}

Result<void> Candidates::put_compile(const CompileRecord& compile) {
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT OR REPLACE INTO compiles (binary_hash, outcome, architecture, compiler, registers, "
            "spill_bytes, static_shared_bytes, kernels_json, diagnostics_json, compile_ms) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            compile.binary_hash, compile.outcome, compile.architecture, compile.compiler,
            compile.registers, compile.spill_bytes, compile.static_shared_bytes,
            compile.kernels_json, compile.diagnostics_json, compile.compile_ms);
  });
}

Result<std::optional<CompileRecord>> Candidates::compile(const std::string& binary_hash) {
  return connection_->read<std::optional<CompileRecord>>([&](SQLite::Database& db) {
    return first(
        db,
        "SELECT binary_hash, outcome, architecture, compiler, registers, spill_bytes, "
        "static_shared_bytes, kernels_json, diagnostics_json, compile_ms FROM compiles "
        "WHERE binary_hash = ?",
        [](Cursor& c) {
          return CompileRecord{c.text(),    c.text(),    c.text(), c.text(), c.integer(),
                               c.integer(), c.integer(), c.text(), c.text(), c.real()};
        },
        binary_hash);
  });
}

}  // namespace mtmc::store
