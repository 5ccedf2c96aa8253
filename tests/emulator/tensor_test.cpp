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

TEST_CASE("a warpgroup multiplies a ring of stages that one of its threads frees") {
  const int stages = 8;
  // 8 x 8 core matrices as the kernel's descriptors have them: a's rows, then b's.
  std::vector<uint16_t> x(static_cast<size_t>(stages) * 1152);
  const auto a = [](int s, int row, int p) { return small(s * 5 + row * 16 + p); };
  const auto b = [](int s, int column, int p) { return small(s * 3 + column * 16 + p + 2); };
  for (int s = 0; s < stages; ++s) {
    for (int p = 0; p < 16; ++p) {
      for (int i = 0; i < 64; ++i) {
        const int place = s * 1152 + i / 8 * 128 + p / 8 * 64 + i % 8 * 8 + p % 8;
        x[static_cast<size_t>(place)] = numeric::f32_to_f16(a(s, i, p));
      }
      for (int j = 0; j < 8; ++j) {
        const int place = s * 1152 + 1024 + p / 8 * 64 + j * 8 + p % 8;
        x[static_cast<size_t>(place)] = numeric::f32_to_f16(b(s, j, p));
      }
    }
  }
  for (const Checks checks : {Checks::shared_races, Checks::all}) {
    Device device;
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t pc = device.upload(std::vector<float>(64 * 8), "c");
    RunOptions options;
    options.checks = checks;
    const auto report =
        run_well(load("operands.sm_90a", "ring"), device,
                 launch({1, 1, 1}, {160, 1, 1}, Arguments().add(px).add(pc).add(stages)), options);
    for (const Fault& fault : report.faults) UNSCOPED_INFO(fault.text());
    CHECK(report.faults.empty());
    const auto c = device.download<float>(pc, 64 * 8);
    int wrong = 0;
    for (int i = 0; i < 64; ++i) {
      for (int j = 0; j < 8; ++j) {
        float sum = 0;
        for (int s = 0; s < stages; ++s) {
          for (int p = 0; p < 16; ++p) sum += a(s, i, p) * b(s, j, p);
        }
        wrong += c[static_cast<size_t>(i * 8 + j)] != sum;
      }
    }
    CHECK(wrong == 0);
  }
}
