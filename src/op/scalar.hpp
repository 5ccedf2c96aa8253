// Scalar bodies: what one point of an iteration domain computes, as an immutable shared tree.
//
// Leaves are constants, integer index values and loads; a load reads a tensor at quasi-affine index
// expressions over axis names and dims, and, where it has a guard that is 0, gives its `otherwise` constant
// instead (padding, ragged edges). Comparisons and logic give 1 or 0. Everything is numeric: the
// compute type is the consumer's business (float64 in the reference, op::compute_type in kernels).
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/expr.hpp"
#include "op/types.hpp"

namespace mtmc::op {

enum class Function {
  // one operand; round takes ties to even
  neg, abs, exp, log, log1p, expm1, sqrt, rsqrt, reciprocal, sin, cos, tanh, erf, floor, ceil, round, trunc, sign,
  logical_not, is_nan,
  // two operands; max and min propagate NaN, mod and floor_div have Python's signs
  add, sub, mul, div, floor_div, mod, pow, max, min, equal, not_equal, less, less_equal, greater,
  greater_equal, logical_and, logical_or,
};
std::string_view name_of(Function function);  // "add", "exp", ...
int arity(Function function);

class Scalar {
 public:
  enum class Kind { constant, index, load, call, select, cast };

  static Scalar constant(double value);
  static Scalar index(Expr value);  // an index expression as a number
  static Scalar load(int tensor, std::vector<Expr> at, std::optional<Expr> guard = std::nullopt,
                     double otherwise = 0);
  static Scalar call(Function function, std::vector<Scalar> args);
  static Scalar select(Scalar condition, Scalar if_true, Scalar if_false);
  static Scalar cast(DType dtype, Scalar value);  // rounds to the type

  Kind kind() const;
  double value() const;                     // constant; load: `otherwise`
  const std::vector<Expr>& at() const;      // load: index per dimension of the tensor; index: one element
  const std::optional<Expr>& guard() const; // load
  int tensor() const;                       // load
  Function function() const;                // call
  DType dtype() const;                      // cast
  const std::vector<Scalar>& args() const;  // call, select, cast

  // The tree with axis names or dims in its index expressions replaced.
  Scalar substitute(const std::map<std::string, Expr, std::less<>>& map) const;
  // The tree with each load for which `replace` gives a tree replaced by that tree.
  Scalar replace_loads(const std::function<std::optional<Scalar>(const Scalar&)>& replace) const;
  void visit_loads(const std::function<void(const Scalar&)>& visit) const;
  int operations() const;  // calls and selects in the tree, each occurrence counted
  std::string text() const;  // canonical: "max(load(t0, _i0, _i1), 0)"
  bool operator==(const Scalar& other) const { return text() == other.text(); }

 private:
  struct Node;
  explicit Scalar(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  std::shared_ptr<const Node> node_;
};

Scalar operator+(const Scalar& a, const Scalar& b);
Scalar operator-(const Scalar& a, const Scalar& b);
Scalar operator*(const Scalar& a, const Scalar& b);
Scalar operator/(const Scalar& a, const Scalar& b);

}  // namespace mtmc::op
