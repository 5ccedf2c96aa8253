// An independent model of floating-point rounding for the tests: binary128 arithmetic, integers and
// comparisons, one value at a time. It shares no code and no trick with emulator/numeric*.hpp.
#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

namespace mtmc::emulator::slow {

using Quad = __float128;  // 113 bits
enum class Mode { nearest_even, toward_zero, down, up, nearest_away };

inline Quad power_of_two(int exponent) {
  if (exponent >= -1074 && exponent <= 1023) return std::ldexp(1.0, exponent);
  Quad result = 1;
  const Quad factor = exponent < 0 ? Quad(0.5) : Quad(2);
  for (int i = 0; i < (exponent < 0 ? -exponent : exponent); ++i) result *= factor;
  return result;
}

// A binary format: `mantissa` stored bits, exponents [least, most] of normal numbers.
struct Format {
  int mantissa;
  int least;
  int most;
  Quad largest;  // finite
};

inline Format format(int mantissa, int exponent_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  return {mantissa, 1 - bias, bias, (Quad(2) - power_of_two(-mantissa)) * power_of_two(bias)};
}
inline Format e4m3_format() { return {3, -6, 8, Quad(448)}; }

// The floor of log2 of a positive value.
inline int exponent_of(Quad x) {
  int exponent = std::ilogb(static_cast<double>(x));
  if (power_of_two(exponent) > x) --exponent;  // the conversion to double may have rounded up
  return exponent;
}

// Rounds a non-negative multiple of a unit to an integer of units.
inline Quad round_units(Quad units, bool negative, Mode mode) {
  const auto whole = static_cast<unsigned __int128>(units);
  const Quad rest = units - static_cast<Quad>(whole);
  bool up = false;
  switch (mode) {
    case Mode::toward_zero:
      break;
    case Mode::down:
      up = negative && rest > 0;
      break;
    case Mode::up:
      up = !negative && rest > 0;
      break;
    case Mode::nearest_even:
      up = rest > Quad(0.5) || (rest == Quad(0.5) && (whole & 1) == 1);
      break;
    case Mode::nearest_away:
      up = rest >= Quad(0.5);
      break;
  }
  return static_cast<Quad>(whole + (up ? 1 : 0));
}

// Finite x in the format, or an infinity.
inline Quad round_to(Quad x, const Format& f, Mode mode) {
  if (x == 0) return x;
  const bool negative = x < 0;
  const Quad magnitude = negative ? -x : x;
  const int exponent = exponent_of(magnitude);
  const Quad unit = power_of_two((exponent < f.least ? f.least : exponent) - f.mantissa);
  Quad rounded = round_units(magnitude / unit, negative, mode) * unit;
  if (rounded > f.largest) {
    const bool to_largest = mode == Mode::toward_zero || (mode == Mode::down && !negative) ||
                            (mode == Mode::up && negative);
    rounded = to_largest ? f.largest : static_cast<Quad>(INFINITY);
  }
  return negative ? -rounded : rounded;
}

// The bits of a value of the format (IEEE layout, without the NaNs); zero's sign is given.
inline std::uint32_t encode(Quad x, const Format& f, int exponent_bits, bool negative) {
  const std::uint32_t sign = (negative ? 1u : 0u) << (f.mantissa + exponent_bits);
  const Quad magnitude = x < 0 ? -x : x;
  if (magnitude > f.largest) return sign | (((1u << exponent_bits) - 1) << f.mantissa);
  if (magnitude < power_of_two(f.least)) {
    return sign | static_cast<std::uint32_t>(magnitude / power_of_two(f.least - f.mantissa));
  }
  const int exponent = exponent_of(magnitude);
  const auto significand =
      static_cast<std::uint32_t>(magnitude / power_of_two(exponent - f.mantissa));
  return sign | (static_cast<std::uint32_t>(exponent - f.least + 1) << f.mantissa) |
         (significand - (1u << f.mantissa));
}

// The value of bits of the format that are neither infinite nor NaN.
inline Quad decode(std::uint32_t bits, const Format& f, int exponent_bits) {
  const std::uint32_t fraction = bits & ((1u << f.mantissa) - 1);
  const std::uint32_t exponent = (bits >> f.mantissa) & ((1u << exponent_bits) - 1);
  const bool negative = (bits >> (f.mantissa + exponent_bits)) & 1;
  const Quad magnitude =
      exponent == 0 ? fraction * power_of_two(f.least - f.mantissa)
                    : (fraction + power_of_two(f.mantissa)) *
                          power_of_two(f.least + static_cast<int>(exponent) - 1 - f.mantissa);
  return negative ? -magnitude : magnitude;
}

// The exact a * b + c for operands of at most 48 bits of product and 24 of addend; where the two
// are too far apart for 113 bits the smaller becomes a stand-in of its sign, far below any
// rounding.
inline Quad exact_fma(Quad a, Quad b, Quad addend) {
  const Quad product = a * b;
  const auto size = [](Quad x) { return x < 0 ? -x : x; };
  const Quad tiny = power_of_two(-60);
  if (product != 0 && addend != 0) {
    if (size(product) < size(addend) * tiny) {
      return addend + (product < 0 ? -1 : 1) * size(addend) * tiny;
    }
    if (size(addend) < size(product) * tiny) {
      return product + (addend < 0 ? -1 : 1) * size(product) * tiny;
    }
  }
  return product + addend;
}

// f32 bit patterns where conversions go wrong: the specials, powers of two and integers' limits
// with their neighbours.
inline std::vector<std::uint32_t> hard_f32() {
  std::vector<std::uint32_t> list = {
      0x00000000u, 0x00000001u, 0x007fffffu, 0x00800000u, 0x7f7fffffu, 0x7f800000u, 0x7f800001u,
      0x7fc00000u, 0x7fffffffu, 0x3effffffu, 0x3f000000u, 0x3f000001u, 0x3fc00000u, 0x40200000u};
  for (std::uint32_t exponent = 1; exponent < 255; ++exponent) {
    for (std::uint32_t step : {0u, 1u, 0x400000u, 0x7fffffu})
      list.push_back((exponent << 23) + step);
  }
  const std::size_t positive = list.size();
  for (std::size_t i = 0; i < positive; ++i) list.push_back(list[i] | 0x80000000u);
  return list;
}

}  // namespace mtmc::emulator::slow
