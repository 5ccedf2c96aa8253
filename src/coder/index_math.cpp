// Method: polynomials with integer coefficients over atoms; an atom is a symbol or an operation
// that is not polynomial, known by its text. Bounds replace each variable by its largest value and
// each dim d by 1 + d', and ask that every coefficient of the difference be at least 0; that is
// sufficient, not necessary. Coefficients are int64 and small here (products of literal sizes); an
// operation that would overflow leaves the expression as it was.
#include "coder/index_math.hpp"

#include <algorithm>
#include <memory>

namespace mtmc::coder {

namespace {

using Kind = Expr::Kind;
using Monomial = std::vector<std::string>;
using Poly = std::map<Monomial, std::int64_t>;

void add_to(Poly& p, const Monomial& m, std::int64_t c) {
  auto [it, fresh] = p.emplace(m, c);
  if (!fresh) it->second += c;
  if (it->second == 0) p.erase(it);
}
Poly sum(const Poly& a, const Poly& b, std::int64_t sign = 1) {
  Poly r = a;
  for (const auto& [m, c] : b) add_to(r, m, sign * c);
  return r;
}
Monomial merged(const Monomial& a, const Monomial& b) {
  Monomial m;
  std::merge(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(m));
  return m;
}
Poly product(const Poly& a, const Poly& b) {
  Poly r;
  for (const auto& [ma, ca] : a)
    for (const auto& [mb, cb] : b) add_to(r, merged(ma, mb), ca * cb);
  return r;
}
// m / d, where d's atoms are all in m.
std::optional<Monomial> without(const Monomial& m, const Monomial& d) {
  if (!std::includes(m.begin(), m.end(), d.begin(), d.end())) return std::nullopt;
  Monomial r;
  std::set_difference(m.begin(), m.end(), d.begin(), d.end(), std::back_inserter(r));
  return r;
}
bool contains(const Monomial& m, const std::string& name) {
  return std::binary_search(m.begin(), m.end(), name);
}
Poly constant(std::int64_t c) {
  Poly p;
  if (c) p[{}] = c;
  return p;
}
bool is_one(const Poly& p) {
  return p.size() == 1 && p.begin()->first.empty() && p.begin()->second == 1;
}

}  // namespace

void IndexMath::add_variable(const std::string& name, const Expr& extent) {
  extents_.insert_or_assign(name, extent);
}

std::string IndexMath::text(const Poly& p) const {
  std::string s;
  for (const auto& [m, c] : p) {
    s += "+" + std::to_string(c);
    for (const auto& a : m) s += "*" + a;
  }
  return s;
}

Poly IndexMath::atom(const Expr& e, std::optional<std::pair<Poly, Poly>> parts) const {
  std::string name = e.text();
  auto& entry = atoms_[name];
  entry.expr = e;
  if (parts) entry.parts = std::make_shared<const std::pair<Poly, Poly>>(std::move(*parts));
  Poly p;
  p[{name}] = 1;
  return p;
}

Poly IndexMath::poly(const Expr& e) const {
  const auto& a = e.args();
  switch (e.kind()) {
    case Kind::constant:
      return constant(e.value());
    case Kind::symbol:
      if (auto it = extents_.find(e.name()); it != extents_.end() && it->second.is_constant(1))
        return {};
      return atom(e);
    case Kind::add:
      return sum(poly(a[0]), poly(a[1]));
    case Kind::sub:
      return sum(poly(a[0]), poly(a[1]), -1);
    case Kind::negate:
      return sum({}, poly(a[0]), -1);
    case Kind::mul:
      return product(poly(a[0]), poly(a[1]));
    case Kind::div:
      return divide(poly(a[0]), poly(a[1]), true);
    case Kind::mod:
      return divide(poly(a[0]), poly(a[1]), false);
    default: {
      std::vector<Expr> args;
      for (const auto& x : a) args.push_back(simplify(x));
      Expr made = Expr::make(e.kind(), std::move(args));
      if (made.is_constant()) return constant(made.value());
      return atom(made);
    }
  }
}

bool IndexMath::atom_nonnegative(const std::string& name) const {
  const auto& entry = atoms_.at(name);
  switch (entry.expr.kind()) {
    case Kind::symbol:
      return true;
    case Kind::div:
      return entry.parts && proven_nonnegative(entry.parts->first) &&
             proven_nonnegative(entry.parts->second);
    case Kind::mod:
      return entry.parts && proven_nonnegative(entry.parts->second);
    case Kind::equal:
    case Kind::not_equal:
    case Kind::less:
    case Kind::less_equal:
    case Kind::greater:
    case Kind::greater_equal:
    case Kind::logical_and:
    case Kind::logical_or:
    case Kind::logical_not:
      return true;
    case Kind::ceil_div:
    case Kind::align_up:
    case Kind::min:
      return std::all_of(entry.expr.args().begin(), entry.expr.args().end(),
                         [&](const Expr& x) { return nonnegative(x); });
    case Kind::max:
      return std::any_of(entry.expr.args().begin(), entry.expr.args().end(),
                         [&](const Expr& x) { return nonnegative(x); });
    case Kind::select:
      return nonnegative(entry.expr.args()[1]) && nonnegative(entry.expr.args()[2]);
    default:
      return false;
  }
}

bool IndexMath::proven_nonnegative(Poly p) const {
  // Every dim d, a plain symbol that is no variable, becomes 1 + d'.
  std::vector<std::string> dims;
  for (const auto& [m, c] : p)
    for (const auto& name : m)
      if (atoms_.at(name).expr.kind() == Kind::symbol && !extents_.count(name))
        dims.push_back(name);
  std::sort(dims.begin(), dims.end());
  dims.erase(std::unique(dims.begin(), dims.end()), dims.end());
  for (const auto& name : dims) {
    Poly next;
    for (const auto& [m, c] : p) {
      Poly term{{{}, c}};
      for (const auto& factor : m) {
        Poly f{{{factor}, 1}};
        if (factor == name) f[{}] = 1;
        term = product(term, f);
      }
      next = sum(next, term);
    }
    p = std::move(next);
  }
  for (const auto& [m, c] : p) {
    if (c < 0) return false;
    for (const auto& name : m)
      if (!atom_nonnegative(name)) return false;
  }
  return true;
}

std::optional<Poly> IndexMath::upper(const Poly& p) const {
  Poly bound;
  for (const auto& [m, c] : p) {
    Poly term{{{}, c}};
    for (const auto& name : m) {
      if (!atom_nonnegative(name)) return std::nullopt;
      const auto& entry = atoms_.at(name);
      Poly factor{{{name}, 1}};
      if (auto it = extents_.find(name); it != extents_.end())
        factor = sum(poly(it->second), constant(1), -1);
      else if (entry.expr.kind() == Kind::mod)
        factor = sum(entry.parts->second, constant(1), -1);
      else if (entry.expr.kind() == Kind::div) {
        // e / d <= (upper(e)) / d, which divides out where it is a known multiple less one.
        auto high = upper(entry.parts->first);
        if (!high) return std::nullopt;
        factor = divide(*high, entry.parts->second, true);
      }
      term = product(term, factor);
    }
    if (c < 0) continue;  // at most 0
    bound = sum(bound, term);
  }
  return bound;
}

Poly IndexMath::divide(const Poly& a, const Poly& d, bool want_quotient) const {
  if (is_one(d)) return want_quotient ? a : Poly{};
  Poly quotient, rest = a;
  if (d.size() == 1 && d.begin()->second > 0) {
    const auto& [dm, dc] = *d.begin();
    rest.clear();
    for (const auto& [m, c] : a) {
      auto q = without(m, dm);
      if (q && dm.empty() && !m.empty() && c % dc == 0)
        add_to(quotient, *q, c / dc);
      else if (q && !dm.empty() && c % dc == 0)
        add_to(quotient, *q, c / dc);
      else if (q && m.empty() && dm.empty()) {
        std::int64_t fq = c / dc, fr = c % dc;
        if (fr < 0) {
          fr += dc;
          --fq;
        }
        add_to(quotient, {}, fq);
        add_to(rest, {}, fr);
      } else {
        add_to(rest, m, c);
      }
    }
    // -1 + K*d terms (a largest index) divide as (K-1)*d + (d-1).
    if (rest.size() == 1 && rest.begin()->first.empty() && rest.begin()->second < 0 &&
        !quotient.empty() && !dm.empty()) {
      Poly up = sum(d, rest);
      if (proven_nonnegative(up)) {
        quotient = sum(quotient, constant(1), -1);
        rest = up;
      }
    }
  }
  if (rest.empty()) return want_quotient ? quotient : Poly{};
  if (proven_nonnegative(rest)) {
    auto high = upper(rest);
    if (high && proven_nonnegative(sum(sum(d, constant(1), -1), *high, -1)))
      return want_quotient ? quotient : rest;
  }
  Poly left = atom(Expr::make(want_quotient ? Kind::div : Kind::mod, {expr(rest), expr(d)}),
                   std::pair{rest, d});
  return want_quotient ? sum(quotient, left) : left;
}

// c*d*(e / d) + c*(e % d)  ->  c*e
void IndexMath::join(Poly& p) const {
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& [m, c] : p) {
      for (const auto& name : m) {
        const Atom entry = atoms_.at(name);
        if (entry.expr.kind() != Kind::mod || !entry.parts) continue;
        const auto& [e, d] = *entry.parts;
        if (d.size() != 1) continue;
        Monomial others = *without(m, {name});
        const Poly quotient = divide(e, d, true);
        const std::int64_t coefficient = c;
        // e = d*quotient + e%d: the terms of c*others*d*quotient must all be there.
        Poly scale{{others, coefficient}};
        const Poly wanted = product(product(scale, d), quotient);
        const bool all =
            !wanted.empty() && std::all_of(wanted.begin(), wanted.end(), [&](const auto& t) {
              auto it = p.find(t.first);
              return it != p.end() && it->second == t.second;
            });
        if (!all) continue;
        Poly next = sum(p, wanted, -1);
        add_to(next, m, -coefficient);
        p = sum(next, product(scale, e));
        changed = true;
        break;
      }
      if (changed) break;
    }
  }
}

Expr IndexMath::expr(const Poly& p) const {
  if (p.empty()) return Expr(0);
  // More factors first, variables before dims inside a term: "_i0 * N + _i1".
  std::vector<std::pair<Monomial, std::int64_t>> terms(p.begin(), p.end());
  for (auto& [m, c] : terms)
    std::stable_sort(m.begin(), m.end(), [&](const auto& a, const auto& b) {
      return (extents_.count(a) != 0) > (extents_.count(b) != 0);
    });
  std::stable_sort(terms.begin(), terms.end(), [](const auto& a, const auto& b) {
    if ((a.second > 0) != (b.second > 0)) return a.second > 0;
    return a.first.size() != b.first.size() ? a.first.size() > b.first.size() : a.first < b.first;
  });
  std::optional<Expr> total;
  for (const auto& [m, c] : terms) {
    std::optional<Expr> term;
    for (const auto& name : m) {
      const Expr& factor = atoms_.at(name).expr;
      term = term ? *term * factor : factor;
    }
    const std::int64_t magnitude = c < 0 ? -c : c;
    if (!term)
      term = Expr(magnitude);
    else if (magnitude != 1)
      term = *term * Expr(magnitude);
    if (!total)
      total = c < 0 ? Expr(0) - *term : *term;
    else
      total = c < 0 ? *total - *term : *total + *term;
  }
  return *total;
}

Expr IndexMath::simplify(const Expr& e) const {
  Poly p = poly(e);
  join(p);
  return expr(p);
}

bool IndexMath::equal(const Expr& a, const Expr& b) const {
  Poly p = poly(a - b);
  join(p);
  return p.empty();
}

bool IndexMath::nonnegative(const Expr& e) const {
  Poly p = poly(e);
  join(p);
  return proven_nonnegative(std::move(p));
}

std::optional<Expr> IndexMath::coefficient(const Expr& e, const std::string& var) const {
  Poly p = poly(e);
  join(p);
  Poly d;
  for (const auto& [m, c] : p) {
    auto rest = contains(m, var) ? without(m, {var}) : std::nullopt;
    for (const auto& name : rest ? *rest : m)
      if (atoms_.at(name).expr.symbols().count(var)) return std::nullopt;
    if (rest) add_to(d, *rest, c);
  }
  return expr(d);
}

std::vector<Expr> IndexMath::terms_without(const Expr& e, const std::string& var) const {
  Poly p = poly(e);
  join(p);
  std::vector<Expr> terms;
  for (const auto& [m, c] : p) {
    if (contains(m, var)) continue;
    // A variable takes the value 1, so only the dims and the literal of a term count.
    Poly factor{{{}, c}};
    for (const auto& name : m)
      if (atoms_.at(name).expr.kind() == Kind::symbol && !extents_.count(name))
        factor = product(factor, {{{name}, 1}});
    terms.push_back(expr(factor));
  }
  return terms;
}

}  // namespace mtmc::coder
