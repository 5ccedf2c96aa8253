// Recorded tuning runs: what other tuners wrote down, read leniently and written strictly. Nothing
// in a file is ever evaluated.
//
// Read: kernel_tuner caches (.json, also ones whose last brackets are missing because the tuner was
// killed) and T4 results in the dialects that are met, each plain or gzipped. Written: both, and
// wisdom files. docs/tuning.md says how each oddity is read.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "tuner/space.hpp"

namespace mtmc::tuner {

// T4's words for what became of a configuration.
enum class Invalidity { correct, compile, runtime, correctness, timeout, constraints };
std::string_view to_string(Invalidity invalidity);

struct RecordedTrial {
  Configuration configuration;
  Invalidity invalidity = Invalidity::correct;
  double value = 0;  // of the objective, in the recording's unit; meaningful where correct
  std::vector<double> runtimes_ms;
  // Milliseconds; none where the file does not say.
  std::optional<double> compile_ms, benchmark_ms, verification_ms, strategy_ms, framework_ms;
  std::string timestamp;
  std::map<std::string, double> metrics;  // further numbers: GFLOP/s, ...
};

struct Recording {
  std::string device, kernel;
  std::string problem_size;  // JSON text as the file has it; empty: not said
  std::string objective = "time";
  std::string unit = "ms";  // of the objective
  bool higher_is_better = false;
  std::vector<Parameter> parameters;
  std::vector<RecordedTrial> trials;  // each configuration once
  std::vector<std::string> notes;     // what was read leniently, one line each
};

// A file's text, inflated where it is gzipped. Errors: bad_input where it cannot be read or is no
// gzip after all, or is larger than 1 GiB. A gzip that ends early gives what was there, and a note.
Result<std::string> read_text(const std::string& path, std::vector<std::string>* notes);
// Gzipped where the path ends in .gz; written beside and moved into place.
Result<void> write_text(const std::string& path, const std::string& text);

// JSON as Python writes it: NaN and Infinity become null, and a text that ends early is closed
// after its last whole entry, with a note.
Result<nlohmann::json> lenient_json(std::string text, std::vector<std::string>* notes);

// Either format, told by what is in it. Errors: bad_input.
Result<Recording> read_recording(const std::string& path);
Result<Recording> recording_of(std::string text);

std::string kernel_tuner_cache(const Recording& recording);
std::string t4_results(const Recording& recording);
// kernel_launcher's wisdom 1.0: a header line, then the best configuration of the recording.
Result<std::string> wisdom(const Recording& recording);

// The space of the recorded configurations and what each gave, by index.
struct RecordedSpace {
  Space space;
  std::vector<double> value;    // what is minimised; infinite where the configuration failed
  std::vector<double> cost_ms;  // compile and benchmark, 0 where the file does not say
  double optimum = 0;
};
// Errors: bad_input where no configuration is correct.
Result<RecordedSpace> recorded_space(const Recording& recording);

// Inside the readers.
Result<Recording> cache_recording(const nlohmann::json& form, std::vector<std::string> notes);
Result<Recording> t4_recording(const nlohmann::json& form, std::vector<std::string> notes);

}  // namespace mtmc::tuner
