// The stated error of every .approx instruction, sampled over the whole range of f32 (every 1021st
// encoding) and on every f16 and bf16, against the C library's f64 functions. Bounds are the
// table's in numeric_approx.hpp; where the PTX ISA documents one, ours must lie within it.
#include <catch2/catch.hpp>
#include <cmath>

#include "emulator/numeric.hpp"

using namespace mtmc::emulator::numeric;

namespace {

struct Errors {
  double ulps = 0, absolute = 0, relative = 0;
};

// Errors over finite normal results and finite arguments that `wanted` picks.
template <class F, class G, class W>
Errors measure(F f, G reference, W wanted) {
  Errors worst;
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 1021) {
    const float x = f32_of(static_cast<uint32_t>(bits));
    if (!std::isfinite(x) || !wanted(x)) continue;
    const double exact = reference(static_cast<double>(x));
    if (!(std::abs(exact) < 0x1.ffffffp127)) continue;  // overflow and NaN: opcode_table_test
    const double error = std::abs(static_cast<double>(f(x)) - exact);
    const double ulp = std::ldexp(1.0, std::max(-126, exact == 0 ? -126 : std::ilogb(exact)) - 23);
    worst.ulps = std::max(worst.ulps, error / ulp);
    worst.absolute = std::max(worst.absolute, error);
    if (std::abs(exact) >= 0x1p-126) {
      worst.relative = std::max(worst.relative, error / std::abs(exact));
    }
  }
  return worst;
}
const auto everywhere = [](float) { return true; };

template <class Half>
double worst_half(uint16_t (*f)(uint16_t), double (*reference)(double), int mantissa, int least) {
  double worst = 0;
  for (uint32_t code = 0; code < 0x10000; ++code) {
    const auto x = static_cast<double>(Half::widen(static_cast<uint16_t>(code)));
    if (!std::isfinite(x)) continue;
    const double exact = reference(x);
    const auto got = static_cast<double>(Half::widen(f(static_cast<uint16_t>(code))));
    if (!std::isfinite(got)) continue;
    const int exponent = std::max(least, exact == 0 ? least : std::ilogb(exact));
    worst = std::max(worst, std::abs(got - exact) / std::ldexp(1.0, exponent - mantissa));
  }
  return worst;
}

}  // namespace

TEST_CASE("approximations of f32 keep their bounds", "[numeric]") {
  const Errors e2 =
      measure([](float x) { return ex2(x); }, [](double x) { return std::exp2(x); }, everywhere);
  CHECK(e2.ulps <= 1.0);
  CHECK(e2.relative <= 0x1p-22);
  const auto log2 = [](double x) { return std::log2(x); };
  const auto positive = [](float x) { return x > 0; };
  const Errors l2 = measure([](float x) { return lg2(x); }, log2, positive);
  CHECK(l2.ulps <= 0.51);
  CHECK(measure([](float x) { return lg2(x); }, log2, [](float x) { return x > 0.5f && x < 2; })
            .absolute <= 0x1p-22);
  const Errors th =
      measure([](float x) { return tanh(x); }, [](double x) { return std::tanh(x); }, everywhere);
  CHECK(th.ulps <= 0.51);
  CHECK(th.relative <= 0x1p-11);
  const Errors reciprocal =
      measure([](float x) { return rcp_approx(x); }, [](double x) { return 1 / x; }, everywhere);
  CHECK(reciprocal.ulps <= 0.5);
  CHECK(reciprocal.relative <= 0x1p-23);
  const Errors root = measure([](float x) { return sqrt_approx(x); },
                              [](double x) { return std::sqrt(x); }, positive);
  CHECK(root.ulps <= 0.51);
  CHECK(root.relative <= 0x1p-23);
  const Errors reciprocal_root = measure([](float x) { return rsqrt(x); },
                                         [](double x) { return 1 / std::sqrt(x); }, positive);
  CHECK(reciprocal_root.ulps <= 0.51);
  CHECK(reciprocal_root.relative <= 0x1.125p-23);
}

TEST_CASE("sine and cosine keep their absolute bound", "[numeric]") {
  const auto moderate = [](float x) { return std::abs(x) <= 0x1p33f; };
  const Errors s = measure([](float x) { return mtmc::emulator::numeric::sin(x); },
                           [](double x) { return std::sin(x); }, moderate);
  const Errors c = measure([](float x) { return mtmc::emulator::numeric::cos(x); },
                           [](double x) { return std::cos(x); }, moderate);
  // The PTX ISA states 2^-20.5 in [-2 pi, 2 pi].
  CHECK(s.absolute <= 0x1p-24);
  CHECK(c.absolute <= 0x1p-24);
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += 1021) {
    const float x = f32_of(static_cast<uint32_t>(bits));
    if (std::isfinite(x) && std::abs(mtmc::emulator::numeric::sin(x)) > 1.0f) FAIL("sine of " << x);
  }
}

TEST_CASE("approximations of f16 and bf16 are the nearest values or next to them", "[numeric]") {
  const auto exp2 = [](double x) { return std::exp2(x); };
  const auto tanh_f64 = [](double x) { return std::tanh(x); };
  CHECK(worst_half<F16>(ex2<F16>, exp2, 10, -14) <= 0.51);
  CHECK(worst_half<F16>(tanh<F16>, tanh_f64, 10, -14) <= 0.51);
  CHECK(worst_half<Bf16>(ex2<Bf16>, exp2, 7, -126) <= 0.51);
  CHECK(worst_half<Bf16>(tanh<Bf16>, tanh_f64, 7, -126) <= 0.51);
}

TEST_CASE("fast quotients keep two ulp", "[numeric]") {
  double worst = 0;
  for (uint64_t i = 0; i < 2'000'000; ++i) {
    const float a = f32_of(static_cast<uint32_t>(i * 2654435761u));
    const float b = f32_of(static_cast<uint32_t>(i * 2246822519u + 7));
    const double exact = static_cast<double>(a) / b;
    if (!std::isfinite(exact) || std::abs(exact) > 0x1.fffffep127 || std::abs(b) > 0x1p126f)
      continue;
    const double ulp = std::ldexp(1.0, std::max(-126, exact == 0 ? -126 : std::ilogb(exact)) - 23);
    worst = std::max(worst, std::abs(div_approx(a, b) - exact) / ulp);
  }
  CHECK(worst <= 0.51);  // the PTX ISA states 2 for div.approx and div.full
}

TEST_CASE("gross f64 approximations keep the upper half", "[numeric]") {
  double worst_reciprocal = 0, worst_root = 0;
  for (uint64_t i = 0; i < 1'000'000; ++i) {
    const double x = f64_of((i * 0x9e3779b97f4a7c15ull) & 0x7fffffffffffffffull);
    if (!std::isfinite(x) || x < 0x1p-1000 || x > 0x1p1000) continue;
    const double r = rcp_approx_ftz_f64(x), q = rsqrt_approx_ftz_f64(x);
    if ((bits_of(r) | bits_of(q)) & 0xffffffffu) FAIL("low bits of " << x);
    worst_reciprocal = std::max(worst_reciprocal, std::abs(r * x - 1));
    worst_root = std::max(worst_root, std::abs(q * std::sqrt(x) - 1));
  }
  CHECK(worst_reciprocal <= 0x1p-20);
  CHECK(worst_root <= 0x1p-20);
}
