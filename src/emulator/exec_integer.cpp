// Integer, logic, shift, bit-field and byte instructions: rows of (opcode, types, function). What
// each computes is numeric_integer.hpp's. Extended
// precision is exec_carry.cpp's.
#include "emulator/alu.hpp"
#include "emulator/numeric.hpp"

namespace mtmc::emulator {
namespace {

namespace n = numeric;

template <class T>
void arithmetic(InstructionTable& t, const std::string& type) {
  t.add("add." + type, entry<T, T, T>([](T a, T b) { return n::add(a, b); }));
  t.add("sub." + type, entry<T, T, T>([](T a, T b) { return n::sub(a, b); }));
  t.add("mul.lo." + type, entry<T, T, T>([](T a, T b) { return n::mul_lo(a, b); }));
  t.add("mul.hi." + type, entry<T, T, T>([](T a, T b) { return n::mul_hi(a, b); }));
  t.add("mad.lo." + type, entry<T, T, T, T>([](T a, T b, T c) { return n::mad_lo(a, b, c); }));
  t.add("mad.hi." + type, entry<T, T, T, T>([](T a, T b, T c) { return n::mad_hi(a, b, c); }));
  t.add("div." + type, entry<T, T, T>([](T a, T b) { return n::div(a, b); }));
  t.add("rem." + type, entry<T, T, T>([](T a, T b) { return n::rem(a, b); }));
  t.add("min." + type, entry<T, T, T>([](T a, T b) { return n::min(a, b); }));
  t.add("max." + type, entry<T, T, T>([](T a, T b) { return n::max(a, b); }));
  t.add("sad." + type, entry<T, T, T, T>([](T a, T b, T c) { return n::sad(a, b, c); }));
  t.add("shr." + type, entry<T, T, uint32_t>([](T a, uint32_t b) { return n::shr(a, b); }));
  if constexpr (std::is_signed_v<T>) {
    t.add("neg." + type, entry<T, T>([](T a) { return n::neg(a); }));
    t.add("abs." + type, entry<T, T>([](T a) { return n::abs(a); }));
  }
  if constexpr (sizeof(T) < 8) {
    using W = n::Wide<T>;
    t.add("mul.wide." + type, entry<W, T, T>([](T a, T b) { return n::mul_wide(a, b); }));
    t.add("mad.wide." + type,
          entry<W, T, T, W>([](T a, T b, W c) { return n::mad_wide(a, b, c); }));
  }
  if constexpr (sizeof(T) == 4) {
    t.add("mul24.lo." + type, entry<T, T, T>([](T a, T b) { return n::mul24_lo(a, b); }));
    t.add("mul24.hi." + type, entry<T, T, T>([](T a, T b) { return n::mul24_hi(a, b); }));
    t.add("mad24.lo." + type,
          entry<T, T, T, T>([](T a, T b, T c) { return n::add<T>(n::mul24_lo(a, b), c); }));
    t.add("mad24.hi." + type,
          entry<T, T, T, T>([](T a, T b, T c) { return n::add<T>(n::mul24_hi(a, b), c); }));
    t.add("szext.clamp." + type,
          entry<T, T, uint32_t>([](T a, uint32_t b) { return n::szext(a, b); }));
    t.add("szext.wrap." + type,
          entry<T, T, uint32_t>([](T a, uint32_t b) { return n::szext(a, b & 31); }));
  }
  if constexpr (sizeof(T) >= 4) {
    t.add("bfe." + type, entry<T, T, uint32_t, uint32_t>(
                             [](T a, uint32_t p, uint32_t w) { return n::bfe(a, p, w); }));
    t.add("bfind." + type, entry<uint32_t, T>([](T a) { return n::bfind(a); }));
    t.add("bfind.shiftamt." + type, entry<uint32_t, T>([](T a) { return n::bfind_shiftamt(a); }));
  }
}

template <class U>
void logic(InstructionTable& t, const std::string& type) {
  t.add("and." + type, entry<U, U, U>([](U a, U b) { return a & b; }));
  t.add("or." + type, entry<U, U, U>([](U a, U b) { return a | b; }));
  t.add("xor." + type, entry<U, U, U>([](U a, U b) { return a ^ b; }));
  t.add("not." + type, entry<U, U>([](U a) { return ~a; }));
  t.add("cnot." + type, entry<U, U>([](U a) { return a == 0 ? U{1} : U{0}; }));
  t.add("shl." + type, entry<U, U, uint32_t>([](U a, uint32_t b) { return n::shl(a, b); }));
  t.add("shr." + type, entry<U, U, uint32_t>([](U a, uint32_t b) { return n::shr(a, b); }));
  t.add("mov." + type, entry<U, U>([](U a) { return a; }));
  if constexpr (sizeof(U) >= 4) {
    t.add("popc." + type, entry<uint32_t, U>([](U a) { return n::popc(a); }));
    t.add("clz." + type, entry<uint32_t, U>([](U a) { return n::clz(a); }));
    t.add("brev." + type, entry<U, U>([](U a) { return n::brev(a); }));
    t.add("bfi." + type, entry<U, U, U, uint32_t, uint32_t>(
                             [](U a, U b, uint32_t p, uint32_t w) { return n::bfi(a, b, p, w); }));
  }
}

// Two 16-bit integers in a register.
template <class T>
void pairs(InstructionTable& t, const std::string& type) {
  using U = uint32_t;
  const auto row = [&](const std::string& op, auto f) {
    using F = decltype(f);
    t.add(op + "." + type, entry<U, U, U>([](U a, U b) {
            const auto half = [&](int shift) {
              const T r = F{}(static_cast<T>(a >> shift), static_cast<T>(b >> shift));
              return static_cast<U>(static_cast<uint16_t>(r)) << shift;
            };
            return half(0) | half(16);
          }));
  };
  row("add", [](T a, T b) { return n::add(a, b); });
  row("min", [](T a, T b) { return n::min(a, b); });
  row("max", [](T a, T b) { return n::max(a, b); });
  if constexpr (std::is_signed_v<T>) {
    row("min.relu", [](T a, T b) { return n::max(n::min(a, b), T{0}); });
    row("max.relu", [](T a, T b) { return n::max(n::max(a, b), T{0}); });
  }
}

template <n::PrmtMode Mode>
TableEntry prmt_entry() {
  return entry<uint32_t, uint32_t, uint32_t, uint32_t>(
      [](uint32_t a, uint32_t b, uint32_t c) { return n::prmt(Mode, a, b, c); });
}

template <class A, class B>
void dot_products(InstructionTable& t, const std::string& types) {
  using U = uint32_t;
  t.add("dp4a." + types, entry<U, U, U, U>([](U a, U b, U c) { return n::dp4a<A, B>(a, b, c); }));
  using A2 = std::conditional_t<std::is_signed_v<A>, int16_t, uint16_t>;
  t.add("dp2a.lo." + types,
        entry<U, U, U, U>([](U a, U b, U c) { return n::dp2a<A2, B>(a, b, c, false); }));
  t.add("dp2a.hi." + types,
        entry<U, U, U, U>([](U a, U b, U c) { return n::dp2a<A2, B>(a, b, c, true); }));
}

}  // namespace

void add_integer_instructions(InstructionTable& t) {
  using U = uint32_t;
  arithmetic<int16_t>(t, "s16");
  arithmetic<uint16_t>(t, "u16");
  arithmetic<int32_t>(t, "s32");
  arithmetic<uint32_t>(t, "u32");
  arithmetic<int64_t>(t, "s64");
  arithmetic<uint64_t>(t, "u64");
  logic<uint16_t>(t, "b16");
  logic<uint32_t>(t, "b32");
  logic<uint64_t>(t, "b64");
  t.add("add.sat.s32",
        entry<int32_t, int32_t, int32_t>([](int32_t a, int32_t b) { return n::add_sat(a, b); }));
  t.add("sub.sat.s32",
        entry<int32_t, int32_t, int32_t>([](int32_t a, int32_t b) { return n::sub_sat(a, b); }));
  t.add("mad.hi.sat.s32",
        entry<int32_t, int32_t, int32_t, int32_t>(
            [](int32_t a, int32_t b, int32_t c) { return n::mad_hi_sat(a, b, c); }));
  t.add("mad24.hi.sat.s32",
        entry<int32_t, int32_t, int32_t, int32_t>(
            [](int32_t a, int32_t b, int32_t c) { return n::add_sat(n::mul24_hi(a, b), c); }));
  t.add("min.relu.s32", entry<int32_t, int32_t, int32_t>(
                            [](int32_t a, int32_t b) { return n::max(n::min(a, b), 0); }));
  t.add("max.relu.s32", entry<int32_t, int32_t, int32_t>(
                            [](int32_t a, int32_t b) { return n::max(n::max(a, b), 0); }));
  pairs<int16_t>(t, "s16x2");
  pairs<uint16_t>(t, "u16x2");
  t.add("shf.l.wrap.b32", entry<U, U, U, U>([](U a, U b, U c) { return n::shf_l_wrap(a, b, c); }));
  t.add("shf.l.clamp.b32",
        entry<U, U, U, U>([](U a, U b, U c) { return n::shf_l_clamp(a, b, c); }));
  t.add("shf.r.wrap.b32", entry<U, U, U, U>([](U a, U b, U c) { return n::shf_r_wrap(a, b, c); }));
  t.add("shf.r.clamp.b32",
        entry<U, U, U, U>([](U a, U b, U c) { return n::shf_r_clamp(a, b, c); }));
  t.add("lop3.b32",
        entry<U, U, U, U, U>([](U a, U b, U c, U table) { return n::lop3(a, b, c, table); }));
  t.add("fns.b32", entry<U, U, U, int32_t>([](U a, U b, int32_t c) { return n::fns(a, b, c); }));
  t.add("bmsk.clamp.b32", entry<U, U, U>([](U a, U b) { return n::bmsk_clamp(a, b); }));
  t.add("bmsk.wrap.b32", entry<U, U, U>([](U a, U b) { return n::bmsk_wrap(a, b); }));
  t.add("prmt.b32", entry<U, U, U, U>([](U a, U b, U c) { return n::prmt(a, b, c); }));
  t.add("prmt.b32.f4e", prmt_entry<n::PrmtMode::f4e>());
  t.add("prmt.b32.b4e", prmt_entry<n::PrmtMode::b4e>());
  t.add("prmt.b32.rc8", prmt_entry<n::PrmtMode::rc8>());
  t.add("prmt.b32.ecl", prmt_entry<n::PrmtMode::ecl>());
  t.add("prmt.b32.ecr", prmt_entry<n::PrmtMode::ecr>());
  t.add("prmt.b32.rc16", prmt_entry<n::PrmtMode::rc16>());
  dot_products<int8_t, int8_t>(t, "s32.s32");
  dot_products<int8_t, uint8_t>(t, "s32.u32");
  dot_products<uint8_t, int8_t>(t, "u32.s32");
  dot_products<uint8_t, uint8_t>(t, "u32.u32");
}

}  // namespace mtmc::emulator
