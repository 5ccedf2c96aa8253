// Normalisations: statistics of groups of elements in two passes (mean, then squares of
// differences), then one map over all elements. They differ in which elements form a group and in
// how weights are indexed.
#include <fmt/format.h>

#include <cmath>

#include "op/algebra.hpp"
#include "op/emitter.hpp"
#include "op/formula.hpp"

namespace mtmc::op {
namespace {

using namespace formula;

// How the groups lie in the operand.
struct Groups {
  std::vector<Expr> shape;     // of the statistics
  std::vector<Expr> extents;   // of the reduced axes
  std::vector<Expr> read;      // operand's index from group and reduced axes
  std::vector<Expr> group_of;  // statistic's index from the element's axes
};

struct Statistics {
  int mean = -1, inverse_deviation = -1;
};

Statistics statistics(Emitter& e, const Groups& g, double eps) {
  const auto target = e.statistic("input", g.shape);
  const auto here = axes_i(g.shape.size());
  const Scalar count = Scalar::index(product(g.extents));
  const Scalar x = e.operand("input", g.read);
  const int sum = e.reduce(target, g.extents, Combiner::sum, x);
  const int mean = e.map(target, e.tensor_at(sum, here) / count);
  const Scalar d = x - e.tensor_at(mean, here);
  const int squares = e.reduce(target, g.extents, Combiner::sum, d * d);
  const int inverse =
      e.map(target, call(Function::rsqrt, e.tensor_at(squares, here) / count + num(eps)));
  return {mean, inverse};
}

// (x - mean) * inverse * weight + bias, the latter two indexed by `at`.
void finish(Emitter& e, const Scalar& centred, const Scalar& inverse, const std::vector<Expr>& at) {
  Scalar y = centred * inverse;
  if (e.call().has("weight")) y = y * e.operand("weight", at);
  if (e.call().has("bias")) y = y + e.operand("bias", at);
  e.map(e.result(), y);
}

void normalise(Emitter& e, const Groups& g, double eps, const std::vector<Expr>& parameters_at) {
  const auto s = statistics(e, g, eps);
  const Scalar x = e.operand("input", axes_i(e.result().shape.size()));
  finish(e, x - e.tensor_at(s.mean, g.group_of), e.tensor_at(s.inverse_deviation, g.group_of),
         parameters_at);
}

Result<void> check_float(const Call& call) {
  if (!call.is_tensor("input")) return bad_input("needs a tensor");
  if (!is_float(call.value("input").dtype))
    return bad_input("needs a float tensor; cast with to(x, f32)");
  return {};
}

Result<void> check_operand_shape(const Call& call, std::string_view name,
                                 const std::vector<Expr>& shape) {
  if (!call.has(name)) return {};
  bool fits = call.is_tensor(name) && call.value(name).shape.size() == shape.size();
  for (std::size_t d = 0; fits && d < shape.size(); ++d)
    fits = call.at_binding(call.value(name).shape[d]) == call.at_binding(shape[d]);
  if (fits) return {};
  return bad_input(
      fmt::format("{} must have shape {}, not {}", name, shape_text(call, shape),
                  call.is_tensor(name) ? shape_text(call, call.value(name).shape) : "a number"));
}

InferResult same_as_input(const Call& call) {
  return std::vector<Inferred>{{call.value("input").dtype, call.value("input").shape}};
}

std::vector<Expr> normalized_shape(const Call& call) { return *call.shape("normalized_shape"); }

InferResult infer_trailing(const Call& call, bool has_bias) {
  if (auto ok = check_float(call); !ok) return tl::unexpected<Error>(ok.error());
  const auto& shape = call.value("input").shape;
  const auto tail = normalized_shape(call);
  bool fits = !tail.empty() && tail.size() <= shape.size();
  for (std::size_t d = 0; fits && d < tail.size(); ++d)
    fits = call.at_binding(tail[d]) == call.at_binding(shape[shape.size() - tail.size() + d]);
  if (!fits)
    return bad_input(fmt::format("normalized_shape {} is not the end of shape {}",
                                 shape_text(call, tail), shape_text(call, shape)));
  const std::vector<Expr> mine(shape.end() - static_cast<std::ptrdiff_t>(tail.size()), shape.end());
  if (auto ok = check_operand_shape(call, "weight", mine); !ok)
    return tl::unexpected<Error>(ok.error());
  if (has_bias)
    if (auto ok = check_operand_shape(call, "bias", mine); !ok)
      return tl::unexpected<Error>(ok.error());
  return same_as_input(call);
}

// The trailing dims of the operand are a group.
Groups trailing(const Call& call) {
  const auto& shape = call.value("input").shape;
  const std::size_t outer = shape.size() - normalized_shape(call).size();
  Groups g;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (d < outer)
      g.shape.push_back(shape[d]);
    else
      g.extents.push_back(shape[d]);
    g.read.push_back(d < outer ? axis_i(d) : axis_r(d - outer));
    if (d < outer) g.group_of.push_back(axis_i(d));
  }
  return g;
}

std::vector<Expr> trailing_axes(const Call& call) {
  const std::size_t rank = call.value("input").shape.size();
  std::vector<Expr> at;
  for (std::size_t d = rank - normalized_shape(call).size(); d < rank; ++d) at.push_back(axis_i(d));
  return at;
}

Result<void> lower_layer_norm(Emitter& e) {
  normalise(e, trailing(e.call()), *e.call().number("eps"), trailing_axes(e.call()));
  return {};
}

Result<void> lower_rms_norm(Emitter& e) {
  const Call& call = e.call();
  const Groups g = trailing(call);
  // PyTorch's default is the spacing of numbers at 1.
  const double eps = call.number("eps").value_or(2 * unit_roundoff(call.value("input").dtype));
  const auto target = e.statistic("input", g.shape);
  const auto here = axes_i(g.shape.size());
  const Scalar x = e.operand("input", g.read);
  const int squares = e.reduce(target, g.extents, Combiner::sum, x * x);
  const Scalar mean = e.tensor_at(squares, here) / Scalar::index(product(g.extents));
  const int inverse = e.map(target, formula::call(Function::rsqrt, mean + num(eps)));
  Scalar y = e.operand("input", axes_i(e.result().shape.size())) * e.tensor_at(inverse, g.group_of);
  if (call.has("weight")) y = y * e.operand("weight", trailing_axes(call));
  e.map(e.result(), y);
  return {};
}

Result<void> check_channels(const Call& call, const std::vector<std::string_view>& names) {
  if (auto ok = check_float(call); !ok) return ok;
  const auto& shape = call.value("input").shape;
  if (shape.size() < 2)
    return bad_input(fmt::format("needs shape [N, C, ...], not {}", shape_text(call, shape)));
  for (const auto name : names)
    if (auto ok = check_operand_shape(call, name, {shape[1]}); !ok) return ok;
  return {};
}

InferResult infer_group_norm(const Call& call) {
  if (auto ok = check_channels(call, {"weight", "bias"}); !ok)
    return tl::unexpected<Error>(ok.error());
  const std::int64_t groups = *call.integer("num_groups");
  const std::int64_t channels = call.at_binding(call.value("input").shape[1]);
  if (groups < 1 || channels % groups != 0)
    return bad_input(fmt::format("{} channels do not divide into {} groups", channels, groups));
  return same_as_input(call);
}

Result<void> lower_group_norm(Emitter& e) {
  const Call& call = e.call();
  const auto& shape = call.value("input").shape;
  const Expr groups = *call.expression("num_groups");
  const Expr size = exact_quotient(shape[1], groups).value_or(floor_div(shape[1], groups));
  Groups g;
  g.shape = {shape[0], groups};
  g.extents = {size};
  g.read = {axis_i(0), axis_i(1) * size + axis_r(0)};
  g.group_of = {axis_i(0), floor_div(axis_i(1), size)};
  for (std::size_t d = 2; d < shape.size(); ++d) {
    g.extents.push_back(shape[d]);
    g.read.push_back(axis_r(d - 1));
  }
  normalise(e, g, *call.number("eps"), {axis_i(1)});
  return {};
}

// Groups per channel, over the batch as well or not.
Groups per_channel(const Call& call, bool over_batch) {
  const auto& shape = call.value("input").shape;
  Groups g;
  std::size_t reduced = 0;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    const bool kept = d == 1 || (d == 0 && !over_batch);
    if (kept) {
      g.read.push_back(axis_i(g.shape.size()));
      g.shape.push_back(shape[d]);
      g.group_of.push_back(axis_i(d));
    } else {
      g.read.push_back(axis_r(reduced++));
      g.extents.push_back(shape[d]);
    }
  }
  return g;
}

const std::vector<std::string_view> kChannelOperands = {"running_mean", "running_var", "weight",
                                                        "bias"};

InferResult infer_with_running(const Call& call, bool uses_running) {
  if (auto ok = check_channels(call, kChannelOperands); !ok)
    return tl::unexpected<Error>(ok.error());
  if (uses_running && (!call.has("running_mean") || !call.has("running_var")))
    return bad_input("without batch statistics it needs running_mean and running_var");
  return same_as_input(call);
}

Result<void> lower_with_running(Emitter& e, bool uses_running, bool over_batch) {
  const double eps = *e.call().number("eps");
  const std::vector<Expr> channel = {axis_i(1)};
  if (!uses_running) {
    normalise(e, per_channel(e.call(), over_batch), eps, channel);
    return {};
  }
  const Scalar x = e.operand("input", axes_i(e.result().shape.size()));
  const Scalar inverse =
      formula::call(Function::rsqrt, e.operand("running_var", channel) + num(eps));
  finish(e, x - e.operand("running_mean", channel), inverse, channel);
  return {};
}

bool batch_uses_running(const Call& call) { return !call.flag("training"); }
bool instance_uses_running(const Call& call) { return !call.flag("use_input_stats"); }

}  // namespace

std::vector<Row> normalise_rows() {
  std::vector<Row> rows;
  rows.push_back({"layer_norm",
                  "input, normalized_shape: shape, weight = None, bias = None, eps: number = 1e-5",
                  [](const Call& c) { return infer_trailing(c, true); }, lower_layer_norm});
  rows.push_back({"rms_norm", "input, normalized_shape: shape, weight = None, eps: number = None",
                  [](const Call& c) { return infer_trailing(c, false); }, lower_rms_norm});
  rows.push_back({"group_norm",
                  "input, num_groups: integer, weight = None, bias = None, eps: number = 1e-5",
                  infer_group_norm, lower_group_norm});
  rows.push_back(
      {"batch_norm",
       "input, running_mean = None, running_var = None, weight = None, bias = None, "
       "training: flag = False, momentum: number = 0.1, eps: number = 1e-5",
       [](const Call& c) { return infer_with_running(c, batch_uses_running(c)); },
       [](Emitter& e) { return lower_with_running(e, batch_uses_running(e.call()), true); }});
  rows.push_back(
      {"instance_norm",
       "input, running_mean = None, running_var = None, weight = None, bias = None, "
       "use_input_stats: flag = True, momentum: number = 0.1, eps: number = 1e-5",
       [](const Call& c) { return infer_with_running(c, instance_uses_running(c)); },
       [](Emitter& e) { return lower_with_running(e, instance_uses_running(e.call()), false); }});
  return rows;
}

}  // namespace mtmc::op
