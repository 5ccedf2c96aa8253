// Metric names against the real CUPTI, which checks them without a driver; where there is none the
// test says so.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>

#include "device/cuda/cuda_counters.hpp"

using namespace mtmc::device;

TEST_CASE("every counter has a metric on every chip of the last generations") {
  unsetenv("MTMC_CUDA_CUPTI");
  auto host = cuda::ProfilerHost::open();
  if (!host) {
    WARN("no CUPTI here: " << host.error().message);
    return;
  }
  auto chips = host->chips();
  REQUIRE(chips);
  int asked = 0;
  for (const char* chip : {"TU102", "GA100", "GA102", "AD102", "GH100", "GB100", "GB202"}) {
    if (std::find(chips->begin(), chips->end(), chip) == chips->end()) continue;
    ++asked;
    INFO(chip);
    const auto metrics =
        resolve_counters([&](const std::string& metric) { return host->chip_has(chip, metric); });
    CHECK(metrics.size() == counter_aliases().size());
    std::vector<std::string> names;
    for (const auto& [counter, metric] : metrics) names.push_back(metric);
    auto plan = host->plan(chip, names);
    REQUIRE(plan);
    CHECK(plan->passes >= 1);
    CHECK(plan->passes <= 64);
  }
  CHECK(asked >= 5);
  CHECK_FALSE(host->chip_has("GH100", "nonsense__metric.sum"));
}
