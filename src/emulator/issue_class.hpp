// What one PTX instruction asks of the hardware, from its opcode alone. The counters count by these
// classes and the cost model prices them: there is no other classification.
//
// Pure functions of the text; opcodes that nothing is known about are IssueClass::other.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace mtmc::emulator {

// One warp executing one PTX instruction with any lane active counts once.
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
  divide_f64,       // div rcp sqrt rsqrt of f64
  divide_integer,   // div rem of 32 bits and less
  divide_integer64,
  load_global,  // ld of global or generic space
  store_global,
  load_shared,
  store_shared,
  load_local,  // local space: spills and arrays in registers' stead
  store_local,
  load_constant,  // ld.param ld.const
  atomic_global,  // atom and red of global or generic space
  atomic_shared,
  async_copy,   // cp.async and bulk copies: the instruction that starts one
  shuffle,      // shfl vote match redux activemask elect
  barrier,      // bar barrier mbarrier membar fence, waiting for copies
  control,      // bra brx call ret exit trap
  matrix,       // mma wmma.mma wgmma; their work is in matrix_operations
  matrix_load,  // ldmatrix stmatrix wmma.load wmma.store
  other,        // hints and whatever has no row here
};
inline constexpr std::size_t kIssueClassCount = static_cast<std::size_t>(IssueClass::other) + 1;

// The name as written above.
const char* issue_class_name(IssueClass value);

// Of an opcode as PTX writes it, with all modifiers: "fma.rn.f32", "ld.global.nc.v4.f32".
IssueClass issue_class_of(std::string_view opcode);

// Bytes that each lane of a load or store moves, from type and vector length; 0 if unknown.
std::uint32_t access_bytes_of(std::string_view opcode);

// The unit that arithmetic runs on: rows of a device's peak rates.
enum class ComputeKind : std::uint8_t {
  fp32,
  fp64,
  fp16,  // packed f16 or bf16 outside the tensor cores
  tf32_tensor,
  f16_tensor,
  bf16_tensor,
  fp8_tensor,
  int8_tensor,  // and narrower integers
  fp64_tensor,
};
inline constexpr std::size_t kComputeKindCount =
    static_cast<std::size_t>(ComputeKind::fp64_tensor) + 1;

const char* compute_kind_name(ComputeKind kind);

// What one warp does in one matrix instruction: a fused multiply-add is two operations. Of a sparse
// one the products that are computed; of wgmma the warp's quarter.
struct MatrixWork {
  ComputeKind kind;
  std::uint32_t operations;
};
// Empty for an opcode that is no matrix multiplication, or whose shape is not in its text.
std::optional<MatrixWork> matrix_work_of(std::string_view opcode);

}  // namespace mtmc::emulator
