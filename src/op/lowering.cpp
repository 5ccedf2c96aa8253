// Lowering: each node's row writes its primitives in order; then what no output needs is dropped
// and the tensors are numbered again, inputs first.
#include <fmt/format.h>

#include "op/builder.hpp"
#include "op/emitter.hpp"
#include "op/primitive.hpp"

namespace mtmc::op {
namespace {

Lowering without_dead(const Lowering& all, const std::vector<int>& outputs) {
  std::vector<bool> needed(all.tensors.size());
  for (std::size_t i = 0; i < all.tensors.size(); ++i)
    needed[i] = all.tensors[i].kind == Tensor::Kind::input;
  for (int t : outputs) needed[static_cast<std::size_t>(t)] = true;
  for (auto p = all.primitives.rbegin(); p != all.primitives.rend(); ++p)
    if (needed[static_cast<std::size_t>(p->output)])
      p->body.visit_loads(
          [&](const Scalar& load) { needed[static_cast<std::size_t>(load.tensor())] = true; });

  Lowering out;
  out.dims = all.dims;
  out.precision = all.precision;
  std::vector<int> renumbered(all.tensors.size(), -1);
  for (std::size_t i = 0; i < all.tensors.size(); ++i) {
    if (!needed[i]) continue;
    renumbered[i] = static_cast<int>(out.tensors.size());
    out.tensors.push_back(all.tensors[i]);
    if (out.tensors.back().kind == Tensor::Kind::intermediate)
      out.tensors.back().name = "t" + std::to_string(renumbered[i]);
  }
  for (const auto& p : all.primitives) {
    if (!needed[static_cast<std::size_t>(p.output)]) continue;
    Primitive copy = p;
    copy.output = renumbered[static_cast<std::size_t>(p.output)];
    copy.body = p.body.replace_loads([&](const Scalar& load) -> std::optional<Scalar> {
      return Scalar::load(renumbered[static_cast<std::size_t>(load.tensor())], load.at(),
                          load.guard(), load.value());
    });
    out.primitives.push_back(std::move(copy));
  }
  return out;
}

}  // namespace

Result<Lowering> lower(const Operator& op) {
  const Symbols binding = op.binding();
  Growing growing;
  growing.tensor_of.assign(op.values.size(), -1);
  Lowering& lowering = growing.lowering;
  lowering.dims = binding;
  lowering.precision = op.precision;
  for (int v = 0; v < op.inputs(); ++v) {
    const Value& value = op.values[static_cast<std::size_t>(v)];
    growing.tensor_of[static_cast<std::size_t>(v)] = static_cast<int>(lowering.tensors.size());
    lowering.tensors.push_back(
        {value.name, value.dtype, value.shape, value.strides, v, Tensor::Kind::input});
  }
  for (const auto& node : op.nodes) {
    const Row* row = find_row(node.op);
    if (!row) return bad_input(fmt::format("unsupported operator '{}'", node.op));
    const Call call(*row, node, op.values, binding);
    Emitter emitter(call, growing);
    if (auto done = row->lower(emitter); !done)
      return tl::unexpected<Error>(done.error().with(node.op));
    if (row->name == "scalar")
      growing.number_of.emplace(node.results[0], *call.expression("value"));
  }
  std::vector<int> outputs;
  for (int v : op.outputs) {
    const int t = growing.tensor_of[static_cast<std::size_t>(v)];
    if (t < op.inputs())
      return bad_input(fmt::format("output '{}' is an input; nothing computes it",
                                   op.values[static_cast<std::size_t>(v)].name));
    outputs.push_back(t);
    lowering.tensors[static_cast<std::size_t>(t)].kind = Tensor::Kind::output;
    lowering.tensors[static_cast<std::size_t>(t)].name =
        op.values[static_cast<std::size_t>(v)].name;
  }
  return without_dead(lowering, outputs);
}

}  // namespace mtmc::op
