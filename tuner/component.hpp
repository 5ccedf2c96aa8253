// One independent part of a tuning space: parameters that constraints tie together. A space is the
// product of its components, and the product is never written out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "tuner/constraint.hpp"

namespace mtmc::tuner {

// The place of a value in its parameter's list.
using ValueIndex = std::uint16_t;

// A compiled constraint. Several conditions may come from one constraint: a top-level `and` is
// split, so that each half prunes as early as it can.
struct Condition {
  std::size_t source = 0;  // which of the caller's constraints
  Expr expr;
  Program program;                   // over all slots of the space
  std::vector<std::size_t> members;  // slots in use that have several values, increasing
};

// The valid rows of one component, in lexicographic order of value indices. Immutable once built;
// thread safe.
class Component {
 public:
  // Values of the constraint at `source` that do not exist (division by zero, overflow): how many
  // prefixes met it, and the values of all slots at the first.
  struct Undefined {
    std::size_t source = 0;
    std::uint64_t prefixes = 0;
    std::vector<std::int64_t> first;
    Expr expr;
  };

  // `values[p]` is the value list of slot p: the parameters of the space, then its facts with one
  // value each. `members` (increasing) are the slots of this component; `conditions` use these
  // and slots with one value. bad_input where the rows or the
  // search for them pass the limits (64 Mi cells, 2^28 prefixes).
  static Result<Component> build(const std::vector<std::vector<std::int64_t>>& values,
                                 std::vector<std::size_t> members,
                                 const std::vector<const Condition*>& conditions);

  std::uint64_t rows() const { return rows_; }
  const std::vector<std::size_t>& members() const { return members_; }
  const std::vector<Undefined>& undefined() const { return undefined_; }
  // The value indices of a row, one per member. REQUIRES: row < rows().
  const ValueIndex* row(std::uint64_t row) const { return &cells_[row * members_.size()]; }
  // The row with these value indices, one per member.
  std::optional<std::uint64_t> find(const ValueIndex* key) const;

  // Whether any row satisfies the conditions; nothing is stored. An error as in build().
  static Result<bool> any(const std::vector<std::vector<std::int64_t>>& values,
                          const std::vector<std::size_t>& members,
                          const std::vector<const Condition*>& conditions);

 private:
  std::vector<std::size_t> members_;
  std::vector<ValueIndex> cells_;
  std::uint64_t rows_ = 0;
  std::vector<Undefined> undefined_;
};

}  // namespace mtmc::tuner
