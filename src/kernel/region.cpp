// Canonical form: inputs in order of first use, dims in order of first appearance in the shapes of those inputs, nodes in
// the order they have (partition and the parser give a stable topological order). Dims that only attributes
// mention come after the others.
#include "kernel/region.hpp"

#include <map>
#include <set>

#include "base/hash.hpp"

namespace mtmc::kernel {

namespace {

using op::Attribute;
using op::Operator;
using op::Value;

struct Renamer {
  std::map<std::string, Expr, std::less<>> dims;  // old name -> new symbol
  std::vector<std::string> order;                 // old names in new order

  void see(const Expr& e) {
    for (const auto& name : e.symbols())
      if (dims.emplace(name, Expr::symbol("d" + std::to_string(order.size()))).second) order.push_back(name);
  }
  std::vector<Expr> apply(const std::vector<Expr>& list) const {
    std::vector<Expr> out;
    for (const auto& e : list) out.push_back(e.substitute(dims));
    return out;
  }
};

void see_attribute(Renamer& names, const Attribute& attribute) {
  if (auto* e = std::get_if<Expr>(&attribute)) names.see(*e);
  if (auto* list = std::get_if<std::vector<Expr>>(&attribute))
    for (const auto& e : *list) names.see(e);
}

Attribute renamed(const Renamer& names, const Attribute& attribute) {
  if (auto* e = std::get_if<Expr>(&attribute)) return e->substitute(names.dims);
  if (auto* list = std::get_if<std::vector<Expr>>(&attribute)) return names.apply(*list);
  return attribute;
}

}  // namespace

Result<Region> make_region(const Operator& op) {
  std::vector<int> order;  // old value indices in new order
  std::map<int, int> index;
  const auto place = [&](int value) {
    if (index.emplace(value, static_cast<int>(order.size())).second) order.push_back(value);
  };
  const int input_count = op.inputs();
  for (const auto& node : op.nodes)
    for (const auto& operand : node.operands)
      if (auto* v = std::get_if<int>(&operand); v && *v < input_count) place(*v);
  for (int v : op.outputs)
    if (v < input_count) place(v);
  const int inputs = static_cast<int>(order.size());
  for (const auto& node : op.nodes)
    for (int v : node.results) place(v);

  // Shapes are seen one dimension at a time, so that names follow the order in which a reader meets them.
  Renamer names;
  for (int i = 0; i < inputs; ++i)
    for (const auto& e : op.values[order[i]].shape) names.see(e);
  for (const auto& node : op.nodes)
    for (const auto& [key, attribute] : node.attributes) see_attribute(names, attribute);

  Region region;
  Operator& out = region.op;
  out.precision = op.precision;
  const std::set<int> outputs(op.outputs.begin(), op.outputs.end());
  int temporaries = 0, results = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    Value value = op.values[order[i]];
    value.shape = names.apply(value.shape);
    value.strides = names.apply(value.strides);
    if (static_cast<int>(i) < inputs) value.name = "x" + std::to_string(i);
    else if (outputs.count(order[i])) value.name = "y" + std::to_string(results++);
    else value.name = "t" + std::to_string(temporaries++);
    out.values.push_back(std::move(value));
  }
  for (const auto& node : op.nodes) {
    op::Node copy = node;
    copy.position = 0;
    for (auto& operand : copy.operands)
      if (auto* v = std::get_if<int>(&operand)) *v = index.at(*v);
    for (int& v : copy.results) v = index.at(v);
    for (auto& [key, attribute] : copy.attributes) attribute = renamed(names, attribute);
    out.nodes.push_back(std::move(copy));
  }
  for (int v : op.outputs) out.outputs.push_back(index.at(v));
  const Symbols binding = op.binding();
  for (std::size_t i = 0; i < names.order.size(); ++i)
    out.dims.emplace_back("d" + std::to_string(i), binding.at(names.order[i]));
  region.text = op::text(out);
  region.hash = sha256(region.text);
  return region;
}

}  // namespace mtmc::kernel
