// What a row's lowering writes with: tensors and primitives of the node at hand. Axes are named as
// op/primitive.hpp says: "_i0".. parallel, "_r0".. reduced.
#pragma once

#include <map>
#include <string_view>
#include <vector>

#include "op/primitive.hpp"
#include "op/table.hpp"

namespace mtmc::op {

Expr axis_i(std::size_t k);  // "_i<k>"
Expr axis_r(std::size_t k);  // "_r<k>"
std::vector<Expr> axes_i(std::size_t count);

// A lowering as it grows, with the tensor that stands for each value.
struct Growing {
  Lowering lowering;
  std::vector<int> tensor_of;     // by value; -1: not lowered yet
  std::map<int, Expr> number_of;  // values that are dims used as numbers: read as such, not loaded
};

class Emitter {
 public:
  // Where a primitive writes.
  struct Target {
    int value = -1;  // of the operator; -1: internal
    DType dtype = DType::f32;
    std::vector<Expr> shape;
  };

  Emitter(const Call& call, Growing& growing) : call_(call), growing_(growing) {}

  const Call& call() const { return call_; }
  bool wants(std::size_t k) const { return k < call_.node().results.size(); }
  Target result(std::size_t k = 0) const;  // REQUIRES: wants(k)
  static Target temporary(DType dtype, std::vector<Expr> shape) {
    return {-1, dtype, std::move(shape)};
  }
  // A statistic of operand `name`: in its compute type.
  Target statistic(std::string_view name, std::vector<Expr> shape) const;

  // An operand at an index (a literal, and a dim used as a number, are what they are everywhere).
  Scalar operand(std::string_view name, std::vector<Expr> at) const;
  Scalar value_at(int value, std::vector<Expr> at, std::optional<Expr> guard = std::nullopt,
                  double otherwise = 0) const;
  // An operand broadcast against `shape`, at the parallel axes.
  Scalar broadcast(std::string_view name, const std::vector<Expr>& shape) const;
  Scalar broadcast_value(int value, const std::vector<Expr>& shape) const;
  Scalar tensor_at(int tensor, std::vector<Expr> at) const;

  // Each returns the tensor that the new primitive writes.
  int map(const Target& target, Scalar body);
  int reduce(const Target& target, std::vector<Expr> extents, Combiner combiner, Scalar body,
             PrimitiveKind kind = PrimitiveKind::reduce);

 private:
  int emit(const Target& target, PrimitiveKind kind, std::vector<Axis> reduced, Combiner combiner,
           Scalar body);

  const Call& call_;
  Growing& growing_;
};

}  // namespace mtmc::op
