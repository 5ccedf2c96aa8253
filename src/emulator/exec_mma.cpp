// mma and wmma.mma: fragments to wide tiles, the multiplication, and back; runs of them decode each
// operand once. The tile loops are plain GCC vectors of 8, which any target lowers; only f16 and
// bf16 operands have code for AVX2, and exec_mma_avx512.cpp does the commonest forms.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "emulator/matrix.hpp"
#include "emulator/matrix_vector.hpp"
#include "emulator/numeric.hpp"
#include "emulator/vector_rows.hpp"

namespace mtmc::emulator {
namespace {

constexpr int row_bytes(const MatrixForm& form) { return register_bits_of(form.a) / 8 * 4; }

const std::array<float, 256>& fp8_table(Element e) {
  const auto make = [](auto widen) {
    std::array<float, 256> table{};
    for (int i = 0; i < 256; ++i) {
      table[i] = numeric::f16_to_f32(widen(static_cast<uint8_t>(i)));
    }
    return table;
  };
  static const std::array<float, 256> e4m3 = make(numeric::small_to_f16<numeric::E4m3>);
  static const std::array<float, 256> e5m2 = make(numeric::small_to_f16<numeric::E5m2>);
  return e == Element::e4m3 ? e4m3 : e5m2;
}

template <class T, class W, class F>
void decode_each(const void* bytes, W* out, F widen) {
  T in[16 / sizeof(T)];
  std::memcpy(in, bytes, sizeof(in));
  for (size_t i = 0; i < 16 / sizeof(T); ++i) out[i] = widen(in[i]);
}

}  // namespace

std::optional<Element> element_of(std::string_view type) {
  if (type == "f16") return Element::f16;
  if (type == "bf16") return Element::bf16;
  if (type == "tf32") return Element::tf32;
  if (type == "e4m3") return Element::e4m3;
  if (type == "e5m2") return Element::e5m2;
  if (type == "f64") return Element::f64;
  if (type == "s8") return Element::s8;
  if (type == "u8") return Element::u8;
  if (type == "s4") return Element::s4;
  if (type == "u4") return Element::u4;
  if (type == "b1") return Element::b1;
  return std::nullopt;
}

std::optional<Accumulator> accumulator_of(std::string_view type) {
  if (type == "f16") return Accumulator::f16;
  if (type == "f32") return Accumulator::f32;
  if (type == "f64") return Accumulator::f64;
  if (type == "s32") return Accumulator::s32;
  return std::nullopt;
}

// ---- operands ----------------------------------------------------------------------------------

namespace {

// 16 bytes (f64: 32 bytes) widened.
void decode_row(Element e, const void* bytes, float* out) {
  switch (e) {
    case Element::f16:
      return decode_each<uint16_t>(bytes, out, [](uint16_t x) { return numeric::f16_to_f32(x); });
    case Element::bf16:
      return decode_each<uint16_t>(
          bytes, out, [](uint16_t x) { return numeric::f32_of(static_cast<uint32_t>(x) << 16); });
    case Element::tf32:  // the low 13 bits are not looked at
      return decode_each<uint32_t>(bytes, out,
                                   [](uint32_t x) { return numeric::f32_of(x & 0xffffe000u); });
    default: {
      const std::array<float, 256>& table = fp8_table(e);
      return decode_each<uint8_t>(bytes, out, [&](uint8_t x) { return table[x]; });
    }
  }
}

void decode_row(Element, const void* bytes, double* out) { std::memcpy(out, bytes, 32); }

void decode_row(Element e, const void* bytes, int32_t* out) {
  switch (e) {
    case Element::s8:
      return decode_each<int8_t>(bytes, out, [](int8_t x) { return int32_t{x}; });
    case Element::s4:
    case Element::u4: {
      uint8_t in[16];
      std::memcpy(in, bytes, sizeof(in));
      for (int i = 0; i < 32; ++i) {
        const int nibble = in[i / 2] >> (i % 2 * 4) & 15;
        out[i] = e == Element::s4 && nibble >= 8 ? nibble - 16 : nibble;
      }
      return;
    }
    case Element::b1: {
      uint8_t in[16];
      std::memcpy(in, bytes, sizeof(in));
      for (int i = 0; i < 128; ++i) out[i] = in[i / 8] >> (i % 8) & 1;
      return;
    }
    default:
      return decode_each<uint8_t>(bytes, out, [](uint8_t x) { return int32_t{x}; });
  }
}

template <class W>
void negate(W* values, int count) {
  for (int i = 0; i < count; ++i) values[i] = -values[i];
}

template <class W>
void decode_a(const MatrixForm& form, Fragment reg, void* to_place) {
  W* a = static_cast<W*>(to_place);
  const int run = 4 * form.per_register();
  const int halves = form.tile_rows() / 8;
  const int bytes = row_bytes(form);
  for (int i = 0; i < form.a_registers(); ++i) {
    const char* from = reg[i];
    W* to = a + (i % halves) * 8 * form.depth + i / halves * run;
#ifdef __AVX2__
    if constexpr (std::is_same_v<W, float>) {
      if (form.a == Element::f16 || form.a == Element::bf16) {
        for (int r = 0; r < 8; ++r) {
          const __m128i x = _mm_load_si128(reinterpret_cast<const __m128i*>(from + r * 16));
          store8(to + r * form.depth, form.a == Element::f16 ? f16_to_f8(x) : bf16_to_f8(x));
        }
        continue;
      }
    }
#endif
    for (int r = 0; r < 8; ++r) decode_row(form.a, from + r * bytes, to + r * form.depth);
  }
  if (form.has(MatrixForm::negate_a)) negate(a, form.tile_rows() * form.depth);
}

template <class W>
void fill_b(const MatrixForm& form, Fragment reg, W* b) {
#ifdef __AVX2__
  if constexpr (std::is_same_v<W, float>) {
    if (form.b == Element::f16 || form.b == Element::bf16) {
      return decode_b_halves(form.b == Element::bf16, reg, form.b_registers(), b);
    }
  }
#endif
  const int run = 4 * form.per_register();
  const int bytes = row_bytes(form);
  W row[deepest];
  for (int i = 0; i < form.b_registers(); ++i) {
    const char* from = reg[i];
    for (int s = 0; s < 8; ++s) {
      decode_row(form.b, from + column_of_slot(s) * bytes, row);
      W* to = b + i * run * 8 + s;
      for (int k = 0; k < run; ++k) to[k * 8] = row[k];
    }
  }
}
template <class W>
void decode_b(const MatrixForm& form, Fragment reg, void* to) {
  W* b = static_cast<W*>(to);
  fill_b(form, reg, b);
  if (form.has(MatrixForm::negate_b)) negate(b, form.depth * 8);
}

template <class W>
void load_accumulator(const MatrixForm& form, Fragment reg, W* c) {
  if (reg.base == nullptr) {
    std::fill(c, c + 128, W{});
    return;
  }
  for (int h = 0; h < form.tile_rows() / 8; ++h) {
    W* rows = c + h * 64;
    if constexpr (std::is_same_v<W, float>) {
      if (form.d == Accumulator::f16) {
        const auto* in = reinterpret_cast<const uint16_t*>(reg[h]);
        for (int i = 0; i < 64; ++i) {
          rows[i / 8 * 8 + slot_of_column(i % 8)] = numeric::f16_to_f32(in[i]);
        }
        continue;
      }
    }
    const W* low = reinterpret_cast<const W*>(reg[2 * h]);
    const W* high = reinterpret_cast<const W*>(reg[2 * h + 1]);
    for (int g = 0; g < 8; ++g) join4(low + 4 * g, high + 4 * g, rows + 8 * g);
  }
}

template <class W>
void store_accumulator(const MatrixForm& form, const W* c, Fragment reg) {
  for (int h = 0; h < form.tile_rows() / 8; ++h) {
    const W* rows = c + h * 64;
    if constexpr (std::is_same_v<W, float>) {
      if (form.d == Accumulator::f16) {
        auto* out = reinterpret_cast<uint16_t*>(reg[h]);
        for (int i = 0; i < 64; ++i) {
          out[i] = numeric::f32_to_f16(rows[i / 8 * 8 + slot_of_column(i % 8)]);
        }
        continue;
      }
    }
    W* low = reinterpret_cast<W*>(reg[2 * h]);
    W* high = reinterpret_cast<W*>(reg[2 * h + 1]);
    for (int g = 0; g < 8; ++g) split4(rows + 8 * g, low + 4 * g, high + 4 * g);
  }
}

// ---- multiplication ----------------------------------------------------------------------------

void multiply(const MatrixForm& form, MatrixArithmetic arithmetic, const float* a, const float* b,
              float* c) {
  if (arithmetic != MatrixArithmetic::fma_chain) {
    return multiply_exact(form, arithmetic, a, b, c);
  }
  const int depth = form.depth;
  // Products of f16 and of fp8 are exact in f32 and cannot leave its range.
  const bool exact_products = form.a != Element::bf16 && form.a != Element::tf32;
  for (int first = 0; first < form.tile_rows(); first += 8) {
    const float* rows = a + first * depth;
    float* sums = c + first * 8;
    F8 sum[8];
    for (int r = 0; r < 8; ++r) sum[r] = load8(sums + r * 8);
    if (exact_products) {
      for (int k = 0; k < depth; ++k) {
        const F8 column = load8(b + k * 8);
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r) sum[r] = add_product<true>(rows[r * depth + k], column, sum[r]);
      }
    } else {
      for (int k = 0; k < depth; ++k) {
        const F8 column = load8(b + k * 8);
#pragma GCC unroll 8
        for (int r = 0; r < 8; ++r)
          sum[r] = add_product<false>(rows[r * depth + k], column, sum[r]);
      }
    }
    for (int r = 0; r < 8; ++r) store8(sums + r * 8, sum[r]);
  }
}

void multiply(const MatrixForm& form, MatrixArithmetic, const double* a, const double* b,
              double* c) {
  for (int r = 0; r < form.tile_rows(); ++r) {
    for (int k = 0; k < form.depth; ++k) {
      const double x = a[r * form.depth + k];
      for (int s = 0; s < 8; ++s) c[r * 8 + s] = std::fma(x, b[k * 8 + s], c[r * 8 + s]);
    }
  }
}

void multiply(const MatrixForm& form, MatrixArithmetic, const int32_t* a, const int32_t* b,
              int32_t* c) {
  // 256 products of at most 2^16 in size: the sum itself fits; only adding c may not.
  const bool exclusive = form.has(MatrixForm::exclusive_or);
  for (int r = 0; r < form.tile_rows(); ++r) {
    alignas(32) int32_t sum[8] = {};
    for (int k = 0; k < form.depth; ++k) {
      const int32_t x = a[r * form.depth + k];
      if (exclusive) {
        for (int s = 0; s < 8; ++s) sum[s] += x ^ b[k * 8 + s];
      } else {
        for (int s = 0; s < 8; ++s) sum[s] += x * b[k * 8 + s];
      }
    }
    for (int s = 0; s < 8; ++s) {
      const int64_t wide = int64_t{c[r * 8 + s]} + sum[s];
      c[r * 8 + s] = form.has(MatrixForm::saturate) ? numeric::saturate_to<int32_t>(wide)
                                                    : static_cast<int32_t>(wide);
    }
  }
}

}  // namespace

void raise_partial_warp(const Op& op, const Warp& warp) {
  raise(FaultKind::unsupported, op, static_cast<int>(warp.index * lanes) + __builtin_ctz(warp.mask),
        0,
        fmt::format("a matrix instruction needs 32 lanes, {} are left",
                    __builtin_popcount(warp.mask)));
}

// ---- units -------------------------------------------------------------------------------------

namespace {

template <class W>
bool multiply_rows(const MatrixForm& form, MatrixArithmetic arithmetic, const void* a,
                   const void* b, Fragment c, Fragment d) {
  alignas(64) W sums[16 * 8];
  load_accumulator(form, c, sums);
  multiply(form, arithmetic, static_cast<const W*>(a), static_cast<const W*>(b), sums);
  store_accumulator(form, sums, d);
  return true;
}

template <class W>
constexpr MatrixUnit rows_unit = {decode_a<W>, decode_b<W>, multiply_rows<W>};

}  // namespace

MatrixUnit by_rows(const MatrixForm& form) {
  return form.d == Accumulator::f64   ? rows_unit<double>
         : form.d == Accumulator::s32 ? rows_unit<int32_t>
                                      : rows_unit<float>;
}

MatrixUnit matrix_unit(const MatrixForm& form, MatrixArithmetic arithmetic) {
  const auto of_cpu = rows_of_cpu().matrix_unit;
  const MatrixUnit fast = of_cpu != nullptr ? of_cpu(form, arithmetic) : MatrixUnit{};
  return fast.multiply != nullptr ? fast : by_rows(form);
}

void multiply_again(const MatrixForm& form, MatrixArithmetic arithmetic, Fragment a, Fragment b,
                    Fragment c, Fragment d) {
  const MatrixUnit unit = by_rows(form);
  alignas(64) char a_room[most_operand_bytes];
  alignas(64) char b_room[most_operand_bytes / 2];
  unit.decode_a(form, a, a_room);
  unit.decode_b(form, b, b_room);
  unit.multiply(form, arithmetic, a_room, b_room, c, d);
}

// ---- runs of instructions ----------------------------------------------------------------------

namespace {

// Places for decoded operands, A's then B's, and what they hold: the offsets of registers.
struct Places {
  using Held = std::vector<int32_t>;
  int bytes, first;
  std::vector<Held> held;
  size_t next = 0;

  Places(int operand, int room, int most, int first_byte)
      : bytes((operand + 63) / 64 * 64),
        first(first_byte),
        held(static_cast<size_t>(std::clamp(room / bytes, 1, most))) {}

  int end() const { return first + bytes * static_cast<int>(held.size()); }
  // The place where these registers are; complemented where they are yet to be decoded to.
  int32_t find(const Held& registers) {
    for (size_t i = 0; i < held.size(); ++i) {
      if (held[i] == registers) return first + bytes * static_cast<int>(i);
    }
    const size_t chosen = next++ % held.size();
    held[chosen] = registers;
    return ~(first + bytes * static_cast<int>(chosen));
  }
  void forget(const Held& written) {
    for (Held& h : held) {
      const auto lost = [&](int32_t r) { return std::find(h.begin(), h.end(), r) != h.end(); };
      if (std::any_of(written.begin(), written.end(), lost)) h.clear();
    }
  }
};

constexpr int room_of_a = 8 * 1024, room_of_b = 8 * 1024;
constexpr int operand_room = room_of_a + room_of_b + most_operand_bytes + most_operand_bytes / 2;

// The plan of a run: per tile the places of A and B, then the registers d, a, b and c.
class RunPlan {
 public:
  explicit RunPlan(const MatrixForm& form)
      : form_(form),
        a_(operand_bytes(form, form.tile_rows()), room_of_a, 4, 0),
        b_(operand_bytes(form, 8), room_of_b, 8, a_.end()) {}

  void add(const std::vector<int32_t>& list) {
    const int rows = form_.row_tiles(), columns = form_.column_tiles;
    const int32_t* const d = list.data();
    const int32_t* const a = d + rows * columns * form_.d_registers();
    const int32_t* const b = a + rows * form_.a_registers();
    const int32_t* const c = b + columns * form_.b_registers();
    const auto registers = [](const int32_t* from, int tile, int count) {
      return Places::Held(from + tile * count, from + (tile + 1) * count);
    };
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) {
        const Places::Held of_a = registers(a, i, form_.a_registers());
        const Places::Held of_b = registers(b, j, form_.b_registers());
        const Places::Held of_d = registers(d, i * columns + j, form_.d_registers());
        list_.push_back(a_.find(of_a));
        list_.push_back(b_.find(of_b));
        for (const Places::Held& part :
             {of_d, of_a, of_b, registers(c, i * columns + j, form_.d_registers())}) {
          list_.insert(list_.end(), part.begin(), part.end());
        }
        a_.forget(of_d);
        b_.forget(of_d);
      }
    }
  }
  std::vector<int32_t> take() { return std::move(list_); }

 private:
  MatrixForm form_;
  Places a_, b_;
  std::vector<int32_t> list_;
};

template <bool Masked>
void mma_op(const Op& op, Warp& warp) {
  if (!whole_warp<Masked>(op, warp)) return;
  const auto form = std::bit_cast<MatrixForm>(op.imm);
  const MatrixArithmetic arithmetic = warp.matrix_arithmetic;
  const MatrixUnit unit = matrix_unit(form, arithmetic);
  alignas(64) char room[operand_room];
  const int of_a = form.a_registers(), of_b = form.b_registers(), of_d = form.d_registers();
  const std::vector<int32_t>& list = warp.list(op);
  const int32_t* const end = list.data() + list.size();
  for (const int32_t* p = list.data(); p != end;) {
    const int32_t a_place = *p++;
    const int32_t b_place = *p++;
    const auto fragment = [&](int count) {
      p += count;
      return Fragment{warp.registers, p - count};
    };
    const auto decoded = [&](int32_t place) { return room + (place < 0 ? ~place : place); };
    const Fragment d = fragment(of_d);
    const MatrixOperand a{fragment(of_a), decoded(a_place)};
    const MatrixOperand b{fragment(of_b), decoded(b_place)};
    const Fragment c = fragment(of_d);
    if (a_place < 0) unit.decode_a(form, a.from, decoded(a_place));
    if (b_place < 0) unit.decode_b(form, b.from, decoded(b_place));
    multiply_tile(unit, form, arithmetic, a, b, c, d);
  }
}

bool is_mma(const Op& op) { return op.run[0] == &mma_op<false>; }

}  // namespace

std::array<Handler, 2> mma_handler() { return {mma_op<false>, mma_op<true>}; }

void plan_matrix_runs(Code& code, size_t first_op, size_t first_guarded) {
  const auto list_of = [&](const Op& op) -> std::vector<int32_t>& {
    return code.lists[static_cast<size_t>(op.list)];
  };
  for (size_t i = first_guarded; i < code.guarded.size(); ++i) {
    if (!is_mma(code.guarded[i])) continue;
    RunPlan plan(std::bit_cast<MatrixForm>(code.guarded[i].imm));
    plan.add(list_of(code.guarded[i]));
    list_of(code.guarded[i]) = plan.take();
  }
  std::vector<Op>& ops = code.ops;
  size_t to = first_op;
  for (size_t i = first_op; i < ops.size();) {
    const Op run = ops[i++];
    if (is_mma(run)) {
      RunPlan plan(std::bit_cast<MatrixForm>(run.imm));
      plan.add(list_of(run));
      for (; i < ops.size() && is_mma(ops[i]) && ops[i].imm == run.imm; ++i) {
        plan.add(list_of(ops[i]));
      }
      list_of(run) = plan.take();
    }
    ops[to++] = run;
  }
  ops.resize(to);
}

}  // namespace mtmc::emulator
