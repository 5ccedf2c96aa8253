// Steps go into one stream, so they run in the order of the recipe. Whatever a kernel does wrong is
// found when the stream is waited for; with several kernels in a run the report names them all,
// since the driver does not say which it was.
#include "device/cuda/cuda_device.hpp"

#include <fmt/format.h>

#include "device/cuda/cuda_counters.hpp"
#include "device/cuda/cuda_stopwatch.hpp"
#include "device/cuda/facts.hpp"

namespace mtmc::device::cuda {

namespace {

std::string kernels_of(std::span<const BoundStep> steps) {
  std::string names;
  int count = 0;
  std::string last;
  for (const auto& s : steps) {
    std::string name;
    if (auto* launch = std::get_if<kernel::ResolvedLaunch>(s.step))
      name = launch->kernel;
    else if (auto* library = std::get_if<kernel::Library>(s.step))
      name = library->library + " " + library->routine;
    if (name.empty() || name == last) continue;
    last = name;
    if (++count > 4) return names + ", ...";
    names += (names.empty() ? "" : ", ") + name;
  }
  return (count > 1 ? "one of " : "kernel ") + names;
}

}  // namespace

Result<std::unique_ptr<CudaDevice>> CudaDevice::open(int ordinal) {
  auto driver = cuda::driver();
  if (!driver) return tl::unexpected<Error>(driver.error());
  abi::Device handle = 0;
  if (const auto status = (*driver)->device_get(&handle, ordinal); status != abi::success)
    return tl::unexpected<Error>(
        driver_error(**driver, status, fmt::format("opening cuda:{}", ordinal)));
  std::unique_ptr<CudaDevice> device(new CudaDevice(**driver, handle));
  if (auto ok = device->start(); !ok)
    return tl::unexpected<Error>(ok.error().with(fmt::format("cuda:{}", ordinal)));
  return device;
}

CudaDevice::CudaDevice(const Driver& driver, abi::Device device)
    : driver_(&driver), device_(device) {}

Result<void> CudaDevice::start() {
  auto facts = facts_of(*driver_, device_);
  if (!facts) return tl::unexpected<Error>(facts.error());
  facts_ = std::move(*facts);
  int mode = 0;
  driver_->device_get_attribute(&mode, abi::compute_mode, device_);
  const auto done = [&](abi::Result status, const char* doing) -> Result<void> {
    if (status == abi::success) return {};
    auto error = driver_error(*driver_, status, doing);
    if (mode != 0)
      error.message += mode == 2 ? "; its compute mode is prohibited (nvidia-smi -c)"
                                 : "; its compute mode lets in one process, and one may have it";
    error.code = ErrorCode::unavailable;
    return tl::unexpected<Error>(error);
  };
  if (auto ok = done(driver_->primary_context_retain(&context_, device_), "making a context"); !ok)
    return ok;
  if (auto ok = done(driver_->context_set_current(context_), "making a context current"); !ok)
    return ok;
  // No room for data that outlives the flush between samples; drivers that know no such limit have
  // no such room.
  driver_->context_set_limit(abi::persisting_l2_cache_size, 0);
  if (auto ok = done(driver_->stream_create(&stream_, abi::kStreamNonBlocking), "making a stream");
      !ok)
    return ok;
  char bus[32] = {};
  driver_->device_get_pci_bus_id(bus, sizeof bus - 1, device_);
  nvml_ = NvmlGpu::find(bus);
  memory_ = std::make_unique<Memory>(*driver_, stream_);
  return {};
}

CudaDevice::~CudaDevice() {
  if (!usable_) {
    if (memory_) memory_->abandon();
    return;
  }
  stopwatch_.reset();
  counters_.reset();
  if (memory_) reset();
  memory_.reset();
  if (stream_) driver_->stream_destroy(stream_);
  if (context_) driver_->primary_context_release(device_);
}

Result<int> CudaDevice::load(const compiler::Binary& binary) {
  LoadedModule module;
  if (binary.cubin.empty()) {
    module.error = "there is no machine code for " + binary.architecture;
  } else {
    const auto status =
        driver_->module_load(&module.handle, binary.cubin.data(), 0, nullptr, nullptr);
    const Trouble trouble = trouble_of(status);
    if (status != abi::success && trouble != Trouble::other && trouble != Trouble::kernel_fault)
      return tl::unexpected<Error>(driver_error(
          *driver_, status, fmt::format("loading machine code for {}", binary.architecture)));
    if (status != abi::success)
      module.error = "the driver does not load it: " + driver_->text(status);
  }
  modules_.push_back(std::move(module));
  return static_cast<int>(modules_.size()) - 1;
}

Result<int> CudaDevice::allocate(const BufferRequest& request) {
  return memory_->allocate(request);
}
Result<void> CudaDevice::write(int buffer, std::int64_t offset, std::span<const std::byte> bytes) {
  return memory_->write(buffer, offset, bytes);
}
Result<void> CudaDevice::read(int buffer, std::int64_t offset, std::span<std::byte> bytes) {
  return memory_->read(buffer, offset, bytes);
}

Result<std::optional<Fault>> CudaDevice::function_of(const BoundStep& step,
                                                     const std::string& kernel,
                                                     abi::Function& out) {
  LoadedModule& module = modules_.at(step.module);
  if (!module.handle)
    return std::optional<Fault>(
        Fault{"unsupported", fmt::format("kernel {}: {}", kernel, module.error)});
  const auto known = module.functions.find(kernel);
  if (known != module.functions.end()) {
    out = known->second;
    return std::optional<Fault>();
  }
  const auto status = driver_->module_get_function(&out, module.handle, kernel.c_str());
  if (status == abi::not_found)
    return std::optional<Fault>(
        Fault{"launch_error", fmt::format("kernel {} is not in the module", kernel)});
  if (status != abi::success) return judge_status(status, {&step, 1});
  module.functions[kernel] = out;
  return std::optional<Fault>();
}

int CudaDevice::occupancy(int module, const std::string& kernel, int threads) {
  BoundStep step;
  step.module = module;
  abi::Function function = nullptr;
  auto found = function_of(step, kernel, function);
  int blocks = 0;
  if (!found || *found || driver_->occupancy(&blocks, function, threads, 0) != abi::success)
    return 0;
  return blocks;
}

Result<abi::DevicePtr> CudaDevice::address(const BoundStep& step, const std::string& name) const {
  const auto it = step.buffers->find(name);
  if (it == step.buffers->end())
    return internal_error(fmt::format("buffer '{}' is not bound", name));
  return memory_->address(it->second);
}

Result<std::optional<Fault>> CudaDevice::prepare(const BoundStep& step) {
  if (auto* launch = std::get_if<kernel::ResolvedLaunch>(step.step)) {
    abi::Function function = nullptr;
    return function_of(step, launch->kernel, function);
  }
  auto* library = std::get_if<kernel::Library>(step.step);
  if (!library || plans_.count(step.step)) return std::optional<Fault>();
  std::vector<LibraryOperand> operands;
  for (const auto& name : library->buffers) {
    auto at = address(step, name);
    if (!at) return tl::unexpected<Error>(at.error());
    LibraryOperand operand{*at, op::DType::f32, {}};
    bool known = false;
    if (step.recipe)
      for (const auto& b : step.recipe->buffers)
        if (b.name == name) {
          operand.dtype = b.dtype;
          operand.shape = b.shape;
          known = true;
        }
    if (!known) return internal_error(fmt::format("the shape of buffer '{}' is not known", name));
    operands.push_back(std::move(operand));
  }
  auto plan = plan_library_step(*driver_, *library, operands);
  if (!plan) return std::optional<Fault>(plan.error());
  plans_[step.step] = std::move(*plan);
  return std::optional<Fault>();
}

Result<std::optional<Fault>> CudaDevice::submit(const BoundStep& step) {
  if (auto* launch = std::get_if<kernel::ResolvedLaunch>(step.step)) {
    abi::Function function = nullptr;
    if (auto found = function_of(step, launch->kernel, function); !found || *found) return found;
    std::vector<std::byte> parameters;
    const auto at = [&](const std::string& name) { return address(step, name); };
    if (auto packed = pack_parameters(*driver_, function, *launch, at, parameters);
        !packed || *packed)
      return packed;
    const auto status = launch_kernel(*driver_, function, *launch, parameters, stream_);
    if (status == abi::success || trouble_of(status) != Trouble::other)
      return judge_status(status, {&step, 1});
    return std::optional<Fault>(
        Fault{status == abi::not_supported ? "unsupported" : "launch_error",
              fmt::format("kernel {}: {}", launch->kernel, driver_->text(status))});
  }
  if (auto* memset = std::get_if<kernel::ResolvedMemset>(step.step)) {
    auto base = address(step, memset->buffer);
    if (!base) return tl::unexpected<Error>(base.error());
    if (memset->bytes == 0) return std::optional<Fault>();
    return judge_status(
        driver_->memset_async(*base + static_cast<abi::DevicePtr>(memset->offset_bytes),
                              static_cast<unsigned char>(memset->byte),
                              static_cast<std::size_t>(memset->bytes), stream_),
        {&step, 1});
  }
  if (auto* copy = std::get_if<kernel::ResolvedCopy>(step.step)) {
    auto from = address(step, copy->from), to = address(step, copy->to);
    if (!from) return tl::unexpected<Error>(from.error());
    if (!to) return tl::unexpected<Error>(to.error());
    if (copy->bytes == 0) return std::optional<Fault>();
    return judge_status(
        driver_->copy_async(*to + static_cast<abi::DevicePtr>(copy->to_offset_bytes),
                            *from + static_cast<abi::DevicePtr>(copy->from_offset_bytes),
                            static_cast<std::size_t>(copy->bytes), stream_),
        {&step, 1});
  }
  const auto plan = plans_.find(step.step);
  if (plan == plans_.end()) return internal_error("a library step was not prepared");
  if (const auto said = plan->second->submit(stream_); !said.empty())
    return std::optional<Fault>(Fault{"crash", said});
  return std::optional<Fault>();
}

Result<std::optional<Fault>> CudaDevice::judge_status(abi::Result status,
                                                      std::span<const BoundStep> steps) {
  if (status == abi::success) return std::optional<Fault>();
  switch (trouble_of(status)) {
    case Trouble::kernel_fault:
      usable_ = false;
      return std::optional<Fault>(Fault{
          fault_word(status), fmt::format("{}: {}", kernels_of(steps), driver_->text(status))});
    case Trouble::device_lost:
      usable_ = false;
      break;
    default:
      break;
  }
  return tl::unexpected<Error>(
      driver_error(*driver_, status, steps.empty() ? "running" : "running " + kernels_of(steps)));
}

Result<RunReport> CudaDevice::run(std::span<const BoundStep> steps, const RunOptions&) {
  RunReport report;
  const auto fault = [&](Result<std::optional<Fault>> judged) -> Result<bool> {
    if (!judged) return tl::unexpected<Error>(judged.error());
    if (*judged && !report.fault) report.fault = std::move(*judged);
    return report.fault.has_value();
  };
  if (auto ok = memory_->remember_read_only(); !ok) return tl::unexpected<Error>(ok.error());
  for (const auto& step : steps) {
    auto failed = fault(prepare(step));
    if (!failed) return tl::unexpected<Error>(failed.error());
    if (!*failed) failed = fault(submit(step));
    if (!failed) return tl::unexpected<Error>(failed.error());
    if (*failed) break;
    if (auto* launch = std::get_if<kernel::ResolvedLaunch>(step.step)) {
      const auto blocks = launch->grid[0] * launch->grid[1] * launch->grid[2];
      report.launches.push_back({launch->kernel, blocks, blocks, {}, {}, {}});
    } else {
      const char* what = std::holds_alternative<kernel::ResolvedMemset>(*step.step) ? "memset"
                         : std::holds_alternative<kernel::ResolvedCopy>(*step.step) ? "copy"
                                                                                    : "library";
      report.launches.push_back({what, 1, 1, {}, {}, {}});
    }
  }
  if (!usable_) return report;
  // What was queued before a refused launch still runs.
  auto failed = fault(judge_status(driver_->stream_synchronize(stream_), steps));
  if (!failed) return tl::unexpected<Error>(failed.error());
  if (*failed) return report;
  failed = fault(memory_->check());
  if (!failed) return tl::unexpected<Error>(failed.error());
  return report;
}

void CudaDevice::reset() {
  if (!usable_) {
    memory_->abandon();
    return;
  }
  driver_->stream_synchronize(stream_);
  if (stopwatch_) stopwatch_->forget();
  plans_.clear();
  memory_->release();
  for (const auto& m : modules_)
    if (m.handle) driver_->module_unload(m.handle);
  modules_.clear();
}

Stopwatch* CudaDevice::stopwatch() {
  if (!stopwatch_) stopwatch_ = std::make_unique<CudaStopwatch>(*this);
  return stopwatch_.get();
}

CounterSession* CudaDevice::counter_session() {
  if (!counters_) counters_ = std::make_unique<CudaCounters>(*this);
  return counters_.get();
}

}  // namespace mtmc::device::cuda
