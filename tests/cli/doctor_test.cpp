// mtmc doctor, on a machine without a GPU, on the fake one, and on machines where something is
// broken.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "base/hash.hpp"
#include "cli/run_tool.hpp"

using mtmc::test::has_nvrtc;
using mtmc::test::Home;
using mtmc::test::run_tool;
using nlohmann::json;

namespace {

const std::string kNoGpu =
    "MTMC_CUDA_DRIVER=/nowhere/libcuda.so MTMC_CUDA_NVML=/nowhere/libnvml.so ";
const std::string kFakeGpu =
    "MTMC_CUDA_DRIVER=" MTMC_FAKE_DRIVER " MTMC_CUDA_CUPTI=" MTMC_FAKE_DRIVER
    " MTMC_CUDA_NVML=" MTMC_FAKE_DRIVER " ";
// The doctor looks for PyTorch in every Python; a tool of another name is none.
const std::string kNoPython = "MTMC_PYTHON=/bin/false ";

json doctor(const Home& home, const std::string& environment, int exit_code,
            const std::string& options = "") {
  const auto r = run_tool("doctor --json " + options, home.path(), "", environment);
  INFO(r.out << r.err);
  CHECK(r.exit_code == exit_code);
  const json report = json::parse(r.out, nullptr, false);
  REQUIRE(report.is_object());
  CHECK(report["ready"] == (exit_code == 0));
  return report;
}

json part(const json& report, const std::string& name) {
  for (const auto& p : report["parts"])
    if (p["part"] == name) return p;
  FAIL("no part " << name);
  return {};
}

}  // namespace

TEST_CASE("without a GPU: what is absent says what to do, and runs can start") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  Home home;
  const json report = doctor(home, kNoGpu + kNoPython, 0);
  CHECK(report["times"] == "modelled");
  for (const char* name : {"driver", "gpu", "nvml", "pytorch", "endpoint"}) {
    INFO(name);
    CHECK(part(report, name)["state"] == "absent");
    CHECK(part(report, name)["to_do"] != "");
  }
  for (const char* name : {"tool", "nvrtc", "database", "suite"})
    CHECK(part(report, name)["state"] == "present");
  for (const auto& p : report["parts"]) {
    CHECK(p["found"].get<std::string>().find('\n') == std::string::npos);
    CHECK(p["to_do"].get<std::string>().find('\n') == std::string::npos);
  }
  CHECK_FALSE(std::filesystem::exists(home.file("data")));  // it changes nothing
  const auto text = run_tool("doctor", home.path(), "", kNoGpu + kNoPython);
  CHECK(text.exit_code == 0);
  CHECK_THAT(text.out, Catch::Contains("ready: times will be modelled") &&
                           Catch::Contains("driver    absent"));
}

TEST_CASE("with a GPU: the device, and whether counters are permitted") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  Home home;
  const json report = doctor(home, kFakeGpu + kNoPython, 0);
  CHECK(report["times"] == "measured");
  CHECK_THAT(part(report, "gpu 0")["found"].get<std::string>(),
             Catch::Contains("Fake GPU") && Catch::Contains("sm_90a"));
  CHECK(part(report, "driver")["state"] == "present");
  CHECK(part(report, "counters")["state"] == "present");

  const json refused =
      doctor(home,
             kFakeGpu + kNoPython +
                 "MTMC_CUDA_FAKE='{\"cupti\": {\"no_counters\": 35}, \"processes\": [4711]}' ",
             0);
  CHECK(part(refused, "counters")["state"] == "absent");
  CHECK(part(refused, "gpu 0")["state"] == "limited");
  CHECK_THAT(part(refused, "gpu 0")["found"].get<std::string>(),
             Catch::Contains("1 other process"));
}

TEST_CASE("what a run cannot do without is broken, exit code 3") {
  Home home;
  CHECK(part(doctor(home, kNoGpu + kNoPython + "MTMC_NVRTC=/nowhere", 3), "nvrtc")["state"] ==
        "broken");
  if (!has_nvrtc()) return;
  std::ofstream(home.file("db"))
      << "this is not a database, and it is long enough to be looked at as one";
  CHECK(part(doctor(home, kNoGpu + kNoPython, 3, "--db db"), "database")["state"] == "broken");
}

TEST_CASE("an endpoint is asked only where one is named, and its key is never shown") {
  if (!has_nvrtc()) return;
  Home home;
  const json report = doctor(home, kNoGpu + kNoPython + "MTMC_LLM_KEY=sk-never-show-this ", 0,
                             "--endpoint http://127.0.0.1:9/v1 --model m");
  CHECK(part(report, "endpoint")["state"] == "limited");
  CHECK(report.dump().find("never-show") == std::string::npos);
}

TEST_CASE("a bundle that is not whole is told by its manifest") {
  if (!has_nvrtc()) return;
  Home home;
  namespace fs = std::filesystem;
  fs::create_directories(home.file("bundle/bin"));
  fs::copy_file(MTMC_TOOL, home.file("bundle/bin/mtmc"));
  std::ofstream(home.file("bundle/data")) << "whole";
  std::ofstream(home.file("bundle/MANIFEST")) << mtmc::sha256("whole") << "  data\n";
  const auto examine = [&](int exit_code) {
    const std::string command = "cd '" + home.path() + "' && env -i HOME='" + home.path() +
                                "' PATH=/nowhere " + kNoGpu + kNoPython +
                                "MTMC_NVRTC=\"$MTMC_NVRTC\" CUDA_HOME=\"$CUDA_HOME\" "
                                "bundle/bin/mtmc doctor --json >out 2>err";
    std::system(command.c_str());
    std::ifstream file(home.file("out"));
    const json report = json::parse(file, nullptr, false);
    REQUIRE(report.is_object());
    CHECK((report["ready"] == true) == (exit_code == 0));
    return part(report, "bundle");
  };
  CHECK(examine(0)["state"] == "present");
  std::ofstream(home.file("bundle/data")) << "who";
  const json cut = examine(3);
  CHECK(cut["state"] == "broken");
  CHECK_THAT(cut["found"].get<std::string>(),
             Catch::Contains("truncated") && Catch::Contains("data"));
  fs::remove(home.file("bundle/data"));
  CHECK(examine(3)["state"] == "broken");
  fs::resize_file(home.file("bundle/MANIFEST"), 30);
  CHECK(examine(3)["state"] == "broken");
}
