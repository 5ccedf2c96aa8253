// Inside base/: operators and functions of the two syntaxes as rows, for parser and printer.
#pragma once

#include <cstddef>

#include "base/expr.hpp"

namespace mtmc::grammar {

struct BinaryRow {
  Expr::Kind kind;
  const char* spelling;
  int level;  // binding strength, larger binds tighter
};
struct FunctionRow {
  Expr::Kind kind;
  const char* name;
  std::size_t min_args, max_args;
};

inline constexpr int kOr = 1, kAnd = 2, kNot = 3, kCompare = 4, kAdd = 5, kMultiply = 6, kUnary = 7;

// Longer spellings first where one begins with another.
inline constexpr BinaryRow kCheckedBinary[] = {
    {Expr::Kind::logical_or, "or", kOr},
    {Expr::Kind::logical_and, "and", kAnd},
    {Expr::Kind::equal, "==", kCompare},
    {Expr::Kind::not_equal, "!=", kCompare},
    {Expr::Kind::less_equal, "<=", kCompare},
    {Expr::Kind::greater_equal, ">=", kCompare},
    {Expr::Kind::less, "<", kCompare},
    {Expr::Kind::greater, ">", kCompare},
    {Expr::Kind::add, "+", kAdd},
    {Expr::Kind::sub, "-", kAdd},
    {Expr::Kind::mul, "*", kMultiply},
    {Expr::Kind::div, "/", kMultiply},
    {Expr::Kind::mod, "%", kMultiply},
};
inline constexpr BinaryRow kPythonBinary[] = {
    {Expr::Kind::logical_or, "or", kOr},
    {Expr::Kind::logical_and, "and", kAnd},
    {Expr::Kind::contains, "in", kCompare},
    {Expr::Kind::equal, "==", kCompare},
    {Expr::Kind::not_equal, "!=", kCompare},
    {Expr::Kind::less_equal, "<=", kCompare},
    {Expr::Kind::greater_equal, ">=", kCompare},
    {Expr::Kind::less, "<", kCompare},
    {Expr::Kind::greater, ">", kCompare},
    {Expr::Kind::add, "+", kAdd},
    {Expr::Kind::sub, "-", kAdd},
    {Expr::Kind::power, "**", kUnary + 1},  // read by the operand's rule, before "*"
    {Expr::Kind::mul, "*", kMultiply},
    {Expr::Kind::div, "//", kMultiply},
    {Expr::Kind::true_div, "/", kMultiply},
    {Expr::Kind::mod, "%", kMultiply},
};
inline constexpr FunctionRow kCheckedFunctions[] = {
    {Expr::Kind::min, "min", 1, 64},          {Expr::Kind::max, "max", 1, 64},
    {Expr::Kind::ceil_div, "ceil_div", 2, 2}, {Expr::Kind::align_up, "align_up", 2, 2},
    {Expr::Kind::select, "select", 3, 3},
};
inline constexpr FunctionRow kPythonFunctions[] = {
    {Expr::Kind::min, "min", 1, 64},       {Expr::Kind::max, "max", 1, 64},
    {Expr::Kind::abs, "abs", 1, 1},        {Expr::Kind::sum, "sum", 1, 1},
    {Expr::Kind::len, "len", 1, 1},        {Expr::Kind::to_int, "int", 1, 1},
    {Expr::Kind::to_float, "float", 1, 1}, {Expr::Kind::to_list, "list", 1, 1},
    {Expr::Kind::to_list, "tuple", 1, 1},  {Expr::Kind::range, "range", 1, 3},
};

template <class Row, std::size_t n>
const Row* find(const Row (&rows)[n], Expr::Kind kind) {
  for (const Row& row : rows)
    if (row.kind == kind) return &row;
  return nullptr;
}

inline const BinaryRow* binary_row(Expr::Kind kind, Syntax syntax) {
  return syntax == Syntax::python ? find(kPythonBinary, kind) : find(kCheckedBinary, kind);
}
inline const FunctionRow* function_row(Expr::Kind kind, Syntax syntax) {
  return syntax == Syntax::python ? find(kPythonFunctions, kind) : find(kCheckedFunctions, kind);
}

}  // namespace mtmc::grammar
