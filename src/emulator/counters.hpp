// What one emulated launch did, in counts: the executor's listeners fill it, the cost model and the
// reports read it. Plain integers, exact and independent of the host; no time anywhere.
//
// All counts cover the blocks that ran. Where only a sample of the grid ran, whoever reads scales
// by blocks_total / blocks_run; unique counts do not scale so simply (see cost_model.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mtmc::emulator {

struct Profile;  // emulator/profile.hpp

// What an instruction occupies, from its PTX opcode and type: finer than InstructionClass, which is
// for people. One warp executing one PTX instruction with any lane active counts once.
enum class IssueClass : std::uint8_t {
  fp32,              // add sub mul fma min max neg abs copysign of f32
  fp16,              // the same of f16, bf16 and their packed forms
  fp64,              // the same of f64
  integer,           // add sub min max neg abs sad, logic, shift, lop3, bfi bfe prmt, 8 to 32 bits
  integer_multiply,  // mul mad mul24 dp4a of 32 bits and less, mul.wide included
  integer64,         // the class integer in 64 bits
  integer64_multiply,
  bit_count,        // popc clz bfind brev fns of any width
  compare,          // setp set testp, predicate logic
  select,           // selp slct
  move,             // mov cvta, reading a special register
  conversion,       // cvt between float and integer, and float to an integral float
  conversion_half,  // cvt between f32 and f16, bf16, tf32, fp8; between integers: none is slow
  conversion64,     // cvt with f64, or between a float and a 64-bit integer
  special,          // ex2 lg2 sin cos tanh rcp rsqrt sqrt .approx
  divide_f32,       // div.rn div.full rcp.rn sqrt.rn of f32: a sequence on the hardware
  divide_f64,
  divide_integer,  // div rem of 32 bits and less
  divide_integer64,
  load_global,  // ld of global or generic space
  store_global,
  load_shared,
  store_shared,
  load_local,  // local space: spills and arrays in registers' stead
  store_local,
  load_constant,  // ld.param ld.const
  atomic_global,  // atom and red
  atomic_shared,
  async_copy,   // cp.async
  shuffle,      // shfl vote match redux activemask
  barrier,      // bar barrier membar fence
  control,      // bra call ret exit
  matrix,       // mma wmma; their work is in matrix_operations
  matrix_load,  // ldmatrix stmatrix
  other,
};
inline constexpr std::size_t kIssueClassCount = static_cast<std::size_t>(IssueClass::other) + 1;

// The name as written above.
const char* issue_class_name(IssueClass value);

// The unit that arithmetic runs on: rows of a device's peak rates.
enum class ComputeKind : std::uint8_t {
  fp32,
  fp64,
  fp16,  // packed f16 or bf16 outside the tensor cores
  tf32_tensor,
  f16_tensor,
  bf16_tensor,
  fp8_tensor,
};
inline constexpr std::size_t kComputeKindCount =
    static_cast<std::size_t>(ComputeKind::fp8_tensor) + 1;

const char* compute_kind_name(ComputeKind kind);

inline constexpr std::uint64_t kSectorBytes = 32;

// Global memory traffic of one direction.
struct GlobalTraffic {
  std::uint64_t requests = 0;  // warp instructions
  std::uint64_t sectors = 0;   // 32-byte sectors, counted per request
  // Distinct sectors within each block, summed over blocks: what an ideal L1 would let through.
  // 0 is unknown: sectors stands in.
  std::uint64_t block_sectors = 0;
  // Distinct sectors over all blocks that ran: what an ideal L2 would let through.
  std::uint64_t unique_sectors = 0;
};

// Shared memory traffic of one direction. A request without bank conflicts takes one wavefront per
// 128 bytes.
struct SharedTraffic {
  std::uint64_t requests = 0;
  std::uint64_t wavefronts = 0;
};

struct KernelCounters {
  std::uint64_t blocks_run = 0;
  std::uint64_t blocks_total = 0;
  std::uint32_t threads_per_block = 0;

  std::array<std::uint64_t, kIssueClassCount> warp_instructions{};

  GlobalTraffic global_load;  // atomics are loads and stores of their sectors
  GlobalTraffic global_store;
  SharedTraffic shared_load;
  SharedTraffic shared_store;
  std::uint64_t local_sectors = 0;  // loads and stores
  // Bytes of the allocations that any block touched, the ceiling of distinct bytes; 0 is unknown.
  std::uint64_t touched_allocation_bytes = 0;

  // Floating-point operations of matrix instructions (2 * m * n * k per warp), by unit.
  std::array<std::uint64_t, kComputeKindCount> matrix_operations{};

  std::uint64_t& of(IssueClass c) { return warp_instructions[static_cast<std::size_t>(c)]; }
  std::uint64_t of(IssueClass c) const { return warp_instructions[static_cast<std::size_t>(c)]; }
};

// The counters behind a profile. Its classes are coarser: conversions count as conversion_half,
// special as special with the divisions in it, integer as 32 bits. block_sectors is unknown.
KernelCounters counters_of(const Profile& profile, std::uint32_t threads_per_block);

}  // namespace mtmc::emulator
