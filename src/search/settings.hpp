// What decides how a run goes; with operator, device, seed and tool version it is the run's identity.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "harness/judge.hpp"
#include "search/budget.hpp"

namespace mtmc::search {

struct Settings {
  std::string device;             // full name, as device::find_device gives it
  std::string planner = "policy"; // "policy", "llm", or for comparison "random" or "one-shot"
  std::string coder = "template"; // "template" or "llm"
  // Asked of the endpoints; empty where none is used. Planning is hot, coding is cold.
  std::string planner_model, coder_model;
  double planner_temperature = 0.8, coder_temperature = 0.2;
  std::uint64_t seed = 1;
  int max_steps = 16;             // steps of each region that reach the compiler
  int width = 3;                  // steps asked of the planner at a time
  int beam = 2;                   // open nodes, best first
  int ranked = 3;                 // configurations that a new node is scored on, at most 8
  int tune_evaluations = 8;       // of each region's best node; 0: no tuning
  int repairs = 2;                // fix_* steps in a row on one node, where the coder can
  double close_enough = 1.02;     // best / bound at which a region is done
  // Further open nodes besides the beam, each the fastest of a kind (search/niche.hpp) that the
  // beam lacks; used where a model plans.
  int diverse = 1;
  Caps caps;                      // of the run
  harness::JudgeLimits limits;
  harness::TimingProtocol timing;  // on real devices

  bool measures() const;  // the device is real: its times are measured, else modelled
};

// Canonical: what changes a run's outcome and nothing else.
nlohmann::json to_json(const Settings& settings);
// The settings of a recording or a stored run; what is missing or of another kind keeps its default.
Settings settings_from_json(const nlohmann::json& form);

}  // namespace mtmc::search
