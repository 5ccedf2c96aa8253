// Floating-point arithmetic by the book, for the tests: a value is a sign, a 256-bit integer and a
// power of two, an operation is exact (with a sticky bit far below any rounding), and rounding is
// one integer division. One code serves f16, bf16, f32, f64 and the formats below; it shares
// nothing with emulator/numeric*.hpp and never uses the host's floating-point unit.
#pragma once

#include <cstdint>

#include "emulator/slow_model.hpp"

namespace mtmc::emulator::slow {

using Word = unsigned __int128;

struct Binary {
  int mantissa;  // stored bits
  int exponent;  // bits
  int bias() const { return (1 << (exponent - 1)) - 1; }
  int least() const { return 1 - bias() - mantissa; }  // exponent of the smallest subnormal
  int bits() const { return 1 + exponent + mantissa; }
  std::uint64_t sign() const { return std::uint64_t{1} << (exponent + mantissa); }
  std::uint64_t infinity() const { return ((std::uint64_t{1} << exponent) - 1) << mantissa; }
  std::uint64_t nan() const {  // f16, bf16, f32: all ones; f64: any will do
    return sign() - 1;
  }
};
inline constexpr Binary f16{10, 5}, bf16{7, 8}, f32{23, 8}, f64{52, 11};

struct U256 {
  Word high = 0, low = 0;
};
inline bool is_zero(U256 x) { return x.high == 0 && x.low == 0; }
inline U256 shift_left(U256 x, int n) {
  if (n >= 256) return {};
  if (n >= 128) return {x.low << (n - 128), 0};
  return n == 0 ? x : U256{x.high << n | x.low >> (128 - n), x.low << n};
}
inline U256 shift_right(U256 x, int n) {
  if (n >= 256) return {};
  if (n >= 128) return {0, x.high >> (n - 128)};
  return n == 0 ? x : U256{x.high >> n, x.low >> n | x.high << (128 - n)};
}
inline int compare(U256 a, U256 b) {
  if (a.high != b.high) return a.high < b.high ? -1 : 1;
  return a.low == b.low ? 0 : a.low < b.low ? -1 : 1;
}
inline U256 plus(U256 a, U256 b) {
  const Word low = a.low + b.low;
  return {a.high + b.high + (low < a.low ? 1 : 0), low};
}
inline U256 minus(U256 a, U256 b) {
  return {a.high - b.high - (a.low < b.low ? 1 : 0), a.low - b.low};
}
inline int top_bit(U256 x) {  // -1 for zero
  int top = -1;
  for (int step = 128; step > 0; step /= 2) {
    if (!is_zero(shift_right(x, step))) {
      x = shift_right(x, step);
      top += step;
    }
  }
  return is_zero(x) ? -1 : top + 1;
}

// (-1)^negative * magnitude * 2^exponent, an infinity or a NaN.
struct Number {
  enum Kind { finite, infinite, nan } kind = finite;
  bool negative = false;
  U256 magnitude;
  int exponent = 0;
  bool zero() const { return kind == finite && is_zero(magnitude); }
};

inline Number read(std::uint64_t bits, Binary f) {
  Number x;
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << f.mantissa) - 1);
  const std::uint64_t exponent = bits >> f.mantissa & ((std::uint64_t{1} << f.exponent) - 1);
  x.negative = (bits & f.sign()) != 0;
  if (exponent == (std::uint64_t{1} << f.exponent) - 1) {
    x.kind = fraction != 0 ? Number::nan : Number::infinite;
  } else {
    x.magnitude.low = exponent == 0 ? fraction : fraction | std::uint64_t{1} << f.mantissa;
    x.exponent = f.least() + static_cast<int>(exponent == 0 ? 0 : exponent - 1);
  }
  return x;
}

// The integer nearest to magnitude * 2^exponent in the mode (of the signed value).
inline U256 to_units(U256 magnitude, int exponent, bool negative, Mode mode) {
  if (exponent >= 0) return shift_left(magnitude, exponent);
  const int n = -exponent;
  U256 whole = shift_right(magnitude, n);
  const U256 rest = minus(magnitude, shift_left(whole, n));
  if (is_zero(rest)) return whole;
  // Twice the rest against one unit; a unit above 2^255 is more than twice any magnitude here.
  const int against_half = n > 255 ? -1 : compare(rest, shift_left({0, 1}, n - 1));
  bool up = false;
  if (mode == Mode::down) up = negative;
  if (mode == Mode::up) up = !negative;
  if (mode == Mode::nearest_even) up = against_half > 0 || (against_half == 0 && (whole.low & 1));
  if (mode == Mode::nearest_away) up = against_half >= 0;
  return up ? plus(whole, {0, 1}) : whole;
}

inline std::uint64_t write(const Number& x, Binary f, Mode mode) {
  if (x.kind == Number::nan) return f.nan();
  const std::uint64_t sign = x.negative ? f.sign() : 0;
  if (x.kind == Number::infinite) return sign | f.infinity();
  if (x.zero()) return sign;
  const int top = top_bit(x.magnitude) + x.exponent;
  const int unit = std::max(top - f.mantissa, f.least());
  const auto units =
      static_cast<std::uint64_t>(to_units(x.magnitude, x.exponent - unit, x.negative, mode).low);
  // The leading bit of a normal number adds one to its exponent field.
  const std::uint64_t code = (static_cast<std::uint64_t>(unit - f.least()) << f.mantissa) + units;
  if (code < f.infinity()) return sign | code;
  const bool to_largest = mode == Mode::toward_zero || (mode == Mode::down && !x.negative) ||
                          (mode == Mode::up && x.negative);
  return sign | (to_largest ? f.infinity() - 1 : f.infinity());
}

inline Number negated(Number x) {
  x.negative = !x.negative;
  return x;
}
inline Number not_a_number() {
  Number x;
  x.kind = Number::nan;
  return x;
}

// Operands of at most 64 significant bits.
inline Number multiply(const Number& a, const Number& b) {
  if (a.kind == Number::nan || b.kind == Number::nan) return not_a_number();
  Number r;
  r.negative = a.negative != b.negative;
  if (a.kind == Number::infinite || b.kind == Number::infinite) {
    if (a.zero() || b.zero()) return not_a_number();
    r.kind = Number::infinite;
    return r;
  }
  r.magnitude.low = a.magnitude.low * b.magnitude.low;
  r.exponent = a.exponent + b.exponent;
  return r;
}

// Operands of at most 128 significant bits. Exact, but for a sticky lowest bit where they are more
// than a hundred bits apart. The mode decides the sign of a sum that cancels.
inline Number add(const Number& a, const Number& b, Mode mode) {
  if (a.kind == Number::nan || b.kind == Number::nan) return not_a_number();
  if (a.kind == Number::infinite || b.kind == Number::infinite) {
    if (a.kind == b.kind && a.negative != b.negative) return not_a_number();
    return a.kind == Number::infinite ? a : b;
  }
  if (a.zero() && b.zero()) {
    Number r = a;
    if (a.negative != b.negative) r.negative = mode == Mode::down;
    return r;
  }
  if (a.zero()) return b;
  if (b.zero()) return a;
  const bool a_is_larger = top_bit(a.magnitude) + a.exponent >= top_bit(b.magnitude) + b.exponent;
  const Number& big = a_is_larger ? a : b;
  const Number& small = a_is_larger ? b : a;
  const int up = 250 - top_bit(big.magnitude);
  const U256 x = shift_left(big.magnitude, up);
  const int unit = big.exponent - up;
  const int move = small.exponent - unit;
  U256 y = move >= 0 ? shift_left(small.magnitude, move) : shift_right(small.magnitude, -move);
  if (move < 0 && compare(shift_left(y, -move), small.magnitude) != 0) y.low |= 1;
  if (-move >= 256) y = {0, 1};
  Number r;
  r.exponent = unit;
  if (big.negative == small.negative) {
    r.negative = big.negative;
    r.magnitude = plus(x, y);
  } else {
    const int order = compare(x, y);
    r.negative = order == 0 ? mode == Mode::down : order > 0 ? big.negative : small.negative;
    r.magnitude = order >= 0 ? minus(x, y) : minus(y, x);
  }
  return r;
}

// Operands of at most 53 significant bits.
inline Number divide(const Number& a, const Number& b) {
  if (a.kind == Number::nan || b.kind == Number::nan) return not_a_number();
  Number r;
  r.negative = a.negative != b.negative;
  if (a.kind == Number::infinite || b.zero()) {
    if (b.kind == Number::infinite || a.zero()) return not_a_number();
    r.kind = Number::infinite;
    return r;
  }
  if (b.kind == Number::infinite || a.zero()) return r;
  const int up = 126 - top_bit(a.magnitude);
  const Word numerator = a.magnitude.low << up;
  r.magnitude.low = numerator / b.magnitude.low << 1 | (numerator % b.magnitude.low != 0);
  r.magnitude.high = numerator / b.magnitude.low >> 127;
  r.exponent = a.exponent - up - b.exponent - 1;
  return r;
}

inline Number square_root(const Number& a) {
  if (a.kind == Number::nan || a.zero()) return a;
  if (a.negative) return not_a_number();
  if (a.kind == Number::infinite) return a;
  int up = 124 - top_bit(a.magnitude);
  if ((a.exponent - up) % 2 != 0) --up;
  const Word square = a.magnitude.low << up;
  Word root = 0;
  for (int bit = 63; bit >= 0; --bit) {
    const Word next = root | Word{1} << bit;
    if (next * next <= square) root = next;
  }
  Number r;
  r.magnitude.low = root << 1 | (root * root != square);
  r.exponent = (a.exponent - up) / 2 - 1;
  return r;
}

// -0 < +0; only for numbers.
inline bool less(const Number& a, const Number& b) {
  if (a.zero() && b.zero()) return a.negative && !b.negative;
  if (a.kind == Number::infinite || b.kind == Number::infinite) {
    const auto rank = [](const Number& x) {
      return x.kind == Number::infinite ? (x.negative ? -1 : 1) : 0;
    };
    return rank(a) < rank(b);
  }
  const Number d = add(a, negated(b), Mode::nearest_even);
  return !d.zero() && d.negative;
}
inline bool equal(const Number& a, const Number& b) {
  if (a.zero() && b.zero()) return true;
  return !less(a, b) && !less(b, a);
}

}  // namespace mtmc::emulator::slow
