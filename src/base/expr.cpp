// A recursive-descent parser and an evaluator over a shared tree. Depth is limited while parsing,
// so that neither parsing nor evaluating hostile text can exhaust the stack.
#include "base/expr.hpp"

#include <algorithm>
#include <cctype>
#include <limits>

#include <fmt/format.h>

#include "base/check.hpp"

namespace mtmc {

struct Expr::Node {
  Kind kind;
  std::int64_t value = 0;
  std::string name;
  std::vector<Expr> args;
};

namespace {

using Kind = Expr::Kind;
constexpr int kMaxDepth = 200;
constexpr std::size_t kMaxText = 16384;

struct BinaryRow {
  Kind kind;
  const char* spelling;
  int level;  // binding strength, larger binds tighter
};
constexpr BinaryRow kBinary[] = {
    {Kind::logical_or, "or", 1},     {Kind::logical_and, "and", 2}, {Kind::equal, "==", 4},
    {Kind::not_equal, "!=", 4},      {Kind::less_equal, "<=", 4},   {Kind::greater_equal, ">=", 4},
    {Kind::less, "<", 4},            {Kind::greater, ">", 4},       {Kind::add, "+", 5},
    {Kind::sub, "-", 5},             {Kind::mul, "*", 6},           {Kind::div, "/", 6},
    {Kind::mod, "%", 6},
};
struct FunctionRow {
  Kind kind;
  const char* name;
  std::size_t min_args, max_args;
};
constexpr FunctionRow kFunctions[] = {
    {Kind::min, "min", 1, 64},          {Kind::max, "max", 1, 64},
    {Kind::ceil_div, "ceil_div", 2, 2}, {Kind::align_up, "align_up", 2, 2},
    {Kind::select, "select", 3, 3},
};

const BinaryRow* binary_row(Kind kind) {
  for (const auto& row : kBinary)
    if (row.kind == kind) return &row;
  return nullptr;
}
const FunctionRow* function_row(Kind kind) {
  for (const auto& row : kFunctions)
    if (row.kind == kind) return &row;
  return nullptr;
}

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

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Expr> run() {
    if (text_.size() > kMaxText)
      return bad_input(fmt::format("expression of {} characters, at most {}", text_.size(), kMaxText));
    auto e = binary(1, 0);
    if (!e) return e;
    skip();
    if (pos_ != text_.size()) return fail("an operator or the end");
    return e;
  }

 private:
  tl::unexpected<Error> fail(const std::string& expected) const {
    std::string found = pos_ < text_.size() ? fmt::format("'{}'", text_[pos_]) : "the end";
    return bad_input(fmt::format("expression '{}': expected {} at character {}, found {}",
                                 text_.substr(0, 120), expected, pos_ + 1, found));
  }
  void skip() {
    while (pos_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[pos_]))) ++pos_;
  }
  static bool word_char(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; }
  bool take(std::string_view token) {
    skip();
    if (text_.substr(pos_, token.size()) != token) return false;
    const bool word = word_char(token[0]);
    if (word && pos_ + token.size() < text_.size() && word_char(text_[pos_ + token.size()])) return false;
    pos_ += token.size();
    return true;
  }

  Result<Expr> binary(int level, int depth) {
    if (depth > kMaxDepth) return fail("fewer nested levels");
    if (level == 3) {
      if (take("not")) {
        auto operand = binary(3, depth + 1);
        if (!operand) return operand;
        return Expr::make(Kind::logical_not, {*operand});
      }
      return binary(4, depth);
    }
    if (level == 7) return unary(depth);
    auto left = binary(level + 1, depth);
    if (!left) return left;
    for (int count = 0;;) {
      const BinaryRow* found = nullptr;
      for (const auto& row : kBinary)
        if (row.level == level && take(row.spelling)) {
          found = &row;
          break;
        }
      if (!found) return left;
      if (++count > kMaxDepth) return fail("fewer operands");
      // 1 <= x <= 4 would compare a truth value with 4; who writes it means something else.
      if (level == 4 && count > 1) return fail("'and' between two comparisons");
      auto right = binary(level + 1, depth + 1);
      if (!right) return right;
      left = Expr::make(found->kind, {*left, *right});
    }
  }

  Result<Expr> unary(int depth) {
    if (depth > kMaxDepth) return fail("fewer nested levels");
    if (take("-")) {
      auto operand = unary(depth + 1);
      if (!operand) return operand;
      return Expr::make(Kind::negate, {*operand});
    }
    return primary(depth);
  }

  Result<Expr> primary(int depth) {
    skip();
    if (take("(")) {
      auto e = binary(1, depth + 1);
      if (!e) return e;
      if (!take(")")) return fail("')'");
      return e;
    }
    if (pos_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[pos_]))) return number();
    if (pos_ >= text_.size() || !word_char(text_[pos_])) return fail("a number, a name or '('");
    std::size_t start = pos_;
    while (pos_ < text_.size() && (word_char(text_[pos_]) || text_[pos_] == '.')) ++pos_;
    std::string name(text_.substr(start, pos_ - start));
    if (!take("(")) return Expr::symbol(name);
    if (name == "occupancy") {
      skip();
      start = pos_;
      while (pos_ < text_.size() && word_char(text_[pos_])) ++pos_;
      std::string kernel(text_.substr(start, pos_ - start));
      if (kernel.empty() || !take(")")) return fail("a kernel's name and ')'");
      return Expr::symbol("occupancy(" + kernel + ")");
    }
    for (const auto& row : kFunctions)
      if (name == row.name) return call(row, depth);
    pos_ = start;
    return fail("a function of min, max, ceil_div, align_up, select, occupancy");
  }

  Result<Expr> number() {
    std::int64_t value = 0;
    while (pos_ < text_.size() && std::isdigit(static_cast<unsigned char>(text_[pos_]))) {
      if (__builtin_mul_overflow(value, std::int64_t{10}, &value) ||
          __builtin_add_overflow(value, std::int64_t{text_[pos_] - '0'}, &value))
        return fail("a number below 2^63");
      ++pos_;
    }
    return Expr(value);
  }

  Result<Expr> call(const FunctionRow& row, int depth) {
    std::vector<Expr> args;
    do {
      auto e = binary(1, depth + 1);
      if (!e) return e;
      args.push_back(*e);
    } while (args.size() <= row.max_args && take(","));
    if (args.size() < row.min_args || args.size() > row.max_args || !take(")"))
      return fail(fmt::format("')' after {} argument(s) of {}", row.min_args, row.name));
    return Expr::make(row.kind, std::move(args));
  }

  std::string_view text_;
  std::size_t pos_ = 0;
};

void print(const Expr& e, int level, std::string& out) {
  const Kind kind = e.kind();
  if (kind == Kind::constant) {
    const bool wrap = e.value() < 0 && level > 6;
    if (wrap) out += '(';
    out += std::to_string(e.value());
    if (wrap) out += ')';
  } else if (kind == Kind::symbol) {
    out += e.name();
  } else if (const auto* row = binary_row(kind)) {
    const bool wrap = row->level < level;
    if (wrap) out += '(';
    print(e.args()[0], row->level == 4 ? 5 : row->level, out);
    out += ' ';
    out += row->spelling;
    out += ' ';
    print(e.args()[1], row->level + 1, out);
    if (wrap) out += ')';
  } else if (const auto* function = function_row(kind)) {
    out += function->name;
    out += '(';
    for (std::size_t i = 0; i < e.args().size(); ++i) {
      if (i) out += ", ";
      print(e.args()[i], 0, out);
    }
    out += ')';
  } else {
    const bool is_not = kind == Kind::logical_not;
    const bool wrap = is_not ? level > 3 : false;
    if (wrap) out += '(';
    out += is_not ? "not " : "-";
    print(e.args()[0], is_not ? 3 : 7, out);
    if (wrap) out += ')';
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

Result<Expr> Expr::parse(std::string_view text) { return Parser(text).run(); }

Expr Expr::make(Kind kind, std::vector<Expr> args) {
  const bool constant =
      std::all_of(args.begin(), args.end(), [](const Expr& e) { return e.is_constant(); });
  auto node = std::make_shared<Node>();
  node->kind = kind;
  node->args = std::move(args);
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
  std::vector<Expr> args;
  for (const auto& e : node_->args) args.push_back(e.substitute(map));
  return make(kind(), std::move(args));
}

Expr::Kind Expr::kind() const { return node_->kind; }
std::int64_t Expr::value() const {
  MTMC_CHECK(kind() == Kind::constant, "value of an expression that is no constant");
  return node_->value;
}
const std::string& Expr::name() const {
  MTMC_CHECK(kind() == Kind::symbol, "name of an expression that is no symbol");
  return node_->name;
}
const std::vector<Expr>& Expr::args() const { return node_->args; }

std::set<std::string> Expr::symbols() const {
  if (kind() == Kind::symbol) return {name()};
  std::set<std::string> all;
  for (const auto& e : node_->args) all.merge(e.symbols());
  return all;
}

std::string Expr::text() const {
  std::string out;
  print(*this, 0, out);
  return out;
}

bool Expr::operator==(const Expr& other) const {
  if (node_ == other.node_) return true;
  if (node_->kind != other.node_->kind || node_->value != other.node_->value ||
      node_->name != other.node_->name || node_->args.size() != other.node_->args.size())
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
