// Python's semantics for expressions that were parsed with Syntax::python: true division, floor
// division and modulo that follow the divisor's sign, integers and reals that mix, `and` and `or`
// that give an operand, lists, range and comprehensions.
//
// Integers have 64 bits. Where Python would go on with larger ones the evaluation ends with
// `overflow`, never with a wrong number. Nothing can be called but the functions of the grammar,
// and lists are limited, so that hostile text costs neither time nor memory.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "base/expr.hpp"
#include "base/value.hpp"

namespace mtmc {

struct PythonFailure {
  enum class Kind {
    zero_division,  // the value does not exist, in Python neither
    overflow,       // an integer beyond 64 bits, or a real beyond its range
    unusable,       // unknown name, wrong type, list too long
  };
  Kind kind = Kind::unusable;
  std::string message;
};

using PythonNames = std::map<std::string, Value, std::less<>>;

inline constexpr std::size_t kMaxListElements = std::size_t{1} << 20;

// `steps`, where given, is what evaluation may still cost, in nodes; it counts down, and below 0
// the result is unusable. Without it one evaluation may take 4 Mi nodes.
tl::expected<Value, PythonFailure> python_evaluate(const Expr& expr, const PythonNames& names,
                                                   std::int64_t* steps = nullptr);

// The elements of a list expression such as "[2**i for i in range(5)]". Errors: bad_input.
Result<Value::List> python_list(std::string_view text);

}  // namespace mtmc
