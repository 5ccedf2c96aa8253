#include "device/fake_driver/gpu.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "compiler/cubin.hpp"
#include "emulator/cost_model.hpp"
#include "emulator/run.hpp"

namespace mtmc::fake {

namespace {

constexpr double kLaunchGapNs = 500;

abi::Result status_of(emulator::FaultKind kind) {
  switch (kind) {
    case emulator::FaultKind::out_of_bounds:
    case emulator::FaultKind::read_only_write:
      return abi::illegal_address;
    case emulator::FaultKind::misaligned:
      return abi::misaligned_address;
    case emulator::FaultKind::launch_error:
      return abi::launch_out_of_resources;
    default:
      return abi::launch_failed;
  }
}

}  // namespace

Gpu& Gpu::instance() {
  // Never destroyed: threads of the process may still call when it ends.
  static Gpu& gpu = *[] {
    auto* made = new Gpu;
    const char* text = std::getenv("MTMC_CUDA_FAKE");
    made->reset(text ? text : "");
    return made;
  }();
  return gpu;
}

void Gpu::reset(const std::string& text) {
  scenario = Scenario::parse(text);
  memory = std::make_unique<emulator::DeviceMemory>(std::uint64_t{8} << 30);
  allocations.clear();
  allocated_bytes = 0;
  modules.clear();
  streams.clear();
  events.clear();
  host_memory.clear();
  records.clear();
  recording = false;
  sticky = abi::success;
  last_launch.clear();
  launches = 0;
  calls_.clear();
}

abi::Result Gpu::gate(const char* call) {
  const int count = calls_[call]++;
  for (const auto& f : scenario.fail)
    if (f.call == call && count >= f.skip && count < f.skip + f.times) {
      // What a kernel did wrong, and a lost device, stay.
      if ((f.status >= 700 && f.status < 720) || f.status == abi::unknown_error) poison(f.status);
      return f.status;
    }
  return sticky;
}

abi::Result Gpu::poison(abi::Result status) {
  if (sticky == abi::success) sticky = status;
  return sticky;
}

abi::Result Gpu::enqueue(FakeStream& stream, Work work) {
  (stream.capturing ? stream.captured.work : stream.queue).push_back(std::move(work));
  return abi::success;
}

abi::Result Gpu::drain(FakeStream& stream) {
  std::vector<Work> queue;
  queue.swap(stream.queue);
  for (const auto& work : queue)
    if (const auto status = work(); status != abi::success) return poison(status);
  return sticky;
}

// A slow GPU, so that little emulation is long against a launch.
emulator::DeviceEntry Gpu::entry() const {
  emulator::DeviceEntry e = *emulator::find_device("h200");
  e.name = "fake";
  e.sms = scenario.sms;
  e.boost_hz = 5e6;
  e.tf32_tensor_flops = 2048 * e.sms * e.boost_hz;
  e.f16_tensor_flops = e.bf16_tensor_flops = 4096 * e.sms * e.boost_hz;
  e.dram_bytes_per_s = 4e9;
  e.l2_bytes = scenario.l2_bytes;
  e.launch_ns = 0;
  return e;
}

abi::Result Gpu::load(const void* image, FakeModule** out) {
  std::size_t size = 0;
  int sm = 0;
  const std::string ptx = ptx_of_cubin(image, size, sm);
  if (size == 0) return abi::invalid_image;
  if (sm != 10 * scenario.major + scenario.minor) return abi::no_binary_for_gpu;
  auto module = emulator::parse_module(ptx);
  if (!module)
    return abi::not_supported;  // no line information, or PTX that the emulator does not know
  auto facts = compiler::facts_from_cubin({static_cast<const char*>(image), size});
  if (!facts) return abi::invalid_image;
  modules.push_back(
      std::make_unique<FakeModule>(FakeModule{std::move(*module), std::move(*facts), {}}));
  *out = modules.back().get();
  return abi::success;
}

void Gpu::take_time(Record record, double duration_ns) {
  record.start_ns = clock_ns + static_cast<std::uint64_t>(kLaunchGapNs);
  record.end_ns = record.start_ns + static_cast<std::uint64_t>(std::max(1.0, duration_ns));
  clock_ns = record.end_ns;
  if (recording) records.push_back(record);
}

abi::Result Gpu::launch(const abi::LaunchConfig& config, FakeFunction& function,
                        std::vector<std::byte> arguments) {
  emulator::LaunchParams params;
  for (int d = 0; d < 3; ++d) {
    params.grid[d] = config.grid[d];
    params.block[d] = config.block[d];
  }
  params.dynamic_shared_bytes = config.shared_bytes;
  params.arguments = std::move(arguments);
  emulator::RunOptions options;
  options.instruction_budget = 0;  // an endless kernel hangs, as it does on a GPU
  const auto threads = config.block[0] * config.block[1] * config.block[2];
  const emulator::BlockResources block{threads, static_cast<std::uint32_t>(function.registers),
                                       config.shared_bytes + function.program.static_shared_bytes};
  options.traced_blocks = emulator::traced_blocks(
      entry(), params.grid[0] * params.grid[1] * params.grid[2], block);
  auto ran = emulator::run(function.program, *memory, params, options);
  if (!ran) return abi::invalid_value;
  if (ran->fault) return poison(status_of(ran->fault->kind));
  ++launches;
  double duration_ns = 1000;
  if (auto time = emulator::modelled_time(entry(), ran->profile, ran->trace, block))
    duration_ns = time->total_ns;
  if (auto script = scenario.durations_ns.find(function.name);
      script != scenario.durations_ns.end())
    duration_ns = script->second.next();
  Record record;
  record.kind = abi::activity_concurrent_kernel;
  record.name = names_.emplace(function.name, function.name).first->second.c_str();
  take_time(record, duration_ns);
  return abi::success;
}

std::byte* Gpu::host(std::uint64_t address, std::uint64_t bytes) {
  auto span = memory->span(address, bytes);
  return span ? span->data() : nullptr;
}

abi::Result Gpu::fill(std::uint64_t address, unsigned char value, std::uint64_t bytes) {
  std::byte* at = host(address, bytes);
  if (!at) return abi::invalid_value;
  std::memset(at, value, bytes);
  Record record;
  record.kind = abi::activity_memset;
  record.value = value;
  record.bytes = bytes;
  take_time(record, static_cast<double>(bytes) / entry().dram_bytes_per_s * 1e9);
  return abi::success;
}

abi::Result Gpu::copy(std::uint64_t to, std::uint64_t from, std::uint64_t bytes) {
  std::byte *target = host(to, bytes), *source = host(from, bytes);
  if (!target || !source) return abi::invalid_value;
  std::memmove(target, source, bytes);
  Record record;
  record.kind = abi::activity_memcpy;
  record.bytes = bytes;
  take_time(record, 2 * static_cast<double>(bytes) / entry().dram_bytes_per_s * 1e9);
  return abi::success;
}

}  // namespace mtmc::fake
