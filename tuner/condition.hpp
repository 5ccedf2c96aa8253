// One condition of a space, ready for the millions of answers that building takes: it says which
// values of one parameter are allowed while the others stand still, as a bit mask, and remembers
// each answer.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/value.hpp"
#include "tuner/constraint.hpp"
#include "tuner/lanes.hpp"

namespace mtmc::tuner {

// The place of a value in its parameter's list.
using ValueIndex = std::uint16_t;

// All that conditions speak of: the parameters of the space, then its facts with one value each.
struct Domains {
  std::vector<std::string> names;
  std::vector<std::vector<Value>> values;
  std::vector<std::vector<double>> numbers;  // the same; 0 where a value is a text
  std::vector<SlotRange> ranges;
  Slots slots;

  void add(std::string name, std::vector<Value> list);
};

// A part of a constraint. Several may come from one: a top-level `and` is split, so that each half
// prunes as early as it can.
struct Condition {
  std::size_t source = 0;  // which of the caller's constraints
  Expr expr;
  Syntax syntax = Syntax::checked;
  std::vector<std::size_t> members;  // slots in use that have several values, increasing
};

// What the conditions of one search may still cost.
struct Effort {
  std::int64_t lane_steps = std::int64_t{1} << 34;  // operations on one value
  std::int64_t tree_steps = std::int64_t{1} << 28;  // nodes walked where lanes do not compile
};

class Filter {
 public:
  // `running`: the member whose values are asked about. The arguments outlive the filter.
  Filter(const Condition& condition, const Domains& domains, std::size_t running, Effort& effort);

  // Bits of the running slot's values that are allowed while every other slot has the value at
  // `digits[slot]`; `standing` holds the same as numbers. Valid until the next call. nullptr where
  // it cannot be said: error() tells why.
  const std::uint64_t* allowed(const std::vector<ValueIndex>& digits,
                               const std::vector<double>& standing);
  const Error& error() const { return *error_; }
  const Condition& condition() const { return condition_; }

  // Combinations without a value (division by zero, overflow) that were met, and the first.
  std::uint64_t undefined() const { return undefined_; }
  const std::vector<ValueIndex>& first_undefined() const { return first_undefined_; }

 private:
  bool compute(const std::vector<ValueIndex>& digits, const std::vector<double>& standing,
               std::uint64_t* words);
  bool walk_trees(const std::vector<ValueIndex>& digits);

  const Condition& condition_;
  const Domains& domains_;
  std::size_t running_, words_;
  Effort& effort_;
  std::optional<Lanes> lanes_;
  std::vector<std::size_t> others_;  // members without the running one
  std::vector<std::uint64_t> table_, scratch_words_;
  std::vector<char> known_;  // per entry of the table; empty: too many, nothing is remembered
  std::vector<double> scratch_;
  std::vector<std::uint8_t> truth_;
  std::uint64_t undefined_ = 0;
  std::vector<ValueIndex> first_undefined_;
  std::optional<Error> error_;
};

// The value of a condition, by the tree evaluators: true, false, or why there is none. `fatal` is
// set where the reason is no property of the combination (a wrong type, a number too large).
Result<bool> evaluate(const Condition& condition, const Domains& domains,
                      const std::vector<ValueIndex>& digits, std::int64_t* steps, bool* fatal);

}  // namespace mtmc::tuner
