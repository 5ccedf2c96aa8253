// Canonical forms of shape and index expressions, so that equal extents compare equal and index
// maps stay short: sums of products of atoms (symbols and what is not polynomial), like terms
// collected.
#pragma once

#include <optional>
#include <vector>

#include "base/expr.hpp"

namespace mtmc::op {

// The canonical form; divisions that come out even are carried out, on the premise that symbols
// stand for positive extents or for axis values. An expression that would overflow or grow beyond
// reason comes back as it is.
Expr simplify(const Expr& e);
bool same(const Expr& a, const Expr& b);
Expr product(const std::vector<Expr>& factors);  // 1 for none
// total / divisor where that is exact for all values of the symbols.
std::optional<Expr> exact_quotient(const Expr& total, const Expr& divisor);

}  // namespace mtmc::op
