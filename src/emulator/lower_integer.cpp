// Lowering of integer instructions that touch a predicate or the carry flag beside registers.
#include <fmt/format.h>

#include "emulator/lower.hpp"

namespace mtmc::emulator {

// add.cc, addc, sub.cc, subc, mad.cc, madc: CC.CF is a predicate register of its own.
void Lowering::carry_chain() {
  const auto handler = carry_handler(in_->opcode);
  const size_t sources = parts_[0].starts_with("mad") ? 3 : 2;
  expect_operands(sources + 1);
  const int bits = width_of(parts_.back());
  const OperandType type{static_cast<uint8_t>(bits), false};
  std::vector<Ref> values;
  for (size_t i = 0; i < sources; ++i) values.push_back(source(operand(i + 1), type));
  if (carry_ < 0) carry_ = temporary(1);
  Lowered& l = emit(handler);
  use(l, l.a = values[0]);
  use(l, l.b = values[1]);
  if (sources == 3) use(l, l.c = values[2]);
  l.e = reg(carry_);
  if (parts_[0].back() == 'c') use(l, l.e);
  if (in_->opcode.find(".cc") != std::string::npos) define(l, l.e);
  define(l, l.d = target(operand(0), bits));
}

// lop3.{and,or}.b32 d|p, a, b, c, table, {!}q: p = (d != 0) op q.
void Lowering::lop3_predicate() {
  if (parts_.size() != 3 || (parts_[1] != "and" && parts_[1] != "or")) unsupported();
  expect_operands(6);
  Operand d = operand(0);
  const int32_t p = d.second;
  d.second = -1;
  if (p >= 0 && register_bits[p] != 1) unsupported("predicate expected");
  const Ref result = d.kind == Operand::Kind::sink ? reg(temporary(32)) : target(d, 32);
  const Ref q = predicate_source(operand(5));
  const OperandType word{32, false};
  emit_table("lop3.b32", {result, source(operand(1), word), source(operand(2), word),
                          source(operand(3), word), source(operand(4), word)});
  if (p < 0) return;
  const Ref any = reg(temporary(1));
  emit_table("setp.ne.b32", {any, result, constant(0, 4)});
  combine(parts_[1], reg(p), any, q);
}

// Video instructions d, a, b{, c}. The parts of vadd2 and the like that are not computed would come
// from c; without masks all are.
void Lowering::video() {
  uint64_t plan = 0;
  const auto handler = video_handler(parts_, plan);
  const size_t count = in_->operands.size();
  if (count != 3 && count != 4) unsupported("operands");
  const OperandType word{32, false};
  const Ref a = source(operand(1), word);
  const Ref b = source(operand(2), word);
  const Ref c = count == 4 ? source(operand(3), word) : constant(0, 4);
  Lowered& l = emit(handler);
  l.imm = plan;
  use(l, l.a = a);
  use(l, l.b = b);
  use(l, l.c = c);
  define(l, l.d = target(operand(0), 32));
}

}  // namespace mtmc::emulator
