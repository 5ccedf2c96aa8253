// Checks are made where something enters: names, extents, strides, operands and attributes against
// the signature, inference's answer. An Operator that leaves here can be lowered.
#include "op/builder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/check.hpp"
#include "op/algebra.hpp"

namespace mtmc::op {
namespace {

using Kind = Parameter::Kind;

bool fits(Kind kind, const Attribute& a) {
  switch (kind) {
    case Kind::integer:
      return std::holds_alternative<Expr>(a);
    case Kind::number:
      return std::holds_alternative<double>(a);
    case Kind::flag:
      return std::holds_alternative<bool>(a);
    case Kind::word:
      return std::holds_alternative<std::string>(a);
    case Kind::shape:
      return std::holds_alternative<std::vector<Expr>>(a);
    case Kind::padding:
      return std::holds_alternative<std::vector<Expr>>(a) || std::holds_alternative<std::string>(a);
    case Kind::dtype:
      return std::holds_alternative<DType>(a);
    case Kind::tensor:
    case Kind::tensors:
      break;
  }
  return false;
}

}  // namespace

Distribution default_distribution(DType dtype) {
  if (dtype == DType::boolean) return {Distribution::Kind::randint, 0, 2};
  if (!is_float(dtype)) return {Distribution::Kind::randint, 0, 10};
  return {};
}

bool valid_name(std::string_view name) {
  const auto letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
  if (name.empty() || name.size() > 64 || !letter(name[0])) return false;
  for (const std::string_view word : {"return", "precision", "True", "False", "None", "inf", "nan"})
    if (name == word) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '_'; });
}

int Builder::value_named(std::string_view name) const {
  for (std::size_t v = 0; v < op_.values.size(); ++v)
    if (op_.values[v].name == name) return static_cast<int>(v);
  return -1;
}

Result<std::int64_t> Builder::whole(const Expr& e) const { return e.evaluate(binding_); }

Result<void> Builder::add_dim(const std::string& name, std::int64_t value) {
  if (!valid_name(name))
    return bad_input(fmt::format("'{}' is no name for a dim", name.substr(0, 80)));
  if (binding_.count(name)) return bad_input(fmt::format("dim '{}' is bound twice", name));
  if (value < 1 || value > kMaxElements)
    return bad_input(fmt::format("dim '{}' is {}; it must be between 1 and 2^40", name, value));
  binding_.emplace(name, value);
  op_.dims.emplace_back(name, value);
  return {};
}

Result<void> Builder::check_shape(const std::vector<Expr>& shape) const {
  if (shape.size() > kMaxRank)
    return bad_input(fmt::format("{} dimensions; at most {}", shape.size(), kMaxRank));
  std::int64_t elements = 1;
  for (const auto& e : shape) {
    const auto v = e.evaluate(binding_);
    if (!v) return tl::unexpected<Error>(v.error());
    if (*v < 1)
      return bad_input(
          fmt::format("extent {} is {}; every extent must be at least 1", e.text(), *v));
    if (__builtin_mul_overflow(elements, *v, &elements) || elements > kMaxElements)
      return bad_input("more than 2^40 elements");
  }
  return {};
}

Result<int> Builder::add_input(Value input) {
  if (!valid_name(input.name))
    return bad_input(fmt::format("'{}' is no name for an input", input.name.substr(0, 80)));
  if (value_named(input.name) >= 0 || binding_.count(input.name))
    return bad_input(fmt::format("'{}' has a meaning already", input.name));
  if (!op_.nodes.empty()) return internal_error("an input after a node");
  if (op_.values.size() >= kMaxNodes)
    return bad_input(fmt::format("more than {} inputs", kMaxNodes));
  for (auto& e : input.shape) e = simplify(e);
  for (auto& e : input.strides) e = simplify(e);
  if (auto ok = check_shape(input.shape); !ok)
    return tl::unexpected<Error>(ok.error().with(fmt::format("input '{}'", input.name)));
  if (!input.strides.empty()) {
    if (input.strides.size() != input.shape.size())
      return bad_input(fmt::format("input '{}': {} strides for {} dimensions", input.name,
                                   input.strides.size(), input.shape.size()));
    std::vector<std::pair<std::int64_t, std::int64_t>> order;  // stride, extent
    for (std::size_t d = 0; d < input.shape.size(); ++d) {
      const auto stride = input.strides[d].evaluate(binding_);
      if (!stride) return tl::unexpected<Error>(stride.error());
      if (*stride < 1 || *stride > kMaxElements)
        return bad_input(fmt::format("input '{}': stride {} is {}; it must be between 1 and 2^40",
                                     input.name, input.strides[d].text(), *stride));
      const std::int64_t extent = *input.shape[d].evaluate(binding_);
      if (extent > 1) order.emplace_back(*stride, extent);
    }
    std::sort(order.begin(), order.end());
    std::int64_t reach = 1;  // elements from the first to the last so far
    for (const auto& [stride, extent] : order) {
      if (stride < reach)
        return bad_input(fmt::format("input '{}': its strides make elements overlap", input.name));
      std::int64_t span = 0;
      if (__builtin_mul_overflow(stride, extent, &span) || span > kMaxElements)
        return bad_input(fmt::format("input '{}': more than 2^40 elements apart", input.name));
      reach = span;
    }
  }
  const auto& d = input.distribution;
  if (!std::isfinite(d.a) || !std::isfinite(d.b))
    return bad_input(fmt::format("input '{}': a distribution needs finite numbers", input.name));
  if (d.kind == Distribution::Kind::normal && d.b < 0)
    return bad_input(fmt::format("input '{}': deviation {} is negative", input.name, d.b));
  if (d.kind == Distribution::Kind::uniform && d.b < d.a)
    return bad_input(
        fmt::format("input '{}': uniform from {} to {} is empty", input.name, d.a, d.b));
  if (d.kind == Distribution::Kind::randint &&
      (d.b <= d.a || std::trunc(d.a) != d.a || std::trunc(d.b) != d.b || d.b - d.a > 0x1p32 ||
       std::fabs(d.a) > 0x1p52))
    return bad_input(
        fmt::format("input '{}': randint({}, {}) needs whole numbers, low below high, at "
                    "most 2^32 apart",
                    input.name, d.a, d.b));
  if (input.role == Role::intermediate) return internal_error("an input's role is intermediate");
  op_.values.push_back(std::move(input));
  return static_cast<int>(op_.values.size()) - 1;
}

Result<void> Builder::check_node(const Row& row, Node& node) const {
  const auto& parameters = row.parameters;
  const bool variadic = std::any_of(parameters.begin(), parameters.end(),
                                    [](const Parameter& p) { return p.kind == Kind::tensors; });
  std::vector<const Parameter*> tensors;
  for (const auto& p : parameters)
    if (p.kind == Kind::tensor) tensors.push_back(&p);
  for (const auto& operand : node.operands) {
    const int* v = std::get_if<int>(&operand);
    if (v && (*v < 0 || *v >= static_cast<int>(op_.values.size())))
      return internal_error("an operand is no value");
    if (variadic && !v) return bad_input("takes tensors only");
  }
  if (variadic) {
    if (node.operands.empty()) return bad_input("takes at least one tensor");
    if (node.operands.size() > 1024) return bad_input("takes at most 1024 tensors");
  } else {
    if (node.operands.size() > tensors.size())
      return bad_input(
          fmt::format("takes {} operand(s), not {}", tensors.size(), node.operands.size()));
    while (!node.operands.empty() && std::holds_alternative<Absent>(node.operands.back()))
      node.operands.pop_back();
    for (std::size_t k = 0; k < tensors.size(); ++k) {
      const bool absent =
          k >= node.operands.size() || std::holds_alternative<Absent>(node.operands[k]);
      if (absent && tensors[k]->required)
        return bad_input(fmt::format("operand '{}' is missing; {}({})", tensors[k]->name, row.name,
                                     row.signature));
    }
  }
  for (auto it = node.attributes.begin(); it != node.attributes.end();) {
    const auto p = std::find_if(parameters.begin(), parameters.end(),
                                [&](const Parameter& q) { return q.name == it->first; });
    if (p == parameters.end() || p->kind == Kind::tensor || p->kind == Kind::tensors)
      return bad_input(fmt::format("has no attribute '{}'; {}({})", it->first.substr(0, 64),
                                   row.name, row.signature));
    if (!fits(p->kind, it->second))
      return bad_input(fmt::format("attribute '{}' must be a {}", p->name, name_of(p->kind)));
    if (const auto* word = std::get_if<std::string>(&it->second)) {
      const bool plain = word->size() <= 256 && std::all_of(word->begin(), word->end(), [](char c) {
                           return c >= ' ' && c <= '~' && c != '\'' && c != '"';
                         });
      if (!plain)
        return bad_input(
            fmt::format("attribute '{}' is no plain word of at most 256 characters", p->name));
    }
    const auto check = [&](Expr& e) -> Result<void> {
      e = simplify(e);
      const auto v = e.evaluate(binding_);
      if (!v) return tl::unexpected<Error>(v.error());
      if (*v > kMaxElements || *v < -kMaxElements)
        return bad_input(fmt::format("attribute '{}' is {}, beyond 2^40", p->name, *v));
      return {};
    };
    if (auto* e = std::get_if<Expr>(&it->second))
      if (auto ok = check(*e); !ok) return ok;
    if (auto* list = std::get_if<std::vector<Expr>>(&it->second)) {
      if (list->size() > kMaxRank)
        return bad_input(fmt::format("attribute '{}' has {} entries; at most {}", p->name,
                                     list->size(), kMaxRank));
      for (auto& e : *list)
        if (auto ok = check(e); !ok) return ok;
    }
    it = p->fallback && *p->fallback == it->second ? node.attributes.erase(it) : std::next(it);
  }
  for (const auto& p : parameters)
    if (p.required && p.kind != Kind::tensor && p.kind != Kind::tensors &&
        !node.attributes.count(p.name))
      return bad_input(
          fmt::format("attribute '{}' is missing; {}({})", p.name, row.name, row.signature));
  return {};
}

Result<std::vector<int>> Builder::add_node(Node node, const std::vector<std::string>& names) {
  const Row* row = find_row(node.op);
  if (!row) return bad_input(fmt::format("unknown operator '{}'", node.op.substr(0, 80)));
  node.op = row->name;
  if (op_.nodes.size() >= kMaxNodes)
    return bad_input(fmt::format("more than {} operators", kMaxNodes));
  const auto fail = [&](const Error& e) { return tl::unexpected<Error>(e.with(row->name)); };
  if (auto ok = check_node(*row, node); !ok) return fail(ok.error());
  const auto inferred = row->infer(Call(*row, node, op_.values, binding_));
  if (!inferred) return fail(inferred.error());
  if (names.size() > inferred->size() || names.empty())
    return fail(bad_input(fmt::format("gives {} result(s), not {}", inferred->size(), names.size()))
                    .value());

  node.results.clear();
  const std::size_t before = op_.values.size();
  for (std::size_t k = 0; k < names.size(); ++k) {
    Value value;
    const std::string own = "_" + std::to_string(op_.nodes.size());
    value.name = names[k].empty() ? own : names[k];
    const bool anonymous = value.name == own && names.size() == 1;
    std::string trouble;
    if (!anonymous && !valid_name(value.name))
      trouble = fmt::format("'{}' is no name for a result", value.name.substr(0, 80));
    else if (value_named(value.name) >= 0 || binding_.count(value.name))
      trouble = fmt::format("'{}' has a meaning already", value.name);
    if (trouble.empty()) {
      value.dtype = (*inferred)[k].dtype;
      for (const auto& e : (*inferred)[k].shape) value.shape.push_back(simplify(e));
      if (auto ok = check_shape(value.shape); !ok) trouble = ok.error().message;
    }
    if (!trouble.empty()) {
      op_.values.resize(before);
      return fail(bad_input(trouble).value());
    }
    node.results.push_back(static_cast<int>(op_.values.size()));
    op_.values.push_back(std::move(value));
  }
  auto results = node.results;
  op_.nodes.push_back(std::move(node));
  return results;
}

std::vector<int> default_outputs(const Operator& op) {
  std::vector<bool> used(op.values.size());
  for (const auto& node : op.nodes)
    for (const auto& operand : node.operands)
      if (const int* v = std::get_if<int>(&operand)) used[static_cast<std::size_t>(*v)] = true;
  std::vector<int> outputs;
  for (const auto& node : op.nodes)
    for (int v : node.results)
      if (!used[static_cast<std::size_t>(v)]) outputs.push_back(v);
  return outputs;
}

Result<Operator> Builder::finish(std::vector<int> outputs, int* offender) {
  const auto at = [&](int v, const std::string& message) {
    if (offender) *offender = v;
    return bad_input(message);
  };
  if (op_.nodes.empty()) return bad_input("nothing is computed: no assignment such as y = relu(x)");
  op_.outputs = outputs.empty() ? default_outputs(op_) : std::move(outputs);
  std::set<int> distinct;
  for (int v : op_.outputs) {
    if (v < 0 || v >= static_cast<int>(op_.values.size()))
      return internal_error("an output is no value");
    const auto& name = op_.values[static_cast<std::size_t>(v)].name;
    if (v < op_.inputs())
      return at(v, fmt::format("output '{}' is an input; nothing computes it", name));
    if (!distinct.insert(v).second) return at(v, fmt::format("output '{}' is listed twice", name));
  }
  std::vector<bool> used(op_.values.size());
  for (int v : op_.outputs) used[static_cast<std::size_t>(v)] = true;
  for (const auto& node : op_.nodes)
    for (const auto& operand : node.operands)
      if (const int* v = std::get_if<int>(&operand)) used[static_cast<std::size_t>(*v)] = true;
  for (int v = 0; v < op_.inputs(); ++v)
    if (!used[static_cast<std::size_t>(v)])
      return at(
          v, fmt::format("input '{}' is never used", op_.values[static_cast<std::size_t>(v)].name));
  for (const auto& node : op_.nodes)
    if (std::none_of(node.results.begin(), node.results.end(),
                     [&](int v) { return used[static_cast<std::size_t>(v)]; }))
      return at(node.results[0],
                fmt::format("'{}' is never used",
                            op_.values[static_cast<std::size_t>(node.results[0])].name));
  std::set<std::string> mentioned;
  const auto see = [&](const Expr& e) { mentioned.merge(e.symbols()); };
  for (int v = 0; v < op_.inputs(); ++v) {
    for (const auto& e : op_.values[static_cast<std::size_t>(v)].shape) see(e);
    for (const auto& e : op_.values[static_cast<std::size_t>(v)].strides) see(e);
  }
  for (const auto& node : op_.nodes)
    for (const auto& [name, attribute] : node.attributes) {
      if (const auto* e = std::get_if<Expr>(&attribute)) see(*e);
      if (const auto* list = std::get_if<std::vector<Expr>>(&attribute))
        for (const auto& e : *list) see(e);
    }
  for (const auto& [name, value] : op_.dims)
    if (!mentioned.count(name)) return bad_input(fmt::format("dim '{}' is never used", name));
  return std::move(op_);
}

}  // namespace mtmc::op
