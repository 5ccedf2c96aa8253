// A GPU behind the Device interface, through the driver: the machine code that the compiler made is
// loaded as it is; nothing is compiled here.
//
// One per process in practice: it makes the GPU's primary context current on its thread. Faults
// that poison the context make usable() false for good; the process must then end.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "device/cuda/driver.hpp"
#include "device/cuda/library_steps.hpp"
#include "device/cuda/memory.hpp"
#include "device/cuda/nvml.hpp"
#include "device/device.hpp"

namespace mtmc::device::cuda {

class CudaStopwatch;
class CudaCounters;

class CudaDevice : public Device {
 public:
  // Errors: unavailable: no driver, no such GPU, the GPU is taken (compute mode), out of memory.
  static Result<std::unique_ptr<CudaDevice>> open(int ordinal);
  ~CudaDevice() override;

  const kernel::DeviceFacts& facts() const override { return facts_; }
  Result<int> load(const compiler::Binary& binary) override;
  Result<int> allocate(const BufferRequest& request) override;
  Result<void> write(int buffer, std::int64_t offset, std::span<const std::byte> bytes) override;
  Result<void> read(int buffer, std::int64_t offset, std::span<std::byte> bytes) override;
  std::span<const std::uint64_t> written(int buffer) override { return memory_->written(buffer); }
  Result<bool> recall(int buffer, const std::string& key) override {
    return memory_->recall(buffer, key);
  }
  void retain(int buffer, const std::string& key) override { memory_->retain(buffer, key); }
  void forget() override {
    if (usable_) memory_->forget();
  }
  Result<RunReport> run(std::span<const BoundStep> steps, const RunOptions& options) override;
  int occupancy(int module, const std::string& kernel, int threads) override;
  void reset() override;
  bool usable() const override { return usable_; }
  Stopwatch* stopwatch() override;
  CounterSession* counter_session() override;

  // --- for the stopwatch and the counters ---

  const Driver& driver() const { return *driver_; }
  abi::Device handle() const { return device_; }
  abi::Context context() const { return context_; }
  abi::Stream stream() const { return stream_; }
  Memory& memory() { return *memory_; }
  const NvmlGpu& nvml() const { return nvml_; }
  // Makes what a step needs (functions, library plans), so that submitting allocates nothing.
  Result<std::optional<Fault>> prepare(const BoundStep& step);
  // Queues a step that was prepared.
  Result<std::optional<Fault>> submit(const BoundStep& step);
  // A status that came back from the GPU: nothing, the kernels' fault, or an Error. `steps` names
  // the suspects.
  Result<std::optional<Fault>> judge_status(abi::Result status, std::span<const BoundStep> steps);

 private:
  struct LoadedModule {
    abi::Module handle = nullptr;
    std::string error;  // why nothing of it can be launched
    std::map<std::string, abi::Function> functions;
  };
  CudaDevice(const Driver& driver, abi::Device device);
  Result<void> start();
  Result<abi::DevicePtr> address(const BoundStep& step, const std::string& buffer) const;
  Result<std::optional<Fault>> function_of(const BoundStep& step, const std::string& kernel,
                                           abi::Function& out);

  const Driver* driver_;
  abi::Device device_;
  abi::Context context_ = nullptr;
  abi::Stream stream_ = nullptr;
  kernel::DeviceFacts facts_;
  NvmlGpu nvml_;
  std::unique_ptr<Memory> memory_;
  std::vector<LoadedModule> modules_;
  std::map<const kernel::ResolvedStep*, std::unique_ptr<LibraryPlan>> plans_;
  std::unique_ptr<CudaStopwatch> stopwatch_;
  std::unique_ptr<CudaCounters> counters_;
  bool usable_ = true;
};

}  // namespace mtmc::device::cuda
