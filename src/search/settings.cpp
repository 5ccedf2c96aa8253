#include "search/settings.hpp"

#include <nlohmann/json.hpp>

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

}  // namespace mtmc::search
