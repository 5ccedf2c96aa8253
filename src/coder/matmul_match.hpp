// Recognises groups that the matmul template can compute: one contraction, maps fused into its
// operands, and maps of its result.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "coder/scalar_cuda.hpp"

namespace mtmc::coder {

// One operand as the template's loader sees it. Variables are those of the contraction, joined
// where this operand walks several as one.
struct OperandShape {
  op::Scalar body = op::Scalar::constant(0);
  AxisMap axes;                                 // the contraction's axes over the variables below
  std::vector<std::string> batch, rows, depth;  // z, m (or n), k: outermost first
  bool along_k = false;                         // the loads' neighbours lie along k
  std::string lane;                             // variable along which neighbours lie
  // Where the operand is a narrow float read as it is (through views, no arithmetic): the load.
  std::optional<Access> plain;
};

struct MatmulShape {
  int contraction = -1;                     // primitive
  int result = -1;                          // its tensor
  std::vector<std::string> batch, m, n, k;  // variables of each class
  AxisMap axes;                             // the contraction's axes over them
  std::vector<Expr> result_at;
  OperandShape a, b;                        // a has the m variables
  std::map<int, std::vector<Expr>> stored;  // where each stored tensor lies

  Expr extent(const Scope& scope, const std::vector<std::string>& vars) const;
};

// A bad_input error says why not.
Result<MatmulShape> match_matmul(Scope& scope, const std::vector<int>& primitives);

}  // namespace mtmc::coder
