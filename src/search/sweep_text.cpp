// Tables for people, JSON for scripts. A time that is not known is a dash and a null, never a zero.
#include "search/sweep_text.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace mtmc::search {

namespace {

using Json = nlohmann::json;

std::string time_text(const std::optional<double>& ns) {
  if (!ns) return "-";
  if (*ns < 1e6) return fmt::format("{:.2f} us", *ns / 1e3);
  return fmt::format("{:.2f} ms", *ns / 1e6);
}
std::string ratio_text(const std::optional<double>& ratio) {
  return ratio ? fmt::format("{:.2f}x", *ratio) : "-";
}
Json optional_json(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

using Row = std::vector<std::string>;

// Left-aligned columns, two spaces between; `right` are aligned to the right. The last column is
// not padded.
std::string table(const std::vector<Row>& rows, const std::vector<std::size_t>& right) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const bool to_right = std::find(right.begin(), right.end(), c) != right.end();
      line += to_right ? fmt::format("{:>{}}  ", row[c], widths[c])
                       : fmt::format("{:<{}}  ", row[c], widths[c]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + '\n';
  }
  return out;
}

// "cumsum" from "unsupported operator 'cumsum'" or "unsupported operators 'cumsum', 'zeros_like'".
std::string named_operator(const std::string& message) {
  if (message.rfind("unsupported operator", 0) != 0) return {};
  const auto first = message.find('\'');
  if (first == message.npos) return {};
  return message.substr(first + 1, message.find('\'', first + 1) - first - 1);
}

std::string shortened(const std::string& text, std::size_t most) {
  return text.size() <= most ? text : text.substr(0, most - 3) + "...";
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

std::string support_text(const Task& task) {
  const auto missing = missing_operators(task);
  return missing.empty() ? "supported" : fmt::format("unsupported: {}", fmt::join(missing, ", "));
}

}  // namespace

SweepSummary summary_of(const SweepReport& report) {
  SweepSummary summary;
  double logarithms = 0;
  for (const auto& row : report.rows) {
    ++summary.tasks;
    if (!row.result.correct())
      ++summary.outcomes[row.result.outcome];
    else
      ++summary.correct;
    if (row.result.outcome == "unsupported")
      ++summary.unsupported[named_operator(row.result.message)];
    if (const auto gain = row.result.gain()) {
      ++summary.with_gain;
      logarithms += std::log(*gain);
    }
  }
  if (summary.with_gain > 0)
    summary.mean_gain = std::exp(logarithms / static_cast<double>(summary.with_gain));
  return summary;
}

std::string sweep_text(const SweepReport& report) {
  std::vector<Row> rows = {{"task", "name", "verdict", "verified", "start modelled",
                            "best modelled", "gain", "/ bound", ""}};
  for (const auto& row : report.rows) {
    const TaskResult& r = row.result;
    rows.push_back({row.id, shortened(row.name, 40), r.outcome, r.correct() ? r.verified : "-",
                    time_text(r.start_modelled_ns), time_text(r.best_modelled_ns),
                    ratio_text(r.gain()), ratio_text(r.over_bound()), shortened(r.message, 100)});
  }
  const SweepSummary summary = summary_of(report);
  std::string out = table(rows, {4, 5, 6, 7});
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
  if (summary.with_gain > 0)
    out += fmt::format("gain over the naive start, modelled: {:.2f}x (geometric mean of {})\n",
                       summary.mean_gain, summary.with_gain);
  out += fmt::format("sweep {}{}\n", report.sweep_id.substr(0, 12),
                     report.resumed ? " (resumed)" : "");
  return out;
}

Json sweep_json(const SweepReport& report) {
  Json tasks = Json::array();
  for (const auto& row : report.rows) {
    const TaskResult& r = row.result;
    tasks.push_back({{"task", row.id},
                     {"name", row.name},
                     {"verdict", r.outcome},
                     {"verified", r.verified},
                     {"message", r.message},
                     {"run", r.run_id},
                     {"start", {{"modelled_ns", optional_json(r.start_modelled_ns)}}},
                     {"best", {{"modelled_ns", optional_json(r.best_modelled_ns)}}},
                     {"bound_ns", r.bound_ns > 0 ? Json(r.bound_ns) : Json(nullptr)},
                     {"gain_modelled", optional_json(r.gain())},
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
            {"with_gain", s.with_gain},
            {"mean_gain_modelled", s.with_gain > 0 ? Json(s.mean_gain) : Json(nullptr)}}}};
}

std::string tasks_text(const std::vector<Task>& tasks) {
  std::vector<Row> rows = {{"task", "name", "operators", "", "official", "small"}};
  std::size_t supported = 0;
  for (const auto& task : tasks) {
    supported += missing_operators(task).empty();
    rows.push_back({task.id, shortened(task.name, 40),
                    shortened(fmt::format("{}", fmt::join(task.operators, " ")), 40),
                    support_text(task), inputs_text(task.official), inputs_text(task.small)});
  }
  return table(rows, {}) + fmt::format("\n{} of {} tasks supported\n", supported, tasks.size());
}

Json tasks_json(const std::vector<Task>& tasks) {
  Json out = Json::array();
  for (const auto& task : tasks) {
    const auto missing = missing_operators(task);
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

}  // namespace mtmc::search
