// Host part of an exported file: float64 values that carry a bound on what an honest kernel may
// lose, and the inputs.
//
// A Value's `error` is absolute, propagated forward to first order: an operation adds one unit
// roundoff of its result (two for transcendental functions), a sum of K terms adds sqrt(K) units of
// the sum of their magnitudes.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <vector>

namespace reference {

using i64 = long long;

struct Value {
  double v, e;
};
static double unit = 5.9604644775390625e-08;  // of the compute type

inline i64 index_div(i64 a, i64 b) {
  const i64 q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}
inline i64 index_mod(i64 a, i64 b) { return a - b * index_div(a, b); }
inline bool index_inside(i64 i, i64 extent) { return i >= 0 && i < extent; }
inline i64 index_min(i64 a, i64 b) { return a < b ? a : b; }
inline i64 index_max(i64 a, i64 b) { return a > b ? a : b; }

inline double settled(double v, double e) {
  if (!std::isfinite(v)) return 0;
  return std::isnan(e) ? std::numeric_limits<double>::infinity() : e;
}
inline Value made(double v, double e) { return {v, settled(v, e)}; }
inline Value number(double v) { return {v, 0}; }
inline double by(double factor, double e) { return e == 0 ? 0 : std::fabs(factor) * e; }
inline double stepped(double (*f)(double), double x, double e) {
  return e == 0 ? 0 : std::fmax(std::fabs(f(x - e) - f(x)), std::fabs(f(x + e) - f(x)));
}

inline Value op_neg(Value a) { return {-a.v, a.e}; }
inline Value op_abs(Value a) { return {std::fabs(a.v), a.e}; }
inline Value op_exp(Value a) {
  const double y = std::exp(a.v);
  return made(y, by(y, a.e) + 2 * unit * y);
}
inline Value op_log(Value a) {
  const double y = std::log(a.v);
  return made(y, by(1 / a.v, a.e) + 2 * unit * std::fabs(y));
}
inline Value op_log1p(Value a) {
  const double y = std::log1p(a.v);
  return made(y, by(1 / (1 + a.v), a.e) + 2 * unit * std::fabs(y));
}
inline Value op_expm1(Value a) {
  const double y = std::expm1(a.v);
  return made(y, by(y + 1, a.e) + 2 * unit * std::fabs(y));
}
inline Value op_sqrt(Value a) {
  const double y = std::sqrt(a.v);
  return made(y, (a.e == 0 ? 0 : std::fmin(a.e / (2 * y), std::sqrt(a.e))) + unit * y);
}
inline Value op_rsqrt(Value a) {
  const double y = 1 / std::sqrt(a.v);
  return made(y, by(y / (2 * a.v), a.e) + 2 * unit * y);
}
inline Value op_reciprocal(Value a) {
  const double y = 1 / a.v;
  return made(y, by(y * y, a.e) + unit * std::fabs(y));
}
inline Value op_sin(Value a) {
  const double y = std::sin(a.v);
  return made(y, by(std::cos(a.v), a.e) + 2 * unit * std::fabs(y));
}
inline Value op_cos(Value a) {
  const double y = std::cos(a.v);
  return made(y, by(std::sin(a.v), a.e) + 2 * unit * std::fabs(y));
}
inline Value op_tanh(Value a) {
  const double y = std::tanh(a.v);
  return made(y, by(1 - y * y, a.e) + 2 * unit * std::fabs(y));
}
inline Value op_erf(Value a) {
  const double y = std::erf(a.v);
  return made(y, by(1.1283791670955126 * std::exp(-a.v * a.v), a.e) + 2 * unit * std::fabs(y));
}
static double floor_of(double x) { return std::floor(x); }
static double ceil_of(double x) { return std::ceil(x); }
static double round_of(double x) { return std::nearbyint(x); }
static double trunc_of(double x) { return std::trunc(x); }
static double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
inline Value op_floor(Value a) { return {std::floor(a.v), stepped(floor_of, a.v, a.e)}; }
inline Value op_ceil(Value a) { return {std::ceil(a.v), stepped(ceil_of, a.v, a.e)}; }
inline Value op_round(Value a) { return {std::nearbyint(a.v), stepped(round_of, a.v, a.e)}; }
inline Value op_trunc(Value a) { return {std::trunc(a.v), stepped(trunc_of, a.v, a.e)}; }
inline Value op_sign(Value a) { return {sign_of(a.v), stepped(sign_of, a.v, a.e)}; }
inline Value op_logical_not(Value a) {
  return {a.v == 0 ? 1.0 : 0.0, a.e > 0 && std::fabs(a.v) <= a.e ? 1.0 : 0.0};
}
inline Value op_is_nan(Value a) { return {std::isnan(a.v) ? 1.0 : 0.0, 0}; }

inline Value op_add(Value a, Value b) {
  const double z = a.v + b.v;
  return made(z, a.e + b.e + unit * std::fabs(z));
}
inline Value op_sub(Value a, Value b) {
  const double z = a.v - b.v;
  return made(z, a.e + b.e + unit * std::fabs(z));
}
inline Value op_mul(Value a, Value b) {
  const double z = a.v * b.v;
  return made(z, by(b.v, a.e) + by(a.v, b.e) + unit * std::fabs(z));
}
inline Value op_div(Value a, Value b) {
  const double z = a.v / b.v;
  return made(z, by(1 / b.v, a.e) + by(z / b.v, b.e) + unit * std::fabs(z));
}
inline double remainder_of(double a, double b) {
  const double r = std::fmod(a, b);
  return (r != 0 && (r < 0) != (b < 0)) ? r + b : r;
}
inline Value op_floor_div(Value a, Value b) {
  const double z = b.v == 0 ? a.v / b.v : std::nearbyint((a.v - remainder_of(a.v, b.v)) / b.v);
  const double spread = by(1 / b.v, a.e) + by(a.v / b.v / b.v, b.e);
  return made(z, spread == 0 ? 0 : 1 + spread);
}
inline Value op_mod(Value a, Value b) {
  const double z = remainder_of(a.v, b.v), spread = a.e + by(std::floor(a.v / b.v), b.e);
  const bool wraps = spread > 0 && (std::fabs(z) <= spread || std::fabs(b.v - z) <= spread);
  return made(z, (wraps ? std::fabs(b.v) : spread) + unit * std::fabs(z));
}
inline Value op_pow(Value a, Value b) {
  const double z = std::pow(a.v, b.v);
  return made(z, by(b.v * std::pow(a.v, b.v - 1), a.e) + by(z * std::log(std::fabs(a.v)), b.e) +
                     4 * unit * std::fabs(z));
}
inline Value op_max(Value a, Value b) {
  const double z = std::isnan(a.v) ? a.v : std::isnan(b.v) ? b.v : a.v < b.v ? b.v : a.v;
  return made(z, std::fmax(a.e, b.e));
}
inline Value op_min(Value a, Value b) {
  const double z = std::isnan(a.v) ? a.v : std::isnan(b.v) ? b.v : b.v < a.v ? b.v : a.v;
  return made(z, std::fmax(a.e, b.e));
}
inline double unsure(Value a, Value b) {
  return a.e + b.e > 0 && std::fabs(a.v - b.v) <= a.e + b.e ? 1 : 0;
}
inline Value op_equal(Value a, Value b) { return {double(a.v == b.v), unsure(a, b)}; }
inline Value op_not_equal(Value a, Value b) { return {double(a.v != b.v), unsure(a, b)}; }
inline Value op_less(Value a, Value b) { return {double(a.v < b.v), unsure(a, b)}; }
inline Value op_less_equal(Value a, Value b) { return {double(a.v <= b.v), unsure(a, b)}; }
inline Value op_greater(Value a, Value b) { return {double(a.v > b.v), unsure(a, b)}; }
inline Value op_greater_equal(Value a, Value b) {
  return {double(a.v >= b.v), unsure(a, b)};
}
inline Value op_logical_and(Value a, Value b) {
  return {double(a.v != 0 && b.v != 0), unsure(a, {0, 0}) + unsure(b, {0, 0}) > 0 ? 1.0 : 0.0};
}
inline Value op_logical_or(Value a, Value b) {
  return {double(a.v != 0 || b.v != 0), unsure(a, {0, 0}) + unsure(b, {0, 0}) > 0 ? 1.0 : 0.0};
}
// Where the condition is unsure, either branch may be what a kernel takes.
inline Value op_select(Value c, Value a, Value b) {
  Value r = c.v != 0 ? a : b;
  if (c.e > 0 && std::fabs(c.v) <= c.e)
    r.e = std::fmax(r.e, std::fabs(a.v - b.v) + std::fmax(a.e, b.e));
  return r;
}

// Nearest number with `bits` bits of significand and exponents from `low`; above `most` is
// infinity.
inline double rounded(double x, int bits, int low, double most) {
  if (x == 0 || !std::isfinite(x)) return x;
  const int e = std::ilogb(x) < low ? low : std::ilogb(x);
  const double quantum = std::ldexp(1.0, e - bits + 1), r = std::nearbyint(x / quantum) * quantum;
  return std::fabs(r) > most ? std::copysign(std::numeric_limits<double>::infinity(), x) : r;
}
inline double round_f64(double x) { return x; }
inline double round_f32(double x) { return (float)x; }
inline double round_f16(double x) { return rounded(x, 11, -14, 65504); }
inline double round_bf16(double x) { return rounded(x, 8, -126, 3.3895313892515355e38); }
inline double round_whole(double x, double low, double high) {
  x = std::trunc(x);
  return x < low ? low : x > high ? high : x;
}
inline double round_i64(double x) {
  return round_whole(x, -9223372036854775808.0, 9223372036854774784.0);
}
inline double round_i32(double x) { return round_whole(x, -2147483648.0, 2147483647.0); }
inline double round_i8(double x) { return round_whole(x, -128, 127); }
inline double round_u8(double x) { return round_whole(x, 0, 255); }
inline double round_bool(double x) { return x != 0; }
inline Value cast(double (*round)(double), double u, Value a) {
  const double r = round(a.v);
  return made(r, u > 0 ? a.e + (r == a.v ? 0 : u * std::fabs(r)) : stepped(round, a.v, a.e));
}

struct Combiner {
  double value, error = 0, magnitude = 0;
  i64 count = 0, position = 0;
  bool started = false;
  explicit Combiner(double identity) : value(identity) {}
  void sum(Value t) { value += t.v, error += t.e, magnitude += std::fabs(t.v), ++count; }
  void prod(Value t) {
    error = error * std::fabs(t.v) + std::fabs(value) * t.e;
    value *= t.v;
    if (count++ > 0) error += unit * std::fabs(value);
  }
  void best(Value t, double sign) {
    error = std::fmax(error, t.e);
    if (!started || (std::isnan(t.v) && !std::isnan(value)) || sign * t.v > sign * value)
      value = t.v, position = count;
    started = true, ++count;
  }
  Value finish_sum() const {
    return made(value, error + (count > 1 ? std::sqrt((double)count) * unit * magnitude : 0));
  }
  Value finish() const { return made(value, error); }
  Value finish_position() const { return {(double)position, error > 0 ? (double)count : 0}; }
};

// Values of a tensor that were asked for; none are kept of a tensor of more than 2^26 elements.
struct Memo {
  std::vector<Value> values;
  std::vector<unsigned char> known;
  explicit Memo(i64 count) {
    if (count <= (i64)1 << 26) values.resize(count), known.resize(count);
  }
  bool find(i64 at, Value& out) const {
    if (known.empty() || !known[at]) return false;
    out = values[at];
    return true;
  }
  Value keep(i64 at, Value v) {
    if (!known.empty()) values[at] = v, known[at] = 1;
    return v;
  }
};

// Counter random numbers: SplitMix64's finaliser over a key and the element's index.
inline uint64_t mix(uint64_t z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}
inline uint64_t key_of(const char* name, uint64_t seed) {
  uint64_t h = 0xcbf29ce484222325ull;
  for (; *name; ++name) h = (h ^ (unsigned char)*name) * 0x100000001b3ull;
  return mix(seed ^ mix(mix(h)));
}
inline uint64_t bits_of(uint64_t key, uint64_t index) {
  return mix(key + index * 0xd1342543de82ef95ull);
}
inline double draw_normal(uint64_t key, uint64_t index, double mean, double deviation) {
  const uint64_t bits = bits_of(key, index);
  const double sum =
      (double)((bits & 0xffff) + (bits >> 16 & 0xffff) + (bits >> 32 & 0xffff) + (bits >> 48));
  return mean + (sum - 131070) * ((double)(float)(std::sqrt(3.0) * deviation) * (1.0 / 65536));
}
inline double draw_uniform(uint64_t key, uint64_t index, double low, double high) {
  return low +
         (double)(bits_of(key, index) >> 40) * (1.0 / 16777216.0) * (double)(float)(high - low);
}
inline double draw_randint(uint64_t key, uint64_t index, double low, double high) {
  return low + (double)((bits_of(key, index) >> 32) * (uint64_t)(high - low) >> 32);
}
inline double draw_constant(uint64_t, uint64_t, double value, double) { return value; }

}  // namespace reference
