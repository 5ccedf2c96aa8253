#include "search/settings.hpp"

#include <nlohmann/json.hpp>
#include <type_traits>

namespace mtmc::search {

bool Settings::measures() const { return !device::is_emulated(device); }

nlohmann::json to_json(const Settings& s) {
  const auto& l = s.limits;
  nlohmann::json out = {{"device", s.device}, {"planner", s.planner}, {"coder", s.coder}, {"planner_model", s.planner_model}, {"coder_model", s.coder_model},
          {"planner_temperature", s.planner_temperature}, {"coder_temperature", s.coder_temperature}, {"seed", s.seed}, {"max_steps", s.max_steps},
          {"width", s.width}, {"beam", s.beam}, {"ranked", s.ranked}, {"tune_evaluations", s.tune_evaluations}, {"repairs", s.repairs},
          {"close_enough", s.close_enough}, {"diverse", s.diverse}, {"budget", to_json(s.caps)},
          {"limits", {{"reference_operations", l.reference_operations}, {"emulated_operations", l.emulated_operations},
                      {"sampled_elements", l.sampled_elements}, {"sampled_blocks", l.sampled_blocks},
                      {"instruction_budget", l.instruction_budget}, {"memory_bytes", l.memory_bytes}}}};
  if (s.measures()) out["timing"] = harness::to_json(s.timing);
  return out;
}

namespace {
template <class T>
void take(const nlohmann::json& form, const char* key, T& into) {
  const auto it = form.find(key);
  if (it == form.end()) return;
  if constexpr (std::is_same_v<T, std::string>) {
    if (it->is_string()) into = it->get<std::string>();
  } else {
    if (it->is_number()) into = it->get<T>();
  }
}
}  // namespace

Settings settings_from_json(const nlohmann::json& form) {
  Settings s;
  if (!form.is_object()) return s;
  take(form, "device", s.device);
  take(form, "planner", s.planner);
  take(form, "coder", s.coder);
  take(form, "planner_model", s.planner_model);
  take(form, "coder_model", s.coder_model);
  take(form, "planner_temperature", s.planner_temperature);
  take(form, "coder_temperature", s.coder_temperature);
  take(form, "seed", s.seed);
  take(form, "max_steps", s.max_steps);
  take(form, "width", s.width);
  take(form, "beam", s.beam);
  take(form, "ranked", s.ranked);
  take(form, "tune_evaluations", s.tune_evaluations);
  take(form, "repairs", s.repairs);
  take(form, "close_enough", s.close_enough);
  take(form, "diverse", s.diverse);
  if (const auto it = form.find("limits"); it != form.end() && it->is_object()) {
    take(*it, "reference_operations", s.limits.reference_operations);
    take(*it, "emulated_operations", s.limits.emulated_operations);
    take(*it, "sampled_elements", s.limits.sampled_elements);
    take(*it, "sampled_blocks", s.limits.sampled_blocks);
    take(*it, "instruction_budget", s.limits.instruction_budget);
    take(*it, "memory_bytes", s.limits.memory_bytes);
  }
  return s;
}

}  // namespace mtmc::search
