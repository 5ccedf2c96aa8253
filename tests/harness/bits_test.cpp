#include "harness/bits.hpp"

#include <catch2/catch.hpp>

using namespace mtmc;
using namespace mtmc::harness;

namespace {
KeptOutput kept(std::vector<float> values, std::int64_t step = 1) {
  return {"y", op::DType::f32, step,
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * 4)};
}
std::int64_t ulp32(float a, float b) {
  return ulp_distance(op::DType::f32, op::to_bits(op::DType::f32, a),
                      op::to_bits(op::DType::f32, b));
}
}  // namespace

TEST_CASE("distance in representable numbers") {
  CHECK(ulp32(1, 1) == 0);
  CHECK(ulp32(1, std::nextafter(1.0f, 2.0f)) == 1);
  CHECK(ulp32(std::nextafter(1.0f, 2.0f), 1) == 1);
  CHECK(ulp32(-1, std::nextafter(-1.0f, 0.0f)) == 1);
  CHECK(ulp32(1, 2) == 1 << 23);
  CHECK(ulp32(0.0f, -0.0f) == 1);
  CHECK(ulp32(std::numeric_limits<float>::denorm_min(),
              -std::numeric_limits<float>::denorm_min()) == 3);
  CHECK(ulp32(NAN, NAN) == 0);
  CHECK(ulp32(NAN, 1) == std::int64_t{1} << 62);
  CHECK(ulp_distance(op::DType::f16, 0x3c00, 0x3c02) == 2);
  CHECK(ulp_distance(op::DType::i32, 5, 0xffffffff) == 6);
  CHECK(ulp_distance(op::DType::f64, 0x3ff0000000000000, 0xbff0000000000000) == std::int64_t{1}
                                                                                    << 62);
}

TEST_CASE("outputs are compared element by element, and the worst place is named") {
  const float next = std::nextafter(2.0f, 3.0f);
  auto same = compare_bits({kept({1, 2, NAN})}, {kept({1, 2, NAN})});
  REQUIRE(same);
  CHECK(same->elements == 3);
  CHECK(same->differing == 0);
  auto other = compare_bits({kept({1, 2, 3}, 10)}, {kept({1, next, 3}, 10)});
  REQUIRE(other);
  CHECK(other->differing == 1);
  CHECK(other->largest_ulp == 1);
  CHECK_THAT(other->where, Catch::Contains("y[10]: 0x40000000 and 0x40000001"));
  CHECK_FALSE(compare_bits({kept({1, 2})}, {kept({1})}));
  CHECK_FALSE(compare_bits({kept({1}, 1)}, {kept({1}, 2)}));
  CHECK_FALSE(compare_bits({kept({1})}, {}));
}

TEST_CASE("which PTX has one IEEE result") {
  CHECK(has_one_result("fma.rn.f32 %f1, %f2, %f3, %f4;\ndiv.rn.f32 %f1, %f2, %f3;\n"));
  CHECK(has_one_result("add.f32 %f1, %f2, %f3; // not .approx\n"));
  CHECK(has_one_result("atom.global.add.u32 %r1, [%rd1], 1;\n"));
  CHECK_FALSE(has_one_result("ex2.approx.ftz.f32 %f1, %f2;\n"));
  CHECK_FALSE(has_one_result("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {a};\n"));
  CHECK_FALSE(has_one_result("red.global.add.f32 [%rd1], %f1;"));
}
