// Integer, logic, shift, bit-field and byte instructions of PTX on plain integers; see numeric.hpp.
//
// Sections of the PTX ISA: "Integer Arithmetic Instructions" (mul, mad, sad, div, rem, abs, popc,
// clz, bfind, fns, brev, bfe, bfi, bmsk, szext, dp4a, dp2a), "Logic and Shift Instructions" (lop3,
// shf, shl, shr), "Data Movement" (prmt). Where the ISA leaves a value unspecified (division by
// zero) the value that NVIDIA hardware is known to give is used, and the caller may report it.
#pragma once

#include <bit>
#include <concepts>
#include <cstdint>
#include <limits>
#include <type_traits>

namespace mtmc::emulator::numeric {

template <class T>
using Unsigned = std::make_unsigned_t<T>;

template <class T>
inline constexpr unsigned kBits = sizeof(T) * 8;

// add, sub, mul.lo, mad.lo, neg, abs: two's complement, wrapping. Narrow types widen to unsigned
// int first, since promotion to int would make the multiplication of two uint16_t overflow.
template <class T>
using Wide32 = std::conditional_t<(sizeof(T) < 4), std::uint32_t, Unsigned<T>>;

template <std::integral T>
constexpr T add(T a, T b) {
  return static_cast<T>(static_cast<Wide32<T>>(a) + static_cast<Wide32<T>>(b));
}
template <std::integral T>
constexpr T sub(T a, T b) {
  return static_cast<T>(static_cast<Wide32<T>>(a) - static_cast<Wide32<T>>(b));
}
template <std::integral T>
constexpr T mul_lo(T a, T b) {
  return static_cast<T>(static_cast<Wide32<T>>(a) * static_cast<Wide32<T>>(b));
}
template <std::integral T>
constexpr T mad_lo(T a, T b, T c) {
  return add<T>(mul_lo<T>(a, b), c);
}
template <std::integral T>
constexpr T neg(T a) {
  return sub<T>(T{0}, a);
}
// abs of the most negative value is itself.
template <std::integral T>
constexpr T abs(T a) {
  return a < 0 ? neg<T>(a) : a;
}

template <std::integral T>
constexpr T min(T a, T b) {
  return b < a ? b : a;
}
template <std::integral T>
constexpr T max(T a, T b) {
  return a < b ? b : a;
}

// add.sat.s32, sub.sat.s32: clamped to the range of s32.
constexpr std::int32_t clamp_s32(std::int64_t x) {
  return x > std::numeric_limits<std::int32_t>::max()   ? std::numeric_limits<std::int32_t>::max()
         : x < std::numeric_limits<std::int32_t>::min() ? std::numeric_limits<std::int32_t>::min()
                                                        : static_cast<std::int32_t>(x);
}
constexpr std::int32_t add_sat(std::int32_t a, std::int32_t b) {
  return clamp_s32(static_cast<std::int64_t>(a) + b);
}
constexpr std::int32_t sub_sat(std::int32_t a, std::int32_t b) {
  return clamp_s32(static_cast<std::int64_t>(a) - b);
}

// The type of a full product: mul.wide, mad.wide for 16 and 32 bits; 128 bits inside mul.hi.
template <class T>
struct DoubleWidth;
template <>
struct DoubleWidth<std::int16_t> {
  using type = std::int32_t;
};
template <>
struct DoubleWidth<std::uint16_t> {
  using type = std::uint32_t;
};
template <>
struct DoubleWidth<std::int32_t> {
  using type = std::int64_t;
};
template <>
struct DoubleWidth<std::uint32_t> {
  using type = std::uint64_t;
};
template <>
struct DoubleWidth<std::int64_t> {
  using type = __int128;
};
template <>
struct DoubleWidth<std::uint64_t> {
  using type = unsigned __int128;
};
template <class T>
using Wide = typename DoubleWidth<T>::type;

template <std::integral T>
constexpr Wide<T> mul_wide(T a, T b) {
  return static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b);
}
template <std::integral T>
constexpr Wide<T> mad_wide(T a, T b, Wide<T> c) {
  return add<Wide<T>>(mul_wide<T>(a, b), c);
}
template <std::integral T>
constexpr T mul_hi(T a, T b) {
  return static_cast<T>(mul_wide<T>(a, b) >> kBits<T>);
}
template <std::integral T>
constexpr T mad_hi(T a, T b, T c) {
  return add<T>(mul_hi<T>(a, b), c);
}
// mad.hi.sat.s32
constexpr std::int32_t mad_hi_sat(std::int32_t a, std::int32_t b, std::int32_t c) {
  return add_sat(mul_hi<std::int32_t>(a, b), c);
}

// mul24.lo, mul24.hi: the low 24 bits of each operand, product bits 31..0 or 47..16.
template <std::integral T>
constexpr std::int64_t low24(T a) {
  const std::uint32_t bits = static_cast<std::uint32_t>(a) << 8;
  if constexpr (std::is_signed_v<T>) return static_cast<std::int32_t>(bits) >> 8;
  return bits >> 8;
}
template <std::integral T>
constexpr T mul24_lo(T a, T b) {
  return static_cast<T>(low24(a) * low24(b));
}
template <std::integral T>
constexpr T mul24_hi(T a, T b) {
  return static_cast<T>((low24(a) * low24(b)) >> 16);
}

// Division by zero: all ones (unsigned) or -1 (signed), remainder a; min / -1 is min, remainder 0.
template <std::integral T>
constexpr T div(T a, T b) {
  if (b == 0) return static_cast<T>(~T{0});
  if constexpr (std::is_signed_v<T>) {
    if (b == T{-1}) return neg<T>(a);
  }
  return static_cast<T>(a / b);
}
template <std::integral T>
constexpr T rem(T a, T b) {
  if (b == 0) return a;
  if constexpr (std::is_signed_v<T>) {
    if (b == T{-1}) return 0;
  }
  return static_cast<T>(a % b);
}

// sad: c + |a - b|, the difference taken without overflow in the operand's signedness.
template <std::integral T>
constexpr T sad(T a, T b, T c) {
  const T difference = a < b ? sub<T>(b, a) : sub<T>(a, b);
  return add<T>(c, difference);
}

// Shift amounts above the width are clamped: zeros for shl and unsigned shr, sign bits for signed.
template <std::integral T>
constexpr T shl(T a, std::uint32_t amount) {
  const Wide32<T> wide = static_cast<Unsigned<T>>(a);
  return amount < kBits<T> ? static_cast<T>(wide << (amount & (kBits<T> - 1))) : T{0};
}
template <std::integral T>
constexpr T shr(T a, std::uint32_t amount) {
  if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(a >> (amount < kBits<T> ? amount : kBits<T> - 1));
  } else {
    return amount < kBits<T> ? static_cast<T>(a >> (amount & (kBits<T> - 1))) : T{0};
  }
}

// shf.{l,r}.{wrap,clamp}.b32 d, a, b, c: shifts the 64-bit value b:a by c.
constexpr std::uint64_t pair64(std::uint32_t low, std::uint32_t high) {
  return (static_cast<std::uint64_t>(high) << 32) | low;
}
constexpr std::uint32_t shf_l_wrap(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  return static_cast<std::uint32_t>((pair64(a, b) << (c & 31)) >> 32);
}
constexpr std::uint32_t shf_l_clamp(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  return static_cast<std::uint32_t>((pair64(a, b) << (c < 32 ? c : 32)) >> 32);
}
constexpr std::uint32_t shf_r_wrap(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  return static_cast<std::uint32_t>(pair64(a, b) >> (c & 31));
}
constexpr std::uint32_t shf_r_clamp(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  return static_cast<std::uint32_t>(pair64(a, b) >> (c < 32 ? c : 32));
}

// lop3.b32: bit k of the table answers for a = k>>2&1, b = k>>1&1, c = k&1.
constexpr std::uint32_t lop3(std::uint32_t a, std::uint32_t b, std::uint32_t c, std::uint32_t lut) {
  std::uint32_t result = 0;
  for (std::uint32_t k = 0; k < 8; ++k) {
    const std::uint32_t row = (k & 4 ? a : ~a) & (k & 2 ? b : ~b) & (k & 1 ? c : ~c);
    result |= row & (0u - ((lut >> k) & 1u));
  }
  return result;
}

// Bits [0, length) set; a length of the width or more gives all ones.
template <std::integral U>
constexpr U low_ones(std::uint32_t length) {
  return length >= kBits<U> ? static_cast<U>(~U{0})
                            : static_cast<U>((U{1} << (length & (kBits<U> - 1))) - 1);
}

// bfe: T of 32 or 64 bits; position and length are taken modulo 256. Signed extraction fills with
// the field's top bit, or with the sign bit of a where the field runs over the end.
template <std::integral T>
constexpr T bfe(T a, std::uint32_t position, std::uint32_t length) {
  using U = Unsigned<T>;
  constexpr std::uint32_t msb = kBits<T> - 1;
  const std::uint32_t pos = position & 0xff;
  const std::uint32_t len = length & 0xff;
  const U field = shr<U>(static_cast<U>(a), pos) & low_ones<U>(len);
  if constexpr (std::is_signed_v<T>) {
    const std::uint32_t top = pos + len > msb + 1 ? msb : pos + len - 1;  // unused when len is 0
    const U sign = len == 0 ? U{0} : static_cast<U>(shr<U>(static_cast<U>(a), top & msb) & 1);
    const std::uint32_t present = pos > msb ? 0 : (len < msb + 1 - pos ? len : msb + 1 - pos);
    const U fill = static_cast<U>(U{0} - sign) & static_cast<U>(~low_ones<U>(present));
    return static_cast<T>(field | fill);
  } else {
    return field;
  }
}

// bfi: the low `length` bits of a replace bits [position, position + length) of b.
template <std::integral U>
constexpr U bfi(U a, U b, std::uint32_t position, std::uint32_t length) {
  const std::uint32_t pos = position & 0xff;
  const U mask = shl<U>(low_ones<U>(length & 0xff), pos);
  return static_cast<U>((b & static_cast<U>(~mask)) | (shl<U>(a, pos) & mask));
}

// bmsk.{clamp,wrap}.b32
constexpr std::uint32_t bmsk_clamp(std::uint32_t position, std::uint32_t width) {
  return shl<std::uint32_t>(low_ones<std::uint32_t>(width), position);
}
constexpr std::uint32_t bmsk_wrap(std::uint32_t position, std::uint32_t width) {
  return low_ones<std::uint32_t>(width & 31) << (position & 31);
}

// szext.{clamp,wrap}: sign or zero extends the low `width` bits; a width of zero gives zero.
template <std::integral T>
constexpr T szext(T a, std::uint32_t width) {
  const std::uint32_t keep = width < 32 ? width : 32;
  const std::uint32_t field = static_cast<std::uint32_t>(a) & low_ones<std::uint32_t>(keep);
  if constexpr (std::is_signed_v<T>) {
    const std::uint32_t sign = keep == 0 ? 0 : (field >> (keep - 1)) & 1;
    return static_cast<T>(field | ((0u - sign) & ~low_ones<std::uint32_t>(keep)));
  } else {
    return field;
  }
}

// Counts return a u32 whatever the operand's width; clz(0) is the width.
template <std::integral U>
constexpr std::uint32_t popc(U a) {
  return static_cast<std::uint32_t>(std::popcount(a));
}
template <std::integral U>
constexpr std::uint32_t clz(U a) {
  return static_cast<std::uint32_t>(std::countl_zero(a));
}

// brev: bit reversal of 32 or 64 bits.
constexpr std::uint32_t brev(std::uint32_t x) {
  x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
  x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
  x = ((x >> 4) & 0x0f0f0f0fu) | ((x & 0x0f0f0f0fu) << 4);
  x = ((x >> 8) & 0x00ff00ffu) | ((x & 0x00ff00ffu) << 8);
  return (x >> 16) | (x << 16);
}
constexpr std::uint64_t brev(std::uint64_t x) {
  return pair64(brev(static_cast<std::uint32_t>(x >> 32)), brev(static_cast<std::uint32_t>(x)));
}

// bfind: the most significant non-sign bit (signed) or one bit (unsigned), 0xffffffff if none;
// bfind.shiftamt: how far to shift left to bring it to the top.
template <std::integral T>
constexpr std::uint32_t bfind(T a) {
  using U = Unsigned<T>;
  U x = static_cast<U>(a);
  if constexpr (std::is_signed_v<T>) x = a < 0 ? static_cast<U>(~x) : x;
  return kBits<U> - 1 - clz<U>(x);
}
template <std::integral T>
constexpr std::uint32_t bfind_shiftamt(T a) {
  const std::uint32_t bit = bfind<T>(a);
  return bit == 0xffffffffu ? bit : kBits<T> - 1 - bit;
}

// fns.b32: the position of the offset-th set bit of mask from base on (offset > 0 upwards, < 0
// downwards, 0: base itself), 0xffffffff if there is none.
constexpr std::uint32_t fns(std::uint32_t mask, std::uint32_t base, std::int32_t offset) {
  if (base > 31) return 0xffffffffu;
  if (offset == 0) return (mask >> base) & 1 ? base : 0xffffffffu;
  const std::int64_t wanted = offset > 0 ? offset : -static_cast<std::int64_t>(offset);
  const std::int32_t step = offset > 0 ? 1 : -1;
  std::int64_t found = 0;
  for (std::int32_t bit = static_cast<std::int32_t>(base); bit >= 0 && bit < 32; bit += step) {
    if ((mask >> bit) & 1 && ++found == wanted) return static_cast<std::uint32_t>(bit);
  }
  return 0xffffffffu;
}

// prmt.b32: bytes 0-3 are a, 4-7 are b; a selector nibble's bit 3 replicates the byte's sign.
constexpr std::uint32_t prmt(std::uint32_t a, std::uint32_t b, std::uint32_t selector) {
  const std::uint64_t source = pair64(a, b);
  std::uint32_t result = 0;
  for (std::uint32_t i = 0; i < 4; ++i) {
    const std::uint32_t nibble = (selector >> (4 * i)) & 0xf;
    const std::uint32_t byte = static_cast<std::uint32_t>(source >> (8 * (nibble & 7))) & 0xff;
    const std::uint32_t sign = 0u - (byte >> 7);
    result |= ((nibble & 8 ? sign : byte) & 0xff) << (8 * i);
  }
  return result;
}

// The special modes of prmt; each reads the two low bits of c.
enum class PrmtMode { f4e, b4e, rc8, ecl, ecr, rc16 };

constexpr std::uint32_t prmt_selector(PrmtMode mode, std::uint32_t c) {
  const std::uint32_t n = c & 3;
  std::uint32_t selector = 0;
  for (std::uint32_t i = 0; i < 4; ++i) {
    std::uint32_t byte = 0;
    switch (mode) {
      case PrmtMode::f4e:
        byte = n + i;
        break;
      case PrmtMode::b4e:
        byte = (n - i) & 7;
        break;
      case PrmtMode::rc8:
        byte = n;
        break;
      case PrmtMode::ecl:
        byte = i > n ? i : n;
        break;
      case PrmtMode::ecr:
        byte = i < n ? i : n;
        break;
      case PrmtMode::rc16:
        byte = (n & 1) * 2 + (i & 1);
        break;
    }
    selector |= byte << (4 * i);
  }
  return selector;
}
constexpr std::uint32_t prmt(PrmtMode mode, std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  return prmt(a, b, prmt_selector(mode, c));
}

// dp4a.{s32,u32}.{s32,u32}: A and B are int8_t or uint8_t; the sum wraps.
template <class A, class B>
constexpr std::uint32_t dp4a(std::uint32_t a, std::uint32_t b, std::uint32_t c) {
  std::uint32_t sum = c;
  for (unsigned i = 0; i < 4; ++i) {
    const std::int32_t x = static_cast<A>(a >> (8 * i));
    const std::int32_t y = static_cast<B>(b >> (8 * i));
    sum += static_cast<std::uint32_t>(x * y);
  }
  return sum;
}
// dp2a.{lo,hi}: A is int16_t or uint16_t, B is int8_t or uint8_t; hi uses bytes 2 and 3 of b.
template <class A, class B>
constexpr std::uint32_t dp2a(std::uint32_t a, std::uint32_t b, std::uint32_t c, bool high) {
  std::uint32_t sum = c;
  for (unsigned i = 0; i < 2; ++i) {
    const std::int32_t x = static_cast<A>(a >> (16 * i));
    const std::int32_t y = static_cast<B>(b >> (8 * i + (high ? 16 : 0)));
    sum += static_cast<std::uint32_t>(x * y);
  }
  return sum;
}

}  // namespace mtmc::emulator::numeric
