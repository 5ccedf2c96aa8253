// A Schedule written out: sources, recipe, tunables and starting points of a Candidate.
#pragma once

#include "base/error.hpp"
#include "kernel/candidate.hpp"
#include "kernel/device_facts.hpp"
#include "kernel/schedule.hpp"
#include "op/primitive.hpp"

namespace mtmc::coder {

// One kernel (or two, for split groups) per group, a workspace buffer for each tensor between
// groups. A bad_input error says which group cannot be written and why.
Result<kernel::Candidate> assemble(const op::Operator& op, const op::Lowering& lowering,
                                   const kernel::Schedule& schedule,
                                   const kernel::DeviceFacts* device);

// One naive group for each primitive.
kernel::Schedule naive_schedule(const op::Lowering& lowering);

}  // namespace mtmc::coder
