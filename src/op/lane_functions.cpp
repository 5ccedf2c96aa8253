// Scalar functions over lanes in float64, with first-order forward errors: an operand's error is
// scaled by the derivative, the operation itself adds one unit of the result (two for the
// transcendental ones, which GPUs compute to within two units). Where an operand's error reaches
// over a step (floor, comparison, sign, remainder), the step's height is the error.
#include <algorithm>
#include <cmath>
#include <limits>

#include "op/lane_program.hpp"

namespace mtmc::op {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// An error only has meaning beside a finite value; unknown becomes "any".
double settled(double value, double error) {
  if (!std::isfinite(value)) return 0;
  return std::isnan(error) ? kInfinity : error;
}

template <class F>
void each(std::size_t count, const double* a, const double* ea, double* r, double* er, F f) {
  if (!er) {
    double ignored = 0;
    for (std::size_t k = 0; k < count; ++k) f(a[k], 0.0, r[k], ignored);
    return;
  }
  for (std::size_t k = 0; k < count; ++k) {
    f(a[k], ea ? ea[k] : 0.0, r[k], er[k]);
    er[k] = settled(r[k], er[k]);
  }
}

template <class F>
void each(std::size_t count, const double* a, const double* ea, const double* b, const double* eb,
          double* r, double* er, F f) {
  if (!er) {
    double ignored = 0;
    for (std::size_t k = 0; k < count; ++k) f(a[k], 0.0, b[k], 0.0, r[k], ignored);
    return;
  }
  for (std::size_t k = 0; k < count; ++k) {
    f(a[k], ea ? ea[k] : 0.0, b[k], eb ? eb[k] : 0.0, r[k], er[k]);
    er[k] = settled(r[k], er[k]);
  }
}

// 0 * infinity is no error when the error is 0.
double scaled(double factor, double error) { return error == 0 ? 0 : std::fabs(factor) * error; }

template <double (*step)(double)>
void rounding(double x, double e, double& r, double& er) {
  r = step(x);
  er = e == 0 ? 0 : std::max(std::fabs(step(x - e) - r), std::fabs(step(x + e) - r));
}

double floor_of(double x) { return std::floor(x); }
double ceil_of(double x) { return std::ceil(x); }
double round_of(double x) { return std::nearbyint(x); }
double trunc_of(double x) { return std::trunc(x); }
double sign_of(double x) { return std::isnan(x) ? x : static_cast<double>((x > 0) - (x < 0)); }

// Python's: the result has the divisor's sign.
double remainder_of(double a, double b) {
  const double m = std::fmod(a, b);
  return m != 0 && (m < 0) != (b < 0) ? m + b : m;
}
double floor_quotient(double a, double b) {
  if (b == 0) return a / b;
  const double m = remainder_of(a, b);
  const double q = (a - m) / b;
  return std::isfinite(q) ? std::nearbyint(q) : std::floor(a / b);
}

template <class Compare>
void compared(double a, double ea, double b, double eb, double& r, double& er, Compare compare) {
  r = compare(a, b);
  er = ea + eb > 0 && std::fabs(a - b) <= ea + eb ? 1 : 0;
}

}  // namespace

bool is_exact_function(Function f) {
  switch (f) {
    case Function::neg:
    case Function::abs:
    case Function::floor:
    case Function::ceil:
    case Function::round:
    case Function::trunc:
    case Function::sign:
    case Function::logical_not:
    case Function::is_nan:
    case Function::max:
    case Function::min:
    case Function::equal:
    case Function::not_equal:
    case Function::less:
    case Function::less_equal:
    case Function::greater:
    case Function::greater_equal:
    case Function::logical_and:
    case Function::logical_or:
      return true;
    default:
      return false;
  }
}

void apply_unary(Function f, std::size_t count, double u, const double* a, const double* ea,
                 double* r, double* er) {
  const auto run = [&](auto g) { each(count, a, ea, r, er, g); };
  switch (f) {
    case Function::neg:
      return run([](double x, double e, double& y, double& ey) {
        y = -x;
        ey = e;
      });
    case Function::abs:
      return run([](double x, double e, double& y, double& ey) {
        y = std::fabs(x);
        ey = e;
      });
    case Function::exp:
      return run([u](double x, double e, double& y, double& ey) {
        y = std::exp(x);
        ey = scaled(y, e) + 2 * u * y;
      });
    case Function::log:
      return run([u](double x, double e, double& y, double& ey) {
        y = std::log(x);
        ey = scaled(1 / x, e) + 2 * u * std::fabs(y);
      });
    case Function::log1p:
      return run([u](double x, double e, double& y, double& ey) {
        y = std::log1p(x);
        ey = scaled(1 / (1 + x), e) + 2 * u * std::fabs(y);
      });
    case Function::expm1:
      return run([u](double x, double e, double& y, double& ey) {
        y = std::expm1(x);
        ey = scaled(y + 1, e) + 2 * u * std::fabs(y);
      });
    case Function::sqrt:
      return run([u](double x, double e, double& y, double& ey) {
        y = std::sqrt(x);
        ey = (e == 0 ? 0 : std::min(e / (2 * y), std::sqrt(e))) + u * y;
      });
    case Function::rsqrt:
      return run([u](double x, double e, double& y, double& ey) {
        y = 1 / std::sqrt(x);
        ey = scaled(y / (2 * x), e) + 2 * u * y;
      });
    case Function::reciprocal:
      return run([u](double x, double e, double& y, double& ey) {
        y = 1 / x;
        ey = scaled(y * y, e) + u * std::fabs(y);
      });
    case Function::sin:
      return run([u](double x, double e, double& y, double& ey) {
        y = std::sin(x);
        ey = scaled(std::cos(x), e) + 2 * u * std::fabs(y);
      });
    case Function::cos:
      return run([u](double x, double e, double& y, double& ey) {
        y = std::cos(x);
        ey = scaled(std::sin(x), e) + 2 * u * std::fabs(y);
      });
    case Function::tanh:
      return run([u](double x, double e, double& y, double& ey) {
        y = std::tanh(x);
        ey = scaled(1 - y * y, e) + 2 * u * std::fabs(y);
      });
    case Function::erf:
      return run([u](double x, double e, double& y, double& ey) {
        y = std::erf(x);
        ey = (e == 0 ? 0 : 1.1283791670955126 * std::exp(-x * x) * e) + 2 * u * std::fabs(y);
      });
    case Function::floor:
      return run(rounding<floor_of>);
    case Function::ceil:
      return run(rounding<ceil_of>);
    case Function::round:
      return run(rounding<round_of>);
    case Function::trunc:
      return run(rounding<trunc_of>);
    case Function::sign:
      return run(rounding<sign_of>);
    case Function::logical_not:
      return run([](double x, double e, double& y, double& ey) {
        y = x == 0;
        ey = e > 0 && std::fabs(x) <= e ? 1 : 0;
      });
    case Function::is_nan:
      return run([](double x, double, double& y, double& ey) {
        y = std::isnan(x);
        ey = 0;
      });
    default:
      return;
  }
}

void apply_binary(Function f, std::size_t count, double u, const double* a, const double* ea,
                  const double* b, const double* eb, double* r, double* er) {
  const auto run = [&](auto g) { each(count, a, ea, b, eb, r, er, g); };
  using D = double;
  switch (f) {
    case Function::add:
      return run([u](D x, D ex, D y, D ey, D& z, D& ez) {
        z = x + y;
        ez = ex + ey + u * std::fabs(z);
      });
    case Function::sub:
      return run([u](D x, D ex, D y, D ey, D& z, D& ez) {
        z = x - y;
        ez = ex + ey + u * std::fabs(z);
      });
    case Function::mul:
      return run([u](D x, D ex, D y, D ey, D& z, D& ez) {
        z = x * y;
        ez = scaled(y, ex) + scaled(x, ey) + u * std::fabs(z);
      });
    case Function::div:
      return run([u](D x, D ex, D y, D ey, D& z, D& ez) {
        z = x / y;
        ez = scaled(1 / y, ex) + scaled(z / y, ey) + u * std::fabs(z);
      });
    case Function::floor_div:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        z = floor_quotient(x, y);
        const D spread = scaled(1 / y, ex) + scaled(x / y / y, ey);
        ez = spread == 0 ? 0
                         : std::max(std::fabs(std::floor(x / y + spread) - z),
                                    std::fabs(std::floor(x / y - spread) - z));
      });
    case Function::mod:
      return run([u](D x, D ex, D y, D ey, D& z, D& ez) {
        z = remainder_of(x, y);
        const D spread = ex + scaled(std::floor(x / y), ey);
        const bool may_wrap = spread > 0 && (std::fabs(z) <= spread || std::fabs(y - z) <= spread);
        ez = (may_wrap ? std::fabs(y) : spread) + u * std::fabs(z);
      });
    case Function::pow:
      return run([u](D x, D ex, D y, D ey, D& z, D& ez) {
        z = std::pow(x, y);
        ez = scaled(y * std::pow(x, y - 1), ex) +
             (ey == 0 ? 0 : std::fabs(z * std::log(std::fabs(x))) * ey) + 4 * u * std::fabs(z);
      });
    case Function::max:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        z = std::isnan(x) ? x : std::isnan(y) ? y : x < y ? y : x;
        ez = std::max(std::max(x + ex, y + ey) - z, x < y ? ey : ex);
      });
    case Function::min:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        z = std::isnan(x) ? x : std::isnan(y) ? y : y < x ? y : x;
        ez = std::max(z - std::min(x - ex, y - ey), y < x ? ey : ex);
      });
    case Function::equal:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        compared(x, ex, y, ey, z, ez, std::equal_to<D>{});
      });
    case Function::not_equal:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        compared(x, ex, y, ey, z, ez, std::not_equal_to<D>{});
      });
    case Function::less:
      return run(
          [](D x, D ex, D y, D ey, D& z, D& ez) { compared(x, ex, y, ey, z, ez, std::less<D>{}); });
    case Function::less_equal:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        compared(x, ex, y, ey, z, ez, std::less_equal<D>{});
      });
    case Function::greater:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        compared(x, ex, y, ey, z, ez, std::greater<D>{});
      });
    case Function::greater_equal:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        compared(x, ex, y, ey, z, ez, std::greater_equal<D>{});
      });
    case Function::logical_and:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        z = x != 0 && y != 0;
        ez = (ex > 0 && std::fabs(x) <= ex) || (ey > 0 && std::fabs(y) <= ey) ? 1 : 0;
      });
    case Function::logical_or:
      return run([](D x, D ex, D y, D ey, D& z, D& ez) {
        z = x != 0 || y != 0;
        ez = (ex > 0 && std::fabs(x) <= ex) || (ey > 0 && std::fabs(y) <= ey) ? 1 : 0;
      });
    default:
      return;
  }
}

}  // namespace mtmc::op
