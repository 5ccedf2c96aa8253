// The stopwatch of a GPU (device/stopwatch.hpp): CUPTI's records where it can be had, else events.
#pragma once

#include <memory>
#include <vector>

#include "device/cuda/cuda_device.hpp"
#include "device/cuda/cupti.hpp"
#include "device/stopwatch.hpp"

namespace mtmc::device::cuda {

class CudaStopwatch : public Stopwatch {
 public:
  explicit CudaStopwatch(CudaDevice& device);
  ~CudaStopwatch() override;

  const StopwatchFacts& facts() const override { return facts_; }
  Result<int> bind(std::span<const BoundStep> steps, Submission submission,
                   std::span<const Restore> restores) override;
  Result<SampleReport> sample(int handle, int count, CacheState state) override;
  Conditions conditions() override { return device_.nvml().conditions(true); }

  void forget();  // all handles

 private:
  struct Bound {
    std::span<const BoundStep> steps;
    std::vector<Restore> restores;
    abi::GraphExec graph = nullptr;  // nullptr: submitted to the stream
  };
  using Faulty = Result<std::optional<Fault>>;
  Result<void> make_tools();
  Faulty submit(const Bound& bound);
  Faulty once(const Bound& bound, CacheState state, bool gated, bool events, Sample& sample);
  void group(const std::vector<ActivityRecord>& records, SampleReport& report) const;

  CudaDevice& device_;
  const Driver& driver_;
  StopwatchFacts facts_;
  std::unique_ptr<Activity> activity_;
  std::vector<Bound> bound_;
  // Scratch for eviction and markers, the gate's flag (host memory that the GPU sees), two events.
  abi::DevicePtr scratch_ = 0, flag_on_device_ = 0;
  std::size_t scratch_bytes_ = 0;
  volatile std::uint32_t* flag_ = nullptr;
  std::uint32_t gate_ = 0;
  abi::Event begin_ = nullptr, end_ = nullptr;
};

}  // namespace mtmc::device::cuda
