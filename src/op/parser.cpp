// Meaning for the operator language's syntax: which names are dims, inputs and results; arguments
// bound to signatures; nested calls as anonymous nodes. A dim that is bound to an expression of
// others is replaced by that expression everywhere, so that rebinding the others carries it along.
#include "op/parser.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "op/algebra.hpp"
#include "op/builder.hpp"
#include "op/syntax.hpp"

namespace mtmc::op {
namespace {

using NodeKind = SyntaxNode::Kind;
using ParameterKind = Parameter::Kind;
using Dims = std::map<std::string, Expr, std::less<>>;

std::string suggestion(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string near = nearest_name(name, candidates);
  return near.empty() ? "" : fmt::format(", did you mean '{}'?", near);
}

std::string_view row_of_operator(std::string_view symbol) {
  constexpr std::pair<std::string_view, std::string_view> kRows[] = {
      {"+", "add"},       {"-", "sub"},    {"*", "mul"},
      {"/", "div"},       {"**", "pow"},   {"//", "floor_divide"},
      {"%", "remainder"}, {"@", "matmul"}, {"==", "eq"},
      {"!=", "ne"},       {"<", "lt"},     {"<=", "le"},
      {">", "gt"},        {">=", "ge"}};
  for (const auto& [spelling, row] : kRows)
    if (spelling == symbol) return row;
  return {};
}

// Reads syntax as a whole-number expression. `lookup` gives a name's expression, or an error.
class WholeReader {
 public:
  using Lookup = std::function<Result<Expr>(const SyntaxNode&)>;
  WholeReader(const Syntax& syntax, Lookup lookup) : syntax_(syntax), lookup_(std::move(lookup)) {}

  Result<Expr> read(int id) const {
    const SyntaxNode& n = syntax_.nodes[static_cast<std::size_t>(id)];
    if (n.kind == NodeKind::number && n.is_whole) return Expr(n.whole);
    if (n.kind == NodeKind::name) return lookup_(n);
    if (n.kind == NodeKind::unary) {
      auto e = read(n.children[0]);
      return e ? Expr::make(Expr::Kind::negate, {*e}) : e;
    }
    if (n.kind == NodeKind::binary) {
      using K = Expr::Kind;
      constexpr std::pair<std::string_view, K> kKinds[] = {{"+", K::add},  {"-", K::sub},
                                                           {"*", K::mul},  {"/", K::div},
                                                           {"//", K::div}, {"%", K::mod}};
      for (const auto& [spelling, kind] : kKinds)
        if (n.text == spelling) return made(kind, n);
    }
    if (n.kind == NodeKind::call && n.keywords.empty()) {
      using K = Expr::Kind;
      if (n.text == "min" && !n.children.empty()) return made(K::min, n);
      if (n.text == "max" && !n.children.empty()) return made(K::max, n);
      if (n.text == "ceil_div" && n.children.size() == 2) return made(K::ceil_div, n);
      if (n.text == "align_up" && n.children.size() == 2) return made(K::align_up, n);
    }
    return error_at(n.position, "expected a whole number or an expression of dims");
  }

  // Does it look like one, with all its names accepted by `known`?
  bool could_be(int id, const std::function<bool(std::string_view)>& known) const {
    const SyntaxNode& n = syntax_.nodes[static_cast<std::size_t>(id)];
    if (n.kind == NodeKind::number) return n.is_whole;
    if (n.kind == NodeKind::name) return known(n.text);
    const bool function =
        n.kind == NodeKind::call &&
        (n.text == "ceil_div" || n.text == "align_up" || n.text == "min" || n.text == "max") &&
        n.keywords.empty();
    const bool arithmetic =
        n.kind == NodeKind::unary ||
        (n.kind == NodeKind::binary && (n.text == "+" || n.text == "-" || n.text == "*" ||
                                        n.text == "/" || n.text == "//" || n.text == "%"));
    if (!function && !arithmetic) return false;
    return std::all_of(n.children.begin(), n.children.end(),
                       [&](int c) { return could_be(c, known); });
  }

 private:
  Result<Expr> made(Expr::Kind kind, const SyntaxNode& n) const {
    std::vector<Expr> args;
    for (int c : n.children) {
      auto e = read(c);
      if (!e) return e;
      args.push_back(*e);
    }
    return Expr::make(kind, std::move(args));
  }
  const Syntax& syntax_;
  Lookup lookup_;
};

class Resolver {
 public:
  explicit Resolver(const Syntax& syntax)
      : syntax_(syntax), whole_(syntax, [this](const SyntaxNode& n) { return dim_named(n); }) {}

  Result<Operator> run() {
    for (auto step : {&Resolver::sort_statements, &Resolver::find_dims, &Resolver::declare_inputs,
                      &Resolver::assign, &Resolver::find_outputs})
      if (auto ok = (this->*step)(); !ok) return tl::unexpected<Error>(ok.error());
    for (const auto& [name, position] : dim_positions_)
      if (!used_dims_.count(name))
        return error_at(position, fmt::format("dim '{}' is never used", name));
    int offender = -1;
    auto op = builder_.finish(outputs_, &offender);
    if (op) return op;
    std::size_t position = output_position_;
    if (offender >= 0) {
      const auto it =
          positions_.find(builder_.op().values[static_cast<std::size_t>(offender)].name);
      if (it != positions_.end() && output_position_ == 0) position = it->second;
      if (it != positions_.end() && offender < builder_.op().inputs()) position = it->second;
      if (it != positions_.end()) position = std::max(position, it->second);
    }
    return error_at(std::max<std::size_t>(position, 1), op.error().message);
  }

 private:
  const SyntaxNode& node(int id) const { return syntax_.nodes[static_cast<std::size_t>(id)]; }

  Result<void> declare(const std::string& name, std::size_t position) {
    if (name == "return" || name == "True" || name == "False" || name == "None" || name == "inf" ||
        name == "nan")
      return error_at(position, fmt::format("'{}' is a word of the language", name));
    if (!positions_.emplace(name, position).second)
      return error_at(position,
                      fmt::format("'{}' is assigned twice; a name is assigned once", name));
    return {};
  }

  // Names are declared once, whatever they name.
  Result<void> sort_statements() {
    for (const auto& s : syntax_.statements) {
      if (s.kind == Statement::Kind::result) {
        if (result_) return error_at(s.position, "a second return");
        result_ = &s;
        continue;
      }
      if (s.kind == Statement::Kind::assignment && s.names.size() == 1 &&
          s.names[0].first == "precision") {
        if (auto ok = read_precision(s); !ok) return ok;
        continue;
      }
      for (const auto& [name, position] : s.names)
        if (auto ok = declare(name, position); !ok) return ok;
      (s.kind == Statement::Kind::input ? inputs_ : assignments_).push_back(&s);
    }
    return {};
  }

  Result<void> read_precision(const Statement& s) {
    const SyntaxNode& value = node(s.value);
    constexpr std::pair<std::string_view, Precision> kWords[] = {{"exact", Precision::exact},
                                                                 {"tf32", Precision::tf32},
                                                                 {"bf16x3", Precision::bf16x3},
                                                                 {"tf32x3", Precision::tf32x3}};
    if (has_precision_) return error_at(s.position, "precision is stated twice");
    has_precision_ = true;
    for (const auto& [word, precision] : kWords)
      if ((value.kind == NodeKind::name || value.kind == NodeKind::word) && value.text == word) {
        builder_.set_precision(precision);
        return {};
      }
    return error_at(value.position, "expected exact, tf32, bf16x3 or tf32x3 as precision");
  }

  // A dim is what is assigned a whole number or an expression of dims.
  Result<void> find_dims() {
    std::vector<const Statement*> rest = assignments_;
    for (bool changed = true; changed;) {
      changed = false;
      for (auto it = rest.begin(); it != rest.end();) {
        const Statement& s = **it;
        const auto known = [&](std::string_view name) { return dims_.count(name) > 0; };
        if (s.names.size() != 1 || !whole_.could_be(s.value, known)) {
          ++it;
          continue;
        }
        if (auto ok = bind(s); !ok) return ok;
        it = rest.erase(it);
        changed = true;
      }
    }
    assignments_ = rest;
    // Dims in order of declaration, not of discovery.
    for (const auto& s : syntax_.statements)
      if (s.names.size() == 1 && base_dims_.count(s.names[0].first))
        if (auto ok = builder_.add_dim(s.names[0].first, base_dims_.at(s.names[0].first)); !ok)
          return error_at(s.names[0].second, ok.error().message);
    for (const auto& [name, e] : dims_) {
      const auto v = builder_.whole(e);
      if (!v) return error_at(dim_positions_.at(name), v.error().message);
      if (*v < 1 || *v > kMaxElements)
        return error_at(dim_positions_.at(name),
                        fmt::format("dim '{}' is {}; it must be between 1 and 2^40", name, *v));
    }
    used_dims_.clear();  // from here on, uses count
    for (const auto& [name, e] : dims_)
      if (!base_dims_.count(name))
        for (const auto& base : e.symbols()) used_dims_.insert(base);
    return {};
  }

  Result<void> bind(const Statement& s) {
    const auto& [name, position] = s.names[0];
    auto e = whole_.read(s.value);
    if (!e) return tl::unexpected<Error>(e.error());
    const Expr value = simplify(*e);
    if (value.symbols().empty()) {
      const auto number = value.evaluate({});
      if (!number) return error_at(position, number.error().message);
      base_dims_.emplace(name, *number);
      dims_.emplace(name, Expr::symbol(name));
    } else {
      dims_.emplace(name, value);
    }
    dim_positions_.emplace(name, position);
    return {};
  }

  Result<Expr> dim_named(const SyntaxNode& n) {
    const auto it = dims_.find(n.text);
    if (it != dims_.end()) {
      used_dims_.insert(n.text);
      return it->second;
    }
    if (builder_.value_named(n.text) >= 0 || positions_.count(n.text))
      return error_at(n.position,
                      fmt::format("'{}' has no whole-number value; a dim is needed here", n.text));
    std::vector<std::string> names;
    for (const auto& [name, e] : dims_) names.push_back(name);
    return error_at(n.position, fmt::format("dim '{}' has no value{}; bind it with {}=...",
                                            n.text.substr(0, 64), suggestion(n.text, names),
                                            n.text.substr(0, 64)));
  }

  Result<std::vector<Expr>> wholes(const std::vector<int>& ids) {
    std::vector<Expr> out;
    for (int id : ids) {
      auto e = whole_.read(id);
      if (!e) return tl::unexpected<Error>(e.error());
      out.push_back(simplify(*e));
    }
    return out;
  }

  Result<void> declare_inputs() {
    for (const Statement* s : inputs_) {
      Value value;
      value.name = s->names[0].first;
      const auto dtype = dtype_named(s->dtype);
      if (!dtype) return error_at(s->dtype_position, unknown_dtype(s->dtype));
      value.dtype = *dtype;
      auto shape = wholes(s->shape);
      if (!shape) return tl::unexpected<Error>(shape.error());
      value.shape = *shape;
      auto strides = wholes(s->strides);
      if (!strides) return tl::unexpected<Error>(strides.error());
      value.strides = *strides;
      if (s->has_strides && value.strides.size() != value.shape.size())
        return error_at(s->position, fmt::format("{} strides for {} dimensions",
                                                 value.strides.size(), value.shape.size()));
      if (s->channels_last) {
        if (value.shape.size() < 3)
          return error_at(s->position, "channels_last needs at least 3 dimensions");
        value.strides = channels_last_strides(value.shape);
      }
      value.role = s->role == "weight"  ? Role::weight
                   : s->role == "inout" ? Role::inout
                                        : Role::input;
      value.distribution = default_distribution(*dtype);
      if (!s->distribution.empty())
        if (auto ok = read_distribution(*s, value.distribution); !ok) return ok;
      if (auto added = builder_.add_input(std::move(value)); !added)
        return error_at(s->position, added.error().message);
    }
    return {};
  }

  static std::string unknown_dtype(const std::string& name) {
    std::vector<std::string> names;
    for (const auto d :
         {DType::f64, DType::f32, DType::f16, DType::bf16, DType::f8e4m3, DType::f8e5m2, DType::i64,
          DType::i32, DType::i8, DType::u8, DType::boolean})
      names.emplace_back(name_of(d));
    std::string all;
    for (const auto& n : names) all += (all.empty() ? "" : " ") + n;
    const std::string near = suggestion(name, names);
    return fmt::format("unknown dtype '{}'{}", name.substr(0, 64),
                       near.empty() ? "; it must be one of " + all : near);
  }

  Result<void> read_distribution(const Statement& s, Distribution& d) {
    using Kind = Distribution::Kind;
    constexpr std::pair<std::string_view, Kind> kKinds[] = {{"normal", Kind::normal},
                                                            {"uniform", Kind::uniform},
                                                            {"randint", Kind::randint},
                                                            {"constant", Kind::constant}};
    const auto found = std::find_if(std::begin(kKinds), std::end(kKinds),
                                    [&](const auto& k) { return k.first == s.distribution; });
    if (found == std::end(kKinds))
      return error_at(
          s.distribution_position,
          fmt::format("unknown distribution '{}'; it must be normal, uniform, randint or constant",
                      s.distribution.substr(0, 64)));
    d = {found->second, 0, 0};
    const std::size_t wanted = d.kind == Kind::constant ? 1 : 2;
    if (s.parameters.size() != wanted)
      return error_at(s.distribution_position,
                      fmt::format("{} takes {} number(s), not {}", s.distribution, wanted,
                                  s.parameters.size()));
    for (std::size_t k = 0; k < wanted; ++k) {
      const SyntaxNode& n = node(s.parameters[k]);
      if (n.kind != NodeKind::number) return error_at(n.position, "expected a number");
      (k == 0 ? d.a : d.b) = n.number;
    }
    return {};
  }

  static std::vector<Expr> channels_last_strides(const std::vector<Expr>& shape) {
    std::vector<Expr> strides(shape.size());
    Expr stride = shape[1];
    for (std::size_t d = shape.size(); d-- > 2;) {
      strides[d] = simplify(stride);
      stride = stride * shape[d];
    }
    strides[1] = Expr(1);
    strides[0] = simplify(stride);
    return strides;
  }

  Result<void> assign() {
    for (const Statement* s : assignments_) {
      std::vector<std::string> names;
      for (const auto& [name, position] : s->names) names.push_back(name);
      const SyntaxNode& value = node(s->value);
      if (value.kind == NodeKind::number || value.kind == NodeKind::boolean)
        return error_at(value.position, "a tensor or a whole number is needed here");
      if (value.kind == NodeKind::name) {
        auto operand = operand_of(s->value);
        if (!operand) return tl::unexpected<Error>(operand.error());
        Node copy;
        copy.op = "identity";
        copy.operands = {*operand};
        copy.position = value.position;
        if (auto ok = builder_.add_node(std::move(copy), names); !ok)
          return error_at(value.position, ok.error().message);
        continue;
      }
      if (auto ok = make_node(s->value, names); !ok) return tl::unexpected<Error>(ok.error());
    }
    return {};
  }

  Result<void> find_outputs() {
    if (!result_) return {};
    output_position_ = result_->position;
    for (const auto& [name, position] : result_->names) {
      const int v = builder_.value_named(name);
      if (v < 0)
        return error_at(position, fmt::format("unknown name '{}'{}", name.substr(0, 64),
                                              suggestion(name, value_names())));
      outputs_.push_back(v);
    }
    return {};
  }

  std::vector<std::string> value_names() const {
    std::vector<std::string> names;
    for (const auto& v : builder_.op().values) names.push_back(v.name);
    return names;
  }

  Result<Operand> operand_of(int id) {
    const SyntaxNode& n = node(id);
    switch (n.kind) {
      case NodeKind::number:
      case NodeKind::boolean:
        return Operand(n.number);
      case NodeKind::none:
        return Operand(Absent{});
      case NodeKind::name:
        return named_operand(n);
      case NodeKind::word:
        return error_at(n.position, "a tensor or a number is needed here, not a word");
      case NodeKind::list:
        return error_at(n.position, "a tensor or a number is needed here, not a list");
      default:
        break;
    }
    if (const auto folded = constant(id)) return Operand(*folded);
    const auto known = [&](std::string_view name) { return dims_.count(name) > 0; };
    if (n.kind != NodeKind::call && whole_.could_be(id, known) && !divides(id))
      return scalar_operand(id);
    auto results = make_node(id, {""});
    if (!results) return tl::unexpected<Error>(results.error());
    return Operand((*results)[0]);
  }

  // In a tensor expression `/` is a true division, which a dim expression has not.
  bool divides(int id) const {
    const SyntaxNode& n = node(id);
    return (n.kind == NodeKind::binary && n.text == "/") ||
           std::any_of(n.children.begin(), n.children.end(), [&](int c) { return divides(c); });
  }

  std::optional<double> constant(int id) const {
    const SyntaxNode& n = node(id);
    if (n.kind == NodeKind::number) return n.number;
    if (n.kind == NodeKind::unary)
      if (const auto a = constant(n.children[0])) return -*a;
    if (n.kind != NodeKind::binary) return std::nullopt;
    const auto a = constant(n.children[0]), b = constant(n.children[1]);
    if (!a || !b) return std::nullopt;
    if (n.text == "+") return *a + *b;
    if (n.text == "-") return *a - *b;
    if (n.text == "*") return *a * *b;
    if (n.text == "/") return *a / *b;
    if (n.text == "**") return std::pow(*a, *b);
    return std::nullopt;
  }

  Result<Operand> named_operand(const SyntaxNode& n) {
    const int v = builder_.value_named(n.text);
    if (v >= 0) return Operand(v);
    if (dims_.count(n.text)) return scalar_operand(static_cast<int>(&n - syntax_.nodes.data()));
    if (positions_.count(n.text))
      return error_at(n.position, fmt::format("'{}' is used before it is assigned", n.text));
    auto names = value_names();
    for (const auto& [name, e] : dims_) names.push_back(name);
    return error_at(n.position, fmt::format("unknown name '{}'{}", n.text.substr(0, 64),
                                            suggestion(n.text, names)));
  }

  Result<Operand> scalar_operand(int id) {
    auto e = whole_.read(id);
    if (!e) return tl::unexpected<Error>(e.error());
    Node scalar;
    scalar.op = "scalar";
    scalar.position = node(id).position;
    scalar.attributes.emplace("value", *e);
    auto results = builder_.add_node(std::move(scalar), {""});
    if (!results) return error_at(node(id).position, results.error().message);
    return Operand((*results)[0]);
  }

  Result<std::vector<int>> make_node(int id, const std::vector<std::string>& names) {
    const SyntaxNode& n = node(id);
    Node made;
    made.position = n.position;
    if (n.kind == NodeKind::call) {
      const Row* row = find_row(n.text);
      if (!row)
        return error_at(n.position, fmt::format("unknown operator '{}'{}", n.text.substr(0, 64),
                                                suggestion(n.text, operator_names())));
      made.op = row->name;
      if (auto ok = bind_arguments(*row, n, made); !ok) return tl::unexpected<Error>(ok.error());
    } else if (n.kind == NodeKind::binary || n.kind == NodeKind::unary) {
      made.op = n.kind == NodeKind::unary ? "neg" : row_of_operator(n.text);
      for (int c : n.children) {
        auto operand = operand_of(c);
        if (!operand) return tl::unexpected<Error>(operand.error());
        made.operands.push_back(*operand);
      }
    } else {
      return error_at(n.position, "expected an operator's call");
    }
    auto results = builder_.add_node(std::move(made), names);
    if (!results) return error_at(n.position, results.error().message);
    return results;
  }

  static std::vector<std::string> operator_names() {
    std::vector<std::string> names;
    for (const auto& row : table()) {
      names.push_back(row.name);
      names.insert(names.end(), row.aliases.begin(), row.aliases.end());
    }
    return names;
  }

  Result<void> bind_arguments(const Row& row, const SyntaxNode& n, Node& made) {
    const auto& parameters = row.parameters;
    std::vector<std::vector<int>> given(
        parameters.size());  // `tensors`, and a spread shape, take several
    std::size_t p = 0;
    for (std::size_t k = 0; k < n.children.size(); ++k, ++p) {
      const int child = n.children[k];
      if (p >= parameters.size())
        return error_at(node(child).position,
                        fmt::format("{} takes at most {} argument(s); {}({})", row.name,
                                    parameters.size(), row.name, row.signature));
      given[p].push_back(child);
      const bool is_list = node(child).kind == NodeKind::list;
      const bool spread =
          parameters[p].kind == ParameterKind::tensors ||
          (parameters[p].kind == ParameterKind::shape && p + 1 == parameters.size() && p > 0);
      while (spread && !is_list && k + 1 < n.children.size()) given[p].push_back(n.children[++k]);
    }
    for (const auto& [name, child] : n.keywords) {
      std::vector<std::string> names;
      for (const auto& q : parameters) names.push_back(q.name);
      const auto found = std::find(names.begin(), names.end(), name);
      if (found == names.end())
        return error_at(
            node(child).position,
            fmt::format("{} has no argument '{}'{}; {}({})", row.name, name.substr(0, 64),
                        suggestion(name, names), row.name, row.signature));
      auto& slot = given[static_cast<std::size_t>(found - names.begin())];
      if (!slot.empty())
        return error_at(node(child).position, fmt::format("argument '{}' is given twice", name));
      slot.push_back(child);
    }
    for (std::size_t k = 0; k < parameters.size(); ++k)
      if (auto ok = bind_argument(row, parameters[k], given[k], made); !ok) return ok;
    return {};
  }

  Result<void> bind_argument(const Row& row, const Parameter& p, const std::vector<int>& given,
                             Node& made) {
    if (p.kind == ParameterKind::tensors) {
      std::vector<int> items = given;
      if (items.size() == 1 && node(items[0]).kind == NodeKind::list)
        items = node(items[0]).children;
      for (int item : items) {
        auto operand = operand_of(item);
        if (!operand) return tl::unexpected<Error>(operand.error());
        made.operands.push_back(*operand);
      }
      return {};
    }
    if (p.kind == ParameterKind::tensor) {
      if (given.empty()) {
        made.operands.emplace_back(Absent{});
        return {};
      }
      auto operand = operand_of(given[0]);
      if (!operand) return tl::unexpected<Error>(operand.error());
      made.operands.push_back(*operand);
      return {};
    }
    if (given.empty()) return {};
    const SyntaxNode& n = node(given[0]);
    if (n.kind == NodeKind::none) {
      if (p.required || p.fallback)
        return error_at(n.position, fmt::format("{}: '{}' cannot be None", row.name, p.name));
      return {};
    }
    auto attribute = read_attribute(p, given);
    if (!attribute) return tl::unexpected<Error>(attribute.error());
    made.attributes.emplace(p.name, *attribute);
    return {};
  }

  Result<Attribute> read_attribute(const Parameter& p, const std::vector<int>& given) {
    const SyntaxNode& n = node(given[0]);
    const auto wrong = [&](std::string_view what) {
      return error_at(n.position, fmt::format("'{}' must be {}", p.name, what));
    };
    const bool is_word = n.kind == NodeKind::word || n.kind == NodeKind::name;
    switch (p.kind) {
      case ParameterKind::flag:
        if (n.kind == NodeKind::boolean) return Attribute(n.number != 0);
        return wrong("True or False");
      case ParameterKind::word:
        if (is_word) return Attribute(n.text);
        return wrong("a word");
      case ParameterKind::number:
        if (const auto value = constant(given[0])) return Attribute(*value);
        return wrong("a number");
      case ParameterKind::dtype:
        if (!is_word) return wrong("a dtype");
        if (const auto dtype = dtype_named(n.text)) return Attribute(*dtype);
        return error_at(n.position, unknown_dtype(n.text));
      case ParameterKind::integer: {
        auto e = whole_.read(given[0]);
        if (!e) return tl::unexpected<Error>(e.error());
        return Attribute(simplify(*e));
      }
      default:
        break;
    }
    if (p.kind == ParameterKind::padding && n.kind == NodeKind::word) return Attribute(n.text);
    if (p.kind == ParameterKind::padding && n.kind == NodeKind::name && !dims_.count(n.text))
      return Attribute(n.text);
    auto list = wholes(n.kind == NodeKind::list ? n.children : given);
    if (!list) return tl::unexpected<Error>(list.error());
    return Attribute(*list);
  }

  const Syntax& syntax_;
  WholeReader whole_;
  Builder builder_;
  std::map<std::string, std::size_t> positions_;  // of every declared name
  Dims dims_;                                     // over base dims
  std::map<std::string, std::int64_t> base_dims_;
  std::map<std::string, std::size_t> dim_positions_;
  std::set<std::string, std::less<>> used_dims_;
  std::vector<const Statement*> inputs_, assignments_;
  const Statement* result_ = nullptr;
  bool has_precision_ = false;
  std::vector<int> outputs_;
  std::size_t output_position_ = 0;
};

}  // namespace

Result<Operator> parse_operator(std::string_view line) {
  const auto syntax = parse_syntax(line);
  if (!syntax) return tl::unexpected<Error>(syntax.error());
  return Resolver(*syntax).run();
}

Result<Expr> parse_whole(std::string_view text) {
  const auto syntax = parse_expression_syntax(text);
  if (!syntax) return tl::unexpected<Error>(syntax.error());
  const WholeReader reader(
      *syntax, [](const SyntaxNode& n) -> Result<Expr> { return Expr::symbol(n.text); });
  auto e = reader.read(static_cast<int>(syntax->nodes.size()) - 1);
  if (!e) return e;
  return simplify(*e);
}

}  // namespace mtmc::op
