// CUPTI's activity records behind dlopen: when each kernel, memset and copy ran, by the device's
// own clock. Launches through the driver interface are recorded like all others.
//
// CUPTI serves one subscriber per process. Where a profiler (nsys, ncu, a debugger) holds it,
// opening says so and callers fall back to events. Process-wide state: one Activity at a time, any
// thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "device/cuda/shared_library.hpp"

namespace mtmc::device::cuda {

struct CuptiLibrary {
  SharedLibrary library;
  std::uint32_t version = 0;  // CUPTI_API_VERSION: 130001
  std::string text(int status) const;
  std::string version_text() const;  // "13.0"
};
// Errors: unavailable: why. Needs no driver.
Result<const CuptiLibrary*> cupti_library();

struct ActivityRecord {
  enum class Kind { kernel, memset, copy } kind = Kind::kernel;
  std::uint64_t start_ns = 0, end_ns = 0;
  std::uint64_t bytes = 0;  // memset and copy
  std::uint32_t value = 0;  // memset
  std::string name;         // kernel
};

class Activity {
 public:
  // Subscribes. Errors: unavailable: no CUPTI, or who else has it.
  static Result<std::unique_ptr<Activity>> open();
  virtual ~Activity() = default;
  virtual Result<void> start() = 0;
  // After the device was synchronised: what ran since start(), by start time; and stops recording.
  // `dropped` counts what CUPTI could not keep.
  virtual Result<std::vector<ActivityRecord>> stop(std::uint64_t& dropped) = 0;
};

}  // namespace mtmc::device::cuda
