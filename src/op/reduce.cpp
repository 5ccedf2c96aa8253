// Reductions over any dims of one operand, softmax among them. Means, variances and exponentials of
// differences are taken in two passes (subtract the mean or the maximum first), as numerically
// careful kernels do.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "op/algebra.hpp"
#include "op/emitter.hpp"
#include "op/formula.hpp"
#include "op/reduce.hpp"

namespace mtmc::op {

using namespace formula;

Result<std::vector<int>> reduced_dims(const Call& call, std::string_view operand,
                                      std::string_view name) {
  const int rank = static_cast<int>(call.value(operand).shape.size());
  std::vector<std::int64_t> stated;
  const auto attribute = call.attribute(name);
  if (!attribute) {
    std::vector<int> all;
    for (int d = 0; d < rank; ++d) all.push_back(d);
    return all;
  }
  if (const auto* one = std::get_if<Expr>(&*attribute))
    stated.push_back(call.at_binding(*one));
  else
    for (const auto& e : std::get<std::vector<Expr>>(*attribute))
      stated.push_back(call.at_binding(e));
  std::vector<int> dims;
  for (const std::int64_t s : stated) {
    auto d = axis_in(s, rank);
    if (!d) return tl::unexpected<Error>(d.error());
    if (*d >= rank) continue;  // dim 0 or -1 of a tensor without dims
    if (std::find(dims.begin(), dims.end(), *d) != dims.end())
      return bad_input(fmt::format("dim {} is listed twice", s));
    dims.push_back(*d);
  }
  if (stated.empty())  // PyTorch reads an empty list as all dims
    for (int d = 0; d < rank; ++d) dims.push_back(d);
  std::sort(dims.begin(), dims.end());
  return dims;
}

Reduction::Reduction(const std::vector<Expr>& shape, const std::vector<int>& dims, bool keepdim)
    : shape_(shape), keepdim_(keepdim), is_reduced_(shape.size()) {
  for (int d : dims) is_reduced_[static_cast<std::size_t>(d)] = true;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (is_reduced_[d]) extents_.push_back(shape[d]);
    if (!is_reduced_[d])
      result_.push_back(shape[d]);
    else if (keepdim)
      result_.push_back(Expr(1));
  }
}

std::vector<Expr> Reduction::read() const {
  std::vector<Expr> at;
  std::size_t parallel = 0, reduced = 0;
  for (std::size_t d = 0; d < shape_.size(); ++d) {
    if (is_reduced_[d]) at.push_back(axis_r(reduced++));
    if (!is_reduced_[d])
      at.push_back(axis_i(parallel++));
    else if (keepdim_)
      ++parallel;
  }
  return at;
}

std::vector<Expr> Reduction::own() const {
  std::vector<Expr> at;
  for (std::size_t k = 0, d = 0; d < shape_.size(); ++d)
    if (!is_reduced_[d])
      at.push_back(axis_i(k++));
    else if (keepdim_)
      at.push_back(Expr(0)), ++k;
  return at;
}

std::vector<Expr> Reduction::from_full() const {
  std::vector<Expr> at;
  for (std::size_t d = 0; d < shape_.size(); ++d)
    if (!is_reduced_[d])
      at.push_back(axis_i(d));
    else if (keepdim_)
      at.push_back(Expr(0));
  return at;
}

Expr Reduction::count() const { return product(extents_); }

namespace {

struct Plan {
  Reduction over;
  Scalar x;  // the operand at the reduction's point
};

Plan plan(const Emitter& e, std::string_view dim_name = "dim") {
  const Call& call = e.call();
  bool keepdim = false;
  for (const auto& p : call.row().parameters)
    keepdim |= p.name == "keepdim" && call.flag("keepdim");
  const auto dims = *reduced_dims(call, "input", dim_name);  // inference has seen them
  Reduction over(call.value("input").shape, dims, keepdim);
  return {over, e.operand("input", over.read())};
}

using DTypeRule = std::function<Result<DType>(const Call&)>;

InferResult infer_reduction(const Call& call, const DTypeRule& rule) {
  if (!call.is_tensor("input")) return bad_input("needs a tensor");
  const auto dims = reduced_dims(call, "input", "dim");
  if (!dims) return tl::unexpected<Error>(dims.error());
  const auto dtype = rule(call);
  if (!dtype) return tl::unexpected<Error>(dtype.error());
  return std::vector<Inferred>{
      {*dtype, Reduction(call.value("input").shape, *dims, call.flag("keepdim")).result()}};
}

DType input_dtype(const Call& call) { return call.value("input").dtype; }
Result<DType> accumulated(const Call& call) {  // sum, prod
  if (auto stated = call.dtype("dtype")) return *stated;
  return is_float(input_dtype(call)) ? input_dtype(call) : DType::i64;
}
Result<DType> floating(const Call& call) {
  if (!is_float(input_dtype(call))) return bad_input("needs a float tensor; cast with to(x, f32)");
  return input_dtype(call);
}
Result<DType> kept(const Call& call) { return input_dtype(call); }
Result<DType> indices(const Call&) { return DType::i64; }
Result<DType> booleans(const Call&) { return DType::boolean; }

constexpr const char* kDims = "input, dim: shape = None, keepdim: flag = False";
constexpr const char* kDimsDtype =
    "input, dim: shape = None, keepdim: flag = False, dtype: dtype = None";
constexpr const char* kOneDim = "input, dim: integer = None, keepdim: flag = False";

Row reduction(std::string name, std::string signature, DTypeRule rule,
              std::function<void(Emitter&, const Plan&)> lower) {
  Row row;
  row.name = std::move(name);
  row.signature = std::move(signature);
  row.infer = [rule = std::move(rule)](const Call& call) { return infer_reduction(call, rule); };
  row.lower = [lower = std::move(lower)](Emitter& e) -> Result<void> {
    lower(e, plan(e));
    return {};
  };
  return row;
}

Row simple(std::string name, std::string signature, DTypeRule rule, Combiner combiner) {
  return reduction(std::move(name), std::move(signature), std::move(rule),
                   [combiner](Emitter& e, const Plan& p) {
                     e.reduce(e.result(), p.over.extents(), combiner, p.x);
                   });
}

// max and min give values, and with a dim also indices.
Row extremum(std::string name, Combiner value, Combiner index) {
  Row row;
  row.name = std::move(name);
  row.signature = kOneDim;
  row.infer = [](const Call& call) -> InferResult {
    auto inferred = infer_reduction(call, kept);
    if (inferred && call.attribute("dim")) inferred->push_back({DType::i64, (*inferred)[0].shape});
    return inferred;
  };
  row.lower = [value, index](Emitter& e) -> Result<void> {
    const Plan p = plan(e);
    e.reduce(e.result(), p.over.extents(), value, p.x);
    if (e.wants(1)) e.reduce(e.result(1), p.over.extents(), index, p.x);
    return {};
  };
  return row;
}

int mean_of(Emitter& e, const Plan& p, const Emitter::Target& target) {
  const int sum =
      e.reduce(e.statistic("input", p.over.result()), p.over.extents(), Combiner::sum, p.x);
  return e.map(target,
               e.tensor_at(sum, axes_i(target.shape.size())) / Scalar::index(p.over.count()));
}

void lower_variance(Emitter& e, const Plan& p, bool root) {
  const auto target = e.result();
  const int mean = mean_of(e, p, e.statistic("input", p.over.result()));
  const Scalar d = p.x - e.tensor_at(mean, p.over.own());
  const int squares =
      e.reduce(e.statistic("input", p.over.result()), p.over.extents(), Combiner::sum, d * d);
  const std::int64_t correction =
      *e.call().integer("correction") * (e.call().flag("unbiased") ? 1 : 0);
  // Like PyTorch, 0 / 0 for a single element with correction.
  const Scalar count = Scalar::index(simplify(p.over.count() - Expr(correction)));
  const Scalar variance = e.tensor_at(squares, axes_i(target.shape.size())) / max(count, num(0));
  e.map(target, root ? call(Function::sqrt, variance) : variance);
}

void lower_norm(Emitter& e, const Plan& p) {
  const double order = *e.call().number("p");
  const auto target = e.result();
  const Scalar magnitude = abs(p.x);
  if (std::isinf(order)) {
    e.reduce(target, p.over.extents(), order > 0 ? Combiner::max : Combiner::min, magnitude);
    return;
  }
  if (order == 1) {
    e.reduce(target, p.over.extents(), Combiner::sum, magnitude);
    return;
  }
  Scalar term = call(Function::pow, magnitude, num(order));
  if (order == 2) term = p.x * p.x;
  if (order == 0) term = call(Function::not_equal, p.x, num(0));
  if (order == 0) {
    e.reduce(target, p.over.extents(), Combiner::sum, term);
    return;
  }
  const int sum =
      e.reduce(e.statistic("input", p.over.result()), p.over.extents(), Combiner::sum, term);
  const Scalar total = e.tensor_at(sum, axes_i(target.shape.size()));
  e.map(target,
        order == 2 ? call(Function::sqrt, total) : call(Function::pow, total, num(1 / order)));
}

void lower_logsumexp(Emitter& e, const Plan& p) {
  const auto target = e.result();
  const int top =
      e.reduce(e.statistic("input", p.over.result()), p.over.extents(), Combiner::max, p.x);
  // An infinite maximum must not be subtracted from itself.
  const auto shift = [&](std::vector<Expr> at) {
    const Scalar m = e.tensor_at(top, std::move(at));
    return select(call(Function::equal, abs(m), num(std::numeric_limits<double>::infinity())),
                  num(0), m);
  };
  const int sum = e.reduce(e.statistic("input", p.over.result()), p.over.extents(), Combiner::sum,
                           exp(p.x - shift(p.over.own())));
  const auto here = axes_i(target.shape.size());
  e.map(target, call(Function::log, e.tensor_at(sum, here)) + shift(here));
}

// softmax, softmin and log_softmax: sign applies to the operand.
Row softmax_like(std::string name, bool negate, bool logarithm) {
  Row row;
  row.name = std::move(name);
  row.signature = "input, dim: integer = -1, dtype: dtype = None";
  row.infer = [](const Call& call) -> InferResult {
    if (!call.is_tensor("input")) return bad_input("needs a tensor");
    const auto dims = reduced_dims(call, "input", "dim");
    if (!dims) return tl::unexpected<Error>(dims.error());
    const DType dtype = call.dtype("dtype").value_or(input_dtype(call));
    if (!is_float(dtype)) return bad_input("needs a float tensor; cast with to(x, f32)");
    return std::vector<Inferred>{{dtype, call.value("input").shape}};
  };
  row.lower = [negate, logarithm](Emitter& e) -> Result<void> {
    const Plan p = plan(e);
    const auto sign = [&](const Scalar& x) { return negate ? call(Function::neg, x) : x; };
    const auto full = e.result();
    const auto rank = full.shape.size();
    const auto statistic = e.statistic("input", p.over.result());
    const int top = e.reduce(statistic, p.over.extents(), Combiner::max, sign(p.x));
    const Scalar shifted =
        sign(e.operand("input", axes_i(rank))) - e.tensor_at(top, p.over.from_full());
    if (logarithm) {
      const Scalar term = exp(sign(p.x) - e.tensor_at(top, p.over.own()));
      const int sum = e.reduce(statistic, p.over.extents(), Combiner::sum, term);
      e.map(full, shifted - call(Function::log, e.tensor_at(sum, p.over.from_full())));
      return {};
    }
    const int weights = e.map(e.statistic("input", full.shape), exp(shifted));
    const int sum =
        e.reduce(statistic, p.over.extents(), Combiner::sum, e.tensor_at(weights, p.over.read()));
    e.map(full, e.tensor_at(weights, axes_i(rank)) / e.tensor_at(sum, p.over.from_full()));
    return {};
  };
  return row;
}

// cumsum, cumprod: each element combines those before it along dim, itself included.
Row running(std::string name, Combiner combiner) {
  Row row;
  row.name = std::move(name);
  row.signature = "input, dim: integer, dtype: dtype = None";
  row.infer = [](const Call& call) -> InferResult {
    if (!call.is_tensor("input")) return bad_input("needs a tensor");
    const auto dims = reduced_dims(call, "input", "dim");
    if (!dims) return tl::unexpected<Error>(dims.error());
    if (dims->empty()) return bad_input("needs a tensor with dims");
    const auto dtype = accumulated(call);
    if (!dtype) return tl::unexpected<Error>(dtype.error());
    return std::vector<Inferred>{{*dtype, call.value("input").shape}};
  };
  row.lower = [combiner](Emitter& e) -> Result<void> {
    const auto dim = static_cast<std::size_t>(reduced_dims(e.call(), "input", "dim")->front());
    const auto target = e.result();
    auto at = axes_i(target.shape.size());
    at[dim] = axis_r(0);
    e.reduce(target, {axis_i(dim) + Expr(1)}, combiner, e.operand("input", at),
             PrimitiveKind::scan);
    return {};
  };
  return row;
}

}  // namespace

std::vector<Row> reduce_rows() {
  std::vector<Row> rows;
  rows.push_back(simple("sum", kDimsDtype, accumulated, Combiner::sum));
  rows.push_back(simple("prod", kDimsDtype, accumulated, Combiner::prod));
  rows.push_back(reduction(
      "mean", kDimsDtype,
      [](const Call& call) -> Result<DType> {
        const DType dtype = call.dtype("dtype").value_or(input_dtype(call));
        if (!is_float(dtype)) return bad_input("needs a float tensor; cast with to(x, f32)");
        return dtype;
      },
      [](Emitter& e, const Plan& p) { mean_of(e, p, e.result()); }));
  rows.push_back(simple("amax", kDims, kept, Combiner::max));
  rows.push_back(simple("amin", kDims, kept, Combiner::min));
  rows.push_back(simple("argmax", kOneDim, indices, Combiner::argmax));
  rows.push_back(simple("argmin", kOneDim, indices, Combiner::argmin));
  rows.push_back(running("cumsum", Combiner::sum));
  rows.push_back(running("cumprod", Combiner::prod));
  rows.push_back(extremum("max", Combiner::max, Combiner::argmax));
  rows.push_back(extremum("min", Combiner::min, Combiner::argmin));
  rows.push_back(reduction("any", kDims, booleans, [](Emitter& e, const Plan& p) {
    e.reduce(e.result(), p.over.extents(), Combiner::max, call(Function::not_equal, p.x, num(0)));
  }));
  rows.push_back(reduction("all", kDims, booleans, [](Emitter& e, const Plan& p) {
    e.reduce(e.result(), p.over.extents(), Combiner::min, call(Function::not_equal, p.x, num(0)));
  }));
  const std::string variance =
      "input, dim: shape = None, unbiased: flag = True, keepdim: flag = False, "
      "correction: integer = 1";
  rows.push_back(reduction("var", variance, floating,
                           [](Emitter& e, const Plan& p) { lower_variance(e, p, false); }));
  rows.push_back(reduction("std", variance, floating,
                           [](Emitter& e, const Plan& p) { lower_variance(e, p, true); }));
  rows.push_back(reduction("norm", "input, p: number = 2, dim: shape = None, keepdim: flag = False",
                           floating, lower_norm));
  rows.push_back(reduction("logsumexp", kDims, floating, lower_logsumexp));
  rows.push_back(softmax_like("softmax", false, false));
  rows.push_back(softmax_like("softmin", true, false));
  rows.push_back(softmax_like("log_softmax", false, true));
  return rows;
}

}  // namespace mtmc::op
