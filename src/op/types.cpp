// Element types. The narrow floats share one rounding routine over a table of formats: scale the
// value so that the last kept bit is 1, round to an integer (ties to even), scale back. Scaling by
// powers of two is exact in float64, so there is no double rounding. Formats: IEEE 754 binary16,
// bfloat16, and the two of "FP8 Formats for Deep Learning" (Micikevicius et al. 2022).
#include "op/types.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

namespace mtmc::op {
namespace {

struct TypeRow {
  DType dtype;
  std::string_view name;
  int bytes;
  bool is_float;
  double low, high;  // integers
};
constexpr std::array<TypeRow, 11> kTypes = {{
    {DType::f64, "f64", 8, true, 0, 0},
    {DType::f32, "f32", 4, true, 0, 0},
    {DType::f16, "f16", 2, true, 0, 0},
    {DType::bf16, "bf16", 2, true, 0, 0},
    {DType::f8e4m3, "f8e4m3", 1, true, 0, 0},
    {DType::f8e5m2, "f8e5m2", 1, true, 0, 0},
    {DType::i64, "i64", 8, false, -0x1p63, 0x1p63},
    {DType::i32, "i32", 4, false, -0x1p31, 0x1p31 - 1},
    {DType::i8, "i8", 1, false, -128, 127},
    {DType::u8, "u8", 1, false, 0, 255},
    {DType::boolean, "bool", 1, false, 0, 1},
}};
const TypeRow& row_of(DType dtype) { return kTypes[static_cast<std::size_t>(dtype)]; }

// A narrow float: stored mantissa bits, exponent bits, and what stands above the largest number.
struct Format {
  int mantissa, exponent;
  bool has_infinity;
  double largest;
  int bias() const { return (1 << (exponent - 1)) - 1; }
  int lowest_exponent() const { return 1 - bias(); }
};
constexpr Format kHalf{10, 5, true, 65504};
constexpr Format kBrain{7, 8, true, 0x1.fep127};
constexpr Format kE4M3{3, 4, false, 448};
constexpr Format kE5M2{2, 5, true, 57344};

const Format& format_of(DType dtype) {
  switch (dtype) {
    case DType::f16:
      return kHalf;
    case DType::bf16:
      return kBrain;
    case DType::f8e4m3:
      return kE4M3;
    default:
      return kE5M2;
  }
}

int exponent_bits(double value) {
  return static_cast<int>(std::bit_cast<std::uint64_t>(value) >> 52 & 0x7ff) - 1023;
}

// The usual case on the bits alone: a normal number well below the largest.
bool is_plain(const Format& f, double value) {
  const int e = exponent_bits(value);
  return e >= f.lowest_exponent() && e < exponent_bits(f.largest);
}

double round_narrow(const Format& f, double value) {
  if (is_plain(f, value)) {
    const int dropped = 52 - f.mantissa;
    std::uint64_t bits = std::bit_cast<std::uint64_t>(value);
    bits += (std::uint64_t{1} << (dropped - 1)) - 1 + (bits >> dropped & 1);
    return std::bit_cast<double>(bits & ~((std::uint64_t{1} << dropped) - 1));
  }
  if (std::isnan(value) || value == 0) return value;
  const double limit = f.has_infinity ? std::numeric_limits<double>::infinity() : f.largest;
  if (std::isinf(value)) return std::copysign(limit, value);
  const int exponent = std::max(std::ilogb(value), f.lowest_exponent());
  const int shift = f.mantissa - exponent;
  const double rounded = std::scalbn(std::nearbyint(std::scalbn(value, shift)), -shift);
  return std::fabs(rounded) > f.largest ? std::copysign(limit, value) : rounded;
}

std::uint64_t encode_narrow(const Format& f, double value) {
  const int width = 1 + f.exponent + f.mantissa;
  const std::uint64_t sign = std::signbit(value) ? std::uint64_t{1} << (width - 1) : 0;
  const std::uint64_t all_ones = (std::uint64_t{1} << f.exponent) - 1;
  if (std::isnan(value)) {
    const std::uint64_t quiet = f.has_infinity ? std::uint64_t{1} << (f.mantissa - 1)
                                               : (std::uint64_t{1} << f.mantissa) - 1;
    return sign | all_ones << f.mantissa | quiet;
  }
  const double rounded = round_narrow(f, value);
  if (is_plain(f, rounded)) {
    const std::uint64_t bits = std::bit_cast<std::uint64_t>(rounded);
    const auto biased = static_cast<std::uint64_t>(exponent_bits(rounded) + f.bias());
    return sign | biased << f.mantissa |
           (bits >> (52 - f.mantissa) & ((std::uint64_t{1} << f.mantissa) - 1));
  }
  if (std::isinf(rounded)) return sign | all_ones << f.mantissa;
  if (rounded == 0) return sign;
  const double magnitude = std::fabs(rounded);
  const int exponent = std::ilogb(magnitude);
  if (exponent < f.lowest_exponent())  // subnormal
    return sign |
           static_cast<std::uint64_t>(std::scalbn(magnitude, f.mantissa - f.lowest_exponent()));
  const auto significand =
      static_cast<std::uint64_t>(std::scalbn(magnitude, f.mantissa - exponent));
  const auto biased = static_cast<std::uint64_t>(exponent + f.bias());
  return sign | biased << f.mantissa | (significand & ((std::uint64_t{1} << f.mantissa) - 1));
}

double decode_narrow(const Format& f, std::uint64_t bits) {
  const bool negative = bits >> (f.exponent + f.mantissa) & 1;
  const std::uint64_t all_ones = (std::uint64_t{1} << f.exponent) - 1;
  const std::uint64_t exponent = bits >> f.mantissa & all_ones;
  const std::uint64_t mantissa_mask = (std::uint64_t{1} << f.mantissa) - 1;
  const std::uint64_t mantissa = bits & mantissa_mask;
  double magnitude = 0;
  if (exponent == all_ones && f.has_infinity) {
    magnitude = mantissa ? std::numeric_limits<double>::quiet_NaN()
                         : std::numeric_limits<double>::infinity();
  } else if (exponent == all_ones && mantissa == mantissa_mask) {
    magnitude = std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    magnitude = std::scalbn(static_cast<double>(mantissa), f.lowest_exponent() - f.mantissa);
  } else {
    magnitude = std::scalbn(static_cast<double>(mantissa + mantissa_mask + 1),
                            static_cast<int>(exponent) - f.bias() - f.mantissa);
  }
  return negative ? -magnitude : magnitude;
}

// Doubles beyond the float range become infinity by the rules of round to nearest; the cast alone
// would be undefined there.
float to_float(double value) {
  constexpr double kOverflow = 0x1.ffffffp127;  // half a step above the largest float
  if (value >= kOverflow) return std::numeric_limits<float>::infinity();
  if (value <= -kOverflow) return -std::numeric_limits<float>::infinity();
  if (std::fabs(value) > std::numeric_limits<float>::max())
    return static_cast<float>(std::copysign(std::numeric_limits<float>::max(), value));
  return static_cast<float>(value);
}

}  // namespace

std::string_view name_of(DType dtype) { return row_of(dtype).name; }

std::optional<DType> dtype_named(std::string_view name) {
  for (const auto& row : kTypes)
    if (row.name == name) return row.dtype;
  return std::nullopt;
}

int bytes_of(DType dtype) { return row_of(dtype).bytes; }
bool is_float(DType dtype) { return row_of(dtype).is_float; }

double unit_roundoff(DType dtype) {
  if (!is_float(dtype)) return 0;
  if (dtype == DType::f64) return 0x1p-53;
  if (dtype == DType::f32) return 0x1p-24;
  return std::scalbn(1.0, -(format_of(dtype).mantissa + 1));
}

DType compute_type(DType dtype) {
  if (dtype == DType::f64) return DType::f64;
  return is_float(dtype) ? DType::f32 : DType::i64;
}

double round_to(DType dtype, double value) {
  if (dtype == DType::f64) return value;
  if (dtype == DType::f32) return to_float(value);
  if (is_float(dtype)) return round_narrow(format_of(dtype), value);
  if (dtype == DType::boolean) return value != 0;
  if (std::isnan(value)) return 0;
  const double whole = std::nearbyint(value);
  const auto& row = row_of(dtype);
  return whole < row.low ? row.low : whole > row.high ? row.high : whole + 0.0;
}

std::uint64_t to_bits(DType dtype, double value) {
  switch (dtype) {
    case DType::f64:
      return std::bit_cast<std::uint64_t>(value);
    case DType::f32:
      return std::bit_cast<std::uint32_t>(to_float(value));
    case DType::f16:
    case DType::bf16:
    case DType::f8e4m3:
    case DType::f8e5m2:
      return encode_narrow(format_of(dtype), value);
    default:
      break;
  }
  const double whole = round_to(dtype, value);
  const std::int64_t integer =
      whole >= 0x1p63 ? std::numeric_limits<std::int64_t>::max() : static_cast<std::int64_t>(whole);
  const int bits = 8 * bytes_of(dtype);
  const auto pattern = static_cast<std::uint64_t>(integer);
  return bits == 64 ? pattern : pattern & ((std::uint64_t{1} << bits) - 1);
}

double from_bits(DType dtype, std::uint64_t bits) {
  switch (dtype) {
    case DType::f64:
      return std::bit_cast<double>(bits);
    case DType::f32:
      return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    case DType::f16:
    case DType::bf16:
    case DType::f8e4m3:
    case DType::f8e5m2:
      return decode_narrow(format_of(dtype), bits);
    case DType::i64:
      return static_cast<double>(static_cast<std::int64_t>(bits));
    case DType::i32:
      return static_cast<std::int32_t>(static_cast<std::uint32_t>(bits));
    case DType::i8:
      return static_cast<std::int8_t>(static_cast<std::uint8_t>(bits));
    case DType::u8:
      return static_cast<std::uint8_t>(bits);
    case DType::boolean:
      return (bits & 0xff) != 0;
  }
  return 0;
}

}  // namespace mtmc::op
