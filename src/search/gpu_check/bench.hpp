// What the stages of a GPU check work with: a compiler, the real device in one worker, its emulated
// twin in another, and the store that keeps what they said. All start when first needed. Belongs to
// one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "compiler/compiler.hpp"
#include "device/device.hpp"
#include "harness/evaluator.hpp"
#include "kernel/region.hpp"
#include "store/store.hpp"

namespace mtmc::search {

struct BenchSettings {
  std::string tool, cache_directory;
  std::string device;  // full name of the real device
  std::uint64_t seed = 1;
};

// How a candidate is looked at.
struct Look {
  std::optional<harness::TimingProtocol> timing;  // real device only
  bool count = false;                             // its hardware counters
  std::int64_t kept_elements = 0;                 // of each output, bit by bit
  bool only_stated = false;
  double reference_operations = 1e8;
};

class Bench {
 public:
  // `store` outlives the bench. The facts are the real device's, or, where it is not here any more,
  // its twin's.
  Bench(store::Store& store, BenchSettings settings, kernel::DeviceFacts facts, std::string twin);
  ~Bench();

  const kernel::DeviceFacts& facts() const;
  const std::string& device() const;
  const std::string& twin() const;  // "emulated NVIDIA H200"

  // The binary, or one line about why there is none.
  Result<std::variant<compiler::Binary, std::string>> compile(const kernel::Candidate& candidate);
  // Compiles all of them, several at a time, so that compile() finds them in the cache: a device is
  // not kept waiting for a compiler. What goes wrong is compile()'s to tell.
  void compile_ahead(const std::vector<kernel::Candidate>& candidates);
  enum class Where { device, twin };
  // Errors: unavailable where the device is not there, or went away.
  Result<harness::Evaluation> evaluate(Where where, const kernel::Region& region,
                                       const kernel::Candidate& candidate,
                                       const compiler::Binary& binary, const Look& look);
  // Region, candidate, verdict and times, as a run would store them.
  Result<void> remember(Where where, const kernel::Region& region,
                        const kernel::Candidate& candidate, const compiler::Binary& binary,
                        const Look& look, const harness::Evaluation& evaluation);
  store::Store& store();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// The emulated device that stands for a GPU: the one of its name, else of its architecture, else
// the first.
std::string twin_of(const std::string& device, const std::string& architecture);

}  // namespace mtmc::search
