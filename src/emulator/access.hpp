// Internal: from lane addresses to checked host places, for every state space. Bounds, alignment
// and access rights hold for each request: when the 32 addresses lie to each other as in the site's
// last request (they nearly always do), one vector compare and a few scalars show it; else every
// lane is checked and the site gets a new plan. Then whoever listens is told, and the data move.
#pragma once

#include "emulator/alu.hpp"
#include "emulator/listener.hpp"

namespace mtmc::emulator {

// The slow side of an access, when its addresses are not those that the plan knows: checks every
// lane, points the site at the allocation, makes a new plan. Of the lanes of warp.mask, those that
// the plan covers: all of them, or those in the first one's allocation. `address` is complete.
uint32_t plan_global(const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes,
                     SiteRole role);
// The same for shared memory, where all lanes are covered.
void plan_shared(const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes);
void plan_shared(const Op& op, Warp& warp, const uint32_t* address, uint32_t bytes);

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

// Whether the active lanes' addresses lie as the plan says, seen from the first of them.
template <bool Masked, class Address>
inline bool same_distances(const AccessPlan& plan, const Warp& warp, const Address* address,
                           Address first) {
#ifdef __AVX2__
  constexpr int width = 32 / sizeof(Address);
  const auto vector = [&](int i) {
    const __m256i a = _mm256_load_si256(reinterpret_cast<const __m256i*>(address + i));
    if constexpr (sizeof(Address) == 8) {
      const __m256i distance = _mm256_sub_epi64(a, _mm256_set1_epi64x(static_cast<int64_t>(first)));
      const auto* known = reinterpret_cast<const __m256i*>(plan.relative + i);
      const __m256i difference = _mm256_xor_si256(distance, _mm256_load_si256(known));
      if constexpr (!Masked) return difference;
      const auto* active = reinterpret_cast<const __m128i*>(warp.lane_mask + i);
      return _mm256_and_si256(difference, _mm256_cvtepi32_epi64(_mm_load_si128(active)));
    } else {
      const __m256i distance = _mm256_sub_epi32(a, _mm256_set1_epi32(static_cast<int>(first)));
      const auto* known = reinterpret_cast<const __m256i*>(plan.narrow + i);
      const __m256i difference = _mm256_xor_si256(distance, _mm256_load_si256(known));
      if constexpr (!Masked) return difference;
      const auto* active = reinterpret_cast<const __m256i*>(warp.lane_mask + i);
      return _mm256_and_si256(difference, _mm256_load_si256(active));
    }
  };
  __m256i even = vector(0), odd = vector(width);
  for (int i = 2 * width; i < lanes; i += 2 * width) {
    even = _mm256_or_si256(even, vector(i));
    odd = _mm256_or_si256(odd, vector(i + width));
  }
  const __m256i difference = _mm256_or_si256(even, odd);
  return plan.mask == warp.mask && _mm256_testz_si256(difference, difference) != 0;
#else
  std::make_signed_t<Address> difference = 0;
  const int32_t* m = warp.lane_mask;
  const auto* known = [&] {
    if constexpr (sizeof(Address) == 8)
      return plan.relative;
    else
      return plan.narrow;
  }();
  MTMC_LANES {
    const auto distance = static_cast<std::make_signed_t<Address> >(address[l] - first);
    difference |= (distance ^ known[l]) & (Masked ? m[l] : -1);
  }
  return plan.mask == warp.mask && difference == 0;
#endif
}

// Whether the site's distances are those of its leader: an access through the same register, which
// this warp has just executed (see find_leader in decode.cpp), so that they need no look.
template <bool Masked>
inline bool follows(const AccessPlan& plan, const Warp& warp, int32_t leader) {
  if (Masked || leader < 0) return false;
  const AccessPlan& first = warp.sites[leader].plan;
  return first.generation == plan.leader && first.mask == all_lanes;
}
template <bool Masked>
inline void follow(AccessPlan& plan, const Warp& warp, int32_t leader) {
  if (Masked || leader < 0) return;
  const AccessPlan& first = warp.sites[leader].plan;
  plan.leader = first.mask == all_lanes && plan.mask == all_lanes ? first.generation : 0;
}

template <uint32_t Bytes, bool Masked>
void global_access(const Op& op, Warp& warp, const uint64_t* address, uint64_t shift, SiteRole role,
                   int32_t leader = -1);

// Makes a new plan; false when the lanes lie in several allocations and have been served in parts.
template <uint32_t Bytes, bool Masked>
[[gnu::noinline]] bool replan_global(const Op& op, Warp& warp, const uint64_t* address,
                                     uint64_t shift, SiteRole role) {
  alignas(64) uint64_t complete[lanes];
  MTMC_LANES complete[l] = address[l] + shift;
  const uint32_t covered = plan_global(op, warp, complete, Bytes, role);
  if (covered == warp.mask) return true;
  const uint32_t rest = warp.mask & ~covered;
  with_lanes(warp, covered, [&] { global_access<Bytes, true>(op, warp, complete, 0, role); });
  with_lanes(warp, rest, [&] { global_access<Bytes, true>(op, warp, complete, 0, role); });
  return false;
}

// Lane l accesses address[l] + shift. The array is aligned, as a register is.
template <uint32_t Bytes, bool Masked>
inline void global_access(const Op& op, Warp& warp, const uint64_t* address, uint64_t shift,
                          SiteRole role, int32_t leader) {
  Site& site = warp.sites[op.site];
  AccessPlan& plan = site.plan;
  const uint64_t lead = address[Masked ? __builtin_ctz(warp.mask) : 0];
  const uint64_t first = lead + shift;
  const uint64_t start = first - site.low_address + static_cast<uint64_t>(plan.least);
  // The low bits are the plan's, which is aligned.
  const bool inside =
      ((first ^ plan.low) & 31) == 0 && start <= site.bytes && site.bytes - start >= plan.reach;
  if (!(inside && follows<Masked>(plan, warp, leader))) {
    if (__builtin_expect(!inside || !same_distances<Masked>(plan, warp, address, lead), 0)) {
      if (!replan_global<Bytes, Masked>(op, warp, address, shift, role)) return;
    }
    follow<Masked>(plan, warp, leader);
  }
  const uint64_t offset = first - site.low_address;
  if (site.watch != nullptr) site.watch(warp.watchers, op, warp, offset, Bytes);
  reinterpret_cast<Mover>(op.extra[Masked])(op, warp, site.host + offset, plan.relative, plan.kind);
}

template <uint32_t Bytes, class Address>
[[gnu::noinline]] void replan_shared(const Op& op, Warp& warp, const Address* address,
                                     Address shift) {
  alignas(64) Address complete[lanes];
  MTMC_LANES complete[l] = static_cast<Address>(address[l] + shift);
  plan_shared(op, warp, complete, Bytes);
}

template <uint32_t Bytes, bool Masked, class Address>
inline void shared_access(const Op& op, Warp& warp, const Address* address, Address shift = 0,
                          int32_t leader = -1) {
  Site& site = warp.sites[op.site];
  AccessPlan& plan = site.plan;
  const Address lead = address[Masked ? __builtin_ctz(warp.mask) : 0];
  const auto first = static_cast<Address>(lead + shift);
  const uint64_t start = first + static_cast<uint64_t>(plan.least);
  const bool inside = (first & (Bytes - 1)) == 0 && ((first ^ plan.low) & 3) == 0 &&
                      start <= warp.shared_bytes && warp.shared_bytes - start >= plan.reach;
  if (!(inside && follows<Masked>(plan, warp, leader))) {
    if (__builtin_expect(!inside || !same_distances<Masked>(plan, warp, address, lead), 0)) {
      replan_shared<Bytes, Address>(op, warp, address, shift);
    }
    follow<Masked>(plan, warp, leader);
  }
  if (site.watch != nullptr) site.watch(warp.watchers, op, warp, first, Bytes);
  reinterpret_cast<Mover>(op.extra[Masked])(op, warp, warp.shared + first, plan.relative,
                                            plan.kind);
}

// Local memory: each lane has its own copy, one after the other.
template <uint32_t Bytes, bool Masked>
void local_access(const Op& op, Warp& warp, const uint32_t* address) {
  alignas(64) int64_t offset[lanes];
  for (int l = 0; l < lanes; ++l) {
    if (Masked && (warp.mask >> l & 1) == 0) continue;
    if (warp.local_bytes < Bytes || address[l] > warp.local_bytes - Bytes ||
        (address[l] & (Bytes - 1)) != 0) {
      raise_window_fault(op, warp, address, Bytes, warp.local_bytes, "local");
    }
    offset[l] = address[l] + static_cast<int64_t>(l) * warp.local_bytes;
  }
  reinterpret_cast<Mover>(op.extra[Masked])(op, warp, warp.local, offset, gather);
}

// Points the warp at the shared memory of the cluster's block of this rank while body runs.
void in_shared_memory_of(const Op& op, Warp& warp, uint32_t rank, void (*body)(void*), void* data);

// Addresses of shared memory as the cluster sees it: bits 24 to 31 name a rank plus 1, or 0 for the
// own block (see async.hpp).
template <uint32_t Bytes, bool Masked>
void cluster_access(const Op& op, Warp& warp, const uint32_t* address) {
  uint32_t far = 0;
  for (int l = 0; l < lanes; ++l) far |= static_cast<uint32_t>(address[l] >> 24 != 0) << l;
  if (__builtin_expect((far & warp.mask) == 0, 1)) {
    return shared_access<Bytes, Masked, uint32_t>(op, warp, address);
  }
  alignas(64) uint32_t offset[lanes];
  for (int l = 0; l < lanes; ++l) offset[l] = address[l] & 0xffffff;
  for (uint32_t rest = warp.mask; rest != 0;) {
    const uint32_t named = address[__builtin_ctz(rest)] >> 24;
    uint32_t subset = 0;
    for (int l = 0; l < lanes; ++l) subset |= static_cast<uint32_t>(address[l] >> 24 == named) << l;
    subset &= rest;
    rest &= ~subset;
    with_lanes(warp, subset, [&] {
      auto body = [&] { shared_access<Bytes, true, uint32_t>(op, warp, offset); };
      if (named == 0) return body();
      in_shared_memory_of(
          op, warp, named - 1, [](void* f) { (*static_cast<decltype(body)*>(f))(); }, &body);
    });
  }
}

inline void lane_addresses(const Op& op, Warp& warp, uint64_t* out) {
  const uint64_t* a = lane_array<uint64_t>(warp, op.a);
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
  if (in_global == warp.mask) return global_access<Bytes, Masked>(op, warp, address, 0, role);
  Op other = op;  // the plan of the shared side has its own site
  other.site = op.site + 1;
  if (in_shared == warp.mask) {
    return cluster_access<Bytes, Masked>(other, warp, narrow);
  }
  if (in_local == warp.mask) return local_access<Bytes, Masked>(op, warp, narrow);
  if (in_shared != 0) {
    with_lanes(warp, in_shared, [&] { cluster_access<Bytes, true>(other, warp, narrow); });
  }
  if (in_local != 0) {
    with_lanes(warp, in_local, [&] { local_access<Bytes, true>(op, warp, narrow); });
  }
  if (in_global != 0) {
    with_lanes(warp, in_global, [&] { global_access<Bytes, true>(op, warp, address, 0, role); });
  }
}

enum class Target : uint8_t {
  global,
  shared32,
  shared64,
  cluster32,
  cluster64,
  local32,
  local64,
  generic
};

template <Target Where, SiteRole Role, uint32_t Bytes, bool Masked>
void memory_handler(const Op& op, Warp& warp) {
  if constexpr (Where == Target::global) {
    global_access<Bytes, Masked>(op, warp, lane_array<uint64_t>(warp, op.a), op.imm, Role, op.e);
  } else if constexpr (Where == Target::generic) {
    alignas(64) uint64_t address[lanes];
    lane_addresses(op, warp, address);
    generic_access<Bytes, Masked>(op, warp, address, Role);
  } else {
    using A = std::conditional_t<Where == Target::shared32 || Where == Target::local32 ||
                                     Where == Target::cluster32,
                                 uint32_t, uint64_t>;
    if constexpr (Where == Target::shared32 || Where == Target::shared64) {
      shared_access<Bytes, Masked, A>(op, warp, lane_array<A>(warp, op.a), static_cast<A>(op.imm),
                                      op.e);
    } else {
      alignas(64) uint32_t address[lanes];
      lane_addresses32<A>(op, warp, address);
      if constexpr (Where == Target::cluster32 || Where == Target::cluster64) {
        cluster_access<Bytes, Masked>(op, warp, address);
      } else {
        local_access<Bytes, Masked>(op, warp, address);
      }
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
// Movers of atom/red by "add.u32" and vector length; nullptr if there is none.
struct AtomicForm {
  std::array<Mover, 2> mover{nullptr, nullptr};
  int bits = 0;          // of one element
  int operands = 1;      // how many it reads
  bool ordered = false;  // what memory holds at the end depends on the order of the updates
};
AtomicForm find_atomic(std::string_view operation_and_type, int count);

}  // namespace mtmc::emulator
