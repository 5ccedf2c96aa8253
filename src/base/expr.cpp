// The tree: building, checked evaluation and printing. expr_parser.cpp reads text, and its limit on
// depth bounds the recursions here.
#include "base/expr.hpp"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "base/check.hpp"
#include "base/expr_grammar.hpp"
#include "base/value.hpp"

namespace mtmc {

struct Expr::Node {
  Kind kind;
  std::int64_t value = 0;
  double real = 0;
  std::string name;
  std::vector<Expr> args;
  std::uint64_t size = 1;

  void set_args(std::vector<Expr> list) {
    args = std::move(list);
    for (const Expr& e : args) size = std::min(size + e.size(), kMaxSize);
  }
  static constexpr std::uint64_t kMaxSize = std::uint64_t{1} << 40;
};

std::uint64_t Expr::size() const { return node_->size; }

namespace {

using Kind = Expr::Kind;
std::int64_t floor_quotient(std::int64_t a, std::int64_t b) {
  std::int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

// The value of an operation on two evaluated operands, or the reason why it has none.
Result<std::int64_t> apply(Kind kind, std::int64_t a, std::int64_t b) {
  std::int64_t r = 0;
  const bool divides = kind == Kind::div || kind == Kind::mod || kind == Kind::ceil_div ||
                       kind == Kind::align_up;
  if (divides && b == 0) return bad_input(fmt::format("division of {} by zero", a));
  const auto overflow = [&] {
    return bad_input(fmt::format("integer overflow computing with {} and {}", a, b));
  };
  if (divides && b == -1 && a == std::numeric_limits<std::int64_t>::min()) return overflow();
  switch (kind) {
    case Kind::add: if (__builtin_add_overflow(a, b, &r)) return overflow(); return r;
    case Kind::sub: if (__builtin_sub_overflow(a, b, &r)) return overflow(); return r;
    case Kind::mul: if (__builtin_mul_overflow(a, b, &r)) return overflow(); return r;
    case Kind::div: return floor_quotient(a, b);
    case Kind::mod:
      r = a % b;
      return r != 0 && (r < 0) != (b < 0) ? r + b : r;
    case Kind::ceil_div: return floor_quotient(a, b) + (a % b != 0 ? 1 : 0);
    case Kind::align_up:
      if (__builtin_mul_overflow(floor_quotient(a, b) + (a % b != 0 ? 1 : 0), b, &r)) return overflow();
      return r;
    case Kind::equal: return a == b;
    case Kind::not_equal: return a != b;
    case Kind::less: return a < b;
    case Kind::less_equal: return a <= b;
    case Kind::greater: return a > b;
    case Kind::greater_equal: return a >= b;
    case Kind::min: return std::min(a, b);
    case Kind::max: return std::max(a, b);
    case Kind::logical_and: return a != 0 && b != 0;
    case Kind::logical_or: return a != 0 || b != 0;
    default: return internal_error("not a binary operation");
  }
}

void print_list(const std::vector<Expr>& args, Syntax syntax, std::string& out);

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + '\'';
}

// `level`: what the surroundings need; weaker operators are put into parentheses.
void print(const Expr& e, int level, Syntax syntax, std::string& out) {
  using namespace grammar;
  const auto wrapped = [&](int own, const auto& body) {
    const bool wrap = own < level;
    if (wrap) out += '(';
    body();
    if (wrap) out += ')';
  };
  const auto& a = e.args();
  const Kind kind = e.kind();
  if (kind == Kind::constant) {
    const bool wrap = e.value() < 0 && level > kMultiply;
    if (wrap) out += '(';
    out += std::to_string(e.value());
    if (wrap) out += ')';
  } else if (kind == Kind::symbol) {
    out += e.name();
  } else if (kind == Kind::power) {
    wrapped(kUnary, [&] {
      print(a[0], kUnary + 1, syntax, out);
      out += " ** ";
      print(a[1], kUnary, syntax, out);
    });
  } else if (const auto* row = binary_row(kind, syntax)) {
    wrapped(row->level, [&] {
      print(a[0], row->level == kCompare ? kAdd : row->level, syntax, out);
      out += ' ';
      out += row->spelling;
      out += ' ';
      print(a[1], row->level + 1, syntax, out);
    });
  } else if (const auto* function = function_row(kind, syntax)) {
    out += function->name;
    out += '(';
    print_list(a, syntax, out);
    out += ')';
  } else if (kind == Kind::logical_not) {
    wrapped(kNot, [&] {
      out += "not ";
      print(a[0], kNot, syntax, out);
    });
  } else if (kind == Kind::negate) {
    wrapped(kUnary, [&] {
      out += '-';
      print(a[0], kUnary, syntax, out);
    });
  } else if (kind == Kind::select) {
    wrapped(0, [&] {
      print(a[1], kOr, syntax, out);
      out += " if ";
      print(a[0], kOr, syntax, out);
      out += " else ";
      print(a[2], 0, syntax, out);
    });
  } else if (kind == Kind::real) {
    out += real_text(e.real_value());
  } else if (kind == Kind::boolean) {
    out += e.value() ? "True" : "False";
  } else if (kind == Kind::text) {
    out += quoted(e.name());
  } else if (kind == Kind::list) {
    out += '[';
    print_list(a, syntax, out);
    out += ']';
  } else {
    std::string clauses;
    const Expr* inner = &e;
    for (;; inner = &inner->args()[0]) {
      clauses += " for " + inner->name() + " in ";
      print(inner->args()[1], kOr, syntax, clauses);
      for (std::size_t i = 2; i < inner->args().size(); ++i) {
        clauses += " if ";
        print(inner->args()[i], kOr, syntax, clauses);
      }
      if (inner->kind() == Kind::comprehension) break;
    }
    out += '[';
    print(inner->args()[0], kOr, syntax, out);
    out += clauses + ']';
  }
}

void print_list(const std::vector<Expr>& args, Syntax syntax, std::string& out) {
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (i) out += ", ";
    print(args[i], 0, syntax, out);
  }
}

}  // namespace

Expr::Expr(std::int64_t value) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::constant;
  node->value = value;
  node_ = std::move(node);
}

Expr Expr::symbol(std::string name) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::symbol;
  node->name = std::move(name);
  return Expr(std::shared_ptr<const Node>(std::move(node)));
}

Expr Expr::node(Kind kind, std::vector<Expr> args, std::string name) {
  auto node = std::make_shared<Node>();
  node->kind = kind;
  node->set_args(std::move(args));
  node->name = std::move(name);
  return Expr(std::shared_ptr<const Node>(std::move(node)));
}

Expr Expr::real(double value) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::real;
  node->real = value;
  return Expr(std::shared_ptr<const Node>(std::move(node)));
}

Expr Expr::boolean(bool value) {
  auto node = std::make_shared<Node>();
  node->kind = Kind::boolean;
  node->value = value;
  return Expr(std::shared_ptr<const Node>(std::move(node)));
}

Expr Expr::make(Kind kind, std::vector<Expr> args) {
  const bool constant =
      std::all_of(args.begin(), args.end(), [](const Expr& e) { return e.is_constant(); });
  auto node = std::make_shared<Node>();
  node->kind = kind;
  node->set_args(std::move(args));
  Expr made{std::shared_ptr<const Node>(std::move(node))};
  if (constant) {
    if (auto value = made.evaluate({})) return Expr(*value);
    return made;
  }
  const auto& a = made.args();
  if ((kind == Kind::add || kind == Kind::sub) && a[1].is_constant(0)) return a[0];
  if (kind == Kind::add && a[0].is_constant(0)) return a[1];
  if (kind == Kind::mul && a[1].is_constant(1)) return a[0];
  if (kind == Kind::mul && a[0].is_constant(1)) return a[1];
  if (kind == Kind::mul && (a[0].is_constant(0) || a[1].is_constant(0))) return Expr(0);
  if ((kind == Kind::div || kind == Kind::ceil_div) && a[1].is_constant(1)) return a[0];
  if (kind == Kind::mod && a[1].is_constant(1)) return Expr(0);
  if (kind == Kind::select && a[0].is_constant()) return a[0].value() ? a[1] : a[2];
  if ((kind == Kind::min || kind == Kind::max) && a.size() == 1) return a[0];
  return made;
}

Result<std::int64_t> Expr::evaluate(const Symbols& symbols) const {
  const auto& a = node_->args;
  switch (node_->kind) {
    case Kind::constant: return node_->value;
    case Kind::symbol: {
      auto it = symbols.find(node_->name);
      if (it == symbols.end()) return bad_input(fmt::format("unknown name '{}'", node_->name));
      return it->second;
    }
    case Kind::negate: {
      auto v = a[0].evaluate(symbols);
      return v ? apply(Kind::sub, 0, *v) : v;
    }
    case Kind::logical_not: {
      auto v = a[0].evaluate(symbols);
      return v ? Result<std::int64_t>(*v == 0) : v;
    }
    case Kind::select: {
      auto c = a[0].evaluate(symbols);
      return c ? a[*c ? 1 : 2].evaluate(symbols) : c;
    }
    case Kind::logical_and:
    case Kind::logical_or: {
      auto v = a[0].evaluate(symbols);
      if (!v) return v;
      const bool decided = (*v != 0) == (node_->kind == Kind::logical_or);
      if (decided) return std::int64_t{*v != 0};
      auto w = a[1].evaluate(symbols);
      return w ? Result<std::int64_t>(*w != 0) : w;
    }
    case Kind::real:
    case Kind::boolean:
    case Kind::text:
    case Kind::list:
    case Kind::true_div:
    case Kind::power:
    case Kind::contains:
    case Kind::abs:
    case Kind::sum:
    case Kind::len:
    case Kind::to_int:
    case Kind::to_float:
    case Kind::to_list:
    case Kind::range:
    case Kind::comprehension:
    case Kind::comprehensions: return internal_error("a Python expression has no checked value");
    default: break;
  }
  auto left = a[0].evaluate(symbols);
  for (std::size_t i = 1; left && i < a.size(); ++i) {
    auto right = a[i].evaluate(symbols);
    if (!right) return right;
    left = apply(node_->kind, *left, *right);
  }
  return left;
}

Expr Expr::substitute(const std::map<std::string, Expr, std::less<>>& map) const {
  if (kind() == Kind::constant) return *this;
  if (kind() == Kind::symbol) {
    auto it = map.find(name());
    return it == map.end() ? *this : it->second;
  }
  if (node_->args.empty()) return *this;
  std::vector<Expr> args;
  for (const auto& e : node_->args) args.push_back(e.substitute(map));
  return make(kind(), std::move(args));
}

Expr::Kind Expr::kind() const { return node_->kind; }
std::int64_t Expr::value() const {
  MTMC_CHECK(kind() == Kind::constant || kind() == Kind::boolean,
             "value of an expression that is no constant");
  return node_->value;
}
const std::string& Expr::name() const {
  MTMC_CHECK(kind() == Kind::symbol || kind() == Kind::text || kind() == Kind::comprehension ||
                 kind() == Kind::comprehensions,
             "name of an expression that has none");
  return node_->name;
}
double Expr::real_value() const {
  MTMC_CHECK(kind() == Kind::real, "real value of an expression that is none");
  return node_->real;
}
const std::vector<Expr>& Expr::args() const { return node_->args; }

std::set<std::string> Expr::symbols() const {
  if (kind() == Kind::symbol) return {name()};
  std::set<std::string> all;
  for (const auto& e : node_->args) all.merge(e.symbols());
  if (kind() == Kind::comprehension || kind() == Kind::comprehensions) {
    all.erase(name());  // bound here; free only where the iterable uses another of that name
    all.merge(node_->args[1].symbols());
  }
  return all;
}

std::string Expr::text(Syntax syntax) const {
  std::string out;
  print(*this, 0, syntax, out);
  return out;
}

bool Expr::operator==(const Expr& other) const {
  if (node_ == other.node_) return true;
  if (node_->kind != other.node_->kind || node_->value != other.node_->value ||
      node_->real != other.node_->real || node_->name != other.node_->name || node_->args.size() != other.node_->args.size())
    return false;
  return std::equal(node_->args.begin(), node_->args.end(), other.node_->args.begin());
}

Expr operator+(const Expr& a, const Expr& b) { return Expr::make(Expr::Kind::add, {a, b}); }
Expr operator-(const Expr& a, const Expr& b) { return Expr::make(Expr::Kind::sub, {a, b}); }
Expr operator*(const Expr& a, const Expr& b) { return Expr::make(Expr::Kind::mul, {a, b}); }
Expr floor_div(const Expr& a, const Expr& b) { return Expr::make(Expr::Kind::div, {a, b}); }
Expr mod(const Expr& a, const Expr& b) { return Expr::make(Expr::Kind::mod, {a, b}); }
Expr ceil_div(const Expr& a, const Expr& b) { return Expr::make(Expr::Kind::ceil_div, {a, b}); }

}  // namespace mtmc
