#include "harness/verdict.hpp"

#include <cmath>

#include <nlohmann/json.hpp>

#include "base/frame.hpp"
#include "kernel/json_reader.hpp"

namespace mtmc::harness {

namespace {

using nlohmann::json;

constexpr const char* kOutcomes[] = {"correct",    "mismatch",   "non_finite", "compile_error", "launch_error",
                                     "out_of_bounds", "misaligned", "race",    "deadlock",      "timeout",
                                     "crash",      "refused",    "unsupported", "over_budget"};
constexpr const char* kVerified[] = {"none", "full", "sampled", "reduced"};

// JSON has no infinities; a mismatch often has.
json number_json(double v) {
  if (std::isnan(v)) return "nan";
  if (std::isinf(v)) return v > 0 ? "inf" : "-inf";
  return v;
}
double number_from(const json& v) {
  if (v.is_number()) return v.get<double>();
  if (v == "inf") return INFINITY;
  if (v == "-inf") return -INFINITY;
  return NAN;
}

json launch_json(const device::LaunchRecord& l) {
  json out = {{"kernel", l.kernel}, {"blocks_run", l.blocks_run}, {"blocks_total", l.blocks_total}, {"counters", l.counters}};
  if (l.modelled) {
    out["modelled"] = {{"total_ns", l.modelled->total_ns}};
    for (const auto& part : device::kModelledParts) out["modelled"][part.name] = (*l.modelled).*part.value;
  }
  if (l.measured_ns) out["measured_ns"] = *l.measured_ns;
  return out;
}

}  // namespace

std::string_view name_of(Outcome outcome) { return kOutcomes[static_cast<int>(outcome)]; }
std::optional<Outcome> outcome_named(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kOutcomes); ++i)
    if (name == kOutcomes[i]) return static_cast<Outcome>(i);
  return std::nullopt;
}
std::string_view name_of(Verified verified) { return kVerified[static_cast<int>(verified)]; }
Verified verified_named(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kVerified); ++i)
    if (name == kVerified[i]) return static_cast<Verified>(i);
  return Verified::none;
}

json to_json(const Evaluation& evaluation) {
  const Verdict& v = evaluation.verdict;
  json first = json::array(), launches = json::array();
  for (const auto& m : v.first)
    first.push_back({{"output", m.output}, {"index", m.index}, {"got", number_json(m.got)},
                     {"expected", number_json(m.expected)}, {"tolerance", number_json(m.tolerance)}});
  for (const auto& l : evaluation.launches) launches.push_back(launch_json(l));
  json out = {{"outcome", std::string(name_of(v.outcome))}, {"verified", std::string(name_of(v.verified))},
              {"message", v.message}, {"cases", v.cases}, {"only_stated", v.only_stated},
              {"worst", number_json(v.worst)}, {"compared", v.compared}, {"first", first}, {"launches", launches}};
  if (evaluation.modelled_ns) out["modelled_ns"] = *evaluation.modelled_ns;
  if (evaluation.timing) out["timing"] = to_json(*evaluation.timing);
  if (evaluation.prepare_ns) out["prepare_ns"] = *evaluation.prepare_ns;
  if (!evaluation.counters.empty()) out["counters"] = evaluation.counters;
  if (!evaluation.counters_note.empty()) out["counters_note"] = evaluation.counters_note;
  for (const auto& k : evaluation.kept)
    out["kept"].push_back({{"name", k.name}, {"dtype", op::name_of(k.dtype)}, {"step", k.step}, {"bytes", to_base64(k.bytes)}});
  return out;
}

Result<Evaluation> evaluation_from_json(const json& form) {
  kernel::JsonReader r("evaluation");
  Evaluation e;
  if (!form.is_object()) return bad_input("evaluation: expected an object");
  e.verdict.outcome = kernel::word(r, form, "outcome", kOutcomes, Outcome::crash);
  e.verdict.verified = kernel::word(r, form, "verified", kVerified, Verified::none);
  e.verdict.message = r.text(form, "message", 1 << 16);
  e.verdict.cases = r.text(form, "cases", 1024);
  e.verdict.only_stated = r.flag(form, "only_stated", false);
  e.verdict.worst = number_from(r.member(form, "worst"));
  e.verdict.compared = r.integer(form, "compared", 0);
  for (const auto& m : r.items(form, "first", 64))
    e.verdict.first.push_back({r.text(m, "output"), r.integer(m, "index", 0), number_from(r.member(m, "got")),
                               number_from(r.member(m, "expected")), number_from(r.member(m, "tolerance"))});
  for (const auto& l : r.items(form, "launches", 65536)) {
    device::LaunchRecord record;
    record.kernel = r.text(l, "kernel");
    record.blocks_run = r.integer(l, "blocks_run", 0);
    record.blocks_total = r.integer(l, "blocks_total", 0);
    if (const auto& m = r.member(l, "modelled"); m.is_object()) {
      record.modelled.emplace();
      record.modelled->total_ns = r.number(m, "total_ns", 0);
      for (const auto& part : device::kModelledParts) (*record.modelled).*part.value = r.number(m, part.name, 0);
    }
    if (const auto& m = r.member(l, "measured_ns"); m.is_number()) record.measured_ns = m.get<double>();
    if (const auto& counters = r.member(l, "counters"); counters.is_object())
      for (const auto& [name, value] : counters.items())
        if (value.is_number()) record.counters[name] = value.get<double>();
    e.launches.push_back(std::move(record));
  }
  if (const auto& m = r.member(form, "modelled_ns"); m.is_number()) e.modelled_ns = m.get<double>();
  if (const auto& t = r.member(form, "timing"); !t.is_null()) {
    auto timing = timing_from_json(t);
    if (!timing) return tl::unexpected<Error>(timing.error());
    e.timing = std::move(*timing);
  }
  if (const auto& m = r.member(form, "prepare_ns"); m.is_number()) e.prepare_ns = m.get<double>();
  if (const auto& counters = r.member(form, "counters"); counters.is_object())
    for (const auto& [name, value] : counters.items())
      if (value.is_number()) e.counters[name] = value.get<double>();
  if (const auto& note = r.member(form, "counters_note"); !note.is_null()) e.counters_note = r.text(form, "counters_note", 4096);
  if (form.contains("kept"))
    for (const auto& k : r.items(form, "kept", 64)) {
      auto bytes = from_base64(r.text(k, "bytes", std::size_t{64} << 20));
      const auto dtype = op::dtype_named(r.text(k, "dtype"));
      if (!bytes || !dtype) return bad_input("evaluation: kept output of another form");
      e.kept.push_back({r.text(k, "name"), *dtype, r.integer(k, "step", 1), std::move(*bytes)});
    }
  if (r.error()) return tl::unexpected<Error>(*r.error());
  return e;
}

}  // namespace mtmc::harness
