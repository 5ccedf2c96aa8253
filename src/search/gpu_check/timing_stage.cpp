// Is the clock to be believed? Kernels whose time is known are timed by the way that every
// candidate is: through the judge, with the protocol of harness/timing.hpp.
//
// - known_N: one thread a block waits N ns by the device's global timer, then copies; not less than
//   N, and not much more.
// - gaps_MODE: eight such kernels in a row; (span - busy) / 7 is what lies between two launches, by
//   stream and by graph.
// - cache: a copy that fits the L2, cold and warm; warm must not be slower.
// - conditions: a second of waiting; clocks before and after, and whether throttle reasons can be
//   read.
#include <fmt/format.h>

#include <algorithm>

#include "search/gpu_check/stages.hpp"

namespace mtmc::search {

using nlohmann::json;

namespace {

constexpr double kTimerStep_ns = 1024;  // of the global timer, at its coarsest
constexpr double kOverhead_ns = 4000;   // start and end of a kernel
constexpr int kInARow = 8;

constexpr const char* kSource = R"cuda(
extern "C" __global__ void wait_and_copy(const float* x, float* y, int n, long long wait_ns) {
  unsigned long long start, now;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(start));
  do {
    asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
  } while (now - start < (unsigned long long)wait_ns);
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i];
}

extern "C" __global__ void copy(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = x[i];
}
)cuda";

kernel::Launch launch(const char* name, std::int64_t n, std::optional<std::int64_t> wait_ns) {
  kernel::Launch l;
  l.kernel = name;
  l.grid = {Expr((n + 255) / 256), Expr(1), Expr(1)};
  l.block = {Expr(256), Expr(1), Expr(1)};
  l.shared_bytes = Expr(0);
  l.args = {kernel::BufferArg{"x0", Expr(0)}, kernel::BufferArg{"y0", Expr(0)},
            kernel::ScalarArg{op::DType::i32, Expr(n)}};
  if (wait_ns) l.args.push_back(kernel::ScalarArg{op::DType::i64, Expr(*wait_ns)});
  return l;
}

struct Known {
  kernel::Region region;
  kernel::Candidate candidate;
};

// y = identity(x) of n elements, as `launches` say.
Result<Known> known(std::int64_t n, std::vector<kernel::Launch> launches) {
  auto op = op::parse_operator(fmt::format("y = identity(x); x: f32[{}]", n));
  if (!op) return tl::unexpected<Error>(op.error());
  auto region = kernel::make_region(*op);
  if (!region) return tl::unexpected<Error>(region.error());
  Known made{std::move(*region), {}};
  kernel::Candidate& c = made.candidate;
  c.sources = {{"kernel.cu", kSource}};
  c.written_by = "check";
  const auto& values = made.region.op.values;
  c.recipe.buffers = {{values[0].name,
                       kernel::BufferRole::input,
                       op::DType::f32,
                       {Expr(n)},
                       256,
                       {},
                       kernel::FillKind::none,
                       0},
                      {values[static_cast<std::size_t>(made.region.op.outputs[0])].name,
                       kernel::BufferRole::output,
                       op::DType::f32,
                       {Expr(n)},
                       256,
                       {},
                       kernel::FillKind::none,
                       0}};
  for (auto& l : launches) {
    std::get<kernel::BufferArg>(l.args[0]).buffer = c.recipe.buffers[0].name;
    std::get<kernel::BufferArg>(l.args[1]).buffer = c.recipe.buffers[1].name;
    c.recipe.run.push_back({std::move(l), {}, {}});
  }
  return made;
}

class TimingStage : public Stage {
 public:
  explicit TimingStage(CheckContext& context) : context_(context) {}
  std::string name() const override { return "timing"; }
  std::string about() const override {
    return "kernels of known duration, launch gaps, L2 cold against warm, clocks and throttling";
  }
  double weight() const override { return 2; }
  double minutes() const override { return 1; }
  Result<std::vector<std::string>> items() override {
    if (auto ok = context_.needs_device(); !ok) return tl::unexpected<Error>(ok.error());
    return std::vector<std::string>{"known_20000", "known_100000", "known_1000000", "gaps_graph",
                                    "gaps_stream", "cache",        "conditions"};
  }

  Result<json> run(const std::string& item) override {
    if (item.rfind("known_", 0) == 0) return known_duration(std::stoll(item.substr(6)));
    if (item == "gaps_graph") return gaps(device::Submission::graph);
    if (item == "gaps_stream") return gaps(device::Submission::stream);
    return item == "cache" ? cache() : conditions();
  }

  json summary(const std::vector<std::pair<std::string, json>>& done) const override {
    json out = json::object();
    for (const auto& [item, result] : done) {
      if (result.contains("failed"))
        out[item] = "failed: " + result["failed"].get<std::string>();
      else
        out[item] = fmt::format("{}: {}", result.value("holds", false) ? "holds" : "DOES NOT HOLD",
                                result.value("says", ""));
    }
    return out;
  }

 private:
  Result<harness::Timing> time(const Known& k, const harness::TimingProtocol& protocol) {
    auto compiled = context_.bench->compile(k.candidate);
    if (!compiled) return tl::unexpected<Error>(compiled.error());
    const auto* binary = std::get_if<compiler::Binary>(&*compiled);
    if (!binary) return internal_error(std::get<std::string>(*compiled));
    Look look;
    look.timing = protocol;
    auto evaluation =
        context_.bench->evaluate(Bench::Where::device, k.region, k.candidate, *binary, look);
    if (!evaluation) return tl::unexpected<Error>(evaluation.error());
    if (evaluation->verdict.outcome != harness::Outcome::correct)
      return internal_error(fmt::format("{}: {}", harness::name_of(evaluation->verdict.outcome),
                                        evaluation->verdict.message));
    if (!evaluation->timing) return internal_error("the device gave no time");
    return *evaluation->timing;
  }

  Result<json> known_duration(std::int64_t wait_ns) {
    auto k = known(256, {launch("wait_and_copy", 256, wait_ns)});
    if (!k) return tl::unexpected<Error>(k.error());
    auto t = time(*k, {});
    if (!t) return tl::unexpected<Error>(t.error());
    const double waited = static_cast<double>(wait_ns), over = t->measured_ns - waited;
    const bool holds = over >= -kTimerStep_ns && over <= kOverhead_ns + kTimerStep_ns;
    return json{{"holds", holds},
                {"says", fmt::format("{:.1f} us waited, {:.2f} us measured", waited / 1e3,
                                     t->measured_ns / 1e3)},
                {"measured_ns", t->measured_ns},
                {"timing", harness::to_json(*t)}};
  }

  Result<json> gaps(device::Submission submission) {
    const std::int64_t wait_ns = 20000;
    auto k =
        known(256, std::vector<kernel::Launch>(kInARow, launch("wait_and_copy", 256, wait_ns)));
    if (!k) return tl::unexpected<Error>(k.error());
    harness::TimingProtocol protocol;
    protocol.submission = submission;
    auto t = time(*k, protocol);
    if (!t) return tl::unexpected<Error>(t.error());
    const double busy =
        t->busy_ns.value_or(kInARow * (static_cast<double>(wait_ns) + kOverhead_ns / 2));
    const double gap = (t->measured_ns - busy) / (kInARow - 1);
    return json{{"holds", gap >= -kTimerStep_ns && gap < 20000},
                {"says", fmt::format("{:.2f} us between launches{}", gap / 1e3,
                                     t->busy_ns ? "" : ", estimated: no busy time")},
                {"gap_ns", gap},
                {"timing", harness::to_json(*t)}};
  }

  Result<json> cache() {
    const std::int64_t n = std::max<std::int64_t>(
        1 << 16, context_.bench->facts().l2_bytes / 16);  // x and y: half of the L2
    auto k = known(n, {launch("copy", n, {})});
    if (!k) return tl::unexpected<Error>(k.error());
    json both = json::object();
    double ns[2] = {};
    for (const auto state : {device::CacheState::cold, device::CacheState::warm}) {
      harness::TimingProtocol protocol;
      protocol.cache = state;
      auto t = time(*k, protocol);
      if (!t) return tl::unexpected<Error>(t.error());
      ns[state == device::CacheState::warm] = t->measured_ns;
      both[std::string(device::name_of(state))] = harness::to_json(*t);
    }
    return json{{"holds", ns[1] <= ns[0] * 1.02},
                {"says", fmt::format("{:.2f} us cold, {:.2f} us warm", ns[0] / 1e3, ns[1] / 1e3)},
                {"cold_over_warm", ns[0] / ns[1]},
                {"timings", both}};
  }

  Result<json> conditions() {
    auto k = known(256, {launch("wait_and_copy", 256, 1000000)});
    if (!k) return tl::unexpected<Error>(k.error());
    harness::TimingProtocol protocol;
    protocol.budget_ms = 1000;
    auto t = time(*k, protocol);
    if (!t) return tl::unexpected<Error>(t.error());
    const auto clock = [](const std::optional<double>& hz) {
      return hz ? fmt::format("{:.0f} MHz", *hz / 1e6) : std::string("not known");
    };
    const auto joined = [](const std::vector<std::string>& words) {
      return words.empty() ? std::string("nothing") : fmt::format("{}", fmt::join(words, ", "));
    };
    return json{
        {"holds", t->after.sm_hz.has_value()},
        {"says",
         fmt::format(
             "SM clock {} before and {} after, of {}; slowed down by {}, held at a limit by {}{}{}",
             clock(t->before.sm_hz), clock(t->after.sm_hz), clock(t->after.max_sm_hz),
             joined(t->after.throttled), joined(t->after.capped), t->after.note.empty() ? "" : "; ",
             t->after.note)},
        {"throttled", t->throttled},
        {"timing", harness::to_json(*t)}};
  }

  CheckContext& context_;
};

}  // namespace

std::unique_ptr<Stage> make_timing_stage(CheckContext& context) {
  return std::make_unique<TimingStage>(context);
}

}  // namespace mtmc::search
