// The tool on the fake GPU, as a user runs it: times are measured, and what goes wrong is one line
// and an exit code.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/run_tool.hpp"

using namespace mtmc::test;
using nlohmann::json;

namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string on_fake(const json& scenario = json::object()) {
  std::string out;
  for (const char* name :
       {"MTMC_CUDA_DRIVER", "MTMC_CUDA_CUPTI", "MTMC_CUDA_NVML", "MTMC_CUDA_CUBLASLT"})
    out += std::string(name) + "='" MTMC_FAKE_DRIVER "' ";
  return out + "MTMC_CUDA_FAKE='" + scenario.dump() + "'";
}

const std::string kLine =
    "'y = relu(x) * 2; x: f32[N]; N=3000' --max-steps 2 --tune 1 --no-export ";

}  // namespace

TEST_CASE("a whole run on a GPU is correct, measured and remembered") {
  if (!has_nvrtc()) {
    WARN("no NVRTC here");
    return;
  }
  Home home;
  const auto ran = run_tool("generate-operator " + kLine + "--json", home.path(), "", on_fake());
  INFO(ran.err);
  INFO(ran.out);
  REQUIRE(ran.exit_code == 0);
  const auto form = json::parse(ran.out, nullptr, false);
  REQUIRE(form.is_object());
  const std::string text = form.dump();
  CHECK(contains(text, "measured_ns"));
  CHECK_FALSE(contains(text, "modelled_ns"));
  CHECK(contains(ran.err, "device     copies"));
  CHECK(contains(ran.err, "again      in a fresh process: measured"));

  // What was measured is in the store, with samples, driver and protocol; the same run is not done
  // again.
  const auto again = run_tool("generate-operator " + kLine + "--json", home.path(), "", on_fake());
  INFO(again.err);
  REQUIRE(again.exit_code == 0);
  CHECK_FALSE(contains(again.err, "in a fresh process"));
  const auto shown =
      run_tool("query show " + form["candidate"].get<std::string>() + " --json", home.path());
  INFO(shown.err);
  INFO(shown.out);
  REQUIRE(shown.exit_code == 0);
  CHECK(contains(shown.out, "span/graph/cold/activity/v1"));
  CHECK(contains(shown.out, "CUDA 13.0, 580.65.06"));
}

TEST_CASE("the GPU comes first among the devices, and its times are measured") {
  Home home;
  const auto listed =
      run_tool("devices", home.path(), "", on_fake({{"devices", {{{"name", "Fake GPU"}}}}}));
  REQUIRE(listed.exit_code == 0);
  CHECK(listed.out.rfind("Fake GPU", 0) == 0);
  CHECK(contains(listed.out.substr(0, listed.out.find('\n')), "times are measured"));
}

TEST_CASE("a GPU that was asked for and cannot be had is one line and exit code 3") {
  Home home;
  const auto fails = [&](const std::string& device, const std::string& environment,
                         const std::string& part) {
    const auto ran = run_tool("generate-operator " + kLine + "--device '" + device + "'",
                              home.path(), "", environment);
    INFO(ran.err);
    CHECK(ran.exit_code == 3);
    CHECK(contains(ran.err, part));
    const auto last = ran.err.rfind("mtmc: ");
    REQUIRE(last != std::string::npos);
    CHECK(ran.err.find('\n', last) == ran.err.size() - 1);
  };
  fails("cuda:0", "MTMC_CUDA_DRIVER=/nowhere/libcuda.so.1",
        "no NVIDIA driver: $MTMC_CUDA_DRIVER: /nowhere/libcuda.so.1");
  fails("cuda:0", on_fake({{"init", 100}}), "CUDA_ERROR_NO_DEVICE");
  fails("cuda:0", on_fake({{"driver_version", 11080}}), "is older than CUDA 12; update it");
  fails("cuda:3", on_fake(), "no GPU 'cuda:3': the driver shows 1");
  if (!has_nvrtc()) return;
  fails("cuda:0", on_fake({{"fail", {{{"call", "cuModuleLoadDataEx"}, {"status", 209}}}}}),
        "CUDA_ERROR_NO_BINARY_FOR_GPU");
  fails("cuda:0", on_fake({{"devices", {{{"memory_bytes", 1 << 16}}}}}),
        "CUDA_ERROR_OUT_OF_MEMORY");
  fails("cuda:0", on_fake({{"fail", {{{"call", "cuGraphLaunch"}, {"skip", 40}, {"status", 999}}}}}),
        "the GPU does not answer any more");
}

TEST_CASE("a run that lost its GPU goes on from what it has") {
  if (!has_nvrtc()) {
    WARN("no NVRTC here");
    return;
  }
  Home home;
  const auto lost =
      run_tool("generate-operator " + kLine, home.path(), "",
               on_fake({{"fail", {{{"call", "cuGraphLaunch"}, {"skip", 40}, {"status", 999}}}}}));
  REQUIRE(lost.exit_code == 3);
  const auto resumed = run_tool("generate-operator " + kLine, home.path(), "", on_fake());
  INFO(resumed.err);
  CHECK(resumed.exit_code == 0);
  CHECK(contains(resumed.out, "measured"));
}

TEST_CASE("a throttled GPU, a neighbour and a MIG slice do not stop a run") {
  if (!has_nvrtc()) {
    WARN("no NVRTC here");
    return;
  }
  Home home;
  const auto ran = run_tool("generate-operator " + kLine + "--json", home.path(), "",
                            on_fake({{"clocks", {{{"sm_mhz", 900}, {"reasons", 0x40}}}},
                                     {"processes", {1, 2, 3}},
                                     {"mig", true},
                                     {"cupti", {{"holder", "ncu"}}}}));
  INFO(ran.err);
  REQUIRE(ran.exit_code == 0);
  const auto form = json::parse(ran.out, nullptr, false);
  const auto shown =
      run_tool("query show " + form["candidate"].get<std::string>() + " --json", home.path());
  REQUIRE(shown.exit_code == 0);
  CHECK(contains(shown.out, "span/graph/cold/events/v1"));
}
