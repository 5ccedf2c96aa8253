// Internal: from lane addresses to checked host offsets, for every state space. Bounds, alignment
// and access rights are checked on each request. The site's plan is brought up to date: when the 32
// relative addresses equal the last request's (they nearly always do), that costs a vector compare.
// Then whoever listens is told, and the data move.
#pragma once

#include "emulator/alu.hpp"
#include "emulator/listener.hpp"

namespace mtmc::emulator {

inline constexpr uint32_t inactive_mark = 0x80000000u;

// Recomputes the kind of a plan from its relative addresses and starts a new generation.
void replan(AccessPlan& plan, uint32_t bytes);

// Runs body with only the lanes of subset active.
template <class Body>
inline void with_lanes(Warp& warp, uint32_t subset, Body body) {
  const uint32_t saved = warp.mask;
  warp.mask = subset;
  expand_mask(subset, warp.lane_mask);
  body();
  warp.mask = saved;
  expand_mask(saved, warp.lane_mask);
}

inline void update_plan(AccessPlan& plan, uint32_t mask, const uint32_t* relative, uint32_t low,
                        uint32_t bytes) {
  uint32_t difference = (low ^ plan.low) | (mask ^ plan.mask);
  MTMC_LANES difference |= relative[l] ^ plan.relative[l];
  if (__builtin_expect(difference != 0, 0)) {
    std::memcpy(plan.relative, relative, sizeof(plan.relative));
    plan.low = low;
    plan.mask = mask;
    replan(plan, bytes);
  }
}

template <uint32_t Bytes, bool Masked>
void global_access(const Op& op, Warp& warp, const uint64_t* address, SiteRole role) {
  Site& site = warp.sites[op.site];
  const uint64_t low_address = site.low_address;
  const uint64_t limit = site.bytes - Bytes;  // wraps when there is no allocation: see below
  const int32_t* m = warp.lane_mask;
  uint64_t bad = site.bytes < Bytes ? 1 : 0;
  uint64_t alignment = 0;
  MTMC_LANES {
    const uint64_t active = Masked ? static_cast<uint64_t>(static_cast<int64_t>(m[l])) : ~0ull;
    bad |= (address[l] - low_address > limit ? 1 : 0) & active;
    alignment |= address[l] & active;
  }
  if (__builtin_expect((alignment & (Bytes - 1)) != 0, 0)) {
    for (int l = 0; l < lanes; ++l) {
      if ((warp.mask >> l & 1) != 0 && (address[l] & (Bytes - 1)) != 0) {
        raise_misaligned(op, warp, l, address[l], Bytes, "global");
      }
    }
  }
  if (__builtin_expect(bad != 0, 0)) {
    resolve_global(site, op, warp, address, Bytes, role);
    uint32_t inside = 0;
    for (int l = 0; l < lanes; ++l) {
      if ((warp.mask >> l & 1) != 0 && site.bytes >= Bytes &&
          address[l] - site.low_address <= site.bytes - Bytes) {
        inside |= 1u << l;
      }
    }
    const uint32_t outside = warp.mask & ~inside;
    if (outside != 0) {  // lanes in several allocations: one part at a time
      with_lanes(warp, inside, [&] { global_access<Bytes, true>(op, warp, address, role); });
      with_lanes(warp, outside, [&] { global_access<Bytes, true>(op, warp, address, role); });
      return;
    }
  }
  alignas(64) uint64_t offset[lanes];
  alignas(64) uint32_t relative[lanes];
  const uint64_t base = site.low_address;
  const uint64_t first = address[Masked ? __builtin_ctz(warp.mask) : 0];
  MTMC_LANES {
    offset[l] = address[l] - base;
    const uint32_t r = static_cast<uint32_t>(address[l] - first);
    relative[l] = !Masked || m[l] ? r : inactive_mark;
  }
  update_plan(site.plan, warp.mask, relative, static_cast<uint32_t>(first) & 31, Bytes);
  const int kind = site.wide ? gather : site.plan.kind;
  if (site.watch != nullptr) {
    site.watch(warp.watchers, {op, warp, site.plan, op.site, Bytes, warp.mask, kind, site.wide,
                               offset, site.allocation, nullptr});
  }
  reinterpret_cast<Mover>(op.extra[Masked])(op, warp, site.host, offset, kind);
}

template <uint32_t Bytes, bool Masked>
void shared_access(const Op& op, Warp& warp, const uint32_t* address) {
  const int32_t* m = warp.lane_mask;
  const uint32_t limit = warp.shared_bytes - Bytes;
  uint32_t bad = warp.shared_bytes < Bytes ? 1 : 0;
  uint32_t alignment = 0;
  MTMC_LANES {
    const uint32_t active = Masked ? static_cast<uint32_t>(m[l]) : ~0u;
    bad |= (address[l] > limit ? 1u : 0u) & active;
    alignment |= address[l] & active;
  }
  if (__builtin_expect((bad | (alignment & (Bytes - 1))) != 0, 0)) {
    raise_window_fault(op, warp, address, Bytes, warp.shared_bytes, "shared");
  }
  alignas(64) uint64_t offset[lanes];
  alignas(64) uint32_t relative[lanes];
  const uint32_t first = address[Masked ? __builtin_ctz(warp.mask) : 0];
  MTMC_LANES {
    offset[l] = address[l];
    relative[l] = !Masked || m[l] ? address[l] - first : inactive_mark;
  }
  Site& site = warp.sites[op.site];
  update_plan(site.plan, warp.mask, relative, first & 3, Bytes);
  if (site.watch != nullptr) {
    site.watch(warp.watchers, {op, warp, site.plan, op.site, Bytes, warp.mask, site.plan.kind,
                               false, offset, nullptr, warp.place});
  }
  reinterpret_cast<Mover>(op.extra[Masked])(op, warp, warp.shared, offset, site.plan.kind);
}

// Local memory: each lane has its own copy, one after the other.
template <uint32_t Bytes, bool Masked>
void local_access(const Op& op, Warp& warp, const uint32_t* address) {
  alignas(64) uint64_t offset[lanes];
  for (int l = 0; l < lanes; ++l) {
    if (Masked && (warp.mask >> l & 1) == 0) continue;
    if (warp.local_bytes < Bytes || address[l] > warp.local_bytes - Bytes ||
        (address[l] & (Bytes - 1)) != 0) {
      raise_window_fault(op, warp, address, Bytes, warp.local_bytes, "local");
    }
    offset[l] = address[l] + static_cast<uint64_t>(l) * warp.local_bytes;
  }
  reinterpret_cast<Mover>(op.extra[Masked])(op, warp, warp.local, offset, gather);
}

template <class Address>
inline void lane_addresses(const Op& op, Warp& warp, uint64_t* out) {
  const Address* a = lane_array<Address>(warp, op.a);
  const uint64_t imm = op.imm;
  MTMC_LANES out[l] = a[l] + imm;
}
template <class Address>
inline void lane_addresses32(const Op& op, Warp& warp, uint32_t* out) {
  const Address* a = lane_array<Address>(warp, op.a);
  const uint32_t imm = static_cast<uint32_t>(op.imm);
  MTMC_LANES out[l] = static_cast<uint32_t>(a[l]) + imm;
}

// Generic addresses: lanes may point into different spaces; each space is served in turn.
template <uint32_t Bytes, bool Masked>
void generic_access(const Op& op, Warp& warp, const uint64_t* address, SiteRole role) {
  uint32_t in_shared = 0;
  uint32_t in_local = 0;
  alignas(64) uint32_t narrow[lanes];
  for (int l = 0; l < lanes; ++l) {
    in_shared |= static_cast<uint32_t>(address[l] - shared_window < window_bytes) << l;
    in_local |= static_cast<uint32_t>(address[l] - local_window < window_bytes) << l;
    narrow[l] = static_cast<uint32_t>(address[l]);
  }
  in_shared &= warp.mask;
  in_local &= warp.mask;
  const uint32_t in_global = warp.mask & ~(in_shared | in_local);
  if (in_global == warp.mask) return global_access<Bytes, Masked>(op, warp, address, role);
  Op other = op;  // the plan of the shared side has its own site
  other.site = op.site + 1;
  if (in_shared == warp.mask) return shared_access<Bytes, Masked>(other, warp, narrow);
  if (in_local == warp.mask) return local_access<Bytes, Masked>(op, warp, narrow);
  if (in_shared != 0) {
    with_lanes(warp, in_shared, [&] { shared_access<Bytes, true>(other, warp, narrow); });
  }
  if (in_local != 0) {
    with_lanes(warp, in_local, [&] { local_access<Bytes, true>(op, warp, narrow); });
  }
  if (in_global != 0) {
    with_lanes(warp, in_global, [&] { global_access<Bytes, true>(op, warp, address, role); });
  }
}

enum class Target : uint8_t { global, shared32, shared64, local32, local64, generic };

template <Target Where, SiteRole Role, uint32_t Bytes, bool Masked>
void memory_handler(const Op& op, Warp& warp) {
  if constexpr (Where == Target::global || Where == Target::generic) {
    alignas(64) uint64_t address[lanes];
    lane_addresses<uint64_t>(op, warp, address);
    if constexpr (Where == Target::global) {
      global_access<Bytes, Masked>(op, warp, address, Role);
    } else {
      generic_access<Bytes, Masked>(op, warp, address, Role);
    }
  } else {
    alignas(64) uint32_t address[lanes];
    using A = std::conditional_t<Where == Target::shared32 || Where == Target::local32, uint32_t,
                                 uint64_t>;
    lane_addresses32<A>(op, warp, address);
    if constexpr (Where == Target::shared32 || Where == Target::shared64) {
      shared_access<Bytes, Masked>(op, warp, address);
    } else {
      local_access<Bytes, Masked>(op, warp, address);
    }
  }
}

struct MemoryForm {
  Target where;
  SiteRole role;   // global_* also for generic
  uint32_t bytes;  // per lane
};
// Handlers of an access; {nullptr, nullptr} when there is no such access.
std::array<Handler, 2> memory_handlers(const MemoryForm& form);

// Movers by "u8.b16" (memory type, register width), vector length and direction; nullptr if none.
std::array<Mover, 2> find_mover(std::string_view memory_type, int register_bits, int count,
                                bool store);
// Movers of atom/red by "add.u32"; nullptr if none. "uses" tells how many operands it reads.
struct AtomicForm {
  std::array<Mover, 2> mover{nullptr, nullptr};
  int bits = 0;
  int operands = 1;
  bool floating = false;
};
AtomicForm find_atomic(std::string_view operation_and_type);

}  // namespace mtmc::emulator
