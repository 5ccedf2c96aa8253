// numeric*.hpp against slow_model.hpp, against the processor's own rounding modes, and against
// bit-by-bit restatements of the PTX pseudo code.
#include "emulator/numeric.hpp"

#include <catch2/catch.hpp>
#include <cfenv>

#include "base/rng.hpp"
#include "emulator/slow_model.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::numeric;
using slow::Mode;
using slow::Quad;

namespace {

std::uint64_t draw(std::uint64_t stream, std::uint64_t i) {
  return mtmc::random_bits(1, stream, i);
}

// Random bits of which every fourth is one of the hard values.
std::uint32_t draw_f32(std::uint64_t stream, std::uint64_t i) {
  static const std::vector<std::uint32_t> kHard = slow::hard_f32();
  const std::uint64_t bits = draw(stream, i);
  return (bits >> 62) == 0 ? kHard[(bits >> 8) % kHard.size()] : static_cast<std::uint32_t>(bits);
}

bool is_nan_bits(std::uint32_t bits) { return (bits & 0x7fffffffu) > 0x7f800000u; }
bool is_inf_bits(std::uint32_t bits) { return (bits & 0x7fffffffu) == 0x7f800000u; }

// A narrowing conversion of f32 against the slow model. max_code: what overflow to infinity
// becomes.
template <class Convert>
void check_narrowing(const slow::Format& f, int exponent_bits, Mode mode, std::uint32_t nan,
                     std::uint32_t infinity, bool saturating, Convert convert) {
  const std::uint32_t sign_bit = 1u << (f.mantissa + exponent_bits);
  const std::uint32_t largest = slow::encode(f.largest, f, exponent_bits, false);
  const auto check = [&](std::uint32_t bits) {
    const bool negative = bits >> 31 != 0;
    const float x = f32_of(bits);
    std::uint32_t expected;
    if (is_nan_bits(bits)) {
      expected = nan;
    } else {
      const Quad rounded =
          is_inf_bits(bits) ? Quad(x) : slow::round_to(static_cast<Quad>(x), f, mode);
      const bool overflow = (rounded < 0 ? -rounded : rounded) > f.largest;
      const std::uint32_t magnitude = overflow ? (saturating ? largest : infinity)
                                               : slow::encode(rounded, f, exponent_bits, false);
      expected = magnitude | (negative ? sign_bit : 0);
    }
    const auto got = static_cast<std::uint32_t>(convert(x));
    if (got != expected) {
      CAPTURE(bits, expected, got, static_cast<int>(mode));
      REQUIRE(got == expected);
    }
  };
  for (std::uint32_t bits : slow::hard_f32()) check(bits);
  for (std::uint64_t i = 0; i < 60000; ++i) check(static_cast<std::uint32_t>(draw(1, i)));
  // Every value of the format (every 7th of the large ones), its upper neighbour's midpoint, and
  // the f32 next to each.
  const std::uint32_t count = sign_bit <= 0x80u ? 1 : 7;
  for (std::uint32_t code = 0; code <= largest; code += count) {
    const auto value = static_cast<double>(slow::decode(code, f, exponent_bits));
    const int exponent = value == 0 ? f.least : std::max(f.least, std::ilogb(value));
    const double half = std::ldexp(1.0, exponent - f.mantissa - 1);
    for (double center : {value, value + half}) {
      const std::uint32_t bits = bits_of(static_cast<float>(center));
      for (std::uint32_t step : {0u, 1u, ~0u}) {
        check((bits + step) & 0x7fffffffu);
        check(bits + step | 0x80000000u);
      }
    }
  }
  REQUIRE(largest > 0);
}

}  // namespace

TEST_CASE("every half, bfloat and fp8 widens exactly", "[numeric]") {
  const slow::Format half = slow::format(10, 5), brain = slow::format(7, 8),
                     e5m2 = slow::format(2, 5);
  for (std::uint32_t code = 0; code < 65536; ++code) {
    const auto h = static_cast<std::uint16_t>(code);
    const std::uint32_t magnitude = code & 0x7fffu;
    const std::uint32_t got = bits_of(f16_to_f32(h)), got_brain = bits_of(bf16_to_f32(h));
    const std::uint32_t sign = code >> 15 << 31;
    const auto expected = [&](std::uint32_t inf, const slow::Format& f, int exponent_bits) {
      if (magnitude > inf) return kNanF32;
      if (magnitude == inf) return 0x7f800000u | sign;
      return bits_of(static_cast<float>(slow::decode(magnitude, f, exponent_bits))) | sign;
    };
    if (got != expected(0x7c00u, half, 5)) REQUIRE(code == 0x10000u);
    if (got_brain != expected(0x7f80u, brain, 8)) REQUIRE(code == 0x10000u);
    if (magnitude <= 0x7c00u && f32_to_f16(f16_to_f32(h)) != h) REQUIRE(code == 0x10000u);
    if (magnitude <= 0x7f80u && f32_to_bf16(bf16_to_f32(h)) != h) REQUIRE(code == 0x10000u);
  }
  for (std::uint32_t code = 0; code < 256; ++code) {
    CAPTURE(code);
    const auto b = static_cast<std::uint8_t>(code);
    const std::uint32_t magnitude = code & 0x7fu, sign = code >> 7 << 15;
    const auto as_half = [&](const slow::Format& f, int exponent_bits) {
      return slow::encode(slow::decode(magnitude, f, exponent_bits), half, 5, false) | sign;
    };
    REQUIRE(small_to_f16<E4m3>(b) == (magnitude == 0x7f ? kNanF16 : as_half(slow::e4m3_format(), 4)));
    REQUIRE(small_to_f16<E5m2>(b) == (magnitude > 0x7c    ? kNanF16
                               : magnitude == 0x7c ? kInfF16 | sign
                                                   : as_half(e5m2, 5)));
    if (magnitude < 0x7f) REQUIRE(f32_to_small<E4m3>(f16_to_f32(small_to_f16<E4m3>(b))) == b);
    if (magnitude < 0x7c) REQUIRE(f32_to_small<E5m2>(f16_to_f32(small_to_f16<E5m2>(b))) == b);
  }
}

TEST_CASE("narrowing from f32 rounds once in every mode", "[numeric]") {
  using R = Rounding;
  const slow::Format half = slow::format(10, 5), brain = slow::format(7, 8),
                     tf32 = slow::format(10, 8);
  const auto f16 = [&](Mode mode, auto convert) {
    check_narrowing(half, 5, mode, kNanF16, kInfF16, false, convert);
  };
  f16(Mode::nearest_even, [](float x) { return f32_to_f16<R::nearest_even>(x); });
  f16(Mode::toward_zero, [](float x) { return f32_to_f16<R::toward_zero>(x); });
  f16(Mode::down, [](float x) { return f32_to_f16<R::down>(x); });
  f16(Mode::up, [](float x) { return f32_to_f16<R::up>(x); });
  const auto bf16 = [&](Mode mode, auto convert) {
    check_narrowing(brain, 8, mode, kNanF16, kInfBf16, false, convert);
  };
  bf16(Mode::nearest_even, [](float x) { return f32_to_bf16<R::nearest_even>(x); });
  bf16(Mode::toward_zero, [](float x) { return f32_to_bf16<R::toward_zero>(x); });
  bf16(Mode::down, [](float x) { return f32_to_bf16<R::down>(x); });
  bf16(Mode::up, [](float x) { return f32_to_bf16<R::up>(x); });
  const auto to_tf32 = [&](Mode mode, auto convert) {  // compared in its own 19 bits
    check_narrowing(tf32, 8, mode, kNanF32 >> 13, 0x3fc00u, false,
                    [&](float x) { return convert(x) >> 13; });
  };
  to_tf32(Mode::nearest_away, [](float x) { return f32_to_tf32<R::nearest_away>(x); });
  to_tf32(Mode::nearest_even, [](float x) { return f32_to_tf32<R::nearest_even>(x); });
  to_tf32(Mode::toward_zero, [](float x) { return f32_to_tf32<R::toward_zero>(x); });
  check_narrowing(slow::e4m3_format(), 4, Mode::nearest_even, 0x7f, 0, true, f32_to_small<E4m3>);
  check_narrowing(slow::format(2, 5), 5, Mode::nearest_even, 0x7f, 0, true, f32_to_small<E5m2>);
  check_narrowing(half, 5, Mode::nearest_even, kNanF16, 0, true,
                  [](float x) { return satfinite_f16(f32_to_f16(x)); });
  check_narrowing(brain, 8, Mode::nearest_even, kNanF16, 0, true,
                  [](float x) { return satfinite_bf16(f32_to_bf16(x)); });
}

TEST_CASE("narrowing from f64 rounds once", "[numeric]") {
  using R = Rounding;
  const slow::Format single = slow::format(23, 8), half = slow::format(10, 5),
                     brain = slow::format(7, 8);
  for (std::uint64_t i = 0; i < 60000; ++i) {
    // A value near a midpoint of f32, f16 or bf16, disturbed far below, or anything.
    const int exponent = static_cast<int>(draw(2, i) % 320) - 180;
    const std::uint64_t shape = draw(3, i);
    const int bits = (shape & 3) == 0 ? 24 : (shape & 3) == 1 ? 11 : (shape & 3) == 2 ? 8 : 52;
    double x =
        std::ldexp(static_cast<double>((shape >> 12 & ((1ull << bits) - 1)) | 1), exponent - bits);
    if (shape & 4) x *= 1.0 + 0x1p-52;
    if (shape & 8) x = -x;
    const Quad exact = x;
    CAPTURE(x);
    const auto expected_f32 = [&](Mode m) {
      return slow::encode(slow::round_to(exact, single, m), single, 8, x < 0);
    };
    CHECK(bits_of(f64_to_f32<R::nearest_even>(x)) == expected_f32(Mode::nearest_even));
    CHECK(bits_of(f64_to_f32<R::toward_zero>(x)) == expected_f32(Mode::toward_zero));
    CHECK(bits_of(f64_to_f32<R::down>(x)) == expected_f32(Mode::down));
    CHECK(bits_of(f64_to_f32<R::up>(x)) == expected_f32(Mode::up));
    REQUIRE(f64_to_f16(x) ==
            slow::encode(slow::round_to(exact, half, Mode::nearest_even), half, 5, x < 0));
    REQUIRE(f64_to_bf16(x) ==
            slow::encode(slow::round_to(exact, brain, Mode::nearest_even), brain, 8, x < 0));
  }
  CHECK(bits_of(f64_to_f32<R::down>(std::nan(""))) == kNanF32);
  CHECK(f64_to_f16(HUGE_VAL) == kInfF16);
}

namespace {

template <class Int, Rounding R, class F>
void check_to_integer(Mode mode) {
  const auto check = [&](F x) {
    __int128 expected;
    if (x != x) {
      const bool top = sizeof(F) == 8 || sizeof(Int) == 8;
      expected = static_cast<Int>(top ? std::uint64_t{1} << (sizeof(Int) * 8 - 1) : 0);
    } else {
      const __int128 least = std::numeric_limits<Int>::min(),
                     most = std::numeric_limits<Int>::max();
      const Quad magnitude = x < 0 ? -Quad(x) : Quad(x);
      if (magnitude > Quad(1e30)) {
        expected = x < 0 ? least : most;
      } else {
        const auto whole = static_cast<__int128>(slow::round_units(magnitude, x < 0, mode));
        expected = std::min(most, std::max(least, x < 0 ? -whole : whole));
      }
    }
    if (float_to_int<Int, R>(x) != static_cast<Int>(expected)) {
      CAPTURE(x, sizeof(Int), static_cast<int>(mode));
      REQUIRE(float_to_int<Int, R>(x) == static_cast<Int>(expected));
    }
  };
  for (std::uint32_t bits : slow::hard_f32()) check(static_cast<F>(f32_of(bits)));
  for (std::uint64_t i = 0; i < 4000; ++i) {
    const std::uint64_t bits = draw(4, i);
    check(static_cast<F>(f32_of(static_cast<std::uint32_t>(bits))));
    check(static_cast<F>(std::ldexp(static_cast<double>(static_cast<std::int64_t>(bits)),
                                    -static_cast<int>(draw(5, i) % 64))));
  }
}

template <class Int>
void check_integer_width() {
  check_to_integer<Int, Rounding::nearest_even, float>(Mode::nearest_even);
  check_to_integer<Int, Rounding::toward_zero, float>(Mode::toward_zero);
  check_to_integer<Int, Rounding::down, float>(Mode::down);
  check_to_integer<Int, Rounding::up, float>(Mode::up);
  check_to_integer<Int, Rounding::nearest_even, double>(Mode::nearest_even);
  check_to_integer<Int, Rounding::toward_zero, double>(Mode::toward_zero);
  check_to_integer<Int, Rounding::down, double>(Mode::down);
  check_to_integer<Int, Rounding::up, double>(Mode::up);
}

template <class Int, Rounding R>
void check_from_integer(Mode mode) {
  const slow::Format single = slow::format(23, 8), half = slow::format(10, 5),
                     brain = slow::format(7, 8);
  const slow::Format twice{52, -1022, 1023, Quad(std::numeric_limits<double>::max())};
  for (std::uint64_t i = 0; i < 6000; ++i) {
    std::uint64_t bits = draw(6, i) >> (draw(7, i) % 64);
    if (i % 3 == 0) bits = (std::uint64_t{1} << (i % 64)) + (i / 64 % 5) - 2;
    if (i % 3 == 1) bits = ~bits;
    const auto x = static_cast<Int>(bits);
    const bool negative = std::cmp_less(x, 0);
    CAPTURE(x, static_cast<int>(mode));
    const Quad exact = x;
    REQUIRE(bits_of(int_to_f32<R>(x)) ==
            slow::encode(slow::round_to(exact, single, mode), single, 8, negative));
    REQUIRE(static_cast<Quad>(int_to_f64<R>(x)) == slow::round_to(exact, twice, mode));
    REQUIRE(int_to_f16<R>(x) == slow::encode(slow::round_to(exact, half, mode), half, 5, negative));
    REQUIRE(int_to_bf16<R>(x) ==
            slow::encode(slow::round_to(exact, brain, mode), brain, 8, negative));
  }
}

template <class Int>
void check_from_integer_modes() {
  check_from_integer<Int, Rounding::nearest_even>(Mode::nearest_even);
  check_from_integer<Int, Rounding::toward_zero>(Mode::toward_zero);
  check_from_integer<Int, Rounding::down>(Mode::down);
  check_from_integer<Int, Rounding::up>(Mode::up);
}

}  // namespace

TEST_CASE("float to integer rounds, clamps and maps NaN", "[numeric]") {
  check_integer_width<std::int8_t>();
  check_integer_width<std::uint8_t>();
  check_integer_width<std::int16_t>();
  check_integer_width<std::uint16_t>();
  check_integer_width<std::int32_t>();
  check_integer_width<std::uint32_t>();
  check_integer_width<std::int64_t>();
  check_integer_width<std::uint64_t>();
  CHECK(bits_of(round_integral<Rounding::nearest_even>(-0.5f)) == 0x80000000u);
  CHECK(round_integral<Rounding::nearest_even>(2.5) == 2.0);
  CHECK(bits_of(round_integral<Rounding::down>(f32_of(0x7f800001u))) == kNanF32);
}

TEST_CASE("integer to float rounds once in every mode", "[numeric]") {
  check_from_integer_modes<std::int8_t>();
  check_from_integer_modes<std::uint16_t>();
  check_from_integer_modes<std::int32_t>();
  check_from_integer_modes<std::uint32_t>();
  check_from_integer_modes<std::int64_t>();
  check_from_integer_modes<std::uint64_t>();
  CHECK(saturate_to<std::uint8_t>(std::int32_t{-5}) == 0);
  CHECK(saturate_to<std::int8_t>(std::uint64_t{1} << 63) == 127);
  CHECK(saturate_to<std::int32_t>(std::int64_t{-3000000000}) ==
        std::numeric_limits<std::int32_t>::min());
}

namespace {

struct HardwareMode {
  explicit HardwareMode(int mode) { std::fesetround(mode); }
  ~HardwareMode() { std::fesetround(FE_TONEAREST); }
};

// One operation as the processor rounds it.
template <class Operation>
std::uint32_t by_hardware(int mode, Operation operation) {
  volatile float result;
  {
    const HardwareMode scope(mode);
    result = operation();
  }
  const float value = result;
  return value != value ? kNanF32 : bits_of(value);
}

template <Rounding R>
void check_directed(int mode) {
  for (std::uint64_t i = 0; i < 150000; ++i) {
    volatile float a = f32_of(draw_f32(10, i)), b = f32_of(draw_f32(11, i));
    volatile float c = f32_of(draw_f32(12, i));
    if (i % 4 == 1) b = -a * (1.0f + static_cast<float>(i % 3) * 0x1p-23f);  // cancellation
    if (i % 4 == 2) b = f32_of((bits_of(a) & 0xff800000u) ^ (draw_f32(11, i) & 0x80ffffffu));
    if (i % 4 == 3) c = -a * b;
    CAPTURE(bits_of(a), bits_of(b), bits_of(c), mode);
    const float x = a, y = b, z = c;
    const bool same =
        bits_of(add<R>(x, y)) == by_hardware(mode, [&] { return a + b; }) &&
        bits_of(sub<R>(x, y)) == by_hardware(mode, [&] { return a - b; }) &&
        bits_of(mul<R>(x, y)) == by_hardware(mode, [&] { return a * b; }) &&
        bits_of(fma<R>(x, y, z)) == by_hardware(mode, [&] { return std::fma(a, b, c); }) &&
        bits_of(div<R>(x, y)) == by_hardware(mode, [&] { return a / b; }) &&
        bits_of(sqrt<R>(x)) == by_hardware(mode, [&] { return __builtin_sqrtf(a); });
    if (!same) {
      CHECK(bits_of(add<R>(x, y)) == by_hardware(mode, [&] { return a + b; }));
      CHECK(bits_of(sub<R>(x, y)) == by_hardware(mode, [&] { return a - b; }));
      CHECK(bits_of(mul<R>(x, y)) == by_hardware(mode, [&] { return a * b; }));
      CHECK(bits_of(fma<R>(x, y, z)) == by_hardware(mode, [&] { return std::fma(a, b, c); }));
      CHECK(bits_of(div<R>(x, y)) == by_hardware(mode, [&] { return a / b; }));
      REQUIRE(bits_of(sqrt<R>(x)) == by_hardware(mode, [&] { return __builtin_sqrtf(a); }));
    }
  }
}

}  // namespace

TEST_CASE("f32 arithmetic in directed modes equals the processor's", "[numeric]") {
  check_directed<Rounding::nearest_even>(FE_TONEAREST);
  check_directed<Rounding::toward_zero>(FE_TOWARDZERO);
  check_directed<Rounding::down>(FE_DOWNWARD);
  check_directed<Rounding::up>(FE_UPWARD);
}

TEST_CASE("f64 directed arithmetic restores the rounding mode", "[numeric]") {
  CHECK(add_f64(Rounding::up, 1.0, 0x1p-80) == 1.0 + 0x1p-52);
  CHECK(add_f64(Rounding::down, 1.0, -0x1p-80) == 1.0 - 0x1p-53);
  CHECK(mul_f64(Rounding::toward_zero, 1e308, 10.0) == std::numeric_limits<double>::max());
  CHECK(fma_f64(Rounding::up, 1.0, 1.0, 0x1p-90) > 1.0);
  CHECK(div_f64(Rounding::down, 1.0, 3.0) < div_f64(Rounding::up, 1.0, 3.0));
  CHECK(sqrt_f64(Rounding::down, 2.0) < sqrt_f64(Rounding::up, 2.0));
  CHECK(std::fegetround() == FE_TONEAREST);
  CHECK(bits_of(rcp_approx_ftz_f64(3.0)) == (bits_of(1.0 / 3.0) & 0xffffffff00000000ull));
  CHECK(bits_of(rcp_approx_ftz_f64(f64_of(1))) == 0x7ff0000000000000ull);
}

namespace {

template <class H>
void check_half_arithmetic(const slow::Format& f, int exponent_bits, std::uint16_t infinity) {
  const auto expect = [&](Quad exact, float in_f32, std::uint16_t got) {
    // in_f32 settles the special cases: NaN, infinite operands, the sign of zero.
    if (in_f32 != in_f32) return got == kNanF16;
    if (std::isinf(in_f32) && !(exact == exact && exact - exact == 0)) {
      return got == (infinity | (in_f32 < 0 ? 0x8000u : 0u));
    }
    const bool negative = exact == 0 ? std::signbit(in_f32) : exact < 0;
    return got ==
           slow::encode(slow::round_to(exact, f, Mode::nearest_even), f, exponent_bits, negative);
  };
  for (std::uint64_t i = 0; i < 200000; ++i) {
    const std::uint64_t bits = draw(20, i);
    auto a = static_cast<std::uint16_t>(bits), b = static_cast<std::uint16_t>(bits >> 16);
    auto c = static_cast<std::uint16_t>(bits >> 32);
    if (i % 4 == 1) a = static_cast<std::uint16_t>(a & ~0x7fu), b |= 1;  // short significands: ties
    if (i % 4 == 2) c = static_cast<std::uint16_t>((c & 0x8000u) | (c % 8));  // tiny addend
    if (i % 8 == 3) c = mul<H>(a, static_cast<std::uint16_t>(b ^ 0x8000u));   // cancellation
    const float x = H::widen(a), y = H::widen(b), z = H::widen(c);
    const bool good = expect(static_cast<Quad>(x) + y, x + y, add<H>(a, b)) &&
                      expect(static_cast<Quad>(x) - y, x - y, sub<H>(a, b)) &&
                      expect(static_cast<Quad>(x) * y, x * y, mul<H>(a, b)) &&
                      expect(slow::exact_fma(x, y, z),
                             static_cast<float>(static_cast<double>(x) * y + z), fma<H>(a, b, c));
    if (!good) {
      CAPTURE(a, b, c, add<H>(a, b), sub<H>(a, b), mul<H>(a, b), fma<H>(a, b, c));
      REQUIRE(good);
    }
  }
}

}  // namespace

TEST_CASE("f16 and bf16 arithmetic rounds once", "[numeric]") {
  check_half_arithmetic<F16>(slow::format(10, 5), 5, kInfF16);
  check_half_arithmetic<Bf16>(slow::format(7, 8), 8, kInfBf16);
  CHECK(on_halves<add<F16>>(0x3c003c00u, 0x40003c00u) == 0x42004000u);
  CHECK(relu<F16>(0xbc00) == 0);
  CHECK(relu<F16>(0xfe00) == kNanF16);
  CHECK(relu<Bf16>(0x7f80) == 0x7f80);
  CHECK(saturate<F16>(0x4000) == 0x3c00);
  CHECK(flush_f16(0x83ff) == 0x8000);
}

TEST_CASE("min, max, compare and classes follow the NaN and zero rules", "[numeric]") {
  const auto hard = slow::hard_f32();
  for (std::uint32_t p : hard) {
    for (std::uint32_t q :
         {hard[p % hard.size()], 0u, 0x80000000u, 0x7fc00000u, p, p ^ 0x80000000u}) {
      const float a = f32_of(p), b = f32_of(q);
      const bool nan_a = is_nan_bits(p), nan_b = is_nan_bits(q);
      // Ordering keys: two's complement of sign and magnitude, so that -0 < +0.
      const auto key = [](std::uint32_t bits) {
        return (bits >> 31) != 0 ? -1 - static_cast<std::int64_t>(bits & 0x7fffffffu)
                                 : static_cast<std::int64_t>(bits);
      };
      std::uint32_t least = key(p) < key(q) ? p : q, most = key(p) < key(q) ? q : p;
      if (nan_a || nan_b) least = most = nan_a && nan_b ? kNanF32 : (nan_a ? q : p);
      CAPTURE(p, q);
      CHECK(bits_of(min(a, b)) == least);
      CHECK(bits_of(max(a, b)) == most);
      CHECK(bits_of(min_nan(a, b)) == (nan_a || nan_b ? kNanF32 : least));
      CHECK(bits_of(max_nan(a, b)) == (nan_a || nan_b ? kNanF32 : most));
      const bool unordered = nan_a || nan_b;
      CHECK(compare<Compare::ne>(a, b) == (!unordered && a != b));
      CHECK(compare<Compare::neu>(a, b) == (unordered || a != b));
      CHECK(compare<Compare::equ>(a, b) == (unordered || a == b));
      CHECK(compare<Compare::ltu>(a, b) == (unordered || a < b));
      CHECK(compare<Compare::geu>(a, b) == (unordered || a >= b));
      CHECK(compare<Compare::nan>(a, b) == unordered);
      CHECK(compare<Compare::num>(a, b) == !unordered);
      REQUIRE(bits_of(copysign(a, b)) == ((p & 0x80000000u) | (q & 0x7fffffffu)));
    }
  }
  CHECK(is_normal(0.0f));
  CHECK_FALSE(is_subnormal(0.0f));
  CHECK(is_subnormal(f32_of(1)));
  CHECK(bits_of(flush(f32_of(0x807fffffu))) == 0x80000000u);
  CHECK(bits_of(saturate(f32_of(0xffc00000u))) == 0u);
  CHECK(bits_of(min_xorsign_abs(-2.0f, 3.0f)) == bits_of(-2.0f));
}

namespace {

// The largest error of approx in ulps of the exact value's f32, over every 997th pattern in a
// range.
template <class Approx, class Exact>
double worst_ulp(std::uint32_t first, std::uint32_t last, Approx approx, Exact exact) {
  double worst = 0.0;
  for (std::uint64_t bits = first; bits <= last; bits += 997) {
    const float x = f32_of(static_cast<std::uint32_t>(bits));
    const long double truth = exact(static_cast<long double>(x));
    const auto nearest = static_cast<float>(truth);
    if (std::isinf(nearest)) {
      REQUIRE(approx(x) == nearest);
      continue;
    }
    const int exponent = truth == 0 ? -126 : std::max(-126, std::ilogb(static_cast<double>(truth)));
    const long double ulp = std::ldexp(1.0L, exponent - 23);
    worst = std::max(worst, static_cast<double>(std::abs(approx(x) - truth) / ulp));
  }
  return worst;
}

}  // namespace

TEST_CASE("approximations stay within their stated bounds", "[numeric]") {
  const auto exp2l_ = [](long double x) { return std::exp2(x); };
  const double ex2_positive = worst_ulp(
      0x2f800000u, 0x43000000u, [](float x) { return ex2(x); }, exp2l_);
  const double ex2_negative = worst_ulp(
      0xaf800000u, 0xc3170000u, [](float x) { return ex2(x); }, exp2l_);
  const double lg2_all = worst_ulp(
      0x00000001u, 0x7f7fffffu, [](float x) { return lg2(x); },
      [](long double x) { return std::log2(x); });
  const double tanh_all = worst_ulp(
      0x00000001u, 0x7f7fffffu, [](float x) { return tanh(x); },
      [](long double x) { return std::tanh(x); });
  const double rsqrt_all = worst_ulp(
      0x00000001u, 0x7f7fffffu, [](float x) { return rsqrt(x); },
      [](long double x) { return 1.0L / std::sqrt(x); });
  double sine_error = 0.0;
  for (std::uint64_t bits = 0x30000000u; bits < 0x49800000u; bits += 499) {  // to 2^20
    const float x = f32_of(static_cast<std::uint32_t>(bits));
    sine_error = std::max({sine_error, std::abs(double(sin(x)) - std::sin(double(x))),
                           std::abs(double(cos(-x)) - std::cos(double(x)))});
  }
  INFO("worst ulp: ex2 " << ex2_positive << " " << ex2_negative << ", lg2 " << lg2_all << ", tanh "
                         << tanh_all << ", rsqrt " << rsqrt_all << "; sin/cos absolute "
                         << sine_error);
  CHECK(ex2_positive <= 1.0);
  CHECK(ex2_negative <= 1.0);
  CHECK(lg2_all <= 1.0);
  CHECK(tanh_all <= 1.0);
  CHECK(rsqrt_all <= 1.0);
  CHECK(sine_error <= 0x1p-24);

  const float inf = f32_of(0x7f800000u), nan = f32_of(kNanF32);
  CHECK(bits_of(ex2(-inf)) == 0u);
  CHECK(ex2(inf) == inf);
  CHECK(ex2(0.0f) == 1.0f);
  CHECK(ex2(10.0f) == 1024.0f);
  CHECK(bits_of(ex2(nan)) == kNanF32);
  CHECK(lg2(0.0f) == -inf);
  CHECK(lg2(-0.0f) == -inf);
  CHECK(lg2(1.0f) == 0.0f);
  CHECK(lg2(inf) == inf);
  CHECK(bits_of(lg2(-1.0f)) == kNanF32);
  CHECK(bits_of(lg2(nan)) == kNanF32);
  CHECK(bits_of(sin(-0.0f)) == 0x80000000u);
  CHECK(bits_of(sin(inf)) == kNanF32);
  CHECK(cos(0.0f) == 1.0f);
  CHECK(std::abs(sin(1e30f)) <= 1.0f);
  CHECK(tanh(inf) == 1.0f);
  CHECK(bits_of(tanh(-0.0f)) == 0x80000000u);
  CHECK(rsqrt(-0.0f) == -inf);
  CHECK(rsqrt(inf) == 0.0f);
  CHECK(rcp_approx(-0.0f) == -inf);
  CHECK(bits_of(div_approx(-1.0f, 0x1.8p126f)) == 0x80000000u);
  CHECK(bits_of(div_approx(inf, 0x1.8p126f)) == kNanF32);
  CHECK(div_approx(6.0f, 3.0f) == 2.0f);
  CHECK(ex2<F16>(0x3c00) == 0x4000);
}
