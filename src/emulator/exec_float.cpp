// f32 and f64 arithmetic: rows of (opcode, function). A mul or add without a rounding modifier
// rounds to nearest here, each by itself; ptxas may fuse such a pair into an fma, so only PTX made
// with
// --fmad=false (all .rn) gives the hardware's bits.
// numeric_float.hpp and numeric_approx.hpp say
// what each computes; here the .ftz and .sat forms are made by wrapping operands and result.
#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;
using n::Rounding;

template <class F>
void unary(InstructionTable& t, const std::string& name, F) {
  t.add(name + ".f32", entry<float, float>([](float a) { return F{}(a); }));
  t.add(name + ".ftz.f32", entry<float, float>([](float a) { return n::flush(F{}(n::flush(a))); }));
}

template <class F>
void binary(InstructionTable& t, const std::string& name, F) {
  t.add(name + ".f32", entry<float, float, float>([](float a, float b) { return F{}(a, b); }));
  t.add(name + ".ftz.f32", entry<float, float, float>([](float a, float b) {
          return n::flush(F{}(n::flush(a), n::flush(b)));
        }));
}
template <class F>
void binary_saturating(InstructionTable& t, const std::string& name, F f) {
  binary(t, name, f);
  t.add(name + ".sat.f32",
        entry<float, float, float>([](float a, float b) { return n::saturate(F{}(a, b)); }));
  t.add(name + ".ftz.sat.f32", entry<float, float, float>([](float a, float b) {
          return n::saturate(n::flush(F{}(n::flush(a), n::flush(b))));
        }));
}
template <class F>
void ternary(InstructionTable& t, const std::string& name, F) {
  t.add(name + ".f32",
        entry<float, float, float, float>([](float a, float b, float c) { return F{}(a, b, c); }));
  t.add(name + ".ftz.f32", entry<float, float, float, float>([](float a, float b, float c) {
          return n::flush(F{}(n::flush(a), n::flush(b), n::flush(c)));
        }));
  t.add(name + ".sat.f32", entry<float, float, float, float>([](float a, float b, float c) {
          return n::saturate(F{}(a, b, c));
        }));
  t.add(name + ".ftz.sat.f32", entry<float, float, float, float>([](float a, float b, float c) {
          return n::saturate(n::flush(F{}(n::flush(a), n::flush(b), n::flush(c))));
        }));
}

template <Rounding R>
void rounded(InstructionTable& t, const std::string& suffix) {
  binary_saturating(t, "add" + suffix, [](float a, float b) { return n::add<R>(a, b); });
  binary_saturating(t, "sub" + suffix, [](float a, float b) { return n::sub<R>(a, b); });
  binary_saturating(t, "mul" + suffix, [](float a, float b) { return n::mul<R>(a, b); });
  if (suffix.empty()) return;
  const auto fused = [](float a, float b, float c) { return n::fma<R>(a, b, c); };
  ternary(t, "fma" + suffix, fused);
  ternary(t, "mad" + suffix, fused);
  binary(t, "div" + suffix, [](float a, float b) { return n::div<R>(a, b); });
  unary(t, "rcp" + suffix, [](float a) { return n::rcp<R>(a); });
  unary(t, "sqrt" + suffix, [](float a) { return n::sqrt<R>(a); });

  using D = double;
  t.add("add" + suffix + ".f64", entry<D, D, D>([](D a, D b) { return n::add_f64(R, a, b); }));
  t.add("sub" + suffix + ".f64", entry<D, D, D>([](D a, D b) { return n::add_f64(R, a, -b); }));
  t.add("mul" + suffix + ".f64", entry<D, D, D>([](D a, D b) { return n::mul_f64(R, a, b); }));
  const auto fused_f64 = [](D a, D b, D c) { return n::fma_f64(R, a, b, c); };
  t.add("fma" + suffix + ".f64", entry<D, D, D, D>(fused_f64));
  t.add("mad" + suffix + ".f64", entry<D, D, D, D>(fused_f64));
  t.add("div" + suffix + ".f64", entry<D, D, D>([](D a, D b) { return n::div_f64(R, a, b); }));
  t.add("rcp" + suffix + ".f64", entry<D, D>([](D a) { return n::div_f64(R, 1.0, a); }));
  t.add("sqrt" + suffix + ".f64", entry<D, D>([](D a) { return n::sqrt_f64(R, a); }));
}

void doubles(InstructionTable& t) {
  using D = double;
  for (const char* suffix : {".f64", ".rn.f64"}) {
    const std::string s = suffix;
    t.add("add" + s, entry<D, D, D>([](D a, D b) { return n::add(a, b); }));
    t.add("sub" + s, entry<D, D, D>([](D a, D b) { return n::sub(a, b); }));
    t.add("mul" + s, entry<D, D, D>([](D a, D b) { return n::mul(a, b); }));
  }
  t.add("fma.rn.f64", entry<D, D, D, D>([](D a, D b, D c) { return n::fma(a, b, c); }));
  t.add("mad.rn.f64", entry<D, D, D, D>([](D a, D b, D c) { return n::fma(a, b, c); }));
  t.add("div.rn.f64", entry<D, D, D>([](D a, D b) { return n::div(a, b); }));
  t.add("rcp.rn.f64", entry<D, D>([](D a) { return n::div(1.0, a); }));
  t.add("sqrt.rn.f64", entry<D, D>([](D a) { return n::sqrt(a); }));
  t.add("rcp.approx.ftz.f64", entry<D, D>([](D a) { return n::rcp_approx_ftz_f64(a); }));
  t.add("rsqrt.approx.ftz.f64", entry<D, D>([](D a) { return n::rsqrt_approx_ftz_f64(a); }));
  t.add("rsqrt.approx.f64", entry<D, D>([](D a) { return 1.0 / __builtin_sqrt(a); }));
  t.add("neg.f64", entry<D, D>([](D a) { return n::neg(a); }));
  t.add("abs.f64", entry<D, D>([](D a) { return n::abs(a); }));
  t.add("min.f64", entry<D, D, D>([](D a, D b) { return n::min(a, b); }));
  t.add("max.f64", entry<D, D, D>([](D a, D b) { return n::max(a, b); }));
  t.add("copysign.f64", entry<D, D, D>([](D a, D b) { return n::copysign(a, b); }));
}

// sm_100's pairs of f32 in 64-bit registers.
template <class F, class... U>
inline uint64_t on_pair(U... operands) {
  const auto half = [&](int shift) {
    return static_cast<uint64_t>(
               n::bits_of(F{}(n::f32_of(static_cast<uint32_t>(operands >> shift))...)))
           << shift;
  };
  return half(0) | half(32);
}
template <class F>
struct Flushed {
  float operator()(float a, float b) const { return n::flush(F{}(n::flush(a), n::flush(b))); }
  float operator()(float a, float b, float c) const {
    return n::flush(F{}(n::flush(a), n::flush(b), n::flush(c)));
  }
};
template <Rounding R>
void pairs(InstructionTable& t, const std::string& rounding) {
  using U = uint64_t;
  const auto rows = [&](const std::string& op, auto f) {
    using F = decltype(f);
    t.add(op + rounding + ".f32x2", entry<U, U, U>([](U a, U b) { return on_pair<F>(a, b); }));
    t.add(op + rounding + ".ftz.f32x2",
          entry<U, U, U>([](U a, U b) { return on_pair<Flushed<F>>(a, b); }));
  };
  rows("add", [](float a, float b) { return n::add<R>(a, b); });
  rows("sub", [](float a, float b) { return n::sub<R>(a, b); });
  rows("mul", [](float a, float b) { return n::mul<R>(a, b); });
  if (rounding.empty()) return;
  const auto fma = [](float a, float b, float c) { return n::fma<R>(a, b, c); };
  using F = decltype(fma);
  t.add("fma" + rounding + ".f32x2",
        entry<U, U, U, U>([](U a, U b, U c) { return on_pair<F>(a, b, c); }));
  t.add("fma" + rounding + ".ftz.f32x2",
        entry<U, U, U, U>([](U a, U b, U c) { return on_pair<Flushed<F>>(a, b, c); }));
}

}  // namespace

void add_float_instructions(InstructionTable& t) {
  rounded<Rounding::nearest_even>(t, "");
  rounded<Rounding::toward_zero>(t, ".rz");
  rounded<Rounding::down>(t, ".rm");
  rounded<Rounding::up>(t, ".rp");
  doubles(t);  // before the slow forms of .rn, which then find their rows taken
  rounded<Rounding::nearest_even>(t, ".rn");
  pairs<Rounding::nearest_even>(t, "");
  pairs<Rounding::nearest_even>(t, ".rn");
  pairs<Rounding::toward_zero>(t, ".rz");
  pairs<Rounding::down>(t, ".rm");
  pairs<Rounding::up>(t, ".rp");

  unary(t, "neg", [](float a) { return n::neg(a); });
  unary(t, "abs", [](float a) { return n::abs(a); });
  binary(t, "min", [](float a, float b) { return n::min(a, b); });
  binary(t, "max", [](float a, float b) { return n::max(a, b); });
  // The ISA writes .ftz before .NaN and .xorsign.abs.
  const auto modified = [&t](const std::string& op, const std::string& modifier, auto f) {
    using F = decltype(f);
    t.add(op + modifier + ".f32",
          entry<float, float, float>([](float a, float b) { return F{}(a, b); }));
    t.add(op + ".ftz" + modifier + ".f32", entry<float, float, float>([](float a, float b) {
            return n::flush(F{}(n::flush(a), n::flush(b)));
          }));
  };
  modified("min", ".NaN", [](float a, float b) { return n::min_nan(a, b); });
  modified("max", ".NaN", [](float a, float b) { return n::max_nan(a, b); });
  modified("min", ".xorsign.abs", [](float a, float b) { return n::min_xorsign_abs(a, b); });
  modified("max", ".xorsign.abs", [](float a, float b) { return n::max_xorsign_abs(a, b); });
  modified("min", ".NaN.xorsign.abs",
           [](float a, float b) { return n::min_nan_xorsign_abs(a, b); });
  modified("max", ".NaN.xorsign.abs",
           [](float a, float b) { return n::max_nan_xorsign_abs(a, b); });
  // PTX has these with three operands only; see Lowering::table_instruction.
  modified("min", ".abs", [](float a, float b) { return n::min(n::abs(a), n::abs(b)); });
  modified("max", ".abs", [](float a, float b) { return n::max(n::abs(a), n::abs(b)); });
  modified("min", ".NaN.abs", [](float a, float b) { return n::min_nan(n::abs(a), n::abs(b)); });
  modified("max", ".NaN.abs", [](float a, float b) { return n::max_nan(n::abs(a), n::abs(b)); });
  t.add("copysign.f32",
        entry<float, float, float>([](float a, float b) { return n::copysign(a, b); }));
}

void add_special_float_instructions(InstructionTable& t) {
  // ex2.approx.ftz.f32 keeps what .ftz says: subnormal operands and results are flushed.
  unary(t, "ex2.approx", [](float a) { return n::ex2(a); });
  unary(t, "lg2.approx", [](float a) { return n::lg2(a); });
  unary(t, "sin.approx", [](float a) { return n::sin(a); });
  unary(t, "cos.approx", [](float a) { return n::cos(a); });
  unary(t, "tanh.approx", [](float a) { return n::tanh(a); });
  unary(t, "rcp.approx", [](float a) { return n::rcp_approx(a); });
  unary(t, "sqrt.approx", [](float a) { return n::sqrt_approx(a); });
  unary(t, "rsqrt.approx", [](float a) { return n::rsqrt(a); });
  binary(t, "div.approx", [](float a, float b) { return n::div_approx(a, b); });
  binary(t, "div.full", [](float a, float b) { return n::div(a, b); });
}

}  // namespace mtmc::emulator
