// The operator language's syntax: text to a flat tree of expressions and a list of statements.
// Nothing is looked up here; op/parser.cpp gives it meaning. Positions are 1-based characters of
// the text.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.hpp"

namespace mtmc::op {

tl::unexpected<Error> error_at(std::size_t position, const std::string& message);

struct SyntaxNode {
  enum class Kind { number, boolean, none, name, word, list, call, binary, unary };
  Kind kind = Kind::none;
  std::size_t position = 0;
  int depth = 1;
  double number = 0;      // number; boolean: 0 or 1
  bool is_whole = false;  // number: written without point and exponent, and below 2^63
  std::int64_t whole = 0;
  std::string text;           // name, word, called name, operator
  std::vector<int> children;  // operands, list entries, positional arguments
  std::vector<std::pair<std::string, int>> keywords;
};

struct Statement {
  enum class Kind { assignment, input, result };
  Kind kind = Kind::assignment;
  std::size_t position = 0;
  std::vector<std::pair<std::string, std::size_t>> names;  // with positions
  int value = -1;                                          // assignment
  // input
  std::string dtype;
  std::size_t dtype_position = 0;
  std::vector<int> shape;
  std::vector<int> strides;
  bool has_strides = false, channels_last = false;
  std::string role;
  std::string distribution;
  std::vector<int> parameters;
  std::size_t distribution_position = 0;
};

struct Syntax {
  std::vector<SyntaxNode> nodes;
  std::vector<Statement> statements;
};

// Errors: bad_input "character N: ...".
Result<Syntax> parse_syntax(std::string_view text);
// The text as one expression; its root is the last node.
Result<Syntax> parse_expression_syntax(std::string_view text);

}  // namespace mtmc::op
