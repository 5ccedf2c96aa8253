// Arithmetic on index expressions: what makes views disappear and strides visible.
//
// An expression is brought to a sum of products over variables (axes, each in 0 .. extent-1) and
// dims (at least 1). Floor division and modulo by a product are taken apart where the ranges prove
// it: with 0 <= j < N, (i*N + j) / N is i and (i*N + j) % N is j; (e / N)*N + e % N is e again.
// What cannot be taken apart stays as it is; results are always equal to what went in. Not thread
// safe; owns its table of variables.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/expr.hpp"

namespace mtmc::coder {

class IndexMath {
 public:
  // 0 <= name < extent. A name that was never added is a dim: at least 1.
  void add_variable(const std::string& name, const Expr& extent);
  bool is_variable(const std::string& name) const { return extents_.count(name) != 0; }
  // The extent given; REQUIRES: is_variable(name).
  const Expr& extent(const std::string& name) const { return extents_.at(name); }

  Expr simplify(const Expr& e) const;
  bool equal(const Expr& a, const Expr& b) const;
  // Proven, not guessed: false means "not known".
  bool nonnegative(const Expr& e) const;
  // d with e = d*var + rest, both free of var; nullopt where e is not of that form.
  std::optional<Expr> coefficient(const Expr& e, const std::string& var) const;
  // The factors whose divisibility by n makes every multiple of e without `var` divisible by n: one
  // per term that is not a multiple of n by itself.
  std::vector<Expr> terms_without(const Expr& e, const std::string& var) const;

 private:
  using Monomial = std::vector<std::string>;      // sorted atoms
  using Poly = std::map<Monomial, std::int64_t>;  // no zero coefficients
  struct Atom {
    Expr expr;
    // For e / d and e % d: the operands, so that the two can be put together again.
    std::shared_ptr<const std::pair<Poly, Poly>> parts;
  };

  Poly poly(const Expr& e) const;
  Poly divide(const Poly& a, const Poly& d, bool want_quotient) const;
  Poly atom(const Expr& e, std::optional<std::pair<Poly, Poly>> parts = std::nullopt) const;
  Expr expr(const Poly& p) const;
  void join(Poly& p) const;
  bool atom_nonnegative(const std::string& name) const;
  bool proven_nonnegative(Poly p) const;
  std::optional<Poly> upper(const Poly& p) const;
  std::string text(const Poly& p) const;

  std::map<std::string, Expr> extents_;
  mutable std::map<std::string, Atom> atoms_;
};

}  // namespace mtmc::coder
