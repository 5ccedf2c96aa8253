// Loaded at first use and never unloaded. cuInit makes no context; a process that only lists
// devices touches no GPU memory.
#include "device/cuda/driver.hpp"

#include <fmt/format.h>

#include "device/cuda/shared_library.hpp"

namespace mtmc::device::cuda {

namespace {

constexpr int kOldestDriver = 12000;

Result<Driver> load() {
  auto library = SharedLibrary::open("MTMC_CUDA_DRIVER", {"libcuda.so.1"});
  if (!library)
    return unavailable("no NVIDIA driver: " + library.error().message +
                       "; install one, or start the container with --gpus all");
  Driver d{};
  d.path = library->path();
  std::string missing;
  const auto need = [&](auto& function, const char* name) {
    function = library->find<std::decay_t<decltype(function)>>(name);
    if (!function && missing.empty()) missing = name;
  };
  const auto want = [&](auto& function, const char* name) {
    function = library->find<std::decay_t<decltype(function)>>(name);
  };
  abi::Result (*init)(unsigned) = nullptr;
  abi::Result (*get_version)(int*) = nullptr;
  need(init, "cuInit");
  need(get_version, "cuDriverGetVersion");
  need(d.get_error_name, "cuGetErrorName");
  need(d.get_error_string, "cuGetErrorString");
  need(d.device_get_count, "cuDeviceGetCount");
  need(d.device_get, "cuDeviceGet");
  need(d.device_get_name, "cuDeviceGetName");
  need(d.device_get_attribute, "cuDeviceGetAttribute");
  need(d.device_total_mem, "cuDeviceTotalMem_v2");
  need(d.device_get_uuid, "cuDeviceGetUuid_v2");
  need(d.device_get_pci_bus_id, "cuDeviceGetPCIBusId");
  need(d.primary_context_retain, "cuDevicePrimaryCtxRetain");
  need(d.primary_context_release, "cuDevicePrimaryCtxRelease_v2");
  need(d.context_set_current, "cuCtxSetCurrent");
  need(d.context_synchronize, "cuCtxSynchronize");
  need(d.context_set_limit, "cuCtxSetLimit");
  need(d.mem_get_info, "cuMemGetInfo_v2");
  need(d.mem_alloc, "cuMemAlloc_v2");
  need(d.mem_free, "cuMemFree_v2");
  need(d.copy_to_device, "cuMemcpyHtoD_v2");
  need(d.copy_to_host, "cuMemcpyDtoH_v2");
  need(d.copy_async, "cuMemcpyDtoDAsync_v2");
  need(d.memset_async, "cuMemsetD8Async");
  need(d.host_alloc, "cuMemHostAlloc");
  need(d.host_device_pointer, "cuMemHostGetDevicePointer_v2");
  need(d.host_free, "cuMemFreeHost");
  need(d.module_load, "cuModuleLoadDataEx");
  need(d.module_unload, "cuModuleUnload");
  need(d.module_get_function, "cuModuleGetFunction");
  need(d.function_get_attribute, "cuFuncGetAttribute");
  need(d.function_set_attribute, "cuFuncSetAttribute");
  want(d.function_get_param_info, "cuFuncGetParamInfo");
  need(d.occupancy, "cuOccupancyMaxActiveBlocksPerMultiprocessor");
  need(d.launch, "cuLaunchKernelEx");
  need(d.stream_create, "cuStreamCreate");
  need(d.stream_synchronize, "cuStreamSynchronize");
  need(d.stream_destroy, "cuStreamDestroy_v2");
  need(d.stream_begin_capture, "cuStreamBeginCapture_v2");
  need(d.stream_end_capture, "cuStreamEndCapture");
  want(d.stream_wait_value, "cuStreamWaitValue32_v2");
  need(d.graph_instantiate, "cuGraphInstantiateWithFlags");
  need(d.graph_launch, "cuGraphLaunch");
  need(d.graph_exec_destroy, "cuGraphExecDestroy");
  need(d.graph_destroy, "cuGraphDestroy");
  need(d.event_create, "cuEventCreate");
  need(d.event_record, "cuEventRecord");
  need(d.event_elapsed_ms, "cuEventElapsedTime");
  need(d.event_destroy, "cuEventDestroy_v2");
  want(d.tensor_map_encode_tiled, "cuTensorMapEncodeTiled");
  if (get_version) get_version(&d.version);
  if (!missing.empty() || d.version < kOldestDriver)
    return unavailable(fmt::format(
        "the NVIDIA driver ({}, CUDA {}.{}) is older than CUDA 12{}; update it", d.path,
        d.version / 1000, d.version % 1000 / 10, missing.empty() ? "" : " (no " + missing + ")"));
  if (const auto status = init(0); status != abi::success) {
    const char* advice = "run nvidia-smi to see whether the driver works";
    switch (status) {
      case abi::no_device:
        advice = "no GPU is visible; is CUDA_VISIBLE_DEVICES right?";
        break;
      case abi::stub_library:
        advice = "this is the toolkit's stub; put the driver's library first";
        break;
      case abi::system_driver_mismatch:
        advice = "kernel module and library differ; reboot or reload the module";
        break;
      case abi::system_not_ready:
        advice = "is nvidia-fabricmanager running?";
        break;
      default:
        break;
    }
    return unavailable(
        fmt::format("the NVIDIA driver does not start: {}; {}", d.text(status), advice));
  }
  return d;
}

}  // namespace

std::string Driver::text(abi::Result status) const {
  const char *name = nullptr, *words = nullptr;
  get_error_name(status, &name);
  get_error_string(status, &words);
  if (!name) return fmt::format("CUDA error {}", status);
  return words ? fmt::format("{} ({})", name, words) : name;
}

std::string Driver::version_text() const {
  return fmt::format("CUDA {}.{}", version / 1000, version % 1000 / 10);
}

Result<const Driver*> driver() {
  static const Result<Driver> loaded = load();
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  return &*loaded;
}

Trouble trouble_of(abi::Result status) {
  switch (status) {
    case abi::illegal_address:
    case abi::launch_timeout:
    case abi::assert_failed:
    case abi::hardware_stack_error:
    case abi::illegal_instruction:
    case abi::misaligned_address:
    case abi::invalid_address_space:
    case abi::invalid_pc:
    case abi::launch_failed:
      return Trouble::kernel_fault;
    case abi::device_unavailable:
    case abi::no_device:
    case abi::ecc_uncorrectable:
    case abi::nvlink_uncorrectable:
    case abi::system_not_ready:
    case abi::unknown_error:
      return Trouble::device_lost;
    case abi::out_of_memory:
      return Trouble::out_of_memory;
    case abi::invalid_image:
    case abi::no_binary_for_gpu:
    case abi::invalid_ptx:
    case abi::unsupported_ptx_version:
      return Trouble::wrong_binary;
    default:
      return Trouble::other;
  }
}

const char* fault_word(abi::Result status) {
  switch (status) {
    case abi::illegal_address:
    case abi::invalid_address_space:
      return "out_of_bounds";
    case abi::misaligned_address:
      return "misaligned";
    case abi::launch_timeout:
      return "timeout";
    default:
      return "crash";
  }
}

Error driver_error(const Driver& driver, abi::Result status, const std::string& doing) {
  const std::string text = fmt::format("{}: {}", doing, driver.text(status));
  switch (trouble_of(status)) {
    case Trouble::device_lost:
      return {
          ErrorCode::unavailable,
          text +
              "; the GPU does not answer any more: look at nvidia-smi and dmesg, and start again"};
    case Trouble::out_of_memory:
      return {
          ErrorCode::unavailable,
          text + "; free the GPU's memory (nvidia-smi lists who uses it) or take smaller shapes"};
    case Trouble::wrong_binary:
      return {ErrorCode::unavailable, fmt::format("{}; the driver speaks {}: update it, or point "
                                                  "MTMC_NVRTC at an NVRTC that is not newer",
                                                  text, driver.version_text())};
    case Trouble::kernel_fault:
    case Trouble::other:
      break;
  }
  return {ErrorCode::internal, text};
}

}  // namespace mtmc::device::cuda
