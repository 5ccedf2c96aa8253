// The operator table: one row per operator, with its signature in PyTorch's order, its shape and
// dtype inference and its lowering. Adding an operator is adding a row in one of the family files.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.hpp"
#include "op/operator.hpp"

namespace mtmc::op {

// One parameter of a signature. `tensor` also takes a number; `tensors` a list of tensors; `shape`
// a list of whole numbers or a single one; `padding` a shape or a word.
struct Parameter {
  enum class Kind { tensor, tensors, integer, number, flag, word, shape, padding, dtype };
  std::string name;
  Kind kind = Kind::tensor;
  bool required = true;
  std::optional<Attribute> fallback;  // nullopt with required == false: None
};
std::string_view name_of(Parameter::Kind kind);

class Call;
class Emitter;  // op/emitter.hpp

struct Inferred {
  DType dtype = DType::f32;
  std::vector<Expr> shape;
};
using InferResult = Result<std::vector<Inferred>>;

struct Row {
  std::string name;
  // "input, dim: integer = None, keepdim: flag = False"; a name without a kind is a tensor.
  std::string signature;
  std::function<InferResult(const Call&)>
      infer;  // errors: what is wrong, without the operator's name
  std::function<Result<void>(Emitter&)> lower;
  std::vector<std::string> aliases = {};
  std::vector<Parameter> parameters = {};  // made from the signature
};

// All rows by name; made once, thread safe.
const std::vector<Row>& table();
const Row* find_row(std::string_view name_or_alias);
// What a misspelt name may have meant; empty when nothing is near.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);

std::vector<Row> pointwise_rows();
std::vector<Row> activation_rows();
std::vector<Row> reduce_rows();
std::vector<Row> normalise_rows();
std::vector<Row> product_rows();
std::vector<Row> convolve_rows();
std::vector<Row> move_rows();

// A node seen through its row's signature. Refers to its arguments, which must outlive it.
class Call {
 public:
  Call(const Row& row, const Node& node, const std::vector<Value>& values, const Symbols& binding)
      : row_(row), node_(node), values_(values), binding_(binding) {}

  const Row& row() const { return row_; }
  const Node& node() const { return node_; }
  const Symbols& binding() const { return binding_; }

  // Operands, by parameter name. An operand that was left out or is None is absent.
  const Operand& operand(std::string_view name) const;
  bool has(std::string_view name) const;
  bool is_tensor(std::string_view name) const;
  int value_index(std::string_view name) const;     // REQUIRES: is_tensor
  const Value& value(std::string_view name) const;  // REQUIRES: is_tensor
  double literal(std::string_view name) const;      // REQUIRES: has, not is_tensor
  std::vector<int> list_of_tensors() const;         // the `tensors` parameter
  const std::vector<Value>& values() const { return values_; }

  // Attributes, with the signature's defaults; nullopt: None.
  std::optional<Attribute> attribute(std::string_view name) const;
  std::optional<std::int64_t> integer(std::string_view name) const;
  std::optional<Expr> expression(std::string_view name) const;
  std::optional<double> number(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::optional<std::string> word(std::string_view name) const;
  std::optional<std::vector<Expr>> shape(std::string_view name) const;
  std::optional<DType> dtype(std::string_view name) const;

  std::int64_t at_binding(
      const Expr& e) const;  // REQUIRES: evaluates (checked when the node was made)

 private:
  const Row& row_;
  const Node& node_;
  const std::vector<Value>& values_;
  const Symbols& binding_;
};

// --- inference shared by the families ---

DType promote(DType a, DType b);
// Of all tensor operands named (or of all, when none is), as PyTorch promotes: tensors with dims
// over those without over literals, within a category.
DType promoted(const Call& call, const std::vector<std::string_view>& names);
DType float_of(DType dtype);  // f32 for integers and bool
Result<std::vector<Expr>> broadcast(const Call& call, const std::vector<std::vector<Expr>>& shapes);
// A dim as PyTorch counts it, negative from the end.
Result<int> axis_in(std::int64_t dim, int rank);
std::string shape_text(const Call& call, const std::vector<Expr>& shape);

}  // namespace mtmc::op
