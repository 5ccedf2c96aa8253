// Modelled and measured times get a line, a member or a column each. Which steps were kept is not
// stored: it is the way from the root to the candidate that the run chose for the region.
#include "report/run_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "report/format.hpp"
#include "report/json_parts.hpp"

namespace mtmc::report {

namespace {

using nlohmann::json;
using store::NodeRecord;
using store::RunView;

struct StepWords {
  std::string action, part;
};

// From the step's JSON; from its key ("tile g0 m=128") where that cannot be read.
StepWords words_of(const NodeRecord& node) {
  const json step = parsed(node.step_json);
  if (step.is_object() && step.contains("action") && step["action"].is_string()) {
    const bool has_part = step.contains("part") && step["part"].is_string();
    return {step["action"].get<std::string>(), has_part ? step["part"].get<std::string>() : ""};
  }
  const auto blank = node.step_key.find(' ');
  if (blank == std::string::npos) return {node.step_key, ""};
  return {node.step_key.substr(0, blank), node.step_key.substr(blank + 1)};
}

bool is_beginning(const NodeRecord& node) { return node.parent_id.empty(); }

// Ids of the nodes on the way to the candidates that the run chose.
std::set<std::string> kept_nodes(const RunView& view) {
  std::set<std::string> kept;
  if (!view.run.result) return kept;
  std::map<std::string, const NodeRecord*> by_id;
  for (const auto& node : view.nodes) by_id[node.id] = &node;
  for (const auto& region : view.run.result->regions) {
    if (region.candidate_id.empty()) continue;
    for (const auto& node : view.nodes) {
      if (node.region_hash != region.region_hash || node.candidate_id != region.candidate_id)
        continue;
      const NodeRecord* at = &node;
      while (at && kept.insert(at->id).second) {
        const auto parent = by_id.find(at->parent_id);
        at = parent == by_id.end() ? nullptr : parent->second;
      }
      break;
    }
  }
  return kept;
}

std::string head_text(const RunView& view, const TextOptions& options) {
  const auto& run = view.run;
  std::string out = fmt::format("run        {}\noperator   {}\ndevice     {}\n", run.id,
                                one_line(view.op.line), one_line(run.identity.device));
  if (!run.result) {
    out += fmt::format("state      {}", coloured_outcome(word_of(run.state), options));
    if (!run.message.empty()) out += ": " + one_line(run.message);
    return out + "\n";
  }
  const auto& result = *run.result;
  out += "verdict    " + coloured_outcome(one_line(result.verdict), options);
  if (!result.verified.empty() && result.verified != "none")
    out += ", verified: " + one_line(result.verified);
  if (!result.message.empty()) out += " (" + one_line(result.message) + ")";
  out += "\n";
  if (!result.candidate_id.empty()) out += "candidate  " + one_line(result.candidate_id) + "\n";
  const auto time_line = [&](const char* word, std::optional<double> start,
                             std::optional<double> best) {
    if (!best && !start) return;
    out += fmt::format("{:<11}{}", word, format_ns(best));
    if (start)
      out += fmt::format(", from {} at the start: gain {}", format_ns(start),
                         format_ratio(ratio_of(start, best)));
    out += "\n";
    if (result.bound_ns > 0 && best)
      out += fmt::format("bound      {}; {} is {} the bound\n", format_ns(result.bound_ns), word,
                         format_ratio(ratio_of(best, result.bound_ns)));
  };
  time_line("modelled", result.start.modelled_ns, result.best.modelled_ns);
  time_line("measured", result.start.measured_ns, result.best.measured_ns);
  if (result.regions.size() > 1 || (result.regions.size() == 1 && result.regions[0].uses > 1)) {
    Table table({{"REGION"}, {"USES", Column::Kind::number}, {"CANDIDATE"}, {"TEXT"}});
    for (const auto& region : result.regions)
      table.add({short_id(region.region_hash), std::to_string(region.uses),
                 region.candidate_id.empty() ? "-" : short_id(region.candidate_id),
                 one_line(region_text(view, region.region_hash), 60)});
    out += "regions\n" + table.text(options, 2);
  }
  return out;
}

json steps_json(const RunView& view) {
  const auto kept = kept_nodes(view);
  json steps = json::array();
  for (const auto& node : view.nodes) {
    if (is_beginning(node)) continue;
    const StepWords words = words_of(node);
    json step = {{"action", words.action},
                 {"part", words.part},
                 {"outcome", node.outcome},
                 {"gain", number_or_null(node.gain)},
                 {"kept", kept.count(node.id) == 1},
                 {"key", node.step_key},
                 {"node", node.id},
                 {"parent", text_or_null(node.parent_id)},
                 {"region", node.region_hash},
                 {"candidate", text_or_null(node.candidate_id)},
                 {"message", node.message}};
    step.update(times_json(node.time));
    steps.push_back(std::move(step));
  }
  return steps;
}

// Depth first, children in the order of trying.
void add_tree(const RunView& view, const std::multimap<std::string, const NodeRecord*>& children,
              const std::set<std::string>& kept, const NodeRecord& node, std::size_t depth,
              std::set<std::string>& seen, Table& table) {
  if (!seen.insert(node.id).second) return;
  table.add({std::string(2 * std::min<std::size_t>(depth, 20), ' ') + one_line(node.step_key, 60),
             one_line(node.outcome), format_ns(node.time.modelled_ns),
             format_ns(node.time.measured_ns), format_ratio(node.gain),
             kept.count(node.id) ? "kept" : "",
             node.candidate_id.empty() ? "-" : short_id(node.candidate_id),
             one_line(node.message, 80)});
  const auto [begin, end] = children.equal_range(node.id);
  for (auto it = begin; it != end; ++it)
    add_tree(view, children, kept, *it->second, depth + 1, seen, table);
}

}  // namespace

nlohmann::json run_json(const RunView& view, const Invocation& invocation) {
  const auto& run = view.run;
  const store::RunResult none;
  const auto& result = run.result ? *run.result : none;
  json regions = json::array();
  for (const auto& region : result.regions)
    regions.push_back({{"region", region.region_hash},
                       {"text", region_text(view, region.region_hash)},
                       {"uses", region.uses},
                       {"candidate", text_or_null(region.candidate_id)}});
  return {{"run", run.id},
          {"operator", view.op.line},
          {"device", run.identity.device},
          {"state", word_of(run.state)},
          {"verdict", text_or_null(result.verdict)},
          {"verified", text_or_null(result.verified)},
          {"candidate", text_or_null(result.candidate_id)},
          {"message", run.message.empty() ? result.message : run.message},
          {"bound_ns", number_or_null(result.bound_ns)},
          {"cost_model_version",
           result.cost_model_version ? json(result.cost_model_version) : json(nullptr)},
          {"start", times_json(result.start)},
          {"best", times_json(result.best)},
          {"gain", gain_json(result)},
          {"bound_ratio", bound_ratio_json(result)},
          {"steps", steps_json(view)},
          {"regions", regions},
          {"details", parsed(result.details_json)},
          {"compiles", invocation.compiles},
          {"llm_calls", invocation.llm_calls},
          {"resumed", invocation.resumed},
          {"seed", run.identity.seed},
          {"settings", parsed(run.identity.settings_json)},
          {"tool_version", run.identity.tool_version},
          {"started_at_ms", run.started_at_ms},
          {"finished_at_ms", run.finished_at_ms ? json(run.finished_at_ms) : json(nullptr)}};
}

namespace {

// What the run's models cost; empty where it asked none.
std::string cost_text(const RunView& view) {
  if (!view.run.result) return {};
  const json details = parsed(view.run.result->details_json);
  if (!details.is_object() || !details.contains("spent")) return {};
  const json& spent = details["spent"];
  const auto number = [&](const char* key) {
    const auto it = spent.find(key);
    return it != spent.end() && it->is_number() ? it->get<double>() : 0.0;
  };
  if (number("calls") == 0) return {};
  std::string price = "price not known";
  if (spent.contains("usd") && spent["usd"].is_number()) {
    price = fmt::format("{:.4f} USD", number("usd"));
    if (number("unpriced_calls") > 0)
      price += fmt::format(" and {:.0f} calls without a known price", number("unpriced_calls"));
  }
  return fmt::format(
      "cost       {:.0f} tokens in {:.0f} answers ({:.0f} sent, {:.0f} received), {}; {:.1f} s for models, "
      "{:.1f} s compiling, {:.1f} s running\n",
      number("prompt_tokens") + number("completion_tokens"), number("calls"),
      number("prompt_tokens"), number("completion_tokens"), price, number("latency_s"),
      number("compile_s"), number("device_s"));
}

}  // namespace

std::string run_text(const RunView& view, const Invocation& invocation,
                     const TextOptions& options) {
  std::string out = head_text(view, options);
  const auto kept = kept_nodes(view);
  const bool several = view.regions.size() > 1;
  Table table({{"ACTION"},
               {"PART"},
               {"OUTCOME", Column::Kind::outcome},
               {"GAIN", Column::Kind::number},
               {"", Column::Kind::text, true},
               {"REGION", Column::Kind::text, true}});
  for (const auto& node : view.nodes) {
    if (is_beginning(node)) continue;
    const StepWords words = words_of(node);
    table.add({one_line(words.action, 40), one_line(words.part, 40), one_line(node.outcome),
               format_ratio(node.gain), kept.count(node.id) ? "kept" : "",
               several ? short_id(node.region_hash) : ""});
  }
  if (!table.empty()) out += "steps\n" + table.text(options, 2);
  out += fmt::format("work       {} compiles, {} model calls{}\n", invocation.compiles,
                     invocation.llm_calls, invocation.resumed ? ", resumed" : "");
  out += cost_text(view);
  return out;
}

std::string run_tree_text(const RunView& view, const TextOptions& options) {
  std::string out = head_text(view, options);
  out += fmt::format("started    {} UTC, mtmc {}, seed {}\n", format_time(view.run.started_at_ms),
                     one_line(view.run.identity.tool_version), view.run.identity.seed);
  if (view.run.result)
    out += fmt::format("work       {} compiles, {} model calls\n", view.run.result->compiles,
                       view.run.result->llm_calls);
  const auto kept = kept_nodes(view);
  std::multimap<std::string, const NodeRecord*> children;
  for (const auto& node : view.nodes) children.emplace(node.parent_id, &node);
  std::set<std::string> seen;
  for (const auto& region : view.regions) {
    Table table({{"STEP"},
                 {"OUTCOME", Column::Kind::outcome},
                 {"MODELLED", Column::Kind::number, true},
                 {"MEASURED", Column::Kind::number, true},
                 {"GAIN", Column::Kind::number, true},
                 {"", Column::Kind::text, true},
                 {"CANDIDATE"},
                 {"MESSAGE", Column::Kind::text, true}});
    for (const auto& node : view.nodes)
      if (node.region_hash == region.hash && is_beginning(node))
        add_tree(view, children, kept, node, 0, seen, table);
    if (table.empty()) continue;
    out += fmt::format("region {}  {}\n", short_id(region.hash), one_line(region.text, 100));
    out += table.text(options, 2);
  }
  return out;
}

}  // namespace mtmc::report
