// The bound's two counts. Bytes: of each input, the elements that some primitive can reach (a slice
// or an index map with steps leaves others untouched), of each output all. Operations: per point,
// what the body computes and one to combine; a product summed counts two.
#include <algorithm>
#include <cmath>
#include <optional>

#include "op/algebra.hpp"
#include "op/reference.hpp"

namespace mtmc::op {
namespace {

std::optional<double> volume(const std::vector<Axis>& axes, const Symbols& dims) {
  double v = 1;
  for (const auto& a : axes) {
    const auto extent = a.extent.evaluate(dims);
    if (!extent) return std::nullopt;
    v *= static_cast<double>(*extent);
  }
  return v;
}

// An upper bound on distinct elements that one load reaches: each axis it mentions, once.
double reached(const Scalar& load, const Primitive& p, const Symbols& dims) {
  double points = 1;
  std::set<std::string> names;
  for (const auto& e : load.at()) names.merge(e.symbols());
  for (const auto* axes : {&p.parallel, &p.reduced})
    for (const auto& a : *axes)
      if (names.count(a.name)) {
        const auto extent = a.extent.evaluate(dims);
        points *= extent ? static_cast<double>(*extent) : INFINITY;
      }
  return points;
}

}  // namespace

Result<Work> work(const Lowering& lowering, const Symbols& dims) {
  Symbols binding = lowering.dims;
  for (const auto& [name, value] : dims) binding[name] = value;
  Work total;
  std::vector<double> elements, used(lowering.tensors.size());
  for (const auto& t : lowering.tensors) {
    double count = 1;
    for (const auto& e : t.shape) {
      const auto extent = e.evaluate(binding);
      if (!extent) return tl::unexpected<Error>(extent.error());
      count *= static_cast<double>(*extent);
    }
    elements.push_back(count);
  }
  bool has_contraction = false;
  for (const auto& p : lowering.primitives) {
    const auto parallel = volume(p.parallel, binding);
    if (!parallel) return bad_input("a primitive's extent has no value");
    // A scan's extent depends on the point; what it cannot avoid is to combine each element once.
    const double reduced = volume(p.reduced, binding).value_or(1);
    const double per_point = p.body.operations() + (p.combiner == Combiner::none ? 0 : 1);
    const double operations = *parallel * reduced * per_point;
    total.operations += operations;
    p.body.visit_loads([&](const Scalar& load) {
      const auto t = static_cast<std::size_t>(load.tensor());
      used[t] = std::min(elements[t], used[t] + reached(load, p, binding));
      if (p.kind != PrimitiveKind::contraction || !is_float(lowering.tensors[t].dtype)) return;
      const DType dtype = lowering.tensors[t].dtype;
      if (!has_contraction || bytes_of(dtype) < bytes_of(total.operand)) total.operand = dtype;
      has_contraction = true;
    });
    if (p.kind == PrimitiveKind::contraction) total.contraction_operations += operations;
  }
  for (std::size_t t = 0; t < lowering.tensors.size(); ++t) {
    const double bytes = bytes_of(lowering.tensors[t].dtype);
    if (lowering.tensors[t].kind == Tensor::Kind::input) total.bytes += used[t] * bytes;
    if (lowering.tensors[t].kind == Tensor::Kind::output) total.bytes += elements[t] * bytes;
  }
  return total;
}

}  // namespace mtmc::op
