// Convolutions (cross-correlations, as PyTorch's are) of 1 to 3 spatial dims: contractions over
// input channels and the kernel's window, whose loads of the input are guarded where padding
// reaches. A transposed convolution is the same with the index map solved for the input's position,
// guarded by divisibility.
#include <fmt/format.h>

#include "op/algebra.hpp"
#include "op/emitter.hpp"
#include "op/formula.hpp"

namespace mtmc::op {
namespace {

using namespace formula;
using Shape = std::vector<Expr>;

// An attribute of one entry per spatial dim; a single entry serves all.
Result<Shape> per_dim(const Call& call, std::string_view name, std::size_t spatial,
                      std::int64_t lowest) {
  auto list = *call.shape(name);
  if (list.size() == 1) list.resize(spatial, list[0]);
  if (list.size() != spatial)
    return bad_input(
        fmt::format("{} has {} entries for {} spatial dims", name, list.size(), spatial));
  for (const auto& e : list)
    if (call.at_binding(e) < lowest)
      return bad_input(
          fmt::format("{} is {}; it must be at least {}", name, call.at_binding(e), lowest));
  return list;
}

struct Geometry {
  Shape stride, dilation, before, after;  // padding before and after
  Shape output;                           // spatial extents
};

Result<Geometry> geometry(const Call& call, std::size_t spatial) {
  const Shape& x = call.value("input").shape;
  const Shape& w = call.value("weight").shape;
  Geometry g;
  const auto stride = per_dim(call, "stride", spatial, 1),
             dilation = per_dim(call, "dilation", spatial, 1);
  if (!stride) return tl::unexpected<Error>(stride.error());
  if (!dilation) return tl::unexpected<Error>(dilation.error());
  g.stride = *stride;
  g.dilation = *dilation;
  if (const auto word = call.word("padding")) {
    if (*word != "same" && *word != "valid")
      return bad_input(
          fmt::format("padding must be numbers, 'same' or 'valid', not '{}'", word->substr(0, 64)));
    for (std::size_t d = 0; d < spatial; ++d) {
      if (*word == "same" && call.at_binding(g.stride[d]) != 1)
        return bad_input("padding 'same' needs stride 1");
      const Expr total = *word == "same" ? simplify(g.dilation[d] * (w[2 + d] - Expr(1))) : Expr(0);
      g.before.push_back(simplify(floor_div(total, Expr(2))));
      g.after.push_back(simplify(total - g.before[d]));
    }
  } else {
    const auto padding = per_dim(call, "padding", spatial, 0);
    if (!padding) return tl::unexpected<Error>(padding.error());
    g.before = g.after = *padding;
  }
  for (std::size_t d = 0; d < spatial; ++d) {
    const Expr span = g.dilation[d] * (w[2 + d] - Expr(1));
    const Expr room = simplify(x[2 + d] + g.before[d] + g.after[d] - span - Expr(1));
    if (call.at_binding(room) < 0)
      return bad_input(
          fmt::format("the window ({}) is larger than the padded input ({}) in spatial dim {}",
                      call.at_binding(span) + 1, call.at_binding(room + span) + 1, d));
    g.output.push_back(simplify(floor_div(room, g.stride[d]) + Expr(1)));
  }
  return g;
}

Result<void> check_ranks(const Call& call, std::size_t spatial) {
  for (const auto name : {"input", "weight", "bias"})
    if (call.has(name) && !call.is_tensor(name))
      return bad_input(fmt::format("{} must be a tensor", name));
  for (const auto name : {"input", "weight"})
    if (call.value(name).shape.size() != spatial + 2)
      return bad_input(fmt::format("{} must have {} dimensions, not {}", name, spatial + 2,
                                   shape_text(call, call.value(name).shape)));
  const std::int64_t groups = *call.integer("groups");
  if (groups < 1) return bad_input(fmt::format("groups is {}; it must be at least 1", groups));
  return {};
}

Result<void> check_bias(const Call& call, const Expr& channels) {
  if (!call.has("bias")) return {};
  const Shape& bias = call.value("bias").shape;
  if (bias.size() == 1 && call.at_binding(bias[0]) == call.at_binding(channels)) return {};
  return bad_input(fmt::format("bias must have shape {}, not {}", shape_text(call, {channels}),
                               shape_text(call, bias)));
}

InferResult infer_conv(const Call& call, std::size_t spatial) {
  if (auto ok = check_ranks(call, spatial); !ok) return tl::unexpected<Error>(ok.error());
  const Shape& x = call.value("input").shape;
  const Shape& w = call.value("weight").shape;
  const std::int64_t groups = *call.integer("groups");
  const std::int64_t in = call.at_binding(x[1]), out = call.at_binding(w[0]),
                     per_group = call.at_binding(w[1]);
  if (in != per_group * groups)
    return bad_input(
        fmt::format("input has {} channels, weight takes {} x {} groups", in, per_group, groups));
  if (out % groups != 0)
    return bad_input(fmt::format("{} output channels do not divide into {} groups", out, groups));
  if (auto ok = check_bias(call, w[0]); !ok) return tl::unexpected<Error>(ok.error());
  const auto g = geometry(call, spatial);
  if (!g) return tl::unexpected<Error>(g.error());
  Shape shape = {x[0], w[0]};
  shape.insert(shape.end(), g->output.begin(), g->output.end());
  return std::vector<Inferred>{{promoted(call, {"input", "weight", "bias"}), shape}};
}

Expr within(const Expr& position, const Expr& extent) {
  return Expr::make(Expr::Kind::logical_and,
                    {Expr::make(Expr::Kind::greater_equal, {position, Expr(0)}),
                     Expr::make(Expr::Kind::less, {position, extent})});
}
void narrow(std::optional<Expr>& guard, const Expr& condition) {
  guard = guard ? Expr::make(Expr::Kind::logical_and, {*guard, condition}) : condition;
}

// group * per_group + inner, where group = channel / channels_per_group.
Expr grouped(const Expr& channel, const Expr& channels, const Expr& groups, const Expr& per_group,
             const Expr& inner) {
  if (groups.is_constant(1)) return inner;
  if (same(channels, groups)) return simplify(channel * per_group + inner);
  const Expr size = exact_quotient(channels, groups).value_or(floor_div(channels, groups));
  return simplify(floor_div(channel, size) * per_group + inner);
}

void contract(Emitter& e, const Shape& extents, const Scalar& body) {
  const auto target = e.result();
  if (!e.call().has("bias")) {
    e.reduce(target, extents, Combiner::sum, body, PrimitiveKind::contraction);
    return;
  }
  const int sum = e.reduce(Emitter::temporary(compute_type(target.dtype), target.shape), extents,
                           Combiner::sum, body, PrimitiveKind::contraction);
  e.map(target, e.tensor_at(sum, axes_i(target.shape.size())) + e.operand("bias", {axis_i(1)}));
}

Result<void> lower_conv(Emitter& e, std::size_t spatial) {
  const Call& call = e.call();
  const Shape& x = call.value("input").shape;
  const Shape& w = call.value("weight").shape;
  const auto g = geometry(call, spatial);
  if (!g) return tl::unexpected<Error>(g.error());
  Shape at_x = {axis_i(0), grouped(axis_i(1), w[0], *call.expression("groups"), w[1], axis_r(0))};
  Shape at_w = {axis_i(1), axis_r(0)};
  Shape extents = {w[1]};
  std::optional<Expr> guard;
  for (std::size_t d = 0; d < spatial; ++d) {
    const Expr position =
        simplify(axis_i(2 + d) * g->stride[d] + axis_r(1 + d) * g->dilation[d] - g->before[d]);
    at_x.push_back(position);
    at_w.push_back(axis_r(1 + d));
    extents.push_back(w[2 + d]);
    if (call.at_binding(g->before[d]) + call.at_binding(g->after[d]) > 0)
      narrow(guard, within(position, x[2 + d]));
  }
  contract(e, extents,
           e.value_at(call.value_index("input"), at_x, guard) * e.operand("weight", at_w));
  return {};
}

// Transposed: weight is [in channels, out channels / groups, window...].
InferResult infer_transposed(const Call& call, std::size_t spatial) {
  if (auto ok = check_ranks(call, spatial); !ok) return tl::unexpected<Error>(ok.error());
  const Shape& x = call.value("input").shape;
  const Shape& w = call.value("weight").shape;
  const std::int64_t groups = *call.integer("groups"), in = call.at_binding(x[1]);
  if (in != call.at_binding(w[0]))
    return bad_input(
        fmt::format("input has {} channels, weight takes {}", in, call.at_binding(w[0])));
  if (in % groups != 0)
    return bad_input(fmt::format("{} input channels do not divide into {} groups", in, groups));
  const Expr channels = simplify(w[1] * *call.expression("groups"));
  if (auto ok = check_bias(call, channels); !ok) return tl::unexpected<Error>(ok.error());
  const auto stride = per_dim(call, "stride", spatial, 1),
             padding = per_dim(call, "padding", spatial, 0),
             extra = per_dim(call, "output_padding", spatial, 0),
             dilation = per_dim(call, "dilation", spatial, 1);
  for (const auto* list : {&stride, &padding, &extra, &dilation})
    if (!*list) return tl::unexpected<Error>(list->error());
  Shape shape = {x[0], channels};
  for (std::size_t d = 0; d < spatial; ++d) {
    if (call.at_binding((*extra)[d]) >=
        std::max(call.at_binding((*stride)[d]), call.at_binding((*dilation)[d])))
      return bad_input("output_padding must be smaller than stride or dilation");
    shape.push_back(simplify((x[2 + d] - Expr(1)) * (*stride)[d] - Expr(2) * (*padding)[d] +
                             (*dilation)[d] * (w[2 + d] - Expr(1)) + (*extra)[d] + Expr(1)));
    if (call.at_binding(shape.back()) < 1)
      return bad_input(fmt::format("the result has no extent in spatial dim {}", d));
  }
  return std::vector<Inferred>{{promoted(call, {"input", "weight", "bias"}), shape}};
}

Result<void> lower_transposed(Emitter& e, std::size_t spatial) {
  const Call& call = e.call();
  const Shape& x = call.value("input").shape;
  const Shape& w = call.value("weight").shape;
  const Expr groups = *call.expression("groups");
  const Expr per_group = exact_quotient(w[0], groups).value_or(floor_div(w[0], groups));
  const Expr channels = simplify(w[1] * groups);
  const Expr in_channel = grouped(axis_i(1), channels, groups, per_group, axis_r(0));
  Shape at_x = {axis_i(0), in_channel};
  Shape at_w = {in_channel, groups.is_constant(1) ? axis_i(1) : mod(axis_i(1), w[1])};
  Shape extents = {per_group};
  std::optional<Expr> guard;
  const auto stride = *per_dim(call, "stride", spatial, 1),
             padding = *per_dim(call, "padding", spatial, 0),
             dilation = *per_dim(call, "dilation", spatial, 1);
  for (std::size_t d = 0; d < spatial; ++d) {
    const Expr scaled = simplify(axis_i(2 + d) + padding[d] - axis_r(1 + d) * dilation[d]);
    const Expr position = simplify(floor_div(scaled, stride[d]));
    if (!stride[d].is_constant(1))
      narrow(guard, Expr::make(Expr::Kind::equal, {mod(scaled, stride[d]), Expr(0)}));
    narrow(guard, within(position, x[2 + d]));
    at_x.push_back(position);
    at_w.push_back(axis_r(1 + d));
    extents.push_back(w[2 + d]);
  }
  contract(e, extents,
           e.value_at(call.value_index("input"), at_x, guard) * e.operand("weight", at_w));
  return {};
}

}  // namespace

std::vector<Row> convolve_rows() {
  std::vector<Row> rows;
  for (std::size_t n = 1; n <= 3; ++n) {
    const std::string suffix = std::to_string(n) + "d";
    rows.push_back({"conv" + suffix,
                    "input, weight, bias = None, stride: shape = 1, padding: padding = 0, "
                    "dilation: shape = 1, "
                    "groups: integer = 1",
                    [n](const Call& c) { return infer_conv(c, n); },
                    [n](Emitter& e) { return lower_conv(e, n); }});
    rows.push_back({"conv_transpose" + suffix,
                    "input, weight, bias = None, stride: shape = 1, padding: shape = 0, "
                    "output_padding: shape = 0, groups: integer = 1, dilation: shape = 1",
                    [n](const Call& c) { return infer_transposed(c, n); },
                    [n](Emitter& e) { return lower_transposed(e, n); }});
  }
  return rows;
}

}  // namespace mtmc::op
