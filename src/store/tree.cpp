// Nodes are keyed by the way to them (store/keys.hpp), so two processes that continue one run write
// the same rows.
#include "store/tree.hpp"

#include <cmath>

#include "store/connection.hpp"
#include "store/tree_rows.hpp"

namespace mtmc::store {

std::vector<NodeRecord> nodes_of(SQLite::Database& db, const std::string& run_id) {
  return all(
      db,
      "SELECT run_id, id, region_hash, parent_id, ordinal, step_key, step_json, candidate_id, "
      "outcome, message, modelled_ns, measured_ns, gain FROM nodes WHERE run_id = ? "
      "ORDER BY ordinal, id",
      [](Cursor& c) {
        return NodeRecord{c.text(), c.text(), c.text(), c.text(), c.integer(),
                          c.text(), c.text(), c.text(), c.text(), c.text(),
                          {c.maybe_real(), c.maybe_real()},
                          c.real()};
      },
      run_id);
}

Result<void> Tree::put(const NodeRecord& node) {
  if (!std::isfinite(node.gain) || node.gain < 0)
    return internal_error("node " + node.id + " has gain " + std::to_string(node.gain) +
                          ": expected a ratio of times, or 0");
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT INTO nodes (run_id, id, region_hash, parent_id, ordinal, step_key, step_json, "
            "candidate_id, outcome, message, modelled_ns, measured_ns, gain) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_id, id) DO UPDATE SET "
            "ordinal = excluded.ordinal, step_json = excluded.step_json, candidate_id = "
            "excluded.candidate_id, outcome = excluded.outcome, message = excluded.message, "
            "modelled_ns = excluded.modelled_ns, measured_ns = excluded.measured_ns, "
            "gain = excluded.gain",
            node.run_id, node.id, node.region_hash, null_if_empty(node.parent_id), node.ordinal,
            node.step_key, node.step_json, null_if_empty(node.candidate_id), node.outcome,
            node.message, node.time.modelled_ns, node.time.measured_ns, node.gain);
  });
}

Result<std::vector<NodeRecord>> Tree::nodes(const std::string& run_id) {
  return connection_->read<std::vector<NodeRecord>>(
      [&](SQLite::Database& db) { return nodes_of(db, run_id); });
}

Result<void> Tree::put_transition(const TransitionRecord& t) {
  if (!std::isfinite(t.reward) || !std::isfinite(t.expected_gain))
    return internal_error("the transition of node " + t.node_id + " has no finite reward");
  return connection_->write<void>([&](SQLite::Database& db) {
    execute(db,
            "INSERT OR REPLACE INTO transitions (run_id, node_id, planner, action, architecture, "
            "dtype, bottleneck, state_json, expected_gain, reward, risk, staged_reward) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            t.run_id, t.node_id, t.planner, t.action, t.architecture, t.dtype, t.bottleneck,
            t.state_json, t.expected_gain, t.reward, t.risk, t.staged_reward);
  });
}

Result<std::vector<TransitionRecord>> Tree::transitions(const std::string& run_id) {
  return connection_->read<std::vector<TransitionRecord>>([&](SQLite::Database& db) {
    return all(
        db,
        "SELECT t.run_id, t.node_id, t.planner, t.action, t.architecture, t.dtype, t.bottleneck, "
        "t.state_json, t.expected_gain, t.reward, t.risk, t.staged_reward FROM transitions t JOIN nodes n ON n.run_id = "
        "t.run_id AND n.id = t.node_id WHERE t.run_id = ? ORDER BY n.ordinal, n.id",
        [](Cursor& c) {
          return TransitionRecord{c.text(), c.text(), c.text(), c.text(), c.text(),
                                  c.text(), c.text(), c.text(), c.real(), c.real(),
                                  c.real(), c.real()};
        },
        run_id);
  });
}

Result<std::vector<PriorRow>> Tree::priors(const std::string& architecture,
                                           const std::string& dtype, std::int64_t before_ms) {
  struct Row {
    std::string action, bottleneck, outcome;
    double gain;
  };
  return connection_->read<std::vector<PriorRow>>([&](SQLite::Database& db) {
    const auto rows = all(
        db,
        "SELECT t.action, t.bottleneck, n.outcome, n.gain FROM transitions t JOIN nodes n ON "
        "n.run_id = t.run_id AND n.id = t.node_id JOIN runs r ON r.id = t.run_id WHERE "
        "t.architecture = ? AND t.dtype = ? AND r.state = 'finished' AND r.finished_at_ms <= ? "
        "ORDER BY t.action, t.bottleneck, n.gain",
        [](Cursor& c) { return Row{c.text(), c.text(), c.text(), c.real()}; }, architecture, dtype,
        before_ms);
    std::vector<PriorRow> priors;
    std::vector<double> gains;
    const auto close = [&] {
      if (priors.empty() || gains.empty()) return;
      const auto at = [&](std::size_t quarter) { return gains[(gains.size() - 1) * quarter / 4]; };
      priors.back().low = at(1), priors.back().middle = at(2), priors.back().high = at(3);
      gains.clear();
    };
    for (const auto& row : rows) {
      if (priors.empty() || priors.back().action != row.action ||
          priors.back().bottleneck != row.bottleneck) {
        close();
        priors.push_back({row.action, row.bottleneck, 0, 0, 0, 0, 0, {}});
      }
      PriorRow& prior = priors.back();
      ++prior.tried;
      if (row.outcome == "correct") {
        ++prior.correct;
        gains.push_back(row.gain);  // ascending, by the query
      } else {
        ++prior.failures[row.outcome];
      }
    }
    close();
    return priors;
  });
}

}  // namespace mtmc::store
