// A recursive-descent parser for both syntaxes. Depth is limited while parsing, so that neither
// parsing nor evaluating hostile text can exhaust the stack.
#include <cctype>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "base/expr.hpp"
#include "base/expr_grammar.hpp"

namespace mtmc {

namespace {

using Kind = Expr::Kind;
using grammar::BinaryRow;
using grammar::FunctionRow;
constexpr int kMaxDepth = 200;
constexpr std::size_t kMaxText = 16384;
constexpr std::size_t kMaxElements = 65536;  // of a list that is written out
constexpr std::uint64_t kMaxSize = 1 << 20;  // nodes, shared ones each time

class Parser {
 public:
  Parser(std::string_view text, Syntax syntax) : text_(text), python_(syntax == Syntax::python) {}

  Result<Expr> run() {
    if (text_.size() > (python_ ? 16 * kMaxText : kMaxText))
      return bad_input(fmt::format("expression of {} characters, at most {}", text_.size(),
                                   python_ ? 16 * kMaxText : kMaxText));
    auto e = expression(0);
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
  static bool digit(char c) { return std::isdigit(static_cast<unsigned char>(c)); }
  char peek(std::size_t ahead = 0) const {
    return pos_ + ahead < text_.size() ? text_[pos_ + ahead] : '\0';
  }
  bool take(std::string_view token) {
    skip();
    if (text_.substr(pos_, token.size()) != token) return false;
    const bool word = word_char(token[0]);
    if (word && pos_ + token.size() < text_.size() && word_char(text_[pos_ + token.size()]))
      return false;
    pos_ += token.size();
    return true;
  }
  Expr combine(Kind kind, std::vector<Expr> args) const {
    return python_ ? Expr::node(kind, std::move(args)) : Expr::make(kind, std::move(args));
  }
  std::span<const BinaryRow> rows() const {
    return python_ ? std::span<const BinaryRow>(grammar::kPythonBinary)
                   : std::span<const BinaryRow>(grammar::kCheckedBinary);
  }

  Result<Expr> expression(int depth) {
    auto value = binary(grammar::kOr, depth);
    if (!value || !python_ || !take("if")) return value;
    auto condition = binary(grammar::kOr, depth + 1);
    if (!condition) return condition;
    if (!take("else")) return fail("'else'");
    auto otherwise = expression(depth + 1);
    if (!otherwise) return otherwise;
    return combine(Kind::select, {*condition, *value, *otherwise});
  }

  Result<Expr> binary(int level, int depth) {
    if (depth > kMaxDepth) return fail("fewer nested levels");
    if (level == grammar::kNot) {
      if (take("not")) {
        auto operand = binary(grammar::kNot, depth + 1);
        if (!operand) return operand;
        return combine(Kind::logical_not, {*operand});
      }
      return binary(grammar::kCompare, depth);
    }
    if (level == grammar::kUnary) return unary(depth);
    if (level == grammar::kCompare && python_) return comparison(depth);
    auto left = binary(level + 1, depth);
    if (!left) return left;
    for (int count = 0;;) {
      const BinaryRow* found = take_operator(level);
      if (!found) return left;
      if (++count > kMaxDepth) return fail("fewer operands");
      // 1 <= x <= 4 would compare a truth value with 4; who writes it means something else.
      if (level == grammar::kCompare && count > 1) return fail("'and' between two comparisons");
      auto right = binary(level + 1, depth + 1);
      if (!right) return right;
      left = combine(found->kind, {*left, *right});
    }
  }

  const BinaryRow* take_operator(int level) {
    skip();
    if (python_ && level == grammar::kMultiply && text_.substr(pos_, 2) == "**") return nullptr;
    for (const auto& row : rows())
      if (row.level == level && take(row.spelling)) return &row;
    return nullptr;
  }

  // a < b <= c compares neighbours; each operand is one subexpression, so naming it twice is the
  // same as evaluating it once.
  Result<Expr> comparison(int depth) {
    auto left = binary(grammar::kAdd, depth);
    if (!left) return left;
    std::optional<Expr> all;
    for (int count = 0;; ++count) {
      if (count > kMaxDepth) return fail("fewer operands");
      bool inverted = false;
      const BinaryRow* found = take_operator(grammar::kCompare);
      if (!found) {
        const std::size_t start = pos_;
        if (!take("not")) return all ? *all : *left;
        if (!take("in")) {
          pos_ = start;
          return fail("an operator or the end");
        }
        inverted = true;
      }
      auto right = binary(grammar::kAdd, depth + 1);
      if (!right) return right;
      Expr one = Expr::node(inverted ? Kind::contains : found->kind, {*left, *right});
      if (inverted) one = Expr::node(Kind::logical_not, {one});
      all = all ? Expr::node(Kind::logical_and, {*all, one}) : one;
      // A chain inside a chain's middle operand doubles what has to be evaluated, at each level.
      if (all->size() > kMaxSize) return fail("fewer chained comparisons inside each other");
      left = *right;
    }
  }

  Result<Expr> unary(int depth) {
    if (depth > kMaxDepth) return fail("fewer nested levels");
    if (take("-")) {
      auto operand = unary(depth + 1);
      if (!operand) return operand;
      return combine(Kind::negate, {*operand});
    }
    if (!python_) return primary(depth);
    if (take("+")) return unary(depth + 1);
    auto base = primary(depth);
    if (!base || !take("**")) return base;
    auto exponent = unary(depth + 1);  // binds to the right, and its sign is its own
    if (!exponent) return exponent;
    return Expr::node(Kind::power, {*base, *exponent});
  }

  Result<Expr> primary(int depth) {
    skip();
    if (take("(")) return python_ ? sequence(")", depth) : parenthesised(depth);
    if (python_ && take("[")) return sequence("]", depth);
    if (python_ && (peek() == '\'' || peek() == '"')) return quoted();
    if (digit(peek()) || (python_ && peek() == '.' && digit(peek(1)))) return number();
    if (pos_ >= text_.size() || !word_char(text_[pos_])) return fail("a number, a name or '('");
    std::size_t start = pos_;
    while (pos_ < text_.size() && (word_char(text_[pos_]) || text_[pos_] == '.')) ++pos_;
    std::string name(text_.substr(start, pos_ - start));
    if (python_ && (name == "True" || name == "False")) return Expr::boolean(name == "True");
    for (const char* word : {"if", "else", "for", "in", "and", "or", "not", "lambda", "None"})
      if (python_ && name == word) {
        pos_ = start;
        return fail("a number, a name or '('");
      }
    if (!take("(")) return Expr::symbol(name);
    if (python_) {
      for (const auto& row : grammar::kPythonFunctions)
        if (name == row.name) return call(row, depth);
    } else {
      if (name == "occupancy") return occupancy();
      for (const auto& row : grammar::kCheckedFunctions)
        if (name == row.name) return call(row, depth);
    }
    pos_ = start;
    return fail(python_ ? "a function of min, max, abs, sum, len, int, float, list, tuple, range"
                        : "a function of min, max, ceil_div, align_up, select, occupancy");
  }

  Result<Expr> parenthesised(int depth) {
    auto e = expression(depth + 1);
    if (!e) return e;
    if (!take(")")) return fail("')'");
    return e;
  }

  Result<Expr> occupancy() {
    skip();
    const std::size_t start = pos_;
    while (pos_ < text_.size() && word_char(text_[pos_])) ++pos_;
    std::string kernel(text_.substr(start, pos_ - start));
    if (kernel.empty() || !take(")")) return fail("a kernel's name and ')'");
    return Expr::symbol("occupancy(" + kernel + ")");
  }

  // After "(" or "[": a parenthesised expression, a tuple, a list or a comprehension.
  Result<Expr> sequence(std::string_view closing, int depth) {
    if (depth > kMaxDepth) return fail("fewer nested levels");
    if (take(closing)) return Expr::node(Kind::list, {});
    auto first = expression(depth + 1);
    if (!first) return first;
    if (take("for")) {
      auto all = clauses(*first, depth + 1);
      if (all && !take(closing)) return fail(fmt::format("'{}'", closing));
      return all;
    }
    if (closing == ")" && take(")")) return first;
    std::vector<Expr> elements{*first};
    while (take(",")) {
      if (take(closing)) return Expr::node(Kind::list, std::move(elements));
      if (elements.size() >= kMaxElements) return fail("fewer elements");
      auto e = expression(depth + 1);
      if (!e) return e;
      elements.push_back(*e);
    }
    if (!take(closing)) return fail(fmt::format("',' or '{}'", closing));
    return Expr::node(Kind::list, std::move(elements));
  }

  // After "for": NAME in ITERABLE, conditions, and further "for" clauses, which nest inside.
  Result<Expr> clauses(const Expr& element, int depth) {
    if (depth > kMaxDepth) return fail("fewer nested levels");
    skip();
    const std::size_t start = pos_;
    while (pos_ < text_.size() && word_char(text_[pos_])) ++pos_;
    std::string name(text_.substr(start, pos_ - start));
    if (name.empty() || digit(name[0])) return fail("the name of a variable");
    if (!take("in")) return fail("'in'");
    auto iterable = binary(grammar::kOr, depth + 1);
    if (!iterable) return iterable;
    std::vector<Expr> args{element, *iterable};
    while (take("if")) {
      auto condition = binary(grammar::kOr, depth + 1);
      if (!condition) return condition;
      args.push_back(*condition);
    }
    if (!take("for")) return Expr::node(Kind::comprehension, std::move(args), std::move(name));
    auto inner = clauses(element, depth + 1);
    if (!inner) return inner;
    args[0] = *inner;
    return Expr::node(Kind::comprehensions, std::move(args), std::move(name));
  }

  Result<Expr> quoted() {
    const char quote = text_[pos_++];
    std::string out;
    while (pos_ < text_.size() && text_[pos_] != quote) {
      if (text_[pos_] == '\\') {
        ++pos_;
        if (peek() != '\\' && peek() != '\'' && peek() != '"') return fail("\\\\, \\' or \\\"");
      }
      out += text_[pos_++];
    }
    if (pos_ >= text_.size()) return fail(fmt::format("{}", quote));
    ++pos_;
    return Expr::node(Kind::text, {}, std::move(out));
  }

  Result<Expr> number() {
    if (python_) {
      double real = 0;
      const char* const begin = text_.data() + pos_;
      const auto [end, error] = std::from_chars(begin, text_.data() + text_.size(), real);
      const std::string_view spelled(begin, static_cast<std::size_t>(end - begin));
      if (error == std::errc() && spelled.find_first_of(".eE") != std::string_view::npos) {
        pos_ += spelled.size();
        if (!std::isfinite(real)) return fail("a finite number");
        return Expr::real(real);
      }
      if (error == std::errc::result_out_of_range) return fail("a number in double's range");
    }
    std::int64_t value = 0;
    while (pos_ < text_.size() && digit(text_[pos_])) {
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
      auto e = expression(depth + 1);
      if (!e) return e;
      if (python_ && args.empty() && take("for")) {  // sum(x for x in xs)
        e = clauses(*e, depth + 1);
        if (!e) return e;
      }
      args.push_back(*e);
    } while (args.size() <= row.max_args && take(","));
    if (args.size() < row.min_args || args.size() > row.max_args || !take(")"))
      return fail(fmt::format("')' after {} argument(s) of {}", row.min_args, row.name));
    return combine(row.kind, std::move(args));
  }

  std::string_view text_;
  bool python_;
  std::size_t pos_ = 0;
};

}  // namespace

Result<Expr> Expr::parse(std::string_view text, Syntax syntax) {
  return Parser(text, syntax).run();
}

}  // namespace mtmc
