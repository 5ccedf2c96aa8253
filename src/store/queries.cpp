// Views over several tables. Each is read inside one transaction, so that a search that is writing
// meanwhile cannot show half of itself.
#include "store/queries.hpp"

#include <algorithm>
#include <set>

#include "store/evidence_rows.hpp"
#include "store/run_rows.hpp"
#include "store/sweep_rows.hpp"
#include "store/tree_rows.hpp"

namespace mtmc::store {

namespace {

constexpr std::size_t kShortestPrefix = 6;
constexpr int kMostListed = 8;

bool is_word(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

// Over tables r (runs) and o (operators); ?1 word, ?2 part of the line, ?3 part of the device.
constexpr char kOperatorAndDevice[] =
    "(?1 = '' OR EXISTS (SELECT 1 FROM operator_names n WHERE n.operator_hash = r.operator_hash AND "
    "lower(n.name) = lower(?1))) AND (?2 = '' OR instr(lower(o.line), lower(?2)) > 0) AND "
    "(?3 = '' OR instr(lower(r.device), lower(?3)) > 0)";

// True of run r where the newest harness on its device refuted one of its candidates.
std::string refuted() {
  return std::string(
             "EXISTS (SELECT 1 FROM (SELECT r.candidate_id AS id UNION SELECT q.candidate_id FROM "
             "run_regions q WHERE q.run_id = r.id) c JOIN verdicts v ON v.candidate_id = c.id AND "
             "v.device = r.device WHERE v.outcome IN ") +
         kRefuting +
         " AND v.harness_version = (SELECT max(w.harness_version) FROM verdicts w WHERE "
         "w.candidate_id = c.id AND w.device = r.device))";
}

RunRow read_run_row(Cursor& c) {
  RunRow row;
  row.operator_line = c.text();
  row.run = read_run(c);
  return row;
}

std::vector<RunRow> best_by(SQLite::Database& db, const Filter& filter, const std::string& column) {
  // Times of different cost models do not compare; the newest model's stand.
  const std::string newest_model =
      column != "best_modelled_ns"
          ? ""
          : " AND r.cost_model_version = (SELECT max(s.cost_model_version) FROM runs s WHERE "
            "s.operator_hash = r.operator_hash AND s.device = r.device AND s.verdict = 'correct')";
  const std::string sql =
      "SELECT o.line, " + std::string(kRunColumns) +
      " FROM runs r JOIN operators o ON o.hash = r.operator_hash JOIN (SELECT r.id AS id, "
      "row_number() OVER (PARTITION BY r.operator_hash, r.device ORDER BY r." +
      column +
      ", r.started_at_ms, r.id) AS place FROM runs r JOIN operators o ON o.hash = r.operator_hash "
      "WHERE r.state = 'finished' AND r.verdict = 'correct' AND r." +
      column + " IS NOT NULL AND " + kOperatorAndDevice + newest_model + " AND NOT " + refuted() +
      ") p ON p.id = r.id WHERE p.place = 1 ORDER BY o.line, r.device, r.id LIMIT ?4";
  const bool word = is_word(filter.op);
  return all(db, sql, read_run_row, word ? filter.op : std::string(),
             word ? std::string() : filter.op, filter.device, filter.limit);
}

const char* word_of(IdKind kind) {
  switch (kind) {
    case IdKind::run: return "run";
    case IdKind::candidate: return "candidate";
    case IdKind::sweep: return "sweep";
  }
  return "run";
}

std::optional<RegionRecord> region_with_hash(SQLite::Database& db, const std::string& hash) {
  return first(
      db, "SELECT hash, text FROM regions WHERE hash = ?",
      [](Cursor& c) { return RegionRecord{c.text(), c.text()}; }, hash);
}

std::optional<CandidateRecord> candidate_with_id(SQLite::Database& db, const std::string& id) {
  return first(
      db,
      "SELECT id, region_hash, json, parent_id, step_key, written_by, created_at_ms FROM candidates "
      "WHERE id = ?",
      [](Cursor& c) {
        return CandidateRecord{c.text(), c.text(), c.text(),   c.text(),
                               c.text(), c.text(), c.integer()};
      },
      id);
}

template <class View>
Result<View> present(Result<std::optional<View>> view, IdKind kind, const std::string& id) {
  if (!view) return tl::unexpected<Error>(view.error());
  if (!*view)
    return bad_input(std::string("there is no ") + word_of(kind) + " " + id +
                     ": `mtmc query list` shows what there is");
  return std::move(**view);
}

}  // namespace

Result<std::vector<RunRow>> Queries::list(const Filter& filter) {
  if (filter.limit < 1)
    return bad_input("limit is " + std::to_string(filter.limit) + ": expected at least 1");
  return connection_->read<std::vector<RunRow>>([&](SQLite::Database& db) {
    const bool word = is_word(filter.op);
    return all(db,
               "SELECT o.line, " + std::string(kRunColumns) +
                   " FROM runs r JOIN operators o ON o.hash = r.operator_hash WHERE " +
                   kOperatorAndDevice +
                   " AND (?4 = '' OR lower(coalesce(r.verdict, r.state)) = lower(?4)) "
                   "ORDER BY r.started_at_ms DESC, r.rowid DESC LIMIT ?5",
               read_run_row, word ? filter.op : std::string(), word ? std::string() : filter.op,
               filter.device, filter.verdict, filter.limit);
  });
}

Result<BestRows> Queries::best(const Filter& filter) {
  if (filter.limit < 1)
    return bad_input("limit is " + std::to_string(filter.limit) + ": expected at least 1");
  return connection_->read<BestRows>([&](SQLite::Database& db) {
    return BestRows{best_by(db, filter, "best_modelled_ns"),
                    best_by(db, filter, "best_measured_ns")};
  });
}

Result<FoundId> Queries::find(const std::string& prefix) {
  std::string begin;
  for (char c : prefix) begin += (c >= 'A' && c <= 'F') ? static_cast<char>(c - 'A' + 'a') : c;
  const bool hex = begin.find_first_not_of("0123456789abcdef") == std::string::npos;
  if (!hex || begin.size() < kShortestPrefix || begin.size() > 64)
    return bad_input("'" + prefix + "' is no id: expected the first 6 or more hexadecimal digits of one");
  using Found = std::vector<FoundId>;
  auto found = connection_->read<Found>([&](SQLite::Database& db) {
    // 'g' comes after every digit: the range is the prefix.
    return all(
        db,
        "SELECT kind, id FROM (SELECT 0 AS kind, id FROM runs UNION ALL SELECT 1, id FROM candidates "
        "UNION ALL SELECT 2, id FROM sweeps) WHERE id >= ?1 AND id < ?1 || 'g' "
        "ORDER BY kind, id LIMIT ?2",
        [](Cursor& c) { return FoundId{static_cast<IdKind>(c.integer()), c.text()}; }, begin,
        std::int64_t{kMostListed + 1});
  });
  if (!found) return tl::unexpected<Error>(found.error());
  if (found->empty())
    return bad_input("no run, candidate or sweep begins with " + begin +
                     ": `mtmc query list` shows what there is");
  if (found->size() == 1) return found->front();
  std::string list;
  for (int i = 0; i < std::min<int>(kMostListed, static_cast<int>(found->size())); ++i) {
    const FoundId& match = (*found)[static_cast<std::size_t>(i)];
    list += (i ? ", " : "") + std::string(word_of(match.kind)) + " " + match.id;
  }
  if (found->size() > kMostListed) list += ", ...";
  return bad_input(begin + " is ambiguous: give more digits of one of " + list);
}

Result<RunView> Queries::run(const std::string& id) {
  return present(connection_->read<std::optional<RunView>>(
                     [&](SQLite::Database& db) -> std::optional<RunView> {
                       auto run = run_with_id(db, id);
                       if (!run) return std::nullopt;
                       RunView view;
                       view.run = std::move(*run);
                       if (auto op = operator_with_hash(db, view.run.identity.operator_hash))
                         view.op = std::move(*op);
                       view.nodes = nodes_of(db, id);
                       std::set<std::string> seen;
                       const auto add = [&](const std::string& hash) {
                         if (!seen.insert(hash).second) return;
                         if (auto region = region_with_hash(db, hash))
                           view.regions.push_back(std::move(*region));
                       };
                       if (view.run.result)
                         for (const auto& region : view.run.result->regions) add(region.region_hash);
                       for (const auto& node : view.nodes) add(node.region_hash);
                       return view;
                     }),
                 IdKind::run, id);
}

Result<CandidateView> Queries::candidate(const std::string& id) {
  return present(
      connection_->read<std::optional<CandidateView>>(
          [&](SQLite::Database& db) -> std::optional<CandidateView> {
            auto candidate = candidate_with_id(db, id);
            if (!candidate) return std::nullopt;
            CandidateView view;
            view.candidate = *candidate;
            if (auto region = region_with_hash(db, candidate->region_hash))
              view.region = std::move(*region);
            // Parents are stored before their children, but a merged file may hold anything: no
            // candidate is visited twice.
            std::set<std::string> seen;
            while (candidate && seen.insert(candidate->id).second) {
              const std::string parent = candidate->parent_id;
              view.lineage.push_back(std::move(*candidate));
              candidate = parent.empty() ? std::nullopt : candidate_with_id(db, parent);
            }
            std::reverse(view.lineage.begin(), view.lineage.end());
            view.verdicts =
                all(db,
                    std::string(kVerdictColumns) +
                        "WHERE candidate_id = ? ORDER BY created_at_ms DESC, rowid DESC",
                    read_verdict, id);
            view.modelled =
                all(db,
                    std::string(kModelledColumns) +
                        "WHERE candidate_id = ? ORDER BY created_at_ms DESC, rowid DESC",
                    read_modelled, id);
            view.measured =
                all(db,
                    std::string(kMeasuredColumns) +
                        "WHERE candidate_id = ? ORDER BY created_at_ms DESC, rowid DESC",
                    read_measured, id);
            return view;
          }),
      IdKind::candidate, id);
}

Result<SweepView> Queries::sweep(const std::string& id) {
  return present(connection_->read<std::optional<SweepView>>(
                     [&](SQLite::Database& db) -> std::optional<SweepView> {
                       auto sweep = sweep_with_id(db, id);
                       if (!sweep) return std::nullopt;
                       SweepView view;
                       view.sweep = std::move(*sweep);
                       for (SweepItem& item : items_of(db, id)) {
                         SweepRow row;
                         row.item = std::move(item);
                         if (auto run = run_with_id(db, row.item.run_id)) {
                           auto op = operator_with_hash(db, run->identity.operator_hash);
                           row.run = RunRow{std::move(*run), op ? op->line : std::string()};
                         }
                         view.rows.push_back(std::move(row));
                       }
                       return view;
                     }),
                 IdKind::sweep, id);
}

}  // namespace mtmc::store
