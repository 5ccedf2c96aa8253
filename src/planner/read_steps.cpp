// From a model's answer to steps. The model's word counts for the choice, the hint and the
// expectation; the step itself, with its options, is the coder's own from the admissible list, so
// that nothing new can come in this way.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "llm/answer.hpp"
#include "llm/prompt.hpp"
#include "planner/llm_planner.hpp"

namespace mtmc::planner {

namespace {

using kernel::Action;
using kernel::Step;
using nlohmann::json;

constexpr std::size_t kMaxListed = 64, kMaxHintBytes = 600;

std::string text_of(const json& form, const char* key) {
  auto it = form.find(key);
  return it != form.end() && it->is_string() ? it->get<std::string>() : std::string();
}

bool options_equal(const json& options, const std::map<std::string, std::int64_t>& wanted) {
  if (!options.is_object() || options.size() != wanted.size()) return false;
  for (const auto& [name, value] : wanted) {
    auto it = options.find(name);
    if (it == options.end() || !it->is_number_integer() || it->get<std::int64_t>() != value)
      return false;
  }
  return true;
}

// The admissible step that an entry means, by its key or by action, part and options; options may
// be left out where only one admissible step fits.
const Step* find_step(const json& entry, const State& state, std::string& why) {
  const std::vector<Step>& admissible = state.admissible;
  const std::string key = text_of(entry, "key");
  for (const Step& step : admissible)
    if (!key.empty() && step.key() == key) return &step;
  const std::string word = text_of(entry, "action");
  if (word.empty()) {
    why = key.empty() ? "has neither key nor action" : "is not on the admissible list";
    for (const Tried& tried : state.here)
      if (!key.empty() && tried.step.key() == key)
        why = "was tried from here already: " + llm::one_line(tried.outcome, 40);
    return nullptr;
  }
  const auto action = kernel::action_named(word);
  if (!action) {
    why = "is no action";
    return nullptr;
  }
  const std::string part = text_of(entry, "part");
  std::vector<const Step*> fitting;
  for (const Step& step : admissible) {
    if (step.action != *action || step.part != part) continue;
    auto options = entry.find("options");
    if (options == entry.end() || options->is_null() || options_equal(*options, step.options))
      fitting.push_back(&step);
  }
  if (fitting.size() == 1) return fitting.front();
  why = fitting.empty() ? "is not on the admissible list"
                        : fmt::format("fits {} admissible steps: give the key", fitting.size());
  return nullptr;
}

std::string name_for(const json& entry) {
  std::string name = text_of(entry, "key");
  if (name.empty()) name = text_of(entry, "action") + " " + text_of(entry, "part");
  if (name == " ") name = entry.dump(-1, ' ', false, json::error_handler_t::replace);
  return llm::one_line(name, 80);
}

}  // namespace

std::vector<Step> read_steps(const std::string& answer, const State& state, int count,
                             std::vector<RefusedStep>& refused) {
  std::vector<Step> steps;
  const auto form = llm::first_json_object(llm::without_thinking(answer));
  if (!form) {
    refused.push_back({"answer", form.error().message});
    return steps;
  }
  const auto list = form->find("steps");
  if (list == form->end() || !list->is_array()) {
    refused.push_back({"answer", "has no list named steps"});
    return steps;
  }
  std::set<std::string> seen;
  std::size_t listed = 0;
  for (const json& entry : *list) {
    if (++listed > kMaxListed) {
      refused.push_back({"answer", fmt::format("lists more than {} steps", kMaxListed)});
      break;
    }
    if (!entry.is_object()) {
      refused.push_back(
          {llm::one_line(entry.dump(-1, ' ', false, json::error_handler_t::replace), 80),
           "is no object"});
      continue;
    }
    Step step;
    if (text_of(entry, "key") == "stop" || text_of(entry, "action") == "stop") {
      step.action = Action::stop;
    } else {
      std::string why;
      const Step* found = find_step(entry, state, why);
      if (!found) {
        refused.push_back({name_for(entry), why});
        continue;
      }
      step = *found;
    }
    if (!seen.insert(step.key()).second) {
      refused.push_back({name_for(entry), "is listed twice"});
      continue;
    }
    if (auto gain = entry.find("expected_gain"); gain != entry.end() && gain->is_number()) {
      const double value = gain->get<double>();
      if (std::isfinite(value)) step.expected_gain = std::clamp(value, 0.1, 100.0);
    }
    if (auto risk = entry.find("risk"); risk != entry.end() && risk->is_number())
      if (const double value = risk->get<double>(); std::isfinite(value))
        step.risk = std::clamp(value, 0.0, 1.0);
    if (const std::string hint = text_of(entry, "hint"); !hint.empty())
      step.hint = llm::clean(hint, kMaxHintBytes);
    steps.push_back(std::move(step));
    if (steps.size() >= static_cast<std::size_t>(count)) break;
  }
  return steps;
}

}  // namespace mtmc::planner
