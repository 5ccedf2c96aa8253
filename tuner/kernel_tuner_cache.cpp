// kernel_tuner's cache: {device_name, kernel_name, problem_size, tune_params_keys, tune_params,
// objective, cache: {"v1,v2,..": {parameters.., time, times, compile_time, ..}}}, times in ms. A
// failed configuration has a word instead of its objective, or an __error__.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tuner/recording.hpp"
#include "tuner/t1.hpp"

namespace mtmc::tuner {

namespace {

using nlohmann::json;

std::string text_of(const json& form, const char* name) {
  const auto it = form.find(name);
  return it != form.end() && it->is_string() ? it->get<std::string>() : std::string();
}

Invalidity invalidity_of(const std::string& word) {
  if (word.find("Compil") != std::string::npos) return Invalidity::compile;
  if (word.find("Runtime") != std::string::npos) return Invalidity::runtime;
  if (word.find("Correct") != std::string::npos || word.find("Verif") != std::string::npos)
    return Invalidity::correctness;
  if (word.find("Timeout") != std::string::npos) return Invalidity::timeout;
  if (word.find("Invalid") != std::string::npos) return Invalidity::constraints;
  return Invalidity::runtime;
}
const char* word_of(Invalidity invalidity) {
  switch (invalidity) {
    case Invalidity::compile:
      return "CompilationFailedConfig";
    case Invalidity::constraints:
      return "InvalidConfig";
    case Invalidity::correctness:
      return "CorrectnessFailedConfig";
    case Invalidity::timeout:
      return "TimeoutFailedConfig";
    default:
      return "RuntimeFailedConfig";
  }
}

std::optional<double> number_of(const json& row, const char* name) {
  const auto it = row.find(name);
  if (it == row.end() || !it->is_number()) return std::nullopt;
  return it->get<double>();
}

constexpr const char* kKnown[] = {"times",          "compile_time",  "verification_time",
                                  "benchmark_time", "strategy_time", "framework_time",
                                  "timestamp",      "__error__"};

Result<RecordedTrial> trial_of(const Recording& recording, const json& row) {
  RecordedTrial t;
  for (const auto& p : recording.parameters) {
    const auto it = row.find(p.name);
    if (it == row.end()) return bad_input(fmt::format("has no value of '{}'", p.name));
    auto value = value_from_json(*it);
    if (!value) return tl::unexpected<Error>(value.error());
    t.configuration.push_back(std::move(*value));
  }
  const auto objective = row.find(recording.objective);
  const std::string error = text_of(row, "__error__");
  if (!error.empty())
    t.invalidity = invalidity_of(error);
  else if (objective == row.end() || objective->is_null())
    t.invalidity = Invalidity::runtime;
  else if (objective->is_string())
    t.invalidity = invalidity_of(objective->get<std::string>());
  else if (!objective->is_number())
    return bad_input(fmt::format("its {} is no number", recording.objective));
  else
    t.value = objective->get<double>();
  // Nothing takes no time or less.
  if (t.invalidity == Invalidity::correct && !(t.value > 0)) t.invalidity = Invalidity::runtime;
  if (t.invalidity != Invalidity::correct) t.value = 0;
  if (const auto times = row.find("times"); times != row.end() && times->is_array())
    for (const json& v : *times)
      if (v.is_number()) t.runtimes_ms.push_back(v.get<double>());
  t.compile_ms = number_of(row, "compile_time");
  t.benchmark_ms = number_of(row, "benchmark_time");
  t.verification_ms = number_of(row, "verification_time");
  t.strategy_ms = number_of(row, "strategy_time");
  t.framework_ms = number_of(row, "framework_time");
  t.timestamp = text_of(row, "timestamp");
  for (const auto& [name, value] : row.items()) {
    if (!value.is_number() || name == recording.objective) continue;
    const bool known = std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown);
    const bool parameter = std::any_of(recording.parameters.begin(), recording.parameters.end(),
                                       [&, n = &name](const Parameter& p) { return p.name == *n; });
    if (!known && !parameter) t.metrics.emplace(name, value.get<double>());
  }
  return t;
}

Result<void> read_parameters(const json& form, Recording* recording) {
  const auto lists = form.find("tune_params");
  if (lists == form.end() || !lists->is_object())
    return bad_input("the cache has no tune_params with a list of values for each parameter");
  std::vector<std::string> names;
  if (const auto keys = form.find("tune_params_keys"); keys != form.end() && keys->is_array()) {
    for (const json& k : *keys)
      if (k.is_string()) names.push_back(k.get<std::string>());
  } else {
    for (const auto& [name, list] : lists->items()) names.push_back(name);
  }
  for (const auto& name : names) {
    const auto list = lists->find(name);
    if (list == lists->end() || !list->is_array() || list->empty())
      return bad_input(fmt::format("tune_params has no values of '{}'", name));
    Parameter p{name, {}, {}};
    for (const json& v : *list) {
      auto value = value_from_json(v);
      if (!value)
        return tl::unexpected<Error>(value.error().with(fmt::format("values of '{}'", name)));
      p.values.push_back(std::move(*value));
    }
    p.default_value = p.values.front();
    recording->parameters.push_back(std::move(p));
  }
  return {};
}

}  // namespace

Result<Recording> cache_recording(const json& form, std::vector<std::string> notes) {
  Recording r;
  r.notes = std::move(notes);
  r.device = text_of(form, "device_name");
  r.kernel = text_of(form, "kernel_name");
  if (const auto size = form.find("problem_size"); size != form.end() && !size->is_null())
    r.problem_size = size->dump();
  if (std::string objective = text_of(form, "objective"); !objective.empty())
    r.objective = objective;
  r.higher_is_better = r.objective.find("/s") != std::string::npos;
  if (r.objective != "time") r.unit.clear();
  if (auto ok = read_parameters(form, &r); !ok) return tl::unexpected<Error>(ok.error());
  const json& rows = form.at("cache");
  if (!rows.is_object()) return bad_input("the cache's rows are no object");
  for (const auto& [key, row] : rows.items()) {
    if (!row.is_object()) return bad_input(fmt::format("row '{}' of the cache is no object", key));
    auto trial = trial_of(r, row);
    if (!trial)
      return tl::unexpected<Error>(trial.error().with(fmt::format("row '{}' of the cache", key)));
    r.trials.push_back(std::move(*trial));
  }
  return r;
}

std::string kernel_tuner_cache(const Recording& r) {
  const auto line = [](const nlohmann::ordered_json& form) {
    return form.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  nlohmann::ordered_json keys = json::array(), lists = nlohmann::ordered_json::object();
  for (const auto& p : r.parameters) {
    keys.push_back(p.name);
    lists[p.name] = json::array();
    for (const Value& v : p.values) lists[p.name].push_back(nlohmann::ordered_json(to_json(v)));
  }
  const auto form_or_null = [](const std::string& text) {
    const json parsed = json::parse(text, nullptr, false);
    return parsed.is_discarded() ? std::string("null") : parsed.dump();
  };
  std::string out = fmt::format(
      "{{\"device_name\": {}, \"kernel_name\": {}, \"problem_size\": {}, \"tune_params_keys\": {}, "
      "\"tune_params\": {}, \"objective\": {}, \"cache\": {{",
      line(r.device), line(r.kernel), form_or_null(r.problem_size), line(keys), line(lists),
      line(r.objective));
  const char* separator = "\n";
  for (const auto& t : r.trials) {
    std::string key;
    nlohmann::ordered_json row;
    for (std::size_t p = 0; p < r.parameters.size(); ++p) {
      key += (p ? "," : "") + t.configuration[p].text();
      row[r.parameters[p].name] = nlohmann::ordered_json(to_json(t.configuration[p]));
    }
    if (t.invalidity == Invalidity::correct)
      row[r.objective] = t.value;
    else
      row[r.objective] = word_of(t.invalidity);
    if (!t.runtimes_ms.empty()) row["times"] = t.runtimes_ms;
    for (const auto& [name, value] : t.metrics) row[name] = value;
    const auto put = [&](const char* name, const std::optional<double>& v) {
      if (v) row[name] = *v;
    };
    put("compile_time", t.compile_ms);
    put("verification_time", t.verification_ms);
    put("benchmark_time", t.benchmark_ms);
    put("strategy_time", t.strategy_ms);
    put("framework_time", t.framework_ms);
    if (!t.timestamp.empty()) row["timestamp"] = t.timestamp;
    out += fmt::format("{}{}: {}", separator, line(key), line(row));
    separator = ",\n";
  }
  return out + "}}\n";
}

}  // namespace mtmc::tuner
