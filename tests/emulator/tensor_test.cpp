// Tensor core kernels as the compiler writes them, with every check on: right, and without
// findings.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"
#include "emulator/numeric.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

float small(int i) { return static_cast<float>(i * 7 % 11 - 5); }

std::vector<uint16_t> halves(int count, int shift) {
  std::vector<uint16_t> result;
  for (int i = 0; i < count; ++i) result.push_back(numeric::f32_to_f16(small(i + shift)));
  return result;
}

const RunOptions every_check = [] {
  RunOptions options;
  options.checks = Checks::all;
  return options;
}();

}  // namespace

TEST_CASE("a product by nvcuda::wmma") {
  for (const char* dialect : dialects) {
    const int m = 32, n = 48, k = 64;
    Device device;
    const uint64_t a = device.upload(halves(m * k, 1), "a", Access::read_only);
    const uint64_t b = device.upload(halves(k * n, 2), "b", Access::read_only);
    const uint64_t c = device.upload(std::vector<float>(m * n), "c");
    const auto report = run_well(
        load(std::string("tensor.") + dialect, "product_wmma"), device,
        launch({n / 16, m / 16, 1}, {32, 1, 1}, Arguments().add(a).add(b).add(c).add(n).add(k)),
        every_check);
    CHECK(report.faults.empty());
    CHECK(report.profile.matrix_operations[static_cast<size_t>(ComputeKind::f16_tensor)] ==
          uint64_t{2} * m * n * k);
    const auto result = device.download<float>(c, m * n);
    int wrong = 0;
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        float sum = 0;
        for (int p = 0; p < k; ++p) sum += small(i * k + p + 1) * small(p * n + j + 2);
        wrong += result[static_cast<size_t>(i * n + j)] != 2.0f * sum;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("a product by wgmma in a loop") {
  const int k = 96;
  Device device;
  const uint64_t a = device.upload(halves(64 * k, 1), "a", Access::read_only);
  const uint64_t b = device.upload(halves(16 * k, 2), "b", Access::read_only);
  const uint64_t c = device.upload(std::vector<float>(64 * 16), "c");
  const auto report = run_well(
      load("tensor.sm_90a", "product_wgmma"), device,
      launch({1, 1, 1}, {128, 1, 1}, Arguments().add(a).add(b).add(c).add(k)), every_check);
  CHECK(report.faults.empty());
  CHECK(report.profile.matrix_operations[static_cast<size_t>(ComputeKind::f16_tensor)] ==
        uint64_t{2} * 64 * 16 * k);
  const auto result = device.download<float>(c, 64 * 16);
  int wrong = 0;
  for (int i = 0; i < 64; ++i) {
    for (int j = 0; j < 16; ++j) {
      float sum = 0;
      for (int p = 0; p < k; ++p) sum += small(i * k + p + 1) * small(j * k + p + 2);
      wrong += result[static_cast<size_t>(i * 16 + j)] != 2.0f * sum;
    }
  }
  CHECK(wrong == 0);
}
