// Lowering of cvt.
#include <fmt/format.h>

#include "emulator/lower.hpp"

namespace mtmc::emulator {

// Sources of cvt may be wider registers than their type says, and 8-bit types live in 16-bit
// registers: both are first brought to a register of the type's own width.
Ref Lowering::widen_source(const Operand& o, std::string_view type, std::string& canonical_type) {
  canonical_type = std::string(type);
  const int bits = width_of(type);
  if (bits == 0) unsupported();
  const int wanted = bits < 16 ? 16 : bits;
  if (bits == 8) canonical_type = std::string(1, type[0] == 's' ? 's' : 'u') + "16";
  if (o.kind != Operand::Kind::reg) {
    if (bits == 8) unsupported("8-bit literal");
    return source(o, {static_cast<uint8_t>(wanted), type[0] == 'f'});
  }
  const int held = register_bits[o.reg];
  if (held == wanted && bits >= 16) return source(o, {static_cast<uint8_t>(wanted), false});
  if (held < wanted || held == 1) unsupported("source register is too narrow");
  Ref value = reg(o.reg);
  if (held != wanted) {
    const Ref narrow = reg(temporary(wanted));
    emit_table(fmt::format("narrow.b{}.b{}", wanted, held), {narrow, value});
    value = narrow;
  }
  if (bits == 8) {
    const Ref extended = reg(temporary(16));
    emit_table(type[0] == 's' ? "extend.s8" : "extend.u8", {extended, value});
    value = extended;
  }
  return value;
}

void Lowering::convert() {
  if (parts_.size() < 3) unsupported();
  std::string prefix = "cvt";
  for (size_t i = 1; i + 2 < parts_.size(); ++i) prefix += "." + std::string(parts_[i]);
  const std::string_view to = parts_[parts_.size() - 2];
  const std::string_view from = parts_.back();
  if (in_->operands.size() == 3) {  // two values into a pair: d, high, low
    const TableEntry* entry = InstructionTable::get().find(in_->opcode);
    if (entry == nullptr || entry->source_count != 2) unsupported();
    return emit_entry(
        *entry, {target(operand(0), entry->target.bits), source(operand(1), entry->sources[0]),
                 source(operand(2), entry->sources[1])});
  }
  expect_operands(2);
  const Operand& d = operand(0);
  if (d.kind != Operand::Kind::reg) unsupported("target form");
  std::string from_type;
  const Ref value = widen_source(operand(1), from, from_type);
  const int to_bits = width_of(to);
  const int held = register_bits[d.reg];
  if (to_bits == 0) unsupported();
  const std::string exact = fmt::format("{}.{}.{}", prefix, to, from_type);
  const int natural = to_bits < 16 ? 16 : to_bits;
  const TableEntry* entry = InstructionTable::get().find(exact);
  if (entry == nullptr) unsupported();
  if (held == natural && entry->target.bits == natural) {
    return emit_entry(*entry, {reg(d.reg), value});
  }
  if (held < natural || held == 1) unsupported("target register is too narrow");
  // The result is extended to the register by its own signedness.
  const Ref narrow = reg(temporary(natural));
  emit_entry(*entry, {narrow, value});
  emit_table(fmt::format("cvt.{0}{1}.{0}{2}", to[0] == 's' ? "s" : "u", held, natural),
             {reg(d.reg), narrow});
}

}  // namespace mtmc::emulator
