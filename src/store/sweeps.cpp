// A sweep's items are rows of their own: a killed sweep has lost at most the state of the task that
// was running, and that task's run resumes by itself.
#include "store/sweeps.hpp"

#include "store/keys.hpp"
#include "store/run_rows.hpp"
#include "store/sweep_rows.hpp"

namespace mtmc::store {

namespace {

const char* word_of(ItemState state) {
  switch (state) {
    case ItemState::pending: return "pending";
    case ItemState::running: return "running";
    case ItemState::done: return "done";
  }
  return "pending";
}

ItemState item_state_named(const std::string& word) {
  if (word == "done") return ItemState::done;
  return word == "running" ? ItemState::running : ItemState::pending;
}

constexpr char kColumns[] =
    "SELECT id, name, device, settings_json, seed, tool_version, state, started_at_ms, "
    "finished_at_ms FROM sweeps ";

SweepRecord read_sweep(Cursor& c) {
  SweepRecord sweep;
  sweep.id = c.text();
  sweep.identity.name = c.text();
  sweep.identity.device = c.text();
  sweep.identity.settings_json = c.text();
  sweep.identity.seed = static_cast<std::uint64_t>(c.integer());
  sweep.identity.tool_version = c.text();
  sweep.state = run_state_named(c.text());
  sweep.started_at_ms = c.integer();
  sweep.finished_at_ms = c.integer();
  return sweep;
}

}  // namespace

std::vector<SweepItem> items_of(SQLite::Database& db, const std::string& sweep_id) {
  return all(
      db,
      "SELECT task_id, state, run_id, outcome, message FROM sweep_items WHERE sweep_id = ? "
      "ORDER BY ordinal, task_id",
      [](Cursor& c) {
        SweepItem item;
        item.task_id = c.text();
        item.state = item_state_named(c.text());
        item.run_id = c.text();
        item.outcome = c.text();
        item.message = c.text();
        return item;
      },
      sweep_id);
}

std::optional<SweepRecord> sweep_with_id(SQLite::Database& db, const std::string& id) {
  return first(db, std::string(kColumns) + "WHERE id = ?", read_sweep, id);
}

Result<Sweeps::Begun> Sweeps::begin(const SweepIdentity& identity,
                                    const std::vector<std::string>& task_ids, bool fresh) {
  return connection_->write<Begun>([&](SQLite::Database& db) {
    const std::string key = sweep_key(identity);
    std::optional<SweepRecord> sweep;
    if (!fresh)
      sweep = first(db,
                    std::string(kColumns) +
                        "WHERE key = ? ORDER BY started_at_ms DESC, rowid DESC LIMIT 1",
                    read_sweep, key);
    const bool resumed = sweep.has_value();
    if (!sweep) {
      sweep.emplace();
      sweep->id = random_id();
      sweep->identity = identity;
      sweep->started_at_ms = connection_->now_ms();
      execute(db,
              "INSERT INTO sweeps (id, key, name, device, settings_json, seed, tool_version, state, "
              "started_at_ms) VALUES (?, ?, ?, ?, ?, ?, ?, 'running', ?)",
              sweep->id, key, identity.name, identity.device, identity.settings_json, identity.seed,
              identity.tool_version, sweep->started_at_ms);
    }
    std::int64_t ordinal = 0;
    int added = 0;
    for (const std::string& task : task_ids) {
      added += execute(db,
                       "INSERT INTO sweep_items (sweep_id, task_id, ordinal, state, outcome, message) "
                       "VALUES (?, ?, ?, 'pending', '', '') ON CONFLICT DO NOTHING",
                       sweep->id, task, ordinal++);
    }
    if (resumed && added > 0) {
      execute(db, "UPDATE sweeps SET state = 'running', finished_at_ms = NULL WHERE id = ?",
              sweep->id);
      sweep->state = RunState::running;
      sweep->finished_at_ms = 0;
    }
    auto items = items_of(db, sweep->id);
    return Begun{std::move(*sweep), std::move(items), resumed};
  });
}

Result<void> Sweeps::set(const std::string& sweep_id, const SweepItem& item) {
  auto changed = connection_->write<int>([&](SQLite::Database& db) {
    return execute(db,
                   "UPDATE sweep_items SET state = ?, run_id = ?, outcome = ?, message = ? "
                   "WHERE sweep_id = ? AND task_id = ?",
                   word_of(item.state), null_if_empty(item.run_id), item.outcome, item.message,
                   sweep_id, item.task_id);
  });
  if (!changed) return tl::unexpected<Error>(changed.error());
  if (*changed == 0)
    return internal_error("sweep " + sweep_id + " has no task '" + item.task_id + "'");
  return {};
}

Result<void> Sweeps::finish(const std::string& sweep_id) {
  auto changed = connection_->write<int>([&](SQLite::Database& db) {
    return execute(db,
                   "UPDATE sweeps SET state = 'finished', finished_at_ms = ?1 WHERE id = ?2 AND NOT "
                   "EXISTS (SELECT 1 FROM sweep_items WHERE sweep_id = ?2 AND state <> 'done')",
                   connection_->now_ms(), sweep_id);
  });
  if (!changed) return tl::unexpected<Error>(changed.error());
  if (*changed == 0)
    return internal_error("there is no sweep " + sweep_id + ", or some of its tasks are not done");
  return {};
}

Result<std::optional<SweepRecord>> Sweeps::find(const std::string& sweep_id) {
  return connection_->read<std::optional<SweepRecord>>(
      [&](SQLite::Database& db) { return sweep_with_id(db, sweep_id); });
}

Result<std::vector<SweepItem>> Sweeps::items(const std::string& sweep_id) {
  return connection_->read<std::vector<SweepItem>>(
      [&](SQLite::Database& db) { return items_of(db, sweep_id); });
}

}  // namespace mtmc::store
