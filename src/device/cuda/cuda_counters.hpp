// Hardware counters of a GPU through CUPTI's range profiler: one range around all steps, replayed
// as often as the chip needs passes.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/counters.hpp"
#include "device/cuda/cuda_device.hpp"

namespace mtmc::device::cuda {

// The host side: which metrics a chip has, how they are collected, what collected data means. Needs
// no driver, so names can be checked anywhere.
class ProfilerHost {
 public:
  // Errors: unavailable: no CUPTI of 12.6 or later.
  static Result<ProfilerHost> open();
  Result<std::vector<std::string>> chips() const;
  // True when the chip has the metric; false too for a chip that CUPTI does not know.
  bool chip_has(const std::string& chip, const std::string& metric) const;

  struct Plan {
    std::vector<std::uint8_t> image;
    std::size_t passes = 0;
  };
  Result<Plan> plan(const std::string& chip, const std::vector<std::string>& metrics) const;
  Result<std::vector<double>> evaluate(const std::string& chip,
                                       const std::vector<std::string>& metrics,
                                       const std::vector<std::uint8_t>& data) const;

 private:
  struct Functions;
  explicit ProfilerHost(const Functions* functions) : functions_(functions) {}
  Result<void*> object(const std::string& chip) const;
  void close(void* object) const;

  const Functions* functions_;
};

class CudaCounters : public CounterSession {
 public:
  explicit CudaCounters(CudaDevice& device);
  ~CudaCounters() override;
  Result<void> permitted() override;
  Result<CounterReport> count(std::span<const BoundStep> steps) override;

 private:
  struct Functions;
  Result<void> open();

  CudaDevice& device_;
  std::unique_ptr<ProfilerHost> host_;
  std::unique_ptr<Functions> functions_;
  std::string chip_;
  std::map<std::string, std::string> metrics_;  // counter -> metric
  void* profiler_ = nullptr;
  std::string refusal_;  // why not, once known
};

}  // namespace mtmc::device::cuda
