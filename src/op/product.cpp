// Matrix products: contractions of two loads. Ranks and batch broadcasting follow torch.matmul; a
// bias is a map of its own over a product that is kept in the compute type, so that it is rounded
// once.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "op/algebra.hpp"
#include "op/emitter.hpp"
#include "op/formula.hpp"

namespace mtmc::op {
namespace {

using namespace formula;
using Shape = std::vector<Expr>;

Result<void> need_tensors(const Call& call, const std::vector<std::string_view>& names) {
  for (const auto name : names)
    if (call.has(name) && !call.is_tensor(name))
      return bad_input(fmt::format("{} must be a tensor", name));
  return {};
}

Result<void> check_rank(const Call& call, std::string_view name, std::size_t rank) {
  const auto& shape = call.value(name).shape;
  if (shape.size() == rank) return {};
  return bad_input(
      fmt::format("{} must have {} dimensions, not {}", name, rank, shape_text(call, shape)));
}

Result<void> check_equal(const Call& call, const Expr& a, const Expr& b, std::string_view what) {
  if (call.at_binding(a) == call.at_binding(b)) return {};
  const auto shown = [&](const Expr& e) {
    return e.is_constant() ? e.text() : fmt::format("{}={}", e.text(), call.at_binding(e));
  };
  return bad_input(fmt::format("{}: {} against {}", what, shown(a), shown(b)));
}

// input [B.., M, K] with other [B.., K, N]; either may lack its matrix dim.
InferResult infer_matmul(const Call& call) {
  if (auto ok = need_tensors(call, {"input", "other"}); !ok)
    return tl::unexpected<Error>(ok.error());
  const Shape& a = call.value("input").shape;
  const Shape& b = call.value("other").shape;
  if (a.empty() || b.empty()) return bad_input("operands must have at least one dimension");
  const Expr& inner_b = b.size() == 1 ? b[0] : b[b.size() - 2];
  if (auto ok = check_equal(call, a.back(), inner_b,
                            fmt::format("inner extents of {} and {} differ", shape_text(call, a),
                                        shape_text(call, b)));
      !ok)
    return tl::unexpected<Error>(ok.error());
  const auto batch_of = [](const Shape& s) {
    return Shape(s.begin(), s.end() - std::min<std::ptrdiff_t>(2, std::ssize(s)));
  };
  auto shape = broadcast(call, {batch_of(a), batch_of(b)});
  if (!shape) return tl::unexpected<Error>(shape.error());
  if (a.size() > 1) shape->push_back(a[a.size() - 2]);
  if (b.size() > 1) shape->push_back(b.back());
  return std::vector<Inferred>{{promoted(call, {"input", "other"}), *shape}};
}

Expr common(const Expr& a, const Expr& b) { return a.is_constant() ? b : a; }

Result<void> lower_matmul(Emitter& e) {
  const Shape& a = e.call().value("input").shape;
  const Shape& b = e.call().value("other").shape;
  const auto target = e.result();
  const std::size_t matrix = (a.size() > 1) + (b.size() > 1);
  const std::size_t batch = target.shape.size() - matrix;
  const auto batch_index = [&](const Shape& s) {
    Shape at;
    const std::size_t own = s.size() - std::min<std::size_t>(2, s.size());
    for (std::size_t d = 0; d < own; ++d) {
      const std::size_t axis = batch - own + d;
      const bool stretched = s[d].is_constant(1) ||
                             e.call().at_binding(s[d]) != e.call().at_binding(target.shape[axis]);
      at.push_back(stretched ? Expr(0) : axis_i(axis));
    }
    return at;
  };
  Shape at_a = batch_index(a), at_b = batch_index(b);
  if (a.size() > 1) at_a.push_back(axis_i(batch));
  at_a.push_back(axis_r(0));
  at_b.push_back(axis_r(0));
  if (b.size() > 1) at_b.push_back(axis_i(target.shape.size() - 1));
  const Expr inner = common(a.back(), b.size() == 1 ? b[0] : b[b.size() - 2]);
  e.reduce(target, {inner}, Combiner::sum, e.operand("input", at_a) * e.operand("other", at_b),
           PrimitiveKind::contraction);
  return {};
}

InferResult infer_ranked(const Call& call, std::size_t rank_a, std::size_t rank_b) {
  if (auto ok = need_tensors(call, {"input", "other"}); !ok)
    return tl::unexpected<Error>(ok.error());
  if (auto ok = check_rank(call, "input", rank_a); !ok) return tl::unexpected<Error>(ok.error());
  if (auto ok = check_rank(call, "other", rank_b); !ok) return tl::unexpected<Error>(ok.error());
  if (rank_a == 3)
    if (auto ok = check_equal(call, call.value("input").shape[0], call.value("other").shape[0],
                              "batches differ");
        !ok)
      return tl::unexpected<Error>(ok.error());
  return infer_matmul(call);
}

InferResult infer_linear(const Call& call) {
  if (auto ok = need_tensors(call, {"input", "weight", "bias"}); !ok)
    return tl::unexpected<Error>(ok.error());
  if (auto ok = check_rank(call, "weight", 2); !ok) return tl::unexpected<Error>(ok.error());
  const Shape& x = call.value("input").shape;
  const Shape& w = call.value("weight").shape;
  if (x.empty()) return bad_input("input must have at least one dimension");
  if (auto ok = check_equal(call, x.back(), w[1], "in_features of input and weight differ"); !ok)
    return tl::unexpected<Error>(ok.error());
  if (call.has("bias")) {
    if (auto ok = check_rank(call, "bias", 1); !ok) return tl::unexpected<Error>(ok.error());
    if (auto ok = check_equal(call, call.value("bias").shape[0], w[0],
                              "out_features of bias and weight differ");
        !ok)
      return tl::unexpected<Error>(ok.error());
  }
  Shape shape(x.begin(), x.end() - 1);
  shape.push_back(w[0]);
  return std::vector<Inferred>{{promoted(call, {"input", "weight", "bias"}), shape}};
}

// A product, then what is added to it; `add` gives the sum's other term, or nothing.
void product_then(Emitter& e, const Expr& inner, const Scalar& body,
                  const std::function<Scalar(const Scalar&)>& then) {
  const auto target = e.result();
  if (!then) {
    e.reduce(target, {inner}, Combiner::sum, body, PrimitiveKind::contraction);
    return;
  }
  const int product = e.reduce(Emitter::temporary(compute_type(target.dtype), target.shape),
                               {inner}, Combiner::sum, body, PrimitiveKind::contraction);
  e.map(target, then(e.tensor_at(product, axes_i(target.shape.size()))));
}

Result<void> lower_linear(Emitter& e) {
  const Shape& x = e.call().value("input").shape;
  const std::size_t last = x.size() - 1;
  Shape at = axes_i(last);
  at.push_back(axis_r(0));
  const Scalar body = e.operand("input", at) * e.operand("weight", {axis_i(last), axis_r(0)});
  std::function<Scalar(const Scalar&)> then;
  if (e.call().has("bias"))
    then = [&](const Scalar& p) { return p + e.operand("bias", {axis_i(last)}); };
  product_then(e, common(x.back(), e.call().value("weight").shape[1]), body, then);
  return {};
}

InferResult infer_addmm(const Call& call, std::size_t rank) {
  const std::string_view a = rank == 2 ? "mat1" : "batch1", b = rank == 2 ? "mat2" : "batch2";
  if (auto ok = need_tensors(call, {"input", a, b}); !ok) return tl::unexpected<Error>(ok.error());
  for (const auto name : {a, b})
    if (auto ok = check_rank(call, name, rank); !ok) return tl::unexpected<Error>(ok.error());
  const Shape& sa = call.value(a).shape;
  const Shape& sb = call.value(b).shape;
  if (auto ok = check_equal(call, sa[rank - 1], sb[rank - 2], "inner extents differ"); !ok)
    return tl::unexpected<Error>(ok.error());
  if (rank == 3)
    if (auto ok = check_equal(call, sa[0], sb[0], "batches differ"); !ok)
      return tl::unexpected<Error>(ok.error());
  Shape shape(sa.begin(), sa.end() - 1);
  shape.push_back(sb.back());
  const auto full = broadcast(call, {shape, call.value("input").shape});
  if (!full) return tl::unexpected<Error>(full.error());
  bool grew = full->size() != shape.size();
  for (std::size_t d = 0; !grew && d < shape.size(); ++d)
    grew = call.at_binding((*full)[d]) != call.at_binding(shape[d]);
  if (grew)
    return bad_input(fmt::format("input {} does not broadcast to {}",
                                 shape_text(call, call.value("input").shape),
                                 shape_text(call, shape)));
  return std::vector<Inferred>{{promoted(call, {"input", a, b}), shape}};
}

Result<void> lower_addmm(Emitter& e, std::size_t rank) {
  const std::string_view a = rank == 2 ? "mat1" : "batch1", b = rank == 2 ? "mat2" : "batch2";
  Shape at_a = axes_i(rank - 1), at_b = axes_i(rank - 2);
  at_a.push_back(axis_r(0));
  at_b.push_back(axis_r(0));
  at_b.push_back(axis_i(rank - 1));
  const double alpha = *e.call().number("alpha"), beta = *e.call().number("beta");
  const Scalar addend = e.broadcast("input", e.result().shape);
  product_then(e, common(e.call().value(a).shape.back(), e.call().value(b).shape[rank - 2]),
               e.operand(a, at_a) * e.operand(b, at_b), [&](const Scalar& p) {
                 const Scalar scaled = alpha == 1 ? p : num(alpha) * p;
                 if (beta == 0) return scaled;
                 return (beta == 1 ? addend : num(beta) * addend) + scaled;
               });
  return {};
}

// einsum with letters only, no letter twice in one operand, no '...'.
struct Equation {
  std::vector<std::string> operands;
  std::string result;
  std::map<char, Expr> extents;
  std::string summed;
};

Result<Equation> read_equation(const Call& call) {
  std::string text = *call.word("equation");
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const auto values = call.list_of_tensors();
  Equation eq;
  const auto arrow = text.find("->");
  std::string left = text.substr(0, arrow);
  for (std::size_t start = 0;;) {
    const auto comma = left.find(',', start);
    eq.operands.push_back(left.substr(start, comma == left.npos ? comma : comma - start));
    if (comma == left.npos) break;
    start = comma + 1;
  }
  if (eq.operands.size() != values.size())
    return bad_input(
        fmt::format("equation names {} operand(s), {} given", eq.operands.size(), values.size()));
  std::map<char, int> seen;
  for (std::size_t k = 0; k < values.size(); ++k) {
    const auto& shape = call.values()[static_cast<std::size_t>(values[k])].shape;
    const std::string& letters = eq.operands[k];
    if (letters.size() != shape.size())
      return bad_input(fmt::format("equation gives operand {} {} letters, it has shape {}", k + 1,
                                   letters.size(), shape_text(call, shape)));
    for (std::size_t d = 0; d < letters.size(); ++d) {
      const char c = letters[d];
      if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')))
        return bad_input("an equation is made of letters, commas and '->'");
      if (letters.find(c, d + 1) != letters.npos)
        return bad_input(
            fmt::format("letter '{}' is twice in one operand; diagonals are not supported", c));
      ++seen[c];
      const auto [it, fresh] = eq.extents.emplace(c, shape[d]);
      if (fresh) continue;
      if (auto ok = check_equal(call, it->second, shape[d],
                                fmt::format("extents of letter '{}' differ", c));
          !ok)
        return tl::unexpected<Error>(ok.error());
      it->second = common(it->second, shape[d]);
    }
  }
  if (arrow != text.npos)
    eq.result = text.substr(arrow + 2);
  else
    for (const auto& [c, count] : seen)
      if (count == 1) eq.result += c;
  for (std::size_t d = 0; d < eq.result.size(); ++d) {
    if (!eq.extents.count(eq.result[d]))
      return bad_input(fmt::format("letter '{}' of the result is in no operand", eq.result[d]));
    if (eq.result.find(eq.result[d], d + 1) != eq.result.npos)
      return bad_input("a letter is twice in the result");
  }
  for (const auto& letters : eq.operands)
    for (const char c : letters)
      if (eq.result.find(c) == eq.result.npos && eq.summed.find(c) == eq.summed.npos)
        eq.summed += c;
  return eq;
}

InferResult infer_einsum(const Call& call) {
  const auto eq = read_equation(call);
  if (!eq) return tl::unexpected<Error>(eq.error());
  Shape shape;
  for (const char c : eq->result) shape.push_back(eq->extents.at(c));
  DType dtype = call.values()[static_cast<std::size_t>(call.list_of_tensors()[0])].dtype;
  for (int v : call.list_of_tensors())
    dtype = promote(dtype, call.values()[static_cast<std::size_t>(v)].dtype);
  return std::vector<Inferred>{{dtype, shape}};
}

Result<void> lower_einsum(Emitter& e) {
  const auto eq = read_equation(e.call());
  if (!eq) return tl::unexpected<Error>(eq.error());
  const auto values = e.call().list_of_tensors();
  std::optional<Scalar> body;
  for (std::size_t k = 0; k < values.size(); ++k) {
    Shape at;
    for (const char c : eq->operands[k]) {
      const auto place = eq->result.find(c);
      at.push_back(place != eq->result.npos ? axis_i(place) : axis_r(eq->summed.find(c)));
    }
    const Scalar load = e.value_at(values[k], at);
    body = body ? *body * load : load;
  }
  Shape extents;
  for (const char c : eq->summed) extents.push_back(eq->extents.at(c));
  if (extents.empty())
    e.map(e.result(), *body);
  else
    e.reduce(e.result(), extents, Combiner::sum, *body,
             values.size() == 2 ? PrimitiveKind::contraction : PrimitiveKind::reduce);
  return {};
}

}  // namespace

std::vector<Row> product_rows() {
  std::vector<Row> rows;
  rows.push_back({"matmul", "input, other", infer_matmul, lower_matmul});
  rows.push_back(
      {"mm", "input, other", [](const Call& c) { return infer_ranked(c, 2, 2); }, lower_matmul});
  rows.push_back(
      {"bmm", "input, other", [](const Call& c) { return infer_ranked(c, 3, 3); }, lower_matmul});
  rows.push_back(
      {"mv", "input, other", [](const Call& c) { return infer_ranked(c, 2, 1); }, lower_matmul});
  rows.push_back(
      {"dot", "input, other", [](const Call& c) { return infer_ranked(c, 1, 1); }, lower_matmul});
  rows.push_back({"linear", "input, weight, bias = None", infer_linear, lower_linear});
  rows.push_back({"addmm", "input, mat1, mat2, beta: number = 1, alpha: number = 1",
                  [](const Call& c) { return infer_addmm(c, 2); },
                  [](Emitter& e) { return lower_addmm(e, 2); }});
  rows.push_back({"baddbmm", "input, batch1, batch2, beta: number = 1, alpha: number = 1",
                  [](const Call& c) { return infer_addmm(c, 3); },
                  [](Emitter& e) { return lower_addmm(e, 3); }});
  Row outer{"outer", "input, other", nullptr, nullptr};
  outer.infer = [](const Call& call) -> InferResult {
    for (const auto name : {"input", "other"}) {
      if (!call.is_tensor(name)) return bad_input(fmt::format("{} must be a tensor", name));
      if (auto ok = check_rank(call, name, 1); !ok) return tl::unexpected<Error>(ok.error());
    }
    return std::vector<Inferred>{{promoted(call, {"input", "other"}),
                                  {call.value("input").shape[0], call.value("other").shape[0]}}};
  };
  outer.lower = [](Emitter& e) -> Result<void> {
    e.map(e.result(), e.operand("input", {axis_i(0)}) * e.operand("other", {axis_i(1)}));
    return {};
  };
  rows.push_back(std::move(outer));
  rows.push_back({"einsum", "equation: word, operands: tensors", infer_einsum, lower_einsum});
  return rows;
}

}  // namespace mtmc::op
