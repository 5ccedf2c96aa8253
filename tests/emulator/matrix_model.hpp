// A slow model of matrix instructions that shares nothing with the emulator: number formats field
// by field, fragments element by element from the tables of the PTX ISA ("Matrix Fragments for
// mma"), sums over whole matrices, and the tensor cores' rule in integer arithmetic.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace mtmc::emulator::test {

// ---- numbers -----------------------------------------------------------------------------------

struct Format {
  int bits, exponent_bits, mantissa_bits, dropped;  // dropped: low bits that are not looked at
  bool has_infinity = true;
};

inline Format format_of(const std::string& type) {
  if (type == "f16") return {16, 5, 10, 0};
  if (type == "bf16") return {16, 8, 7, 0};
  if (type == "tf32") return {32, 8, 10, 13};
  if (type == "e4m3") return {8, 4, 3, 0, false};
  if (type == "e5m2") return {8, 5, 2, 0};
  if (type == "f32") return {32, 8, 23, 0};
  throw std::invalid_argument(type);
}

struct Number {
  bool nan = false, infinite = false;
  int64_t significand = 0;  // signed, in units of 2^(exponent - mantissa_bits)
  int exponent = -126;
  bool negative = false;
  int mantissa_bits = 0;

  double value() const {
    if (nan) return std::numeric_limits<double>::quiet_NaN();
    const double sign = negative ? -1.0 : 1.0;
    if (infinite) return sign * std::numeric_limits<double>::infinity();
    if (significand == 0) return sign * 0.0;
    return std::ldexp(static_cast<double>(significand), exponent - mantissa_bits);
  }
};

inline Number decode_number(const Format& f, uint64_t code) {
  code >>= f.dropped;
  const int bias = (1 << (f.exponent_bits - 1)) - 1;
  const auto mantissa = static_cast<int64_t>(code & ((1ull << f.mantissa_bits) - 1));
  const auto field = static_cast<int>(code >> f.mantissa_bits & ((1u << f.exponent_bits) - 1));
  Number n;
  n.mantissa_bits = f.mantissa_bits;
  n.negative = (code >> (f.mantissa_bits + f.exponent_bits) & 1) != 0;
  const int top = (1 << f.exponent_bits) - 1;
  if (f.has_infinity && field == top) {
    n.nan = mantissa != 0;
    n.infinite = mantissa == 0;
    return n;
  }
  if (!f.has_infinity && field == top && mantissa == (1 << f.mantissa_bits) - 1) {
    n.nan = true;
    return n;
  }
  n.exponent = (field == 0 ? 1 : field) - bias;
  n.significand = field == 0 ? mantissa : mantissa | int64_t{1} << f.mantissa_bits;
  if (n.significand == 0) n.exponent = -126;
  if (n.negative) n.significand = -n.significand;
  return n;
}

inline uint32_t f32_code(double x) {
  if (x != x) return 0x7fffffffu;
  const auto f = static_cast<float>(x);
  uint32_t code;
  std::memcpy(&code, &f, 4);
  return code;
}

// To nearest even; every f64 is exact before that.
inline uint16_t f16_code(double x) {
  if (x != x) return 0x7fff;
  const uint16_t sign = std::signbit(x) ? 0x8000 : 0;
  const double m = std::fabs(x);
  if (m == 0) return sign;
  if (std::isinf(m)) return sign | 0x7c00;
  const int e = std::max(std::ilogb(m), -14);
  const auto q = static_cast<int64_t>(std::nearbyint(std::ldexp(m, 10 - e)));
  const int64_t code = q + (static_cast<int64_t>(e + 14) << 10);  // a carry runs into the exponent
  return static_cast<uint16_t>(sign | std::min<int64_t>(code, 0x7c00));
}

// ---- fragments ---------------------------------------------------------------------------------

struct Element2 {
  int row, column;
};

// A form of mma by its opcode's parts.
struct MmaForm {
  int m, n, k;
  std::string a, b, d;
  std::string extra;  // ".satfinite", ".xor.popc", ".and.popc"

  std::string opcode() const {
    const std::string shape =
        "m" + std::to_string(m) + "n" + std::to_string(n) + "k" + std::to_string(k);
    const bool saturate = extra == ".satfinite";
    return "mma.sync.aligned." + shape + ".row.col" + (saturate ? extra : "") + "." + d + "." + a +
           "." + b + "." + d + (saturate ? "" : extra);
  }
  int bits() const {
    return a == "f64"                  ? 64
           : a == "tf32"               ? 32
           : a == "f16" || a == "bf16" ? 16
           : a == "s4" || a == "u4"    ? 4
           : a == "b1"                 ? 1
                                       : 8;
  }
  int register_bits() const { return a == "f64" ? 64 : 32; }
  int d_bits() const { return d == "f64" ? 64 : d == "f16" ? 16 : 32; }
  int d_register_bits() const { return d == "f64" ? 64 : 32; }
  int a_registers() const { return m * k * bits() / 32 / register_bits(); }
  int b_registers() const { return n * k * bits() / 32 / register_bits(); }
  int d_registers() const { return m * n * d_bits() / 32 / d_register_bits(); }

  // Element i of a lane, counted from the low bits of the first register: the ISA's a0, a1, ...
  Element2 a_place(int lane, int i) const {
    const int g = lane >> 2, t = lane % 4;
    if (m == 8) {
      if (bits() == 64) return {g, t};               // m8n8k4
      if (bits() == 8) return {g, t * 4 + i};        // m8n8k16
      return bits() == 4 ? Element2{g, t * 8 + i}    // m8n8k32
                         : Element2{g, t * 32 + i};  // m8n8k128
    }
    switch (bits() * 1000 + k) {
      case 64004:
      case 32004:
        return {i == 0 ? g : g + 8, t};
      case 64008:
      case 32008:
        return {i == 0 || i == 2 ? g : g + 8, i < 2 ? t : t + 4};
      case 64016:
        return {i % 2 == 0 ? g : g + 8, i % 2 == 0 ? i * 2 + t : i * 2 - 2 + t};
      case 16008:
        return {i < 2 ? g : g + 8, t * 2 + (i & 1)};
      case 16016:
        return {(0 <= i && i < 2) || (4 <= i && i < 6) ? g : g + 8,
                i < 4 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8};
      case 8016:
        return {i < 4 ? g : g + 8, t * 4 + (i & 3)};
      case 8032:
        return {(0 <= i && i < 4) || (8 <= i && i < 12) ? g : g + 8,
                i < 8 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16};
      case 4032:
        return {i < 8 ? g : g + 8, t * 8 + (i & 7)};
      case 4064:
        return {(0 <= i && i < 8) || (16 <= i && i < 24) ? g : g + 8,
                i < 16 ? t * 8 + (i & 7) : t * 8 + (i & 7) + 32};
      case 1128:
        return {i < 32 ? g : g + 8, t * 32 + (i & 31)};
      case 1256:
        return {i < 32 || (64 <= i && i < 96) ? g : g + 8,
                i < 64 ? t * 32 + (i & 31) : t * 32 + (i & 31) + 128};
      default:
        throw std::invalid_argument(opcode());
    }
  }
  Element2 b_place(int lane, int i) const {
    const int g = lane >> 2, t = lane % 4;
    switch (bits() * 1000 + k) {
      case 64004:
      case 32004:
        return {t, g};
      case 64008:
      case 32008:
        return {i == 0 ? t : t + 4, g};
      case 64016:
        return {t + i * 4, g};
      case 16008:
        return {t * 2 + i, g};
      case 16016:
        return {i < 2 ? t * 2 + (i & 1) : t * 2 + (i & 1) + 8, g};
      case 8016:
        return {t * 4 + i, g};
      case 8032:
        return {i < 4 ? t * 4 + (i & 3) : t * 4 + (i & 3) + 16, g};
      case 4032:
        return {t * 8 + i, g};
      case 4064:
        return {i < 8 ? t * 8 + (i & 7) : t * 8 + (i & 7) + 32, g};
      case 1128:
        return {t * 32 + i, g};
      case 1256:
        return {i < 32 ? t * 32 + (i & 31) : t * 32 + (i & 31) + 128, g};
      default:
        throw std::invalid_argument(opcode());
    }
  }
  Element2 d_place(int lane, int i) const {
    const int g = lane >> 2, t = lane % 4;
    return {m == 8 || i < 2 ? g : g + 8, t * 2 + (i & 1)};
  }
};

// Registers as memory holds them: register r of lane l at index r * 32 + l.
inline uint64_t fragment_bits(const std::vector<uint8_t>& words, int register_bits, int bits,
                              int lane, int i) {
  const int per = register_bits / bits;
  uint64_t word = 0;
  std::memcpy(&word, words.data() + static_cast<size_t>(i / per * 32 + lane) * (register_bits / 8),
              static_cast<size_t>(register_bits / 8));
  return bits == 64 ? word : word >> (i % per * bits) & ((uint64_t{1} << bits) - 1);
}

using Codes = std::vector<uint64_t>;  // a matrix, row by row

inline Codes gather_matrix(const MmaForm& f, char which, const std::vector<uint8_t>& words) {
  const int rows = which == 'b' ? f.k : f.m;
  const int columns = which == 'a' ? f.k : f.n;
  const int bits = which == 'd' ? f.d_bits() : f.bits();
  const int register_bits = which == 'd' ? f.d_register_bits() : f.register_bits();
  const int per_lane = rows * columns / 32;
  Codes matrix(static_cast<size_t>(rows * columns), ~uint64_t{0});
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < per_lane; ++i) {
      const Element2 at = which == 'a'   ? f.a_place(lane, i)
                          : which == 'b' ? f.b_place(lane, i)
                                         : f.d_place(lane, i);
      matrix[static_cast<size_t>(at.row * columns + at.column)] =
          fragment_bits(words, register_bits, bits, lane, i);
    }
  }
  return matrix;
}

// ---- arithmetic --------------------------------------------------------------------------------

inline int64_t integer_of(const std::string& type, uint64_t code) {
  if (type == "s8") return static_cast<int8_t>(code);
  if (type == "s4") return code >= 8 ? static_cast<int64_t>(code) - 16 : static_cast<int64_t>(code);
  return static_cast<int64_t>(code);
}

// A tensor core's sum of one group: see matrix_arithmetic.hpp.
struct ExactRule {
  int fraction_bits;
  int group;
  int result_bits = 23;
};

inline uint64_t exact_sum(const ExactRule& rule, bool half, const std::vector<Number>& a,
                          const std::vector<Number>& b, const Number& c) {
  double plain = c.value();
  for (size_t k = 0; k < a.size(); ++k) plain += a[k].value() * b[k].value();
  if (plain != plain) return half ? 0x7fff : 0x7fffffff;
  if (std::isinf(plain)) return half ? f16_code(plain) : f32_code(plain);
  int largest = c.exponent;
  for (size_t k = 0; k < a.size(); ++k) {
    largest = std::max(largest, a[k].exponent + b[k].exponent);
  }
  const auto aligned = [&](int64_t significand, int exponent, int fraction) {
    const int shift = rule.fraction_bits + exponent - largest - fraction;
    const int64_t magnitude = significand < 0 ? -significand : significand;
    const int64_t moved = shift >= 0 ? magnitude << shift : shift <= -63 ? 0 : magnitude >> -shift;
    return significand < 0 ? -moved : moved;
  };
  int64_t sum = aligned(c.significand, c.exponent, c.mantissa_bits);
  for (size_t k = 0; k < a.size(); ++k) {
    sum += aligned(a[k].significand * b[k].significand, a[k].exponent + b[k].exponent,
                   a[k].mantissa_bits + b[k].mantissa_bits);
  }
  if (sum == 0) return 0;
  // sum * 2^unit, rounded.
  const int unit = largest - rule.fraction_bits;
  auto magnitude = static_cast<uint64_t>(sum < 0 ? -sum : sum);
  const int top = 63 - __builtin_clzll(magnitude) + unit;  // exponent of the leading bit
  const int least = half ? -14 : -126;
  const int fraction = half ? 10 : rule.result_bits;
  const int drop = std::max(top, least) - fraction - unit;
  uint64_t kept;
  if (drop <= 0) {
    kept = magnitude << -drop;
  } else if (drop >= 64) {
    kept = 0;
  } else {
    kept = magnitude >> drop;
    const uint64_t rest = magnitude & ((uint64_t{1} << drop) - 1);
    const uint64_t middle = uint64_t{1} << (drop - 1);
    if (half && (rest > middle || (rest == middle && (kept & 1) != 0))) ++kept;
  }
  const double result =
      std::ldexp(static_cast<double>(kept), std::max(top, least) - fraction) * (sum < 0 ? -1 : 1);
  if (kept == 0) return half && sum < 0 ? 0x8000 : 0;
  return half ? f16_code(result) : f32_code(result);
}

// d = a * b + c by the emulator's chain, or by a rule when group > 0.
inline Codes model_product(const MmaForm& f, const Codes& a, const Codes& b, const Codes& c,
                           const ExactRule& rule = {0, 0}) {
  Codes d(static_cast<size_t>(f.m * f.n));
  for (int i = 0; i < f.m; ++i) {
    for (int j = 0; j < f.n; ++j) {
      const auto at = static_cast<size_t>(i * f.n + j);
      const auto a_of = [&](int k) { return a[static_cast<size_t>(i * f.k + k)]; };
      const auto b_of = [&](int k) { return b[static_cast<size_t>(k * f.n + j)]; };
      if (f.d == "s32") {
        int64_t sum = static_cast<int32_t>(c[at]);
        for (int k = 0; k < f.k; ++k) {
          const int64_t x = integer_of(f.a, a_of(k)), y = integer_of(f.b, b_of(k));
          sum += f.extra == ".xor.popc" ? (x ^ y) : x * y;
        }
        if (f.extra == ".satfinite") {
          sum = std::max<int64_t>(std::min<int64_t>(sum, INT32_MAX), INT32_MIN);
        }
        d[at] = static_cast<uint32_t>(sum);
      } else if (f.d == "f64") {
        const auto real = [](uint64_t code) {
          double x;
          std::memcpy(&x, &code, 8);
          return x;
        };
        double sum = real(c[at]);
        for (int k = 0; k < f.k; ++k) sum = std::fma(real(a_of(k)), real(b_of(k)), sum);
        std::memcpy(&d[at], &sum, 8);
      } else {
        const bool half = f.d == "f16";
        const Format fa = format_of(f.a), fb = format_of(f.b), fc = format_of(f.d);
        if (rule.group == 0) {
          auto sum = static_cast<float>(decode_number(fc, c[at]).value());
          for (int k = 0; k < f.k; ++k) {
            sum = std::fma(static_cast<float>(decode_number(fa, a_of(k)).value()),
                           static_cast<float>(decode_number(fb, b_of(k)).value()), sum);
          }
          d[at] = half ? f16_code(sum) : f32_code(sum);
        } else {
          uint64_t sum = c[at];
          for (int k = 0; k < f.k; k += rule.group) {
            std::vector<Number> x, y;
            for (int q = 0; q < rule.group; ++q) {
              x.push_back(decode_number(fa, a_of(k + q)));
              y.push_back(decode_number(fb, b_of(k + q)));
            }
            sum = exact_sum(rule, half, x, y, decode_number(fc, sum));
          }
          d[at] = sum;
        }
      }
    }
  }
  return d;
}

// ---- inputs ------------------------------------------------------------------------------------

// Codes of a type. Style 0: any bits. 1: around one. 2: huge spread of exponents. 3: cancelling
// (few magnitudes, random signs). 4: zeros and subnormals. 5: mostly 1, some infinite or NaN. 6:
// zeros. 7: almost 2.
inline uint64_t random_code(const std::string& type, int style, std::mt19937& random) {
  const uint32_t r = random();
  if (type == "f64") {
    const double x = std::ldexp(static_cast<double>(static_cast<int32_t>(r)), -20);
    uint64_t code;
    std::memcpy(&code, &x, 8);
    return code;
  }
  if (type[0] == 's' || type[0] == 'u' || type == "b1") {
    const uint32_t most = style == 5 ? 0x7f7f7f7fu : r;  // saturating sums
    return type == "b1" ? r & 1 : type[1] == '4' ? r & 15 : type == "s32" ? r : most & 255;
  }
  const Format f = format_of(type);
  const int bias = (1 << (f.exponent_bits - 1)) - 1;
  const uint64_t mantissa = r & ((1u << f.mantissa_bits) - 1);
  const uint64_t sign = static_cast<uint64_t>(random() & 1) << (f.mantissa_bits + f.exponent_bits);
  const auto pick = [&](int least, int most) {
    return static_cast<uint64_t>(least) + random() % static_cast<uint32_t>(most - least + 1);
  };
  const int top = (1 << f.exponent_bits) - 1;
  uint64_t exponent = 0, m = mantissa;
  switch (style) {
    case 0:
      return (random() & ((f.bits == 32 ? 0 : 1ull << f.bits) - 1)) & 0xffffffffu;
    case 1:
      exponent = pick(bias - 2, bias + 2);
      break;
    case 2:
      exponent = pick(1, top - 1);
      break;
    case 3:
      exponent = pick(bias, bias + 1);
      m = mantissa & ~uint64_t{7} & ((1u << f.mantissa_bits) - 1);
      break;
    case 4:
      exponent = 0;
      if (random() % 3 == 0) m = 0;
      break;
    case 6:
      m = 0;
      break;
    case 7:
      return (static_cast<uint64_t>(bias) << f.mantissa_bits | ((1u << f.mantissa_bits) - 1))
             << f.dropped;
    default:
      exponent = static_cast<uint64_t>(bias);
      if (random() % 40 == 0) {
        exponent = static_cast<uint64_t>(top);
        if (random() % 2 == 0) m = 0;
      }
  }
  return (sign | exponent << f.mantissa_bits | m) << f.dropped |
         (r >> 19 & ((1u << f.dropped) - 1));
}

// Registers of one operand of one warp, as fragment_bits() reads them.
inline std::vector<uint8_t> random_fragment(const std::string& type, int bits, int register_bits,
                                            int registers, int style, std::mt19937& random) {
  std::vector<uint8_t> words(static_cast<size_t>(registers * 32 * register_bits / 8));
  for (int w = 0; w < registers * 32; ++w) {
    uint64_t word = 0;
    for (int at = 0; at < register_bits; at += bits) {
      word |= random_code(type, style, random) << at;
    }
    std::memcpy(words.data() + static_cast<size_t>(w) * (register_bits / 8), &word,
                static_cast<size_t>(register_bits / 8));
  }
  return words;
}

}  // namespace mtmc::emulator::test
