// No check fires on kernels without fault, in any dialect.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

std::string faults_of(const std::string& file, const std::string& kernel, Device& device,
                      const LaunchParams& params) {
  RunOptions options;
  options.checks = Checks::all;
  const auto report = run(load(file, kernel), device.memory, params, options);
  if (!report) return report.error().message;
  std::string text;
  for (const Fault& fault : report->faults) text += fault.text() + "\n";
  return text;
}

template <class T>
uint64_t output(Device& device, size_t count, const char* name) {
  const uint64_t address = device.upload(std::vector<T>(count), name);
  REQUIRE(device.memory.track_initialisation(address));
  return address;
}

std::vector<float> ramp(int n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) values[static_cast<size_t>(i)] = static_cast<float>(i % 13) - 6;
  return values;
}

}  // namespace

TEST_CASE("good kernels have no fault: reductions, scans, barriers, locks, flags") {
  for (const char* dialect : dialects) {
    const std::string file = std::string("good.") + dialect;
    INFO(dialect);
    {
      Device d;
      const uint64_t x = d.upload(ramp(1000), "x", Access::read_only);
      const uint64_t partial = output<float>(d, 8, "partial");
      const uint64_t count = d.upload(std::vector<unsigned>(1), "count");
      const uint64_t y = output<float>(d, 1, "y");
      CHECK(faults_of(file, "last_block_sum", d,
                      launch({8, 1, 1}, {128, 1, 1},
                             Arguments().add(x).add(partial).add(count).add(y).add(1000))) == "");
    }
    {
      Device d;
      const uint64_t x = d.upload(std::vector<int>(128, 1), "x", Access::read_only);
      const uint64_t y = output<int>(d, 128, "y");
      CHECK(faults_of(file, "warp_scan", d,
                      launch({1, 1, 1}, {128, 1, 1}, Arguments().add(x).add(y))) == "");
      CHECK(d.download<int>(y, 128)[127] == 32);
    }
    {
      Device d;
      const uint64_t x = d.upload(ramp(640), "x", Access::read_only);
      const uint64_t y = output<float>(d, 64, "y");
      CHECK(faults_of(file, "two_buffers", d,
                      launch({2, 1, 1}, {128, 1, 1}, Arguments().add(x).add(y).add(10)))
                .find("shared") == std::string::npos);
    }
    {
      Device d;
      const uint64_t x = d.upload(std::vector<unsigned char>(256, 3), "x", Access::read_only);
      const uint64_t y = output<uint16_t>(d, 5 * 33, "y");
      CHECK(faults_of(file, "narrow", d,
                      launch({5, 1, 1}, {64, 1, 1}, Arguments().add(x).add(y).add(33))) == "");
    }
    {
      Device d;
      const uint64_t y = output<int>(d, 128, "y");
      CHECK(faults_of(file, "locked", d, launch({1, 1, 1}, {128, 1, 1}, Arguments().add(y))) == "");
      CHECK(d.download<int>(y, 128)[5] == 10);
    }
    {
      Device d;
      const uint64_t x = d.upload(std::vector<int>(40, 2), "x", Access::read_only);
      const uint64_t flag = d.upload(std::vector<int>(40), "flag");
      const uint64_t prefix = output<int>(d, 40, "prefix");
      const uint64_t y = output<int>(d, 40, "y");
      CHECK(faults_of(file, "chained", d,
                      launch({40, 1, 1}, {32, 1, 1},
                             Arguments().add(x).add(flag).add(prefix).add(y))) == "");
    }
  }
}

TEST_CASE("good kernels have no fault: bulk copies") {
  for (const char* dialect : {"sm_90a", "sm_100a"}) {
    INFO(dialect);
    Device d;
    const uint64_t x = d.upload(std::vector<int>(512, 4), "x", Access::read_only);
    const uint64_t y = output<int>(d, 512, "y");
    CHECK(faults_of(std::string("proxies.") + dialect, "bulk_round_trip", d,
                    launch({4, 1, 1}, {128, 1, 1}, Arguments().add(x).add(y))) == "");
    CHECK(d.download<int>(y, 512) == std::vector<int>(512, 5));
  }
}

TEST_CASE("good kernels have no fault: products, transposes, softmax, tensor cores") {
  for (const char* dialect : dialects) {
    INFO(dialect);
    {
      Device d;
      const uint64_t a = d.upload(ramp(128 * 128), "a", Access::read_only);
      const uint64_t b = d.upload(ramp(128 * 128), "b", Access::read_only);
      const uint64_t c = output<float>(d, 128 * 128, "c");
      CHECK(faults_of(std::string("good.") + dialect, "sgemm_double_buffered", d,
                      launch({2, 2, 1}, {256, 1, 1}, Arguments().add(a).add(b).add(c).add(128))) ==
            "");
      const uint64_t t = output<float>(d, 128 * 128, "t");
      CHECK(faults_of(std::string("good.") + dialect, "transpose", d,
                      launch({8, 8, 1}, {16, 16, 1}, Arguments().add(a).add(t).add(128))) == "");
      CHECK(faults_of(std::string("math.") + dialect, "row_softmax", d,
                      launch({128, 1, 1}, {128, 1, 1}, Arguments().add(a).add(t).add(128))) == "");
    }
    {
      Device d;
      const uint64_t a = d.upload(ramp(45 * 37), "a", Access::read_only);
      const uint64_t b = d.upload(ramp(37 * 70), "b", Access::read_only);
      const uint64_t c = output<float>(d, 45 * 70, "c");
      CHECK(faults_of(std::string("math.") + dialect, "sgemm", d,
                      launch({5, 3, 1}, {16, 16, 1},
                             Arguments().add(a).add(b).add(c).add(45).add(70).add(37))) == "");
    }
    {
      Device d;
      const uint64_t x = d.upload(std::vector<unsigned char>(999, 7), "x", Access::read_only);
      const uint64_t bins = d.upload(std::vector<unsigned>(256), "bins");
      CHECK(faults_of(std::string("warp.") + dialect, "histogram", d,
                      launch({3, 1, 1}, {96, 1, 1}, Arguments().add(x).add(bins).add(999))) == "");
    }
    {
      Device d;
      const uint64_t x = d.upload(ramp(128 * 9), "x", Access::read_only);
      const uint64_t y = output<float>(d, 32, "y");
      CHECK(faults_of(std::string("copies.") + dialect, "pipeline", d,
                      launch({1, 1, 1}, {32, 1, 1}, Arguments().add(x).add(y).add(9))) == "");
    }
  }
}
