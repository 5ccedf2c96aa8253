// cvt, moves between register widths, slct. Rows are named as PTX writes the opcode; integer types
// of 8 bits do not appear because lowering widens them first (results: .u8 and .s8 in 16 bits).
#include <algorithm>

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
  t.add(c + ".relu.f16.f32",
        entry<H, float>([](float x) { return n::relu<n::F16>(n::f32_to_f16<R>(x)); }));
  t.add(c + ".relu.bf16.f32",
        entry<H, float>([](float x) { return n::relu<n::Bf16>(n::f32_to_bf16<R>(x)); }));
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
  // d, high, low
  const auto pair = [](uint32_t high, uint32_t low) { return high << 16 | low; };
  t.add(c + ".f16x2.f32", entry<uint32_t, float, float>([](float a, float b) {
          return decltype(pair){}(n::f32_to_f16<R>(a), n::f32_to_f16<R>(b));
        }));
  t.add(c + ".bf16x2.f32", entry<uint32_t, float, float>([](float a, float b) {
          return decltype(pair){}(n::f32_to_bf16<R>(a), n::f32_to_bf16<R>(b));
        }));
  t.add(c + ".relu.f16x2.f32", entry<uint32_t, float, float>([](float a, float b) {
          return decltype(pair){}(n::relu<n::F16>(n::f32_to_f16<R>(a)),
                                  n::relu<n::F16>(n::f32_to_f16<R>(b)));
        }));
  t.add(c + ".relu.bf16x2.f32", entry<uint32_t, float, float>([](float a, float b) {
          return decltype(pair){}(n::relu<n::Bf16>(n::f32_to_bf16<R>(a)),
                                  n::relu<n::Bf16>(n::f32_to_bf16<R>(b)));
        }));
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
  t.add("cvt.rna.tf32.f32",
        entry<uint32_t, float>([](float x) { return n::f32_to_tf32<Rounding::nearest_away>(x); }));
  t.add("cvt.rn.tf32.f32",
        entry<uint32_t, float>([](float x) { return n::f32_to_tf32<Rounding::nearest_even>(x); }));
  t.add("cvt.rz.tf32.f32",
        entry<uint32_t, float>([](float x) { return n::f32_to_tf32<Rounding::toward_zero>(x); }));
}

// What mov with vectors and the width changes of lowering need.
void widths(InstructionTable& t) {
  using A = uint16_t;
  using B = uint32_t;
  using C = uint64_t;
  t.add("pack.2.b16", entry<B, A, A>([](B a, B b) { return a | b << 16; }));
  t.add("pack.2.b32", entry<C, B, B>([](C a, C b) { return a | b << 32; }));
  t.add("pack.4.b16",
        entry<C, A, A, A, A>([](C a, C b, C c, C d) { return a | b << 16 | c << 32 | d << 48; }));
  t.add("unpack.0.b16.b32", entry<A, B>([](B x) { return static_cast<A>(x); }));
  t.add("unpack.1.b16.b32", entry<A, B>([](B x) { return static_cast<A>(x >> 16); }));
  t.add("unpack.0.b32.b64", entry<B, C>([](C x) { return static_cast<B>(x); }));
  t.add("unpack.1.b32.b64", entry<B, C>([](C x) { return static_cast<B>(x >> 32); }));
  t.add("unpack.0.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x); }));
  t.add("unpack.1.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x >> 16); }));
  t.add("unpack.2.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x >> 32); }));
  t.add("unpack.3.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x >> 48); }));
  t.add("narrow.b16.b32", entry<A, B>([](B x) { return static_cast<A>(x); }));
  t.add("narrow.b16.b64", entry<A, C>([](C x) { return static_cast<A>(x); }));
  t.add("narrow.b32.b64", entry<B, C>([](C x) { return static_cast<B>(x); }));
  t.add("extend.s8", entry<int16_t, A>([](A x) { return static_cast<int8_t>(x); }));
  t.add("extend.u8", entry<A, A>([](A x) { return static_cast<uint8_t>(x); }));
  t.add("slct.b16.s32",
        entry<A, A, A, int32_t>([](A a, A b, int32_t c) { return c >= 0 ? a : b; }));
  t.add("slct.b32.s32",
        entry<B, B, B, int32_t>([](B a, B b, int32_t c) { return c >= 0 ? a : b; }));
  t.add("slct.b64.s32",
        entry<C, C, C, int32_t>([](C a, C b, int32_t c) { return c >= 0 ? a : b; }));
  t.add("slct.b32.f32", entry<B, B, B, float>([](B a, B b, float c) { return c >= 0.0f ? a : b; }));
  t.add("slct.b64.f32", entry<C, C, C, float>([](C a, C b, float c) { return c >= 0.0f ? a : b; }));
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
  exact(t);
  widths(t);
}

const InstructionTable& InstructionTable::get() {
  static const InstructionTable table = [] {
    InstructionTable t;
    add_integer_instructions(t);
    add_float_instructions(t);
    add_half_instructions(t);
    add_special_float_instructions(t);
    add_conversion_instructions(t);
    add_compare_instructions(t);
    return t;
  }();
  return table;
}

const TableEntry* InstructionTable::find(std::string_view opcode) const {
  const auto found = entries_.find(std::string(opcode));
  return found == entries_.end() ? nullptr : &found->second;
}

std::vector<std::string> InstructionTable::opcodes() const {
  std::vector<std::string> keys;
  for (const auto& [key, entry] : entries_) keys.push_back(key);
  std::sort(keys.begin(), keys.end());
  return keys;
}

}  // namespace mtmc::emulator
