// Integer, logic, selection and memory-width forms. The models are plain C++ on 128-bit integers.
#include <algorithm>

#include "emulator/opcode_forms.hpp"

namespace mtmc::emulator::forms {
namespace {

using i8 = std::int8_t;
using u8 = std::uint8_t;
using i16 = std::int16_t;
using u16 = std::uint16_t;
using i32 = std::int32_t;
using u32 = std::uint32_t;
using i64 = std::int64_t;
using u64 = std::uint64_t;
using i128 = __int128;
using u128 = unsigned __int128;

template <class T>
i128 wide(T x) {
  return static_cast<i128>(x);
}
template <class T>
T wrap(i128 x) {
  return static_cast<T>(static_cast<u64>(static_cast<u128>(x)));
}

template <class T>
void arithmetic(std::vector<Form>& out, const std::string& t) {
  const auto bin = [&](const std::string& op, auto f) {
    out.push_back(form2<T, T, T>(op + "." + t + " %d, %a, %b;", f));
  };
  bin("add", [](T a, T b) { return wrap<T>(wide(a) + wide(b)); });
  bin("sub", [](T a, T b) { return wrap<T>(wide(a) - wide(b)); });
  bin("mul.lo", [](T a, T b) { return static_cast<T>(static_cast<u64>(a) * static_cast<u64>(b)); });
  bin("mul.hi", [](T a, T b) {
    const u128 product = std::is_signed_v<T> ? static_cast<u128>(wide(a) * wide(b))
                                             : static_cast<u128>(a) * static_cast<u128>(b);
    return static_cast<T>(static_cast<u64>(product >> (sizeof(T) * 8)));
  });
  bin("min", [](T a, T b) { return wide(a) < wide(b) ? a : b; });
  bin("max", [](T a, T b) { return wide(a) > wide(b) ? a : b; });
  bin("div", [](T a, T b) { return b == 0 ? static_cast<T>(-1) : wrap<T>(wide(a) / wide(b)); });
  bin("rem", [](T a, T b) { return b == 0 ? a : wrap<T>(wide(a) % wide(b)); });
  out.push_back(form3<T, T, T, T>("mad.lo." + t + " %d, %a, %b, %c;", [](T a, T b, T c) {
    return static_cast<T>(static_cast<u64>(a) * static_cast<u64>(b) + static_cast<u64>(c));
  }));
  out.push_back(form3<T, T, T, T>("sad." + t + " %d, %a, %b, %c;", [](T a, T b, T c) {
    return wrap<T>(wide(c) + (wide(a) > wide(b) ? wide(a) - wide(b) : wide(b) - wide(a)));
  }));
  out.push_back(form2<T, T, u32>("shr." + t + " %d, %a, %b;", [](T a, u32 b) {
    return wrap<T>(b > 100 ? (wide(a) < 0 ? -1 : 0) : wide(a) >> b);
  }));
  for (const auto& [op, f] : std::vector<std::pair<std::string, bool (*)(i128, i128)>>{
           {"eq", [](i128 a, i128 b) { return a == b; }},
           {"ne", [](i128 a, i128 b) { return a != b; }},
           {"lt", [](i128 a, i128 b) { return a < b; }},
           {"le", [](i128 a, i128 b) { return a <= b; }},
           {"gt", [](i128 a, i128 b) { return a > b; }},
           {"ge", [](i128 a, i128 b) { return a >= b; }}}) {
    out.push_back(form2<bool, T, T>("setp." + op + "." + t + " %d, %a, %b;",
                                    [f = f](T a, T b) { return f(wide(a), wide(b)); }));
  }
  if constexpr (std::is_signed_v<T>) {
    out.push_back(form1<T, T>("neg." + t + " %d, %a;", [](T a) { return wrap<T>(-wide(a)); }));
    out.push_back(form1<T, T>("abs." + t + " %d, %a;",
                              [](T a) { return wrap<T>(a < 0 ? -wide(a) : wide(a)); }));
  }
}

template <class U>
void logic(std::vector<Form>& out, const std::string& t) {
  out.push_back(form2<U, U, U>("and." + t + " %d, %a, %b;", [](U a, U b) { return a & b; }));
  out.push_back(form2<U, U, U>("or." + t + " %d, %a, %b;", [](U a, U b) { return a | b; }));
  out.push_back(form2<U, U, U>("xor." + t + " %d, %a, %b;", [](U a, U b) { return a ^ b; }));
  out.push_back(form1<U, U>("not." + t + " %d, %a;", [](U a) { return ~a; }));
  out.push_back(form2<U, U, u32>("shl." + t + " %d, %a, %b;", [](U a, u32 b) {
    return b > 63 ? U{0} : static_cast<U>(static_cast<u128>(a) << b);
  }));
  out.push_back(form1<U, U>("mov." + t + " %d, %a;", [](U a) { return a; }));
  out.push_back(form3<U, U, U, u32>(
      "{ .reg .pred %q; setp.lt.u32 %q, %c, 7; selp." + t + " %d, %a, %b, %q; }",
      [](U a, U b, u32 c) { return c < 7 ? a : b; }));
}

template <class T>
T extract(T value, u32 position, u32 length) {
  const auto a = static_cast<std::make_unsigned_t<T>>(value);
  const u32 msb = sizeof(T) * 8 - 1, pos = position & 255, len = length & 255;
  u64 sign = 0, d = 0;
  if (std::is_signed_v<T> && len > 0) sign = (a >> std::min(pos + len - 1, msb)) & 1;
  for (u32 i = 0; i <= msb; ++i) {
    d |= (i < len && pos + i <= msb ? u64{(a >> (pos + i)) & 1} : sign) << i;
  }
  return static_cast<T>(d);
}

u32 insert(u32 a, u32 b, u32 position, u32 length) {
  for (u32 i = 0; i < (length & 255) && (position & 255) + i < 32; ++i) {
    const u32 at = (position & 255) + i;
    b = (b & ~(1u << at)) | ((a >> i & 1) << at);
  }
  return b;
}

u32 permute(u32 a, u32 b, u32 c) {
  const u64 bytes = u64{b} << 32 | a;
  u32 d = 0;
  for (int i = 0; i < 4; ++i) {
    const u32 nibble = c >> (4 * i) & 15;
    const u32 byte = static_cast<u32>(bytes >> (8 * (nibble & 7))) & 255;
    d |= (nibble & 8 ? (byte > 127 ? 255u : 0u) : byte) << (8 * i);
  }
  return d;
}

u32 dot(u32 a, u32 b, u32 c, bool sign_a, bool sign_b) {
  i64 sum = c;
  for (int i = 0; i < 4; ++i) {
    const i64 x = sign_a ? i64{static_cast<i8>(a >> 8 * i)} : i64{static_cast<u8>(a >> 8 * i)};
    const i64 y = sign_b ? i64{static_cast<i8>(b >> 8 * i)} : i64{static_cast<u8>(b >> 8 * i)};
    sum += x * y;
  }
  return static_cast<u32>(sum);
}

}  // namespace

std::vector<Form> integer_forms() {
  std::vector<Form> out;
  arithmetic<i16>(out, "s16");
  arithmetic<u16>(out, "u16");
  arithmetic<i32>(out, "s32");
  arithmetic<u32>(out, "u32");
  arithmetic<i64>(out, "s64");
  arithmetic<u64>(out, "u64");
  logic<u16>(out, "b16");
  logic<u32>(out, "b32");
  logic<u64>(out, "b64");
  out.push_back(
      form2<i32, i16, i16>("mul.wide.s16 %d, %a, %b;", [](i16 a, i16 b) { return a * b; }));
  out.push_back(
      form2<u32, u16, u16>("mul.wide.u16 %d, %a, %b;", [](u16 a, u16 b) { return u32{a} * b; }));
  out.push_back(
      form2<i64, i32, i32>("mul.wide.s32 %d, %a, %b;", [](i32 a, i32 b) { return i64{a} * b; }));
  out.push_back(
      form2<u64, u32, u32>("mul.wide.u32 %d, %a, %b;", [](u32 a, u32 b) { return u64{a} * b; }));
  out.push_back(form3<i64, i32, i32, i64>("mad.wide.s32 %d, %a, %b, %c;", [](i32 a, i32 b, i64 c) {
    return wrap<i64>(wide(a) * b + c);
  }));
  out.push_back(form3<u64, u32, u32, u64>("mad.wide.u32 %d, %a, %b, %c;",
                                          [](u32 a, u32 b, u64 c) { return u64{a} * b + c; }));
  out.push_back(form2<i32, i32, i32>("add.sat.s32 %d, %a, %b;", [](i32 a, i32 b) {
    return std::clamp<i64>(i64{a} + b, INT32_MIN, INT32_MAX);
  }));
  out.push_back(form2<i32, i32, i32>("sub.sat.s32 %d, %a, %b;", [](i32 a, i32 b) {
    return std::clamp<i64>(i64{a} - b, INT32_MIN, INT32_MAX);
  }));
  out.push_back(form1<u32, u32>("popc.b32 %d, %a;", [](u32 a) { return std::popcount(a); }));
  out.push_back(form1<u32, u64>("popc.b64 %d, %a;", [](u64 a) { return std::popcount(a); }));
  out.push_back(form1<u32, u32>("clz.b32 %d, %a;", [](u32 a) { return std::countl_zero(a); }));
  out.push_back(form1<u32, u64>("clz.b64 %d, %a;", [](u64 a) { return std::countl_zero(a); }));
  out.push_back(form1<u32, u32>("brev.b32 %d, %a;", [](u32 a) {
    u32 d = 0;
    for (int i = 0; i < 32; ++i) d |= (a >> i & 1) << (31 - i);
    return d;
  }));
  out.push_back(form1<u64, u64>("brev.b64 %d, %a;", [](u64 a) {
    u64 d = 0;
    for (int i = 0; i < 64; ++i) d |= (a >> i & 1) << (63 - i);
    return d;
  }));
  out.push_back(
      form1<u32, u32>("bfind.u32 %d, %a;", [](u32 a) { return 31 - std::countl_zero(a); }));
  out.push_back(form1<u32, i32>("bfind.s32 %d, %a;", [](i32 a) {
    return 31 - std::countl_zero(static_cast<u32>(a < 0 ? ~a : a));
  }));
  out.push_back(form1<u32, u32>("bfind.shiftamt.u32 %d, %a;",
                                [](u32 a) { return a == 0 ? -1 : std::countl_zero(a); }));
  out.push_back(form3<u32, u32, u32, u32>("bfe.u32 %d, %a, %b, %c;", extract<u32>));
  out.push_back(form3<i32, i32, u32, u32>("bfe.s32 %d, %a, %b, %c;", extract<i32>));
  out.push_back(form3<u64, u64, u32, u32>("bfe.u64 %d, %a, %b, %c;", extract<u64>));
  out.push_back(form3<i64, i64, u32, u32>("bfe.s64 %d, %a, %b, %c;", extract<i64>));
  out.push_back(form3<u32, u32, u32, u32>("bfi.b32 %d, %a, %b, %c, 9;",
                                          [](u32 a, u32 b, u32 c) { return insert(a, b, c, 9); }));
  out.push_back(form3<u32, u32, u32, u32>("bfi.b32 %d, %a, %b, 5, %c;",
                                          [](u32 a, u32 b, u32 c) { return insert(a, b, 5, c); }));
  out.push_back(form3<u32, u32, u32, u32>("prmt.b32 %d, %a, %b, %c;", permute));
  out.push_back(
      form3<u32, u32, u32, u32>("lop3.b32 %d, %a, %b, %c, 0xe8;",
                                [](u32 a, u32 b, u32 c) { return (a & b) | (a & c) | (b & c); }));
  out.push_back(form3<u32, u32, u32, u32>("lop3.b32 %d, %a, %b, %c, 0x96;",
                                          [](u32 a, u32 b, u32 c) { return a ^ b ^ c; }));
  out.push_back(
      form3<u32, u32, u32, u32>("shf.l.wrap.b32 %d, %a, %b, %c;", [](u32 a, u32 b, u32 c) {
        return static_cast<u32>(((u128{b} << 32 | a) << (c & 31)) >> 32);
      }));
  out.push_back(
      form3<u32, u32, u32, u32>("shf.l.clamp.b32 %d, %a, %b, %c;", [](u32 a, u32 b, u32 c) {
        return static_cast<u32>(((u128{b} << 32 | a) << std::min(c, 32u)) >> 32);
      }));
  out.push_back(form3<u32, u32, u32, u32>(
      "shf.r.wrap.b32 %d, %a, %b, %c;",
      [](u32 a, u32 b, u32 c) { return static_cast<u32>((u64{b} << 32 | a) >> (c & 31)); }));
  out.push_back(
      form3<u32, u32, u32, u32>("shf.r.clamp.b32 %d, %a, %b, %c;", [](u32 a, u32 b, u32 c) {
        return static_cast<u32>((u64{b} << 32 | a) >> std::min(c, 32u));
      }));
  out.push_back(form3<u32, u32, u32, u32>("dp4a.s32.s32 %d, %a, %b, %c;", [](u32 a, u32 b, u32 c) {
    return dot(a, b, c, true, true);
  }));
  out.push_back(form3<u32, u32, u32, u32>("dp4a.u32.u32 %d, %a, %b, %c;", [](u32 a, u32 b, u32 c) {
    return dot(a, b, c, false, false);
  }));
  out.push_back(
      form2<u64, u32, u32>("mov.b64 %d, {%a, %b};", [](u32 a, u32 b) { return u64{b} << 32 | a; }));
  out.push_back(
      form1<u32, u64>("{ .reg .b32 %x, %y; mov.b64 {%x, %y}, %a; xor.b32 %d, %x, %y; }",
                      [](u64 a) { return static_cast<u32>(a) ^ static_cast<u32>(a >> 32); }));
  out.push_back(form1<u32, u32>("{ .reg .b16 %x, %y; mov.b32 {%x, %y}, %a; mov.b32 %d, {%y, %x}; }",
                                [](u32 a) { return a << 16 | a >> 16; }));
  out.push_back(
      form2<bool, u32, u32>("setp.lo.u32 %d, %a, %b;", [](u32 a, u32 b) { return a < b; }));
  out.push_back(
      form2<bool, u32, u32>("setp.hs.u32 %d, %a, %b;", [](u32 a, u32 b) { return a >= b; }));
  out.push_back(
      form2<bool, u64, u64>("setp.ls.u64 %d, %a, %b;", [](u64 a, u64 b) { return a <= b; }));
  out.push_back(form3<bool, i32, i32, u32>(
      "{ .reg .pred %q; setp.gt.u32 %q, %c, 9; setp.lt.and.s32 %d, %a, %b, %q; }",
      [](i32 a, i32 b, u32 c) { return a < b && c > 9; }));
  out.push_back(form3<bool, i32, i32, u32>(
      "{ .reg .pred %q; setp.gt.u32 %q, %c, 9; setp.ge.or.s32 %d, %a, %b, !%q; }",
      [](i32 a, i32 b, u32 c) { return a >= b || c <= 9; }));
  out.push_back(form2<bool, i32, i32>(
      "{ .reg .pred %q, %t; setp.lt.s32 %q, %a, 0; setp.lt.s32 %t, %b, 0; xor.pred %d, %q, %t; }",
      [](i32 a, i32 b) { return (a < 0) != (b < 0); }));
  out.push_back(form1<bool, i32>("{ .reg .pred %q; setp.lt.s32 %q, %a, 0; not.pred %d, %q; }",
                                 [](i32 a) { return a >= 0; }));
  out.push_back(form2<u32, u32, u32>("set.lt.u32.u32 %d, %a, %b;",
                                     [](u32 a, u32 b) { return a < b ? ~0u : 0u; }));
  out.push_back(form1<u32, u32>("add.s32 %d, %a, -7;", [](u32 a) { return a - 7; }));
  out.push_back(
      form1<u64, u64>("and.b64 %d, %a, 0xffffffff00;", [](u64 a) { return a & 0xffffffff00ull; }));
  out.push_back(form1<u16, u16>("add.s16 %d, %a, 32767;", [](u16 a) { return a + 32767; }));
  return out;
}

std::vector<Form> memory_forms() {
  std::vector<Form> out;
  const auto narrow = [&out](const std::string& space, const std::string& address) {
    const std::string put = "{ st." + space + "b32 [" + address + "], %a; ld." + space;
    const auto at = [&](int offset) {
      return " %d, [" + address + "+" + std::to_string(offset) + "]; }";
    };
    out.push_back(
        form1<i32, u32>(put + "s8" + at(1), [](u32 a) { return static_cast<i8>(a >> 8); }));
    out.push_back(form1<u32, u32>(put + "u8" + at(3), [](u32 a) { return a >> 24; }));
    out.push_back(
        form1<i32, u32>(put + "s16" + at(2), [](u32 a) { return static_cast<i16>(a >> 16); }));
    out.push_back(form1<u32, u32>(put + "u16" + at(0), [](u32 a) { return a & 0xffff; }));
    out.push_back(form1<u16, u32>(put + "b16" + at(2), [](u32 a) { return a >> 16; }));
    out.push_back(form1<i64, u32>(put + "s32" + at(0), [](u32 a) { return static_cast<i32>(a); }));
    const std::string two =
        "{ .reg .b32 %x, %y; st." + space + "v2.b32 [" + address + "+8], {%a, %b}; ld." + space;
    out.push_back(
        form2<u32, u32, u32>(two + "v2.u32 {%x, %y}, [" + address + "+8]; sub.u32 %d, %x, %y; }",
                             [](u32 a, u32 b) { return a - b; }));
    out.push_back(form2<u64, u32, u32>(two + "b64 %d, [" + address + "+8]; }",
                                       [](u32 a, u32 b) { return u64{b} << 32 | a; }));
    out.push_back(form3<u32, u32, u32, u32>(
        "{ .reg .b32 %w, %x, %y, %z; st." + space + "v4.b32 [" + address +
            "], {%a, %b, %c, %a}; ld." + space + "v4.b32 {%w, %x, %y, %z}, [" + address +
            "]; add.u32 %w, %w, %x; sub.u32 %y, %y, %z; xor.b32 %d, %w, %y; }",
        [](u32 a, u32 b, u32 c) { return (a + b) ^ (c - a); }));
    out.push_back(form2<u32, u16, u16>("{ st." + space + "v2.b16 [" + address + "], {%a, %b}; ld." +
                                           space + "b32 %d, [" + address + "]; }",
                                       [](u16 a, u16 b) { return u32{b} << 16 | a; }));
    out.push_back(
        form2<u32, u32, u32>("{ st." + space + "b32 [" + address + "], %a; st." + space + "b8 [" +
                                 address + "+2], %b; ld." + space + "b32 %d, [" + address + "]; }",
                             [](u32 a, u32 b) { return (a & 0xff00ffffu) | (b & 255) << 16; }));
  };
  narrow("shared.", "%sa");
  narrow("local.", "%la");
  narrow("", "%ga");
  return out;
}

}  // namespace mtmc::emulator::forms
