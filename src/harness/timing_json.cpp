// Protocols go to a worker, timings come back and go to the store.
#include <nlohmann/json.hpp>

#include "harness/timing.hpp"
#include "kernel/json_reader.hpp"

namespace mtmc::harness {

namespace {

using device::Conditions;
using nlohmann::json;

constexpr const char* kSubmissions[] = {"stream", "graph"};
constexpr const char* kCaches[] = {"cold", "warm"};
constexpr const char* kStops[] = {"narrow_enough", "max_samples", "budget"};

json to_json(const Conditions& c) {
  json out = {{"throttled", c.throttled}, {"capped", c.capped}};
  const auto put = [&](const char* name, const auto& value) {
    if (value) out[name] = *value;
  };
  put("sm_hz", c.sm_hz);
  put("memory_hz", c.memory_hz);
  put("max_sm_hz", c.max_sm_hz);
  put("temperature_c", c.temperature_c);
  put("power_w", c.power_w);
  put("other_processes", c.other_processes);
  if (!c.note.empty()) out["note"] = c.note;
  return out;
}

std::optional<double> maybe(kernel::JsonReader& r, const json& form, const char* name) {
  const auto& v = r.member(form, name);
  return v.is_number() ? std::optional<double>(v.get<double>()) : std::nullopt;
}

std::vector<std::string> words(kernel::JsonReader& r, const json& form, const char* name) {
  std::vector<std::string> out;
  for (const auto& w : r.items(form, name, 64))
    if (w.is_string()) out.push_back(w.get<std::string>());
  return out;
}

Conditions conditions_from(kernel::JsonReader& r, const json& form) {
  Conditions c;
  c.sm_hz = maybe(r, form, "sm_hz");
  c.memory_hz = maybe(r, form, "memory_hz");
  c.max_sm_hz = maybe(r, form, "max_sm_hz");
  c.temperature_c = maybe(r, form, "temperature_c");
  c.power_w = maybe(r, form, "power_w");
  if (const auto others = maybe(r, form, "other_processes"))
    c.other_processes = static_cast<int>(*others);
  c.throttled = words(r, form, "throttled");
  c.capped = words(r, form, "capped");
  if (const auto& note = r.member(form, "note"); note.is_string()) c.note = note.get<std::string>();
  return c;
}

}  // namespace

json to_json(const TimingProtocol& p) {
  return {{"submission", std::string(device::name_of(p.submission))},
          {"cache", std::string(device::name_of(p.cache))},
          {"warm_up_samples", p.warm_up_samples},
          {"stable", p.stable},
          {"batch", p.batch},
          {"min_samples", p.min_samples},
          {"max_samples", p.max_samples},
          {"confidence", p.confidence},
          {"relative_width", p.relative_width},
          {"budget_ms", p.budget_ms},
          {"throttled_batches", p.throttled_batches}};
}

Result<TimingProtocol> timing_protocol_from_json(const json& form) {
  kernel::JsonReader r("timing protocol");
  TimingProtocol p;
  p.submission = kernel::word(r, form, "submission", kSubmissions, p.submission);
  p.cache = kernel::word(r, form, "cache", kCaches, p.cache);
  const auto count = [&](const char* name, int otherwise, int low, int high) {
    const auto v = r.integer(form, name, otherwise);
    if (v < low || v > high) r.fail(name, "a count within its limits");
    return static_cast<int>(v);
  };
  p.warm_up_samples = count("warm_up_samples", p.warm_up_samples, 0, 100000);
  p.batch = count("batch", p.batch, 1, 10000);
  p.min_samples = count("min_samples", p.min_samples, 1, 100000);
  p.max_samples = count("max_samples", p.max_samples, 1, 100000);
  p.throttled_batches = count("throttled_batches", p.throttled_batches, 0, 1000);
  p.budget_ms = count("budget_ms", static_cast<int>(p.budget_ms), 0, 3600000);
  p.stable = r.number(form, "stable", p.stable);
  p.confidence = r.number(form, "confidence", p.confidence);
  p.relative_width = r.number(form, "relative_width", p.relative_width);
  if (!(p.confidence > 0 && p.confidence < 1)) r.fail("confidence", "between 0 and 1");
  if (r.error()) return tl::unexpected<Error>(*r.error());
  return p;
}

json to_json(const Timing& t) {
  json out = {{"measured_ns", t.measured_ns},
              {"low_ns", t.interval.low},
              {"high_ns", t.interval.high},
              {"samples_ns", t.samples_ns},
              {"protocol", t.protocol},
              {"driver", t.driver},
              {"stopped", std::string(name_of(t.stopped))},
              {"warm_up", t.warm_up},
              {"discarded", t.discarded},
              {"lost", t.lost},
              {"before", to_json(t.before)},
              {"after", to_json(t.after)},
              {"throttled", t.throttled},
              {"notes", t.notes}};
  if (t.busy_ns) out["busy_ns"] = *t.busy_ns;
  if (t.wall_ns) out["wall_ns"] = *t.wall_ns;
  return out;
}

Result<Timing> timing_from_json(const json& form) {
  kernel::JsonReader r("timing");
  Timing t;
  t.measured_ns = r.number(form, "measured_ns", 0);
  t.interval = {r.number(form, "low_ns", 0), r.number(form, "high_ns", 0)};
  t.busy_ns = maybe(r, form, "busy_ns");
  t.wall_ns = maybe(r, form, "wall_ns");
  for (const auto& s : r.items(form, "samples_ns", 1 << 20))
    if (s.is_number()) t.samples_ns.push_back(s.get<double>());
  t.protocol = r.text(form, "protocol");
  t.driver = r.text(form, "driver");
  t.stopped = kernel::word(r, form, "stopped", kStops, StopReason::max_samples);
  t.warm_up = static_cast<int>(r.integer(form, "warm_up", 0));
  t.discarded = static_cast<int>(r.integer(form, "discarded", 0));
  t.lost = static_cast<int>(r.integer(form, "lost", 0));
  t.before = conditions_from(r, r.member(form, "before"));
  t.after = conditions_from(r, r.member(form, "after"));
  t.throttled = r.flag(form, "throttled", false);
  t.notes = words(r, form, "notes");
  if (r.error()) return tl::unexpected<Error>(*r.error());
  return t;
}

}  // namespace mtmc::harness
