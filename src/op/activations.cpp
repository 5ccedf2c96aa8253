// PyTorch's activation functions (torch.nn.functional), each one map. Formulas are those of its
// documentation, written so that no intermediate overflows where the result does not.
#include <cmath>

#include "op/emitter.hpp"
#include "op/formula.hpp"

namespace mtmc::op {
namespace {

using namespace formula;
using Formula = std::function<Scalar(const Scalar&, const Call&)>;

InferResult infer_activation(const Call& call) {
  if (!call.is_tensor("input")) return bad_input("needs a tensor");
  const Value& v = call.value("input");
  return std::vector<Inferred>{{float_of(v.dtype), v.shape}};
}

InferResult infer_number(const Call& call) {
  auto inferred = infer_activation(call);
  if (inferred && call.value("input").dtype == DType::boolean)
    return bad_input("needs numbers, got bool");
  if (inferred) (*inferred)[0].dtype = call.value("input").dtype;
  return inferred;
}

Row activation(std::string name, std::string signature, Formula formula,
               std::vector<std::string> aliases = {}) {
  Row row;
  row.name = std::move(name);
  row.signature = std::move(signature);
  row.aliases = std::move(aliases);
  row.infer = infer_activation;
  row.lower = [formula = std::move(formula)](Emitter& e) -> Result<void> {
    const auto target = e.result();
    e.map(target, formula(e.broadcast("input", target.shape), e.call()));
    return {};
  };
  return row;
}

Scalar sigmoid(const Scalar& x) {
  return call(Function::reciprocal, num(1) + exp(call(Function::neg, x)));
}
Scalar relu6(const Scalar& x) { return min(max(x, num(0)), num(6)); }
// log(1 + exp(x)) without overflow.
Scalar stable_softplus(const Scalar& x) {
  return max(x, num(0)) + call(Function::log1p, exp(call(Function::neg, abs(x))));
}

Scalar gelu_tanh(const Scalar& x) {
  const double k = std::sqrt(2 / 3.14159265358979323846);
  const Scalar inner = num(k) * (x + num(0.044715) * (x * x * x));
  return num(0.5) * x * (num(1) + call(Function::tanh, inner));
}

}  // namespace

std::vector<Row> activation_rows() {
  std::vector<Row> rows;
  const auto add = [&](auto&&... args) { rows.push_back(activation(args...)); };
  add("relu", "input", [](const Scalar& x, const Call&) { return max(x, num(0)); });
  rows.back().infer = infer_number;
  add("relu6", "input", [](const Scalar& x, const Call&) { return relu6(x); });
  rows.back().infer = infer_number;
  add("leaky_relu", "input, negative_slope: number = 0.01", [](const Scalar& x, const Call& c) {
    return select(greater(x, num(0)), x, num(*c.number("negative_slope")) * x);
  });
  add("elu", "input, alpha: number = 1", [](const Scalar& x, const Call& c) {
    return select(greater(x, num(0)), x, num(*c.number("alpha")) * call(Function::expm1, x));
  });
  add("selu", "input", [](const Scalar& x, const Call&) {
    return num(1.0507009873554804934193349852946) *
           select(greater(x, num(0)), x,
                  num(1.6732632423543772848170429916717) * call(Function::expm1, x));
  });
  add("celu", "input, alpha: number = 1", [](const Scalar& x, const Call& c) {
    const Scalar alpha = num(*c.number("alpha"));
    return select(greater(x, num(0)), x, alpha * call(Function::expm1, x / alpha));
  });
  add("gelu", "input, approximate: word = none", [](const Scalar& x, const Call& c) {
    if (*c.word("approximate") == "tanh") return gelu_tanh(x);
    return num(0.5) * x * (num(1) + call(Function::erf, x * num(std::sqrt(0.5))));
  });
  rows.back().infer = [](const Call& c) -> InferResult {
    const auto word = *c.word("approximate");
    if (word != "none" && word != "tanh")
      return bad_input("approximate must be 'none' or 'tanh', not '" + word.substr(0, 64) + "'");
    return infer_activation(c);
  };
  add(
      "silu", "input", [](const Scalar& x, const Call&) { return x * sigmoid(x); },
      std::vector<std::string>{"swish"});
  add("sigmoid", "input", [](const Scalar& x, const Call&) { return sigmoid(x); });
  add("tanh", "input", [](const Scalar& x, const Call&) { return call(Function::tanh, x); });
  add("softplus", "input, beta: number = 1, threshold: number = 20",
      [](const Scalar& x, const Call& c) {
        const Scalar beta = num(*c.number("beta"));
        const Scalar scaled = *c.number("beta") == 1 ? x : beta * x;
        const Scalar soft = stable_softplus(scaled);
        return select(greater(scaled, num(*c.number("threshold"))), x,
                      *c.number("beta") == 1 ? soft : soft / beta);
      });
  add("softsign", "input", [](const Scalar& x, const Call&) { return x / (num(1) + abs(x)); });
  add("hardtanh", "input, min_val: number = -1, max_val: number = 1",
      [](const Scalar& x, const Call& c) {
        return min(max(x, num(*c.number("min_val"))), num(*c.number("max_val")));
      });
  add("hardsigmoid", "input",
      [](const Scalar& x, const Call&) { return relu6(x + num(3)) / num(6); });
  add("hardswish", "input",
      [](const Scalar& x, const Call&) { return x * relu6(x + num(3)) / num(6); });
  add("mish", "input",
      [](const Scalar& x, const Call&) { return x * call(Function::tanh, stable_softplus(x)); });
  add("logsigmoid", "input", [](const Scalar& x, const Call&) {
    return min(x, num(0)) - call(Function::log1p, exp(call(Function::neg, abs(x))));
  });
  add("hardshrink", "input, lambd: number = 0.5", [](const Scalar& x, const Call& c) {
    return select(call(Function::less_equal, abs(x), num(*c.number("lambd"))), num(0), x);
  });
  add("softshrink", "input, lambd: number = 0.5", [](const Scalar& x, const Call& c) {
    const Scalar l = num(*c.number("lambd"));
    return select(greater(x, l), x - l, select(less(x, call(Function::neg, l)), x + l, num(0)));
  });
  add("tanhshrink", "input",
      [](const Scalar& x, const Call&) { return x - call(Function::tanh, x); });
  add("threshold", "input, threshold: number, value: number", [](const Scalar& x, const Call& c) {
    return select(greater(x, num(*c.number("threshold"))), x, num(*c.number("value")));
  });
  return rows;
}

}  // namespace mtmc::op
