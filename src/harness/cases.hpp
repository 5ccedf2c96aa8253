// Cases: the bindings at which a candidate is judged, and the tolerance by which.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "op/reference.hpp"

namespace mtmc::harness {

// Part of every verdict's identity: raise it when cases, inputs, tolerances or the order of work change.
inline constexpr int kHarnessVersion = 2;

struct Case {
  std::string name;  // "tiny", "odd", "reduced", "stated"
  Symbols dims;
};

// The operator at other bindings, smallest first; the stated one is last. An operator without named dims has only that.
// A binding that the operator refuses (rebind fails) is moved to the nearest one that it takes, or left out. `small_operations`
// bounds what the odd and reduced cases may cost; there is a reduced one where the stated costs more than `whole_operations`.
std::vector<Case> make_cases(const op::Operator& op, double small_operations, double whole_operations);

// Largest honest distance from the reference:
//   16 * u(compute) * error  +  2 * u(stored) * |value|  +  smallest step of the stored type
// u is the unit roundoff; `error` is the reference's first-order bound, which holds the reduction length. Integers
// and bools compare exactly.
double tolerance(op::DType stored, const op::ReferenceValue& reference);
// The rule above in a word: part of every verdict's identity.
std::string tolerance_name();

}  // namespace mtmc::harness
