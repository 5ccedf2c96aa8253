// Names and canonical texts of primitives, and the graph they form.
#include "op/primitive.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace mtmc::op {
namespace {

std::string shape_text(const std::vector<Expr>& shape) {
  std::string out;
  for (const auto& e : shape) out += (out.empty() ? "" : ", ") + e.text();
  return "[" + out + "]";
}

std::string axes_text(const std::vector<Axis>& axes) {
  std::string out;
  for (const auto& a : axes)
    out += fmt::format("{}{} < {}", out.empty() ? "" : ", ", a.name, a.extent.text());
  return out;
}

std::string_view name_of(Tensor::Kind kind) {
  switch (kind) {
    case Tensor::Kind::input:
      return "input";
    case Tensor::Kind::intermediate:
      return "intermediate";
    case Tensor::Kind::output:
      return "output";
  }
  return {};
}

}  // namespace

std::string_view name_of(PrimitiveKind kind) {
  constexpr std::string_view kNames[] = {"map",  "reduce", "contraction",
                                         "scan", "window", "gather"};
  return kNames[static_cast<int>(kind)];
}

std::string_view name_of(Combiner combiner) {
  constexpr std::string_view kNames[] = {"none", "sum", "prod", "max", "min", "argmax", "argmin"};
  return kNames[static_cast<int>(combiner)];
}

double identity_of(Combiner combiner) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  switch (combiner) {
    case Combiner::prod:
      return 1;
    case Combiner::max:
    case Combiner::argmax:
      return -kInfinity;
    case Combiner::min:
    case Combiner::argmin:
      return kInfinity;
    case Combiner::none:
    case Combiner::sum:
      break;
  }
  return 0;
}

std::string Primitive::text() const {
  std::string out = fmt::format("t{} = {}[{}]", output, name_of(kind), axes_text(parallel));
  if (combiner != Combiner::none)
    out += fmt::format(" {}[{}]", name_of(combiner), axes_text(reduced));
  return out + " " + body.text();
}

int Lowering::producer(int tensor) const {
  for (std::size_t i = 0; i < primitives.size(); ++i)
    if (primitives[i].output == tensor) return static_cast<int>(i);
  return -1;
}

std::vector<int> Lowering::consumers(int tensor) const {
  std::vector<int> found;
  for (std::size_t i = 0; i < primitives.size(); ++i) {
    bool loads = false;
    primitives[i].body.visit_loads([&](const Scalar& load) { loads |= load.tensor() == tensor; });
    if (loads) found.push_back(static_cast<int>(i));
  }
  return found;
}

std::string Lowering::text() const {
  std::string out;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& t = tensors[i];
    out += fmt::format("t{}: {}{} {} {}", i, name_of(t.dtype), shape_text(t.shape), name_of(t.kind),
                       t.name);
    if (!t.strides.empty()) out += " strides " + shape_text(t.strides);
    out += '\n';
  }
  for (const auto& p : primitives) out += p.text() + '\n';
  for (const auto& [name, value] : dims) out += fmt::format("{}={}\n", name, value);
  return out;
}

}  // namespace mtmc::op
