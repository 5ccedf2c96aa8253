// Repetitions on the fake GPU, whose clock is scripted: what counts as a sample, and what happens
// without CUPTI.
#include "device/stopwatch.hpp"

#include <catch2/catch.hpp>

#include "device/workbench.hpp"

using namespace mtmc;
using namespace mtmc::test;
using device::CacheState;
using device::Submission;
using device::TimeSource;

namespace {

// Two kernels of 10 us each, 0.5 us apart.
Bench two_kernels(const nlohmann::json& more = nlohmann::json::object()) {
  nlohmann::json scenario = {{"durations_ns", {{"twice", {10000}}, {"add_one", {10000}}}}};
  scenario.update(more);
  play(scenario);
  Bench b(kKernels);
  b.buffer("x", std::vector<float>(100, 1), false);
  b.buffer("y", std::vector<float>(100, 0));
  b.step(b.launch("twice", 1, 128, {"x", "y"}, {100}));
  b.step(b.launch("add_one", 1, 128, {"y"}, {100}));
  return b;
}

}  // namespace

TEST_CASE("busy is the sum of kernels, span includes the gap, the flush is in neither") {
  auto b = two_kernels();
  auto* watch = b.device->stopwatch();
  REQUIRE(watch);
  CHECK(watch->facts().source == TimeSource::activity);
  CHECK(watch->facts().driver == "CUDA 13.0, 580.65.06");
  for (const auto submission : {Submission::stream, Submission::graph})
    for (const auto state : {CacheState::cold, CacheState::warm}) {
      auto handle = watch->bind(b.steps, submission, {});
      REQUIRE(handle);
      auto report = watch->sample(*handle, 4, state);
      INFO((report ? "" : report.error().message));
      REQUIRE(report);
      REQUIRE_FALSE(report->fault);
      CHECK(report->lost == 0);
      REQUIRE(report->samples.size() == 4);
      for (const auto& s : report->samples) {
        REQUIRE(s.busy_ns);
        CHECK(*s.busy_ns == 20000);
        CHECK(s.span_ns == 20500);
      }
      CHECK(report->samples.front().wall_ns);
    }
}

TEST_CASE("what steps change in place is restored before each repetition, outside the time") {
  auto b = two_kernels();
  b.steps.clear();
  b.step(b.launch("add_one", 1, 128, {"y"}, {100}));
  b.buffer("y as it was", std::vector<float>(100, 5), false);
  auto* watch = b.device->stopwatch();
  const device::Restore restore{b.buffers.at("y as it was"), b.buffers.at("y"), 400};
  auto handle = watch->bind(b.steps, Submission::graph, {&restore, 1});
  REQUIRE(handle);
  auto report = watch->sample(*handle, 3, CacheState::cold);
  REQUIRE(report);
  REQUIRE(report->samples.size() == 3);
  for (const auto& s : report->samples) CHECK(s.span_ns == 10000);
  CHECK(b.read("y")[0] == 6);
}

TEST_CASE("when another profiler holds CUPTI, times come from events and say so") {
  auto b = two_kernels({{"cupti", {{"holder", "Nsight Systems"}}}});
  auto* watch = b.device->stopwatch();
  CHECK(watch->facts().source == TimeSource::events);
  CHECK(watch->facts().why == "CUPTI is held by Nsight Systems; run without it for kernel times");
  auto handle = watch->bind(b.steps, Submission::graph, {});
  REQUIRE(handle);
  auto report = watch->sample(*handle, 3, CacheState::cold);
  REQUIRE(report);
  REQUIRE(report->samples.size() == 3);
  for (const auto& s : report->samples) {
    CHECK_FALSE(s.busy_ns);
    CHECK(s.span_ns == Approx(21000).epsilon(0.001));  // with the gap before the first kernel
  }
}

TEST_CASE("when CUPTI is taken away in the middle, the stopwatch goes on with events") {
  auto b = two_kernels({{"cupti", {{"lose_after", 1}}}});
  auto* watch = b.device->stopwatch();
  auto handle = watch->bind(b.steps, Submission::graph, {});
  REQUIRE(handle);
  auto first = watch->sample(*handle, 2, CacheState::cold);
  REQUIRE(first);
  CHECK(first->samples.size() == 2);
  CHECK(watch->facts().source == TimeSource::activity);
  auto second = watch->sample(*handle, 2, CacheState::cold);
  REQUIRE(second);
  CHECK(second->samples.size() == 2);
  CHECK(watch->facts().source == TimeSource::events);
  CHECK(watch->facts().why.find("recorded nothing") != std::string::npos);
}

TEST_CASE("a kernel that faults while it is timed is a fault of the report") {
  auto b = two_kernels();
  b.steps.clear();
  b.step(b.launch("far_away", 1, 1, {"y"}));
  auto* watch = b.device->stopwatch();
  auto handle = watch->bind(b.steps, Submission::stream, {});
  REQUIRE(handle);
  auto report = watch->sample(*handle, 3, CacheState::cold);
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == "out_of_bounds");
  CHECK_FALSE(b.device->usable());
}

TEST_CASE("canaries are looked at after timed repetitions too") {
  auto b = two_kernels();
  b.steps.clear();
  b.step(b.launch("past_the_end", 1, 2, {"y"}, {100}));
  auto* watch = b.device->stopwatch();
  auto handle = watch->bind(b.steps, Submission::graph, {});
  REQUIRE(handle);
  auto report = watch->sample(*handle, 2, CacheState::warm);
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == "out_of_bounds");
}

TEST_CASE("clocks, brakes, limits and neighbours come from NVML") {
  play({{"clocks", {{{"sm_mhz", 1980}}, {{"sm_mhz", 1200}, {"reasons", 0x20 | 0x4 | 0x1}}}},
        {"processes", {111, 222}}});
  auto device = open_gpu();
  auto first = device->stopwatch()->conditions();
  CHECK(first.throttled.empty());
  CHECK(first.max_sm_hz == 1980e6);
  CHECK(first.temperature_c == 42);
  CHECK(first.power_w == Approx(123.456));
  CHECK(first.other_processes == 1);  // one of the two unlisted ones is this process
  const auto second = device->stopwatch()->conditions();
  CHECK(second.throttled == std::vector<std::string>{"thermal"});
  CHECK(second.capped == std::vector<std::string>{"power_cap"});
}
