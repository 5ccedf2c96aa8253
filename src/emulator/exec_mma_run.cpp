// mma and wmma.mma. Problem: neighbours in a tiled product share their operands, and decoding these
// takes longer than multiplying them. Method: a run of instructions of one form is one op with a
// plan, made when the kernel is decoded, that says where each decoded operand lies and which are
// yet to be decoded; a result that overwrites a register ends the life of what was decoded from it.
#include <fmt/format.h>

#include <algorithm>

#include "emulator/matrix.hpp"

namespace mtmc::emulator {

void raise_partial_warp(const Op& op, const Warp& warp) {
  raise(FaultKind::unsupported, op, static_cast<int>(warp.index * lanes) + __builtin_ctz(warp.mask),
        0,
        fmt::format("a matrix instruction needs 32 lanes, {} are left",
                    __builtin_popcount(warp.mask)));
}

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
