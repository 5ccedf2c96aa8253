// Index maps of a reduction over some dims of a shape, for the families that reduce.
#pragma once

#include <string_view>
#include <vector>

#include "op/table.hpp"

namespace mtmc::op {

// The dims that attribute `name` (a whole number, a list, or None for all) lists, sorted.
Result<std::vector<int>> reduced_dims(const Call& call, std::string_view operand,
                                      std::string_view name);

class Reduction {
 public:
  Reduction(const std::vector<Expr>& shape, const std::vector<int>& dims, bool keepdim);

  const std::vector<Expr>& result() const { return result_; }
  const std::vector<Expr>& extents() const { return extents_; }
  Expr count() const;  // of elements that are combined into one
  // Where the primitive that reduces reads its operand.
  std::vector<Expr> read() const;
  // Where, inside such a primitive, another statistic of the same shape lies.
  std::vector<Expr> own() const;
  // Where, at a point of the unreduced shape, the statistic of that point lies.
  std::vector<Expr> from_full() const;

 private:
  std::vector<Expr> shape_, result_, extents_;
  bool keepdim_;
  std::vector<bool> is_reduced_;
};

}  // namespace mtmc::op
