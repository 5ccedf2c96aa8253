#include "kernel/step.hpp"

#include <fmt/format.h>

#include "kernel/json_reader.hpp"

namespace mtmc::kernel {

namespace {
constexpr const char* kActions[] = {"start",     "fuse",    "tile",       "reorder",   "vectorize", "stage",
                                    "pipeline",  "tensorize", "swizzle",  "split",     "persist",   "specialize",
                                    "precision", "library", "fix_compile", "fix_launch", "fix_numeric", "stop", "rewrite"};
}

std::string_view name_of(Action action) { return kActions[static_cast<int>(action)]; }

std::optional<Action> action_named(std::string_view name) {
  for (Action a : all_actions())
    if (name_of(a) == name) return a;
  return std::nullopt;
}

const std::vector<Action>& all_actions() {
  static const std::vector<Action> all = [] {
    std::vector<Action> list;
    for (std::size_t i = 0; i < std::size(kActions); ++i) list.push_back(static_cast<Action>(i));
    return list;
  }();
  return all;
}

std::string Step::key() const {
  std::string key(name_of(action));
  if (!part.empty()) key += " " + part;
  for (const auto& [name, value] : options) key += fmt::format(" {}={}", name, value);
  return key;
}

nlohmann::json to_json(const Step& step) {
  return {{"action", std::string(name_of(step.action))}, {"part", step.part}, {"options", step.options},
          {"hint", step.hint}, {"expected_gain", step.expected_gain}, {"risk", step.risk}};
}

Result<Step> step_from_json(const nlohmann::json& form) {
  JsonReader r("step");
  Step step;
  step.action = word(r, form, "action", kActions, Action::stop);
  if (!r.member(form, "part").is_null()) step.part = r.text(form, "part", 128);
  if (const auto& options = r.member(form, "options"); options.is_object()) {
    for (const auto& [name, value] : options.items()) {
      if (value.is_number_integer()) step.options[name] = value.get<std::int64_t>();
      else r.fail("options", "integers");
    }
  } else if (!options.is_null()) {
    r.fail("options", "an object of integers");
  }
  if (!r.member(form, "hint").is_null()) step.hint = r.text(form, "hint", 2000);
  step.expected_gain = r.number(form, "expected_gain", 1);
  step.risk = r.number(form, "risk", 0);
  if (r.member(form, "action").is_null()) r.fail("action", "an action");
  if (r.error()) return tl::unexpected<Error>(*r.error());
  return step;
}

}  // namespace mtmc::kernel
