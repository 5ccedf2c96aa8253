// Register places. Problem: NVRTC uses thousands of virtual registers, and a warp's register buffer
// must stay in the CPU's cache. Method: liveness on bitsets, then greedy colouring of the
// interference graph per width, trying first the slot of a register that the value is copied from
// or accumulated into. Paths that diverge may share a slot: a masked write never touches the lanes
// of the other path.
#include <algorithm>
#include <bit>

#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

using Bits = std::vector<uint64_t>;

bool test(const Bits& bits, int32_t i) { return (bits[i >> 6] >> (i & 63) & 1) != 0; }
void set(Bits& bits, int32_t i) { bits[i >> 6] |= uint64_t{1} << (i & 63); }
void clear(Bits& bits, int32_t i) { bits[i >> 6] &= ~(uint64_t{1} << (i & 63)); }

}  // namespace

Slots assign_slots(const std::vector<Lowered>& code, const Flow& flow,
                   const std::vector<uint8_t>& register_bits, uint32_t first_byte) {
  const auto count = static_cast<int32_t>(register_bits.size());
  const size_t words = (static_cast<size_t>(count) + 63) / 64;
  const size_t nodes = flow.nodes.size();
  constexpr size_t max_liveness_bytes = size_t{1} << 29;
  if (nodes * words > max_liveness_bytes / (4 * sizeof(uint64_t))) {
    throw DecodeError{"unsupported: " + std::to_string(nodes) + " blocks with " +
                      std::to_string(count) + " registers in one function"};
  }
  std::vector<Bits> used(nodes, Bits(words)), defined(nodes, Bits(words)), in(nodes, Bits(words)),
      out(nodes, Bits(words));
  for (const int b : flow.order) {
    for (uint32_t i = flow.nodes[b].first; i < flow.nodes[b].last; ++i) {
      for (const int32_t v : code[i].uses) {
        if (!test(defined[b], v)) set(used[b], v);
      }
      for (const int32_t v : code[i].definitions) set(defined[b], v);
    }
  }
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t q = flow.order.size(); q-- > 0;) {
      const int b = flow.order[q];
      for (size_t w = 0; w < words; ++w) {
        uint64_t live = 0;
        for (const int s : flow.nodes[b].successors) live |= in[s][w];
        const uint64_t entry = used[b][w] | (live & ~defined[b][w]);
        changed = changed || live != out[b][w] || entry != in[b][w];
        out[b][w] = live;
        in[b][w] = entry;
      }
    }
  }

  constexpr size_t max_neighbours = size_t{1} << 25;
  size_t neighbour_count = 0;
  std::vector<std::vector<int32_t>> neighbours(count);
  std::vector<int32_t> first_seen, hint(count, -1);
  std::vector<char> seen(count, 0);
  const auto interfere = [&](int32_t x, int32_t y) {
    if (x == y || register_bits[x] != register_bits[y]) return;
    if (++neighbour_count > max_neighbours) {
      throw DecodeError{"unsupported: too many registers live at once"};
    }
    neighbours[x].push_back(y);
    neighbours[y].push_back(x);
  };
  for (const int b : flow.order) {
    Bits live = out[b];
    for (uint32_t i = flow.nodes[b].last; i-- > flow.nodes[b].first;) {
      const Lowered& l = code[i];
      for (const int32_t d : l.definitions) {
        if (register_bits[d] == 1) continue;
        for (size_t w = 0; w < words; ++w) {
          for (uint64_t m = live[w]; m != 0; m &= m - 1) {
            interfere(d, static_cast<int32_t>(w * 64) + __builtin_ctzll(m));
          }
        }
        for (const int32_t other : l.definitions) interfere(d, other);
      }
      // A handler may write one target before it has read every source.
      if (!l.reads_first && (l.definitions.size() > 1 || l.has_list)) {
        for (const int32_t d : l.definitions) {
          for (const int32_t u : l.uses) {
            if (register_bits[d] != 1) interfere(d, u);
          }
        }
      }
      for (const int32_t d : l.definitions) clear(live, d);
      for (const int32_t u : l.uses) set(live, u);
    }
    for (uint32_t i = flow.nodes[b].first; i < flow.nodes[b].last; ++i) {
      const Lowered& l = code[i];
      for (const auto* list : {&l.uses, &l.definitions}) {
        for (const int32_t v : *list) {
          if (seen[v] == 0) {
            seen[v] = 1;
            first_seen.push_back(v);
          }
        }
      }
      if (l.definitions.size() == 1 && !l.uses.empty()) {
        const int32_t d = l.definitions[0];
        const int32_t s = l.c.reg >= 0 ? l.c.reg : l.a.reg;
        if (s >= 0 && s != d && register_bits[s] == register_bits[d]) {
          hint[d] = s;
          if (hint[s] < 0) hint[s] = d;
        }
      }
    }
  }

  Slots slots;
  slots.offset.assign(count, -1);
  std::vector<int32_t> colour(count, -1);
  std::array<int32_t, 4> used_colours{};  // of 16, 32, 64, 128 bits
  const auto width_index = [&](int32_t v) { return std::countr_zero(register_bits[v]) - 4; };
  std::vector<uint64_t> taken;
  for (const int32_t v : first_seen) {
    if (register_bits[v] == 1) {
      slots.offset[v] = static_cast<int32_t>(slots.predicates++);
      continue;
    }
    const int w = width_index(v);
    taken.assign(static_cast<size_t>(used_colours[w]) / 64 + 1, 0);
    for (const int32_t other : neighbours[v]) {
      if (colour[other] >= 0) taken[colour[other] >> 6] |= uint64_t{1} << (colour[other] & 63);
    }
    const auto is_free = [&](int32_t c) { return (taken[c >> 6] >> (c & 63) & 1) == 0; };
    int32_t chosen = 0;
    if (hint[v] >= 0 && colour[hint[v]] >= 0 && is_free(colour[hint[v]])) {
      chosen = colour[hint[v]];
    } else {
      while (!is_free(chosen)) ++chosen;
    }
    colour[v] = chosen;
    used_colours[w] = std::max(used_colours[w], chosen + 1);
  }
  std::array<uint32_t, 4> base{};  // the widest first
  slots.register_bytes = first_byte;
  for (int w = 3; w >= 0; --w) {
    base[w] = slots.register_bytes;
    slots.register_bytes += (64u << w) * static_cast<uint32_t>(used_colours[w]);
  }
  for (int32_t v = 0; v < count; ++v) {
    if (colour[v] < 0) continue;
    const int w = width_index(v);
    slots.offset[v] = static_cast<int32_t>(base[w] + (64u << w) * static_cast<uint32_t>(colour[v]));
  }
  return slots;
}

}  // namespace mtmc::emulator
