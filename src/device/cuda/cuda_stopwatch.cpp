// One repetition in the stream:
//
//   [marker, copies that restore inputs]   overwrite the L2 (cold) or a marker (warm)   the steps
//
// Records carry no labels, so memsets of known size and value mark where a sample begins and where
// restoring begins; what lies between belongs to the sample. All samples of one steps list must
// have the same number of records; one with fewer is counted as lost.
//
// The gate: the stream waits for a word of host memory, the host queues everything and then writes
// the word, so that slow submission is not seen as idle time of the GPU. It is used where the span
// would otherwise hold the host's time: stream submission, and events of any submission. A queue
// that is full would never be opened, so long lists go without.
#include "device/cuda/cuda_stopwatch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "device/cuda/probe.hpp"

namespace mtmc::device::cuda {

namespace {

constexpr std::size_t kMarkerBytes = 96;    // a sample begins (warm)
constexpr std::size_t kRestoreBytes = 160;  // restoring begins
constexpr unsigned char kBeginValue = 0x5c, kRestoreValue = 0xa3;
constexpr std::size_t kLeastScratchBytes = 1 << 20;
constexpr std::size_t kMaxGatedSteps = 400;  // a stream queues about 1000

using Clock = std::chrono::steady_clock;
double ns_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

}  // namespace

CudaStopwatch::CudaStopwatch(CudaDevice& device) : device_(device), driver_(device.driver()) {
  facts_.driver = driver_version();
  int waits = 0;
  driver_.device_get_attribute(&waits, abi::stream_wait_value_nor, device.handle());
  facts_.gated = driver_.stream_wait_value && waits != 0;
  auto activity = Activity::open();
  if (activity) {
    activity_ = std::move(*activity);
    facts_.source = TimeSource::activity;
  } else {
    facts_.why = activity.error().message;
  }
}

CudaStopwatch::~CudaStopwatch() {
  if (!device_.usable()) return;
  forget();
  if (scratch_) driver_.mem_free(scratch_);
  if (flag_) driver_.host_free(const_cast<std::uint32_t*>(flag_));
  if (begin_) driver_.event_destroy(begin_);
  if (end_) driver_.event_destroy(end_);
}

void CudaStopwatch::forget() {
  for (const auto& b : bound_)
    if (b.graph) driver_.graph_exec_destroy(b.graph);
  bound_.clear();
}

// Made once: memory that lives longer than the device's buffers.
Result<void> CudaStopwatch::make_tools() {
  if (scratch_) return {};
  scratch_bytes_ =
      std::max(kLeastScratchBytes, static_cast<std::size_t>(2 * device_.facts().l2_bytes));
  const auto done = [&](abi::Result status, const char* doing) -> Result<void> {
    if (status == abi::success) return {};
    return tl::unexpected<Error>(driver_error(driver_, status, doing));
  };
  if (auto ok = done(driver_.event_create(&begin_, 0), "making an event"); !ok) return ok;
  if (auto ok = done(driver_.event_create(&end_, 0), "making an event"); !ok) return ok;
  if (facts_.gated) {
    void* flag = nullptr;
    if (driver_.host_alloc(&flag, 64, abi::kHostAllocDeviceMap) != abi::success ||
        driver_.host_device_pointer(&flag_on_device_, flag, 0) != abi::success) {
      facts_.gated = false;
    } else {
      flag_ = static_cast<std::uint32_t*>(flag);
      *flag_ = gate_ = 0;
    }
  }
  abi::DevicePtr scratch = 0;
  if (auto ok = done(driver_.mem_alloc(&scratch, scratch_bytes_), "allocating what evicts the L2");
      !ok)
    return ok;
  scratch_ = scratch;
  return {};
}

Result<int> CudaStopwatch::bind(std::span<const BoundStep> steps, Submission submission,
                                std::span<const Restore> restores) {
  if (auto ok = make_tools(); !ok) return tl::unexpected<Error>(ok.error());
  Bound bound{steps, {restores.begin(), restores.end()}, nullptr};
  for (const auto& step : steps) {
    auto ready = device_.prepare(step);
    if (!ready) return tl::unexpected<Error>(ready.error());
    if (*ready) return bad_input((*ready)->text);
  }
  if (submission == Submission::graph) {
    const auto refused = [&](abi::Result status) {
      return bad_input("the run cannot be a graph: " + driver_.text(status));
    };
    if (const auto status =
            driver_.stream_begin_capture(device_.stream(), abi::kCaptureThreadLocal);
        status != abi::success)
      return refused(status);
    auto submitted = submit(bound);
    abi::Graph graph = nullptr;
    const auto ended = driver_.stream_end_capture(device_.stream(), &graph);
    if (!submitted) return tl::unexpected<Error>(submitted.error());
    if (*submitted) return bad_input("the run cannot be a graph: " + (*submitted)->text);
    if (ended != abi::success) return refused(ended);
    const auto made = driver_.graph_instantiate(&bound.graph, graph, 0);
    driver_.graph_destroy(graph);
    if (made != abi::success) return refused(made);
  }
  bound_.push_back(std::move(bound));
  return static_cast<int>(bound_.size()) - 1;
}

CudaStopwatch::Faulty CudaStopwatch::submit(const Bound& bound) {
  if (bound.graph)
    return device_.judge_status(driver_.graph_launch(bound.graph, device_.stream()), bound.steps);
  for (const auto& step : bound.steps)
    if (auto submitted = device_.submit(step); !submitted || *submitted) return submitted;
  return std::optional<Fault>();
}

CudaStopwatch::Faulty CudaStopwatch::once(const Bound& bound, CacheState state, bool gated,
                                          bool events, Sample& sample) {
  const abi::Stream stream = device_.stream();
  abi::Result status = abi::success;
  const auto queue = [&](abi::Result queued) {
    if (status == abi::success) status = queued;
  };
  if (!bound.restores.empty())
    queue(driver_.memset_async(scratch_, kRestoreValue, kRestoreBytes, stream));
  for (const auto& r : bound.restores)
    queue(driver_.copy_async(device_.memory().address(r.to), device_.memory().address(r.from),
                             static_cast<std::size_t>(r.bytes), stream));
  const bool cold = state == CacheState::cold;
  if (gated) queue(driver_.stream_wait_value(stream, flag_on_device_, ++gate_, abi::kWaitValueGeq));
  queue(driver_.memset_async(scratch_, kBeginValue, cold ? scratch_bytes_ : kMarkerBytes, stream));
  if (!gated) queue(driver_.stream_synchronize(stream));
  const auto start = Clock::now();
  if (events) queue(driver_.event_record(begin_, stream));
  Faulty submitted = std::optional<Fault>();
  if (status == abi::success) submitted = submit(bound);
  if (events) queue(driver_.event_record(end_, stream));
  if (gated) {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    *flag_ = gate_;
  }
  if (!submitted || *submitted) return submitted;
  queue(driver_.stream_synchronize(stream));
  if (!gated) sample.wall_ns = ns_since(start);
  if (auto judged = device_.judge_status(status, bound.steps); !judged || *judged) return judged;
  if (events) {
    float ms = 0;
    if (const auto got = driver_.event_elapsed_ms(&ms, begin_, end_); got != abi::success)
      return device_.judge_status(got, bound.steps);
    sample.span_ns = 1e6 * ms;
  }
  return std::optional<Fault>();
}

// Fills the report's samples from the records and takes out those that were lost.
void CudaStopwatch::group(const std::vector<ActivityRecord>& records, SampleReport& report) const {
  struct Group {
    double busy_ns = 0;
    std::uint64_t first_ns = ~std::uint64_t{0}, last_ns = 0;
    int records = 0;
  };
  std::vector<Group> groups;
  bool inside = false;
  for (const auto& r : records) {
    const bool memset = r.kind == ActivityRecord::Kind::memset;
    const auto value = static_cast<unsigned char>(r.value);  // drivers may widen a byte
    if (memset && value == kBeginValue && (r.bytes == scratch_bytes_ || r.bytes == kMarkerBytes)) {
      groups.emplace_back();
      inside = true;
      continue;
    }
    if (memset && value == kRestoreValue && r.bytes == kRestoreBytes) inside = false;
    if (!inside) continue;
    Group& g = groups.back();
    ++g.records;
    g.busy_ns += static_cast<double>(r.end_ns - r.start_ns);
    g.first_ns = std::min(g.first_ns, r.start_ns);
    g.last_ns = std::max(g.last_ns, r.end_ns);
  }
  std::map<int, int> counts;
  for (const auto& g : groups) ++counts[g.records];
  int usual = 0, most = 0;
  for (const auto& [records_per_sample, times] : counts)
    if (times >= most) {
      most = times;
      usual = records_per_sample;
    }
  std::vector<Sample> kept;
  const std::size_t want = report.samples.size();
  if (groups.size() == want)  // else samples cannot be told apart
    for (std::size_t i = 0; i < want; ++i) {
      const Group& g = groups[i];
      if (g.records != usual || g.records == 0) continue;
      Sample s = report.samples[i];
      s.busy_ns = g.busy_ns;
      s.span_ns = static_cast<double>(g.last_ns - g.first_ns);
      kept.push_back(s);
    }
  report.lost += static_cast<int>(report.samples.size() - kept.size());
  report.samples = std::move(kept);
}

Result<SampleReport> CudaStopwatch::sample(int handle, int count, CacheState state) {
  const Bound& bound = bound_.at(handle);
  SampleReport report;
  const bool events = facts_.source == TimeSource::events;
  const bool gated =
      facts_.gated && (events || !bound.graph) && bound.steps.size() <= kMaxGatedSteps;
  if (activity_)
    if (auto ok = activity_->start(); !ok) return tl::unexpected<Error>(ok.error());
  // Where samples are gated, one more repetition behind them gives a wall time.
  for (int i = 0; i < count + (gated ? 1 : 0); ++i) {
    Sample s;
    auto ran = once(bound, state, gated && i < count, events, s);
    if (!ran) return tl::unexpected<Error>(ran.error());
    if (*ran) {
      report.fault = std::move(*ran);
      break;
    }
    report.samples.push_back(s);
  }
  if (!device_.usable()) return report;
  if (activity_) {
    std::uint64_t dropped = 0;
    auto records = activity_->stop(dropped);
    if (!records) return tl::unexpected<Error>(records.error());
    if (report.fault) return report;
    group(*records, report);
    if (report.samples.empty() && count > 0) {
      // Somebody took CUPTI away, or what it recorded is not what was expected: go on without.
      activity_.reset();
      facts_.source = TimeSource::events;
      facts_.why = "CUPTI recorded nothing that can be told apart; does another profiler hold it?";
      return sample(handle, count, state);
    }
  }
  if (gated) {  // the last repetition lends its wall time to a sample; its span holds the host's
                // time
    std::optional<double> wall;
    std::erase_if(report.samples, [&](const Sample& s) {
      if (s.wall_ns) wall = s.wall_ns;
      return s.wall_ns.has_value();
    });
    if (!report.samples.empty()) report.samples.front().wall_ns = wall;
  }
  if (report.fault) return report;
  auto checked = device_.memory().check();
  if (!checked) return tl::unexpected<Error>(checked.error());
  report.fault = std::move(*checked);
  return report;
}

}  // namespace mtmc::device::cuda
