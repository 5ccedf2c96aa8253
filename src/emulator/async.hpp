// Internal: what a block in flight keeps of its asynchronous operations.
//
// Copies land as late as their rules allow, so that a kernel that reads early sees old bytes: those
// of cp.async when their thread waits for their group, those that signal an mbarrier when somebody
// tests it, those of bulk groups when their thread waits or exits. Sources in global memory are
// read at issue, sources in shared memory when the copy lands, unless it signals an mbarrier.
#pragma once

#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "emulator/listener.hpp"
#include "emulator/live_block.hpp"
#include "emulator/mbarrier.hpp"

namespace mtmc::emulator {

// A bulk or tensor copy under way.
struct BulkCopy {
  const Warp* warp = nullptr;
  const Op* op = nullptr;
  uint64_t id = 0;
  CopyPlace source, destination;
  std::vector<CopyPart> parts;
  std::vector<char> data;  // of the parts, in order; empty: read from `from` when it lands
  const char* from = nullptr;
  char* to = nullptr;
  BulkReduction reduction = BulkReduction::none;
  BulkType type = BulkType::none;
  bool repeats = false;                        // see CopyEvent
  const BlockPlace* mbarrier_owner = nullptr;  // nullptr: it is in a bulk group
  uint64_t mbarrier = 0;

  void land() const;
  CopyEvent event() const {
    return {*warp, *op, true, repeats, id, source, destination, mbarrier_owner, mbarrier, parts};
  }
};

// An mbarrier that has been initialised, and the copies that will count on it.
struct Mbarrier {
  uint64_t word = 0;  // as the last operation left it
  struct Arrival {
    std::shared_ptr<BulkCopy> copy;
    uint32_t bytes = 0;
  };
  std::vector<Arrival> arrivals;
};

struct WarpAsync {
  // cp.async
  struct Copy {
    uint32_t mask = 0;  // lanes that have not waited for it
    uint32_t bytes = 0;
    const Op* op = nullptr;
    uint64_t id = 0;
    const Allocation* allocation = nullptr;
    alignas(64) uint64_t from[lanes];
    alignas(64) uint32_t to[lanes];
    alignas(64) uint32_t group[lanes];
    alignas(64) uint32_t source_bytes[lanes];
    alignas(64) char data[lanes * 16];
    Copy() {}  // leaves the arrays as they are
  };
  std::vector<std::unique_ptr<Copy>> copies, spare;  // under way, in order; for use again
  alignas(64) uint32_t groups[lanes] = {};           // committed by each lane

  // bulk groups
  struct Store {
    int lane = 0;
    uint32_t group = 0;
    bool landed = false;
    std::shared_ptr<BulkCopy> copy;
  };
  std::vector<Store> stores;
  uint32_t bulk_groups[lanes] = {};

  // barrier.cluster
  uint32_t cluster_arrived = 0;  // lanes, in the cluster's current phase
  uint32_t cluster_pending = 0;  // lanes that arrived and have not waited
  uint64_t cluster_phase[lanes] = {};

  // setmaxnreg, in order.
  struct RegisterLimit {
    uint32_t count = 0;
    bool grows = false;  // .inc
    const Op* op = nullptr;
  };
  std::vector<RegisterLimit> register_limits;
};

struct BlockAsync {
  std::vector<WarpAsync> warps;
  std::map<uint32_t, Mbarrier> mbarriers;  // by address in shared memory
};

inline WarpAsync& async_of(Warp& warp) { return warp.home->async->warps[warp.index]; }
inline const AsyncForm& form_of(const Op& op, const Warp& warp) {
  return warp.home->code.async_forms[op.imm];
}

inline uint64_t lane_value(const LaneOperand& o, const Op& op, const Warp& warp, int lane) {
  const int32_t place = warp.list(op)[static_cast<size_t>(o.index)];
  if (o.bits == 1) {
    const bool set = (warp.predicates[place] >> lane & 1) != 0;
    return set != o.negated ? 1 : 0;
  }
  const char* p = warp.registers + place;
  if (o.bits == 64) return reinterpret_cast<const uint64_t*>(p)[lane] + o.add;
  if (o.bits == 16) return reinterpret_cast<const uint16_t*>(p)[lane];
  return static_cast<uint32_t>(reinterpret_cast<const uint32_t*>(p)[lane] + o.add);
}

// The same for all lanes.
template <class T>
inline void lane_values(const LaneOperand& o, const Op& op, const Warp& warp, T* out) {
  const char* p = warp.registers + warp.list(op)[static_cast<size_t>(o.index)];
  const uint64_t add = o.add;
  if (o.bits == 64) {
    for (int l = 0; l < lanes; ++l) {
      out[l] = static_cast<T>(reinterpret_cast<const uint64_t*>(p)[l] + add);
    }
  } else if (o.bits == 32) {
    for (int l = 0; l < lanes; ++l) {
      out[l] = static_cast<uint32_t>(reinterpret_cast<const uint32_t*>(p)[l] + add);
    }
  } else {
    for (int l = 0; l < lanes; ++l) out[l] = static_cast<T>(lane_value(o, op, warp, l));
  }
}

template <class Body>
inline void for_each_lane(uint32_t mask, Body body) {
  for (; mask != 0; mask &= mask - 1) body(__builtin_ctz(mask));
}

// Shared memory of a block of the cluster, as an address names it: rank + 1 in bits 24 to 31, or 0
// for the own block, then the offset.
struct SharedPlace {
  LiveBlock* block = nullptr;
  uint32_t offset = 0;
  char* host() const { return block->shared() + offset; }
};
inline constexpr uint32_t rank_shift = 24;

// Faults unless [address, address + bytes) lies in the shared memory of a live block that the side
// allows, aligned.
SharedPlace shared_place(const Op& op, Warp& warp, int lane, uint64_t address, AsyncSide side,
                         uint64_t bytes, uint32_t alignment);
// The block of this rank in the warp's cluster, alive; else a fault.
LiveBlock& cluster_block(const Op& op, Warp& warp, int lane, uint32_t rank);
// Host view of global memory, checked; role decides which rights it takes.
char* global_place(const Op& op, Warp& warp, int lane, uint64_t address, uint64_t bytes,
                   SiteRole role, const Allocation*& allocation, uint64_t& offset);

[[noreturn]] void raise_lane(FaultKind kind, const Op& op, const Warp& warp, int lane,
                             uint64_t address, std::string message);

// mbarriers (exec_mbarrier.cpp)
Mbarrier& mbarrier_at(const Op& op, Warp& warp, int lane, const SharedPlace& place);
// Counts what has landed, then tells whether the phase of this parity has completed.
bool phase_completed(LiveBlock& block, uint32_t address, bool parity);
void mbarrier_arrive(const Op& op, Warp& warp, int lane, const SharedPlace& place, uint32_t count);

// Lands what the lanes have under way; called when they exit.
void land_all(Warp& warp, uint32_t exiting);
// Faults when a warp that is done left out a setmaxnreg that its warpgroup executed.
void check_register_limits(Warp& leaving);
// True when every live thread of the cluster has arrived at phase `phase`.
bool cluster_phase_completed(Cluster& cluster, uint64_t phase);

}  // namespace mtmc::emulator
