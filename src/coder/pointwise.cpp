// Styles "naive" and "pointwise": one thread for each point of the group's domain, or V neighbours
// of it.
//
// All tensors that the group stores have the domain's extents. Maps inside are recomputed where
// they are loaded; a reduction inside (naive only) is a serial loop at the point. Adjacent axes
// that every access walks as one are joined, so a chain over a contiguous tensor has no division at
// all.
#include <fmt/format.h>

#include <algorithm>

#include "coder/group_code.hpp"
#include "coder/lanes.hpp"

namespace mtmc::coder {

namespace {

struct PointDomain {
  std::vector<std::string> vars;  // outermost first
  AxisMap axes;                   // position of the last primitive's axes as expressions over vars
  std::vector<Expr> at;           // the same, by position
};

Result<PointDomain> domain_of(const GroupTask& task, Scope& scope) {
  PointDomain d;
  const auto& last = task.last();
  for (std::size_t k = 0; k < last.parallel.size(); ++k) {
    const std::string var = fmt::format("_i{}", k);
    scope.math.add_variable(var, last.parallel[k].extent);
    d.vars.push_back(var);
    d.at.push_back(Expr::symbol(var));
  }
  for (int t : scope.stored) {
    const auto& p = scope.producer(t);
    bool same = p.parallel.size() == last.parallel.size();
    for (std::size_t k = 0; same && k < p.parallel.size(); ++k)
      same = scope.math.equal(p.parallel[k].extent, last.parallel[k].extent);
    if (!same)
      return bad_input(
          fmt::format("group {} stores tensors of different extents ({} and {})", task.prefix(),
                      task.lowering.tensors[static_cast<std::size_t>(t)].name,
                      task.lowering.tensors[static_cast<std::size_t>(last.output)].name));
  }
  return d;
}

Expr total_of(const Scope& scope, const std::vector<std::string>& vars) {
  std::vector<Expr> extents;
  for (const auto& v : vars) extents.push_back(scope.math.extent(v));
  return scope.math.simplify(product_of(extents));
}

std::string index_cast(const Scope& scope, const Expr& e, std::set<std::string>& used) {
  return c_expr(e, scope.math, &used, {}, 0);
}

}  // namespace

Result<GroupCode> write_naive(const GroupTask& task) {
  Scope scope = make_scope(task.lowering, task.group.primitives);
  auto domain = domain_of(task, scope);
  if (!domain) return tl::unexpected<Error>(domain.error());
  // A reduction that is read at several points, or by more points than it has, would be computed
  // again for each.
  int reductions = 0;
  std::vector<Expr> points;
  for (const auto& v : domain->vars) points.push_back(scope.math.extent(v));
  for (int p : task.group.primitives) {
    const auto& primitive = task.lowering.primitives[static_cast<std::size_t>(p)];
    if (primitive.reduced.empty()) continue;
    ++reductions;
    std::vector<Expr> own;
    for (const auto& a : primitive.parallel) own.push_back(a.extent);
    if (stated(task.lowering, product_of(own)) < stated(task.lowering, product_of(points)))
      return bad_input(fmt::format("{} would be computed again at every point", primitive.origin));
  }
  Block body(1);
  Emitter emitter(scope, body);
  emitter.reserve("e");
  for (int t : scope.stored) {
    const CValue value = emitter.tensor(t, domain->at);
    const bool boolean =
        task.lowering.tensors[static_cast<std::size_t>(t)].dtype == op::DType::boolean;
    const CType type = emitter.type_of(t);
    const std::string text =
        boolean
            ? emitter.as({emitter.as(value, CType::boolean), CType::boolean, 0, std::nullopt}, type)
            : emitter.as(value, type);
    const bool dense = task.lowering.tensors[static_cast<std::size_t>(t)].strides.empty();
    const std::string place =
        dense ? scope.pointers.at(t) + " + e" : emitter.address(t, scope.offset(t, domain->at));
    body.line(fmt::format("put({}, {});", place, text));
  }
  if (emitter.error()) return bad_input(*emitter.error());
  if (emitter.reductions() > reductions) return bad_input("a reduction is read at several points");
  std::set<std::string> used = emitter.used();
  const Expr total = total_of(scope, domain->vars);
  Block head(1);
  head.line("const index_t e = (index_t)blockIdx.x * blockDim.x + threadIdx.x;");
  head.line(fmt::format("if (e >= {}) return;", c_expr(total, scope.math, &used, {}, 5)));
  decode(head, "e", domain->vars, scope, emitter.used(), used);
  Signature signature(scope, used);
  GroupCode code;
  const std::string name = task.kernel_name();
  code.text =
      fmt::format("extern \"C\" __global__ void __launch_bounds__(256)\n{}({}) {{\n{}{}}}\n", name,
                  signature.parameters(), head.text(), body.text());
  code.headers = {"copy.cuh"};
  kernel::Launch launch;
  launch.kernel = name;
  launch.grid = {ceil_div(total, Expr(256))};
  launch.block = {Expr(256)};
  launch.args = signature.arguments();
  code.steps.push_back({launch, std::nullopt, std::nullopt});
  code.ranked = {{}};
  return code;
}

Result<GroupCode> write_pointwise(const GroupTask& task) {
  for (int p : task.group.primitives)
    if (!task.lowering.primitives[static_cast<std::size_t>(p)].reduced.empty())
      return bad_input("a pointwise group has no reductions");
  Scope scope = make_scope(task.lowering, task.group.primitives);
  auto domain = domain_of(task, scope);
  if (!domain) return tl::unexpected<Error>(domain.error());
  std::vector<Expr> forms;
  {
    Block scratch;
    Emitter dry(scope, scratch);
    dry.on_access = [&](const Access& a) {
      forms.push_back(a.offset);
      if (a.guard) forms.push_back(*a.guard);
    };
    for (int t : scope.stored) {
      dry.tensor(t, domain->at);
      forms.push_back(scope.offset(t, domain->at));
    }
  }
  const AxisMap joined = join_axes(scope, domain->vars, std::move(forms));
  for (auto& e : domain->at) e = scope.math.simplify(e.substitute(joined));
  if (domain->vars.empty()) {
    scope.math.add_variable("_i0", Expr(1));
    domain->vars = {"_i0"};
  }
  const std::string lane = domain->vars.back();
  LaneWriter lanes(scope, lane, 2);
  lanes.reserved = {"e", "v"};
  lanes.run([&](Emitter& emitter, bool writing) {
    for (int t : scope.stored) {
      const CValue value = emitter.tensor(t, domain->at);
      lanes.store(emitter, writing, t, scope.offset(t, domain->at), value);
    }
  });
  if (lanes.error()) return bad_input(*lanes.error());
  std::set<std::string> used = lanes.used(), wanted = lanes.used();
  // Neighbours in the flat order are neighbours along the last axis only inside one row of it.
  std::vector<Expr> divisors = lanes.divisors();
  if (domain->vars.size() > 1) divisors.insert(divisors.begin(), scope.math.extent(lane));
  std::string aligned;
  std::set<std::string> seen;
  for (const auto& d : divisors) {
    const std::string text =
        fmt::format("divides({}, {})", task.macro("VECTOR"), index_cast(scope, d, used));
    if (seen.insert(text).second) aligned += (aligned.empty() ? "" : " && ") + text;
  }
  Block at(2);
  decode(at, "e", domain->vars, scope, wanted, used);
  lanes.write(at);
  const Expr total = total_of(scope, domain->vars);
  const std::string total_text = c_expr(total, scope.math, &used);
  Signature signature(scope, used);
  const std::string policy = fmt::format("G{}", task.index), name = task.kernel_name();
  GroupCode code;
  code.headers = {"pointwise.cuh"};
  code.text = fmt::format(
      "struct {0} {{\n{1}\n  MTMC_DEVICE bool aligned() const {{ return {2}; }}\n"
      "  template <int V>\n  MTMC_DEVICE void at(index_t e) const {{\n{3}  }}\n}};\n\n"
      "extern \"C\" __global__ void __launch_bounds__({4})\n{5}({6}) {{\n"
      "  pointwise<{7}>({0}{{{8}}}, {9});\n}}\n",
      policy, signature.fields(), aligned.empty() ? "true" : aligned, at.text(),
      task.macro("THREADS"), name, signature.parameters(), task.macro("VECTOR"), signature.names(),
      total_text);
  const std::int64_t vector = std::max<std::int64_t>(1, task.option("vector", 1));
  const auto symbol = [&](const char* n) { return Expr::symbol(task.macro(n)); };
  kernel::Launch launch;
  launch.kernel = name;
  Expr blocks = ceil_div(total, symbol("THREADS") * symbol("VECTOR"));
  code.tunables = {{task.macro("THREADS"), {64, 128, 256, 512, 1024}}};
  if (vector > 1)
    code.tunables.push_back({task.macro("VECTOR"), {2, 4, 8}});
  else
    code.tunables.push_back({task.macro("VECTOR"), {1}});
  kernel::Configuration best = {{task.macro("THREADS"), 256}, {task.macro("VECTOR"), vector}};
  code.ranked = {best};
  if (vector > 1)
    for (std::int64_t v : {2, 4, 8})
      if (v != vector) {
        kernel::Configuration other = best;
        other[task.macro("VECTOR")] = v;
        code.ranked.push_back(other);
      }
  if (task.option("persist")) {
    code.tunables.push_back({task.macro("WAVES"), {1, 2, 4, 8}});
    for (auto& c : code.ranked) c[task.macro("WAVES")] = 8;
    blocks = Expr::make(Expr::Kind::min, {blocks, Expr::symbol("dev.sms") * symbol("WAVES")});
  }
  launch.grid = {blocks};
  launch.block = {symbol("THREADS")};
  launch.args = signature.arguments();
  code.steps.push_back({launch, std::nullopt, std::nullopt});
  return code;
}

}  // namespace mtmc::coder
