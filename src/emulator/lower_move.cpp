// Lowering of mov (with its packing and unpacking of vectors), cvta and the cache-policy moves.
#include <fmt/format.h>

#include <algorithm>

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
  if (bits < 16) unsupported();
  const auto part_of = [&](const Operand& vector) {
    const auto count = static_cast<int>(vector.elements.size());
    if (count != 2 && count != 4) unsupported("vector length");
    return bits / count;
  };
  const auto register_of = [](int part) { return std::max(part, 16); };  // of a byte: 16 bits
  if (d.kind == Operand::Kind::vector) {                                 // unpack
    const Ref whole = source(s, {static_cast<uint8_t>(bits), false});
    const int part = part_of(d);
    // The source may be one of the targets' neighbours in a slot: all targets are written after
    // the source was read, since one handler writes one element and the source stays live. Where a
    // target is the source itself, the source is read from a copy.
    Ref from = whole;
    for (const Operand& element : d.elements) {
      if (element.kind == Operand::Kind::reg && element.reg == whole.reg && from.reg == whole.reg) {
        from = reg(temporary(bits));
        emit_table("mov." + bit_type(bits), {from, whole});
      }
    }
    for (size_t i = 0; i < d.elements.size(); ++i) {
      if (d.elements[i].kind == Operand::Kind::sink) continue;
      emit_table(fmt::format("unpack.{}.b{}.b{}", i, part, bits),
                 {target(d.elements[i], register_of(part)), from});
    }
    if (first_) skip();
    return;
  }
  if (s.kind == Operand::Kind::vector) {  // pack
    const int part = part_of(s);
    std::vector<Ref> operands{target(d, bits)};
    for (const Operand& element : s.elements) {
      operands.push_back(source(element, {static_cast<uint8_t>(register_of(part)), false}));
    }
    return emit_table(fmt::format("pack.{}.b{}", s.elements.size(), part), operands);
  }
  const bool floating =
      type[0] == 'f' && s.kind == Operand::Kind::immediate && s.number != Operand::Number::integer;
  emit_table("mov." + bit_type(bits),
             {target(d, bits), source(s, {static_cast<uint8_t>(bits), floating})});
}

// cvta{.to}.space.size: the generic address is the window plus the offset; global is identity.
void Lowering::cvta() {
  const bool to = parts_.size() == 4 && parts_[1] == "to";
  if (parts_.size() != (to ? 4u : 3u)) unsupported();
  expect_operands(2);
  const std::string_view space = parts_[to ? 2 : 1];
  if (parts_.back() != "u64" && parts_.back() != "s64") unsupported();
  const OperandType wide{64, false};
  const Ref d = target(operand(0), 64);
  const Ref s = source(operand(1), wide);
  if (space.starts_with("param") && !function_.is_entry) {  // a parameter of a function lies in local memory
    return emit_table(to ? "sub.u64" : "add.u64", {d, s, constant(local_window, 8)});
  }
  if (space == "global" || space == "const" || space.starts_with("param"))
    return emit_table("mov.b64", {d, s});
  uint64_t window = 0;
  if (space == "shared" || space == "shared::cta") {
    window = shared_window;
  } else if (space == "local") {
    window = local_window;
  } else if (space == "shared::cluster") {
    window = shared_window;
  } else {
    unsupported();
  }
  emit_table(to ? "sub.u64" : "add.u64", {d, s, constant(window, 8)});
}

// createpolicy.{fractional,range}...b64 d, ...; createpolicy.cvt.L2.b64 d, a. A policy steers
// caches only: every one is the same opaque value here.
void Lowering::create_policy() {
  if (parts_.size() < 4 || parts_.back() != "b64") unsupported();
  size_t operands = 0;
  const bool with_fraction = in_->operands.size() == 2;
  if (parts_[1] == "cvt" && parts_[2] == "L2" && parts_.size() == 4) {
    operands = 2;
  } else if (parts_[1] == "fractional") {
    operands = with_fraction ? 2 : 1;
  } else if (parts_[1] == "range") {
    operands = 4;
  } else {
    unsupported();
  }
  expect_operands(operands);
  if (parts_[1] != "cvt") {
    for (size_t i = 2; i + 1 < parts_.size(); ++i) {
      const std::string_view p = parts_[i];
      if (p != "L2::evict_last" && p != "L2::evict_normal" && p != "L2::evict_first" &&
          p != "L2::evict_unchanged" && !(p == "global" && parts_[1] == "range")) {
        unsupported();
      }
    }
  }
  emit_table("mov.b64", {target(operand(0), 64), constant(0, 8)});
}

}  // namespace mtmc::emulator
