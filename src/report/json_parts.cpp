#include "report/json_parts.hpp"

#include <cmath>

#include "report/format.hpp"
#include "report/run_report.hpp"

namespace mtmc::report {

using nlohmann::json;

json parsed(const std::string& text) {
  json value = json::parse(text, nullptr, false);
  if (value.is_discarded()) return text.empty() ? json(nullptr) : json(text);
  return value;
}

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json number_or_null(double value) {
  return value > 0 && std::isfinite(value) ? json(value) : json(nullptr);
}

json times_json(const store::Times& times) {
  json out = json::object();
  if (times.modelled_ns) out["modelled_ns"] = *times.modelled_ns;
  if (times.measured_ns) out["measured_ns"] = *times.measured_ns;
  return out;
}

json gain_json(const store::RunResult& result) {
  json out = json::object();
  if (result.start.modelled_ns && result.best.modelled_ns)
    out["modelled"] = number_or_null(ratio_of(result.start.modelled_ns, result.best.modelled_ns));
  if (result.start.measured_ns && result.best.measured_ns)
    out["measured"] = number_or_null(ratio_of(result.start.measured_ns, result.best.measured_ns));
  return out;
}

json bound_ratio_json(const store::RunResult& result) {
  json out = json::object();
  if (result.best.modelled_ns)
    out["modelled"] = number_or_null(ratio_of(result.best.modelled_ns, result.bound_ns));
  if (result.best.measured_ns)
    out["measured"] = number_or_null(ratio_of(result.best.measured_ns, result.bound_ns));
  return out;
}

const char* word_of(store::RunState state) {
  switch (state) {
    case store::RunState::running: return "running";
    case store::RunState::finished: return "finished";
    case store::RunState::failed: return "failed";
  }
  return "failed";
}

const char* word_of(store::ItemState state) {
  switch (state) {
    case store::ItemState::pending: return "pending";
    case store::ItemState::running: return "running";
    case store::ItemState::done: return "done";
  }
  return "pending";
}

std::string region_text(const store::RunView& view, const std::string& hash) {
  for (const auto& region : view.regions)
    if (region.hash == hash) return region.text;
  return {};
}

std::string json_text(const json& value) {
  return value.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace mtmc::report
