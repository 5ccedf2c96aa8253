// What the probe says of a machine with the fake driver.
#include "device/cuda/probe.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>

#include "device/fake_gpu.hpp"

using namespace mtmc;
using namespace mtmc::test;

TEST_CASE("the probe lists parts with versions, and GPUs with what is odd about them") {
  play({{"devices",
         {{{"name", "Fake GPU"}}, {{"name", "Fake GPU"}}, {{"name", "Other GPU MIG 1g.18gb"}}}},
        {"processes", {4711}}});
  const auto p = device::cuda::probe();
  CHECK(p.driver.available);
  CHECK(p.driver.version == "CUDA 13.0, 580.65.06");
  CHECK(p.driver.path == MTMC_FAKE_DRIVER);
  CHECK(p.cupti.version == "13.0");
  CHECK(p.nvml.version == "580.65.06");
  CHECK(p.cublaslt.version == "13.0.0");
  REQUIRE(p.gpus.size() == 3);
  CHECK(p.gpus[0].name == "Fake GPU");
  CHECK(p.gpus[1].name == "Fake GPU (cuda:1)");
  CHECK(p.gpus[0].other_processes == 1);
  CHECK(p.gpus[0].note.find("1 other process(es)") != std::string::npos);
  CHECK_FALSE(p.gpus[0].mig);
  CHECK(p.gpus[2].mig);
  CHECK(p.gpus[2].note.find("MIG slice") != std::string::npos);
  auto second = device::find_device("cuda:1");
  REQUIRE(second);
  CHECK(second->name == "Fake GPU (cuda:1)");
}

TEST_CASE("a GPU that is not there is unavailable and counts what is") {
  play();
  auto found = device::find_device("cuda:7");
  REQUIRE_FALSE(found);
  CHECK(found.error().code == ErrorCode::unavailable);
  CHECK(found.error().message == "no GPU 'cuda:7': the driver shows 1");
}

TEST_CASE("workers get the variables that concern GPUs and nothing else") {
  setenv("MTMC_API_KEY", "secret", 1);
  setenv("CUDA_VISIBLE_DEVICES", "0", 1);
  const auto variables = device::cuda::gpu_environment();
  bool visible = false, driver = false;
  for (const auto& v : variables) {
    CHECK(v.find("secret") == std::string::npos);
    CHECK(v.rfind("PATH=", 0) != 0);
    visible = visible || v == "CUDA_VISIBLE_DEVICES=0";
    driver = driver || v.rfind("MTMC_CUDA_DRIVER=", 0) == 0;
  }
  CHECK(visible);
  CHECK(driver);
  unsetenv("CUDA_VISIBLE_DEVICES");
  unsetenv("MTMC_API_KEY");
}
