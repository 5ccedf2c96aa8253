// The oracle: PyTorch in a process of its own (kernelbench/oracle), asked for values and for times.
//
// It never shares a process or device memory with a candidate. It is Python that came with the
// tool, so it runs outside the sandbox, with those variables of the environment that Python and
// CUDA read. Belongs to one thread.
#pragma once

#include <chrono>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/error.hpp"

namespace mtmc::harness {

struct OracleSettings {
  std::string folder;  // kernelbench/oracle, or its installed copy: oracle_folder()
  std::string
      python;  // empty: $MTMC_PYTHON, else each python3 that PATH names until one has PyTorch
  std::chrono::milliseconds start_timeout{180'000};  // a cold import of PyTorch from a network disk
};

class Oracle {
 public:
  // Errors: unavailable where there is no such Python, it has no PyTorch, or the oracle's files are
  // not there.
  static Result<Oracle> create(const OracleSettings& settings);
  Oracle(Oracle&&) noexcept;
  Oracle& operator=(Oracle&&) noexcept;
  ~Oracle();

  // What it says of itself: python, torch, compile, cuda, cudnn, device (empty: none that PyTorch
  // can use).
  const nlohmann::json& facts() const;

  // One request of kernelbench/oracle (values.py, timing.py say what is in them), `request["do"]`
  // naming it. Errors: internal with what Python said; unavailable where it died or took longer;
  // the next request gets a new process.
  Result<nlohmann::json> ask(const nlohmann::json& request, std::chrono::milliseconds timeout);

 private:
  struct Impl;
  explicit Oracle(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Where the oracle lies: share/mtmc/kernelbench/oracle beside the folder of the tool `tool`, else
// the source tree's.
std::string oracle_folder(const std::string& tool);

// Pythons to try, best first, each once. Nothing is started.
std::vector<std::string> python_candidates(const std::string& named);

}  // namespace mtmc::harness
