// cvt between integers and the formats of 16 bits and more. Rows are named as PTX writes the
// opcode; integer types of 8 bits do not appear because lowering widens them first (results: .u8
// and .s8 in 16 bits).
#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;
using n::Rounding;

template <class T>
constexpr const char* name_of();
template <>
constexpr const char* name_of<int8_t>() {
  return "s8";
}
template <>
constexpr const char* name_of<uint8_t>() {
  return "u8";
}
template <>
constexpr const char* name_of<int16_t>() {
  return "s16";
}
template <>
constexpr const char* name_of<uint16_t>() {
  return "u16";
}
template <>
constexpr const char* name_of<int32_t>() {
  return "s32";
}
template <>
constexpr const char* name_of<uint32_t>() {
  return "u32";
}
template <>
constexpr const char* name_of<int64_t>() {
  return "s64";
}
template <>
constexpr const char* name_of<uint64_t>() {
  return "u64";
}

// 8-bit results live in a 16-bit register, extended by their signedness.
template <class T>
using Held = std::conditional_t<(sizeof(T) == 1),
                                std::conditional_t<std::is_signed_v<T>, int16_t, uint16_t>, T>;

template <class To, class From>
void integer_pair(InstructionTable& t) {
  const std::string types = std::string(".") + name_of<To>() + "." + name_of<From>();
  t.add("cvt" + types, entry<Held<To>, From>([](From x) { return static_cast<To>(x); }));
  t.add("cvt.sat" + types, entry<Held<To>, From>([](From x) { return n::saturate_to<To>(x); }));
}

template <class From>
void integers_from(InstructionTable& t) {
  integer_pair<int8_t, From>(t);
  integer_pair<uint8_t, From>(t);
  integer_pair<int16_t, From>(t);
  integer_pair<uint16_t, From>(t);
  integer_pair<int32_t, From>(t);
  integer_pair<uint32_t, From>(t);
  integer_pair<int64_t, From>(t);
  integer_pair<uint64_t, From>(t);
}

template <Rounding R, class Int>
void integer_and_floats(InstructionTable& t, const std::string& r) {
  // Float to integer uses .rni and the like, integer to float .rn.
  const std::string i = std::string(".") + name_of<Int>();
  using H = Held<Int>;
  t.add("cvt" + r + "i" + i + ".f32",
        entry<H, float>([](float x) { return n::float_to_int<Int, R>(x); }));
  t.add("cvt" + r + "i.ftz" + i + ".f32",
        entry<H, float>([](float x) { return n::float_to_int<Int, R>(n::flush(x)); }));
  t.add("cvt" + r + "i.sat" + i + ".f32",
        entry<H, float>([](float x) { return n::float_to_int<Int, R>(x); }));
  t.add("cvt" + r + "i" + i + ".f64",
        entry<H, double>([](double x) { return n::float_to_int<Int, R>(x); }));
  t.add("cvt" + r + "i" + i + ".f16",
        entry<H, uint16_t>([](uint16_t x) { return n::float_to_int<Int, R>(n::f16_to_f32(x)); }));
  t.add("cvt" + r + "i" + i + ".bf16",
        entry<H, uint16_t>([](uint16_t x) { return n::float_to_int<Int, R>(n::bf16_to_f32(x)); }));
  if constexpr (sizeof(Int) > 1) {
    t.add("cvt" + r + ".f32" + i, entry<float, Int>([](Int x) { return n::int_to_f32<R>(x); }));
    t.add("cvt" + r + ".f64" + i, entry<double, Int>([](Int x) { return n::int_to_f64<R>(x); }));
    t.add("cvt" + r + ".f16" + i, entry<uint16_t, Int>([](Int x) { return n::int_to_f16<R>(x); }));
    t.add("cvt" + r + ".bf16" + i,
          entry<uint16_t, Int>([](Int x) { return n::int_to_bf16<R>(x); }));
  }
}

template <Rounding R>
void rounded(InstructionTable& t, const std::string& r) {
  integer_and_floats<R, int8_t>(t, r);
  integer_and_floats<R, uint8_t>(t, r);
  integer_and_floats<R, int16_t>(t, r);
  integer_and_floats<R, uint16_t>(t, r);
  integer_and_floats<R, int32_t>(t, r);
  integer_and_floats<R, uint32_t>(t, r);
  integer_and_floats<R, int64_t>(t, r);
  integer_and_floats<R, uint64_t>(t, r);
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
  integers_from<int16_t>(t);
  integers_from<uint16_t>(t);
  integers_from<int32_t>(t);
  integers_from<uint32_t>(t);
  integers_from<int64_t>(t);
  integers_from<uint64_t>(t);
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
