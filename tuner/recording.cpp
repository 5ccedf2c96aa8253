#include "tuner/recording.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tuner/t1.hpp"

namespace mtmc::tuner {

namespace {

using nlohmann::json;

Result<Recording> recognise(const json& form, std::vector<std::string> notes) {
  if (form.is_object() && form.contains("cache")) return cache_recording(form, std::move(notes));
  if (form.is_object() && form.contains("results")) return t4_recording(form, std::move(notes));
  if (form.is_object() && form.contains("ConfigurationSpace"))
    return bad_input("a T1 problem holds no recorded runs");
  return bad_input("neither a kernel_tuner cache nor T4 results");
}

// Digits of each trial; values that no list has are appended to it.
std::vector<std::vector<ValueIndex>> rows_of(const Recording& r,
                                             std::vector<Parameter>* parameters) {
  std::vector<std::vector<ValueIndex>> rows;
  rows.reserve(r.trials.size());
  for (const auto& t : r.trials) {
    std::vector<ValueIndex> row;
    for (std::size_t p = 0; p < parameters->size(); ++p) {
      auto& list = (*parameters)[p].values;
      auto it = std::find(list.begin(), list.end(), t.configuration[p]);
      if (it == list.end()) it = list.insert(list.end(), t.configuration[p]);
      row.push_back(static_cast<ValueIndex>(it - list.begin()));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

Result<Recording> recording_of(std::string text) {
  std::vector<std::string> notes;
  auto form = lenient_json(std::move(text), &notes);
  if (!form) return tl::unexpected<Error>(form.error());
  return recognise(*form, std::move(notes));
}

Result<Recording> read_recording(const std::string& path) {
  std::vector<std::string> notes;
  auto text = read_text(path, &notes);
  if (!text) return tl::unexpected<Error>(text.error());
  auto recording = recording_of(std::move(*text));
  if (!recording) return tl::unexpected<Error>(recording.error().with(path));
  recording->notes.insert(recording->notes.begin(), notes.begin(), notes.end());
  return recording;
}

Result<RecordedSpace> recorded_space(const Recording& r) {
  std::vector<Parameter> parameters = r.parameters;
  const auto rows = rows_of(r, &parameters);
  auto space = Space::of_rows(std::move(parameters), rows);
  if (!space) return tl::unexpected<Error>(space.error());
  RecordedSpace recorded{std::move(*space), {}, {}, std::numeric_limits<double>::infinity()};
  recorded.value.assign(recorded.space.size(), std::numeric_limits<double>::infinity());
  recorded.cost_ms.assign(recorded.space.size(), 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto& t = r.trials[i];
    const std::uint64_t index = *recorded.space.index_of_digits(rows[i].data());
    recorded.cost_ms[index] =
        t.compile_ms.value_or(0) + t.benchmark_ms.value_or(0) + t.verification_ms.value_or(0);
    recorded.value[index] = t.invalidity != Invalidity::correct
                                ? std::numeric_limits<double>::infinity()
                            : r.higher_is_better ? 1 / t.value
                                                 : t.value;
    recorded.optimum = std::min(recorded.optimum, recorded.value[index]);
  }
  if (!std::isfinite(recorded.optimum)) return bad_input("no recorded configuration is correct");
  return recorded;
}

Result<std::string> wisdom(const Recording& r) {
  const RecordedTrial* best = nullptr;
  for (const auto& t : r.trials)
    if (t.invalidity == Invalidity::correct &&
        (!best || (r.higher_is_better ? t.value > best->value : t.value < best->value)))
      best = &t;
  if (!best) return bad_input("no recorded configuration is correct");
  json parameters = json::array(), config = json::array();
  for (std::size_t p = 0; p < r.parameters.size(); ++p) {
    parameters.push_back(r.parameters[p].name);
    config.push_back(to_json(best->configuration[p]));
  }
  json size = json::parse(r.problem_size, nullptr, false);
  if (size.is_number()) size = json::array({size});
  if (!size.is_array()) size = json::array();
  const json header{{"version", "1.0"},
                    {"key", r.kernel},
                    {"objective", r.objective},
                    {"tunable_parameters", parameters}};
  const json line{{"problem_size", size},
                  {"config", config},
                  {r.objective, best->value},
                  {"environment", {{"device_name", r.device}}}};
  const auto text = [](const json& j) {
    return j.dump(-1, ' ', false, json::error_handler_t::replace);
  };
  return text(header) + "\n" + text(line) + "\n";
}

}  // namespace mtmc::tuner
