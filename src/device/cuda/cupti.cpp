// Buffers are asked for and handed back through two C callbacks, on CUPTI's thread or ours, so they
// lie behind a mutex. Kinds are enabled only while somebody measures: recording costs some
// microseconds per launch.
#include "device/cuda/cupti.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>

#include "device/cuda/abi.hpp"

namespace mtmc::device::cuda {

namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

Result<CuptiLibrary> load() {
  auto library = SharedLibrary::open("MTMC_CUDA_CUPTI", {"libcupti.so.13", "libcupti.so.12"});
  if (!library) return tl::unexpected<Error>(library.error());
  CuptiLibrary cupti{std::move(*library), 0};
  const auto version = cupti.library.find<abi::CuptiResult (*)(std::uint32_t*)>("cuptiGetVersion");
  if (!version || version(&cupti.version) != abi::cupti_success)
    return unavailable(cupti.library.path() + " is no CUPTI of CUDA 12 or 13");
  return cupti;
}

struct Collected {
  std::mutex mutex;
  std::vector<ActivityRecord> records;
  abi::CuptiResult (*next)(std::uint8_t*, std::size_t, std::uint8_t**) = nullptr;
};
Collected& collected() {
  static Collected one;
  return one;
}

template <class T>
T field(const std::uint8_t* record, std::size_t offset) {
  T value;
  std::memcpy(&value, record + offset, sizeof value);
  return value;
}

void read_record(const std::uint8_t* record, std::vector<ActivityRecord>& out) {
  namespace at = abi::activity_offset;
  ActivityRecord r;
  switch (field<std::uint32_t>(record, 0)) {
    case abi::activity_kernel:
    case abi::activity_concurrent_kernel: {
      r.kind = ActivityRecord::Kind::kernel;
      const char* name = field<const char*>(record, at::kernel_name);
      if (name) r.name = name;
      break;
    }
    case abi::activity_memset:
      r.kind = ActivityRecord::Kind::memset;
      r.value = field<std::uint32_t>(record, at::memset_value);
      r.bytes = field<std::uint64_t>(record, at::copy_bytes);
      break;
    case abi::activity_memcpy:
      r.kind = ActivityRecord::Kind::copy;
      r.bytes = field<std::uint64_t>(record, at::copy_bytes);
      break;
    default:
      return;
  }
  r.start_ns = field<std::uint64_t>(record, at::start);
  r.end_ns = field<std::uint64_t>(record, at::end);
  out.push_back(std::move(r));
}

void request_buffer(std::uint8_t** buffer, std::size_t* bytes, std::size_t* max_records) {
  *buffer = static_cast<std::uint8_t*>(std::aligned_alloc(64, kBufferBytes));
  *bytes = *buffer ? kBufferBytes : 0;
  *max_records = 0;
}

void complete_buffer(abi::Context, std::uint32_t, std::uint8_t* buffer, std::size_t,
                     std::size_t valid) {
  Collected& all = collected();
  {
    const std::lock_guard lock(all.mutex);
    std::uint8_t* record = nullptr;
    while (valid > 0 && all.next(buffer, valid, &record) == abi::cupti_success)
      read_record(record, all.records);
  }
  std::free(buffer);
}

constexpr std::uint32_t kKinds[] = {abi::activity_concurrent_kernel, abi::activity_memset,
                                    abi::activity_memcpy};

class CuptiActivity : public Activity {
 public:
  explicit CuptiActivity(const CuptiLibrary& cupti) : cupti_(cupti) {}
  ~CuptiActivity() override {
    if (subscriber_ && unsubscribe_) unsubscribe_(subscriber_);
  }

  Result<void> subscribe() {
    const auto& library = cupti_.library;
    register_ = library.find<decltype(register_)>("cuptiActivityRegisterCallbacks");
    enable_ = library.find<decltype(enable_)>("cuptiActivityEnable");
    disable_ = library.find<decltype(disable_)>("cuptiActivityDisable");
    flush_ = library.find<decltype(flush_)>("cuptiActivityFlushAll");
    dropped_ = library.find<decltype(dropped_)>("cuptiActivityGetNumDroppedRecords");
    unsubscribe_ = library.find<decltype(unsubscribe_)>("cuptiUnsubscribe");
    collected().next = library.find<decltype(Collected::next)>("cuptiActivityGetNextRecord");
    const auto subscribe =
        library.find<int (*)(void**, void (*)(void*, int, int, const void*), void*)>(
            "cuptiSubscribe");
    if (!register_ || !enable_ || !disable_ || !flush_ || !dropped_ || !unsubscribe_ ||
        !subscribe || !collected().next)
      return unavailable(library.path() + " lacks functions of the activity interface");
    // From 13.0 the other subscriber's name can be asked for.
    const auto named = library.find<int (*)(void**, void (*)(void*, int, int, const void*), void*,
                                            abi::SubscriberParams*)>("cuptiSubscribe_v2");
    char other[128] = {};
    const auto ignore = [](void*, int, int, const void*) {};
    abi::SubscriberParams params{sizeof(abi::SubscriberParams), "mtmc", other, sizeof other};
    const int status = named ? named(&subscriber_, ignore, nullptr, &params)
                             : subscribe(&subscriber_, ignore, nullptr);
    if (status == abi::cupti_multiple_subscribers || status == abi::cupti_max_limit_reached) {
      subscriber_ = nullptr;
      return unavailable(fmt::format("CUPTI is held by {}; run without it for kernel times",
                                     other[0] ? other : "another profiler"));
    }
    if (status != abi::cupti_success) {
      subscriber_ = nullptr;
      return unavailable("CUPTI does not start: " + cupti_.text(status));
    }
    if (const int done = register_(request_buffer, complete_buffer); done != abi::cupti_success)
      return unavailable("CUPTI takes no buffers: " + cupti_.text(done));
    return {};
  }

  Result<void> start() override {
    {
      const std::lock_guard lock(collected().mutex);
      collected().records.clear();
    }
    for (const auto kind : kKinds)
      if (const int status = enable_(kind); status != abi::cupti_success)
        return unavailable("CUPTI records no activity: " + cupti_.text(status));
    return {};
  }

  Result<std::vector<ActivityRecord>> stop(std::uint64_t& dropped) override {
    const int status = flush_(abi::kFlushForced);
    for (const auto kind : kKinds) disable_(kind);
    std::size_t lost = 0;
    dropped_(nullptr, 0, &lost);
    dropped = lost;
    if (status != abi::cupti_success)
      return unavailable("CUPTI hands out no records: " + cupti_.text(status));
    const std::lock_guard lock(collected().mutex);
    std::vector<ActivityRecord> records = std::move(collected().records);
    collected().records.clear();
    std::sort(records.begin(), records.end(), [](const auto& a, const auto& b) {
      return a.start_ns != b.start_ns ? a.start_ns < b.start_ns : a.end_ns < b.end_ns;
    });
    return records;
  }

 private:
  const CuptiLibrary& cupti_;
  void* subscriber_ = nullptr;
  int (*register_)(void (*)(std::uint8_t**, std::size_t*, std::size_t*),
                   void (*)(abi::Context, std::uint32_t, std::uint8_t*, std::size_t,
                            std::size_t)) = nullptr;
  int (*enable_)(std::uint32_t) = nullptr;
  int (*disable_)(std::uint32_t) = nullptr;
  int (*flush_)(std::uint32_t) = nullptr;
  int (*dropped_)(abi::Context, std::uint32_t, std::size_t*) = nullptr;
  int (*unsubscribe_)(void*) = nullptr;
};

}  // namespace

std::string CuptiLibrary::text(int status) const {
  const char* words = nullptr;
  const auto describe = library.find<int (*)(int, const char**)>("cuptiGetResultString");
  if (describe) describe(status, &words);
  return words ? words : fmt::format("CUPTI error {}", status);
}

std::string CuptiLibrary::version_text() const {
  // 130001 since CUDA 13; before, a plain counter (18 to 28 for CUDA 11 and 12).
  return version > 100000 ? fmt::format("{}.{}", version / 10000, version % 10000 / 100)
                          : fmt::format("API {}", version);
}

Result<const CuptiLibrary*> cupti_library() {
  static const Result<CuptiLibrary> loaded = load();
  if (!loaded) return tl::unexpected<Error>(loaded.error());
  return &*loaded;
}

Result<std::unique_ptr<Activity>> Activity::open() {
  auto cupti = cupti_library();
  if (!cupti)
    return unavailable("no CUPTI: " + cupti.error().message +
                       "; install it (nvidia-cuda-cupti) or set MTMC_CUDA_CUPTI");
  auto activity = std::make_unique<CuptiActivity>(**cupti);
  if (auto ok = activity->subscribe(); !ok) return tl::unexpected<Error>(ok.error());
  return activity;
}

}  // namespace mtmc::device::cuda
