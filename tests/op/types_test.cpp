// Element types against brute force over all their values, and against the machine's own f32.
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/rng.hpp"
#include "op/types.hpp"

using namespace mtmc;
using namespace mtmc::op;

namespace {

// All finite values of a narrow float, by their bits.
std::vector<double> all_values(DType dtype) {
  std::vector<double> values;
  for (std::uint64_t bits = 0; bits < std::uint64_t{1} << (8 * bytes_of(dtype)); ++bits)
    if (const double v = from_bits(dtype, bits); std::isfinite(v)) values.push_back(v);
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

TEST_CASE("names, sizes and compute types") {
  for (const char* name :
       {"f64", "f32", "f16", "bf16", "f8e4m3", "f8e5m2", "i64", "i32", "i8", "u8", "bool"}) {
    const auto dtype = dtype_named(name);
    REQUIRE(dtype);
    CHECK(name_of(*dtype) == name);
  }
  CHECK_FALSE(dtype_named("float"));
  CHECK_FALSE(dtype_named(""));
  CHECK(bytes_of(DType::bf16) == 2);
  CHECK(compute_type(DType::f8e4m3) == DType::f32);
  CHECK(compute_type(DType::boolean) == DType::i64);
  CHECK(unit_roundoff(DType::f32) == std::ldexp(1, -24));
  CHECK(unit_roundoff(DType::f16) == std::ldexp(1, -11));
  CHECK(unit_roundoff(DType::bf16) == std::ldexp(1, -8));
  CHECK(unit_roundoff(DType::i32) == 0);
}

TEST_CASE("narrow floats: bits round-trip, and rounding gives the nearest value, ties to even") {
  for (const DType dtype : {DType::f16, DType::bf16, DType::f8e4m3, DType::f8e5m2}) {
    INFO(name_of(dtype));
    for (std::uint64_t bits = 0; bits < std::uint64_t{1} << (8 * bytes_of(dtype)); ++bits) {
      const double v = from_bits(dtype, bits);
      if (std::isnan(v))
        CHECK(std::isnan(from_bits(dtype, to_bits(dtype, v))));
      else if (to_bits(dtype, v) != bits || (std::isfinite(v) && round_to(dtype, v) != v))
        FAIL("bits " << bits);
    }
    const auto values = all_values(dtype);
    for (std::size_t k = 0; k + 1 < values.size(); ++k) {
      const double low = values[k], high = values[k + 1], middle = low / 2 + high / 2;
      if (low == high) continue;  // the two zeros
      const double even = to_bits(dtype, low) % 2 == 0 ? low : high;
      if (round_to(dtype, middle) != even)
        FAIL("between " << low << " and " << high << ": " << round_to(dtype, middle));
      if (round_to(dtype, std::nextafter(middle, low)) != low)
        FAIL("just below the middle of " << low << " and " << high);
      if (round_to(dtype, std::nextafter(middle, high)) != high)
        FAIL("just above the middle of " << low << " and " << high);
    }
  }
  CHECK(round_to(DType::f16, 65519) == 65504);
  CHECK(round_to(DType::f16, 65520) == INFINITY);
  CHECK(round_to(DType::f8e4m3, 1e9) == 448);
  CHECK(round_to(DType::f8e4m3, -INFINITY) == -448);
  CHECK(round_to(DType::f8e5m2, 1e9) == INFINITY);
  CHECK(to_bits(DType::f16, 1.0) == 0x3c00);
  CHECK(to_bits(DType::bf16, -2.0) == 0xc000);
  CHECK(to_bits(DType::f8e4m3, 448) == 0x7e);
  CHECK(to_bits(DType::f8e5m2, 1.0) == 0x3c);
}

TEST_CASE("f32 agrees with the machine") {
  for (std::uint64_t k = 0; k < 100000; ++k) {
    const std::uint64_t bits = random_bits(1, 2, k);
    double v;
    std::memcpy(&v, &bits, 8);
    if (!std::isfinite(v) || std::fabs(v) > 3e38) continue;
    const float f = static_cast<float>(v);
    std::uint32_t expected;
    std::memcpy(&expected, &f, 4);
    REQUIRE(to_bits(DType::f32, v) == expected);
    REQUIRE(from_bits(DType::f32, expected) == static_cast<double>(f));
  }
  CHECK(round_to(DType::f32, 1e39) == INFINITY);
  CHECK(round_to(DType::f32, -1e39) == -INFINITY);
  CHECK(round_to(DType::f32, 3.4028235e38) == std::numeric_limits<float>::max());
}

TEST_CASE("integers saturate, and bool is what is not 0") {
  CHECK(round_to(DType::i8, 300) == 127);
  CHECK(round_to(DType::i8, -300) == -128);
  CHECK(round_to(DType::u8, -3) == 0);
  CHECK(round_to(DType::i32, 2.5) == 2);
  CHECK(round_to(DType::i32, std::nan("")) == 0);
  CHECK(to_bits(DType::i8, -1) == 0xff);
  CHECK(from_bits(DType::i8, 0xff) == -1);
  CHECK(from_bits(DType::i32, to_bits(DType::i32, -12345)) == -12345);
  CHECK(to_bits(DType::i64, 1e300) == 0x7fffffffffffffffull);
  CHECK(from_bits(DType::i64, to_bits(DType::i64, -1e300)) == -0x1p63);
  CHECK(round_to(DType::boolean, 0.25) == 1);
  CHECK(to_bits(DType::boolean, 0) == 0);
}
