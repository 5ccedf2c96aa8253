// The one way an Operator comes to be: inputs, then nodes, each checked against its row and
// inferred. The text parser, the JSON reader and rebind all build through it, so that nothing is
// checked twice or by one of them only.
#pragma once

#include <string>
#include <vector>

#include "base/error.hpp"
#include "op/operator.hpp"
#include "op/table.hpp"

namespace mtmc::op {

inline constexpr std::size_t kMaxText = 64 * 1024;
inline constexpr int kMaxDepth = 256;
inline constexpr std::size_t kMaxNodes = 4096;
inline constexpr std::size_t kMaxRank = 12;
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;

Distribution default_distribution(DType dtype);
// A letter, then letters, digits and '_'; at most 64, and no word of the language.
bool valid_name(std::string_view name);

class Builder {
 public:
  // Errors of all: bad_input, without a position; the caller knows where it stands.
  Result<void> add_dim(const std::string& name, std::int64_t value);
  Result<int> add_input(Value input);
  // The node's operands are values of this builder. `names` are those of its results; "" is an
  // anonymous one, which is named "_<number of the node>". Fewer names than results: the others
  // are not wanted. Attributes equal to the signature's default are dropped.
  Result<std::vector<int>> add_node(Node node, const std::vector<std::string>& names);
  // Checks that all is used, and chooses the outputs when `outputs` is empty. On an error about a
  // value, `offender` gets its index; this builder then still holds what it had.
  Result<Operator> finish(std::vector<int> outputs, int* offender = nullptr);

  void set_precision(Precision precision) { op_.precision = precision; }
  const Operator& op() const { return op_; }
  const Symbols& binding() const { return binding_; }
  int value_named(std::string_view name) const;  // -1: none
  // A check of one attribute's form (dims it may name, and that it has a value).
  Result<std::int64_t> whole(const Expr& e) const;

 private:
  Result<void> check_shape(const std::vector<Expr>& shape) const;
  Result<void> check_node(const Row& row, Node& node) const;

  Operator op_;
  Symbols binding_;
};

// The operator's outputs when none are listed: results of which nothing else uses any.
std::vector<int> default_outputs(const Operator& op);

}  // namespace mtmc::op
