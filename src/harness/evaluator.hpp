// Evaluation in worker processes: what the search calls. A hung or crashed candidate costs one worker and gets its verdict.
#pragma once

#include <memory>
#include <string>

#include "base/error.hpp"
#include "base/worker.hpp"
#include "harness/ceilings.hpp"
#include "harness/judge.hpp"

namespace mtmc::harness {

struct EvaluatorSettings {
  std::string tool;    // path of the mtmc executable; run as `mtmc worker --role evaluate --device NAME`
  std::string device;
  std::int64_t timeout_ms = 120000;  // of one judgement
};

class Evaluator {
 public:
  static Result<Evaluator> create(const EvaluatorSettings& settings);
  Evaluator(Evaluator&&) noexcept;
  ~Evaluator();

  // Errors: unavailable where the device or its driver is the cause (vanished, out of memory, too old for the binary).
  Result<Evaluation> evaluate(const JudgeRequest& request);
  // Of the worker's device (harness/ceilings.hpp).
  Result<Ceilings> ceilings(const compiler::Binary& kernels, const TimingProtocol& protocol);
  std::uint64_t evaluations() const;

 private:
  struct Impl;
  explicit Evaluator(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// The child: reads requests from standard input until it ends. `open files` are closed off before the first request.
int evaluate_worker_main(const std::string& device);

}  // namespace mtmc::harness
