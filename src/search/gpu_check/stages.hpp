// The stages of a GPU check, in their order. Each file of this folder named *_stage.cpp is one of
// them.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "harness/oracle.hpp"
#include "search/gpu_check/bench.hpp"
#include "search/gpu_check/engine.hpp"
#include "search/suite.hpp"

namespace mtmc::search {

// What the stages share. Outlives them.
struct CheckContext {
  Bench* bench = nullptr;
  const Journal* journal = nullptr;
  std::vector<Task> tasks;  // of the suite's level 1
  harness::OracleSettings oracle_settings;
  std::optional<harness::Oracle> oracle;  // once one stage started it
  std::function<nlohmann::json()> doctor;
  std::uint64_t seed = 1;
  // Where there is no GPU the stages that need one say why; those that do not go on.
  std::string no_device;

  // Errors: unavailable where there is no PyTorch, or it has no GPU.
  Result<harness::Oracle*> ready_oracle();
  Result<void> needs_device() const;
};

std::unique_ptr<Stage> make_doctor_stage(CheckContext& context);
// Every candidate of the check's operators and of the suite's small tasks, judged on the device.
std::unique_ptr<Stage> make_correctness_stage(CheckContext& context);
// The same binaries on the device and on its emulated twin: outputs bit by bit, counters where they
// are permitted.
std::unique_ptr<Stage> make_twin_stage(CheckContext& context);
// Kernels of known duration, launch gaps, L2 cold against warm, clocks and throttle reasons.
std::unique_ptr<Stage> make_timing_stage(CheckContext& context);
// Measured times of candidates; then modelled times of the same ones, and how the two agree.
std::unique_ptr<Stage> make_measure_stage(CheckContext& context);
std::unique_ptr<Stage> make_model_stage(CheckContext& context);
// PyTorch eager and compiled on the suite's tasks at official sizes: a fixed sample of 40, then the
// others.
std::unique_ptr<Stage> make_baseline_stage(CheckContext& context);
// cuDNN with TF32 against exact f32 on the suite's convolutions, by allclose at 1e-4.
std::unique_ptr<Stage> make_tf32_stage(CheckContext& context);

Stages all_stages(CheckContext& context);

// object[key], or an empty object; a reference, so that its items can be walked through.
const nlohmann::json& member(const nlohmann::json& object, const char* key);

// The suite's tasks in the order in which baselines are taken: 40 spread over the suite by a fixed
// seed, then the others.
std::vector<const Task*> baseline_order(const std::vector<Task>& tasks);

}  // namespace mtmc::search
