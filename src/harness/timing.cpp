// The loop that decides which samples count. It sees the device only through a Stopwatch, so tests
// drive it with scripted samples.
#include "harness/timing.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>

namespace mtmc::harness {

namespace {

using device::Conditions;
using device::SampleReport;
using Clock = std::chrono::steady_clock;

constexpr int kWarmUpStep = 5;

double ms_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

std::vector<double> spans(const std::vector<device::Sample>& samples) {
  std::vector<double> out;
  for (const auto& s : samples) out.push_back(s.span_ns);
  return out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& w : words) text += (text.empty() ? "" : ", ") + w;
  return text;
}

template <class F>
std::optional<double> median_of(const std::vector<device::Sample>& samples, F field) {
  std::vector<double> values;
  for (const auto& s : samples)
    if (const std::optional<double> v = field(s)) values.push_back(*v);
  if (values.empty()) return std::nullopt;
  return median(values);
}

class Timer {
 public:
  Timer(device::Stopwatch& watch, int handle, const TimingProtocol& protocol)
      : watch_(watch), handle_(handle), protocol_(protocol), start_(Clock::now()) {}

  Result<TimingReport> run() {
    TimingReport report;
    if (auto ok = warm_up(); !ok) return tl::unexpected<Error>(ok.error());
    while (!fault_) {
      if (auto ok = batch(); !ok) return tl::unexpected<Error>(ok.error());
      if (fault_ || done()) break;
    }
    report.fault = std::move(fault_);
    if (report.fault || kept_.empty()) return report;
    report.timing = result();
    return report;
  }

 private:
  bool spent() const { return ms_since(start_) > static_cast<double>(protocol_.budget_ms); }

  Result<std::vector<device::Sample>> take(int count) {
    auto taken = watch_.sample(handle_, count, protocol_.cache);
    if (!taken) return tl::unexpected<Error>(taken.error());
    timing_.lost += taken->lost;
    if (taken->fault) fault_ = std::move(taken->fault);
    return std::move(taken->samples);
  }

  Result<void> warm_up() {
    double last = 0;
    while (!fault_ && timing_.warm_up < protocol_.warm_up_samples) {
      auto samples = take(std::min(kWarmUpStep, protocol_.warm_up_samples - timing_.warm_up));
      if (!samples) return tl::unexpected<Error>(samples.error());
      timing_.warm_up += kWarmUpStep;
      if (samples->empty()) continue;
      const double now = median(spans(*samples));
      if (last > 0 && std::abs(now - last) <= protocol_.stable * last) break;
      last = now;
      if (spent()) break;
    }
    timing_.lost = 0;
    return {};
  }

  Result<void> batch() {
    const Conditions before = watch_.conditions();
    auto samples = take(protocol_.batch);
    if (!samples) return tl::unexpected<Error>(samples.error());
    const Conditions after = watch_.conditions();
    ++batches_;
    const bool slowed = !before.throttled.empty() || !after.throttled.empty();
    if (slowed && thrown_away_ < protocol_.throttled_batches && !spent()) {
      ++thrown_away_;
      timing_.discarded += static_cast<int>(samples->size());
      return {};
    }
    timing_.throttled = timing_.throttled || slowed;
    if (slowed) slowed_by_ = after.throttled.empty() ? before.throttled : after.throttled;
    if (kept_.empty()) timing_.before = before;
    timing_.after = after;
    kept_.insert(kept_.end(), samples->begin(), samples->end());
    return {};
  }

  bool done() {
    const auto count = static_cast<int>(kept_.size());
    if (count >= protocol_.min_samples) {
      const auto values = spans(kept_);
      const Interval interval = median_interval(values, protocol_.confidence);
      if (interval.high - interval.low <= protocol_.relative_width * median(values)) {
        timing_.stopped = StopReason::narrow_enough;
        return true;
      }
    }
    // Lost samples count, so that a stopwatch that keeps nothing comes to an end.
    if (count >= protocol_.max_samples || batches_ * protocol_.batch >= 2 * protocol_.max_samples) {
      timing_.stopped = StopReason::max_samples;
      return true;
    }
    timing_.stopped = StopReason::budget;
    return spent() && (count > 0 || batches_ > 2);
  }

  Timing result() {
    Timing& t = timing_;
    t.samples_ns = spans(kept_);
    t.measured_ns = median(t.samples_ns);
    t.interval = median_interval(t.samples_ns, protocol_.confidence);
    t.busy_ns = median_of(kept_, [](const device::Sample& s) { return s.busy_ns; });
    t.wall_ns = median_of(kept_, [](const device::Sample& s) { return s.wall_ns; });
    const auto& facts = watch_.facts();
    t.protocol = protocol_name(protocol_, facts.source);
    t.driver = facts.driver;
    if (facts.source == device::TimeSource::events) {
      t.notes.push_back("times are from events, not from kernel records: " + facts.why);
      // Samples of two sources do not mix; after a change the earlier ones had busy times.
      t.busy_ns.reset();
    }
    if (t.throttled)
      t.notes.push_back("the GPU was slowed down while it was timed: " + joined(slowed_by_));
    if (!t.after.capped.empty())
      t.notes.push_back("the GPU ran at a limit: " + joined(t.after.capped));
    if (t.after.other_processes.value_or(0) > 0)
      t.notes.push_back(
          fmt::format("{} other process(es) computed on the same GPU", *t.after.other_processes));
    if (!t.after.note.empty()) t.notes.push_back(t.after.note);
    if (t.lost > 0) t.notes.push_back(fmt::format("{} samples were lost", t.lost));
    return std::move(t);
  }

  device::Stopwatch& watch_;
  int handle_;
  const TimingProtocol& protocol_;
  Clock::time_point start_;
  Timing timing_;
  std::vector<device::Sample> kept_;
  std::vector<std::string> slowed_by_;
  std::optional<device::Fault> fault_;
  int batches_ = 0, thrown_away_ = 0;
};

}  // namespace

std::string protocol_name(const TimingProtocol& protocol, device::TimeSource source) {
  return fmt::format("span/{}/{}/{}/v{}", device::name_of(protocol.submission),
                     device::name_of(protocol.cache), device::name_of(source), kTimingVersion);
}

std::string_view name_of(StopReason reason) {
  switch (reason) {
    case StopReason::narrow_enough:
      return "narrow_enough";
    case StopReason::budget:
      return "budget";
    case StopReason::max_samples:
      break;
  }
  return "max_samples";
}

Result<TimingReport> time_steps(device::Stopwatch& watch, int handle,
                                const TimingProtocol& protocol) {
  return Timer(watch, handle, protocol).run();
}

double floor_ns(double input_bytes, double output_bytes, double arithmetic_ns,
                const kernel::DeviceFacts& device, device::CacheState cache) {
  const auto l2 = static_cast<double>(device.l2_bytes);
  // A warm L2 may hold inputs too.
  const double bytes = cache == device::CacheState::cold
                           ? input_bytes + std::max(0.0, output_bytes - l2)
                           : std::max(0.0, input_bytes + output_bytes - l2);
  const double memory_ns = device.dram_bytes_per_s > 0 ? 1e9 * bytes / device.dram_bytes_per_s : 0;
  return std::max(memory_ns, arithmetic_ns);
}

}  // namespace mtmc::harness
