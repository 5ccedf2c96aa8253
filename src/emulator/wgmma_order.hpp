// Internal: registers of asynchronous matrix instructions. wgmma reads and writes registers behind
// the program's back: between its issue and wgmma.wait_group nobody may touch its accumulators nor
// overwrite its A registers, and what the program wrote to either before must lie ahead of a
// wgmma.fence.
//
// Which registers are meant is known before the kernel runs, so this is a data-flow analysis, and
// costs nothing where there is no hazard: in front of each instruction that breaks a rule on some
// path goes an operation that raises async_copy_hazard when it is executed while every check is on.
//
// Copies between registers are not accesses: NVRTC makes them where the source has none (tied
// operands of inline assembly, loop-carried values), and ptxas takes them away. A copy inherits
// what holds of its source.
#pragma once

#include <cstdint>
#include <vector>

#include "emulator/lower.hpp"

namespace mtmc::emulator {

// Inserts those operations; true when it did, and the flow must be built anew.
bool insert_wgmma_hazards(std::vector<Lowered>& code, std::vector<uint32_t>& labels,
                          const Flow& flow, size_t registers);

}  // namespace mtmc::emulator
