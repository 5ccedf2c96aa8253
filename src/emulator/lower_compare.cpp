// Lowering of setp, set, selp, slct, testp and predicate logic: whatever mixes predicates and
// values. set is setp and a choice between two constants; packed halves are compared one by one.
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

void Lowering::combine(std::string_view operation, Ref to, Ref a, Ref b) {
  Lowered& l = emit(predicate_handler(operation));
  use(l, l.a = a);
  use(l, l.b = b);
  define(l, l.d = to);
}

void Lowering::choose(int bits, Ref to, Ref a, Ref b, Ref predicate) {
  Lowered& l = emit(select_handler(bits));
  use(l, l.a = a);
  use(l, l.b = b);
  use(l, l.c = predicate);
  define(l, l.d = to);
}

// The modifiers [first, last) of an opcode are op{.bool}{.ftz}; type is what is compared.
Lowering::Comparison Lowering::comparison(size_t first, size_t last, std::string_view type) const {
  Comparison result;
  std::string key = "setp";
  for (size_t i = first; i < last; ++i) {
    if (i == first + 1 && (parts_[i] == "and" || parts_[i] == "or" || parts_[i] == "xor")) {
      result.boolean = std::string(parts_[i]);
    } else {
      key += "." + std::string(parts_[i]);
    }
  }
  result.packed = type == "f16x2" || type == "bf16x2";
  if (result.packed) type.remove_suffix(2);
  result.entry = InstructionTable::get().find(key + "." + std::string(type));
  if (result.entry == nullptr) unsupported();
  return result;
}

// One predicate, or two for packed halves (the low one first), combined with the last operand where
// the opcode says so.
std::vector<Ref> Lowering::compare(const Comparison& c) {
  expect_operands(c.boolean.empty() ? 3 : 4);
  const Ref other = c.boolean.empty() ? Ref{} : predicate_source(operand(3));
  std::vector<Ref> compared;
  for (int half = 0; half < (c.packed ? 2 : 1); ++half) {
    std::vector<Ref> operands{reg(temporary(1))};
    for (size_t i = 0; i < 2; ++i) {
      if (c.packed) {
        const Ref whole = source(operand(i + 1), {32, false});
        const Ref part = reg(temporary(16));
        emit_table(fmt::format("unpack.{}.b16.b32", half), {part, whole});
        operands.push_back(part);
      } else {
        operands.push_back(source(operand(i + 1), c.entry->sources[i]));
      }
    }
    emit_entry(*c.entry, operands);
    compared.push_back(operands[0]);
  }
  if (c.boolean.empty()) return compared;
  for (Ref& result : compared) {
    const Ref combined = reg(temporary(1));
    combine(c.boolean, combined, result, other);
    result = combined;
  }
  return compared;
}

// setp.op{.bool}{.ftz}.type p{|q}, a, b{, {!}c}
void Lowering::setp() {
  if (parts_.size() < 3) unsupported();
  const Comparison c = comparison(1, parts_.size() - 1, parts_.back());
  Operand d = operand(0);
  const int32_t q = d.second;
  d.second = -1;
  const Ref p = reg(predicate_target(d));
  if (q >= 0 && register_bits[q] != 1) unsupported("predicate expected");
  if (c.boolean.empty() && q < 0 && !c.packed) {
    expect_operands(3);
    return emit_entry(*c.entry, {p, source(operand(1), c.entry->sources[0]),
                                 source(operand(2), c.entry->sources[1])});
  }
  std::vector<Ref> compared = compare(c);
  if (q >= 0 && !c.packed) {
    // q is the negated comparison, combined in the same way.
    Ref inverted = reg(temporary(1));
    if (c.boolean.empty()) {
      combine("not", inverted, compared[0], compared[0]);
    } else {
      const Ref bits = reg(temporary(1));
      emit_entry(*c.entry, {bits, source(operand(1), c.entry->sources[0]),
                            source(operand(2), c.entry->sources[1])});
      combine("not", inverted, bits, bits);
      const Ref combined = reg(temporary(1));
      combine(c.boolean, combined, inverted, predicate_source(operand(3)));
      inverted = combined;
    }
    compared.push_back(inverted);
  }
  // Last, since p and q may be operands.
  combine("mov", p, compared[0], compared[0]);
  if (q >= 0) combine("mov", reg(q), compared[1], compared[1]);
}

// set.op{.bool}{.ftz}.dtype.stype d, a, b{, {!}c}: all ones, or 1.0 for a floating d.
void Lowering::set() {
  if (parts_.size() < 4) unsupported();
  const std::string_view type = parts_[parts_.size() - 2];
  const Comparison c = comparison(1, parts_.size() - 2, parts_.back());
  const int bits = width_of(type);
  const int part = c.packed ? 16 : bits;
  uint64_t yes = ~uint64_t{0};
  if (type == "f32") {
    yes = 0x3f800000;
  } else if (type == "f16" || type == "f16x2") {
    yes = 0x3c00;
  } else if (type == "bf16" || type == "bf16x2") {
    yes = 0x3f80;
  } else if (type != "u32" && type != "s32" && type != "u16" && type != "s16") {
    unsupported();
  }
  if (c.packed ? bits != 32 || type == "f32" : type.ends_with("x2")) unsupported();
  yes &= (uint64_t{1} << part) - 1;
  const Ref d = target(operand(0), bits);
  std::vector<Ref> halves;
  for (const Ref predicate : compare(c)) {
    halves.push_back(c.packed ? reg(temporary(16)) : d);
    choose(part, halves.back(), constant(yes, part / 8), constant(0, part / 8), predicate);
  }
  if (c.packed) emit_table("pack.2.b16", {d, halves[0], halves[1]});
}

// The operand of a choice: any type of its width.
Ref Lowering::choice(const Operand& o, std::string_view type) {
  const int bits = width_of(type);
  const bool real = type[0] == 'f' && bits >= 32 && o.kind == Operand::Kind::immediate &&
                    o.number != Operand::Number::integer;
  return source(o, {static_cast<uint8_t>(bits), real});
}

// selp.type d, a, b, p; slct{.ftz}.dtype.{s32,f32} d, a, b, c: c >= 0 ? a : b, and b for NaN.
void Lowering::select() {
  expect_operands(4);
  const bool by_sign = parts_[0] == "slct";
  const bool ftz = by_sign && parts_.size() == 4 && parts_[1] == "ftz" && parts_[3] == "f32";
  if (parts_.size() != (by_sign ? (ftz ? 4u : 3u) : 2u)) unsupported();
  const std::string_view type = parts_[ftz ? 2 : 1];
  const int bits = width_of(type);
  if ((bits != 16 && bits != 32 && bits != 64) || type.ends_with("x2") || type == "tf32") {
    unsupported();
  }
  const Ref a = choice(operand(1), type);
  const Ref b = choice(operand(2), type);
  Ref predicate;
  if (by_sign) {
    const std::string_view by = parts_.back();
    if (by != "s32" && by != "f32") unsupported();
    predicate = reg(temporary(1));
    emit_table(fmt::format("setp.ge.{}{}", ftz ? "ftz." : "", by),
               {predicate, choice(operand(3), by), constant(0, 4)});
  } else {
    predicate = predicate_source(operand(3));
  }
  choose(bits, target(operand(0), bits), a, b, predicate);
}

void Lowering::testp() {
  const TableEntry* entry = InstructionTable::get().find(in_->opcode);
  if (entry == nullptr) unsupported();
  expect_operands(2);
  const Ref value = source(operand(1), entry->sources[0]);
  emit_entry(*entry, {reg(predicate_target(operand(0))), value, value});
}

}  // namespace mtmc::emulator
