// A rate is work over the busy time of one launch that is long against its start: the number of
// rounds grows until it is. The best of the samples counts, not the median: a ceiling is what was
// reached.
#include "harness/ceilings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include <nlohmann/json.hpp>

#include "kernel/json_reader.hpp"

namespace mtmc::harness {

namespace {

constexpr const char* kSource =
#include "ceilings_text.inc"
    ;

constexpr double kLongEnoughNs = 200e3;
constexpr int kBlockThreads = 256, kBlocksPerSm = 8, kWarps = kBlockThreads / 32;
constexpr int kChains = 8, kMostRounds = 1 << 20, kFirstRounds = 4;

kernel::ResolvedScalar scalar(float v) { return {4, std::bit_cast<std::uint32_t>(v)}; }
kernel::ResolvedScalar scalar(int v) { return {4, static_cast<std::uint32_t>(v)}; }
kernel::ResolvedScalar scalar64(std::int64_t v) { return {8, static_cast<std::uint64_t>(v)}; }

class Measuring {
 public:
  Measuring(device::Device& device, const compiler::Binary& kernels, const TimingProtocol& protocol)
      : device_(device), kernels_(kernels), protocol_(protocol) {
    protocol_.cache =
        device::CacheState::warm;  // buffers are larger than the L2, and arithmetic has none
  }

  Result<Ceilings> run() {
    if (!device_.stopwatch())
      return unavailable("the ceilings of " + device_.facts().name + " are modelled, not measured");
    auto module = device_.load(kernels_);
    if (!module) return tl::unexpected<Error>(module.error());
    module_ = *module;
    const std::int64_t bytes = std::max<std::int64_t>(8 * device_.facts().l2_bytes, 1 << 20);
    for (const char* name : {"from", "to"}) {
      auto buffer = device_.allocate({name, bytes, 256, true, false});
      if (!buffer) return tl::unexpected<Error>(buffer.error());
      buffers_[name] = *buffer;
    }
    Ceilings c;
    c.device = device_.facts().name;
    auto copied = time(copy_step(bytes));
    if (!copied) return tl::unexpected<Error>(copied.error());
    c.copy_bytes_per_s = 2.0 * static_cast<double>(bytes) / *copied * 1e9;
    // Operations of a warp in one round.
    const std::pair<const char*, std::pair<double*, double>> units[] = {
        {"fp32", {&c.fp32_flops, 2.0 * 32 * 4 * kChains}},
        {"tf32", {&c.tf32_flops, 2.0 * 16 * 8 * 8 * kChains}},
        {"bf16", {&c.bf16_flops, 2.0 * 16 * 8 * 16 * kChains}}};
    for (const auto& [name, target] : units) {
      const bool there = std::any_of(kernels_.kernels.begin(), kernels_.kernels.end(),
                                     [&](const auto& k) { return k.name == name; });
      if (!there) continue;
      auto rate = arithmetic(name, target.second);
      if (!rate) return tl::unexpected<Error>(rate.error());
      *target.first = *rate;
    }
    c.driver = driver_;
    c.protocol = timing_protocol_;
    device_.reset();
    return c;
  }

 private:
  kernel::ResolvedLaunch launch(const char* name) const {
    kernel::ResolvedLaunch l{name,
                             {device_.facts().sms * kBlocksPerSm, 1, 1},
                             {kBlockThreads, 1, 1},
                             {1, 1, 1},
                             false,
                             false,
                             0,
                             {}};
    return l;
  }
  kernel::ResolvedStep copy_step(std::int64_t bytes) const {
    auto l = launch("copy");
    l.args = {kernel::ResolvedBufferArg{"from", 0}, kernel::ResolvedBufferArg{"to", 0},
              scalar64(bytes / 16)};
    return l;
  }
  kernel::ResolvedStep arithmetic_step(const char* name, int rounds) const {
    auto l = launch(name);
    l.args = {kernel::ResolvedBufferArg{"to", 0}, scalar(0.999f), scalar(0.001f), scalar(rounds)};
    return l;
  }

  // The least time of the samples, ns: busy where it is known.
  Result<double> time(const kernel::ResolvedStep& step) {
    const device::BoundStep bound{&step, module_, &buffers_, nullptr};
    auto ran = device_.run({&bound, 1}, {});
    if (!ran) return tl::unexpected<Error>(ran.error());
    if (ran->fault) return unavailable("measuring ceilings: " + ran->fault->text);
    auto handle = device_.stopwatch()->bind({&bound, 1}, device::Submission::stream, {});
    if (!handle) return tl::unexpected<Error>(handle.error());
    TimingProtocol protocol = protocol_;
    protocol.submission = device::Submission::stream;
    auto report = time_steps(*device_.stopwatch(), *handle, protocol);
    if (!report) return tl::unexpected<Error>(report.error());
    if (report->fault) return unavailable("measuring ceilings: " + report->fault->text);
    if (!report->timing) return unavailable("measuring ceilings: every sample was lost");
    driver_ = report->timing->driver;
    timing_protocol_ = report->timing->protocol;
    return quantile(report->timing->samples_ns, 0);
  }

  Result<double> arithmetic(const char* name, double operations_per_round) {
    const double warps = static_cast<double>(device_.facts().sms) * kBlocksPerSm * kWarps;
    for (int rounds = kFirstRounds;;) {
      const auto step = arithmetic_step(name, rounds);
      const device::BoundStep bound{&step, module_, &buffers_, nullptr};
      auto handle = device_.stopwatch()->bind({&bound, 1}, device::Submission::stream, {});
      if (!handle) return tl::unexpected<Error>(handle.error());
      auto look = device_.stopwatch()->sample(*handle, 2, device::CacheState::warm);
      if (!look) return tl::unexpected<Error>(look.error());
      if (look->fault) return unavailable("measuring ceilings: " + look->fault->text);
      const double ns = look->samples.empty() ? 0 : look->samples.back().span_ns;
      if (ns < kLongEnoughNs && rounds < kMostRounds) {
        rounds =
            std::min(kMostRounds,
                     static_cast<int>(
                         rounds * std::clamp(1.2 * kLongEnoughNs / std::max(ns, 1.0), 1.5, 16.0)));
        continue;
      }
      auto best = time(step);
      if (!best) return tl::unexpected<Error>(best.error());
      return operations_per_round * rounds * warps / *best * 1e9;
    }
  }

  device::Device& device_;
  const compiler::Binary& kernels_;
  TimingProtocol protocol_;
  int module_ = -1;
  std::map<std::string, int> buffers_;
  std::string driver_, timing_protocol_;
};

}  // namespace

compiler::CompileRequest ceiling_kernels(const std::string& architecture) {
  compiler::CompileRequest request;
  request.sources.push_back({"ceilings.cu", kSource});
  request.architecture = architecture;
  request.line_info = true;
  return request;
}

Result<Ceilings> measure_ceilings(device::Device& device, const compiler::Binary& kernels,
                                  const TimingProtocol& protocol) {
  device.reset();
  auto measured = Measuring(device, kernels, protocol).run();
  device.reset();
  return measured;
}

nlohmann::json to_json(const Ceilings& c) {
  return {{"version", kCeilingsVersion},
          {"device", c.device},
          {"driver", c.driver},
          {"protocol", c.protocol},
          {"copy_bytes_per_s", c.copy_bytes_per_s},
          {"fp32_flops", c.fp32_flops},
          {"tf32_flops", c.tf32_flops},
          {"bf16_flops", c.bf16_flops}};
}

Result<Ceilings> ceilings_from_json(const nlohmann::json& form) {
  kernel::JsonReader r("ceilings");
  Ceilings c;
  c.device = r.text(form, "device");
  c.driver = r.text(form, "driver");
  c.protocol = r.text(form, "protocol");
  c.copy_bytes_per_s = r.number(form, "copy_bytes_per_s", 0);
  c.fp32_flops = r.number(form, "fp32_flops", 0);
  c.tf32_flops = r.number(form, "tf32_flops", 0);
  c.bf16_flops = r.number(form, "bf16_flops", 0);
  if (r.error()) return tl::unexpected<Error>(*r.error());
  return c;
}

}  // namespace mtmc::harness
