// Internal: the instructions that kernels run most, written for vector units by hand.
#pragma once

#include <cstddef>

#include "emulator/code.hpp"

namespace mtmc::emulator {

struct MatrixForm;
struct MatrixUnit;

struct VectorRow {
  const char* opcode;  // a key of the instruction table
  Handler run[2];      // all lanes, some lanes
};
struct VectorRows {
  const VectorRow* rows;
  size_t count;
  Handler fma_run[2];  // see fuse_runs; [1] may be null: one by one
  // Of runs in which each of the groups has the same 4 or 8 factors b, and the targets are the
  // addends, when all lanes take part; null: as any run.
  Handler fma_outer_4 = nullptr, fma_outer_8 = nullptr;
  // Loads of 32 bits, and of four times 32 bits into the registers of the op's list, when all lanes
  // take part; null: the usual movers.
  Mover load_32 = nullptr, load_4x32 = nullptr;
  // to[l] = value[from[l]] for 32 lanes; the arrays are aligned as registers are, `to` may be
  // `value`; null: lane by lane.
  void (*permute)(uint32_t* to, const uint32_t* value, const int32_t* from) = nullptr;
  // See matrix.hpp; null, or a unit without functions: row by row.
  MatrixUnit (*matrix_unit)(const MatrixForm&, MatrixArithmetic) = nullptr;
};

// For AVX-512. Only for a CPU that has it: see vector_rows.cpp.
VectorRows avx512_rows();
// For builds without FMA; every x86-64 has what they need.
VectorRows sse2_rows();

const VectorRows& rows_of_cpu();

// Puts the rows for this CPU in the place of the table's.
void use_vector_rows(InstructionTable& table);

// From op `first` on, makes each run of consecutive fma.rn.f32 one op that executes all of them:
// the factor that neighbours share stays in vector registers, and nothing is dispatched. Its list
// holds groups {a, count, then count times b, c, d}.
void fuse_runs(Code& code, size_t first);

// Calls begin(a) for each group of such a list, then body(a, b, c, d) for each of its instructions.
template <class Begin, class Body>
inline void for_each_fma(const std::vector<int32_t>& list, Begin begin, Body body) {
  for (size_t i = 0; i < list.size();) {
    const int32_t a = list[i];
    const size_t end = i + 2 + 3 * static_cast<size_t>(list[i + 1]);
    begin(a);
    for (i += 2; i < end; i += 3) body(a, list[i], list[i + 1], list[i + 2]);
  }
}

}  // namespace mtmc::emulator
