// Broadcasting becomes an index map: an operand's dimension is indexed by the axis of the result
// that it lines up with, or by 0 where it is stretched. Which it is, is decided at the stated
// binding.
#include "op/emitter.hpp"

#include <fmt/format.h>

#include "base/check.hpp"
#include "op/algebra.hpp"

namespace mtmc::op {

Expr axis_i(std::size_t k) { return Expr::symbol("_i" + std::to_string(k)); }
Expr axis_r(std::size_t k) { return Expr::symbol("_r" + std::to_string(k)); }

std::vector<Expr> axes_i(std::size_t count) {
  std::vector<Expr> out;
  for (std::size_t k = 0; k < count; ++k) out.push_back(axis_i(k));
  return out;
}

Emitter::Target Emitter::result(std::size_t k) const {
  const int v = call_.node().results.at(k);
  const Value& value = call_.values()[static_cast<std::size_t>(v)];
  return {v, value.dtype, value.shape};
}

Emitter::Target Emitter::statistic(std::string_view name, std::vector<Expr> shape) const {
  return temporary(compute_type(float_of(call_.value(name).dtype)), std::move(shape));
}

Scalar Emitter::operand(std::string_view name, std::vector<Expr> at) const {
  if (!call_.is_tensor(name)) return Scalar::constant(call_.literal(name));
  return value_at(call_.value_index(name), std::move(at));
}

Scalar Emitter::value_at(int value, std::vector<Expr> at, std::optional<Expr> guard,
                         double otherwise) const {
  if (const auto number = growing_.number_of.find(value); number != growing_.number_of.end())
    return Scalar::index(number->second);
  const int tensor = growing_.tensor_of[static_cast<std::size_t>(value)];
  MTMC_CHECK(tensor >= 0, "a value is used before it is lowered");
  for (auto& e : at) e = simplify(e);
  return Scalar::load(tensor, std::move(at), std::move(guard), otherwise);
}

Scalar Emitter::tensor_at(int tensor, std::vector<Expr> at) const {
  for (auto& e : at) e = simplify(e);
  return Scalar::load(tensor, std::move(at));
}

Scalar Emitter::broadcast(std::string_view name, const std::vector<Expr>& shape) const {
  if (!call_.is_tensor(name)) return Scalar::constant(call_.literal(name));
  return broadcast_value(call_.value_index(name), shape);
}

Scalar Emitter::broadcast_value(int value, const std::vector<Expr>& shape) const {
  const auto& mine = call_.values()[static_cast<std::size_t>(value)].shape;
  MTMC_CHECK(mine.size() <= shape.size(), "an operand has more dimensions than the result");
  const std::size_t shift = shape.size() - mine.size();
  std::vector<Expr> at;
  for (std::size_t d = 0; d < mine.size(); ++d) {
    const bool stretched =
        mine[d].is_constant(1) || call_.at_binding(mine[d]) != call_.at_binding(shape[shift + d]);
    at.push_back(stretched ? Expr(0) : axis_i(shift + d));
  }
  return value_at(value, std::move(at));
}

int Emitter::map(const Target& target, Scalar body) {
  return emit(target, PrimitiveKind::map, {}, Combiner::none, std::move(body));
}

int Emitter::reduce(const Target& target, std::vector<Expr> extents, Combiner combiner, Scalar body,
                    PrimitiveKind kind) {
  std::vector<Axis> reduced;
  for (std::size_t k = 0; k < extents.size(); ++k)
    reduced.push_back({"_r" + std::to_string(k), extents[k]});
  return emit(target, kind, std::move(reduced), combiner, std::move(body));
}

int Emitter::emit(const Target& target, PrimitiveKind kind, std::vector<Axis> reduced,
                  Combiner combiner, Scalar body) {
  auto& lowering = growing_.lowering;
  const int id = static_cast<int>(lowering.tensors.size());
  Tensor tensor;
  tensor.name = "t" + std::to_string(id);
  tensor.dtype = target.dtype;
  tensor.shape = target.shape;
  tensor.value = target.value;
  lowering.tensors.push_back(std::move(tensor));
  if (target.value >= 0) growing_.tensor_of[static_cast<std::size_t>(target.value)] = id;

  Primitive primitive;
  primitive.kind = kind;
  primitive.output = id;
  for (std::size_t k = 0; k < target.shape.size(); ++k)
    primitive.parallel.push_back({"_i" + std::to_string(k), target.shape[k]});
  primitive.reduced = std::move(reduced);
  primitive.combiner = combiner;
  primitive.body = std::move(body);
  primitive.origin = call_.row().name;
  lowering.primitives.push_back(std::move(primitive));
  return id;
}

}  // namespace mtmc::op
