// cvt between integers, and between integers and floating types. Integer types of 8 bits are
// sources of no row because lowering widens them first (results: .u8 and .s8 in 16 bits).
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
}

}  // namespace

void add_integer_conversion_instructions(InstructionTable& t) {
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
}

}  // namespace mtmc::emulator
