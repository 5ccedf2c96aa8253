// Checked int64 expressions: the one expression language of the project. Shapes, recipes (grids,
// sizes, offsets, conditions) and tuning constraints are written in it.
//
// Two syntaxes are read by the one parser. Syntax::checked, the project's own, loosest first:
//   or | and | not | == != < <= > >= | + - | * / % | unary - | primary
//   primary: integer | name | name.name | function(args) | ( expression )
//   functions: min(a,...) max(a,...) ceil_div(a,b) align_up(a,b) select(c,a,b) occupancy(name)
// `/` and `%` round towards negative infinity; comparisons and logic give 0 or 1; `and`, `or` and
// `select` evaluate only what they need. Overflow, division by zero and unknown names are errors,
// never wrapped values.
//
// Syntax::python reads expressions of foreign tuning problems as Python does: chained comparisons,
// `in`, `/` and `//`, `**`, `a if c else b`, reals, texts, True, False, lists, tuples, range,
// comprehensions, and min max abs sum len int float list. base/python.hpp computes their values.
//
// Values of type Expr are immutable and cheap to copy; thread safe.
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

enum class Syntax { checked, python };

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
    // Only from Syntax::python; evaluate() has no value for them.
    real, boolean, text, list,    // literals; tuples are lists
    true_div, power, contains,    // contains: `a in b`
    abs, sum, len, to_int, to_float, to_list, range,
    comprehension,   // name() over args: element, iterable, conditions
    comprehensions,  // the same where the element is itself one, and the results are joined
  };

  Expr() : Expr(0) {}
  Expr(std::int64_t value);  // NOLINT: a number is an expression
  Expr(int value) : Expr(static_cast<std::int64_t>(value)) {}  // NOLINT
  static Expr symbol(std::string name);
  static Result<Expr> parse(std::string_view text, Syntax syntax = Syntax::checked);
  // Folds constants and drops neutral elements; keeps what would overflow for evaluate to report.
  static Expr make(Kind kind, std::vector<Expr> args);
  // Exactly this node; nothing is folded.
  static Expr node(Kind kind, std::vector<Expr> args, std::string name = {});
  static Expr real(double value);
  static Expr boolean(bool value);

  Result<std::int64_t> evaluate(const Symbols& symbols) const;
  // Replaces symbols by expressions; names that are not in the map stay.
  Expr substitute(const std::map<std::string, Expr, std::less<>>& map) const;

  Kind kind() const;
  std::int64_t value() const;       // REQUIRES: kind() is constant or boolean
  double real_value() const;        // REQUIRES: kind() == real
  const std::string& name() const;  // REQUIRES: kind() is symbol, text or a comprehension
  const std::vector<Expr>& args() const;
  bool is_constant() const { return kind() == Kind::constant; }
  bool is_constant(std::int64_t v) const { return is_constant() && value() == v; }

  std::set<std::string> symbols() const;  // free names
  // Nodes of the written-out tree, shared ones each time that they occur; at most 2^40.
  std::uint64_t size() const;
  // Canonical text; parse(text(syntax), syntax) gives an equal expression.
  std::string text(Syntax syntax = Syntax::checked) const;
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
