// Tables for people, JSON for scripts. A time that is not known is a dash and a null, never a zero.
#include "report/suite_report.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "report/format.hpp"

namespace mtmc::report {

namespace {

using Json = nlohmann::json;

Json optional_json(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

// "cumsum" from "unsupported operator 'cumsum'" or "unsupported operators 'cumsum', 'zeros_like'".
std::string named_operator(const std::string& message) {
  if (message.rfind("unsupported operator", 0) != 0) return {};
  const auto first = message.find('\'');
  if (first == message.npos) return {};
  return message.substr(first + 1, message.find('\'', first + 1) - first - 1);
}

// "x0 f32[4096, 4096], w f32[64]": the inputs of a form, with its dims' values.
std::string inputs_text(const std::string& text) {
  const Json form = Json::parse(text, nullptr, false);
  std::map<std::string, std::int64_t> dims;
  std::string out;
  try {
    for (const Json& dim : form.at("dims"))
      dims[dim.at(0).get<std::string>()] = dim.at(1).get<std::int64_t>();
    for (const Json& input : form.at("inputs")) {
      std::string shape;
      for (const Json& extent : input.at("shape")) {
        const std::string value =
            extent.is_string() ? std::to_string(dims.at(extent.get<std::string>())) : extent.dump();
        shape += (shape.empty() ? "" : ",") + value;
      }
      out +=
          fmt::format("{}{} {}[{}]", out.empty() ? "" : ", ", input.at("name").get<std::string>(),
                      input.at("dtype").get<std::string>(), shape);
    }
  } catch (const std::exception&) {  // JSON of another form, or a dim that it does not name
    return "?";
  }
  return out;
}

std::string support_text(const search::Task& task) {
  const auto missing = search::missing_operators(task);
  return missing.empty() ? "supported" : fmt::format("unsupported: {}", fmt::join(missing, ", "));
}

}  // namespace

SweepSummary summary_of(const search::SweepReport& report) {
  SweepSummary summary;
  for (const auto& row : report.rows) {
    const auto& r = row.result;
    ++summary.tasks;
    if (r.outcome == "unsupported") ++summary.unsupported[named_operator(r.message)];
    if (!r.correct()) {
      ++summary.outcomes[r.outcome];
      continue;
    }
    ++summary.correct;
    summary.modelled.add(ratio_of(r.start.modelled_ns, r.best.modelled_ns));
    summary.measured.add(ratio_of(r.start.measured_ns, r.best.measured_ns));
  }
  return summary;
}

std::string sweep_text(const search::SweepReport& report, const TextOptions& options) {
  using enum Column::Kind;
  Table table({{"TASK"},
               {"NAME"},
               {"VERDICT", outcome},
               {"VERIFIED"},
               {"START MODELLED", number, true},
               {"BEST MODELLED", number, true},
               {"START MEASURED", number, true},
               {"BEST MEASURED", number, true},
               {"GAIN", number},
               {"/ BOUND", number},
               {"MESSAGE", text, true}});
  for (const auto& row : report.rows) {
    const auto& r = row.result;
    table.add({row.id, one_line(row.name, 40), r.outcome, r.correct() ? r.verified : "-",
               format_ns(r.start.modelled_ns), format_ns(r.best.modelled_ns),
               format_ns(r.start.measured_ns), format_ns(r.best.measured_ns),
               format_ratio(r.gain().value_or(0)), format_ratio(r.over_bound().value_or(0)),
               one_line(r.message, 100)});
  }
  const SweepSummary summary = summary_of(report);
  std::string out = table.text(options);
  out += fmt::format("\n{} of {} tasks correct", summary.correct, summary.tasks);
  for (const auto& [outcome, count] : summary.outcomes)
    out += fmt::format(", {} {}", count, outcome);
  out += '\n';
  if (!summary.unsupported.empty()) {
    out += "unsupported by operator:";
    std::string comma = " ";
    for (const auto& [name, count] : summary.unsupported) {
      out += fmt::format("{}{} {}", comma, name.empty() ? "(other)" : name, count);
      comma = ", ";
    }
    out += '\n';
  }
  const auto gain_line = [&](const char* word, const MeanGain& gain) {
    if (gain.tasks > 0)
      out += fmt::format("gain over the naive start, {}: {} (geometric mean of {})\n", word,
                         format_ratio(gain.mean()), gain.tasks);
  };
  gain_line("modelled", summary.modelled);
  gain_line("measured", summary.measured);
  out += fmt::format("sweep {}{}\n", short_id(report.sweep_id),
                     report.resumed ? " (resumed)" : "");
  return out;
}

Json sweep_json(const search::SweepReport& report) {
  const auto times = [](const store::Times& t) {
    return Json{{"modelled_ns", optional_json(t.modelled_ns)}, {"measured_ns", optional_json(t.measured_ns)}};
  };
  const auto mean = [](const MeanGain& gain) {
    return gain.tasks > 0 ? Json(gain.mean()) : Json(nullptr);
  };
  Json tasks = Json::array();
  for (const auto& row : report.rows) {
    const auto& r = row.result;
    tasks.push_back({{"task", row.id},
                     {"name", row.name},
                     {"verdict", r.outcome},
                     {"verified", r.verified},
                     {"message", r.message},
                     {"run", r.run_id},
                     {"start", times(r.start)},
                     {"best", times(r.best)},
                     {"bound_ns", r.bound_ns > 0 ? Json(r.bound_ns) : Json(nullptr)},
                     {"gain", optional_json(r.gain())},
                     {"over_bound", optional_json(r.over_bound())},
                     {"known", row.known}});
  }
  const SweepSummary s = summary_of(report);
  return {{"sweep", report.sweep_id},
          {"resumed", report.resumed},
          {"tasks", std::move(tasks)},
          {"summary",
           {{"tasks", s.tasks},
            {"correct", s.correct},
            {"outcomes", s.outcomes},
            {"unsupported", s.unsupported},
            {"mean_gain_modelled", mean(s.modelled)},
            {"mean_gain_measured", mean(s.measured)}}}};
}

std::string tasks_text(const std::vector<search::Task>& tasks) {
  Table table({{"TASK"}, {"NAME"}, {"OPERATORS"}, {"SUPPORT"}, {"OFFICIAL"}, {"SMALL"}});
  std::size_t supported = 0;
  for (const auto& task : tasks) {
    supported += search::missing_operators(task).empty();
    table.add({task.id, one_line(task.name, 40),
               one_line(fmt::format("{}", fmt::join(task.operators, " ")), 40), support_text(task),
               inputs_text(task.official), inputs_text(task.small)});
  }
  return table.text({}) + fmt::format("\n{} of {} tasks supported\n", supported, tasks.size());
}

Json tasks_json(const std::vector<search::Task>& tasks) {
  Json out = Json::array();
  for (const auto& task : tasks) {
    const auto missing = search::missing_operators(task);
    out.push_back({{"task", task.id},
                   {"level", task.level},
                   {"id", task.number},
                   {"name", task.name},
                   {"operators", task.operators},
                   {"official", inputs_text(task.official)},
                   {"small", inputs_text(task.small)},
                   {"supported", missing.empty()},
                   {"unsupported_operators", missing},
                   {"notes", task.notes}});
  }
  return out;
}

}  // namespace mtmc::report
