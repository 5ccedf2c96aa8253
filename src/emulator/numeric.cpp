// The instructions that are too rare or too awkward for lane loops: f64 arithmetic in a directed
// rounding mode, and the gross f64 approximations. Directed f64 operations let the processor round:
// the mode of the calling thread is switched around one operation, whose operands and result pass
// through volatile objects so that the compiler neither folds nor moves it.
#include "emulator/numeric.hpp"

#include <cfenv>

namespace mtmc::emulator::numeric {
namespace {

int fenv_mode(Rounding rounding) {
  switch (rounding) {
    case Rounding::toward_zero:
      return FE_TOWARDZERO;
    case Rounding::down:
      return FE_DOWNWARD;
    case Rounding::up:
      return FE_UPWARD;
    case Rounding::nearest_even:
    case Rounding::nearest_away:
      break;  // no f64 instruction rounds ties away
  }
  return FE_TONEAREST;
}

class RoundingScope {
 public:
  explicit RoundingScope(Rounding rounding) : saved_(std::fegetround()) {
    std::fesetround(fenv_mode(rounding));
  }
  ~RoundingScope() { std::fesetround(saved_); }
  RoundingScope(const RoundingScope&) = delete;
  RoundingScope& operator=(const RoundingScope&) = delete;

 private:
  int saved_;
};

// 0x7ff8000000000000: what the approximations of f64 give for NaN.
double nan_f64() { return f64_of(0x7ff8000000000000ull); }

double flush_f64(double x) {
  const std::uint64_t bits = bits_of(x);
  return (bits & 0x7ff0000000000000ull) == 0 ? f64_of(bits & 0x8000000000000000ull) : x;
}

double top_half(double x) { return f64_of(bits_of(x) & 0xffffffff00000000ull); }

}  // namespace

double add_f64(Rounding rounding, double a, double b) {
  const RoundingScope scope(rounding);
  volatile double x = a, y = b;
  volatile double result = x + y;
  return result;
}

double mul_f64(Rounding rounding, double a, double b) {
  const RoundingScope scope(rounding);
  volatile double x = a, y = b;
  volatile double result = x * y;
  return result;
}

double fma_f64(Rounding rounding, double a, double b, double c) {
  const RoundingScope scope(rounding);
  volatile double x = a, y = b, z = c;
  volatile double result = std::fma(x, y, z);
  return result;
}

double div_f64(Rounding rounding, double a, double b) {
  const RoundingScope scope(rounding);
  volatile double x = a, y = b;
  volatile double result = x / y;
  return result;
}

double sqrt_f64(Rounding rounding, double a) {
  const RoundingScope scope(rounding);
  volatile double x = a;
  volatile double result = __builtin_sqrt(x);
  return result;
}

double rcp_approx_ftz_f64(double x) {
  if (x != x) return nan_f64();
  return top_half(flush_f64(1.0 / flush_f64(x)));
}

double rsqrt_approx_ftz_f64(double x) {
  const double flushed = flush_f64(x);
  if (x != x || flushed < 0.0) return nan_f64();
  return top_half(1.0 / __builtin_sqrt(flushed));
}

}  // namespace mtmc::emulator::numeric
