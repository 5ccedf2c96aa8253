// Lowering of cvt. The table has a row for each conversion that needs one of its own; modifiers
// that change nothing are dropped, and those that act on the operand or the result alone (.ftz,
// .sat) become a conversion beside it.
#include <fmt/format.h>

#include <algorithm>

#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

bool is_float(std::string_view type) { return type.find('f') != std::string_view::npos; }

}  // namespace

// Sources of cvt may be wider registers than their type says, and 8-bit types live in 16-bit
// registers: both are first brought to a register of the type's own width.
Ref Lowering::widen_source(const Operand& o, std::string_view type, std::string& canonical_type) {
  canonical_type = std::string(type);
  const int bits = width_of(type);
  if (bits == 0) unsupported();
  const bool byte = type == "u8" || type == "s8";
  const int wanted = bits < 16 ? 16 : bits;
  if (byte) canonical_type = std::string(1, type[0]) + "16";
  if (o.kind != Operand::Kind::reg) {
    if (bits == 8) unsupported("8-bit literal");
    return source(o, {static_cast<uint8_t>(wanted), type[0] == 'f'});
  }
  const int held = register_bits[o.reg];
  if (held == wanted && !byte) return source(o, {static_cast<uint8_t>(wanted), false});
  if (held < wanted || held == 1) unsupported("source register is too narrow");
  Ref value = reg(o.reg);
  if (held != wanted) {
    const Ref narrow = reg(temporary(wanted));
    emit_table(fmt::format("narrow.b{}.b{}", wanted, held), {narrow, value});
    value = narrow;
  }
  if (byte) {
    const Ref extended = reg(temporary(16));
    emit_table(type[0] == 's' ? "extend.s8" : "extend.u8", {extended, value});
    value = extended;
  }
  return value;
}

// The row of a conversion, and what must happen before and after it.
Lowering::Conversion Lowering::conversion(const std::string& to, const std::string& from) const {
  std::string rounding;
  bool ftz = false, sat = false, relu = false, satfinite = false;
  for (size_t i = 1; i + 2 < parts_.size(); ++i) {
    const std::string_view p = parts_[i];
    bool* const flag = p == "ftz"         ? &ftz
                       : p == "sat"       ? &sat
                       : p == "relu"      ? &relu
                       : p == "satfinite" ? &satfinite
                                          : nullptr;
    if (flag != nullptr) {
      if (*flag) unsupported();
      *flag = true;
    } else {
      if (!rounding.empty() || i != 1) unsupported();
      rounding = "." + std::string(p);
    }
  }
  const auto find = [&](bool with_ftz, bool with_sat) {
    return InstructionTable::get().find(
        fmt::format("cvt{}{}{}{}{}.{}.{}", rounding, with_ftz ? ".ftz" : "", with_sat ? ".sat" : "",
                    satfinite ? ".satfinite" : "", relu ? ".relu" : "", to, from));
  };
  // Widening a bf16 is exact in every rounding.
  const bool rounds = rounding.size() == 3;  // .rn, and not .rni
  if (rounds && from == "bf16" && (to == "f32" || to == "f64")) rounding.clear();
  Conversion result;
  result.entry = find(ftz, sat);
  if (result.entry != nullptr) return result;
  if (ftz && from != "f32" && to != "f32") unsupported();
  if (!is_float(to)) {
    // Conversions from floating types to integers clamp without being told.
    result.entry = find(ftz, false);
    if (result.entry == nullptr) unsupported();
    return result;
  }
  result.flush = ftz && from == "f32";
  if (sat)
    result.saturate = fmt::format("cvt{}.sat.{}.{}", ftz && to == "f32" ? ".ftz" : "", to, to);
  result.entry = find(false, false);
  const bool flushed_after = !sat && ftz && to == "f32" && is_float(from);
  if (result.entry == nullptr || flushed_after) unsupported();
  return result;
}

void Lowering::convert() {
  if (parts_.size() < 3) unsupported();
  if (in_->operands.size() != 2 || parts_[1] == "pack") {  // two values into a pair: d, high, low
    std::string key = in_->opcode;
    const size_t order = key.find(".relu.satfinite");
    if (order != std::string::npos) key.replace(order, 15, ".satfinite.relu");
    const TableEntry* entry = InstructionTable::get().find(key);
    if (entry == nullptr || entry->source_count < 2) unsupported();
    expect_operands(static_cast<size_t>(entry->source_count) + 1);
    std::vector<Ref> operands{target(operand(0), entry->target.bits)};
    for (int i = 0; i < entry->source_count; ++i) {
      operands.push_back(source(operand(i + 1), entry->sources[i]));
    }
    return emit_entry(*entry, operands);
  }
  const std::string to(parts_[parts_.size() - 2]);
  const Operand& d = operand(0);
  if (d.kind != Operand::Kind::reg) unsupported("target form");
  std::string from;
  Ref value = widen_source(operand(1), parts_.back(), from);
  const int to_bits = width_of(to);
  const int held = register_bits[d.reg];
  if (to_bits == 0) unsupported();
  const Conversion c = conversion(to, from);
  const int natural = to_bits < 16 ? 16 : to_bits;
  if (c.entry->target.bits != natural) unsupported();
  if (held < natural || held == 1) unsupported("target register is too narrow");
  if (c.flush) {
    const Ref flushed = reg(temporary(32));
    emit_table("cvt.ftz.f32.f32", {flushed, value});
    value = flushed;
  }
  const bool direct = held == natural;
  const Ref last = direct ? reg(d.reg) : reg(temporary(natural));
  if (c.saturate.empty()) {
    emit_entry(*c.entry, {last, value});
  } else {
    const Ref unclamped = reg(temporary(natural));
    emit_entry(*c.entry, {unclamped, value});
    emit_table(c.saturate, {last, unclamped});
  }
  if (direct) return;
  // The result is extended to the register by its own signedness.
  emit_table(fmt::format("cvt.{0}{1}.{0}{2}", to[0] == 's' ? "s" : "u", held, natural),
             {reg(d.reg), last});
}

}  // namespace mtmc::emulator
