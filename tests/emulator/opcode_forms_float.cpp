// Floating-point and conversion forms. Results are exact values in binary128 rounded by the slow
// model; NaN, infinities and signs of zero come from the host's own operation to nearest.
#include <cmath>
#include <limits>

#include "emulator/opcode_forms.hpp"
#include "emulator/slow_model.hpp"

namespace mtmc::emulator::forms {
namespace {

using slow::Mode;
using slow::Quad;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

const slow::Format& single() {
  static const slow::Format f = slow::format(23, 8);
  return f;
}
const slow::Format& half() {
  static const slow::Format f = slow::format(10, 5);
  return f;
}
const slow::Format& brain() {
  static const slow::Format f = slow::format(7, 8);
  return f;
}

bool finite(Quad x) { return x - x == 0; }

// The f32 result of an operation whose exact value is `exact`; `rough` is the host's result in f64,
// which settles NaN, infinity and the sign of an exact zero.
float settle(Quad exact, double rough, Mode mode, bool zero_terms_positive = false) {
  if (rough != rough) return NAN;
  if (!finite(exact)) return static_cast<float>(rough);
  if (exact == 0) {
    if (mode == Mode::down && !std::signbit(rough) && !zero_terms_positive) return -0.0f;
    return std::signbit(rough) ? -0.0f : 0.0f;
  }
  return std::bit_cast<float>(
      slow::encode(slow::round_to(exact, single(), mode), single(), 8, exact < 0));
}

float product(float a, float b, Mode mode) {
  return settle(static_cast<Quad>(a) * b, static_cast<double>(a) * b, mode, true);
}
float sum(float a, float b, Mode mode) {
  const bool positive = !std::signbit(a) && !std::signbit(b);
  return settle(slow::exact_fma(1, a, b), static_cast<double>(a) + b, mode, positive);
}
float fused(float a, float b, float c, Mode mode) {
  const double p = static_cast<double>(a) * b;
  volatile double rough = p;
  rough = rough + c;
  return settle(slow::exact_fma(a, b, c), rough, mode, !std::signbit(p) && !std::signbit(c));
}
float quotient(float a, float b, Mode mode) {
  const double rough = static_cast<double>(a) / b;
  return settle(b == 0 ? Quad(INFINITY) : static_cast<Quad>(a) / b, rough, mode, true);
}

float flush(float x) { return std::fpclassify(x) == FP_SUBNORMAL ? std::copysign(0.0f, x) : x; }

// Ordered so that -0 < +0; only for numbers.
template <class F>
bool below(F a, F b) {
  return a < b || (a == 0 && b == 0 && std::signbit(a) && !std::signbit(b));
}
template <class F>
F least(F a, F b) {
  if (a != a) return b;
  if (b != b) return a;
  return below(a, b) ? a : b;
}
template <class F>
F most(F a, F b) {
  if (a != a) return b;
  if (b != b) return a;
  return below(a, b) ? b : a;
}

// ---- halves ------------------------------------------------------------------------------------

float widen(u16 x, const slow::Format& f, int exponent_bits) {
  const u32 inf = ((1u << exponent_bits) - 1) << f.mantissa;
  const u32 magnitude = x & 0x7fffu;
  if (magnitude > inf) return NAN;
  if (magnitude == inf) return (x & 0x8000u) != 0 ? -INFINITY : INFINITY;
  const auto value = static_cast<float>(slow::decode(magnitude, f, exponent_bits));
  return (x & 0x8000u) != 0 ? -value : value;
}
u16 narrow(Quad exact, double rough, const slow::Format& f, int exponent_bits,
           Mode mode = Mode::nearest_even) {
  const u32 inf = ((1u << exponent_bits) - 1) << f.mantissa;
  if (rough != rough) return 0x7fff;
  if (!finite(exact)) return static_cast<u16>(inf | (rough < 0 ? 0x8000u : 0));
  const bool negative = exact == 0 ? std::signbit(rough) : exact < 0;
  return static_cast<u16>(slow::encode(slow::round_to(exact, f, mode), f, exponent_bits, negative));
}

struct HalfKind {
  const char* name;
  const slow::Format* format;
  int exponent_bits;
  float operator()(u16 x) const { return widen(x, *format, exponent_bits); }
  u16 operator()(Quad exact, double rough) const {
    return narrow(exact, rough, *format, exponent_bits);
  }
};

void half_arithmetic(std::vector<Form>& out, HalfKind k) {
  const std::string t = k.name;
  const auto add = [k](u16 a, u16 b) {
    return k(static_cast<Quad>(k(a)) + k(b), double(k(a)) + k(b));
  };
  const auto sub = [k](u16 a, u16 b) {
    return k(static_cast<Quad>(k(a)) - k(b), double(k(a)) - k(b));
  };
  const auto mul = [k](u16 a, u16 b) {
    return k(static_cast<Quad>(k(a)) * k(b), double(k(a)) * k(b));
  };
  const auto fma = [k](u16 a, u16 b, u16 c) {
    const double p = double(k(a)) * k(b);
    return k(slow::exact_fma(k(a), k(b), k(c)), p + k(c));
  };
  const auto packed = [](auto f) {
    return [f](u32 a, u32 b) {
      return u32{f(static_cast<u16>(a), static_cast<u16>(b))} |
             u32{f(static_cast<u16>(a >> 16), static_cast<u16>(b >> 16))} << 16;
    };
  };
  out.push_back(form2<u16, u16, u16>("add." + t + " %d, %a, %b;", add));
  out.push_back(form2<u16, u16, u16>("sub." + t + " %d, %a, %b;", sub));
  out.push_back(form2<u16, u16, u16>("mul." + t + " %d, %a, %b;", mul));
  out.push_back(form3<u16, u16, u16, u16>("fma.rn." + t + " %d, %a, %b, %c;", fma));
  out.push_back(form2<u32, u32, u32>("add." + t + "x2 %d, %a, %b;", packed(add)));
  out.push_back(form2<u32, u32, u32>("mul." + t + "x2 %d, %a, %b;", packed(mul)));
  out.push_back(form3<u32, u32, u32, u32>("fma.rn." + t + "x2 %d, %a, %b, %c;", [fma](u32 a, u32 b,
                                                                                      u32 c) {
    return u32{fma(static_cast<u16>(a), static_cast<u16>(b), static_cast<u16>(c))} |
           u32{fma(static_cast<u16>(a >> 16), static_cast<u16>(b >> 16), static_cast<u16>(c >> 16))}
               << 16;
  }));
  const auto pick = [k](auto f) {
    return [k, f](u16 a, u16 b) {
      const float r = f(k(a), k(b));
      return k(r, r);
    };
  };
  out.push_back(form2<u16, u16, u16>("min." + t + " %d, %a, %b;", pick(least<float>)));
  out.push_back(form2<u16, u16, u16>("max." + t + " %d, %a, %b;", pick(most<float>)));
  out.push_back(form2<u32, u32, u32>("max." + t + "x2 %d, %a, %b;", packed(pick(most<float>))));
  out.push_back(form1<u16, u16>("neg." + t + " %d, %a;", [k](u16 a) { return k(-k(a), -k(a)); }));
  out.push_back(form1<u16, u16>("abs." + t + " %d, %a;",
                                [k](u16 a) { return k(std::abs(k(a)), std::abs(k(a))); }));
  out.push_back(form2<bool, u16, u16>("setp.gt." + t + " %d, %a, %b;",
                                      [k](u16 a, u16 b) { return k(a) > k(b); }));
}

// ---- conversions -------------------------------------------------------------------------------

template <class Int>
Int clamp_to(Quad whole, bool nan, bool nan_is_top) {
  if (nan) return nan_is_top ? static_cast<Int>(u64{1} << (sizeof(Int) * 8 - 1)) : Int{0};
  const Quad low = static_cast<Quad>(std::numeric_limits<Int>::min());
  const Quad high = static_cast<Quad>(std::numeric_limits<Int>::max());
  if (whole < low) return std::numeric_limits<Int>::min();
  if (whole > high) return std::numeric_limits<Int>::max();
  return static_cast<Int>(whole);
}

template <class Int, class F>
Int to_integer(F x, Mode mode) {
  const bool top = sizeof(Int) == 8 || sizeof(F) == 8;
  if (x != x) return clamp_to<Int>(0, true, top);
  if (std::abs(static_cast<double>(x)) > 1e30) {
    return x < 0 ? std::numeric_limits<Int>::min() : std::numeric_limits<Int>::max();
  }
  const Quad magnitude = slow::round_units(x < 0 ? -Quad(x) : Quad(x), x < 0, mode);
  return clamp_to<Int>(x < 0 ? -magnitude : magnitude, false, top);
}

template <class Int, class F>
void integer_rounding(std::vector<Form>& out, const std::string& to, const std::string& from) {
  const std::pair<const char*, Mode> modes[] = {{"rni", Mode::nearest_even},
                                                {"rzi", Mode::toward_zero},
                                                {"rmi", Mode::down},
                                                {"rpi", Mode::up}};
  for (const auto& [name, mode] : modes) {
    out.push_back(form1<Int, F>(std::string("cvt.") + name + "." + to + "." + from + " %d, %a;",
                                [mode = mode](F x) { return to_integer<Int, F>(x, mode); }));
  }
}

template <class Int>
void from_integer(std::vector<Form>& out, const std::string& from) {
  const std::pair<const char*, Mode> modes[] = {
      {"rn", Mode::nearest_even}, {"rz", Mode::toward_zero}, {"rm", Mode::down}, {"rp", Mode::up}};
  for (const auto& [name, mode] : modes) {
    out.push_back(form1<float, Int>(
        std::string("cvt.") + name + ".f32." + from + " %d, %a;", [mode = mode](Int x) {
          return settle(static_cast<Quad>(x), static_cast<double>(x), mode, true);
        }));
  }
  out.push_back(form1<double, Int>("cvt.rn.f64." + from + " %d, %a;",
                                   [](Int x) { return static_cast<double>(x); }));
  out.push_back(form1<u16, Int>("cvt.rn.f16." + from + " %d, %a;", [](Int x) {
    return narrow(static_cast<Quad>(x), static_cast<double>(x), half(), 5);
  }));
}

}  // namespace

std::vector<Form> float_forms() {
  std::vector<Form> out;
  const std::pair<std::string, Mode> modes[] = {{".rn", Mode::nearest_even},
                                                {".rz", Mode::toward_zero},
                                                {".rm", Mode::down},
                                                {".rp", Mode::up}};
  for (const auto& [name, m] : modes) {
    const Mode mode = m;
    out.push_back(form2<float, float, float>("add" + name + ".f32 %d, %a, %b;",
                                             [mode](float a, float b) { return sum(a, b, mode); }));
    out.push_back(form2<float, float, float>(
        "sub" + name + ".f32 %d, %a, %b;", [mode](float a, float b) { return sum(a, -b, mode); }));
    out.push_back(
        form2<float, float, float>("mul" + name + ".f32 %d, %a, %b;",
                                   [mode](float a, float b) { return product(a, b, mode); }));
    out.push_back(form3<float, float, float, float>(
        "fma" + name + ".f32 %d, %a, %b, %c;",
        [mode](float a, float b, float c) { return fused(a, b, c, mode); }));
    out.push_back(
        form2<float, float, float>("div" + name + ".f32 %d, %a, %b;",
                                   [mode](float a, float b) { return quotient(a, b, mode); }));
    out.push_back(form1<float, float>("rcp" + name + ".f32 %d, %a;",
                                      [mode](float a) { return quotient(1, a, mode); }));
  }
  out.push_back(form2<float, float, float>(
      "add.f32 %d, %a, %b;", [](float a, float b) { return sum(a, b, Mode::nearest_even); }));
  out.push_back(form2<float, float, float>(
      "mul.f32 %d, %a, %b;", [](float a, float b) { return product(a, b, Mode::nearest_even); }));
  out.push_back(form3<float, float, float, float>(
      "{ .reg .f32 %t; mul.f32 %t, %a, %b; add.f32 %d, %t, %c; }", [](float a, float b, float c) {
        return sum(product(a, b, Mode::nearest_even), c, Mode::nearest_even);
      }));
  out.push_back(form2<float, float, float>("add.ftz.f32 %d, %a, %b;", [](float a, float b) {
    return flush(sum(flush(a), flush(b), Mode::nearest_even));
  }));
  out.push_back(form2<float, float, float>("mul.ftz.f32 %d, %a, %b;", [](float a, float b) {
    return flush(product(flush(a), flush(b), Mode::nearest_even));
  }));
  out.push_back(form3<float, float, float, float>(
      "fma.rn.ftz.f32 %d, %a, %b, %c;", [](float a, float b, float c) {
        return flush(fused(flush(a), flush(b), flush(c), Mode::nearest_even));
      }));
  out.push_back(form3<float, float, float, float>(
      "fma.rn.sat.f32 %d, %a, %b, %c;", [](float a, float b, float c) {
        const float r = fused(a, b, c, Mode::nearest_even);
        return r > 0 ? std::min(r, 1.0f) : 0.0f;
      }));
  out.push_back(form2<float, float, float>("min.f32 %d, %a, %b;", least<float>));
  out.push_back(form2<float, float, float>("max.f32 %d, %a, %b;", most<float>));
  out.push_back(form2<float, float, float>("max.NaN.f32 %d, %a, %b;", [](float a, float b) {
    return a != a || b != b ? NAN : most(a, b);
  }));
  out.push_back(form2<float, float, float>(
      "min.ftz.f32 %d, %a, %b;", [](float a, float b) { return least(flush(a), flush(b)); }));
  out.push_back(form1<float, float>("neg.f32 %d, %a;", [](float a) { return -a; }));
  out.push_back(form1<float, float>("abs.f32 %d, %a;", [](float a) { return std::abs(a); }));
  out.push_back(
      form2<float, float, float>("{ copysign.f32 %d, %a, %b; add.f32 %d, %d, 0f00000000; }",
                                 [](float a, float b) { return std::copysign(b, a) + 0.0f; }));
  out.push_back(form1<float, float>("sqrt.rn.f32 %d, %a;", [](float a) { return std::sqrt(a); }));
  out.push_back(form1<float, float>(
      "ex2.approx.f32 %d, %a;", [](float a) { return std::exp2(double(a)); }, 2));
  out.push_back(form1<float, float>(
      "ex2.approx.ftz.f32 %d, %a;",
      [](float a) { return flush(static_cast<float>(std::exp2(double(flush(a))))); }, 2));
  out.push_back(form1<float, float>(
      "lg2.approx.f32 %d, %a;", [](float a) { return std::log2(double(a)); }, 2));
  out.push_back(form1<float, float>(
      "rcp.approx.f32 %d, %a;", [](float a) { return 1.0 / a; }, 1));
  out.push_back(form1<float, float>(
      "rsqrt.approx.f32 %d, %a;", [](float a) { return 1.0 / std::sqrt(double(a)); }, 1));
  out.push_back(form1<float, float>(
      "sqrt.approx.f32 %d, %a;", [](float a) { return std::sqrt(double(a)); }, 1));
  out.push_back(form1<float, float>(
      "tanh.approx.f32 %d, %a;", [](float a) { return std::tanh(double(a)); }, 1));
  out.push_back(form2<float, float, float>(
      "div.full.f32 %d, %a, %b;", [](float a, float b) { return double(a) / b; }, 2));

  out.push_back(form2<double, double, double>("add.f64 %d, %a, %b;",
                                              [](double a, double b) { return a + b; }));
  out.push_back(form2<double, double, double>("sub.f64 %d, %a, %b;",
                                              [](double a, double b) { return a - b; }));
  out.push_back(form2<double, double, double>("mul.f64 %d, %a, %b;",
                                              [](double a, double b) { return a * b; }));
  out.push_back(form3<double, double, double, double>(
      "fma.rn.f64 %d, %a, %b, %c;",
      [](double a, double b, double c) { return std::fma(a, b, c); }));
  out.push_back(form2<double, double, double>("div.rn.f64 %d, %a, %b;",
                                              [](double a, double b) { return a / b; }));
  out.push_back(
      form1<double, double>("sqrt.rn.f64 %d, %a;", [](double a) { return std::sqrt(a); }));
  out.push_back(form2<double, double, double>("max.f64 %d, %a, %b;", most<double>));
  out.push_back(form1<double, double>("neg.f64 %d, %a;", [](double a) { return -a; }));

  const std::pair<const char*, bool (*)(float, float)> comparisons[] = {
      {"eq", [](float a, float b) { return a == b; }},
      {"ne", [](float a, float b) { return a < b || a > b; }},
      {"lt", [](float a, float b) { return a < b; }},
      {"ge", [](float a, float b) { return a >= b; }},
      {"equ", [](float a, float b) { return !(a < b || a > b); }},
      {"neu", [](float a, float b) { return a != b; }},
      {"ltu", [](float a, float b) { return !(a >= b); }},
      {"leu", [](float a, float b) { return !(a > b); }},
      {"gtu", [](float a, float b) { return !(a <= b); }},
      {"geu", [](float a, float b) { return !(a < b); }},
      {"num", [](float a, float b) { return a == a && b == b; }},
      {"nan", [](float a, float b) { return a != a || b != b; }}};
  for (const auto& [op, f] : comparisons) {
    out.push_back(form2<bool, float, float>(std::string("setp.") + op + ".f32 %d, %a, %b;", f));
  }
  out.push_back(form2<bool, double, double>("setp.gt.f64 %d, %a, %b;",
                                            [](double a, double b) { return a > b; }));
  out.push_back(form2<bool, float, float>("setp.eq.ftz.f32 %d, %a, %b;",
                                          [](float a, float b) { return flush(a) == flush(b); }));
  out.push_back(
      form2<bool, float, float>("{ .reg .f32 %n; neg.f32 %n, %b; setp.lt.f32 %d, %a, %n; }",
                                [](float a, float b) { return a < -b; }));
  out.push_back(
      form1<bool, float>("testp.infinite.f32 %d, %a;", [](float a) { return std::isinf(a); }));
  out.push_back(form3<float, float, float, i32>(
      "{ .reg .pred %q; setp.ge.s32 %q, %c, 0; selp.f32 %d, %a, %b, %q; add.f32 %d, %d, "
      "0f00000000; }",
      [](float a, float b, i32 c) { return (c >= 0 ? a : b) + 0.0f; }));
  half_arithmetic(out, {"f16", &half(), 5});
  half_arithmetic(out, {"bf16", &brain(), 8});
  return out;
}

std::vector<Form> conversion_forms() {
  std::vector<Form> out;
  integer_rounding<i32, float>(out, "s32", "f32");
  integer_rounding<u32, float>(out, "u32", "f32");
  integer_rounding<i64, float>(out, "s64", "f32");
  integer_rounding<u64, float>(out, "u64", "f32");
  integer_rounding<std::int16_t, float>(out, "s16", "f32");
  integer_rounding<u16, float>(out, "u16", "f32");
  integer_rounding<i32, double>(out, "s32", "f64");
  integer_rounding<u64, double>(out, "u64", "f64");
  from_integer<i32>(out, "s32");
  from_integer<u32>(out, "u32");
  from_integer<i64>(out, "s64");
  from_integer<u64>(out, "u64");
  from_integer<std::int16_t>(out, "s16");
  out.push_back(form1<float, u32>("cvt.rn.f32.u8 %d, %a;", [](u32 a) { return float(a & 255); }));
  out.push_back(
      form1<i32, u32>("cvt.s32.s8 %d, %a;", [](u32 a) { return static_cast<std::int8_t>(a); }));
  out.push_back(
      form1<i32, u16>("cvt.s32.s16 %d, %a;", [](u16 a) { return static_cast<std::int16_t>(a); }));
  out.push_back(form1<u32, u16>("cvt.u32.u16 %d, %a;", [](u16 a) { return a; }));
  out.push_back(form1<u16, u32>("cvt.u16.u32 %d, %a;", [](u32 a) { return a; }));
  out.push_back(form1<i64, i32>("cvt.s64.s32 %d, %a;", [](i32 a) { return a; }));
  out.push_back(form1<u64, u32>("cvt.u64.u32 %d, %a;", [](u32 a) { return a; }));
  out.push_back(form1<u32, u64>("cvt.u32.u64 %d, %a;", [](u64 a) { return a; }));
  out.push_back(form1<u16, u32>("cvt.u8.u32 %d, %a;", [](u32 a) { return a & 255; }));
  out.push_back(form1<u32, i32>("cvt.sat.u8.s32 %d, %a;",
                                [](i32 a) { return std::min(255, std::max(0, a)); }));
  out.push_back(form1<i32, i64>("cvt.sat.s32.s64 %d, %a;", [](i64 a) {
    return std::min<i64>(INT32_MAX, std::max<i64>(INT32_MIN, a));
  }));
  out.push_back(form1<double, float>("cvt.f64.f32 %d, %a;", [](float a) { return a; }));
  const std::pair<const char*, Mode> modes[] = {
      {"rn", Mode::nearest_even}, {"rz", Mode::toward_zero}, {"rm", Mode::down}, {"rp", Mode::up}};
  for (const auto& [name, m] : modes) {
    const Mode mode = m;
    out.push_back(form1<float, double>(std::string("cvt.") + name + ".f32.f64 %d, %a;",
                                       [mode](double a) { return settle(a, a, mode, true); }));
  }
  for (const auto& [name, m] : {modes[0], modes[1]}) {
    const Mode mode = m;
    out.push_back(form1<u16, float>(std::string("cvt.") + name + ".f16.f32 %d, %a;",
                                    [mode](float a) { return narrow(a, a, half(), 5, mode); }));
    out.push_back(form1<u16, float>(std::string("cvt.") + name + ".bf16.f32 %d, %a;",
                                    [mode](float a) { return narrow(a, a, brain(), 8, mode); }));
  }
  out.push_back(form1<u16, double>("cvt.rn.f16.f64 %d, %a;",
                                   [](double a) { return narrow(a, a, half(), 5); }));
  out.push_back(
      form1<float, u16>("cvt.f32.f16 %d, %a;", [](u16 a) { return widen(a, half(), 5); }));
  out.push_back(
      form1<float, u16>("cvt.f32.bf16 %d, %a;", [](u16 a) { return widen(a, brain(), 8); }));
  out.push_back(form2<u32, float, float>("cvt.rn.f16x2.f32 %d, %a, %b;", [](float a, float b) {
    return u32{narrow(a, a, half(), 5)} << 16 | narrow(b, b, half(), 5);
  }));
  out.push_back(form2<u32, float, float>("cvt.rn.bf16x2.f32 %d, %a, %b;", [](float a, float b) {
    return u32{narrow(a, a, brain(), 8)} << 16 | narrow(b, b, brain(), 8);
  }));
  out.push_back(form1<i32, u16>("cvt.rzi.s32.f16 %d, %a;", [](u16 a) {
    return to_integer<i32, float>(widen(a, half(), 5), Mode::toward_zero);
  }));
  out.push_back(form1<u32, float>("cvt.rna.tf32.f32 %d, %a;", [](float a) {
    static const slow::Format tf32 = slow::format(10, 8);
    if (a != a) return 0x7fffffffu;
    if (std::isinf(a)) return std::bit_cast<u32>(a);
    const bool negative = std::signbit(a);
    return slow::encode(slow::round_to(a, tf32, Mode::nearest_away), tf32, 8, negative) << 13;
  }));
  out.push_back(form1<float, float>("cvt.sat.f32.f32 %d, %a;",
                                    [](float a) { return a > 0 ? std::min(a, 1.0f) : 0.0f; }));
  out.push_back(
      form1<float, float>("cvt.rni.f32.f32 %d, %a;", [](float a) { return std::nearbyint(a); }));
  out.push_back(
      form1<float, float>("cvt.rmi.f32.f32 %d, %a;", [](float a) { return std::floor(a); }));
  out.push_back(
      form1<float, float>("cvt.rpi.f32.f32 %d, %a;", [](float a) { return std::ceil(a); }));
  out.push_back(
      form1<double, double>("cvt.rzi.f64.f64 %d, %a;", [](double a) { return std::trunc(a); }));
  return out;
}

}  // namespace mtmc::emulator::forms
