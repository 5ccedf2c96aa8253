// Outcomes of judging a candidate: values, never errors.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/device.hpp"
#include "harness/timing.hpp"

namespace mtmc::harness {

enum class Outcome {
  correct, mismatch, non_finite, compile_error, launch_error, out_of_bounds, misaligned, race, deadlock, timeout,
  crash, refused, unsupported, over_budget,
};
std::string_view name_of(Outcome outcome);
std::optional<Outcome> outcome_named(std::string_view name);

// How much of the stated case was looked at. full: run whole, every output element compared. sampled: a seeded sample of
// its output elements compared (all of it run, or only some of its blocks). reduced: values compared at smaller shapes
// only; the stated case ran in part, for its counters.
enum class Verified { none, full, sampled, reduced };
std::string_view name_of(Verified verified);
Verified verified_named(std::string_view name);  // none for an unknown word

struct Mismatch {
  std::string output;
  std::int64_t index = 0;  // row-major
  double got = 0, expected = 0, tolerance = 0;
};

struct Verdict {
  Outcome outcome = Outcome::refused;
  Verified verified = Verified::none;
  std::string message;       // one line; empty when correct
  std::string cases;         // "tiny, odd, stated" as far as it got
  bool only_stated = false;  // dims are literal: no other case could run
  double worst = 0;          // largest |got - expected| / tolerance that was seen
  std::int64_t compared = 0; // output elements compared, all cases
  std::vector<Mismatch> first;  // at most 8
};

// Elements of an output as a device wrote them: 0, step, 2 * step, ... of the row-major order.
struct KeptOutput {
  std::string name;
  op::DType dtype = op::DType::f32;
  std::int64_t step = 1;
  std::string bytes;  // little endian, one after the other
};

// What judging gives: the verdict and, for correct candidates, times of the stated case: modelled on an emulated device,
// measured on a real one, never both.
struct Evaluation {
  Verdict verdict;
  std::optional<double> modelled_ns;  // sum over the run's launches, in stream order
  std::vector<device::LaunchRecord> launches;
  std::optional<Timing> timing;            // of the run, `prepare` excluded
  std::optional<double> prepare_ns;        // measured: one run of `prepare`, where there is one
  std::map<std::string, double> counters;  // of the whole run, by the names of device/counters.hpp
  std::string counters_note;               // why there are none
  std::vector<KeptOutput> kept;            // where the request asks for it and the stated case ran whole

  std::optional<double> measured_ns() const { return timing ? std::optional<double>(timing->measured_ns) : std::nullopt; }
};

nlohmann::json to_json(const Evaluation& evaluation);
Result<Evaluation> evaluation_from_json(const nlohmann::json& form);

}  // namespace mtmc::harness
