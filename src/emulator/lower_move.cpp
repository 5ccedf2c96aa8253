// Lowering of mov (with its packing and unpacking of vectors) and cvta.
#include <fmt/format.h>

#include "emulator/lower.hpp"

namespace mtmc::emulator {

void Lowering::move() {
  if (parts_.size() != 2) unsupported();
  expect_operands(2);
  const std::string_view type = parts_[1];
  const Operand& d = operand(0);
  const Operand& s = operand(1);
  if (type == "pred") return predicate_logic();
  const int bits = width_of(type);
  if (bits != 16 && bits != 32 && bits != 64) unsupported();
  const std::string key = "mov." + bit_type(bits);
  if (d.kind == Operand::Kind::vector) {  // unpack
    const Ref whole = source(s, {static_cast<uint8_t>(bits), false});
    const auto count = static_cast<int>(d.elements.size());
    if (count != 2 && count != 4) unsupported("unpack");
    const int part = bits / count;
    if (part < 16) unsupported("unpack into bytes");
    // The source may be one of the targets' neighbours in a slot: all targets are written after
    // the source was read, since one handler writes one element and the source stays live.
    for (int i = 0; i < count; ++i) {
      if (d.elements[i].kind == Operand::Kind::sink) continue;
      emit_table(fmt::format("unpack.{}.b{}.b{}", i, part, bits),
                 {target(d.elements[i], part), whole});
    }
    if (first_) skip();
    return;
  }
  if (s.kind == Operand::Kind::vector) {  // pack
    const auto count = static_cast<int>(s.elements.size());
    if (count != 2 && count != 4) unsupported("pack");
    const int part = bits / count;
    if (part < 16) unsupported("pack of bytes");
    std::vector<Ref> operands{target(d, bits)};
    for (const Operand& element : s.elements) {
      operands.push_back(source(element, {static_cast<uint8_t>(part), false}));
    }
    return emit_table(fmt::format("pack.{}.b{}", count, part), operands);
  }
  if (s.kind == Operand::Kind::special &&
      (s.name == "%clock" || s.name == "%clock64" || s.name == "%globaltimer" ||
       s.name == "%clock_hi" || s.name == "%globaltimer_lo")) {
    if (s.name == "%clock_hi") unsupported("special register %clock_hi");
    Lowered& l = emit(clock_handler(bits));
    return define(l, l.d = target(d, bits));
  }
  const bool floating =
      type[0] == 'f' && s.kind == Operand::Kind::immediate && s.number != Operand::Number::integer;
  emit_table(key, {target(d, bits), source(s, {static_cast<uint8_t>(bits), floating})});
}

void Lowering::cvta() {
  // cvta{.to}.space.size: the generic address is the window plus the offset; global is identity.
  const bool to = parts_.size() == 4 && parts_[1] == "to";
  if (parts_.size() != (to ? 4u : 3u)) unsupported();
  expect_operands(2);
  const std::string_view space = parts_[to ? 2 : 1];
  if (parts_.back() != "u64" && parts_.back() != "s64") unsupported();
  const OperandType wide{64, false};
  const Ref d = target(operand(0), 64);
  const Ref s = source(operand(1), wide);
  if (space == "global" || space == "const") return emit_table("mov.b64", {d, s});
  uint64_t window = 0;
  if (space == "shared" || space == "shared::cta") {
    window = shared_window;
  } else if (space == "local") {
    window = local_window;
  } else {
    unsupported();
  }
  emit_table(to ? "sub.u64" : "add.u64", {d, s, constant(window, 8)});
}

}  // namespace mtmc::emulator
