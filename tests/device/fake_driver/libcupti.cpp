// CUPTI's C interface over fake::Gpu: activity records from what ran, metrics from the scenario.
// The metric names of the product's alias table are known, of the chip "FAKE" like those of GH100.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <set>

#include "device/fake_driver/gpu.hpp"

#define FAKE_API extern "C" __attribute__((visibility("default")))

using namespace mtmc;
using fake::Gpu;
namespace abi = fake::abi;

namespace {

Gpu& gpu() { return Gpu::instance(); }

using Request = void (*)(std::uint8_t**, std::size_t*, std::size_t*);
using Complete = void (*)(abi::Context, std::uint32_t, std::uint8_t*, std::size_t, std::size_t);
struct State {
  Request request = nullptr;
  Complete complete = nullptr;
  std::set<std::uint32_t> kinds;
  int flushes = 0;
  std::size_t dropped = 0;
  std::size_t pass = 0;  // of a range profiler session
  bool in_range = false;
  int launches_before = 0;
};
State& state() {
  static State one;
  return one;
}

constexpr std::size_t kRecordBytes =
    216;  // of a kernel; others are shorter, which readers must not mind

template <class T>
void put(std::uint8_t* at, std::size_t offset, T value) {
  std::memcpy(at + offset, &value, sizeof value);
}

void write_record(std::uint8_t* at, const fake::Record& r) {
  namespace offset = abi::activity_offset;
  std::memset(at, 0, kRecordBytes);
  put<std::uint32_t>(at, 0, r.kind);
  put(at, offset::start, r.start_ns);
  put(at, offset::end, r.end_ns);
  if (r.kind == abi::activity_concurrent_kernel) {
    put(at, offset::kernel_name, r.name);
  } else {
    put(at, offset::copy_bytes, r.bytes);
    put(at, offset::memset_value, r.value);
  }
}

}  // namespace

FAKE_API int cuptiGetVersion(std::uint32_t* version) {
  *version = 130001;
  return abi::cupti_success;
}
FAKE_API int cuptiGetResultString(int status, const char** text) {
  switch (status) {
    case abi::cupti_success:
      *text = "CUPTI_SUCCESS";
      break;
    case abi::cupti_insufficient_privileges:
      *text = "CUPTI_ERROR_INSUFFICIENT_PRIVILEGES";
      break;
    case abi::cupti_multiple_subscribers:
      *text = "CUPTI_ERROR_MULTIPLE_SUBSCRIBERS_NOT_SUPPORTED";
      break;
    default:
      *text = "CUPTI_ERROR_UNKNOWN";
      break;
  }
  return abi::cupti_success;
}
FAKE_API int cuptiSubscribe(void** subscriber, void (*)(void*, int, int, const void*), void*) {
  if (!gpu().scenario.cupti_holder.empty()) return abi::cupti_multiple_subscribers;
  *subscriber = &state();
  state().flushes = 0;
  return abi::cupti_success;
}
FAKE_API int cuptiSubscribe_v2(void** subscriber, void (*callback)(void*, int, int, const void*),
                               void* data, abi::SubscriberParams* params) {
  const int status = cuptiSubscribe(subscriber, callback, data);
  if (status == abi::cupti_multiple_subscribers && params->old_name)
    std::strncpy(params->old_name, gpu().scenario.cupti_holder.c_str(), params->old_name_size - 1);
  return status;
}
FAKE_API int cuptiUnsubscribe(void*) { return abi::cupti_success; }
FAKE_API int cuptiActivityRegisterCallbacks(Request request, Complete complete) {
  state().request = request;
  state().complete = complete;
  return abi::cupti_success;
}
FAKE_API int cuptiActivityEnable(std::uint32_t kind) {
  state().kinds.insert(kind);
  gpu().recording = true;
  return abi::cupti_success;
}
FAKE_API int cuptiActivityDisable(std::uint32_t kind) {
  state().kinds.erase(kind);
  gpu().recording = !state().kinds.empty();
  return abi::cupti_success;
}
FAKE_API int cuptiActivityFlushAll(std::uint32_t) {
  State& s = state();
  std::vector<fake::Record> records;
  records.swap(gpu().records);
  const int limit = gpu().scenario.cupti_lose_after;
  if (limit >= 0 && s.flushes++ >= limit) {
    s.dropped += records.size();
    return abi::cupti_success;
  }
  std::size_t at = 0;
  while (at < records.size()) {
    std::uint8_t* buffer = nullptr;
    std::size_t bytes = 0, most = 0, used = 0;
    s.request(&buffer, &bytes, &most);
    if (!buffer) return abi::cupti_max_limit_reached;
    for (; at < records.size() && used + kRecordBytes <= bytes; ++at) {
      if (!s.kinds.count(records[at].kind)) continue;
      write_record(buffer + used, records[at]);
      used += kRecordBytes;
    }
    s.complete(nullptr, 0, buffer, bytes, used);
  }
  return abi::cupti_success;
}
FAKE_API int cuptiActivityGetNextRecord(std::uint8_t* buffer, std::size_t valid,
                                        std::uint8_t** record) {
  std::uint8_t* next = *record ? *record + kRecordBytes : buffer;
  if (next >= buffer + valid) return abi::cupti_max_limit_reached;
  *record = next;
  return abi::cupti_success;
}
FAKE_API int cuptiActivityGetNumDroppedRecords(abi::Context, std::uint32_t, std::size_t* dropped) {
  *dropped = state().dropped;
  state().dropped = 0;
  return abi::cupti_success;
}

// --- counters ---

FAKE_API int cuptiProfilerInitialize(abi::ProfilerInitialize*) { return abi::cupti_success; }
FAKE_API int cuptiDeviceGetChipName(abi::GetChipName* params) {
  params->chip_name = "FAKE";
  return abi::cupti_success;
}
FAKE_API int cuptiProfilerHostGetSupportedChips(abi::HostGetSupportedChips* params) {
  static const char* const kChips[] = {"FAKE"};
  params->chip_count = 1;
  params->chip_names = kChips;
  return abi::cupti_success;
}
FAKE_API int cuptiProfilerHostInitialize(abi::HostInitialize* params) {
  if (std::strcmp(params->chip_name, "FAKE") != 0) return abi::cupti_invalid_parameter;
  params->host_object = &state();
  return abi::cupti_success;
}
FAKE_API int cuptiProfilerHostDeinitialize(abi::HostObjectOnly*) { return abi::cupti_success; }
FAKE_API int cuptiProfilerHostConfigAddMetrics(abi::HostConfigAddMetrics* params) {
  for (std::size_t i = 0; i < params->metric_count; ++i) {
    const std::string name = params->metric_names[i];
    const bool known = name.find("__") != std::string::npos &&
                       name.find("_op_read") == std::string::npos &&
                       name.find("_op_write") == std::string::npos;
    if (!known) return abi::cupti_invalid_parameter;
  }
  return abi::cupti_success;
}
FAKE_API int cuptiProfilerHostGetConfigImageSize(abi::HostGetConfigImageSize* params) {
  params->image_size = 64;
  return abi::cupti_success;
}
FAKE_API int cuptiProfilerHostGetConfigImage(abi::HostGetConfigImage* params) {
  std::memset(params->image, 0x11, params->image_size);
  return abi::cupti_success;
}
FAKE_API int cuptiProfilerHostGetNumOfPasses(abi::HostGetNumOfPasses* params) {
  params->pass_count = static_cast<std::size_t>(gpu().scenario.passes);
  return abi::cupti_success;
}
FAKE_API int cuptiProfilerHostEvaluateToGpuValues(abi::HostEvaluate* params) {
  // Decoded data says so.
  if (params->counter_data_size == 0 || params->counter_data[0] != 0xdc)
    return abi::cupti_invalid_parameter;
  for (std::size_t i = 0; i < params->metric_count; ++i) {
    const auto it = gpu().scenario.counters.find(params->metric_names[i]);
    params->values[i] = it == gpu().scenario.counters.end() ? 0 : it->second;
  }
  return abi::cupti_success;
}
FAKE_API int cuptiRangeProfilerEnable(abi::RangeEnable* params) {
  if (gpu().scenario.no_counters) return gpu().scenario.no_counters;
  params->profiler = &state();
  return abi::cupti_success;
}
FAKE_API int cuptiRangeProfilerDisable(abi::RangeProfilerOnly*) { return abi::cupti_success; }
FAKE_API int cuptiRangeProfilerGetCounterDataSize(abi::RangeGetCounterDataSize* params) {
  params->counter_data_size = 256;
  return abi::cupti_success;
}
FAKE_API int cuptiRangeProfilerCounterDataImageInitialize(abi::RangeCounterDataInitialize* params) {
  std::memset(params->counter_data, 0, params->counter_data_size);
  state().pass = 0;
  return abi::cupti_success;
}
static std::uint8_t* counter_data = nullptr;
FAKE_API int cuptiRangeProfilerSetConfig(abi::RangeSetConfig* params) {
  if (params->pass_index != state().pass) return abi::cupti_invalid_parameter;
  counter_data = params->counter_data;
  return abi::cupti_success;
}
FAKE_API int cuptiRangeProfilerStart(abi::RangeProfilerOnly*) { return abi::cupti_success; }
FAKE_API int cuptiRangeProfilerPushRange(abi::RangePush*) {
  state().in_range = true;
  state().launches_before = gpu().launches;
  return abi::cupti_success;
}
FAKE_API int cuptiRangeProfilerPopRange(abi::RangeProfilerOnly*) {
  // Every pass must have run the kernels.
  if (!state().in_range || gpu().launches == state().launches_before)
    return abi::cupti_invalid_parameter;
  state().in_range = false;
  return abi::cupti_success;
}
FAKE_API int cuptiRangeProfilerStop(abi::RangeStop* params) {
  params->pass_index = ++state().pass;
  params->target_nesting_level = 1;
  params->all_passes_submitted = static_cast<int>(state().pass) >= gpu().scenario.passes;
  return abi::cupti_success;
}
FAKE_API int cuptiRangeProfilerDecodeData(abi::RangeDecode*) {
  if (counter_data) counter_data[0] = 0xdc;
  return abi::cupti_success;
}
