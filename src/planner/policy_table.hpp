// Documented priors: what an action has to offer against a bottleneck, before anything is known of
// the case at hand.
//
// The numbers are judgements, written down with their reasons; the planner multiplies them with
// what the coder expects of the step and scales by the distance to the bound. A learned policy
// replaces this table, not its readers.
#pragma once

#include <span>
#include <string_view>

#include "kernel/step.hpp"
#include "planner/planner.hpp"

namespace mtmc::planner {

struct PolicyRow {
  kernel::Action action;
  Bottleneck bottleneck;
  double prior_gain;  // ratio of times, above 1 is faster; 0.5 to 4
  std::string_view why;
};

// One row for every pair of an action (all but `start`) and a bottleneck.
std::span<const PolicyRow> policy_table();
// The pair's row. REQUIRES: action is not `start`.
const PolicyRow& policy_row(kernel::Action action, Bottleneck bottleneck);

}  // namespace mtmc::planner
