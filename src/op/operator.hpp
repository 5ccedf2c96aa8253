// An Operator: what a line of the operator language (or its JSON form) says, with every shape
// inferred. Immutable once made; owns everything.
//
// Shapes are expressions over the operator's named dims. Structure (broadcasting, ranks, defaults) is
// decided at the stated binding; `rebind` infers again at another binding and fails where the names
// cannot take those values, so a Case never runs on shapes that the operator does not mean.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.hpp"
#include "base/expr.hpp"
#include "op/types.hpp"

namespace mtmc::op {

// How the elements of an input are drawn. a, b: mean and deviation (normal), low and high (uniform, and
// randint with high exclusive), value (constant: a).
struct Distribution {
  enum class Kind { normal, uniform, randint, constant } kind = Kind::normal;
  double a = 0, b = 1;
  bool operator==(const Distribution&) const = default;
};

enum class Role { input, weight, inout, intermediate };
// How matrix products and convolutions may compute on f32 operands; `exact` is IEEE f32.
enum class Precision { exact, tf32, bf16x3, tf32x3 };

struct Value {
  std::string name;
  DType dtype = DType::f32;
  std::vector<Expr> shape;  // over the operator's dims
  Role role = Role::intermediate;
  Distribution distribution;  // inputs only
  std::vector<Expr> strides;  // in elements; empty: row-major contiguous
};

// An attribute of a node: a number, a flag, a word, or a list of dims.
using Attribute = std::variant<Expr, double, bool, std::string, std::vector<Expr>, DType>;
struct Absent {
  bool operator==(const Absent&) const = default;
};
// A value's index, a literal, or nothing (an optional operand such as a bias left out).
using Operand = std::variant<int, double, Absent>;

struct Node {
  std::string op;  // a row of the operator table
  std::vector<Operand> operands;
  std::map<std::string, Attribute> attributes;
  std::vector<int> results;  // indices of values
  std::size_t position = 0;  // character in the text, for messages; 0 from JSON
};

struct Operator {
  std::vector<Value> values;  // inputs first, in order of declaration
  std::vector<Node> nodes;    // topological
  std::vector<int> outputs;
  std::vector<std::pair<std::string, std::int64_t>> dims;  // in order of declaration
  Precision precision = Precision::exact;

  Symbols binding() const;
  // Shape of a value at the stated binding. REQUIRES: inference succeeded (it did, or there is no Operator).
  std::vector<std::int64_t> shape(int value) const;
  std::int64_t elements(int value) const;
  int inputs() const;  // how many leading values are inputs
};

// "y = gelu(linear(x, w, b)); x: f32[M,K]; ...; M=1024". Errors are bad_input; the message points at
// the character and says what was expected (two lines are never needed).
Result<Operator> parse_operator(std::string_view line);
// The line again, canonical: parse_operator(text(o)) equals o up to positions.
std::string text(const Operator& op);

Result<Operator> from_json(const nlohmann::json& form);
nlohmann::json to_json(const Operator& op);

// The same operator with other values for (some of) its dims.
Result<Operator> rebind(const Operator& op, const Symbols& dims);

}  // namespace mtmc::op
