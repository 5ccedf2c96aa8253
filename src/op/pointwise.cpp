// Arithmetic, comparison, logic and unary mathematics: one map each, operands broadcast. Dtypes
// follow PyTorch's promotion; whole-number literals count as integers, others as floats.
#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "op/emitter.hpp"
#include "op/formula.hpp"

namespace mtmc::op {
namespace {

using namespace formula;

// What a row's formula gets: its operands by place, broadcast to the result.
struct Operands {
  std::vector<Scalar> at;
  std::vector<bool> present;
  const Call& call;
  DType dtype;  // of the result
  const Scalar& operator[](std::size_t k) const { return at[k]; }
};
using Formula = std::function<Scalar(const Operands&)>;
enum class Typing {
  arithmetic,  // promoted; two bools are refused
  floating,    // promoted, integers become f32
  comparison,  // bool
  keep,        // promoted, bools allowed
};

std::vector<std::string_view> tensor_names(const Call& call) {
  std::vector<std::string_view> names;
  for (const auto& p : call.row().parameters)
    if (p.kind == Parameter::Kind::tensor) names.push_back(p.name);
  return names;
}

InferResult infer_pointwise(const Call& call, Typing typing, bool first_is_condition) {
  const auto names = tensor_names(call);
  std::vector<std::vector<Expr>> shapes;
  for (const auto name : names)
    if (call.has(name) && call.is_tensor(name)) shapes.push_back(call.value(name).shape);
  if (shapes.empty()) return bad_input("needs at least one tensor; got numbers only");
  auto shape = broadcast(call, shapes);
  if (!shape) return tl::unexpected<Error>(shape.error());
  auto typed = names;
  if (first_is_condition) typed.erase(typed.begin());
  DType dtype = promoted(call, typed);
  if (typing == Typing::arithmetic && dtype == DType::boolean)
    return bad_input(
        "needs numbers, got bool; cast with to(x, f32), or use logical_and, logical_or");
  if (typing == Typing::floating) dtype = float_of(dtype);
  if (typing == Typing::comparison) dtype = DType::boolean;
  return std::vector<Inferred>{{dtype, *shape}};
}

Row pointwise(std::string name, std::string signature, Typing typing, Formula formula,
              std::vector<std::string> aliases = {}, bool first_is_condition = false) {
  Row row;
  row.name = std::move(name);
  row.signature = std::move(signature);
  row.aliases = std::move(aliases);
  row.infer = [=](const Call& call) { return infer_pointwise(call, typing, first_is_condition); };
  row.lower = [formula = std::move(formula)](Emitter& e) -> Result<void> {
    const auto target = e.result();
    Operands operands{{}, {}, e.call(), target.dtype};
    for (const auto operand : tensor_names(e.call())) {
      operands.present.push_back(e.call().has(operand));
      operands.at.push_back(operands.present.back() ? e.broadcast(operand, target.shape) : num(0));
    }
    e.map(target, formula(operands));
    return {};
  };
  return row;
}

Row unary(std::string name, Typing typing, Function f, std::vector<std::string> aliases = {}) {
  return pointwise(
      std::move(name), "input", typing, [f](const Operands& o) { return call(f, o[0]); },
      std::move(aliases));
}
Row binary(std::string name, Typing typing, Function f, std::vector<std::string> aliases = {}) {
  return pointwise(
      std::move(name), "input, other", typing,
      [f](const Operands& o) { return call(f, o[0], o[1]); }, std::move(aliases));
}

Scalar scaled_other(const Operands& o) {
  const double alpha = *o.call.number("alpha");
  return alpha == 1 ? o[1] : num(alpha) * o[1];
}

// Powers that kernels should not spend a pow on.
Scalar power(const Operands& o) {
  if (o[1].kind() == Scalar::Kind::constant) {
    const double p = o[1].value();
    if (p == 1) return o[0];
    if (p == 2) return o[0] * o[0];
    if (p == 3) return o[0] * o[0] * o[0];
    if (p == 0.5) return call(Function::sqrt, o[0]);
    if (p == -0.5) return call(Function::rsqrt, o[0]);
    if (p == -1) return call(Function::reciprocal, o[0]);
  }
  return call(Function::pow, o[0], o[1]);
}

Scalar as_bool(const Scalar& a) { return call(Function::not_equal, a, num(0)); }

}  // namespace

std::vector<Row> pointwise_rows() {
  using enum Function;
  std::vector<Row> rows;
  const auto A = Typing::arithmetic, F = Typing::floating, C = Typing::comparison, K = Typing::keep;
  rows.push_back(pointwise("add", "input, other, alpha: number = 1", A,
                           [](const Operands& o) { return o[0] + scaled_other(o); }));
  rows.push_back(pointwise("sub", "input, other, alpha: number = 1", A,
                           [](const Operands& o) { return o[0] - scaled_other(o); }, {"subtract"}));
  rows.push_back(binary("mul", A, mul, {"multiply"}));
  rows.push_back(binary("div", F, div, {"true_divide", "divide"}));
  rows.push_back(pointwise("pow", "input, exponent", A, power));
  rows.push_back(binary("floor_divide", A, floor_div));
  rows.push_back(binary("remainder", A, mod));
  rows.push_back(binary("maximum", K, Function::max));
  rows.push_back(binary("minimum", K, Function::min));
  rows.push_back(binary("eq", C, equal));
  rows.push_back(binary("ne", C, not_equal));
  rows.push_back(binary("lt", C, Function::less));
  rows.push_back(binary("le", C, less_equal));
  rows.push_back(binary("gt", C, Function::greater));
  rows.push_back(binary("ge", C, greater_equal));
  rows.push_back(binary("logical_and", C, logical_and));
  rows.push_back(binary("logical_or", C, logical_or));
  rows.push_back(pointwise("logical_xor", "input, other", C, [](const Operands& o) {
    return call(not_equal, as_bool(o[0]), as_bool(o[1]));
  }));
  rows.push_back(unary("logical_not", C, logical_not));
  rows.push_back(unary("isnan", C, is_nan));
  rows.push_back(pointwise(
      "where", "condition, input, other", K,
      [](const Operands& o) { return select(o[0], o[1], o[2]); }, {}, true));
  rows.push_back(pointwise("masked_fill", "input, mask, value", K,
                           [](const Operands& o) { return select(o[1], o[2], o[0]); }));
  rows.back().infer = [](const Call& c) -> InferResult {
    auto inferred = infer_pointwise(c, Typing::keep, false);
    if (inferred && c.is_tensor("input")) (*inferred)[0].dtype = c.value("input").dtype;
    return inferred;
  };
  rows.push_back(pointwise("clamp", "input, min = None, max = None", A,
                           [](const Operands& o) {
                             Scalar x = o[0];
                             if (o.present[1]) x = formula::max(x, o[1]);
                             if (o.present[2]) x = formula::min(x, o[2]);
                             return x;
                           },
                           {"clip"}));
  rows.push_back(pointwise("clamp_min", "input, min", A,
                           [](const Operands& o) { return formula::max(o[0], o[1]); }));
  rows.push_back(pointwise("clamp_max", "input, max", A,
                           [](const Operands& o) { return formula::min(o[0], o[1]); }));
  rows.push_back(pointwise("lerp", "input, end, weight", F,
                           [](const Operands& o) { return o[0] + o[2] * (o[1] - o[0]); }));
  rows.push_back(unary("exp", F, Function::exp));
  rows.push_back(unary("log", F, log));
  rows.push_back(pointwise("log2", "input", F, [](const Operands& o) {
    return call(log, o[0]) * num(1.4426950408889634);
  }));
  rows.push_back(pointwise("exp2", "input", F, [](const Operands& o) {
    return formula::exp(o[0] * num(0.6931471805599453));
  }));
  rows.push_back(unary("log1p", F, log1p));
  rows.push_back(unary("expm1", F, expm1));
  rows.push_back(unary("sqrt", F, sqrt));
  rows.push_back(unary("rsqrt", F, rsqrt));
  rows.push_back(unary("reciprocal", F, reciprocal));
  rows.push_back(unary("sin", F, sin));
  rows.push_back(unary("cos", F, cos));
  rows.push_back(unary("erf", F, erf));
  rows.push_back(unary("abs", A, Function::abs));
  rows.push_back(unary("neg", A, neg, {"negative"}));
  rows.push_back(unary("sign", A, sign));
  rows.push_back(unary("floor", A, floor));
  rows.push_back(unary("ceil", A, ceil));
  rows.push_back(unary("round", A, round));
  rows.push_back(unary("trunc", A, trunc));
  rows.push_back(pointwise("square", "input", A, [](const Operands& o) { return o[0] * o[0]; }));
  rows.push_back(pointwise("identity", "input", K, [](const Operands& o) { return o[0]; },
                           {"clone", "contiguous"}));
  rows.push_back(pointwise("scalar", "value: integer", K, [](const Operands& o) {
    return Scalar::index(*o.call.expression("value"));
  }));
  rows.back().infer = [](const Call&) -> InferResult {
    return std::vector<Inferred>{{DType::i64, {}}};
  };
  return rows;
}

}  // namespace mtmc::op
