// Copies that need not be executed. NVRTC names every literal (mov.f32 %f46, 0f4B400001) and every
// change of type (mov.b32 %r55, %f48) by a register of its own, and each costs a warp as much as an
// addition. Who reads such a register reads the constant or the source in its place. The
// instruction still counts, and the model of an SM still sees the registers that PTX names.
#include <algorithm>

#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

bool is_move(const Lowered& l, int bits) {
  static const auto moves = [] {
    std::array<std::array<Handler, 2>, 3> found{};
    for (int i = 0; i < 3; ++i) {
      const auto* entry = InstructionTable::get().find("mov.b" + std::to_string(16 << i));
      found[static_cast<size_t>(i)] = {entry->run[0], entry->run[1]};
    }
    return found;
  }();
  return bits >= 16 && bits <= 64 && l.run == moves[static_cast<size_t>(bits / 32)];
}

struct Life {
  std::vector<uint32_t> written;  // where
  int reader = none;              // the node that reads it
  uint32_t first_read = 0, last_read = 0;
  static constexpr int none = -1, several = -2;
};

}  // namespace

void fold_moves(std::vector<Lowered>& code, const Flow& flow,
                const std::vector<uint8_t>& register_bits) {
  const size_t count = register_bits.size();
  std::vector<Life> lives(count);
  for (const int n : flow.order) {
    const Flow::Node& node = flow.nodes[static_cast<size_t>(n)];
    for (uint32_t i = node.first; i < node.last; ++i) {
      for (const int32_t u : code[i].uses) {
        Life& r = lives[static_cast<size_t>(u)];
        if (r.reader == Life::none) r.first_read = i;
        r.reader = r.reader == Life::none || r.reader == n ? n : Life::several;
        r.last_read = i;
      }
      for (const int32_t d : code[i].definitions) {
        lives[static_cast<size_t>(d)].written.push_back(i);
      }
    }
  }
  // A register whose only definition is a constant is that constant: before it, it was undefined. A
  // copy is its source as long as neither changes, which is looked at within one block only.
  std::vector<Ref> instead(count);
  for (const int n : flow.order) {
    const Flow::Node& node = flow.nodes[static_cast<size_t>(n)];
    for (uint32_t i = node.first; i < node.last; ++i) {
      Lowered& l = code[i];
      if (l.kind != Lowered::Kind::plain || l.guard >= 0 || l.has_list || l.d.reg < 0) continue;
      const auto d = static_cast<size_t>(l.d.reg);
      const Life& copy = lives[d];
      if (copy.written.size() != 1 || !is_move(l, register_bits[d])) continue;
      const Ref source = l.a.constant >= 0 ? l.a : instead[static_cast<size_t>(l.a.reg)];
      if (source.constant >= 0) {
        instead[d] = source;
      } else {
        const auto s = static_cast<size_t>(l.a.reg);
        if (register_bits[s] != register_bits[d] || copy.reader != n || copy.first_read <= i) {
          continue;
        }
        const bool changes =
            std::any_of(lives[s].written.begin(), lives[s].written.end(),
                        [&](uint32_t at) { return at > i && at <= copy.last_read; });
        if (changes) continue;
        if (instead[s].reg >= 0) continue;  // a copy of a copy: one of the two stays
        instead[d] = l.a;
      }
      l.fold();
    }
  }
  const auto replace = [&](Ref& r) {  // twice: a copy of a constant
    while (r.reg >= 0 && !instead[static_cast<size_t>(r.reg)].none()) {
      r = instead[static_cast<size_t>(r.reg)];
    }
  };
  for (Lowered& l : code) {
    if (std::none_of(l.uses.begin(), l.uses.end(),
                     [&](int32_t u) { return !instead[static_cast<size_t>(u)].none(); })) {
      continue;
    }
    if (l.ptx_uses.empty()) {
      l.ptx_uses = l.uses;
      l.ptx_definitions = l.definitions;
    }
    std::vector<int32_t> read;
    for (const int32_t u : l.uses) {
      Ref r{u, -1};
      replace(r);
      if (r.reg >= 0) read.push_back(r.reg);
    }
    l.uses = std::move(read);
    for (Ref* r : {&l.d, &l.a, &l.b, &l.c, &l.e, &l.reduce_source}) replace(*r);
    for (Ref& r : l.list) replace(r);
  }
}

}  // namespace mtmc::emulator
