// A run that cannot be a graph is timed as a stream, and says so. Counters have runs of their own:
// replaying for them disturbs clocks and caches.
#include "harness/measure.hpp"

#include <fmt/format.h>

#include "device/counters.hpp"

namespace mtmc::harness {

namespace {

constexpr int kPrepareSamples = 3;

// Binds as the protocol says, or as a stream with a note.
Result<int> bind(device::Stopwatch& watch, std::span<const device::BoundStep> steps,
                 std::span<const device::Restore> restores, TimingProtocol& protocol,
                 std::string& note) {
  auto handle = watch.bind(steps, protocol.submission, restores);
  if (handle || handle.error().code != ErrorCode::bad_input ||
      protocol.submission == device::Submission::stream)
    return handle;
  note = handle.error().message;
  protocol.submission = device::Submission::stream;
  return watch.bind(steps, protocol.submission, restores);
}

}  // namespace

Result<Measured> measure_case(device::Device& device, const MeasureRequest& request) {
  Measured out;
  device::Stopwatch& watch = *device.stopwatch();
  if (!request.prepare.empty()) {
    auto handle = watch.bind(request.prepare, device::Submission::stream, {});
    if (!handle) return tl::unexpected<Error>(handle.error());
    auto report = watch.sample(*handle, kPrepareSamples, device::CacheState::cold);
    if (!report) return tl::unexpected<Error>(report.error());
    out.fault = std::move(report->fault);
    if (out.fault) return out;
    std::vector<double> spans;
    for (const auto& s : report->samples) spans.push_back(s.span_ns);
    if (!spans.empty()) out.prepare_ns = median(spans);
  }
  TimingProtocol protocol = request.protocol;
  std::string note;
  auto handle = bind(watch, request.run, request.restores, protocol, note);
  if (!handle && handle.error().code == ErrorCode::bad_input) {
    out.fault = device::Fault{"launch_error", handle.error().message};
    return out;
  }
  if (!handle) return tl::unexpected<Error>(handle.error());
  auto report = time_steps(watch, *handle, protocol);
  if (!report) return tl::unexpected<Error>(report.error());
  out.fault = std::move(report->fault);
  if (out.fault) return out;
  if (!report->timing) return unavailable("the run could not be timed: every sample was lost");
  out.timing = std::move(report->timing);
  if (!note.empty()) out.timing->notes.push_back(note);
  if (out.timing->measured_ns < request.floor_ns) {
    out.fault = device::Fault{"refused",
                              fmt::format("measured {:.2f} us, below the {:.2f} us that reading "
                                          "and writing its tensors takes at least: impossible",
                                          out.timing->measured_ns / 1000, request.floor_ns / 1000)};
    out.timing.reset();
    return out;
  }
  return out;
}

Result<Counted> count_case(device::Device& device, std::span<const device::BoundStep> run) {
  Counted out;
  auto* session = device.counter_session();
  if (!session) return out;
  if (auto ok = session->permitted(); !ok) {
    out.note = ok.error().message;
    return out;
  }
  auto counted = session->count(run);
  if (!counted) {
    if (!device.usable()) return tl::unexpected<Error>(counted.error());
    out.note = counted.error().message;
    return out;
  }
  out.fault = std::move(counted->fault);
  out.counters = std::move(counted->values);
  return out;
}

}  // namespace mtmc::harness
