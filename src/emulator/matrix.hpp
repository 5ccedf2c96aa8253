// Internal: the arithmetic of matrix instructions, apart from how their operands are fetched.
//
// Every form of mma, wmma.mma and wgmma is a grid of tiles of 8 or 16 rows and 8 columns. Operands
// are widened first (floating elements of up to 32 bits to float, integers to int32_t, f64 stays)
// and then multiplied by the rule of the accumulator.
//
// Fragments are those of the PTX ISA's figures for mma: lane 4 * g + t. A 32-bit register of A
// holds, over the 32 lanes, 8 rows (g) of 16 bytes (t, then the elements of a register, low bits
// first); of B the same for 8 columns. Registers of A alternate between rows 0 to 7 and 8 to 15
// before they go on along k. Rows of 16 bytes are also what a core matrix in shared memory is made
// of, so both are decoded alike. f64 has rows of 32 bytes.
//
// Accumulator tiles are kept with their columns in the order 0 2 4 6 1 3 5 7 ("slots"): a row is
// then four lanes of one register followed by four lanes of the next.
#pragma once

#include <bit>
#include <optional>
#include <string_view>

#include "emulator/alu.hpp"
#include "emulator/listener.hpp"
#include "emulator/run.hpp"

namespace mtmc::emulator {

enum class Element : uint8_t { f16, bf16, tf32, e4m3, e5m2, f64, s8, u8, s4, u4, b1 };
enum class Accumulator : uint8_t { f16, f32, f64, s32 };

constexpr int element_bits(Element e) {
  switch (e) {
    case Element::f16:
    case Element::bf16:
      return 16;
    case Element::tf32:
      return 32;
    case Element::f64:
      return 64;
    case Element::s4:
    case Element::u4:
      return 4;
    case Element::b1:
      return 1;
    default:
      return 8;
  }
}
constexpr int register_bits_of(Element e) { return e == Element::f64 ? 64 : 32; }
constexpr int accumulator_bits(Accumulator d) {
  return d == Accumulator::f16 ? 16 : d == Accumulator::f64 ? 64 : 32;
}
std::optional<Element> element_of(std::string_view type);
std::optional<Accumulator> accumulator_of(std::string_view type);

// What one instruction computes: it travels in Op::imm.
struct MatrixForm {
  uint8_t rows = 16;         // m of the warp: 8, 16 or 32
  uint8_t column_tiles = 1;  // n / 8, up to 32
  uint16_t depth = 16;       // k
  Element a = Element::f16, b = Element::f16;
  Accumulator d = Accumulator::f32;  // also of c
  uint8_t flags = 0;

  static constexpr uint8_t saturate = 1;      // integers: clamp instead of wrap
  static constexpr uint8_t exclusive_or = 2;  // b1: xor.popc, else and.popc
  static constexpr uint8_t negate_a = 4;      // wgmma: imm-scale-a is -1
  static constexpr uint8_t negate_b = 8;      //
  static constexpr uint8_t transpose_a = 16;  // wgmma: M-major
  static constexpr uint8_t transpose_b = 32;  // wgmma: N-major
  static constexpr uint8_t a_in_shared = 64;  // wgmma: a descriptor instead of registers
  static constexpr uint8_t warpgroup = 128;   // wgmma: arithmetic of wgmma, not of mma

  bool has(uint8_t flag) const { return (flags & flag) != 0; }
  int tile_rows() const { return rows == 8 ? 8 : 16; }
  int row_tiles() const { return rows == 32 ? 2 : 1; }
  // Elements of one register, and per lane the registers of one tile.
  int per_register() const { return register_bits_of(a) / element_bits(a); }
  int a_registers() const { return tile_rows() / 8 * b_registers(); }
  int b_registers() const { return depth / (4 * per_register()); }
  int d_registers() const { return tile_rows() / 8 * (d == Accumulator::f16 ? 1 : 2); }
};
static_assert(sizeof(MatrixForm) == 8);

// b1 has the longest k: 256.
inline constexpr int deepest = 256;

// The registers of one operand of a tile: lane arrays. No base: an accumulator of zeros.
struct Fragment {
  char* base = nullptr;
  const int32_t* offset = nullptr;
  char* operator[](int i) const { return base + offset[i]; }
};

constexpr int column_of_slot(int slot) { return slot < 4 ? 2 * slot : 2 * (slot - 4) + 1; }
constexpr int slot_of_column(int column) { return column / 2 + column % 2 * 4; }

// How the tiles of a form are multiplied under an arithmetic. Each operand is decoded once for all
// the tiles that it is part of, into a place of operand_bytes(), aligned to 64, that only the same
// unit reads. Thread safe.
struct MatrixUnit {
  void (*decode_a)(const MatrixForm& form, Fragment a, void* to);
  void (*decode_b)(const MatrixForm& form, Fragment b, void* to);
  // d = a * b + c by the accumulator's rule: see MatrixArithmetic. False when the unit leaves these
  // values to by_rows(); d is then untouched. d may be c.
  bool (*multiply)(const MatrixForm& form, MatrixArithmetic arithmetic, const void* a,
                   const void* b, Fragment c, Fragment d);
};
// The fastest one on this CPU.
MatrixUnit matrix_unit(const MatrixForm& form, MatrixArithmetic arithmetic);
// Multiplies whatever it is given.
MatrixUnit by_rows(const MatrixForm& form);
// For a CPU that has AVX-512; without functions where that is no faster than by_rows().
MatrixUnit avx512_matrix_unit(const MatrixForm& form, MatrixArithmetic arithmetic);

// Room for so many rows of A or columns of B in any unit: values, their exponents, a cache line.
constexpr int operand_bytes(const MatrixForm& form, int vectors) {
  const int wide = form.d == Accumulator::f64 ? 8 : 4;
  return vectors * form.depth * (wide + 2) + 64;
}
inline constexpr int most_operand_bytes = 16 * deepest * 6 + 64;

// d = a * b + c from the registers on, by rows.
void multiply_again(const MatrixForm& form, MatrixArithmetic arithmetic, Fragment a, Fragment b,
                    Fragment c, Fragment d);
// An operand as it was, and as the unit decoded it.
struct MatrixOperand {
  Fragment from;
  const void* decoded;
};
inline void multiply_tile(const MatrixUnit& unit, const MatrixForm& form,
                          MatrixArithmetic arithmetic, const MatrixOperand& a,
                          const MatrixOperand& b, Fragment c, Fragment d) {
  if (__builtin_expect(!unit.multiply(form, arithmetic, a.decoded, b.decoded, c, d), 0)) {
    multiply_again(form, arithmetic, a.from, b.from, c, d);
  }
}

// The rule of a tensor core: see matrix_arithmetic.hpp.
struct TensorCoreRule {
  int fraction_bits = 24;                              // F
  int group = 16;                                      // products per sum
  bool half = false;                                   // f16 result, to nearest even
  int result_bits = 23;                                // fraction bits of an f32 result
  int least_a = -126, least_b = -126, least_c = -126;  // exponents of subnormals
};
TensorCoreRule tensor_core_rule(const MatrixForm& form, MatrixArithmetic arithmetic);
// c += a * b by it; a: rows x depth, b: depth x slots, c: rows x slots. See exec_mma_exact.cpp.
void multiply_exact(const MatrixForm& form, MatrixArithmetic arithmetic, const float* a,
                    const float* b, float* c);

[[noreturn]] void raise_partial_warp(const Op& op, const Warp& warp);

// .aligned instructions need the whole warp. False while other live lanes are still on their way.
template <bool Masked>
bool whole_warp(const Op& op, Warp& warp) {
  if constexpr (Masked) {
    if ((warp.live & ~warp.mask) != 0) {
      warp.waiting = true;
      warp.wait_members = all_lanes;
      return false;
    }
    raise_partial_warp(op, warp);
  }
  notify_synced(warp, all_lanes);
  return true;
}

// An 8 x 8 matrix of 16-bit elements, row by row: also a fragment register over the lanes.
struct alignas(16) Matrix8 {
  uint16_t row[8][8];
};
Matrix8 transpose(const Matrix8& m);

// ldmatrix and stmatrix of count (1, 2, 4) matrices in shared memory; address_bits is that of the
// register, 0 for a generic address. The list holds a register per matrix.
enum class MatrixMove : uint8_t { load, store };
std::array<Handler, 2> matrix_move_handler(int count, int address_bits);
Mover matrix_mover(MatrixMove direction, int count, bool transposed);
std::array<Handler, 2> movmatrix_handler();
// mma and wmma.mma. List: d, a, b, c, each tile by tile. The handler runs what plan_matrix_runs()
// makes of it.
std::array<Handler, 2> mma_handler();
// Makes each run of consecutive mma and wmma.mma of one form one op, from these ops and guarded
// bodies on. An operand that several of them have in common is decoded once.
void plan_matrix_runs(Code& code, size_t first_op, size_t first_guarded);

// ---- wmma --------------------------------------------------------------------------------------
// The layout of wmma fragments is the implementation's own. Here they are mma's: A is cut into
// tiles of 16 rows (8 when m is 8), B into tiles of 8 columns, C and D into both, rows first, and
// each tile has its registers one after the other. f16 A and B have more registers than elements:
// the held ones are repeated.
struct WmmaFragment {
  uint8_t matrix;          // 0 a, 1 b, 2 c or d; bit 2: column-major in memory
  uint8_t element_bits;    // in memory
  uint8_t register_bits;   // 32 or 64
  uint8_t tile_rows;       // 8 or 16
  uint8_t column_tiles;    // n / 8
  uint8_t per_tile;        // registers of a tile
  uint8_t held, declared;  // registers with distinct elements; registers in the instruction

  bool column_major() const { return (matrix & 4) != 0; }
  int kind() const { return matrix & 3; }
  int elements() const { return register_bits / element_bits; }  // of a register
  // The elements of a register are neighbours in memory.
  bool contiguous() const { return elements() == 1 || (kind() == 1) == column_major(); }
  int accesses() const { return contiguous() ? 1 : elements(); }  // per register
  int access_bytes() const { return register_bits / 8 / accesses(); }
  int contiguous_extent(int m, int n, int k) const {
    return kind() == 0   ? (column_major() ? m : k)
           : kind() == 1 ? (column_major() ? k : n)
                         : (column_major() ? m : n);
  }
};
static_assert(sizeof(WmmaFragment) == 8);
WmmaFragment wmma_fragment(const MatrixForm& form, char matrix, bool column_major);
enum class WmmaSpace : uint8_t { generic, global, shared32, shared64 };
// imm: WmmaFragment. List: address offset, WmmaSpace, declared registers. a: address, b: stride.
// One site per access, two when generic.
std::array<Handler, 2> wmma_handler(bool store);
Mover wmma_mover(bool store, int bytes);

// ---- wgmma -------------------------------------------------------------------------------------
// imm: MatrixForm of a warp's 16 rows. a, b: descriptors; c: scale-d predicate. List: d, then a.
// Sites: A in shared memory, then two column tiles each.
std::array<Handler, 2> wgmma_handler();
enum class WgmmaOrder : uint8_t { fence, commit, wait };  // wait: imm is the groups left pending
std::array<Handler, 2> wgmma_order_handler(WgmmaOrder order);

}  // namespace mtmc::emulator
