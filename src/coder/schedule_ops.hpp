// Actions on schedules: what each step of the template coder's vocabulary changes, and where it is
// legal.
//
//   fuse       "g0+g1" or "*"   groups become one where one of the styles can write them
//   tile       "g0"             a reduction gets a block (row) or shared-memory tiles (matmul)
//   vectorize  "g0" vector=N    neighbours in one access
//   stage      "g0"             rows stay in registers; matmul tiles are double buffered
//   reorder    "g0"             row: neighbouring threads take neighbouring rows; matmul: blocks in
//                               groups
//   split      "g0" ways=N      a reduction in two launches through a workspace
//   tensorize  "g0"             matmul: mma.sync on f16 or bf16 operands, f32 sums
//   swizzle    "g0"             tensor-core tiles permuted instead of padded
//   pipeline   "g0"             tensor-core tiles in a ring that asynchronous copies fill
//   persist    "g0"             a grid-stride loop over a fixed number of blocks
// A group is legal when its style's writer can write it, so legality and code cannot disagree.
#pragma once

#include <vector>

#include "base/error.hpp"
#include "kernel/device_facts.hpp"
#include "kernel/schedule.hpp"
#include "kernel/step.hpp"
#include "op/primitive.hpp"

namespace mtmc::coder {

struct ScheduleTask {
  const op::Lowering& lowering;
  const kernel::DeviceFacts* device = nullptr;
};

// The schedule after a step; a bad_input error says why the step does not apply.
Result<kernel::Schedule> transform(const ScheduleTask& task, const kernel::Schedule& schedule,
                                   const kernel::Step& step);

// All steps that transform accepts and that change the schedule, with options and a prior of their
// gain.
std::vector<kernel::Step> admissible_steps(const ScheduleTask& task,
                                           const kernel::Schedule& schedule);

}  // namespace mtmc::coder
