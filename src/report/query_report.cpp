// Tables and objects for lists of runs, best runs, one candidate and sweeps.
#include "report/query_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "report/format.hpp"
#include "report/json_parts.hpp"
#include "report/mean_gain.hpp"

namespace mtmc::report {

namespace {

using nlohmann::json;

constexpr std::size_t kLineWidth = 60;  // characters of an operator's line in tables

// The verdict of a finished run, the state of any other.
std::string outcome_of(const store::RunRecord& run) {
  return run.result ? run.result->verdict : word_of(run.state);
}

json row_json(const store::RunRow& row) {
  const store::RunResult none;
  const auto& result = row.run.result ? *row.run.result : none;
  return {{"run", row.run.id},
          {"operator", row.operator_line},
          {"device", row.run.identity.device},
          {"state", word_of(row.run.state)},
          {"verdict", text_or_null(result.verdict)},
          {"verified", text_or_null(result.verified)},
          {"candidate", text_or_null(result.candidate_id)},
          {"message", row.run.message},
          {"bound_ns", number_or_null(result.bound_ns)},
          {"start", times_json(result.start)},
          {"best", times_json(result.best)},
          {"gain", gain_json(result)},
          {"bound_ratio", bound_ratio_json(result)},
          {"seed", row.run.identity.seed},
          {"tool_version", row.run.identity.tool_version},
          {"started_at_ms", row.run.started_at_ms}};
}

std::string best_section(const char* word, const std::vector<store::RunRow>& rows,
                         std::optional<double> store::Times::* kind, const TextOptions& options) {
  std::string title(word);
  for (char& c : title) c = static_cast<char>(c - 'a' + 'A');
  Table table({{"OPERATOR"},
               {"DEVICE"},
               {title, Column::Kind::number},
               {"GAIN", Column::Kind::number},
               {"BOUND RATIO", Column::Kind::number},
               {"VERIFIED"},
               {"CANDIDATE"},
               {"RUN"}});
  for (const auto& row : rows) {
    if (!row.run.result) continue;
    const auto& result = *row.run.result;
    table.add({one_line(row.operator_line, kLineWidth), one_line(row.run.identity.device, 40),
               format_ns(result.best.*kind),
               format_ratio(ratio_of(result.start.*kind, result.best.*kind)),
               format_ratio(ratio_of(result.best.*kind, result.bound_ns)),
               one_line(result.verified), result.candidate_id.empty() ? "-" : short_id(result.candidate_id),
               short_id(row.run.id)});
  }
  return table.text(options);
}

struct SweepTotals {
  std::map<std::string, std::int64_t> by_outcome;
  MeanGain modelled, measured;
};

SweepTotals totals_of(const store::SweepView& view) {
  SweepTotals totals;
  for (const auto& row : view.rows) {
    const bool done = row.item.state == store::ItemState::done;
    ++totals.by_outcome[done ? row.item.outcome : word_of(row.item.state)];
    if (!row.run || !row.run->run.result || row.item.outcome != "correct") continue;
    const auto& result = *row.run->run.result;
    totals.modelled.add(ratio_of(result.start.modelled_ns, result.best.modelled_ns));
    totals.measured.add(ratio_of(result.start.measured_ns, result.best.measured_ns));
  }
  return totals;
}

}  // namespace

std::string list_text(const std::vector<store::RunRow>& rows, const TextOptions& options) {
  if (rows.empty()) return "no runs\n";
  Table table({{"RUN"},
               {"STARTED (UTC)"},
               {"OPERATOR"},
               {"DEVICE"},
               {"VERDICT", Column::Kind::outcome},
               {"MODELLED", Column::Kind::number, true},
               {"MODELLED GAIN", Column::Kind::number, true},
               {"MEASURED", Column::Kind::number, true},
               {"MEASURED GAIN", Column::Kind::number, true},
               {"CANDIDATE"}});
  for (const auto& row : rows) {
    const store::RunResult none;
    const auto& result = row.run.result ? *row.run.result : none;
    table.add({short_id(row.run.id), format_time(row.run.started_at_ms),
               one_line(row.operator_line, kLineWidth), one_line(row.run.identity.device, 40),
               one_line(outcome_of(row.run)), format_ns(result.best.modelled_ns),
               format_ratio(ratio_of(result.start.modelled_ns, result.best.modelled_ns)),
               format_ns(result.best.measured_ns),
               format_ratio(ratio_of(result.start.measured_ns, result.best.measured_ns)),
               result.candidate_id.empty() ? "-" : short_id(result.candidate_id)});
  }
  return table.text(options);
}

json list_json(const std::vector<store::RunRow>& rows) {
  json list = json::array();
  for (const auto& row : rows) list.push_back(row_json(row));
  return list;
}

std::string best_text(const store::BestRows& rows, const TextOptions& options) {
  if (rows.modelled.empty() && rows.measured.empty()) return "no correct runs\n";
  std::string out;
  if (!rows.measured.empty())
    out += "measured\n" +
           best_section("measured", rows.measured, &store::Times::measured_ns, options);
  if (!rows.measured.empty() && !rows.modelled.empty()) out += "\n";
  if (!rows.modelled.empty())
    out += "modelled\n" +
           best_section("modelled", rows.modelled, &store::Times::modelled_ns, options);
  return out;
}

json best_json(const store::BestRows& rows) {
  return {{"modelled", list_json(rows.modelled)}, {"measured", list_json(rows.measured)}};
}

std::string candidate_text(const store::CandidateView& view, const TextOptions& options) {
  const auto& candidate = view.candidate;
  std::string out =
      fmt::format("candidate  {}\nregion     {}  {}\nwritten by {}, {} UTC\n", candidate.id,
                  short_id(candidate.region_hash), one_line(view.region.text),
                  one_line(candidate.written_by), format_time(candidate.created_at_ms));
  out += "steps\n";
  for (const auto& ancestor : view.lineage)
    out += fmt::format("  {}  {}\n", short_id(ancestor.id), one_line(ancestor.step_key, 100));
  if (!view.verdicts.empty()) {
    Table table({{"VERDICT", Column::Kind::outcome},
                 {"VERIFIED"},
                 {"DEVICE"},
                 {"HARNESS", Column::Kind::number},
                 {"MESSAGE", Column::Kind::text, true}});
    for (const auto& v : view.verdicts)
      table.add({one_line(v.outcome), one_line(v.verified), one_line(v.device, 40),
                 std::to_string(v.harness_version), one_line(v.message, 100)});
    out += "verdicts\n" + table.text(options, 2);
  }
  if (!view.modelled.empty()) {
    using Kind = Column::Kind;
    Table table({{"MODELLED", Kind::number}, {"LAUNCH", Kind::number}, {"ISSUE", Kind::number},
                 {"SHARED", Kind::number}, {"LATENCY", Kind::number}, {"L2", Kind::number},
                 {"DRAM", Kind::number}, {"TAIL", Kind::number}, {"COST MODEL", Kind::number},
                 {"DEVICE"}});
    for (const auto& t : view.modelled)
      table.add({format_ns(t.modelled_ns), format_ns(t.launch_ns), format_ns(t.issue_ns),
                 format_ns(t.shared_ns), format_ns(t.latency_ns), format_ns(t.l2_ns),
                 format_ns(t.dram_ns), format_ns(t.tail_ns),
                 std::to_string(t.key.cost_model_version), one_line(t.key.device, 40)});
    out += "modelled times\n" + table.text(options, 2);
  }
  if (!view.measured.empty()) {
    Table table({{"MEASURED", Column::Kind::number}, {"SAMPLES", Column::Kind::number}, {"PROTOCOL"},
                 {"DEVICE"}, {"DRIVER"}});
    for (const auto& t : view.measured)
      table.add({format_ns(t.measured_ns), std::to_string(t.samples_ns.size()),
                 one_line(t.key.protocol, 40), one_line(t.key.device, 40),
                 one_line(t.key.driver, 40)});
    out += "measured times\n" + table.text(options, 2);
  }
  const json form = parsed(candidate.json);
  if (form.is_object() && form.contains("sources") && form["sources"].is_array())
    for (const auto& source : form["sources"]) {
      if (!source.is_object() || !source.contains("name") || !source["name"].is_string() ||
          !source.contains("text") || !source["text"].is_string())
        continue;
      out += "source " + one_line(source["name"].get_ref<const std::string&>()) + "\n";
      // Line by line, since a source may hold what a terminal would obey.
      const std::string& text = source["text"].get_ref<const std::string&>();
      for (std::size_t begin = 0; begin < text.size();) {
        const std::size_t end = std::min(text.find('\n', begin), text.size());
        out += "  " + one_line(std::string_view(text).substr(begin, end - begin)) + "\n";
        begin = end + 1;
      }
    }
  return out;
}

json candidate_json(const store::CandidateView& view) {
  json lineage = json::array(), verdicts = json::array(), modelled = json::array(),
       measured = json::array();
  for (const auto& c : view.lineage) lineage.push_back({{"candidate", c.id}, {"step", c.step_key}});
  for (const auto& v : view.verdicts)
    verdicts.push_back({{"outcome", v.outcome},
                        {"verified", v.verified},
                        {"device", v.device},
                        {"binary", v.binary_hash},
                        {"harness_version", v.harness_version},
                        {"message", v.message},
                        {"worst", std::isfinite(v.worst) ? json(v.worst) : json(nullptr)},
                        {"details", parsed(v.details_json)},
                        {"created_at_ms", v.created_at_ms}});
  for (const auto& t : view.modelled)
    modelled.push_back({{"modelled_ns", t.modelled_ns},
                        {"launch_ns", t.launch_ns},
                        {"issue_ns", t.issue_ns},
                        {"shared_ns", t.shared_ns},
                        {"latency_ns", t.latency_ns},
                        {"l2_ns", t.l2_ns},
                        {"dram_ns", t.dram_ns},
                        {"tail_ns", t.tail_ns},
                        {"device", t.key.device},
                        {"binary", t.key.binary_hash},
                        {"cost_model_version", t.key.cost_model_version},
                        {"counters", parsed(t.counters_json)},
                        {"created_at_ms", t.created_at_ms}});
  const auto maybe = [](std::optional<double> ns) { return ns ? json(*ns) : json(nullptr); };
  for (const auto& t : view.measured)
    measured.push_back({{"measured_ns", t.measured_ns},
                        {"busy_ns", maybe(t.busy_ns)},
                        {"span_ns", maybe(t.span_ns)},
                        {"wall_ns", maybe(t.wall_ns)},
                        {"samples_ns", t.samples_ns},
                        {"device", t.key.device},
                        {"binary", t.key.binary_hash},
                        {"driver", t.key.driver},
                        {"protocol", t.key.protocol},
                        {"details", parsed(t.details_json)},
                        {"created_at_ms", t.created_at_ms}});
  return {{"candidate", view.candidate.id},
          {"region", view.candidate.region_hash},
          {"region_text", view.region.text},
          {"parent", text_or_null(view.candidate.parent_id)},
          {"step", view.candidate.step_key},
          {"written_by", view.candidate.written_by},
          {"created_at_ms", view.candidate.created_at_ms},
          {"form", parsed(view.candidate.json)},
          {"lineage", lineage},
          {"verdicts", verdicts},
          {"modelled", modelled},
          {"measured", measured}};
}

std::string sweep_text(const store::SweepView& view, const TextOptions& options) {
  Table table({{"TASK"},
               {"OUTCOME", Column::Kind::outcome},
               {"MODELLED", Column::Kind::number, true},
               {"MODELLED GAIN", Column::Kind::number, true},
               {"MEASURED", Column::Kind::number, true},
               {"MEASURED GAIN", Column::Kind::number, true},
               {"RUN", Column::Kind::text, true},
               {"MESSAGE", Column::Kind::text, true}});
  for (const auto& row : view.rows) {
    const store::RunResult none;
    const auto& result = row.run && row.run->run.result ? *row.run->run.result : none;
    const bool done = row.item.state == store::ItemState::done;
    table.add({one_line(row.item.task_id, 60),
               done ? one_line(row.item.outcome) : word_of(row.item.state),
               format_ns(result.best.modelled_ns),
               format_ratio(ratio_of(result.start.modelled_ns, result.best.modelled_ns)),
               format_ns(result.best.measured_ns),
               format_ratio(ratio_of(result.start.measured_ns, result.best.measured_ns)),
               row.item.run_id.empty() ? "-" : short_id(row.item.run_id),
               one_line(row.item.message, 80)});
  }
  const SweepTotals totals = totals_of(view);
  std::string counts;
  for (const auto& [outcome, count] : totals.by_outcome)
    counts += fmt::format("{}{} {}", counts.empty() ? "" : ", ", count, one_line(outcome));
  std::string out = fmt::format("sweep {} {} on {}: {}\n", short_id(view.sweep.id),
                                one_line(view.sweep.identity.name),
                                one_line(view.sweep.identity.device), word_of(view.sweep.state));
  out += table.text(options);
  out += fmt::format("{} tasks: {}\n", view.rows.size(), counts.empty() ? "none" : counts);
  const auto mean_line = [&](const char* word, const MeanGain& gain) {
    if (gain.tasks)
      out += fmt::format("geometric mean of the {} gain over the start: {} ({} correct tasks)\n", word,
                         format_ratio(gain.mean()), gain.tasks);
  };
  mean_line("modelled", totals.modelled);
  mean_line("measured", totals.measured);
  return out;
}

json sweep_json(const store::SweepView& view) {
  const SweepTotals totals = totals_of(view);
  json tasks = json::array(), mean = json::object();
  for (const auto& row : view.rows) {
    json task = {{"task", row.item.task_id},
                 {"state", word_of(row.item.state)},
                 {"outcome", text_or_null(row.item.outcome)},
                 {"message", row.item.message}};
    task["run"] = row.run ? row_json(*row.run) : json(nullptr);
    tasks.push_back(std::move(task));
  }
  if (totals.modelled.tasks) mean["modelled"] = totals.modelled.mean();
  if (totals.measured.tasks) mean["measured"] = totals.measured.mean();
  return {{"sweep", view.sweep.id},
          {"name", view.sweep.identity.name},
          {"device", view.sweep.identity.device},
          {"state", word_of(view.sweep.state)},
          {"settings", parsed(view.sweep.identity.settings_json)},
          {"seed", view.sweep.identity.seed},
          {"tool_version", view.sweep.identity.tool_version},
          {"outcomes", totals.by_outcome},
          {"geometric_mean_gain", mean},
          {"tasks", tasks}};
}

}  // namespace mtmc::report
