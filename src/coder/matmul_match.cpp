// A contraction is a sum of products of two factors. A parallel axis that only one factor reads is
// m or n, one that both (or none) read is a batch axis; reduced axes are k. The factor that reads
// the innermost parallel axis is B, so that results are neighbours along n. Which way an operand's
// neighbours lie is the coefficient of the innermost variable in its first load's offset; a guard
// (a padded convolution) does not change that, it only forbids vectors.
#include "coder/matmul_match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

namespace mtmc::coder {

namespace {

struct Factor {
  std::vector<Access> accesses;
  std::set<std::string> symbols;
};

Factor read_factor(Scope& scope, const op::Scalar& body, const AxisMap& axes) {
  Factor f;
  Block scratch;
  Emitter dry(scope, scratch);
  dry.on_access = [&](const Access& a) {
    f.accesses.push_back(a);
    use_symbols(a.offset, f.symbols);
    if (a.guard) use_symbols(*a.guard, f.symbols);
  };
  dry.body(body, axes, std::nullopt);
  return f;
}

// A load, or a load of a map that is one.
bool is_view(const Scope& scope, const op::Scalar& s) {
  if (s.kind() != op::Scalar::Kind::load) return false;
  if (!scope.inside.count(s.tensor())) return true;
  const auto& p = scope.producer(s.tensor());
  return p.reduced.empty() && is_view(scope, p.body);
}

OperandShape operand(Scope& scope, const op::Scalar& body, const MatmulShape& shape,
                     const std::vector<std::string>& rows) {
  OperandShape o;
  o.body = body;
  o.axes = shape.axes;
  o.batch = shape.batch, o.rows = rows, o.depth = shape.k;
  for (auto* vars : {&o.depth, &o.rows, &o.batch}) {
    std::vector<Expr> forms;
    for (const auto& a : read_factor(scope, body, o.axes).accesses) {
      forms.push_back(a.offset);
      if (a.guard) forms.push_back(*a.guard);
    }
    const AxisMap map = join_axes(scope, *vars, std::move(forms));
    for (auto& [name, e] : o.axes) e = scope.math.simplify(e.substitute(map));
  }
  const Factor f = read_factor(scope, body, o.axes);
  const auto steps_by_one = [&](const std::vector<std::string>& vars) {
    if (vars.empty() || f.accesses.empty()) return false;
    const auto c = scope.math.coefficient(f.accesses.front().offset, vars.back());
    return c && c->is_constant(1);
  };
  o.along_k = !steps_by_one(o.rows) && steps_by_one(o.depth);
  const auto& vars = o.along_k || o.rows.empty() ? o.depth : o.rows;
  o.lane = vars.back();
  if (o.rows.empty()) o.along_k = true;
  if (f.accesses.size() == 1 && is_view(scope, body)) {
    const auto dtype =
        scope.lowering->tensors[static_cast<std::size_t>(f.accesses[0].tensor)].dtype;
    if (dtype == op::DType::f16 || dtype == op::DType::bf16) o.plain = f.accesses[0];
  }
  return o;
}

}  // namespace

Expr MatmulShape::extent(const Scope& scope, const std::vector<std::string>& vars) const {
  Expr total(1);
  for (const auto& v : vars) total = total * scope.math.extent(v);
  return scope.math.simplify(total);
}

Result<MatmulShape> match_matmul(Scope& scope, const std::vector<int>& primitives) {
  MatmulShape shape;
  for (int p : primitives) {
    const auto& primitive = scope.lowering->primitives[static_cast<std::size_t>(p)];
    if (primitive.reduced.empty()) continue;
    if (shape.contraction >= 0) return bad_input("a matmul group has one contraction");
    shape.contraction = p;
  }
  if (shape.contraction < 0) return bad_input("a matmul group needs a contraction");
  const auto& c = scope.lowering->primitives[static_cast<std::size_t>(shape.contraction)];
  shape.result = c.output;
  if (c.combiner != op::Combiner::sum || c.body.kind() != op::Scalar::Kind::call ||
      c.body.function() != op::Function::mul)
    return bad_input("the reduction is no sum of products");
  if (!op::is_float(scope.lowering->tensors[static_cast<std::size_t>(c.output)].dtype))
    return bad_input("the matmul template computes floats");
  std::vector<std::string> order;
  for (std::size_t k = 0; k < c.parallel.size(); ++k) {
    const std::string var = fmt::format("_i{}", k);
    scope.math.add_variable(var, c.parallel[k].extent);
    shape.axes[c.parallel[k].name] = Expr::symbol(var);
    shape.result_at.push_back(Expr::symbol(var));
    if (!c.parallel[k].extent.is_constant(1)) order.push_back(var);
  }
  for (std::size_t k = 0; k < c.reduced.size(); ++k) {
    for (const auto& s : c.reduced[k].extent.symbols())
      if (!scope.lowering->dims.count(s)) return bad_input("a reduced extent depends on the point");
    const std::string var = fmt::format("_k{}", k);
    scope.math.add_variable(var, c.reduced[k].extent);
    shape.axes[c.reduced[k].name] = Expr::symbol(var);
    shape.k.push_back(var);
  }
  op::Scalar first = c.body.args()[0], second = c.body.args()[1];
  Factor one = read_factor(scope, first, shape.axes), two = read_factor(scope, second, shape.axes);
  if (one.accesses.empty() || two.accesses.empty())
    return bad_input("a factor of the product loads nothing");
  // The factor that knows the innermost axis alone is B.
  for (std::size_t k = order.size(); k-- > 0;) {
    const bool in_one = one.symbols.count(order[k]) != 0, in_two = two.symbols.count(order[k]) != 0;
    if (in_one == in_two) continue;
    if (in_one) {
      std::swap(first, second);
      std::swap(one, two);
    }
    break;
  }
  for (const auto& var : order) {
    const bool in_a = one.symbols.count(var) != 0, in_b = two.symbols.count(var) != 0;
    (in_a == in_b ? shape.batch : in_a ? shape.m : shape.n).push_back(var);
  }
  if (shape.n.empty() || shape.m.empty())
    return bad_input("a factor has no axis of its own: nothing to tile");
  shape.a = operand(scope, first, shape, shape.m);
  shape.b = operand(scope, second, shape, shape.n);

  // Stored tensors: their axes from the place where they read the contraction.
  for (int t : scope.stored) {
    if (t == shape.result) {
      shape.stored[t] = shape.result_at;
      continue;
    }
    const auto& p = scope.producer(t);
    std::vector<Expr> self;
    std::map<std::string, std::size_t> axis_of;
    for (std::size_t k = 0; k < p.parallel.size(); ++k) {
      const std::string name = fmt::format("_m{}_{}", t, k);
      scope.math.add_variable(name, p.parallel[k].extent);
      axis_of[name] = k;
      self.push_back(Expr::symbol(name));
    }
    std::vector<std::vector<Expr>> found;
    {
      Block scratch;
      Emitter dry(scope, scratch);
      dry.known_tensor = [&](int x, const std::vector<Expr>& at) -> std::optional<CValue> {
        if (x != shape.result) return std::nullopt;
        found.push_back(at);
        return CValue{"acc", CType::real, 9, std::nullopt};
      };
      dry.tensor(t, self);
    }
    if (found.empty()) return bad_input("a stored map does not read the product");
    const auto refuse = [&] {
      return bad_input(fmt::format("{} does not walk the product", p.origin));
    };
    std::vector<std::optional<Expr>> at(p.parallel.size());
    for (std::size_t k = 0; k < found[0].size(); ++k) {
      for (const auto& other : found)
        if (!scope.math.equal(other[k], found[0][k])) return refuse();
      const Expr& e = found[0][k];
      if (c.parallel[k].extent.is_constant(1)) continue;
      if (e.kind() != Expr::Kind::symbol || !axis_of.count(e.name())) return refuse();
      const std::size_t axis = axis_of[e.name()];
      if (at[axis] || !scope.math.equal(p.parallel[axis].extent, c.parallel[k].extent))
        return refuse();
      at[axis] = shape.result_at[k];
    }
    std::vector<Expr> list;
    for (std::size_t k = 0; k < at.size(); ++k) {
      if (!at[k] && !p.parallel[k].extent.is_constant(1)) return refuse();
      list.push_back(at[k].value_or(Expr(0)));
    }
    shape.stored[t] = list;
  }
  return shape;
}

}  // namespace mtmc::coder
