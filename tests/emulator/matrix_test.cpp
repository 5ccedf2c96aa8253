// mma, ldmatrix and cp.async on tiles of small integers, whose products are exact in any order.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"
#include "emulator/numeric.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

float small(int i) { return static_cast<float>(i * 7 % 13 - 6); }

}  // namespace

TEST_CASE("an f16 tile through cp.async, ldmatrix and mma, with rows filled by zeros") {
  for (const char* dialect : dialects) {
    Device device;
    const int rows = 13;
    std::vector<uint16_t> a(rows * 16), b(16 * 8);
    for (size_t i = 0; i < a.size(); ++i) a[i] = numeric::f32_to_f16(small(static_cast<int>(i)));
    for (size_t i = 0; i < b.size(); ++i)
      b[i] = numeric::f32_to_f16(small(static_cast<int>(i) + 5));
    const uint64_t pa = device.upload(a, "a", Access::read_only);
    const uint64_t pb = device.upload(b, "b", Access::read_only);
    const uint64_t pc = device.upload(std::vector<float>(16 * 8), "c");
    const auto report =
        run_well(load(std::string("matrix.") + dialect, "tile_f16"), device,
                 launch({1, 1, 1}, {32, 1, 1}, Arguments().add(pa).add(pb).add(pc).add(rows)));
    const auto c = device.download<float>(pc, 16 * 8);
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 8; ++j) {
        float s = 1.0f;
        for (int k = 0; k < 16 && i < rows; ++k) s += small(i * 16 + k) * small(k * 8 + j + 5);
        CHECK(c[i * 8 + j] == s);
      }
    }
    CHECK(report.profile.of(IssueClass::matrix) == 1);
  }
}

TEST_CASE("a tf32 tile from registers") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<float> a(16 * 8), b(8 * 8);
    for (size_t i = 0; i < a.size(); ++i) a[i] = small(static_cast<int>(i)) + 0.25f;
    for (size_t i = 0; i < b.size(); ++i) b[i] = small(static_cast<int>(i) * 3);
    const uint64_t pa = device.upload(a, "a", Access::read_only);
    const uint64_t pb = device.upload(b, "b", Access::read_only);
    const uint64_t pc = device.upload(std::vector<float>(16 * 8), "c");
    run_well(load(std::string("matrix.") + dialect, "tile_tf32"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(pa).add(pb).add(pc)));
    const auto c = device.download<float>(pc, 16 * 8);
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 8; ++j) {
        float s = 0;
        for (int k = 0; k < 8; ++k) s += a[i * 8 + k] * b[k * 8 + j];
        CHECK(c[i * 8 + j] == s);
      }
    }
  }
}

TEST_CASE("a matrix instruction in a block that has no whole warp is refused") {
  Device device;
  const uint64_t p = device.upload(std::vector<float>(256), "p");
  const auto report = run(load("matrix.sm_80", "tile_tf32"), device.memory,
                          launch({1, 1, 1}, {16, 1, 1}, Arguments().add(p).add(p).add(p)), {});
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == FaultKind::unsupported);
  CHECK(report->fault->message == "a matrix instruction needs 32 lanes, 16 are left");
}
