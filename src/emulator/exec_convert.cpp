// cvt between the floating formats of 16 bits and more; exec_convert_integer.cpp and
// exec_small_float.cpp have the rest. Rows are named as PTX writes the opcode.
#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;
using n::Rounding;

template <Rounding R>
void rounded(InstructionTable& t, const std::string& r) {
  using H = uint16_t;
  const std::string c = "cvt" + r;
  t.add(c + ".f32.f64", entry<float, double>([](double x) { return n::f64_to_f32<R>(x); }));
  t.add(c + ".ftz.f32.f64",
        entry<float, double>([](double x) { return n::flush(n::f64_to_f32<R>(x)); }));
  t.add(c + ".f16.f32", entry<H, float>([](float x) { return n::f32_to_f16<R>(x); }));
  t.add(c + ".ftz.f16.f32", entry<H, float>([](float x) { return n::f32_to_f16<R>(n::flush(x)); }));
  t.add(c + ".bf16.f32", entry<H, float>([](float x) { return n::f32_to_bf16<R>(x); }));
  t.add(c + ".f16.f64", entry<H, double>([](double x) { return n::f64_to_f16<R>(x); }));
  t.add(c + ".bf16.f64", entry<H, double>([](double x) { return n::f64_to_bf16<R>(x); }));
  t.add(c + ".bf16.f16", entry<H, H>([](H x) { return n::f32_to_bf16<R>(n::f16_to_f32(x)); }));
  t.add(c + ".f16.bf16", entry<H, H>([](H x) { return n::f32_to_f16<R>(n::bf16_to_f32(x)); }));
  t.add(c + "i.f32.f32", entry<float, float>([](float x) { return n::round_integral<R>(x); }));
  t.add(c + "i.ftz.f32.f32",
        entry<float, float>([](float x) { return n::round_integral<R>(n::flush(x)); }));
  t.add(c + "i.f64.f64", entry<double, double>([](double x) { return n::round_integral<R>(x); }));
  t.add(c + "i.f16.f16",
        entry<H, H>([](H x) { return n::f32_to_f16(n::round_integral<R>(n::f16_to_f32(x))); }));
  t.add(c + "i.bf16.bf16",
        entry<H, H>([](H x) { return n::f32_to_bf16(n::round_integral<R>(n::bf16_to_f32(x))); }));
}

// The forms that may clamp: a single value, and a pair (d, high, low).
template <class F>
void single_and_pair(InstructionTable& t, const std::string& opcode, const std::string& type, F) {
  t.add(opcode + "." + type + ".f32", entry<uint16_t, float>([](float x) { return F{}(x); }));
  t.add(opcode + "." + type + "x2.f32", entry<uint32_t, float, float>([](float a, float b) {
          return static_cast<uint32_t>(F{}(a)) << 16 | F{}(b);
        }));
}
template <Rounding R>
void clamping(InstructionTable& t, const std::string& c) {
  const auto half = [](float x) { return n::f32_to_f16<R>(x); };
  const auto brain = [](float x) { return n::f32_to_bf16<R>(x); };
  const auto finite = [](float x) { return n::satfinite_f16(n::f32_to_f16<R>(x)); };
  const auto finite_brain = [](float x) { return n::satfinite_bf16(n::f32_to_bf16<R>(x)); };
  single_and_pair(t, c, "f16", half);
  single_and_pair(t, c, "bf16", brain);
  single_and_pair(t, c + ".satfinite", "f16", finite);
  single_and_pair(t, c + ".satfinite", "bf16", finite_brain);
  single_and_pair(t, c + ".relu", "f16",
                  [](float x) { return n::relu<n::F16>(n::f32_to_f16<R>(x)); });
  single_and_pair(t, c + ".relu", "bf16",
                  [](float x) { return n::relu<n::Bf16>(n::f32_to_bf16<R>(x)); });
  single_and_pair(t, c + ".satfinite.relu", "f16",
                  [](float x) { return n::relu<n::F16>(n::satfinite_f16(n::f32_to_f16<R>(x))); });
  single_and_pair(t, c + ".satfinite.relu", "bf16", [](float x) {
    return n::relu<n::Bf16>(n::satfinite_bf16(n::f32_to_bf16<R>(x)));
  });
}

template <Rounding R>
void to_tf32(InstructionTable& t, const std::string& c) {
  using U = uint32_t;
  t.add(c + ".tf32.f32", entry<U, float>([](float x) { return n::f32_to_tf32<R>(x); }));
  t.add(c + ".satfinite.tf32.f32",
        entry<U, float>([](float x) { return n::satfinite_tf32(n::f32_to_tf32<R>(x)); }));
  if constexpr (R != Rounding::nearest_away) {
    t.add(c + ".relu.tf32.f32",
          entry<U, float>([](float x) { return n::relu_tf32(n::f32_to_tf32<R>(x)); }));
    t.add(c + ".satfinite.relu.tf32.f32", entry<U, float>([](float x) {
            return n::relu_tf32(n::satfinite_tf32(n::f32_to_tf32<R>(x)));
          }));
  }
}

void exact(InstructionTable& t) {
  using H = uint16_t;
  t.add("cvt.f32.f16", entry<float, H>([](H x) { return n::f16_to_f32(x); }));
  t.add("cvt.ftz.f32.f16", entry<float, H>([](H x) { return n::f16_to_f32(x); }));
  t.add("cvt.f32.bf16", entry<float, H>([](H x) { return n::bf16_to_f32(x); }));
  t.add("cvt.ftz.f32.bf16", entry<float, H>([](H x) { return n::flush(n::bf16_to_f32(x)); }));
  t.add("cvt.f64.f16", entry<double, H>([](H x) { return static_cast<double>(n::f16_to_f32(x)); }));
  t.add("cvt.f64.bf16",
        entry<double, H>([](H x) { return static_cast<double>(n::bf16_to_f32(x)); }));
  t.add("cvt.f64.f32", entry<double, float>([](float x) { return static_cast<double>(x); }));
  t.add("cvt.ftz.f64.f32",
        entry<double, float>([](float x) { return static_cast<double>(n::flush(x)); }));
  t.add("cvt.sat.f32.f32", entry<float, float>([](float x) { return n::saturate(x); }));
  t.add("cvt.ftz.sat.f32.f32",
        entry<float, float>([](float x) { return n::saturate(n::flush(x)); }));
  t.add("cvt.f32.f32", entry<float, float>([](float x) { return x; }));
  t.add("cvt.ftz.f32.f32", entry<float, float>([](float x) { return n::flush(x); }));
  t.add("cvt.rn.sat.f32.f64", entry<float, double>([](double x) {
          return n::saturate(n::f64_to_f32<Rounding::nearest_even>(x));
        }));
  t.add("cvt.sat.f16.f16", entry<H, H>([](H x) { return n::saturate<n::F16>(x); }));
  t.add("cvt.rn.sat.f16.f32",
        entry<H, float>([](float x) { return n::f32_to_f16(n::saturate(x)); }));
  t.add("cvt.f64.f64", entry<double, double>([](double x) { return x; }));
  t.add("cvt.sat.f64.f64", entry<double, double>([](double x) { return n::saturate(x); }));
  t.add("cvt.f16.f16", entry<H, H>([](H x) { return x; }));
  t.add("cvt.bf16.bf16", entry<H, H>([](H x) { return x; }));
}

}  // namespace

void add_conversion_instructions(InstructionTable& t) {
  rounded<Rounding::nearest_even>(t, ".rn");
  rounded<Rounding::toward_zero>(t, ".rz");
  rounded<Rounding::down>(t, ".rm");
  rounded<Rounding::up>(t, ".rp");
  clamping<Rounding::nearest_even>(t, "cvt.rn");
  clamping<Rounding::toward_zero>(t, "cvt.rz");
  to_tf32<Rounding::nearest_even>(t, "cvt.rn");
  to_tf32<Rounding::toward_zero>(t, "cvt.rz");
  to_tf32<Rounding::nearest_away>(t, "cvt.rna");
  exact(t);
}

}  // namespace mtmc::emulator
