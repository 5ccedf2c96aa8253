// T4 results 1.0.0: results[] of {timestamp, configuration{}, times{}, invalidity, correctness,
// measurements[], objectives[]} and metadata. Dialects that are read: `compilation` and
// `compilation_time` and the like; times in "milliseconds", "miliseconds", "ms", "microseconds",
// "us", "seconds", "s", "ns" (none said: ms); objectives as a text or a list; measurements whose
// value is a word; device, kernel and problem size in metadata, as the proposed 1.1.0 has them.
#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tuner/recording.hpp"
#include "tuner/t1.hpp"

namespace mtmc::tuner {

namespace {

using nlohmann::json;

const json* member(const json& form, std::initializer_list<const char*> names) {
  if (!form.is_object()) return nullptr;
  for (const char* name : names)
    if (const auto it = form.find(name); it != form.end()) return &*it;
  return nullptr;
}
std::string text_of(const json* form) {
  return form && form->is_string() ? form->get<std::string>() : std::string();
}

Result<double> unit_ms(const std::string& unit) {
  static const std::map<std::string, double> kUnits{{"", 1},
                                                    {"ms", 1},
                                                    {"milliseconds", 1},
                                                    {"miliseconds", 1},
                                                    {"millisecond", 1},
                                                    {"s", 1e3},
                                                    {"seconds", 1e3},
                                                    {"us", 1e-3},
                                                    {"microseconds", 1e-3},
                                                    {"ns", 1e-6},
                                                    {"nanoseconds", 1e-6}};
  const auto it = kUnits.find(unit);
  if (it == kUnits.end()) return bad_input(fmt::format("unknown time unit '{}'", unit));
  return it->second;
}

Invalidity invalidity_of(const json& result) {
  const std::string word = text_of(member(result, {"invalidity"}));
  for (const Invalidity i : {Invalidity::correct, Invalidity::compile, Invalidity::runtime,
                             Invalidity::correctness, Invalidity::timeout, Invalidity::constraints})
    if (word == to_string(i)) return i;
  if (word.empty()) {
    const json* correctness = member(result, {"correctness"});
    return !correctness || (correctness->is_number() && correctness->get<double>() > 0)
               ? Invalidity::correct
               : Invalidity::correctness;
  }
  return Invalidity::runtime;
}

// The objective's name: what the first result says, else its first measurement.
std::string objective_of(const json& result) {
  const json* objectives = member(result, {"objectives", "objective"});
  if (objectives && objectives->is_array() && !objectives->empty())
    return text_of(&(*objectives)[0]);
  if (objectives && objectives->is_string()) return text_of(objectives);
  const json* measurements = member(result, {"measurements"});
  if (measurements && measurements->is_array() && !measurements->empty())
    return text_of(member((*measurements)[0], {"name"}));
  return {};
}

Result<void> read_result(const json& result, double scale, Recording* r) {
  RecordedTrial t;
  const json* configuration = member(result, {"configuration"});
  if (!configuration || !configuration->is_object()) return bad_input("has no configuration");
  if (configuration->size() != r->parameters.size())
    return bad_input(
        fmt::format("has {} parameters, expected {}", configuration->size(), r->parameters.size()));
  for (auto& p : r->parameters) {
    const auto it = configuration->find(p.name);
    if (it == configuration->end()) return bad_input(fmt::format("has no value of '{}'", p.name));
    auto value = value_from_json(*it);
    if (!value) return tl::unexpected<Error>(value.error());
    t.configuration.push_back(std::move(*value));
  }
  t.invalidity = invalidity_of(result);
  t.timestamp = text_of(member(result, {"timestamp"}));
  if (const json* times = member(result, {"times"})) {
    const auto number = [&](std::initializer_list<const char*> names) -> std::optional<double> {
      const json* m = member(*times, names);
      if (!m || !m->is_number()) return std::nullopt;
      return m->get<double>() * scale;
    };
    t.compile_ms = number({"compilation_time", "compilation", "compile"});
    t.benchmark_ms = number({"benchmark_time", "benchmark"});
    t.framework_ms = number({"framework_time", "framework"});
    t.strategy_ms = number({"search_algorithm_time", "search_algorithm"});
    t.verification_ms = number({"validation_time", "validation"});
    if (const json* runs = member(*times, {"runtimes"}); runs && runs->is_array())
      for (const json& v : *runs)
        if (v.is_number()) t.runtimes_ms.push_back(v.get<double>() * scale);
  }
  bool found = false;
  if (const json* measurements = member(result, {"measurements"});
      measurements && measurements->is_array())
    for (const json& m : *measurements) {
      const std::string name = text_of(member(m, {"name"}));
      const json* value = member(m, {"value"});
      if (name.empty() || !value || !value->is_number()) continue;
      double v = value->get<double>();
      if (name != r->objective) {
        t.metrics.emplace(name, v);
        continue;
      }
      const std::string unit = text_of(member(m, {"unit"}));
      if (r->unit == "ms") {
        const auto own = unit_ms(unit);
        v *= unit.empty() || !own ? scale : *own;
      } else {
        r->unit = unit;
      }
      t.value = v;
      found = true;
    }
  if (t.invalidity == Invalidity::correct && !(found && t.value > 0))
    t.invalidity = Invalidity::runtime;
  if (t.invalidity != Invalidity::correct) t.value = 0;
  r->trials.push_back(std::move(t));
  return {};
}

// T4 does not list the values: they are the ones that occur, ascending.
void collect_values(Recording* r) {
  for (std::size_t p = 0; p < r->parameters.size(); ++p) {
    std::set<Value> seen;
    for (const auto& t : r->trials) seen.insert(t.configuration[p]);
    r->parameters[p].values.assign(seen.begin(), seen.end());
    r->parameters[p].default_value = r->parameters[p].values.front();
  }
}

void drop_repeated(Recording* r) {
  std::map<Configuration, std::size_t> last;
  for (std::size_t i = 0; i < r->trials.size(); ++i) last[r->trials[i].configuration] = i;
  if (last.size() == r->trials.size()) return;
  r->notes.push_back(fmt::format("{} configurations stand more than once; the last one counts",
                                 r->trials.size() - last.size()));
  std::vector<RecordedTrial> kept;
  for (std::size_t i = 0; i < r->trials.size(); ++i)
    if (last[r->trials[i].configuration] == i) kept.push_back(std::move(r->trials[i]));
  r->trials = std::move(kept);
}

}  // namespace

std::string_view to_string(Invalidity invalidity) {
  switch (invalidity) {
    case Invalidity::correct:
      return "correct";
    case Invalidity::compile:
      return "compile";
    case Invalidity::runtime:
      return "runtime";
    case Invalidity::correctness:
      return "correctness";
    case Invalidity::timeout:
      return "timeout";
    case Invalidity::constraints:
      return "constraints";
  }
  return "runtime";
}

Result<Recording> t4_recording(const json& form, std::vector<std::string> notes) {
  Recording r;
  r.notes = std::move(notes);
  const json& results = form.at("results");
  if (!results.is_array() || results.empty()) return bad_input("the T4 file has no results");
  double scale = 1;
  if (const json* metadata = member(form, {"metadata"})) {
    auto unit = unit_ms(text_of(member(*metadata, {"timeunit", "time_unit", "timeUnit"})));
    if (!unit) return tl::unexpected<Error>(unit.error());
    scale = *unit;
    r.device = text_of(member(*metadata, {"device", "device_name"}));
    r.kernel = text_of(member(*metadata, {"kernel", "kernel_name", "benchmark"}));
    if (const json* size = member(*metadata, {"problem_size"}); size && !size->is_null())
      r.problem_size = size->dump();
  }
  const std::string objective = objective_of(results[0]);
  if (!objective.empty()) r.objective = objective;
  if (r.objective.find("time") == std::string::npos) r.unit.clear();
  r.higher_is_better = r.objective.find("/s") != std::string::npos;
  const json* first = member(results[0], {"configuration"});
  if (!first || !first->is_object()) return bad_input("result 1 has no configuration");
  for (const auto& [name, value] : first->items()) r.parameters.push_back({name, {}, {}});
  if (const json* metadata = member(form, {"metadata"}))
    if (const json* names = member(*metadata, {"parameters"}); names && names->is_array()) {
      std::vector<std::string> order;
      for (const json& n : *names) order.push_back(text_of(&n));
      const auto place = [&](const Parameter& p) {
        return std::find(order.begin(), order.end(), p.name) - order.begin();
      };
      std::stable_sort(r.parameters.begin(), r.parameters.end(),
                       [&](const Parameter& a, const Parameter& b) { return place(a) < place(b); });
    }
  for (std::size_t i = 0; i < results.size(); ++i)
    if (auto ok = read_result(results[i], scale, &r); !ok)
      return tl::unexpected<Error>(ok.error().with(fmt::format("result {}", i + 1)));
  drop_repeated(&r);
  collect_values(&r);
  return r;
}

std::string t4_results(const Recording& r) {
  nlohmann::ordered_json results = json::array();
  for (const auto& t : r.trials) {
    nlohmann::ordered_json configuration, times = json::object(), measurements = json::array();
    for (std::size_t p = 0; p < r.parameters.size(); ++p)
      configuration[r.parameters[p].name] = nlohmann::ordered_json(to_json(t.configuration[p]));
    const auto put = [&](const char* name, const std::optional<double>& v) {
      if (v) times[name] = *v;
    };
    put("compilation_time", t.compile_ms);
    put("benchmark", t.benchmark_ms);
    put("framework", t.framework_ms);
    put("search_algorithm", t.strategy_ms);
    put("validation", t.verification_ms);
    times["runtimes"] = t.runtimes_ms;
    const bool correct = t.invalidity == Invalidity::correct;
    if (correct)
      measurements.push_back({{"name", r.objective}, {"value", t.value}, {"unit", r.unit}});
    for (const auto& [name, value] : t.metrics)
      measurements.push_back({{"name", name}, {"value", value}, {"unit", ""}});
    results.push_back({{"timestamp", t.timestamp},
                       {"configuration", std::move(configuration)},
                       {"times", std::move(times)},
                       {"invalidity", to_string(t.invalidity)},
                       {"correctness", correct ? 1 : 0},
                       {"measurements", std::move(measurements)},
                       {"objectives", {r.objective}}});
  }
  nlohmann::ordered_json metadata{{"timeunit", "milliseconds"}}, names = json::array();
  if (!r.device.empty()) metadata["device"] = r.device;
  if (!r.kernel.empty()) metadata["kernel"] = r.kernel;
  if (const json size = json::parse(r.problem_size, nullptr, false); !size.is_discarded())
    metadata["problem_size"] = size;
  for (const auto& p : r.parameters) names.push_back(p.name);
  metadata["parameters"] = std::move(names);
  const nlohmann::ordered_json form{{"results", std::move(results)},
                                    {"schema_version", "1.0.0"},
                                    {"metadata", std::move(metadata)}};
  return form.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace mtmc::tuner
