// The JSON object of a run: what `generate-operator --json` prints and what a finished run is remembered by.
#include <nlohmann/json.hpp>

#include "kernel/json_reader.hpp"
#include "search/run.hpp"

namespace mtmc::search {

namespace {
using nlohmann::json;

json times(const std::optional<double>& modelled_ns) {
  json out = json::object();
  if (modelled_ns) out["modelled_ns"] = *modelled_ns;
  return out;
}
std::optional<double> modelled(const json& form) {
  if (!form.is_object() || !form.contains("modelled_ns") || !form["modelled_ns"].is_number()) return std::nullopt;
  return form["modelled_ns"].get<double>();
}
}  // namespace

json to_json(const RunReport& r) {
  json steps = json::array();
  for (const auto& s : r.steps) {
    json step = {{"action", s.action}, {"part", s.part}, {"outcome", s.outcome}, {"gain", nullptr}};
    if (s.gain > 0) step["gain"] = s.gain;
    if (!s.message.empty()) step["message"] = s.message;
    steps.push_back(std::move(step));
  }
  return {{"run", r.run_id}, {"operator", r.operator_line}, {"device", r.device},
          {"verdict", std::string(harness::name_of(r.verdict.outcome))}, {"verified", std::string(harness::name_of(r.verdict.verified))},
          {"cases", r.verdict.cases}, {"only_stated_case", r.verdict.only_stated}, {"compared", r.verdict.compared},
          {"candidate", r.candidate_id}, {"bound_ns", r.bound_ns}, {"start", times(r.start_modelled_ns)}, {"best", times(r.best_modelled_ns)},
          {"steps", steps}, {"compiles", r.compiles}, {"llm_calls", r.llm_calls}, {"resumed", r.resumed}, {"message", r.message},
          {"regions", r.regions}, {"parts", r.parts}};
}

Result<RunReport> report_from_json(const json& form) {
  kernel::JsonReader r("run");
  RunReport report;
  if (!form.is_object()) return internal_error("a finished run's result cannot be read; run it again with --fresh");
  report.run_id = r.text(form, "run");
  report.operator_line = r.text(form, "operator", 1 << 20);
  report.device = r.text(form, "device");
  auto outcome = harness::outcome_named(r.text(form, "verdict"));
  report.verdict.outcome = outcome.value_or(harness::Outcome::crash);
  report.verdict.verified = harness::verified_named(r.text(form, "verified"));
  report.verdict.cases = r.text(form, "cases", 4096);
  report.verdict.only_stated = r.flag(form, "only_stated_case", false);
  report.verdict.compared = r.integer(form, "compared", 0);
  report.candidate_id = r.text(form, "candidate");
  report.bound_ns = r.number(form, "bound_ns", 0);
  report.start_modelled_ns = modelled(r.member(form, "start"));
  report.best_modelled_ns = modelled(r.member(form, "best"));
  for (const auto& s : r.items(form, "steps", 100000)) {
    StepRecord step{r.text(s, "action"), r.text(s, "part", 4096), r.text(s, "outcome"), 0, ""};
    if (r.member(s, "gain").is_number()) step.gain = r.number(s, "gain", 0);
    if (r.member(s, "message").is_string()) step.message = r.text(s, "message", 1 << 16);
    report.steps.push_back(std::move(step));
  }
  report.compiles = static_cast<std::uint64_t>(r.integer(form, "compiles", 0));
  report.llm_calls = static_cast<std::uint64_t>(r.integer(form, "llm_calls", 0));
  report.message = r.text(form, "message", 1 << 16);
  report.regions = static_cast<int>(r.integer(form, "regions", 0));
  report.parts = static_cast<int>(r.integer(form, "parts", 0));
  if (r.error()) return tl::unexpected<Error>(*r.error());
  return report;
}

}  // namespace mtmc::search
