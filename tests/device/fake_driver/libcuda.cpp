// The driver's C interface over fake::Gpu: as much of it as the product calls.
#include <algorithm>
#include <cstring>

#include <nlohmann/json.hpp>

#include "device/fake_driver/gpu.hpp"
#include "emulator/occupancy.hpp"

#define FAKE_API extern "C" __attribute__((visibility("default")))

using namespace mtmc;
using fake::FakeEvent;
using fake::FakeFunction;
using fake::FakeGraph;
using fake::FakeModule;
using fake::FakeStream;
using fake::Gpu;
namespace abi = fake::abi;
using R = abi::Result;

namespace {

Gpu& gpu() { return Gpu::instance(); }

#define GATE(name) \
  if (const R gated = gpu().gate(name); gated != abi::success) return gated

template <class T, class H>
T* as(H handle) {
  return reinterpret_cast<T*>(handle);
}

struct StatusName {
  int status;
  const char *name, *text;
};
constexpr StatusName kNames[] = {
    {abi::success, "CUDA_SUCCESS", "no error"},
    {abi::invalid_value, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {abi::out_of_memory, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {abi::device_unavailable, "CUDA_ERROR_DEVICE_UNAVAILABLE",
     "CUDA-capable device(s) is/are busy or unavailable"},
    {abi::no_device, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {abi::invalid_image, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {abi::no_binary_for_gpu, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {abi::unsupported_ptx_version, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION",
     "the provided PTX was compiled with an unsupported toolchain."},
    {abi::not_found, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {abi::illegal_address, "CUDA_ERROR_ILLEGAL_ADDRESS",
     "an illegal memory access was encountered"},
    {abi::launch_out_of_resources, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {abi::launch_timeout, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {abi::misaligned_address, "CUDA_ERROR_MISALIGNED_ADDRESS", "misaligned address"},
    {abi::launch_failed, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {abi::stream_capture_unsupported, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {abi::unknown_error, "CUDA_ERROR_UNKNOWN", "unknown error"},
};

}  // namespace

// --- for tests ---

FAKE_API void mtmcFakeReset(const char* scenario) { gpu().reset(scenario); }
FAKE_API const char* mtmcFakeLastLaunch() { return gpu().last_launch.c_str(); }
FAKE_API int mtmcFakeLaunches() { return gpu().launches; }

// --- the driver ---

FAKE_API R cuInit(unsigned) { return gpu().scenario.init; }
FAKE_API R cuDriverGetVersion(int* version) {
  *version = gpu().scenario.driver_version;
  return abi::success;
}
FAKE_API R cuGetErrorName(R status, const char** out) {
  for (const auto& n : kNames)
    if (n.status == status) {
      *out = n.name;
      return abi::success;
    }
  *out = nullptr;
  return abi::invalid_value;
}
FAKE_API R cuGetErrorString(R status, const char** out) {
  for (const auto& n : kNames)
    if (n.status == status) {
      *out = n.text;
      return abi::success;
    }
  *out = nullptr;
  return abi::invalid_value;
}
FAKE_API R cuDeviceGetCount(int* count) {
  GATE("cuDeviceGetCount");
  *count = static_cast<int>(gpu().scenario.devices.size());
  return abi::success;
}
FAKE_API R cuDeviceGet(abi::Device* device, int ordinal) {
  GATE("cuDeviceGet");
  if (ordinal < 0 || ordinal >= static_cast<int>(gpu().scenario.devices.size()))
    return 101;  // CUDA_ERROR_INVALID_DEVICE
  *device = ordinal;
  return abi::success;
}
FAKE_API R cuDeviceGetName(char* name, int length, abi::Device device) {
  GATE("cuDeviceGetName");
  std::strncpy(name, gpu().scenario.devices.at(static_cast<std::size_t>(device)).name.c_str(),
               static_cast<std::size_t>(length));
  return abi::success;
}
FAKE_API R cuDeviceGetAttribute(int* value, int attribute, abi::Device) {
  GATE("cuDeviceGetAttribute");
  const auto& s = gpu().scenario;
  const auto e = gpu().entry();
  switch (attribute) {
    case abi::max_shared_per_block:
      *value = e.shared_bytes_per_block;
      break;
    case abi::clock_rate_khz:
      *value = static_cast<int>(e.boost_hz / 1000);
      break;
    case abi::multiprocessor_count:
      *value = s.sms;
      break;
    case abi::compute_mode:
      *value = 0;
      break;
    case abi::memory_clock_rate_khz:
      *value = static_cast<int>(e.dram_bytes_per_s / 2000 / 8);
      break;
    case abi::memory_bus_width_bits:
      *value = 64;
      break;
    case abi::l2_cache_bytes:
      *value = s.l2_bytes;
      break;
    case abi::max_threads_per_multiprocessor:
      *value = e.max_threads_per_sm;
      break;
    case abi::compute_capability_major:
      *value = s.major;
      break;
    case abi::compute_capability_minor:
      *value = s.minor;
      break;
    case abi::max_shared_per_multiprocessor:
      *value = e.shared_bytes_per_sm;
      break;
    case abi::max_registers_per_multiprocessor:
      *value = e.registers_per_sm;
      break;
    case abi::max_shared_per_block_optin:
      *value = e.shared_bytes_per_block_optin;
      break;
    case abi::cooperative_launch:
    case abi::cluster_launch:
    case abi::tensor_map_access:
    case abi::stream_wait_value_nor:
      *value = 1;
      break;
    default:
      return abi::invalid_value;
  }
  return abi::success;
}
FAKE_API R cuDeviceTotalMem_v2(std::size_t* bytes, abi::Device device) {
  *bytes = gpu().scenario.devices.at(static_cast<std::size_t>(device)).memory_bytes;
  return abi::success;
}
FAKE_API R cuDeviceGetUuid_v2(abi::Uuid* uuid, abi::Device device) {
  for (int i = 0; i < 16; ++i) uuid->bytes[i] = static_cast<unsigned char>(16 * i + device);
  return abi::success;
}
FAKE_API R cuDeviceGetPCIBusId(char* text, int length, abi::Device device) {
  std::strncpy(text, ("0000:0" + std::to_string(device + 1) + ":00.0").c_str(),
               static_cast<std::size_t>(length));
  return abi::success;
}
FAKE_API R cuDevicePrimaryCtxRetain(abi::Context* context, abi::Device device) {
  GATE("cuDevicePrimaryCtxRetain");
  *context = reinterpret_cast<abi::Context>(static_cast<std::uintptr_t>(device + 1));
  return abi::success;
}
FAKE_API R cuDevicePrimaryCtxRelease_v2(abi::Device) { return abi::success; }
FAKE_API R cuCtxSetCurrent(abi::Context) { return abi::success; }
FAKE_API R cuCtxSetLimit(int, std::size_t) { return abi::success; }
FAKE_API R cuCtxSynchronize() {
  for (auto& stream : gpu().streams)
    if (const R status = gpu().drain(*stream); status != abi::success) return status;
  return gpu().gate("cuCtxSynchronize");
}

FAKE_API R cuMemGetInfo_v2(std::size_t* free, std::size_t* total) {
  *total = gpu().scenario.devices.front().memory_bytes;
  *free = *total - gpu().allocated_bytes;
  return abi::success;
}
FAKE_API R cuMemAlloc_v2(abi::DevicePtr* out, std::size_t bytes) {
  GATE("cuMemAlloc_v2");
  if (bytes == 0) return abi::invalid_value;
  if (gpu().allocated_bytes + bytes > gpu().scenario.devices.front().memory_bytes)
    return abi::out_of_memory;
  auto made = gpu().memory->allocate(bytes, 512, "device", emulator::Access::read_write);
  if (!made) return abi::out_of_memory;
  // A GPU gives memory as it is.
  std::memset(gpu().host(*made, bytes), 0xcd, bytes);
  gpu().allocations[*made] = bytes;
  gpu().allocated_bytes += bytes;
  *out = *made;
  return abi::success;
}
FAKE_API R cuMemFree_v2(abi::DevicePtr address) {
  GATE("cuMemFree_v2");
  const auto it = gpu().allocations.find(address);
  if (it == gpu().allocations.end()) return abi::invalid_value;
  gpu().allocated_bytes -= it->second;
  gpu().allocations.erase(it);
  return gpu().memory->free(address) ? abi::success : abi::invalid_value;
}
FAKE_API R cuMemcpyHtoD_v2(abi::DevicePtr to, const void* from, std::size_t bytes) {
  GATE("cuMemcpyHtoD_v2");
  std::byte* target = gpu().host(to, bytes);
  if (!target) return abi::invalid_value;
  std::memcpy(target, from, bytes);
  return abi::success;
}
FAKE_API R cuMemcpyDtoH_v2(void* to, abi::DevicePtr from, std::size_t bytes) {
  GATE("cuMemcpyDtoH_v2");
  const std::byte* source = gpu().host(from, bytes);
  if (!source) return abi::invalid_value;
  std::memcpy(to, source, bytes);
  return abi::success;
}
FAKE_API R cuMemcpyDtoDAsync_v2(abi::DevicePtr to, abi::DevicePtr from, std::size_t bytes,
                                abi::Stream stream) {
  GATE("cuMemcpyDtoDAsync_v2");
  return gpu().enqueue(*as<FakeStream>(stream), [=] { return gpu().copy(to, from, bytes); });
}
FAKE_API R cuMemsetD8Async(abi::DevicePtr at, unsigned char value, std::size_t bytes,
                           abi::Stream stream) {
  GATE("cuMemsetD8Async");
  return gpu().enqueue(*as<FakeStream>(stream), [=] { return gpu().fill(at, value, bytes); });
}
FAKE_API R cuMemHostAlloc(void** out, std::size_t bytes, unsigned) {
  auto memory = std::make_unique<std::uint64_t[]>((bytes + 7) / 8);
  *out = memory.get();
  gpu().host_memory[*out] = std::move(memory);
  return abi::success;
}
FAKE_API R cuMemHostGetDevicePointer_v2(abi::DevicePtr* out, void* host, unsigned) {
  *out = reinterpret_cast<abi::DevicePtr>(host);
  return abi::success;
}
FAKE_API R cuMemFreeHost(void* host) {
  return gpu().host_memory.erase(host) == 1 ? abi::success : abi::invalid_value;
}

FAKE_API R cuModuleLoadDataEx(abi::Module* out, const void* image, unsigned, int*, void**) {
  GATE("cuModuleLoadDataEx");
  FakeModule* module = nullptr;
  const R status = gpu().load(image, &module);
  *out = reinterpret_cast<abi::Module>(module);
  return status;
}
FAKE_API R cuModuleUnload(abi::Module handle) {
  GATE("cuModuleUnload");
  auto& all = gpu().modules;
  const auto it = std::find_if(all.begin(), all.end(),
                               [&](const auto& m) { return m.get() == as<FakeModule>(handle); });
  if (it == all.end()) return abi::invalid_value;
  all.erase(it);
  return abi::success;
}
FAKE_API R cuModuleGetFunction(abi::Function* out, abi::Module handle, const char* name) {
  GATE("cuModuleGetFunction");
  FakeModule& module = *as<FakeModule>(handle);
  auto& slot = module.functions[name];
  if (!slot) {
    if (!module.ptx.find(name)) {
      module.functions.erase(name);
      return abi::not_found;
    }
    auto program = emulator::decode(module.ptx, name);
    if (!program) return abi::not_supported;
    slot = std::make_unique<FakeFunction>();
    slot->module = &module;
    slot->name = name;
    slot->program = std::move(*program);
    for (const auto& f : module.facts)
      if (f.name == name) slot->registers = f.registers;
  }
  *out = reinterpret_cast<abi::Function>(slot.get());
  return abi::success;
}
FAKE_API R cuFuncGetAttribute(int* value, int attribute, abi::Function handle) {
  const auto& f = *as<FakeFunction>(handle);
  switch (attribute) {
    case abi::static_shared_bytes:
      *value = static_cast<int>(f.program.static_shared_bytes);
      return abi::success;
    case abi::registers:
      *value = f.registers;
      return abi::success;
    case abi::max_dynamic_shared_bytes:
      *value = f.dynamic_shared_limit;
      return abi::success;
    default:
      return abi::invalid_value;
  }
}
FAKE_API R cuFuncSetAttribute(abi::Function handle, int attribute, int value) {
  auto& f = *as<FakeFunction>(handle);
  if (attribute == abi::max_dynamic_shared_bytes) {
    if (value + static_cast<int>(f.program.static_shared_bytes) >
        gpu().entry().shared_bytes_per_block_optin)
      return abi::invalid_value;
    f.dynamic_shared_limit = value;
    return abi::success;
  }
  if (attribute == abi::non_portable_cluster_size) {
    f.large_clusters = value != 0;
    return abi::success;
  }
  return abi::invalid_value;
}
FAKE_API R cuFuncGetParamInfo(abi::Function handle, std::size_t index, std::size_t* offset,
                              std::size_t* size) {
  const auto& parameters = as<FakeFunction>(handle)->program.parameters;
  if (index >= parameters.size()) return abi::invalid_value;
  *offset = parameters[index].offset;
  *size = parameters[index].bytes;
  return abi::success;
}
FAKE_API R cuOccupancyMaxActiveBlocksPerMultiprocessor(int* blocks, abi::Function handle,
                                                       int threads, std::size_t dynamic) {
  const auto& f = *as<FakeFunction>(handle);
  *blocks = emulator::occupancy(gpu().entry(), {static_cast<std::uint32_t>(threads),
                                                static_cast<std::uint32_t>(f.registers),
                                                dynamic + f.program.static_shared_bytes})
                .blocks_per_sm;
  return abi::success;
}

FAKE_API R cuLaunchKernelEx(const abi::LaunchConfig* config, abi::Function handle, void** params,
                            void** extra) {
  GATE("cuLaunchKernelEx");
  auto& f = *as<FakeFunction>(handle);
  std::vector<std::byte> arguments(f.program.parameter_bytes);
  if (extra) {
    const std::byte* buffer = nullptr;
    std::size_t size = 0;
    for (void** e = extra; *e != abi::kLaunchParamEnd; e += 2) {
      if (*e == abi::kLaunchParamBufferPointer) buffer = static_cast<const std::byte*>(e[1]);
      if (*e == abi::kLaunchParamBufferSize) size = *static_cast<const std::size_t*>(e[1]);
    }
    if (!buffer || size != arguments.size()) return abi::invalid_value;
    std::copy_n(buffer, size, arguments.begin());
  } else if (!f.program.parameters.empty()) {
    if (!params) return abi::invalid_value;
    for (std::size_t i = 0; i < f.program.parameters.size(); ++i)
      std::memcpy(arguments.data() + f.program.parameters[i].offset, params[i],
                  f.program.parameters[i].bytes);
  }
  nlohmann::json said = {{"kernel", f.name},
                         {"shared_bytes", config->shared_bytes},
                         {"cooperative", false},
                         {"pdl", false}};
  said["grid"] = {config->grid[0], config->grid[1], config->grid[2]};
  said["block"] = {config->block[0], config->block[1], config->block[2]};
  for (unsigned i = 0; i < config->attribute_count; ++i) {
    const auto& a = config->attributes[i];
    if (a.id == abi::attribute_cluster_dimension) {
      const auto c = a.value.cluster;
      if (c.x * c.y * c.z > 8 && !f.large_clusters) return abi::invalid_cluster_size;
      if (config->grid[0] % c.x || config->grid[1] % c.y || config->grid[2] % c.z)
        return abi::invalid_cluster_size;
      said["cluster"] = {c.x, c.y, c.z};
    }
    if (a.id == abi::attribute_cooperative) said["cooperative"] = a.value.flag != 0;
    if (a.id == abi::attribute_programmatic_stream_serialization) said["pdl"] = a.value.flag != 0;
  }
  gpu().last_launch = said.dump();
  if (static_cast<int>(config->shared_bytes) > f.dynamic_shared_limit) return abi::invalid_value;
  const unsigned threads = config->block[0] * config->block[1] * config->block[2];
  int blocks = 0;
  cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, handle, static_cast<int>(threads),
                                              config->shared_bytes);
  if (blocks == 0) return abi::launch_out_of_resources;
  const abi::LaunchConfig copy = *config;
  return gpu().enqueue(*as<FakeStream>(config->stream),
                       [copy, &f, arguments] { return gpu().launch(copy, f, arguments); });
}

FAKE_API R cuStreamCreate(abi::Stream* out, unsigned) {
  gpu().streams.push_back(std::make_unique<FakeStream>());
  *out = reinterpret_cast<abi::Stream>(gpu().streams.back().get());
  return abi::success;
}
FAKE_API R cuStreamSynchronize(abi::Stream stream) {
  if (as<FakeStream>(stream)->capturing) return abi::stream_capture_unsupported;
  if (const R status = gpu().drain(*as<FakeStream>(stream)); status != abi::success) return status;
  return gpu().gate("cuStreamSynchronize");
}
FAKE_API R cuStreamDestroy_v2(abi::Stream stream) {
  auto& all = gpu().streams;
  all.erase(std::remove_if(all.begin(), all.end(),
                           [&](const auto& s) { return s.get() == as<FakeStream>(stream); }),
            all.end());
  return abi::success;
}
FAKE_API R cuStreamBeginCapture_v2(abi::Stream stream, int) {
  GATE("cuStreamBeginCapture_v2");
  as<FakeStream>(stream)->capturing = true;
  as<FakeStream>(stream)->captured = {};
  return abi::success;
}
FAKE_API R cuStreamEndCapture(abi::Stream stream, abi::Graph* out) {
  auto& s = *as<FakeStream>(stream);
  if (!s.capturing) return abi::invalid_value;
  s.capturing = false;
  *out = reinterpret_cast<abi::Graph>(new FakeGraph(std::move(s.captured)));
  return abi::success;
}
FAKE_API R cuStreamWaitValue32_v2(abi::Stream stream, abi::DevicePtr address, std::uint32_t value,
                                  unsigned) {
  GATE("cuStreamWaitValue32_v2");
  return gpu().enqueue(*as<FakeStream>(stream), [=]() -> R {
    // Somebody waits for the stream now, on the only thread that could still open the gate.
    const auto* word = reinterpret_cast<const volatile std::uint32_t*>(address);
    return *word >= value ? abi::success : abi::launch_timeout;
  });
}
FAKE_API R cuGraphInstantiateWithFlags(abi::GraphExec* out, abi::Graph graph, unsigned long long) {
  GATE("cuGraphInstantiateWithFlags");
  *out = reinterpret_cast<abi::GraphExec>(new FakeGraph(*as<FakeGraph>(graph)));
  return abi::success;
}
FAKE_API R cuGraphLaunch(abi::GraphExec graph, abi::Stream stream) {
  GATE("cuGraphLaunch");
  for (const auto& work : as<FakeGraph>(graph)->work) gpu().enqueue(*as<FakeStream>(stream), work);
  return abi::success;
}
FAKE_API R cuGraphExecDestroy(abi::GraphExec graph) {
  delete as<FakeGraph>(graph);
  return abi::success;
}
FAKE_API R cuGraphDestroy(abi::Graph graph) {
  delete as<FakeGraph>(graph);
  return abi::success;
}
FAKE_API R cuEventCreate(abi::Event* out, unsigned) {
  gpu().events.push_back(std::make_unique<FakeEvent>());
  *out = reinterpret_cast<abi::Event>(gpu().events.back().get());
  return abi::success;
}
FAKE_API R cuEventRecord(abi::Event event, abi::Stream stream) {
  return gpu().enqueue(*as<FakeStream>(stream), [event]() -> R {
    as<FakeEvent>(event)->at_ns = gpu().clock_ns;
    return abi::success;
  });
}
FAKE_API R cuEventElapsedTime(float* ms, abi::Event begin, abi::Event end) {
  *ms = static_cast<float>(
      static_cast<double>(as<FakeEvent>(end)->at_ns - as<FakeEvent>(begin)->at_ns) / 1e6);
  return abi::success;
}
FAKE_API R cuEventDestroy_v2(abi::Event event) {
  auto& all = gpu().events;
  all.erase(std::remove_if(all.begin(), all.end(),
                           [&](const auto& e) { return e.get() == as<FakeEvent>(event); }),
            all.end());
  return abi::success;
}
// Checks what the real one documents; the map itself is of no use to the emulator.
FAKE_API R cuTensorMapEncodeTiled(abi::TensorMap* out, int type, std::uint32_t rank, void* base,
                                  const std::uint64_t* dims, const std::uint64_t* strides,
                                  const std::uint32_t* box, const std::uint32_t*, int, int swizzle,
                                  int, int fill) {
  if (rank < 1 || rank > 5 || reinterpret_cast<std::uintptr_t>(base) % 16 != 0)
    return abi::invalid_value;
  for (std::uint32_t d = 0; d < rank; ++d)
    if (box[d] == 0 || box[d] > 256 || dims[d] == 0 || (d + 1 < rank && strides[d] % 16 != 0))
      return abi::invalid_value;
  *out = {};
  out->opaque[0] = reinterpret_cast<std::uintptr_t>(base);
  out->opaque[1] = static_cast<std::uint64_t>(type) | std::uint64_t{rank} << 8 |
                   static_cast<std::uint64_t>(swizzle) << 16 |
                   static_cast<std::uint64_t>(fill) << 24;
  out->opaque[2] = dims[0];
  out->opaque[3] = box[0];
  return abi::success;
}
