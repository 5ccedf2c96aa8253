// One independent part of a tuning space: parameters that constraints tie together. A space is the
// product of its components, and the product is never written out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "tuner/condition.hpp"

namespace mtmc::tuner {

// The valid rows of one component. Immutable once built; thread safe.
class Component {
 public:
  // Combinations of a constraint's parameters for which it has no value (division by zero): how
  // many were met, and the digits of all slots at the first.
  struct Undefined {
    const Condition* condition = nullptr;
    std::uint64_t combinations = 0;
    std::vector<ValueIndex> first;
  };

  // `members` (increasing) are slots of `domains`; `conditions` use these and slots with one value.
  // The rows come in lexicographic order of their digits in the order of members(), which is
  // chosen for the search and need not be increasing. `undefined` gets what was met on the way.
  // bad_input where the rows or the search for them pass the limits (64 Mi cells, 2^28 prefixes),
  // or a condition cannot be computed.
  static Result<Component> build(const Domains& domains, std::vector<std::size_t> members,
                                 const std::vector<const Condition*>& conditions,
                                 std::vector<Undefined>* undefined);
  // Given rows: `cells` holds rows of digits in the order of `members`, sorted and distinct.
  static Component of_rows(std::vector<std::size_t> members, std::vector<ValueIndex> cells);

  std::uint64_t rows() const { return rows_; }
  const std::vector<std::size_t>& members() const { return members_; }
  // The digits of a row, one per member. REQUIRES: row < rows().
  const ValueIndex* row(std::uint64_t row) const { return &cells_[row * members_.size()]; }
  // The row with these digits, one per member.
  std::optional<std::uint64_t> find(const ValueIndex* key) const;
  // Rows whose every digit is at most one away from that of `row`, `row` included.
  std::vector<std::uint64_t> box(std::uint64_t row) const;

  // Whether any row satisfies the conditions; nothing is stored. An error as in build().
  static Result<bool> any(const Domains& domains, const std::vector<std::size_t>& members,
                          const std::vector<const Condition*>& conditions);

 private:
  void box(const ValueIndex* centre, std::size_t depth, std::uint64_t low, std::uint64_t high,
           std::vector<std::uint64_t>* found) const;

  std::vector<std::size_t> members_;
  std::vector<ValueIndex> cells_;
  std::uint64_t rows_ = 0;
};

}  // namespace mtmc::tuner
