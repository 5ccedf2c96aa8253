// Checked int64 expressions: the one expression language of the project. Shapes, recipes (grids,
// sizes, offsets, conditions) and tuning constraints are written in it.
//
// Grammar, loosest first:
//   or | and | not | == != < <= > >= | + - | * / % | unary - | primary
//   primary: integer | name | name.name | function(args) | ( expression )
//   functions: min(a,...) max(a,...) ceil_div(a,b) align_up(a,b) select(c,a,b) occupancy(name)
// `/` and `%` round towards negative infinity; comparisons and logic give 0 or 1; `and`, `or` and
// `select` evaluate only what they need. Overflow, division by zero and unknown names are errors,
// never wrapped values. Values of type Expr are immutable and cheap to copy; thread safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"

namespace mtmc {

// Names to values. `occupancy(k)` looks up "occupancy(k)".
using Symbols = std::map<std::string, std::int64_t, std::less<>>;

class Expr {
 public:
  enum class Kind {
    constant, symbol,
    add, sub, mul, div, mod, negate,
    equal, not_equal, less, less_equal, greater, greater_equal,
    logical_and, logical_or, logical_not,
    min, max, ceil_div, align_up, select,
  };

  Expr() : Expr(0) {}
  Expr(std::int64_t value);  // NOLINT: a number is an expression
  Expr(int value) : Expr(static_cast<std::int64_t>(value)) {}  // NOLINT
  static Expr symbol(std::string name);
  static Result<Expr> parse(std::string_view text);
  // Folds constants and drops neutral elements; keeps what would overflow for evaluate to report.
  static Expr make(Kind kind, std::vector<Expr> args);

  Result<std::int64_t> evaluate(const Symbols& symbols) const;
  // Replaces symbols by expressions; names that are not in the map stay.
  Expr substitute(const std::map<std::string, Expr, std::less<>>& map) const;

  Kind kind() const;
  std::int64_t value() const;       // REQUIRES: kind() == constant
  const std::string& name() const;  // REQUIRES: kind() == symbol
  const std::vector<Expr>& args() const;
  bool is_constant() const { return kind() == Kind::constant; }
  bool is_constant(std::int64_t v) const { return is_constant() && value() == v; }

  std::set<std::string> symbols() const;
  // Canonical text; parse(text()) gives an equal expression.
  std::string text() const;
  bool operator==(const Expr& other) const;  // structural

 private:
  struct Node;
  explicit Expr(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  std::shared_ptr<const Node> node_;
};

Expr operator+(const Expr& a, const Expr& b);
Expr operator-(const Expr& a, const Expr& b);
Expr operator*(const Expr& a, const Expr& b);
Expr floor_div(const Expr& a, const Expr& b);
Expr mod(const Expr& a, const Expr& b);
Expr ceil_div(const Expr& a, const Expr& b);

}  // namespace mtmc
