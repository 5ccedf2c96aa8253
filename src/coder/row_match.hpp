// Recognises groups that a row kernel can compute: reductions over the same trailing domain of the
// same rows, and maps before, between and after them.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "coder/scalar_cuda.hpp"

namespace mtmc::coder {

struct RowShape {
  std::vector<std::string> rows;  // variables "_p0", ...: of the row
  std::vector<std::string> cols;  // "_c0", ...: inside the row
  // Where a tensor of the group is computed, over rows (statistics) or rows and cols (stored
  // points).
  std::map<int, std::vector<Expr>> at;
  std::vector<std::vector<int>> passes;  // reduced tensors of each pass
  std::vector<std::vector<int>> after;   // maps over rows alone that follow each pass
  std::vector<int> row_maps;             // maps over rows that need no pass (stored ones only)
  std::vector<int> stored_points, stored_rows;

  bool is_statistic(int tensor) const;  // a reduction, or a map that follows one, of rows alone
};

// Registers the variables in scope.math. A bad_input error says why the group is no row group.
Result<RowShape> match_row(Scope& scope, const std::vector<int>& primitives);

}  // namespace mtmc::coder
