// Small queries, canonical text, and rebinding.
#include "op/operator.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.hpp"
#include "op/algebra.hpp"
#include "op/builder.hpp"
#include "op/primitive.hpp"

namespace mtmc::op {

Symbols Operator::binding() const { return Symbols(dims.begin(), dims.end()); }

std::vector<std::int64_t> Operator::shape(int value) const {
  const Symbols symbols = binding();
  std::vector<std::int64_t> out;
  for (const auto& e : values.at(static_cast<std::size_t>(value)).shape) {
    const auto extent = e.evaluate(symbols);
    MTMC_CHECK(extent.has_value(), "an inferred extent has no value");
    out.push_back(*extent);
  }
  return out;
}

std::int64_t Operator::elements(int value) const {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape(value)) count *= extent;
  return count;
}

int Operator::inputs() const {
  int count = 0;
  for (const auto& v : values) {
    if (v.role == Role::intermediate) break;
    ++count;
  }
  return count;
}

namespace {

std::string number_text(double v) { return fmt::format("{}", v); }

std::string list_text(const std::vector<Expr>& list) {
  std::string out;
  for (const auto& e : list) out += (out.empty() ? "" : ", ") + e.text();
  return "[" + out + "]";
}

std::string attribute_text(const Attribute& a) {
  if (const auto* e = std::get_if<Expr>(&a)) return e->text();
  if (const auto* d = std::get_if<double>(&a)) return number_text(*d);
  if (const auto* b = std::get_if<bool>(&a)) return *b ? "True" : "False";
  if (const auto* w = std::get_if<std::string>(&a)) return "'" + *w + "'";
  if (const auto* t = std::get_if<DType>(&a)) return std::string(name_of(*t));
  return list_text(std::get<std::vector<Expr>>(a));
}

std::string input_text(const Value& v) {
  std::string out = v.name + ": " + std::string(name_of(v.dtype));
  if (!v.shape.empty()) out += list_text(v.shape);
  if (!v.strides.empty()) out += " strides " + list_text(v.strides);
  if (v.role == Role::weight) out += " weight";
  if (v.role == Role::inout) out += " inout";
  const auto& d = v.distribution;
  if (d == default_distribution(v.dtype)) return out;
  switch (d.kind) {
    case Distribution::Kind::normal:
      return out + fmt::format(" ~ normal({}, {})", d.a, d.b);
    case Distribution::Kind::uniform:
      return out + fmt::format(" ~ uniform({}, {})", d.a, d.b);
    case Distribution::Kind::randint:
      return out + fmt::format(" ~ randint({}, {})", d.a, d.b);
    case Distribution::Kind::constant:
      return out + fmt::format(" ~ constant({})", d.a);
  }
  return out;
}

// A node's call waiting to be written into its reader, or as a statement of its own.
struct Pending {
  int value;
  int depth;
  std::string call;
};

// Writes calls nested where parsing the nesting gives the nodes in the same order: an anonymous
// result that is used once, by a later node whose anonymous operands are, in order, the calls that
// wait last.
class Writer {
 public:
  explicit Writer(const Operator& op) : op_(op), uses_(op.values.size()) {
    for (const auto& node : op.nodes)
      for (const auto& operand : node.operands)
        if (const int* v = std::get_if<int>(&operand)) ++uses_[static_cast<std::size_t>(*v)];
    for (int v : op.outputs) uses_[static_cast<std::size_t>(v)] += 2;  // must have its name
  }

  std::string run() {
    for (std::size_t n = 0; n < op_.nodes.size(); ++n) write(op_.nodes[n], n);
    flush(0);
    return out_;
  }

 private:
  static constexpr int kMaxNesting = 32;

  bool may_nest(const Node& node, std::size_t n) const {
    if (node.results.size() != 1) return false;
    const auto v = static_cast<std::size_t>(node.results[0]);
    return uses_[v] == 1 && op_.values[v].name == "_" + std::to_string(n);
  }

  void write(const Node& node, std::size_t n) {
    std::vector<int> waiting;  // operands of this node that wait
    for (const auto& operand : node.operands)
      if (const int* v = std::get_if<int>(&operand))
        if (std::any_of(pending_.begin(), pending_.end(),
                        [&](const Pending& p) { return p.value == *v; }))
          waiting.push_back(*v);
    // Values used before a waiting call must not change the order: all must be at the end, in
    // order.
    bool in_order = waiting.size() <= pending_.size();
    for (std::size_t k = 0; in_order && k < waiting.size(); ++k)
      in_order = pending_[pending_.size() - waiting.size() + k].value == waiting[k];
    int depth = 0;
    for (const auto& p : pending_)
      if (std::find(waiting.begin(), waiting.end(), p.value) != waiting.end())
        depth = std::max(depth, p.depth);
    if (!in_order || depth >= kMaxNesting) flush(0);
    const Row* row = find_row(node.op);
    MTMC_CHECK(row, "an operator has a node without a row");
    const std::string call = call_text(*row, node);
    for (std::size_t k = 0; k < waiting.size() && !pending_.empty() &&
                            pending_.back().value == waiting[waiting.size() - 1 - k];
         ++k)
      pending_.pop_back();
    if (may_nest(node, n)) {
      pending_.push_back({node.results[0], depth + 1, call});
      return;
    }
    flush(0);
    std::string names;
    for (int v : node.results)
      names += (names.empty() ? "" : ", ") + op_.values[static_cast<std::size_t>(v)].name;
    out_ += names + " = " + call + "; ";
  }

  void flush(std::size_t from) {
    for (std::size_t k = from; k < pending_.size(); ++k)
      out_ += op_.values[static_cast<std::size_t>(pending_[k].value)].name + " = " +
              pending_[k].call + "; ";
    pending_.resize(from);
  }

  std::string operand_text(const Operand& operand) const {
    if (const double* d = std::get_if<double>(&operand)) return number_text(*d);
    if (std::holds_alternative<Absent>(operand)) return "None";
    const int v = std::get<int>(operand);
    for (const auto& p : pending_)
      if (p.value == v) return p.call;
    return op_.values[static_cast<std::size_t>(v)].name;
  }

  std::string call_text(const Row& row, const Node& node) const {
    std::vector<std::string> positional, keywords;
    std::size_t operand = 0;
    bool gap = false;
    for (const auto& p : row.parameters) {
      if (p.kind == Parameter::Kind::tensors) {
        std::string list;
        for (const auto& o : node.operands) list += (list.empty() ? "" : ", ") + operand_text(o);
        (gap ? keywords : positional).push_back((gap ? p.name + "=[" : "[") + list + "]");
      } else if (p.kind == Parameter::Kind::tensor) {
        const bool present = operand < node.operands.size();
        const bool absent = present && std::holds_alternative<Absent>(node.operands[operand]);
        if (present && !absent)
          (gap ? keywords : positional)
              .push_back((gap ? p.name + "=" : "") + operand_text(node.operands[operand]));
        else
          gap = true;
        ++operand;
      } else if (const auto it = node.attributes.find(p.name); it != node.attributes.end()) {
        const bool plain = p.required && !gap;
        (plain ? positional : keywords)
            .push_back((plain ? "" : p.name + "=") + attribute_text(it->second));
        gap = gap || !plain;
      } else {
        gap = true;
      }
    }
    positional.insert(positional.end(), keywords.begin(), keywords.end());
    std::string out = row.name + "(";
    for (std::size_t k = 0; k < positional.size(); ++k) out += (k ? ", " : "") + positional[k];
    return out + ")";
  }

  const Operator& op_;
  std::vector<int> uses_;
  std::vector<Pending> pending_;
  std::string out_;
};

}  // namespace

std::string text(const Operator& op) {
  std::string out = Writer(op).run();
  for (int v = 0; v < op.inputs(); ++v)
    out += input_text(op.values[static_cast<std::size_t>(v)]) + "; ";
  if (op.outputs != default_outputs(op)) {
    std::string names;
    for (int v : op.outputs)
      names += (names.empty() ? "" : ", ") + op.values[static_cast<std::size_t>(v)].name;
    out += "return " + names + "; ";
  }
  constexpr std::string_view kPrecision[] = {"exact", "tf32", "bf16x3", "tf32x3"};
  if (op.precision != Precision::exact)
    out += fmt::format("precision={}; ", kPrecision[static_cast<int>(op.precision)]);
  for (const auto& [name, value] : op.dims) out += fmt::format("{}={}; ", name, value);
  if (out.ends_with("; ")) out.resize(out.size() - 2);
  return out;
}

Result<Operator> rebind(const Operator& op, const Symbols& dims) {
  for (const auto& [name, value] : dims)
    if (std::none_of(op.dims.begin(), op.dims.end(),
                     [&](const auto& d) { return d.first == name; }))
      return bad_input(fmt::format("the operator has no dim '{}'", name));
  Builder builder;
  builder.set_precision(op.precision);
  for (const auto& [name, value] : op.dims) {
    const auto it = dims.find(name);
    if (auto ok = builder.add_dim(name, it == dims.end() ? value : it->second); !ok)
      return tl::unexpected<Error>(ok.error());
  }
  for (int v = 0; v < op.inputs(); ++v)
    if (auto added = builder.add_input(op.values[static_cast<std::size_t>(v)]); !added)
      return tl::unexpected<Error>(added.error());
  for (const auto& node : op.nodes) {
    std::vector<std::string> names;
    for (int v : node.results) names.push_back(op.values[static_cast<std::size_t>(v)].name);
    if (auto ok = builder.add_node(node, names); !ok) return tl::unexpected<Error>(ok.error());
  }
  auto bound = builder.finish(op.outputs);
  if (!bound) return bound;
  // A kernel for the stated binding must mean the same here: broadcasting and the like must be as
  // they were.
  const auto stated = lower(op), here = lower(*bound);
  if (!stated) return tl::unexpected<Error>(stated.error());
  if (!here) return tl::unexpected<Error>(here.error());
  const auto structure = [](Lowering l) {
    l.dims.clear();
    return l.text();
  };
  if (structure(*stated) != structure(*here)) {
    std::string binding;
    for (const auto& [name, value] : bound->dims)
      binding += fmt::format("{}{}={}", binding.empty() ? "" : ", ", name, value);
    return bad_input(
        fmt::format("at {} the operator has another structure than at its stated sizes", binding));
  }
  return bound;
}

}  // namespace mtmc::op
