// Expressions over many values at once: one slot runs through its list while the others stand
// still. What depends on standing slots alone is computed once, the rest in flat loops over
// doubles, so that building a space costs a fraction of a nanosecond per operation.
//
// Doubles are exact here: compiling carries intervals along, and an expression that could leave
// the integers below 2^53 (or the finite reals) does not compile. A value that does not exist
// (division by zero) is NaN, and travels through all that needs it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/expr.hpp"

namespace mtmc::tuner {

// What compiling must know of a slot: the span of its values.
struct SlotRange {
  double low = 0, high = 0;
  bool integer = true;  // all its values are integers
  bool numeric = true;  // false: texts; nothing that uses the slot compiles
};
using Slots = std::map<std::string, std::size_t, std::less<>>;

class Lanes {
 public:
  // nullopt where the expression has parts that need the tree evaluators: texts, lists, powers,
  // numbers that may leave the exact range. Every symbol must have a slot. `varying` is the slot
  // that runs.
  static std::optional<Lanes> compile(const Expr& expr, Syntax syntax, const Slots& slots,
                                      const std::vector<SlotRange>& ranges, std::size_t varying);

  // Whether the value at each lane is true, one byte each: 0 false, 1 true, 2 no value.
  // `standing` holds a number per slot (the varying one is not read), `running` the n values of
  // the varying slot. `scratch` is the caller's, reused between calls. Thread safe with own
  // scratch.
  void run(const double* standing, const double* running, std::size_t n,
           std::vector<double>* scratch, std::uint8_t* truth) const;

  std::size_t operations() const { return steps_.size(); }

 private:
  enum class Code : std::uint8_t {
    constant,
    slot,
    negate,
    logical_not,
    absolute,
    add,
    sub,
    mul,
    true_div,
    floor_div,
    mod,
    real_mod,
    ceil_div,
    align_up,
    min,
    max,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    and_bool,
    or_bool,
    and_value,
    or_value,
    select,
  };
  struct Step {
    Code code;
    bool varying = false;
    bool partial = false;               // an operand may have no value
    std::uint32_t a = 0, b = 0, c = 0;  // registers; for `slot` a is the slot
    double constant = 0;
  };
  struct Build;

  std::vector<Step> steps_;  // step i writes register i
};

}  // namespace mtmc::tuner
