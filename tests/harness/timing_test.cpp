// The timing loop with a scripted stopwatch: when warm-up ends, which batches count, when it stops.
#include "harness/timing.hpp"

#include <catch2/catch.hpp>
#include <deque>
#include <nlohmann/json.hpp>

#include "base/rng.hpp"

using namespace mtmc;
using namespace mtmc::harness;
using device::Conditions;

namespace {

class ScriptedWatch : public device::Stopwatch {
 public:
  const device::StopwatchFacts& facts() const override { return facts_; }
  Result<int> bind(std::span<const device::BoundStep>, device::Submission,
                   std::span<const device::Restore>) override {
    return 0;
  }
  Result<device::SampleReport> sample(int handle, int count, device::CacheState) override {
    device::SampleReport report;
    for (int i = 0; i < count; ++i) {
      const double noise = random_uniform(random_bits(1, 2, static_cast<std::uint64_t>(taken++)));
      const double level =
          slow_samples > 0 ? 1000.0 + 200 * slow_samples : base[static_cast<std::size_t>(handle)];
      if (slow_samples > 0) --slow_samples;
      if (lose_all) {
        ++report.lost;
        continue;
      }
      report.samples.push_back({level, level * (1 + spread * noise), level + 3000});
    }
    if (fault_at >= 0 && taken > fault_at) report.fault = device::Fault{"crash", "boom"};
    return report;
  }
  Conditions conditions() override {
    if (script.empty()) return {};
    Conditions c = script.front();
    if (script.size() > 1) script.pop_front();
    return c;
  }

  device::StopwatchFacts facts_{device::TimeSource::activity, "", "CUDA 13.0, test", true};
  std::vector<double> base{1000, 2000};
  double spread = 0.001;
  int slow_samples = 0, taken = 0, fault_at = -1;
  bool lose_all = false;
  std::deque<Conditions> script;
};

Conditions braked() {
  Conditions c;
  c.throttled = {"thermal"};
  return c;
}

Timing timed(ScriptedWatch& watch, const TimingProtocol& protocol = {}) {
  auto report = time_steps(watch, 0, protocol);
  REQUIRE(report);
  REQUIRE_FALSE(report->fault);
  REQUIRE(report->timing);
  return *report->timing;
}

}  // namespace

TEST_CASE("a quiet kernel stops at the least number of samples") {
  ScriptedWatch watch;
  const Timing t = timed(watch);
  CHECK(t.stopped == StopReason::narrow_enough);
  CHECK(t.samples_ns.size() == 20);
  CHECK(t.warm_up == 10);
  CHECK(t.measured_ns == Approx(1000).epsilon(0.002));
  CHECK(t.interval.holds(t.measured_ns));
  CHECK(*t.busy_ns == 1000);
  CHECK(*t.wall_ns == 4000);
  CHECK(t.protocol == "span/graph/cold/activity/v1");
  CHECK(t.driver == "CUDA 13.0, test");
  CHECK(t.notes.empty());
}

TEST_CASE("warm-up goes on until the medians agree, and none of it counts") {
  ScriptedWatch watch;
  watch.slow_samples = 17;
  const Timing t = timed(watch);
  CHECK(t.warm_up == 25);  // the slow ones, and twice the same
  CHECK(t.measured_ns == Approx(1000).epsilon(0.002));
}

TEST_CASE("a noisy kernel is measured up to the limit, and says that it was") {
  ScriptedWatch watch;
  watch.spread = 3;
  TimingProtocol protocol;
  protocol.max_samples = 60;
  const Timing t = timed(watch, protocol);
  CHECK(t.stopped == StopReason::max_samples);
  CHECK(t.samples_ns.size() == 60);
  CHECK(t.interval.high - t.interval.low > 0.01 * t.measured_ns);
}

TEST_CASE("batches during which the GPU was braked are thrown away") {
  ScriptedWatch watch;
  watch.script = {Conditions{}, braked(), braked(), Conditions{}, Conditions{}};
  const Timing t = timed(watch);
  CHECK(t.discarded == 20);
  CHECK_FALSE(t.throttled);
  CHECK(t.samples_ns.size() == 20);
  CHECK(t.after.throttled.empty());
}

TEST_CASE("a GPU that stays braked is timed nevertheless and flagged") {
  ScriptedWatch watch;
  watch.script = {braked()};
  const Timing t = timed(watch);
  CHECK(t.throttled);
  CHECK(t.discarded == 30);
  REQUIRE(t.notes.size() == 1);
  CHECK(t.notes[0] == "the GPU was slowed down while it was timed: thermal");
}

TEST_CASE("limits that somebody set, neighbours and events are told") {
  ScriptedWatch watch;
  watch.facts_ = {device::TimeSource::events, "CUPTI is held by x", "CUDA 13.0", true};
  Conditions c;
  c.capped = {"power_cap"};
  c.other_processes = 2;
  watch.script = {c};
  const Timing t = timed(watch);
  CHECK(t.protocol == "span/graph/cold/events/v1");
  CHECK_FALSE(t.busy_ns);
  CHECK_FALSE(t.throttled);
  REQUIRE(t.notes.size() == 3);
  CHECK(t.notes[0] == "times are from events, not from kernel records: CUPTI is held by x");
  CHECK(t.notes[1] == "the GPU ran at a limit: power_cap");
  CHECK(t.notes[2] == "2 other process(es) computed on the same GPU");
}

TEST_CASE("the time budget ends a noisy timing after one batch") {
  ScriptedWatch watch;
  watch.spread = 3;
  TimingProtocol protocol;
  protocol.budget_ms = 0;
  const Timing t = timed(watch, protocol);
  CHECK(t.stopped == StopReason::budget);
  CHECK(t.samples_ns.size() == 10);
}

TEST_CASE("a fault ends the timing") {
  ScriptedWatch watch;
  watch.fault_at = 25;
  auto report = time_steps(watch, 0, {});
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->text == "boom");
  CHECK_FALSE(report->timing);
}

TEST_CASE("a stopwatch that loses everything comes to an end") {
  ScriptedWatch watch;
  watch.lose_all = true;
  auto report = time_steps(watch, 0, {});
  REQUIRE(report);
  CHECK_FALSE(report->timing);
}

TEST_CASE("the floor counts DRAM reads and what cannot stay in the L2") {
  kernel::DeviceFacts facts;
  facts.dram_bytes_per_s = 1e9;
  facts.l2_bytes = 100;
  CHECK(floor_ns(1000, 50, 0, facts, device::CacheState::cold) == Approx(1000));
  CHECK(floor_ns(1000, 400, 0, facts, device::CacheState::cold) == Approx(1300));
  CHECK(floor_ns(1000, 50, 0, facts, device::CacheState::warm) == Approx(950));
  CHECK(floor_ns(1000, 50, 5000, facts, device::CacheState::cold) == Approx(5000));
}

TEST_CASE("protocols and timings survive their JSON") {
  TimingProtocol p;
  p.submission = device::Submission::stream;
  p.cache = device::CacheState::warm;
  p.max_samples = 77;
  auto again = timing_protocol_from_json(to_json(p));
  REQUIRE(again);
  CHECK(to_json(*again) == to_json(p));
  ScriptedWatch watch;
  Conditions c;
  c.sm_hz = 1e9;
  c.throttled = {"thermal"};
  c.note = "n";
  watch.script = {c};
  const Timing t = timed(watch);
  auto back = timing_from_json(to_json(t));
  REQUIRE(back);
  CHECK(to_json(*back) == to_json(t));
  CHECK(back->after.sm_hz == 1e9);
  CHECK_FALSE(timing_protocol_from_json({{"batch", 0}}));
  CHECK_FALSE(timing_protocol_from_json({{"cache", "tepid"}}));
}
