// Polynomials over atoms with int64 coefficients. A monomial is a sorted list of atom texts; axes
// (which begin with '_') sort before dims, so that index maps read "_i0 * N + _i1".
#include "op/algebra.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace mtmc::op {
namespace {

using Kind = Expr::Kind;
constexpr std::size_t kMaxTerms = 64;
constexpr std::size_t kMaxDegree = 24;

struct AtomOrder {
  bool operator()(const std::string& a, const std::string& b) const {
    const bool axis_a = a.starts_with('_'), axis_b = b.starts_with('_');
    return axis_a != axis_b ? axis_a : a < b;
  }
};
using Monomial = std::vector<std::string>;
struct MonomialOrder {
  bool operator()(const Monomial& a, const Monomial& b) const {
    if (a.empty() || b.empty()) return !a.empty() && b.empty();  // the constant comes last
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end(), AtomOrder{});
  }
};

struct Polynomial {
  std::map<Monomial, std::int64_t, MonomialOrder> terms;
  std::map<std::string, Expr> atoms;
  bool ok = true;

  void add(const Monomial& m, std::int64_t coefficient) {
    auto& slot = terms[m];
    if (__builtin_add_overflow(slot, coefficient, &slot)) ok = false;
    if (slot == 0) terms.erase(m);
    if (terms.size() > kMaxTerms || m.size() > kMaxDegree) ok = false;
  }
};

Polynomial constant(std::int64_t value) {
  Polynomial p;
  if (value != 0) p.terms[{}] = value;
  return p;
}

Polynomial atom(const Expr& e) {
  Polynomial p;
  const std::string text = e.text();
  p.terms[{text}] = 1;
  p.atoms.emplace(text, e);
  return p;
}

void merge(Polynomial& into, const Polynomial& from, std::int64_t factor) {
  into.ok = into.ok && from.ok;
  into.atoms.insert(from.atoms.begin(), from.atoms.end());
  for (const auto& [m, c] : from.terms) {
    std::int64_t scaled = 0;
    if (__builtin_mul_overflow(c, factor, &scaled)) into.ok = false;
    if (!into.ok) return;
    into.add(m, scaled);
  }
}

Polynomial times(const Polynomial& a, const Polynomial& b) {
  Polynomial out;
  out.ok = a.ok && b.ok;
  out.atoms = a.atoms;
  out.atoms.insert(b.atoms.begin(), b.atoms.end());
  for (const auto& [ma, ca] : a.terms)
    for (const auto& [mb, cb] : b.terms) {
      if (!out.ok) return out;
      Monomial m = ma;
      m.insert(m.end(), mb.begin(), mb.end());
      std::sort(m.begin(), m.end(), AtomOrder{});
      std::int64_t c = 0;
      if (__builtin_mul_overflow(ca, cb, &c))
        out.ok = false;
      else
        out.add(m, c);
    }
  return out;
}

// Splits p into d * quotient + rest where d is a monomial.
bool split(const Polynomial& p, const Polynomial& d, Polynomial& quotient, Polynomial& rest) {
  if (d.terms.size() != 1) return false;
  const auto& [dm, dc] = *d.terms.begin();
  quotient.atoms = rest.atoms = p.atoms;
  for (const auto& [m, c] : p.terms) {
    Monomial left = m;
    bool divides = c % dc == 0;
    for (const auto& name : dm) {
      auto it = std::find(left.begin(), left.end(), name);
      divides = divides && it != left.end();
      if (!divides) break;
      left.erase(it);
    }
    if (divides)
      quotient.add(left, c / dc);
    else
      rest.add(m, c);
  }
  return true;
}

Expr build(const Polynomial& p) {
  std::optional<Expr> sum;
  for (const bool positive : {true, false})
    for (const auto& [m, c] : p.terms) {
      if ((c > 0) != positive) continue;
      const std::int64_t magnitude = sum && c < 0 ? -c : c;
      Expr term(magnitude);
      bool first = magnitude == 1;
      for (const auto& name : m) {
        const Expr& factor = p.atoms.at(name);
        term = first ? factor : Expr::make(Kind::mul, {term, factor});
        first = false;
      }
      if (!sum)
        sum = term;
      else
        sum = Expr::make(c < 0 ? Kind::sub : Kind::add, {*sum, term});
    }
  return sum.value_or(Expr(0));
}

Polynomial expand(const Expr& e);

Polynomial divide(const Expr& e) {
  Polynomial n = expand(e.args()[0]), d = expand(e.args()[1]);
  Polynomial quotient, rest;
  if (n.ok && d.ok && split(n, d, quotient, rest) && quotient.ok && rest.ok) {
    const std::int64_t dc = d.terms.begin()->second;
    const bool is_mod = e.kind() == Kind::mod;
    if (dc > 0 && rest.terms.empty()) return is_mod ? constant(0) : quotient;
    if (dc > 0 && !quotient.terms.empty()) {
      Polynomial out = atom(Expr::make(e.kind(), {build(rest), build(d)}));
      if (!is_mod) merge(out, quotient, 1);
      return out;
    }
  }
  return atom(Expr::make(e.kind(), {n.ok ? build(n) : e.args()[0], d.ok ? build(d) : e.args()[1]}));
}

Polynomial expand(const Expr& e) {
  switch (e.kind()) {
    case Kind::constant:
      return constant(e.value());
    case Kind::symbol:
      return atom(e);
    case Kind::add:
    case Kind::sub: {
      Polynomial p = expand(e.args()[0]);
      merge(p, expand(e.args()[1]), e.kind() == Kind::add ? 1 : -1);
      return p;
    }
    case Kind::negate: {
      Polynomial p;
      merge(p, expand(e.args()[0]), -1);
      return p;
    }
    case Kind::mul:
      return times(expand(e.args()[0]), expand(e.args()[1]));
    case Kind::div:
    case Kind::mod:
      return divide(e);
    default:
      break;
  }
  std::vector<Expr> args;
  for (const auto& a : e.args()) args.push_back(simplify(a));
  const Expr made = Expr::make(e.kind(), std::move(args));
  return made.is_constant() ? constant(made.value()) : atom(made);
}

}  // namespace

Expr simplify(const Expr& e) {
  if (e.is_constant() || e.kind() == Kind::symbol) return e;
  const Polynomial p = expand(e);
  return p.ok ? build(p) : e;
}

bool same(const Expr& a, const Expr& b) { return a == b || simplify(a) == simplify(b); }

Expr product(const std::vector<Expr>& factors) {
  Expr out(1);
  for (const auto& f : factors) out = out * f;
  return simplify(out);
}

std::optional<Expr> exact_quotient(const Expr& total, const Expr& divisor) {
  const Polynomial n = expand(total), d = expand(divisor);
  Polynomial quotient, rest;
  if (!n.ok || !d.ok || !split(n, d, quotient, rest)) return std::nullopt;
  if (!rest.terms.empty() || !quotient.ok) return std::nullopt;
  return build(quotient);
}

}  // namespace mtmc::op
