// gpu-check from outside, through the fake driver: its stages, its stop and its going on, what it
// writes and how that merges, and what it says where something is missing.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/run_tool.hpp"

using mtmc::test::has_nvrtc;
using mtmc::test::Home;
using mtmc::test::run_tool;
using nlohmann::json;

namespace {

const std::string kNoPython = "MTMC_PYTHON=/bin/false ";
const std::string kNoGpu =
    kNoPython + "MTMC_CUDA_DRIVER=/nowhere/libcuda.so MTMC_CUDA_NVML=/nowhere/libnvml.so ";
const std::string kFakeGpu = kNoPython + "MTMC_CUDA_DRIVER=" MTMC_FAKE_DRIVER
                                         " MTMC_CUDA_CUPTI=" MTMC_FAKE_DRIVER
                                         " MTMC_CUDA_NVML=" MTMC_FAKE_DRIVER " ";
std::string playing(const json& scenario) {
  return kFakeGpu + "MTMC_CUDA_FAKE='" + scenario.dump() + "' ";
}

json stage(const json& report, const std::string& name) {
  for (const auto& s : report["stages"])
    if (s["stage"] == name) return s;
  FAIL("no stage " << name);
  return {};
}

json check(const Home& home, const std::string& options, const std::string& environment,
           int exit_code) {
  const auto r =
      run_tool("gpu-check --json --quiet --out out " + options, home.path(), "", environment);
  INFO(r.out << r.err);
  REQUIRE(r.exit_code == exit_code);
  return json::parse(r.out);
}

std::size_t journal_lines(const Home& home) {
  std::ifstream file(home.file("out/journal-fake-gpu.jsonl"));
  std::size_t lines = 0;
  for (std::string line; std::getline(file, line);) ++lines;
  return lines;
}

}  // namespace

TEST_CASE("the plan is printed without doing anything") {
  Home home;
  const auto r = run_tool("gpu-check --dry-run --minutes 12", home.path(), "", kNoGpu);
  CHECK(r.exit_code == 0);
  for (const char* name : {"doctor", "timing", "correctness", "twin", "measure", "baselines",
                           "tf32", "model", "12 minutes in this call"})
    CHECK(r.out.find(name) != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(home.file("gpu-check")));
  CHECK(run_tool("gpu-check --stages dance", home.path(), "", kNoGpu).exit_code == 2);
  CHECK(run_tool("gpu-check --minutes 0", home.path(), "", kNoGpu).exit_code == 2);
  CHECK(run_tool("gpu-check --device h200 --dry-run", home.path(), "", kNoGpu).exit_code == 2);
}

TEST_CASE(
    "without a driver every stage that needs it says so once, the others go on, exit code 3") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  Home home;
  const json report = check(home, "--minutes 1", kNoGpu, 3);
  CHECK(stage(report, "doctor")["done"] == 1);
  for (const char* name : {"timing", "correctness", "twin", "measure"})
    CHECK_THAT(stage(report, name)["missing"].get<std::string>(), Catch::Contains("driver"));
  for (const char* name : {"baselines", "tf32"}) CHECK(stage(report, name)["missing"] != "");
  CHECK(std::filesystem::exists(home.file("out/report-none.json")));
}

TEST_CASE("the stages on the fake GPU: stopped, gone on with, written, merged") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  Home home;
  // The shortest time that is allowed: every stage begins what its share permits, and the first
  // item always.
  const json first = check(home, "--stages twin --minutes 0.01", kFakeGpu, 0);
  CHECK(first["complete"] == false);
  const auto done = stage(first, "twin")["done"].get<int>();
  CHECK(done >= 1);
  CHECK(done < 26);
  const auto lines = journal_lines(home);
  CHECK(lines == static_cast<std::size_t>(done) + 1);
  // A kill in the middle of a line.
  std::ofstream(home.file("out/journal-fake-gpu.jsonl"), std::ios::app)
      << R"({"stage": "twin", "it)";
  const json second = check(home, "--stages twin --minutes 0.01", kFakeGpu, 0);
  CHECK(stage(second, "twin")["done"].get<int>() > done);
  CHECK(journal_lines(home) > lines);
  const json summary = stage(second, "twin")["summary"];
  CHECK(summary["ieee_candidates"] > 0);
  CHECK(summary["ieee_candidates"] == summary["ieee_equal"]);  // the fake executes on the emulator

  CHECK(second["driver"] == "CUDA 13.0, 580.65.06");

  const auto merged = run_tool("gpu-check --merge out --db db", home.path());
  INFO(merged.err);
  CHECK(merged.exit_code == 0);
  std::ofstream(home.file("bad.json")) << "{}";
  CHECK(run_tool("gpu-check --merge bad.json --db db", home.path()).exit_code == 2);
  CHECK(run_tool("gpu-check --merge nothing --db db", home.path()).exit_code == 2);
}

TEST_CASE("a clock that lies does not hold, and one that does not does") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  Home home;
  const json report = check(
      home, "--stages timing --minutes 2",
      playing(
          {{"durations_ns", {{"wait_and_copy", {21500}}}},
           {"clocks", {{{"sm_mhz", 1980}, {"reasons", 0}}, {{"sm_mhz", 700}, {"reasons", 0x20}}}}}),
      0);
  CHECK(report["complete"] == true);
  CHECK(stage(report, "timing")["failed"] == 0);
  const json summary = stage(report, "timing")["summary"];
  CHECK_THAT(summary["known_20000"].get<std::string>(), Catch::StartsWith("holds"));
  CHECK_THAT(summary["known_100000"].get<std::string>(),
             Catch::StartsWith("DOES NOT HOLD"));  // five times too fast
  CHECK_THAT(summary["conditions"].get<std::string>(), Catch::Contains("700 MHz"));
}

TEST_CASE("a device that vanishes ends its stage, loses nothing, and the next call goes on") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  Home home;
  const json gone = check(
      home, "--stages correctness --minutes 5",
      playing({{"fail",
                {{{"call", "cuMemAlloc_v2"}, {"skip", 40}, {"times", 100000}, {"status", 2}}}}}),
      3);
  const auto done = stage(gone, "correctness")["done"].get<int>();
  CHECK(stage(gone, "correctness")["missing"] != "");
  const json again = check(home, "--stages correctness --minutes 0.05", kFakeGpu, 0);
  CHECK(stage(again, "correctness")["done"].get<int>() > done);
}

TEST_CASE("the cost model's stages: measured on the device, modelled later where there is none") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  Home home;
  std::filesystem::create_directories(home.file("out"));
  // As an earlier call on a GPU left it.
  std::ofstream(home.file("out/journal-nvidia-h200.jsonl"))
      << R"({"subject": {"device": "NVIDIA H200", "seed": 1, "tool": "0.1.0"}})"
      << "\n"
      << R"({"stage": "measure", "item": "add", "result": {"candidates": {"nobody": 1000.0}}})"
      << "\n";
  const json report = check(home, "--stages model --minutes 5", kNoGpu, 0);
  CHECK(report["subject"]["device"] == "NVIDIA H200");
  CHECK(stage(report, "model")["done"] == 1);
  CHECK(stage(report, "model")["summary"]["candidates"] ==
        0);  // none is both measured and modelled
}
