// A constraint of a tuning space: an expression that must be true.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/expr.hpp"

namespace mtmc::tuner {

struct Constraint {
  std::string text;  // as the author wrote it; errors quote it
  Expr expr;         // valid where its value is not 0 (checked) or is true (python)
  Syntax syntax = Syntax::checked;

  static Result<Constraint> parse(std::string text, Syntax syntax = Syntax::checked);
};

// Parses all; the error quotes the first text that is no expression.
Result<std::vector<Constraint>> parse_constraints(const std::vector<std::string>& texts,
                                                  Syntax syntax = Syntax::checked);

}  // namespace mtmc::tuner
