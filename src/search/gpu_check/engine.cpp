#include "search/gpu_check/engine.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mtmc::search {

using nlohmann::json;

namespace {

struct Turn {
  Stage* stage;
  StageReport report;
  std::vector<std::string> left;  // items to do, in order
};

bool failed(const json& result) { return result.is_object() && result.contains("failed"); }

// Runs a stage's items until they, its minutes or its means are over.
Result<void> take_turn(Turn& turn, Journal& journal, double until,
                       const std::function<double()>& clock,
                       const std::function<void(const std::string&)>& say) {
  while (!turn.left.empty() && turn.report.missing.empty() && clock() < until) {
    const std::string item = turn.left.front();
    auto result = turn.stage->run(item);
    if (!result && result.error().code == ErrorCode::unavailable) {
      turn.report.missing = result.error().message;
      say(fmt::format("{}: {}", turn.report.name, turn.report.missing));
      return {};
    }
    const json written = result ? *result : json{{"failed", result.error().message}};
    if (auto ok = journal.add(turn.report.name, item, written); !ok) return ok;
    turn.left.erase(turn.left.begin());
    ++turn.report.done;
    if (failed(written)) ++turn.report.failed;
    say(fmt::format("{} {}/{} {}{}", turn.report.name, turn.report.done, turn.report.total, item,
                    failed(written) ? ": " + written["failed"].get<std::string>() : ""));
  }
  return {};
}

// Minutes of each stage, when each uses its whole share.
std::vector<double> shares(const Stages& stages, double minutes) {
  std::vector<double> given;
  double weight = 0;
  for (const auto& s : stages) weight += s->weight();
  for (const auto& s : stages) {
    const double share = std::min(s->minutes(), weight > 0 ? minutes * s->weight() / weight : 0);
    given.push_back(share);
    minutes -= share;
    weight -= s->weight();
  }
  return given;
}

}  // namespace

bool CheckReport::lacking() const {
  return std::any_of(stages.begin(), stages.end(),
                     [](const StageReport& s) { return !s.missing.empty(); });
}

Result<CheckReport> run_check(Stages& stages, Journal& journal, double minutes,
                              const std::function<double()>& clock,
                              const std::function<void(const std::string&)>& say) {
  const double start = clock(), end = start + minutes;
  std::vector<Turn> turns;
  double weight = 0;
  for (const auto& stage : stages) {
    turns.push_back({stage.get(), {}, {}});
    turns.back().report.name = stage->name();
    weight += stage->weight();
  }
  for (auto& turn : turns) {
    const double share = weight > 0 ? (end - clock()) * turn.stage->weight() / weight : 0;
    weight -= turn.stage->weight();
    // A stage's items may rest on what stages before it found, so they are asked for now.
    auto items = turn.stage->items();
    if (!items) {
      turn.report.missing = items.error().message;
      say(fmt::format("{}: {}", turn.report.name, turn.report.missing));
      continue;
    }
    turn.report.total = items->size();
    for (const auto& item : *items) {
      if (!journal.has(turn.report.name, item)) turn.left.push_back(item);
    }
    turn.report.done = items->size() - turn.left.size();
    for (const auto& [item, result] : journal.results(turn.report.name))
      turn.report.failed += failed(result);
    if (auto ok = take_turn(turn, journal, std::min(end, clock() + share), clock, say); !ok)
      return tl::unexpected<Error>(ok.error());
  }
  for (auto& turn : turns)
    if (auto ok = take_turn(turn, journal, end, clock, say); !ok)
      return tl::unexpected<Error>(ok.error());

  CheckReport report;
  report.minutes = clock() - start;
  report.complete = true;
  for (auto& turn : turns) {
    turn.report.summary = turn.stage->summary(journal.results(turn.report.name));
    report.complete &= turn.report.missing.empty() && turn.left.empty();
    report.stages.push_back(std::move(turn.report));
  }
  return report;
}

json plan_json(const Stages& stages, double minutes) {
  const auto given = shares(stages, minutes);
  json list = json::array();
  for (std::size_t i = 0; i < stages.size(); ++i)
    list.push_back({{"stage", stages[i]->name()},
                    {"minutes", given[i]},
                    {"whole_minutes", stages[i]->minutes()},
                    {"about", stages[i]->about()}});
  return {{"minutes", minutes}, {"stages", list}};
}

std::string plan_text(const Stages& stages, double minutes) {
  const auto given = shares(stages, minutes);
  std::string text;
  double whole = 0;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    text += fmt::format("{:<12} {:>5.1f} min of {:>5.1f}   {}\n", stages[i]->name(), given[i],
                        stages[i]->minutes(), stages[i]->about());
    whole += stages[i]->minutes();
  }
  return text + fmt::format(
                    "{:.0f} minutes in this call; the whole check is thought to take {:.0f}, and "
                    "goes on where it stopped\n",
                    minutes, whole);
}

json to_json(const CheckReport& report) {
  json stages = json::array();
  for (const auto& s : report.stages)
    stages.push_back({{"stage", s.name},
                      {"done", s.done},
                      {"failed", s.failed},
                      {"total", s.total},
                      {"missing", s.missing},
                      {"summary", s.summary}});
  return {{"complete", report.complete}, {"minutes", report.minutes}, {"stages", stages}};
}

std::string report_text(const CheckReport& report) {
  std::string text;
  for (const auto& s : report.stages) {
    text += fmt::format("{:<12} {}/{}", s.name, s.done, s.total);
    if (s.failed) text += fmt::format(", {} failed", s.failed);
    if (!s.missing.empty()) text += ", " + s.missing;
    text += '\n';
    if (!s.summary.is_object() || s.done == 0) continue;
    for (const auto& [key, value] : s.summary.items())
      if (value.is_primitive())
        text += fmt::format("  {:<34} {}\n", key,
                            value.is_string() ? value.get<std::string>() : value.dump());
  }
  text += report.complete ? "complete\n" : "not complete: the same command goes on\n";
  return text;
}

}  // namespace mtmc::search
