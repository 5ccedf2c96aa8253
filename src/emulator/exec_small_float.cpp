// cvt to and from the formats of 8 bits and less (e4m3, e5m2, ue8m0, e2m3, e3m2, e2m1), always in
// pairs, and cvt.pack. numeric_small_float.hpp says what one element becomes. A pair of e2m1 is 8
// bits in a 16-bit register.
#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;
using H = uint16_t;
using P = uint32_t;

// The two elements of a pair; the first operand of PTX is the upper one.
template <unsigned Bits>
constexpr H join(unsigned high, unsigned low) {
  return static_cast<H>(high << Bits | low);
}

template <unsigned Bits, class F>
void from_f32(InstructionTable& t, const std::string& opcode, const std::string& type, F) {
  t.add(opcode + "." + type + ".f32",
        entry<H, float, float>([](float a, float b) { return join<Bits>(F{}(a), F{}(b)); }));
}
template <class Half, unsigned Bits, class F>
void from_half(InstructionTable& t, const std::string& opcode, const std::string& types, F) {
  t.add(opcode + "." + types, entry<H, P>([](P a) {
          return join<Bits>(F{}(Half::widen(static_cast<H>(a >> 16))),
                            F{}(Half::widen(static_cast<H>(a))));
        }));
}

template <class Format>
void narrow_and_widen(InstructionTable& t, const std::string& type, bool from_f16) {
  constexpr unsigned bits = Format::pair_bits / 2;
  const auto plain = [](float x) -> unsigned { return n::f32_to_small<Format>(x); };
  const auto relu = [](float x) -> unsigned {
    return n::relu_small<Format>(n::f32_to_small<Format>(x));
  };
  from_f32<bits>(t, "cvt.rn.satfinite", type, plain);
  from_f32<bits>(t, "cvt.rn.satfinite.relu", type, relu);
  if (from_f16) {
    from_half<n::F16, bits>(t, "cvt.rn.satfinite", type + ".f16x2", plain);
    from_half<n::F16, bits>(t, "cvt.rn.satfinite.relu", type + ".f16x2", relu);
  }
  const auto widen = [](unsigned code) { return n::small_to_f16<Format>(code); };
  using Widen = decltype(widen);
  t.add("cvt.rn.f16x2." + type, entry<P, H>([](H a) {
          constexpr unsigned mask = (1u << bits) - 1;
          return P{Widen{}(a & mask)} | P{Widen{}(a >> bits & mask)} << 16;
        }));
  t.add("cvt.rn.relu.f16x2." + type, entry<P, H>([](H a) {
          constexpr unsigned mask = (1u << bits) - 1;
          return P{n::relu<n::F16>(Widen{}(a & mask))} |
                 P{n::relu<n::F16>(Widen{}(a >> bits & mask))} << 16;
        }));
}

template <bool Up, bool Finite>
void scales(InstructionTable& t, const std::string& opcode) {
  const auto convert = [](float x) -> unsigned { return n::f32_to_ue8m0<Up, Finite>(x); };
  from_f32<8>(t, opcode, "ue8m0x2", convert);
  from_half<n::Bf16, 8>(t, opcode, "ue8m0x2.bf16x2", convert);
}

// d = {c, a, b}: two saturated values of Bits bits below the low bits of c.
template <class T, unsigned Bits>
constexpr P clamped(int64_t x) {
  constexpr bool is_signed = std::is_signed_v<T>;
  constexpr int64_t least = is_signed ? -(int64_t{1} << (Bits - 1)) : 0;
  constexpr int64_t most = (int64_t{1} << (is_signed ? Bits - 1 : Bits)) - 1;
  const int64_t value = x < least ? least : x > most ? most : x;
  return static_cast<P>(value) & ((1u << Bits) - 1);
}
template <class T, unsigned Bits, class Source>
void pack(InstructionTable& t, const std::string& types) {
  const std::string opcode = "cvt.pack.sat." + types;
  if constexpr (Bits == 16) {
    t.add(opcode, entry<P, Source, Source>([](Source a, Source b) {
            return clamped<T, Bits>(a) << Bits | clamped<T, Bits>(b);
          }));
  } else {
    t.add(opcode + ".b32", entry<P, Source, Source, P>([](Source a, Source b, P c) {
            return c << 2 * Bits | clamped<T, Bits>(a) << Bits | clamped<T, Bits>(b);
          }));
  }
}

}  // namespace

void add_small_float_instructions(InstructionTable& t) {
  narrow_and_widen<n::E4m3>(t, "e4m3x2", true);
  narrow_and_widen<n::E5m2>(t, "e5m2x2", true);
  narrow_and_widen<n::E2m3>(t, "e2m3x2", false);
  narrow_and_widen<n::E3m2>(t, "e3m2x2", false);
  narrow_and_widen<n::E2m1>(t, "e2m1x2", true);
  scales<false, false>(t, "cvt.rz");
  scales<false, true>(t, "cvt.rz.satfinite");
  scales<true, false>(t, "cvt.rp");
  scales<true, true>(t, "cvt.rp.satfinite");
  t.add("cvt.rn.bf16x2.ue8m0x2", entry<P, H>([](H a) {
          return P{n::ue8m0_to_bf16(a & 0xffu)} | P{n::ue8m0_to_bf16(a >> 8)} << 16;
        }));
  pack<int32_t, 16, int32_t>(t, "s16.s32");
  pack<uint32_t, 16, int32_t>(t, "u16.s32");
  pack<int32_t, 8, int32_t>(t, "s8.s32");
  pack<uint32_t, 8, int32_t>(t, "u8.s32");
  pack<int32_t, 4, int32_t>(t, "s4.s32");
  pack<uint32_t, 4, int32_t>(t, "u4.s32");
  pack<int32_t, 2, int32_t>(t, "s2.s32");
  pack<uint32_t, 2, int32_t>(t, "u2.s32");
}

}  // namespace mtmc::emulator
