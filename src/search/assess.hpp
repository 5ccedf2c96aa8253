// Assessing a candidate: compile, judge, remember. The store is asked first; what is known is never paid for again.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/error.hpp"
#include "compiler/compiler.hpp"
#include "harness/evaluator.hpp"
#include "kernel/region.hpp"
#include "search/settings.hpp"
#include "store/records.hpp"
#include "store/store.hpp"

namespace mtmc::search {

struct Assessment {
  harness::Evaluation evaluation;
  std::string candidate_id;
  std::string feedback;      // for repair: compile log, fault or mismatch; empty when correct
  bool from_store = false;

  bool correct() const { return evaluation.verdict.outcome == harness::Outcome::correct; }
  // Of the device's world: modelled on an emulated one, measured on a real one.
  double time_ns() const { return evaluation.modelled_ns ? *evaluation.modelled_ns : evaluation.measured_ns().value_or(0); }
  // "modelled 12.34 us", "measured 12.34 us"; empty without a time.
  std::string time_text() const;
};

// Where a candidate came from, for the store.
struct Origin {
  std::string parent_id;  // empty: a beginning
  std::string step_key;
};

class Assessor {
 public:
  // `store` outlives the assessor. Compiler and worker start when first needed, so a run that finds all in the store
  // needs neither.
  Assessor(store::Store& store, Settings settings, std::string tool, std::string cache_directory, std::string architecture);
  ~Assessor();

  // Starts what preparing and assessing need; an error here is one that they would meet.
  Result<void> start();
  // Compiles the candidate ahead, so that assess() finds the binary. After start() it may be called from several threads,
  // also while assess() runs.
  void prepare(const kernel::Candidate& candidate);

  Result<Assessment> assess(const kernel::Region& region, const kernel::Candidate& candidate, const Origin& origin);
  // A whole program of several regions with the chosen candidates, one per part.
  Result<Assessment> assess_program(const kernel::Program& program, const std::vector<kernel::Candidate>& per_part);

  // Times a chosen candidate again in a fresh process: the best of many noisy times is too good (real devices; else and where
  // it fails the assessment comes back as it was).
  Result<Assessment> confirm(const kernel::Region& region, const kernel::Candidate& candidate, const Assessment& chosen);
  // What the device reaches, measured unless the store knows it for this driver. Nothing on emulated devices.
  Result<std::optional<store::CeilingsRecord>> ceilings();

  std::uint64_t compiles() const;     // real NVRTC runs
  double compile_s() const, device_s() const;  // seconds spent compiling, and running candidates
  std::uint64_t evaluations() const;  // judgements that were made, not remembered
  std::uint64_t twins() const;        // candidates that took the judgement of one with the same machine code and recipe

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace mtmc::search
