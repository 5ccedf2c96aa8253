// Runs a decoded kernel over a grid.
//
// Threads: run() is re-entrant for distinct DeviceMemory objects. Results, profile and the reported
// fault are the same for any number of host threads: blocks are striped statically, kernels whose
// result depends on block order (float atomics, used old values) run on one thread, and of several
// faults the one in the lowest block is reported.
// Errors: only operational ones (host out of memory, a CPU without AVX2, FMA and F16C); anything
// that the kernel or the launch did wrong is LaunchReport::fault.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/error.hpp"
#include "emulator/fault.hpp"
#include "emulator/matrix_arithmetic.hpp"
#include "emulator/memory.hpp"
#include "emulator/profile.hpp"
#include "emulator/program.hpp"
#include "emulator/trace.hpp"

namespace mtmc::emulator {

struct LaunchParams {
  std::array<uint64_t, 3> grid{1, 1, 1};
  std::array<uint32_t, 3> block{1, 1, 1};
  uint64_t dynamic_shared_bytes = 0;
  std::array<uint32_t, 3> cluster{1, 1, 1};  // blocks
  bool cooperative = false;                  // all blocks are resident and may wait for each other
  std::vector<std::byte> arguments;          // laid out as Program::parameters says
};

// What is looked for beside what always is: bounds, alignment and rights of every access (they
// protect this process too), barrier and shuffle rules, budget.
enum class Checks : uint8_t {
  bounds,        // nothing more
  shared_races,  // unordered accesses of different warps to shared memory
  all,  // and uninitialised reads, races of lanes and of blocks, asynchronous copies before
        // their wait, missing proxy fences, division by zero; on one host thread
};

struct RunOptions {
  int threads = 1;
  Checks checks = Checks::bounds;
  // Warp instructions over the whole launch; 0 for no limit.
  uint64_t instruction_budget = 0;
  // Linear block indices (x fastest) to run; empty runs all. Must be increasing. A block runs with
  // its whole cluster. Ignored by kernels whose blocks may wait for each other: all of them run.
  std::vector<uint64_t> blocks;
  bool collect_profile = true;
  MatrixArithmetic matrix_arithmetic = MatrixArithmetic::fma_chain;
  // Blocks of the above to trace for the cost model, ascending: see blocks_to_trace().
  std::vector<uint64_t> traced_blocks;
  uint32_t shared_limit_bytes = 227 * 1024;
  uint64_t resident_block_limit = 0;  // of a cooperative launch; 0: not known
};

struct LaunchReport {
  // Distinct by kind and lines, in the order of blocks. What checkers find does not stop the
  // launch (up to Findings::limit of it is kept); a fault that did stop it comes last.
  std::vector<Fault> faults;
  // The one that stopped the launch, else the first.
  std::optional<Fault> fault;
  bool stopped = false;  // by a fault: blocks are missing, outputs and counts are in part
  Profile profile;       // up to the fault when there is one
  Trace trace;           // of the traced blocks
  // What the kernel printed, in the order of blocks: the first MiB, and how many calls of printf
  // are left out.
  std::string printed;
  uint64_t printed_dropped = 0;
};

Result<LaunchReport> run(const Program& program, DeviceMemory& memory, const LaunchParams& launch,
                         const RunOptions& options);

}  // namespace mtmc::emulator
