// A constraint of a tuning space: an expression that must not be 0, and its compact form for the
// millions of evaluations that building a space takes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/expr.hpp"

namespace mtmc::tuner {

struct Constraint {
  std::string text;  // as the author wrote it; errors quote it
  Expr expr;         // valid where its value is not 0

  static Result<Constraint> parse(std::string text);
};

// Parses all; the error quotes the first text that is no expression.
Result<std::vector<Constraint>> parse_constraints(const std::vector<std::string>& texts);

// An expression as a postfix program over an array of values. It agrees with Expr::evaluate on
// every value; where Expr::evaluate gives an error, run() answers false and the caller asks the
// expression for the reason. Immutable after compile; thread safe.
class Program {
 public:
  using Slots = std::map<std::string, std::size_t, std::less<>>;

  // Every symbol of the expression must have a slot. bad_input: a symbol without one, or nesting
  // beyond the evaluation stack.
  static Result<Program> compile(const Expr& expr, const Slots& slots);

  // The value in `value`, or false where the expression has none (overflow, division by zero).
  // `values` holds at least as many elements as the largest slot in use.
  bool run(const std::int64_t* values, std::int64_t* value) const;

 private:
  enum class Code : std::uint8_t {
    constant,
    slot,
    add,
    sub,
    mul,
    div,
    mod,
    ceil_div,
    align_up,
    min,
    max,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    negate,
    logical_not,
    to_bool,
    skip_if_zero,
    skip_if_one,   // keep the top and jump, else drop it
    jump_if_zero,  // drop the top, jump if it was 0
    jump,
  };
  struct Step {
    Code code;
    std::int64_t operand = 0;  // constant, slot or target of a jump
  };
  static Code code_of(Expr::Kind kind);
  Result<std::size_t> emit(const Expr& expr, const Slots& slots, std::size_t depth);
  std::size_t put(Code code, std::int64_t operand = 0);
  void land(std::size_t jump);

  std::vector<Step> steps_;
};

}  // namespace mtmc::tuner
