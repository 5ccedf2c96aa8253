// What a repair is told of a candidate that is wrong: what happened, where, and the pattern of it.
#pragma once

#include <string>

#include "harness/judge.hpp"
#include "op/operator.hpp"

namespace mtmc::search {

// The verdict's message, the sizes of the case that failed, the first wrong elements with their
// coordinates there, and what they have in common: all zero, all off by one factor, only in the
// last column, ... At most `max_bytes`.
std::string feedback_text(const harness::Evaluation& evaluation, const op::Operator& op,
                          const harness::JudgeLimits& limits, std::size_t max_bytes);

}  // namespace mtmc::search
