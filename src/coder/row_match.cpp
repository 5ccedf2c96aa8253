// The first reduction of the group gives rows (its parallel axes) and the domain of a row (its
// reduced axes); every other reduction must have the same extents. A map is over rows when its
// extents are those of the rows, and over points otherwise. A stored map over points needs its own
// axes as functions of rows and points: they are solved from the indices at which it reads
// statistics (axis or axis / E), or at which a reduction reads it, and the rest by extent, in
// order. Axes of extent 1 are left out everywhere, so keepdim makes no difference.
#include "coder/row_match.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

namespace mtmc::coder {

namespace {

struct Matcher {
  Scope& scope;
  const std::vector<int>& primitives;
  RowShape shape;
  std::map<int, int> level;  // passes that must be done before a tensor is known at a point

  const op::Primitive& at(int p) const {
    return scope.lowering->primitives[static_cast<std::size_t>(p)];
  }
  std::vector<const op::Axis*> open(const std::vector<op::Axis>& axes) const {
    std::vector<const op::Axis*> list;
    for (const auto& a : axes)
      if (!a.extent.is_constant(1)) list.push_back(&a);
    return list;
  }
  bool same(const std::vector<const op::Axis*>& axes, const std::vector<std::string>& vars) const {
    if (axes.size() != vars.size()) return false;
    for (std::size_t k = 0; k < axes.size(); ++k)
      if (!scope.math.equal(axes[k]->extent, scope.math.extent(vars[k]))) return false;
    return true;
  }
  std::vector<Expr> over(const std::vector<op::Axis>& axes,
                         const std::vector<std::string>& vars) const {
    std::vector<Expr> list;
    std::size_t next = 0;
    for (const auto& a : axes)
      list.push_back(a.extent.is_constant(1) ? Expr(0) : Expr::symbol(vars[next++]));
    return list;
  }

  // Indices at which tensor `t`, at its own axes given by `self`, reads tensors for which `wanted`
  // holds, through maps.
  void demands(int t, const std::vector<Expr>& self, const std::function<bool(int)>& wanted,
               std::vector<std::pair<int, std::vector<Expr>>>& out) const {
    const auto& p = scope.producer(t);
    AxisMap axes;
    for (std::size_t k = 0; k < p.parallel.size(); ++k) axes[p.parallel[k].name] = self[k];
    if (!p.reduced.empty()) {
      const auto mine = over(p.reduced, shape.cols);
      for (std::size_t k = 0; k < p.reduced.size(); ++k) axes[p.reduced[k].name] = mine[k];
    }
    p.body.visit_loads([&](const op::Scalar& s) {
      if (!scope.inside.count(s.tensor())) return;
      std::vector<Expr> index;
      for (const auto& e : s.at()) index.push_back(scope.math.simplify(e.substitute(axes)));
      if (wanted(s.tensor()))
        out.emplace_back(s.tensor(), index);
      else if (scope.producer(s.tensor()).reduced.empty())
        demands(s.tensor(), index, wanted, out);
    });
  }

  bool solve(int t);
  bool solve_from_reader(int t);
  bool complete(int t, const std::vector<std::optional<Expr>>& found);
};

// All variables used, each once, with the right extents?
bool Matcher::complete(int t, const std::vector<std::optional<Expr>>& found) {
  const auto& p = scope.producer(t);
  std::set<std::string> left;
  for (const auto& v : shape.rows) left.insert(v);
  for (const auto& v : shape.cols) left.insert(v);
  std::vector<Expr> at;
  for (std::size_t k = 0; k < found.size(); ++k) {
    if (p.parallel[k].extent.is_constant(1)) {
      at.push_back(Expr(0));
      continue;
    }
    if (!found[k]) return false;
    Expr extent(1);
    for (const auto& s : found[k]->symbols()) {
      if (!scope.math.is_variable(s)) continue;  // a dim: the factor E of a composed axis
      if (!left.erase(s)) return false;
      extent = extent * scope.math.extent(s);
    }
    if (!scope.math.equal(extent, p.parallel[k].extent)) {
      // C / G * G is C by the operator's own rules, which no expression knows: the stated sizes
      // decide.
      const auto a = extent.evaluate(scope.lowering->dims),
                 b = p.parallel[k].extent.evaluate(scope.lowering->dims);
      if (found[k]->kind() == Expr::Kind::symbol || !a || !b || *a != *b) return false;
    }
    at.push_back(*found[k]);
  }
  if (!left.empty()) return false;
  shape.at[t] = at;
  return true;
}

// From the place where a reduction of the group reads the map.
bool Matcher::solve_from_reader(int t) {
  const auto& p = scope.producer(t);
  for (const auto& pass : shape.passes)
    for (int r : pass) {
      std::vector<std::pair<int, std::vector<Expr>>> found;
      demands(
          r, shape.at.at(r), [&](int x) { return x == t; }, found);
      for (const auto& [tensor, index] : found) {
        std::vector<std::optional<Expr>> axes(p.parallel.size());
        for (std::size_t k = 0; k < index.size(); ++k)
          if (index[k].kind() == Expr::Kind::symbol) axes[k] = index[k];
        if (complete(t, axes)) return true;
      }
    }
  return false;
}

bool Matcher::solve(int t) {
  if (solve_from_reader(t)) return true;
  const auto& p = scope.producer(t);
  std::vector<Expr> self;
  std::map<std::string, std::size_t> axis_of;
  for (std::size_t k = 0; k < p.parallel.size(); ++k) {
    const std::string name = fmt::format("_m{}_{}", t, k);
    scope.math.add_variable(name, p.parallel[k].extent);
    axis_of[name] = k;
    self.push_back(Expr::symbol(name));
  }
  std::vector<std::pair<int, std::vector<Expr>>> found;
  demands(
      t, self, [&](int x) { return shape.is_statistic(x); }, found);
  std::vector<std::optional<Expr>> axes(p.parallel.size());
  std::set<std::string> used;
  const auto take_col = [&](const Expr& extent) -> std::optional<std::string> {
    for (const auto& c : shape.cols)
      if (!used.count(c) && scope.math.equal(scope.math.extent(c), extent)) {
        used.insert(c);
        return c;
      }
    return std::nullopt;
  };
  for (const auto& [stat, index] : found) {
    const auto& place = shape.at.at(stat);
    for (std::size_t k = 0; k < index.size(); ++k) {
      if (place[k].kind() != Expr::Kind::symbol) continue;
      const Expr& e = index[k];
      if (e.kind() == Expr::Kind::symbol && axis_of.count(e.name())) {
        auto& axis = axes[axis_of[e.name()]];
        if (!axis) axis = place[k];
        used.insert(place[k].name());
      } else if (e.kind() == Expr::Kind::div && e.args()[0].kind() == Expr::Kind::symbol &&
                 axis_of.count(e.args()[0].name())) {
        auto& axis = axes[axis_of[e.args()[0].name()]];
        if (axis) continue;
        auto col = take_col(e.args()[1]);
        if (!col) return false;
        axis = place[k] * e.args()[1] + Expr::symbol(*col);
        used.insert(place[k].name());
      }
    }
  }
  for (std::size_t k = 0; k < axes.size(); ++k) {
    if (axes[k] || p.parallel[k].extent.is_constant(1)) continue;
    if (auto col = take_col(p.parallel[k].extent)) {
      axes[k] = Expr::symbol(*col);
      continue;
    }
    for (const auto& r : shape.rows)
      if (!used.count(r) && scope.math.equal(scope.math.extent(r), p.parallel[k].extent)) {
        used.insert(r);
        axes[k] = Expr::symbol(r);
        break;
      }
  }
  return complete(t, axes);
}

}  // namespace

bool RowShape::is_statistic(int tensor) const {
  for (const auto* list : {&passes, &after})
    for (const auto& pass : *list)
      if (std::find(pass.begin(), pass.end(), tensor) != pass.end()) return true;
  return false;
}

Result<RowShape> match_row(Scope& scope, const std::vector<int>& primitives) {
  Matcher m{scope, primitives, {}, {}};
  const op::Primitive* anchor = nullptr;
  for (int p : primitives)
    if (!m.at(p).reduced.empty() && !anchor) anchor = &m.at(p);
  if (!anchor) return bad_input("a row group needs a reduction");
  RowShape& shape = m.shape;
  const auto dims_only = [&](const op::Axis& a) {
    for (const auto& s : a.extent.symbols())
      if (!scope.lowering->dims.count(s)) return false;
    return true;
  };
  for (int p : primitives) {
    const auto kind = m.at(p).kind;
    if (kind == op::PrimitiveKind::scan || kind == op::PrimitiveKind::window)
      return bad_input(fmt::format("a row group has no {}", op::name_of(kind)));
    for (const auto& a : m.at(p).reduced)
      if (!dims_only(a)) return bad_input("a reduced extent depends on the point");
  }
  for (const auto* a : m.open(anchor->parallel)) {
    shape.rows.push_back(fmt::format("_p{}", shape.rows.size()));
    scope.math.add_variable(shape.rows.back(), a->extent);
  }
  for (const auto* a : m.open(anchor->reduced)) {
    shape.cols.push_back(fmt::format("_c{}", shape.cols.size()));
    scope.math.add_variable(shape.cols.back(), a->extent);
  }
  // Levels, and the pass of each reduction.
  std::set<int> points;
  for (int p : primitives) {
    const auto& primitive = m.at(p);
    const int t = primitive.output;
    int level = 0;
    bool reads_points = false;
    primitive.body.visit_loads([&](const op::Scalar& s) {
      if (auto it = m.level.find(s.tensor()); it != m.level.end())
        level = std::max(level, it->second);
      reads_points |= points.count(s.tensor()) != 0;
    });
    if (!primitive.reduced.empty()) {
      if (!m.same(m.open(primitive.parallel), shape.rows) ||
          !m.same(m.open(primitive.reduced), shape.cols))
        return bad_input(
            fmt::format("reduction {} runs over other rows than the first", primitive.origin));
      shape.at[t] = m.over(primitive.parallel, shape.rows);
      shape.passes.resize(
          std::max<std::size_t>(shape.passes.size(), static_cast<std::size_t>(level) + 1));
      shape.passes[static_cast<std::size_t>(level)].push_back(t);
      ++level;
    } else if (m.same(m.open(primitive.parallel), shape.rows) && !reads_points) {
      shape.at[t] = m.over(primitive.parallel, shape.rows);
      if (level == 0) {
        if (std::find(scope.stored.begin(), scope.stored.end(), t) != scope.stored.end())
          shape.row_maps.push_back(t);
        else
          shape.at.erase(t);
      } else {
        shape.after.resize(
            std::max<std::size_t>(shape.after.size(), static_cast<std::size_t>(level)));
        shape.after[static_cast<std::size_t>(level) - 1].push_back(t);
      }
    } else {
      points.insert(t);
    }
    m.level[t] = level;
  }
  shape.after.resize(shape.passes.size());
  for (int t : scope.stored) {
    if (!points.count(t)) {
      shape.stored_rows.push_back(t);
      continue;
    }
    if (!m.solve(t))
      return bad_input(fmt::format("{} does not walk the rows of the group",
                                   scope.lowering->tensors[static_cast<std::size_t>(t)].name));
    shape.stored_points.push_back(t);
  }
  // Every use of a statistic must be of the row at hand.
  for (int p : primitives) {
    const int t = m.at(p).output;
    if (!shape.at.count(t)) continue;
    std::vector<std::pair<int, std::vector<Expr>>> found;
    m.demands(
        t, shape.at.at(t), [&](int x) { return shape.is_statistic(x); }, found);
    for (const auto& [stat, index] : found)
      for (std::size_t k = 0; k < index.size(); ++k)
        if (!scope.math.equal(index[k], shape.at.at(stat)[k]))
          return bad_input(fmt::format("{} uses a statistic of another row", m.at(p).origin));
  }
  return std::move(shape);
}

}  // namespace mtmc::coder
