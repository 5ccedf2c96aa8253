// Pointwise rows and activations against PyTorch's documented formulas.
#include <catch2/catch.hpp>
#include <cmath>

#include "op/model.hpp"

using namespace mtmc::op::test;

namespace {

void check_unary(const std::string& expression, double (*f)(double),
                 const std::string& distribution = "normal(0, 3)") {
  check("y = " + expression + "; x: f32[7,11] ~ " + distribution, [&](const Inputs& in) {
    const Dense& x = in.at("x");
    return std::vector{make(x.shape, [&](const Index& i) { return f(x.at(i)); })};
  });
}

void check_binary(const std::string& expression, double (*f)(double, double),
                  const std::string& distribution = "normal(0, 3)",
                  const std::string& dtype = "f32") {
  check("z = " + expression + "; x: " + dtype + "[3,1,5] ~ " + distribution + "; y: " + dtype +
            "[4,1] ~ " + distribution,
        [&](const Inputs& in) {
          return std::vector{make({3, 4, 5}, [&](const Index& i) {
            return f(seen(in.at("x"), i), seen(in.at("y"), i));
          })};
        });
}

double softplus(double x) { return x > 20 ? x : std::log(1 + std::exp(x)); }

}  // namespace

TEST_CASE("unary mathematics") {
  check_unary("exp(x)", [](double x) { return std::exp(x); });
  check_unary(
      "log(x)", [](double x) { return std::log(x); }, "uniform(0.1, 9)");
  check_unary(
      "log2(x)", [](double x) { return std::log2(x); }, "uniform(0.1, 9)");
  check_unary("exp2(x)", [](double x) { return std::exp2(x); });
  check_unary(
      "log1p(x)", [](double x) { return std::log1p(x); }, "uniform(-0.5, 9)");
  check_unary("expm1(x)", [](double x) { return std::expm1(x); });
  check_unary("sqrt(x)", [](double x) { return std::sqrt(x); });  // NaN below 0
  check_unary(
      "rsqrt(x)", [](double x) { return 1 / std::sqrt(x); }, "uniform(0.1, 9)");
  check_unary("reciprocal(x)", [](double x) { return 1 / x; });
  check_unary("sin(x)", [](double x) { return std::sin(x); });
  check_unary("cos(x)", [](double x) { return std::cos(x); });
  check_unary("erf(x)", [](double x) { return std::erf(x); });
  check_unary("abs(x)", [](double x) { return std::fabs(x); });
  check_unary("neg(x)", [](double x) { return -x; });
  check_unary("-x", [](double x) { return -x; });
  check_unary("sign(x)", [](double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : 0.0; });
  check_unary("floor(x)", [](double x) { return std::floor(x); });
  check_unary("ceil(x)", [](double x) { return std::ceil(x); });
  check_unary("trunc(x)", [](double x) { return std::trunc(x); });
  check_unary("round(x * 2) / 2", [](double x) { return std::rint(x * 2) / 2; });
  check_unary("square(x)", [](double x) { return x * x; });
  check_unary("identity(x)", [](double x) { return x; });
  check_unary("isnan(sqrt(x))", [](double x) { return x < 0 ? 1.0 : 0.0; });
  check_unary("logical_not(floor(x))", [](double x) { return std::floor(x) == 0 ? 1.0 : 0.0; });
  for (const char* power : {"1", "2", "3", "0.5", "-0.5", "-1", "2.5"}) {
    const double p = std::stod(power);
    check(std::string("y = x ** ") + power + "; x: f32[13] ~ uniform(0.2, 4)",
          [&](const Inputs& in) {
            return std::vector{
                make({13}, [&](const Index& i) { return std::pow(in.at("x").at(i), p); })};
          });
  }
}

TEST_CASE("activations") {
  check_unary("relu(x)", [](double x) { return x > 0 ? x : 0; });
  check_unary(
      "relu6(x)", [](double x) { return x < 0   ? 0
                                        : x > 6 ? 6
                                                : x; }, "normal(3, 4)");
  check_unary("leaky_relu(x, 0.2)", [](double x) { return x >= 0 ? x : 0.2 * x; });
  check_unary("leaky_relu(x)", [](double x) { return x >= 0 ? x : 0.01 * x; });
  check_unary("elu(x, alpha=0.7)", [](double x) { return x > 0 ? x : 0.7 * (std::exp(x) - 1); });
  check_unary("selu(x)", [](double x) {
    const double scale = 1.0507009873554804934193349852946,
                 alpha = 1.6732632423543772848170429916717;
    return scale * (std::fmax(0, x) + std::fmin(0, alpha * (std::exp(x) - 1)));
  });
  check_unary("celu(x, 1.5)", [](double x) {
    return std::fmax(0, x) + std::fmin(0, 1.5 * (std::exp(x / 1.5) - 1));
  });
  check_unary("gelu(x)", [](double x) { return x * 0.5 * std::erfc(-x / std::sqrt(2.0)); });
  check_unary("gelu(x, approximate='tanh')", [](double x) {
    return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * std::pow(x, 3))));
  });
  check_unary("silu(x)", [](double x) { return x / (1 + std::exp(-x)); });
  check_unary("swish(x)", [](double x) { return x / (1 + std::exp(-x)); });
  check_unary("sigmoid(x)", [](double x) { return 1 / (1 + std::exp(-x)); });
  check_unary("tanh(x)", [](double x) { return std::tanh(x); });
  check_unary("softplus(x)", softplus, "normal(0, 15)");
  check_unary("softplus(x, beta=2, threshold=5)",
              [](double x) { return 2 * x > 5 ? x : std::log(1 + std::exp(2 * x)) / 2; });
  check_unary("softsign(x)", [](double x) { return x / (1 + std::fabs(x)); });
  check_unary("hardtanh(x, -2, 0.5)", [](double x) { return x > 0.5 ? 0.5 : x < -2 ? -2 : x; });
  check_unary("hardsigmoid(x)", [](double x) { return x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5; });
  check_unary("hardswish(x)", [](double x) { return x <= -3 ? 0 : x >= 3 ? x : x * (x + 3) / 6; });
  check_unary("mish(x)", [](double x) { return x * std::tanh(std::log(1 + std::exp(x))); });
  check_unary("logsigmoid(x)", [](double x) { return -std::log(1 + std::exp(-x)); });
  check_unary("hardshrink(x, 1)", [](double x) { return x > 1 || x < -1 ? x : 0; });
  check_unary("softshrink(x, lambd=0.75)", [](double x) {
    return x > 0.75 ? x - 0.75 : x < -0.75 ? x + 0.75 : 0;
  });
  check_unary("tanhshrink(x)", [](double x) { return x - std::tanh(x); });
  check_unary("threshold(x, 0.1, 20)", [](double x) { return x > 0.1 ? x : 20; });
}

TEST_CASE("binary arithmetic broadcasts") {
  check_binary("x + y", [](double a, double b) { return a + b; });
  check_binary("add(x, y, alpha=2)", [](double a, double b) { return a + 2 * b; });
  check_binary("sub(x, y, alpha=0.5)", [](double a, double b) { return a - 0.5 * b; });
  check_binary("x * y", [](double a, double b) { return a * b; });
  check_binary("x / y", [](double a, double b) { return a / b; });
  check_binary("maximum(x, y)", [](double a, double b) { return a > b ? a : b; });
  check_binary("minimum(x, y)", [](double a, double b) { return a < b ? a : b; });
  check_binary("x % y", [](double a, double b) { return a - b * std::floor(a / b); });
  check_binary("x // y", [](double a, double b) { return std::floor(a / b); });
  check_binary(
      "pow(x, y)", [](double a, double b) { return std::pow(a, b); }, "uniform(0.5, 2)");
  check_binary("lerp(x, y, 0.25)", [](double a, double b) { return a + 0.25 * (b - a); });
  check_binary("where(x > y, x, 0.5)", [](double a, double b) { return a > b ? a : 0.5; });
  check_binary("masked_fill(x, y < 0, -inf)",
               [](double a, double b) { return b < 0 ? -INFINITY : a; });
  check_binary("clamp(x, min=y, max=1.5)",
               [](double a, double b) { return std::fmin(std::fmax(a, b), 1.5); });
  check_binary("clamp_min(x, y)", [](double a, double b) { return std::fmax(a, b); });
  check_binary("clamp_max(x, y)", [](double a, double b) { return std::fmin(a, b); });
  check_binary("1 - x * y", [](double a, double b) { return 1 - a * b; });
}

TEST_CASE("comparisons and logic give 0 and 1") {
  const std::string d = "randint(-2, 3)";
  check_binary(
      "x == y", [](double a, double b) { return a == b ? 1.0 : 0.0; }, d);
  check_binary(
      "x != y", [](double a, double b) { return a != b ? 1.0 : 0.0; }, d);
  check_binary(
      "x < y", [](double a, double b) { return a < b ? 1.0 : 0.0; }, d);
  check_binary(
      "x <= y", [](double a, double b) { return a <= b ? 1.0 : 0.0; }, d);
  check_binary(
      "x > y", [](double a, double b) { return a > b ? 1.0 : 0.0; }, d);
  check_binary(
      "x >= y", [](double a, double b) { return a >= b ? 1.0 : 0.0; }, d);
  check_binary(
      "logical_and(x, y)", [](double a, double b) { return a != 0 && b != 0 ? 1.0 : 0.0; }, d);
  check_binary(
      "logical_or(x, y)", [](double a, double b) { return a != 0 || b != 0 ? 1.0 : 0.0; }, d);
  check_binary(
      "logical_xor(x, y)", [](double a, double b) { return (a != 0) != (b != 0) ? 1.0 : 0.0; }, d);
}

TEST_CASE("remainder and floor_divide follow Python's signs, for integers too") {
  const std::string d = "randint(-9, 10)";
  check_binary(
      "x % where(y == 0, 3, y)",
      [](double a, double b) {
        const long m = b == 0 ? 3 : static_cast<long>(b), x = static_cast<long>(a);
        return static_cast<double>(((x % m) + m) % m);
      },
      d, "i64");
  check_binary(
      "x // where(y == 0, 3, y)",
      [](double a, double b) { return std::floor(a / (b == 0 ? 3 : b)); }, d, "i32");
}

TEST_CASE("a dim used as a number is its value") {
  check("y = x / N + M * 2; x: f32[M,N]; M=3; N=5", [](const Inputs& in) {
    return std::vector{make({3, 5}, [&](const Index& i) { return in.at("x").at(i) / 5 + 6; })};
  });
}
