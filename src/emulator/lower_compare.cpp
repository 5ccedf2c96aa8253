// Lowering of setp, selp, slct and predicate logic: whatever mixes predicates and values.
#include <fmt/format.h>

#include "emulator/lower.hpp"

namespace mtmc::emulator {

void Lowering::predicate_logic() {
  const std::string_view base = parts_[0];
  if (parts_.size() != 2) unsupported();
  const bool single = base == "mov" || base == "not";
  expect_operands(single ? 2 : 3);
  const Ref a = predicate_source(operand(1));
  const Ref b = single ? a : predicate_source(operand(2));
  Lowered& l = emit(predicate_handler(base));
  use(l, l.a = a);
  use(l, l.b = b);
  define(l, l.d = reg(predicate_target(operand(0))));
}

// setp.op{.bool}{.ftz}.type p{|q}, a, b{, {!}c}
void Lowering::setp() {
  std::string boolean;
  std::string key = "setp";
  for (size_t i = 1; i < parts_.size(); ++i) {
    if (i == 2 && (parts_[i] == "and" || parts_[i] == "or" || parts_[i] == "xor")) {
      boolean = std::string(parts_[i]);
    } else {
      key += "." + std::string(parts_[i]);
    }
  }
  const TableEntry* entry = InstructionTable::get().find(key);
  if (entry == nullptr) unsupported();
  expect_operands(boolean.empty() ? 3 : 4);
  Operand d = operand(0);
  const int32_t q = d.second;
  d.second = -1;
  const Ref p = reg(predicate_target(d));
  const Ref a = source(operand(1), entry->sources[0]);
  const Ref b = source(operand(2), entry->sources[1]);
  if (boolean.empty() && q < 0) return emit_entry(*entry, {p, a, b});
  const Ref compared = reg(temporary(1));
  const Ref other = boolean.empty() ? Ref{} : predicate_source(operand(3));
  emit_entry(*entry, {compared, a, b});
  const auto combine = [&](std::string_view op, Ref to, Ref x, Ref y) {
    Lowered& l = emit(predicate_handler(op));
    l.counts = false;
    use(l, l.a = x);
    use(l, l.b = y);
    define(l, l.d = to);
  };
  const auto finish_one = [&](Ref to, Ref value) {
    if (boolean.empty()) return combine("mov", to, value, value);
    combine(boolean, to, value, other);
  };
  if (q >= 0) {
    if (register_bits[q] != 1) unsupported("predicate expected");
    const Ref inverted = reg(temporary(1));
    combine("not", inverted, compared, compared);
    // p may be the c of q's expression: write q first into a temporary.
    const Ref second = reg(temporary(1));
    finish_one(second, inverted);
    finish_one(p, compared);
    combine("mov", reg(q), second, second);
    return;
  }
  finish_one(p, compared);
}

void Lowering::select() {
  expect_operands(4);
  if (parts_[0] == "slct") {
    // slct{.ftz}.dtype.{s32,f32} d, a, b, c: c >= 0 ? a : b
    if (parts_.size() != 3 || (parts_[2] != "s32" && parts_[2] != "f32")) unsupported();
    const int bits = width_of(parts_[1]);
    const OperandType type{static_cast<uint8_t>(bits), false};
    return emit_table(fmt::format("slct.b{}.{}", bits, parts_[2]),
                      {target(operand(0), bits), source(operand(1), type), source(operand(2), type),
                       source(operand(3), {32, parts_[2] == "f32"})});
  }
  if (parts_.size() != 2) unsupported();
  const int bits = width_of(parts_[1]);
  if (bits != 16 && bits != 32 && bits != 64) unsupported();
  const bool floating = parts_[1][0] == 'f' && bits >= 32;
  const auto value = [&](const Operand& o) {
    const bool real =
        floating && o.kind == Operand::Kind::immediate && o.number != Operand::Number::integer;
    return source(o, {static_cast<uint8_t>(bits), real});
  };
  const Ref a = value(operand(1));
  const Ref b = value(operand(2));
  const Ref p = predicate_source(operand(3));
  Lowered& l = emit(select_handler(bits));
  use(l, l.a = a);
  use(l, l.b = b);
  use(l, l.c = p);
  define(l, l.d = target(operand(0), bits));
}

}  // namespace mtmc::emulator
