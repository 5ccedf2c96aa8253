// The few types and numbers of the CUDA driver, CUPTI and NVML that are used, restated so that the
// build needs no toolkit (docs/adr). Values are those of cuda.h, cupti.h and nvml.h of CUDA 12 and
// 13; tests/device/abi_test.cpp compares them with the real headers wherever it finds some.
//
// Names keep NVIDIA's spelling without its prefix where the namespace says it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mtmc::device::cuda::abi {

// --- driver ---

using Result = int;  // CUresult
using Device = int;
using DevicePtr = std::uint64_t;
using Context = struct ContextTag*;
using Module = struct ModuleTag*;
using Function = struct FunctionTag*;
using Stream = struct StreamTag*;
using Event = struct EventTag*;
using Graph = struct GraphTag*;
using GraphExec = struct GraphExecTag*;

struct Uuid {
  unsigned char bytes[16];
};

enum DriverStatus : int {
  success = 0,
  invalid_value = 1,
  out_of_memory = 2,
  not_initialized = 3,
  stub_library = 34,
  device_unavailable = 46,
  no_device = 100,
  invalid_image = 200,
  no_binary_for_gpu = 209,
  ecc_uncorrectable = 214,
  invalid_ptx = 218,
  nvlink_uncorrectable = 220,
  unsupported_ptx_version = 222,
  not_found = 500,
  illegal_address = 700,
  launch_out_of_resources = 701,
  launch_timeout = 702,
  assert_failed = 710,
  hardware_stack_error = 714,
  illegal_instruction = 715,
  misaligned_address = 716,
  invalid_address_space = 717,
  invalid_pc = 718,
  launch_failed = 719,
  cooperative_launch_too_large = 720,
  not_permitted = 800,
  not_supported = 801,
  system_not_ready = 802,
  system_driver_mismatch = 803,
  stream_capture_unsupported = 900,
  invalid_cluster_size = 912,
  unknown_error = 999,
};

enum DeviceAttribute : int {
  max_shared_per_block = 8,
  clock_rate_khz = 13,
  multiprocessor_count = 16,
  compute_mode = 20,  // 0 default, 2 prohibited, 3 exclusive process
  memory_clock_rate_khz = 36,
  memory_bus_width_bits = 37,
  l2_cache_bytes = 38,
  max_threads_per_multiprocessor = 39,
  compute_capability_major = 75,
  compute_capability_minor = 76,
  max_shared_per_multiprocessor = 81,
  max_registers_per_multiprocessor = 82,
  cooperative_launch = 95,
  max_shared_per_block_optin = 97,
  cluster_launch = 120,
  stream_wait_value_nor = 123,
  tensor_map_access = 127,
};

enum FunctionAttribute : int {
  max_threads_per_block = 0,
  static_shared_bytes = 1,
  registers = 4,
  max_dynamic_shared_bytes = 8,
  non_portable_cluster_size = 14,
};

enum Limit : int { printf_fifo_size = 1, malloc_heap_size = 2, persisting_l2_cache_size = 6 };

inline constexpr unsigned kStreamNonBlocking = 1;
inline constexpr int kCaptureThreadLocal = 1;
inline constexpr unsigned kWaitValueGeq = 0;
inline constexpr unsigned kHostAllocDeviceMap = 2;

enum LaunchAttributeId : int {
  attribute_cooperative = 2,
  attribute_cluster_dimension = 4,
  attribute_programmatic_stream_serialization = 6,
};

struct LaunchAttribute {
  int id;
  char pad[4];
  union Value {
    char bytes[64];
    int flag;
    struct {
      unsigned x, y, z;
    } cluster;
  } value;
};

struct LaunchConfig {
  unsigned grid[3];
  unsigned block[3];
  unsigned shared_bytes;
  Stream stream;
  LaunchAttribute* attributes;
  unsigned attribute_count;
};

// `extra` of a launch: a list of pairs.
inline void* const kLaunchParamEnd = nullptr;
inline void* const kLaunchParamBufferPointer = reinterpret_cast<void*>(1);
inline void* const kLaunchParamBufferSize = reinterpret_cast<void*>(2);

struct alignas(64) TensorMap {  // 13.0 asks for an alignment of 128 of the type, 64 of a parameter
  std::uint64_t opaque[16];
};

enum TensorMapType : int {
  tensor_u8 = 0,
  tensor_i32 = 3,
  tensor_i64 = 5,
  tensor_f16 = 6,
  tensor_f32 = 7,
  tensor_f64 = 8,
  tensor_bf16 = 9,
};
inline constexpr int kTensorInterleaveNone = 0;
inline constexpr int kTensorPromotion128 = 2;

// --- CUPTI ---

using CuptiResult = int;
enum CuptiStatus : int {
  cupti_success = 0,
  cupti_invalid_parameter = 1,
  cupti_max_limit_reached = 12,
  cupti_not_supported = 27,
  cupti_insufficient_privileges = 35,
  cupti_multiple_subscribers = 39,
  cupti_virtualized_device_insufficient_privileges = 40,
};

enum ActivityKind : std::uint32_t {
  activity_memcpy = 1,
  activity_memset = 2,
  activity_kernel = 3,
  activity_concurrent_kernel = 10,
};
inline constexpr std::uint32_t kFlushForced = 1;

// Where the fields used lie; the same in CUpti_ActivityKernel4 to 10 (CUDA 9 to 13),
// CUpti_ActivityMemset3 and 4, CUpti_ActivityMemcpy4 to 6.
namespace activity_offset {
inline constexpr std::size_t start = 16, end = 24;  // uint64 nanoseconds, in all three
inline constexpr std::size_t kernel_correlation = 92, kernel_name = 104;
inline constexpr std::size_t copy_bytes = 8, copy_correlation = 44;  // memset and memcpy
inline constexpr std::size_t memset_value = 4;
}  // namespace activity_offset

struct SubscriberParams {
  std::size_t struct_size;
  const char* name;
  char* old_name;
  std::size_t old_name_size;
};

// Parameter structures of the profiler's host and range interfaces. CUPTI reads `struct_size` as
// the end of the last field, without padding behind it.
struct ProfilerInitialize {
  std::size_t struct_size = 16;
  void* priv = nullptr;
};
struct GetChipName {
  std::size_t struct_size = 32;
  void* priv = nullptr;
  std::size_t device_index = 0;
  const char* chip_name = nullptr;
};
struct HostInitialize {
  std::size_t struct_size = 48;
  void* priv = nullptr;
  int profiler_type = 0;  // range profiler
  const char* chip_name = nullptr;
  const std::uint8_t* counter_availability_image = nullptr;
  void* host_object = nullptr;
};
struct HostObjectOnly {  // HostDeinitialize
  std::size_t struct_size = 24;
  void* priv = nullptr;
  void* host_object = nullptr;
};
struct HostGetSupportedChips {
  std::size_t struct_size = 32;
  void* priv = nullptr;
  std::size_t chip_count = 0;
  const char* const* chip_names = nullptr;
};
struct HostConfigAddMetrics {
  std::size_t struct_size = 40;
  void* priv = nullptr;
  void* host_object = nullptr;
  const char** metric_names = nullptr;
  std::size_t metric_count = 0;
};
struct HostGetConfigImageSize {
  std::size_t struct_size = 32;
  void* priv = nullptr;
  void* host_object = nullptr;
  std::size_t image_size = 0;
};
struct HostGetConfigImage {
  std::size_t struct_size = 40;
  void* priv = nullptr;
  void* host_object = nullptr;
  std::size_t image_size = 0;
  std::uint8_t* image = nullptr;
};
struct HostGetNumOfPasses {
  std::size_t struct_size = 40;
  void* priv = nullptr;
  std::size_t image_size = 0;
  std::uint8_t* image = nullptr;
  std::size_t pass_count = 0;
};
struct HostEvaluate {
  std::size_t struct_size = 72;
  void* priv = nullptr;
  void* host_object = nullptr;
  const std::uint8_t* counter_data = nullptr;
  std::size_t counter_data_size = 0;
  std::size_t range_index = 0;
  const char** metric_names = nullptr;
  std::size_t metric_count = 0;
  double* values = nullptr;
};
struct RangeEnable {
  std::size_t struct_size = 32;
  void* priv = nullptr;
  Context context = nullptr;
  void* profiler = nullptr;
};
struct RangeProfilerOnly {  // Disable, Start, PopRange
  std::size_t struct_size = 24;
  void* priv = nullptr;
  void* profiler = nullptr;
};
struct RangeGetCounterDataSize {
  std::size_t struct_size = 64;
  void* priv = nullptr;
  void* profiler = nullptr;
  const char** metric_names = nullptr;
  std::size_t metric_count = 0;
  std::size_t max_ranges = 1;
  std::uint32_t max_range_tree_nodes = 1;
  std::size_t counter_data_size = 0;
};
struct RangeCounterDataInitialize {
  std::size_t struct_size = 40;
  void* priv = nullptr;
  void* profiler = nullptr;
  std::size_t counter_data_size = 0;
  std::uint8_t* counter_data = nullptr;
};
inline constexpr int kUserRange = 2, kUserReplay = 3;
struct RangeSetConfig {
  std::size_t struct_size = 90;
  void* priv = nullptr;
  void* profiler = nullptr;
  std::size_t config_size = 0;
  const std::uint8_t* config = nullptr;
  std::size_t counter_data_size = 0;
  std::uint8_t* counter_data = nullptr;
  int range = kUserRange;
  int replay_mode = kUserReplay;
  std::size_t max_ranges_per_pass = 1;
  std::uint16_t nesting_levels = 1;
  std::uint16_t min_nesting_level = 1;
  std::size_t pass_index = 0;
  std::uint16_t target_nesting_level = 1;
};
struct RangePush {
  std::size_t struct_size = 32;
  void* priv = nullptr;
  void* profiler = nullptr;
  const char* name = nullptr;
};
struct RangeStop {
  std::size_t struct_size = 41;
  void* priv = nullptr;
  void* profiler = nullptr;
  std::size_t pass_index = 0;
  std::size_t target_nesting_level = 0;
  std::uint8_t all_passes_submitted = 0;
};
struct RangeDecode {
  std::size_t struct_size = 32;
  void* priv = nullptr;
  void* profiler = nullptr;
  std::size_t dropped_ranges = 0;
};

// --- NVML ---

using NvmlDevice = struct NvmlDeviceTag*;
enum NvmlClock : int { nvml_clock_sm = 1, nvml_clock_memory = 2 };
enum NvmlStatus : int { nvml_success = 0, nvml_not_supported = 3, nvml_gpu_is_lost = 15 };
enum NvmlThrottle : std::uint64_t {  // nvmlClocksEventReason*
  throttle_idle = 0x1,
  throttle_applications_clocks = 0x2,
  throttle_sw_power_cap = 0x4,
  throttle_hw_slowdown = 0x8,
  throttle_sync_boost = 0x10,
  throttle_sw_thermal = 0x20,
  throttle_hw_thermal = 0x40,
  throttle_hw_power_brake = 0x80,
};
struct NvmlProcess {  // nvmlProcessInfo_t of the _v2 and _v3 calls
  unsigned pid;
  unsigned long long used_memory_bytes;
  unsigned gpu_instance, compute_instance;
};

}  // namespace mtmc::device::cuda::abi
