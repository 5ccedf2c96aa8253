// numeric_integer.hpp against bit-by-bit restatements of the pseudo code in the PTX ISA.
#include "emulator/numeric_integer.hpp"

#include <catch2/catch.hpp>
#include <vector>

#include "base/rng.hpp"

namespace numeric = mtmc::emulator::numeric;
using namespace mtmc::emulator::numeric;

namespace {

std::uint64_t draw(std::uint64_t stream, std::uint64_t i) {
  const std::uint64_t bits = mtmc::random_bits(2, stream, i);
  switch (bits >> 61) {
    case 0:
      return bits % 70;
    case 1:
      return ~(bits % 70);
    case 2:
      return std::uint64_t{1} << (bits % 64);
    case 3:
      return (std::uint64_t{1} << (bits % 64)) - 1;
    default:
      return bits;
  }
}

template <class T>
T slow_bfe(T value, std::uint32_t position, std::uint32_t length) {
  using U = std::make_unsigned_t<T>;
  const auto a = static_cast<U>(value);
  const std::uint32_t msb = sizeof(T) * 8 - 1, pos = position & 0xff, len = length & 0xff;
  const auto bit = [&](std::uint32_t i) { return (a >> i) & 1; };
  const U sign = std::is_unsigned_v<T> || len == 0 ? 0 : bit(std::min(pos + len - 1, msb));
  U d = 0;
  for (std::uint32_t i = 0; i <= msb; ++i) {
    d |= (i < len && pos + i <= msb ? bit(pos + i) : sign) << i;
  }
  return static_cast<T>(d);
}

template <class U>
U slow_bfi(U a, U b, std::uint32_t position, std::uint32_t length) {
  const std::uint32_t msb = sizeof(U) * 8 - 1, pos = position & 0xff, len = length & 0xff;
  U f = b;
  for (std::uint32_t i = 0; i < len && pos + i <= msb; ++i) {
    f = (f & ~(U{1} << (pos + i))) | (((a >> i) & 1) << (pos + i));
  }
  return f;
}

template <class T>
std::uint32_t slow_bfind(T value) {
  using U = std::make_unsigned_t<T>;
  U a = static_cast<U>(value);
  if (std::is_signed_v<T> && value < 0) a = ~a;
  for (int i = sizeof(T) * 8 - 1; i >= 0; --i) {
    if ((a >> i) & 1) return static_cast<std::uint32_t>(i);
  }
  return 0xffffffffu;
}

template <class T>
void check_width() {
  using U = std::make_unsigned_t<T>;
  constexpr int kWidth = sizeof(T) * 8;
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const auto a = static_cast<T>(draw(1, i)), b = static_cast<T>(draw(2, i));
    const auto c = static_cast<T>(draw(3, i));
    const auto s = static_cast<std::uint32_t>(draw(4, i));
    CAPTURE(kWidth, std::is_signed_v<T>, a, b, c, s);
    const auto wide = [](T x) { return static_cast<__int128>(x); };
    CHECK(add(a, b) == static_cast<T>(wide(a) + wide(b)));
    CHECK(sub(a, b) == static_cast<T>(wide(a) - wide(b)));
    const auto ua = static_cast<unsigned __int128>(wide(a)),
               ub = static_cast<unsigned __int128>(wide(b));
    CHECK(mad_lo(a, b, c) == static_cast<T>(ua * ub + static_cast<unsigned __int128>(wide(c))));
    CHECK(mul_hi(a, b) ==
          static_cast<T>(
              (std::is_signed_v<T> ? static_cast<unsigned __int128>(wide(a) * wide(b)) : ua * ub) >>
              kWidth));
    CHECK(min(a, b) == (wide(a) < wide(b) ? a : b));
    CHECK(max(a, b) == (wide(a) < wide(b) ? b : a));
    const __int128 distance = wide(a) > wide(b) ? wide(a) - wide(b) : wide(b) - wide(a);
    CHECK(sad(a, b, c) == static_cast<T>(wide(c) + distance));
    if (b != 0) {
      CHECK(numeric::div(a, b) == static_cast<T>(wide(a) / wide(b)));
      CHECK(rem(a, b) == static_cast<T>(wide(a) % wide(b)));
    } else {
      CHECK(numeric::div(a, b) == static_cast<T>(-1));
      CHECK(rem(a, b) == a);
    }
    U left = static_cast<U>(a);
    T right = a;
    for (std::uint32_t k = 0; k < std::min<std::uint32_t>(s, 200); ++k) {
      left = static_cast<U>(left << 1);
      right = static_cast<T>(right >> 1);
    }
    CHECK(shl(static_cast<U>(a), s) == left);
    CHECK(shr(a, s) == right);
    if constexpr (kWidth >= 32) {
      CHECK(bfe(a, s, s >> 8) == slow_bfe(a, s, s >> 8));
      CHECK(bfe(a, s % 40, static_cast<std::uint32_t>(i % 70)) ==
            slow_bfe(a, s % 40, static_cast<std::uint32_t>(i % 70)));
      CHECK(bfi(static_cast<U>(a), static_cast<U>(b), s % 80, s >> 8) ==
            slow_bfi(static_cast<U>(a), static_cast<U>(b), s % 80, s >> 8));
      CHECK(bfind(a) == slow_bfind(a));
      const std::uint32_t found = slow_bfind(a);
      CHECK(bfind_shiftamt(a) == (found == ~0u ? found : kWidth - 1 - found));
      CHECK(clz(static_cast<U>(a)) == kWidth - 1 - slow_bfind(static_cast<U>(a)));
      U reversed = 0;
      std::uint32_t ones = 0;
      for (int k = 0; k < kWidth; ++k) {
        const U bit = (static_cast<U>(a) >> k) & 1;
        reversed |= bit << (kWidth - 1 - k);
        ones += static_cast<std::uint32_t>(bit);
      }
      CHECK(brev(static_cast<U>(a)) == reversed);
      REQUIRE(popc(static_cast<U>(a)) == ones);
    }
  }
}

}  // namespace

TEST_CASE("integer instructions of every width", "[numeric]") {
  check_width<std::int16_t>();
  check_width<std::uint16_t>();
  check_width<std::int32_t>();
  check_width<std::uint32_t>();
  check_width<std::int64_t>();
  check_width<std::uint64_t>();
  CHECK(abs(std::int32_t{-2147483647 - 1}) == -2147483647 - 1);
  CHECK(abs(std::int16_t{-5}) == 5);
  CHECK(add_sat(2147483647, 1) == 2147483647);
  CHECK(sub_sat(-2147483647, 5) == -2147483647 - 1);
  CHECK(mad_hi_sat(2147483647, 2147483647, 2147483647) == 2147483647);
  CHECK(mul24_lo(std::int32_t{0x00ffffff}, std::int32_t{2}) == -2);
  CHECK(mul24_hi(std::uint32_t{0x00ffffff}, std::uint32_t{0x00ffffff}) == 0xfffffe00u);
  CHECK(mul_wide<std::int16_t>(-300, 300) == -90000);
  CHECK(mad_wide<std::uint32_t>(0xffffffffu, 0xffffffffu, 1) == 0xfffffffe00000002ull);
}

TEST_CASE("logic, funnel shifts, permutes and dot products", "[numeric]") {
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const auto a = static_cast<std::uint32_t>(draw(5, i)),
               b = static_cast<std::uint32_t>(draw(6, i));
    const auto c = static_cast<std::uint32_t>(draw(7, i));
    CAPTURE(a, b, c);
    std::uint32_t logic = 0, permuted = 0;
    for (int k = 0; k < 32; ++k) {
      const std::uint32_t row = (a >> k & 1) * 4 + (b >> k & 1) * 2 + (c >> k & 1);
      logic |= ((i >> row) & 1) << k;
    }
    REQUIRE(lop3(a, b, c, static_cast<std::uint32_t>(i & 0xff)) == logic);
    const std::vector<std::uint32_t> bytes = {a & 255, a >> 8 & 255, a >> 16 & 255, a >> 24,
                                              b & 255, b >> 8 & 255, b >> 16 & 255, b >> 24};
    for (int k = 0; k < 4; ++k) {
      const std::uint32_t nibble = c >> (4 * k) & 15, byte = bytes[nibble & 7];
      permuted |= (nibble & 8 ? (byte & 128 ? 255 : 0) : byte) << (8 * k);
    }
    REQUIRE(prmt(a, b, c) == permuted);
    const std::uint32_t wrap = c & 31, clamp = std::min(c, 32u);
    const auto left = [&](std::uint32_t n) {
      return n == 0 ? b : n == 32 ? a : b << n | a >> (32 - n);
    };
    const auto right = [&](std::uint32_t n) {
      return n == 0 ? a : n == 32 ? b : b << (32 - n) | a >> n;
    };
    REQUIRE(shf_l_wrap(a, b, c) == left(wrap));
    REQUIRE(shf_l_clamp(a, b, c) == left(clamp));
    REQUIRE(shf_r_wrap(a, b, c) == right(wrap));
    REQUIRE(shf_r_clamp(a, b, c) == right(clamp));
    std::uint32_t dot = c;
    for (int k = 0; k < 4; ++k) {
      dot += static_cast<std::uint32_t>(static_cast<std::int8_t>(a >> 8 * k) *
                                        static_cast<int>(b >> 8 * k & 255));
    }
    REQUIRE(dp4a<std::int8_t, std::uint8_t>(a, b, c) == dot);
  }
  CHECK(dp2a<std::int16_t, std::int8_t>(0xffff0002u, 0x05030201u, 10, false) == 10u + 2 - 2);
  CHECK(dp2a<std::int16_t, std::int8_t>(0xffff0002u, 0x05030201u, 10, true) == 10u + 6 - 5);
}

TEST_CASE("special permute modes and masks as the ISA tabulates them", "[numeric]") {
  const auto selectors = [](PrmtMode mode) {
    std::vector<std::uint32_t> rows;
    for (std::uint32_t n = 0; n < 4; ++n) rows.push_back(prmt_selector(mode, n));
    return rows;
  };
  using Rows = std::vector<std::uint32_t>;
  CHECK(selectors(PrmtMode::f4e) == Rows{0x3210, 0x4321, 0x5432, 0x6543});
  CHECK(selectors(PrmtMode::b4e) == Rows{0x5670, 0x6701, 0x7012, 0x0123});
  CHECK(selectors(PrmtMode::rc8) == Rows{0x0000, 0x1111, 0x2222, 0x3333});
  CHECK(selectors(PrmtMode::ecl) == Rows{0x3210, 0x3211, 0x3222, 0x3333});
  CHECK(selectors(PrmtMode::ecr) == Rows{0x0000, 0x1110, 0x2210, 0x3210});
  CHECK(selectors(PrmtMode::rc16) == Rows{0x1010, 0x3232, 0x1010, 0x3232});
  CHECK(bmsk_clamp(4, 8) == 0xff0u);
  CHECK(bmsk_clamp(32, 8) == 0u);
  CHECK(bmsk_clamp(0, 40) == 0xffffffffu);
  CHECK(bmsk_wrap(33, 2) == 6u);
  CHECK(szext(std::int32_t{0xff}, 8) == -1);
  CHECK(szext(std::uint32_t{0xfff}, 8) == 0xffu);
  CHECK(fns(0b101100, 0, 2) == 3u);
  CHECK(fns(0b101100, 5, -2) == 3u);
  CHECK(fns(0b101100, 0, 4) == 0xffffffffu);
  CHECK(fns(0b101100, 2, 0) == 2u);
}
