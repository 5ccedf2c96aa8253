// What blocks of a cluster share, and what else Hopper added for whole warps: addresses of another
// block's shared memory, barrier.cluster, elect, setmaxnreg.
#include <fmt/format.h>

#include "emulator/access.hpp"
#include "emulator/async.hpp"
#include "emulator/executor.hpp"
#include "emulator/lower.hpp"

namespace mtmc::emulator {
namespace {

constexpr uint32_t offset_mask = (1u << rank_shift) - 1;

// mapa: the address in the block of rank b that corresponds to a.
template <class T>
void map_op(const Op& op, Warp& warp) {
  const T* a = lane_array<T>(warp, op.a);
  const uint32_t* b = lane_array<uint32_t>(warp, op.b);
  T* d = lane_array<T>(warp, op.d);
  const bool generic = op.imm != 0;
  for_each_lane(warp.mask, [&](int l) {
    const uint64_t size = warp.home->cluster->blocks.size();
    if (b[l] >= size) {
      raise_lane(FaultKind::out_of_bounds, op, warp, l, a[l],
                 fmt::format("rank {} in a cluster of {} blocks", b[l], size));
    }
    const auto offset = static_cast<uint32_t>(a[l]) & offset_mask;
    const uint64_t place = offset | uint64_t{b[l] + 1} << rank_shift;
    d[l] = static_cast<T>(generic ? shared_window + place : place);
  });
}

template <class T>
void rank_of_op(const Op& op, Warp& warp) {
  const T* a = lane_array<T>(warp, op.a);
  uint32_t* d = lane_array<uint32_t>(warp, op.d);
  for_each_lane(warp.mask, [&](int l) {
    const uint32_t named = static_cast<uint32_t>(a[l]) >> rank_shift;
    d[l] = named == 0 ? warp.home->rank : named - 1;
  });
}

void cluster_arrive_op(const Op& op, Warp& warp) {
  WarpAsync& async = async_of(warp);
  Cluster& cluster = *warp.home->cluster;
  const uint32_t twice = warp.mask & async.cluster_pending;
  if (twice != 0) {
    raise_lane(FaultKind::divergent_barrier, op, warp, __builtin_ctz(twice), 0,
               "a thread arrives at the cluster's barrier again before it has waited");
  }
  async.cluster_arrived |= warp.mask;
  async.cluster_pending |= warp.mask;
  for_each_lane(warp.mask, [&](int l) { async.cluster_phase[l] = cluster.phase; });
  notify(warp, [&](Listener& l) { l.cluster_arrived(warp, warp.mask); });
}

void cluster_wait_op(const Op& op, Warp& warp) {
  WarpAsync& async = async_of(warp);
  const uint32_t early = warp.mask & ~async.cluster_pending;
  if (early != 0) {
    raise_lane(FaultKind::divergent_barrier, op, warp, __builtin_ctz(early), 0,
               "a thread waits at the cluster's barrier where it has not arrived");
  }
  uint64_t phase = 0;
  for_each_lane(warp.mask, [&](int l) { phase = std::max(phase, async.cluster_phase[l]); });
  if (!cluster_phase_completed(*warp.home->cluster, phase)) {
    warp.park = {Park::Reason::cluster_barrier, 0, phase};
    return;
  }
  async.cluster_pending &= ~warp.mask;
  notify(warp, [&](Listener& l) { l.cluster_released(warp, warp.mask); });
}

template <bool Masked>
void elect_op(const Op& op, Warp& warp) {
  const uint32_t members = lane_array<uint32_t>(warp, op.e)[__builtin_ctz(warp.mask)];
  if (Masked && (members & warp.live & ~warp.mask) != 0) {
    warp.waiting = true;
    warp.wait_members = members;
    return;
  }
  const uint32_t together = members & warp.mask;
  if (together == 0) {
    raise_lane(
        FaultKind::inactive_lane_shuffle, op, warp, __builtin_ctz(warp.mask), 0,
        fmt::format("elect.sync by lanes 0x{:08x}, none of them in 0x{:08x}", warp.mask, members));
  }
  notify_synced(warp, together);
  const int leader = __builtin_ctz(together);
  if (op.d >= 0) {
    uint32_t* d = lane_array<uint32_t>(warp, op.d);
    for_each_lane(warp.mask, [&](int l) { d[l] = static_cast<uint32_t>(leader); });
  }
  const int32_t p = warp.list(op)[0];
  if (p >= 0) {
    uint32_t& d = warp.predicates[p];
    d = (d & ~warp.mask) | (1u << leader & warp.mask);
  }
}

// What is wrong with the setmaxnreg that this warp has just executed, if anything: all warps of a
// warpgroup have to execute the same ones, and .inc must not lower a limit nor .dec raise it. The
// first limit is the compiler's, which PTX does not say.
std::string register_fault(const Warp& warp) {
  const std::vector<WarpAsync::RegisterLimit>& mine =
      warp.home->async->warps[warp.index].register_limits;
  const size_t index = mine.size() - 1;
  const auto text = [](const WarpAsync::RegisterLimit& limit) {
    return fmt::format("setmaxnreg.{} {}", limit.grows ? "inc" : "dec", limit.count);
  };
  if (index > 0 && (mine[index].grows ? mine[index].count < mine[index - 1].count
                                      : mine[index].count > mine[index - 1].count)) {
    return fmt::format("{} by warp {}, whose limit is {} registers", text(mine[index]), warp.index,
                       mine[index - 1].count);
  }
  const uint32_t first = warp.index / 4 * 4;
  for (uint32_t w = first; w < std::min(first + 4, warp.home->warp_count); ++w) {
    const auto& other = warp.home->async->warps[w].register_limits;
    if (index >= other.size()) {
      if (warp.home->warps[w].state != Warp::State::done) continue;
      return fmt::format("{} by warp {}, warp {} of the same warpgroup exited without it",
                         text(mine[index]), warp.index, w);
    }
    if (other[index].count != mine[index].count || other[index].grows != mine[index].grows) {
      return fmt::format("{} by warp {}, {} by warp {} of the same warpgroup", text(mine[index]),
                         warp.index, text(other[index]), w);
    }
  }
  return {};
}

template <bool Masked>
void registers_op(const Op& op, Warp& warp) {
  if (Masked && (warp.live & ~warp.mask) != 0) {
    warp.waiting = true;
    warp.wait_members = all_lanes;
    return;
  }
  const AsyncForm& form = form_of(op, warp);
  async_of(warp).register_limits.push_back({form.copy_bytes, form.flag, &op});
  std::string wrong = register_fault(warp);
  if (!wrong.empty()) {
    raise_lane(FaultKind::divergent_barrier, op, warp, __builtin_ctz(warp.mask), 0,
               std::move(wrong));
  }
}

void yield_op(const Op&, Warp& warp) { warp.spins = ~0u >> 1; }

}  // namespace

void raise_lane(FaultKind kind, const Op& op, const Warp& warp, int lane, uint64_t address,
                std::string message) {
  raise(kind, op, static_cast<int>(warp.index * lanes) + lane, address, std::move(message));
}

LiveBlock& cluster_block(const Op& op, Warp& warp, int lane, uint32_t rank) {
  Cluster& cluster = *warp.home->cluster;
  if (rank >= cluster.blocks.size()) {
    raise_lane(FaultKind::out_of_bounds, op, warp, lane, 0,
               fmt::format("shared memory of rank {} in a cluster of {} blocks", rank,
                           cluster.blocks.size()));
  }
  LiveBlock& block = *cluster.blocks[rank];
  if (block.done) {
    raise_lane(FaultKind::out_of_bounds, op, warp, lane, 0,
               fmt::format("shared memory of block ({},{},{}), rank {} of the cluster, which has "
                           "exited",
                           block.place.index[0], block.place.index[1], block.place.index[2], rank));
  }
  return block;
}

SharedPlace shared_place(const Op& op, Warp& warp, int lane, uint64_t address, AsyncSide side,
                         uint64_t bytes, uint32_t alignment) {
  uint64_t local = address;
  if (side == AsyncSide::generic || address - shared_window < window_bytes) {
    if (address - shared_window >= window_bytes) {
      raise_lane(FaultKind::out_of_bounds, op, warp, lane, address,
                 fmt::format("0x{:x} is no address of shared memory", address));
    }
    local = address - shared_window;
  }
  const uint64_t named = local >> rank_shift;
  SharedPlace place{warp.home, static_cast<uint32_t>(local & offset_mask)};
  if (named > 0xff ||
      (named != 0 && side == AsyncSide::shared_cta && named - 1 != warp.home->rank)) {
    raise_lane(FaultKind::out_of_bounds, op, warp, lane, address,
               fmt::format("0x{:x} is not in the block's shared memory", address));
  }
  if (named != 0) place.block = &cluster_block(op, warp, lane, static_cast<uint32_t>(named) - 1);
  if (bytes > place.block->shared_bytes || place.offset > place.block->shared_bytes - bytes) {
    raise_lane(FaultKind::out_of_bounds, op, warp, lane, address,
               fmt::format("shared access of {} bytes at offset {} of {} bytes", bytes,
                           place.offset, place.block->shared_bytes));
  }
  if (place.offset % alignment != 0) {
    raise_lane(FaultKind::misaligned, op, warp, lane, address,
               fmt::format("shared address {} is not {}-byte aligned", place.offset, alignment));
  }
  return place;
}

void in_shared_memory_of(const Op& op, Warp& warp, uint32_t rank, void (*body)(void*), void* data) {
  LiveBlock& block = cluster_block(op, warp, __builtin_ctz(warp.mask), rank);
  warp.shared = block.shared();
  warp.shared_owner = &block.place;
  body(data);
  warp.shared = warp.home->shared();
  warp.shared_owner = warp.place;
}

char* global_place(const Op& op, Warp& warp, int lane, uint64_t address, uint64_t bytes,
                   SiteRole role, const Allocation*& allocation, uint64_t& offset) {
  if (bytes == 0) return nullptr;
  const Allocation& found = warp.executor->find(op, warp, lane, address, bytes, role);
  if (allocation != nullptr && allocation != &found) {
    raise_lane(FaultKind::out_of_bounds, op, warp, lane, address,
               fmt::format("one copy touches '{}' and '{}'", allocation->name, found.name));
  }
  allocation = &found;
  offset = address - found.address;
  return found.host + offset;
}

void check_register_limits(Warp& leaving) {
  const size_t executed = async_of(leaving).register_limits.size();
  const uint32_t first = leaving.index / 4 * 4;
  for (uint32_t w = first; w < std::min(first + 4, leaving.home->warp_count); ++w) {
    const auto& other = leaving.home->async->warps[w].register_limits;
    if (other.size() <= executed) continue;
    raise_lane(FaultKind::divergent_barrier, *other[executed].op, leaving,
               __builtin_ctz(leaving.live), 0,
               fmt::format("warp {} of the same warpgroup executed this setmaxnreg, warp {} exits "
                           "without it",
                           w, leaving.index));
  }
}

bool cluster_phase_completed(Cluster& cluster, uint64_t phase) {
  if (cluster.phase > phase) return true;
  for (const auto& block : cluster.blocks) {
    for (uint32_t w = 0; w < block->warp_count; ++w) {
      const Warp& warp = block->warps[w];
      if (warp.state != Warp::State::done &&
          (warp.live & ~block->async->warps[w].cluster_arrived) != 0) {
        return false;
      }
    }
  }
  for (const auto& block : cluster.blocks) {
    for (WarpAsync& warp : block->async->warps) warp.cluster_arrived = 0;
  }
  ++cluster.phase;
  return cluster.phase > phase;
}

std::array<Handler, 2> cluster_handler(std::string_view name, int bits) {
  const auto both = [](Handler h) { return std::array<Handler, 2>{h, h}; };
  if (name == "mapa") return both(bits == 32 ? map_op<uint32_t> : map_op<uint64_t>);
  if (name == "getctarank") return both(bits == 32 ? rank_of_op<uint32_t> : rank_of_op<uint64_t>);
  if (name == "arrive") return both(cluster_arrive_op);
  if (name == "wait") return both(cluster_wait_op);
  if (name == "elect") return {elect_op<false>, elect_op<true>};
  if (name == "setmaxnreg") return {registers_op<false>, registers_op<true>};
  if (name == "nanosleep") return both(yield_op);
  return {nullptr, nullptr};
}

}  // namespace mtmc::emulator
