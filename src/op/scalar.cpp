// The tree of a scalar body. Nodes are shared and immutable; rewriting shares what it did not
// touch.
#include "op/scalar.hpp"

#include <fmt/format.h>

#include <array>

#include "base/check.hpp"

namespace mtmc::op {
namespace {

struct FunctionRow {
  std::string_view name;
  int arity;
};
// In the order of the enum.
constexpr std::array<FunctionRow, 37> kFunctions = {{
    {"neg", 1},        {"abs", 1},     {"exp", 1},           {"log", 1},
    {"log1p", 1},      {"expm1", 1},   {"sqrt", 1},          {"rsqrt", 1},
    {"reciprocal", 1}, {"sin", 1},     {"cos", 1},           {"tanh", 1},
    {"erf", 1},        {"floor", 1},   {"ceil", 1},          {"round", 1},
    {"trunc", 1},      {"sign", 1},    {"logical_not", 1},   {"is_nan", 1},
    {"add", 2},        {"sub", 2},     {"mul", 2},           {"div", 2},
    {"floor_div", 2},  {"mod", 2},     {"pow", 2},           {"max", 2},
    {"min", 2},        {"equal", 2},   {"not_equal", 2},     {"less", 2},
    {"less_equal", 2}, {"greater", 2}, {"greater_equal", 2}, {"logical_and", 2},
    {"logical_or", 2},
}};
static_assert(kFunctions.size() == static_cast<std::size_t>(Function::logical_or) + 1);

const std::vector<Scalar> kNoArgs;
const std::vector<Expr> kNoExprs;

}  // namespace

std::string_view name_of(Function function) {
  return kFunctions[static_cast<std::size_t>(function)].name;
}
int arity(Function function) { return kFunctions[static_cast<std::size_t>(function)].arity; }

struct Scalar::Node {
  Kind kind = Kind::constant;
  double value = 0;
  std::vector<Expr> at;
  std::optional<Expr> guard;
  int tensor = -1;
  Function function = Function::neg;
  DType dtype = DType::f32;
  std::vector<Scalar> args;
};

Scalar Scalar::constant(double value) {
  auto node = std::make_shared<Node>();
  node->value = value;
  return Scalar(std::move(node));
}

Scalar Scalar::index(Expr value) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::index;
  node->at = {std::move(value)};
  return Scalar(std::move(node));
}

Scalar Scalar::load(int tensor, std::vector<Expr> at, std::optional<Expr> guard, double otherwise) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::load;
  node->tensor = tensor;
  node->at = std::move(at);
  if (!(guard && guard->is_constant() && guard->value() != 0)) node->guard = std::move(guard);
  node->value = node->guard ? otherwise : 0;
  return Scalar(std::move(node));
}

Scalar Scalar::call(Function function, std::vector<Scalar> args) {
  MTMC_CHECK(static_cast<int>(args.size()) == arity(function), "operand count of a scalar call");
  auto node = std::make_shared<Node>();
  node->kind = Kind::call;
  node->function = function;
  node->args = std::move(args);
  return Scalar(std::move(node));
}

Scalar Scalar::select(Scalar condition, Scalar if_true, Scalar if_false) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::select;
  node->args = {std::move(condition), std::move(if_true), std::move(if_false)};
  return Scalar(std::move(node));
}

Scalar Scalar::cast(DType dtype, Scalar value) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::cast;
  node->dtype = dtype;
  node->args = {std::move(value)};
  return Scalar(std::move(node));
}

Scalar::Kind Scalar::kind() const { return node_->kind; }
double Scalar::value() const { return node_->value; }
const std::vector<Expr>& Scalar::at() const { return node_->at; }
const std::optional<Expr>& Scalar::guard() const { return node_->guard; }
int Scalar::tensor() const { return node_->tensor; }
Function Scalar::function() const { return node_->function; }
DType Scalar::dtype() const { return node_->dtype; }
const std::vector<Scalar>& Scalar::args() const { return node_->args; }

Scalar Scalar::substitute(const std::map<std::string, Expr, std::less<>>& map) const {
  if (kind() == Kind::constant) return *this;
  auto node = std::make_shared<Node>(*node_);
  for (auto& e : node->at) e = e.substitute(map);
  if (node->guard) node->guard = node->guard->substitute(map);
  for (auto& a : node->args) a = a.substitute(map);
  if (kind() == Kind::load)  // the guard may have become a constant
    return load(node->tensor, std::move(node->at), std::move(node->guard), node->value);
  return Scalar(std::move(node));
}

Scalar Scalar::replace_loads(
    const std::function<std::optional<Scalar>(const Scalar&)>& replace) const {
  if (kind() == Kind::load) {
    auto other = replace(*this);
    return other ? *other : *this;
  }
  if (args().empty()) return *this;
  auto node = std::make_shared<Node>(*node_);
  bool changed = false;
  for (auto& a : node->args) {
    Scalar b = a.replace_loads(replace);
    changed = changed || b.node_ != a.node_;
    a = std::move(b);
  }
  return changed ? Scalar(std::move(node)) : *this;
}

void Scalar::visit_loads(const std::function<void(const Scalar&)>& visit) const {
  if (kind() == Kind::load) visit(*this);
  for (const auto& a : args()) a.visit_loads(visit);
}

int Scalar::operations() const {
  int count = kind() == Kind::call || kind() == Kind::select ? 1 : 0;
  for (const auto& a : args()) count += a.operations();
  return count;
}

std::string Scalar::text() const {
  const auto list = [](const auto& items) {
    std::string out;
    for (const auto& item : items) out += (out.empty() ? "" : ", ") + item.text();
    return out;
  };
  switch (kind()) {
    case Kind::constant:
      return fmt::format("{}", value());
    case Kind::index:
      return fmt::format("index({})", at()[0].text());
    case Kind::load: {
      std::string out = fmt::format("load(t{}", tensor());
      if (!at().empty()) out += ", " + list(at());
      if (guard()) out += fmt::format(" if {} else {}", guard()->text(), value());
      return out + ")";
    }
    case Kind::call:
      return fmt::format("{}({})", name_of(function()), list(args()));
    case Kind::select:
      return fmt::format("select({})", list(args()));
    case Kind::cast:
      return fmt::format("{}({})", name_of(dtype()), list(args()));
  }
  return {};
}

Scalar operator+(const Scalar& a, const Scalar& b) { return Scalar::call(Function::add, {a, b}); }
Scalar operator-(const Scalar& a, const Scalar& b) { return Scalar::call(Function::sub, {a, b}); }
Scalar operator*(const Scalar& a, const Scalar& b) { return Scalar::call(Function::mul, {a, b}); }
Scalar operator/(const Scalar& a, const Scalar& b) { return Scalar::call(Function::div, {a, b}); }

}  // namespace mtmc::op
