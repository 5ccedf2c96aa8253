// What nobody can get out of: warps that all wait, and lanes of one warp that wait for each other.
// The report names what each of them waits for and where.
#include <fmt/format.h>

#include "emulator/async.hpp"
#include "emulator/executor.hpp"

namespace mtmc::emulator {
namespace {

constexpr int reported_warps = 32;

}  // namespace

int32_t Executor::origin_of(uint32_t block, uint32_t op) const {
  const Block& b = code_.blocks[block];
  return op == b.last ? b.exit_origin : code_.ops[op].origin;
}

std::string Executor::place_of(uint32_t block, uint32_t op) const {
  const int32_t origin = origin_of(block, op);
  if (origin < 0) return "the end of the kernel";
  const Origin& where = code_.origins[origin];
  return fmt::format("line {} ({})",
                     where.location.line != 0 ? where.location.line : where.ptx_line, where.text);
}

// Called when no group of the warp can run and none is parked.
void Executor::report_divergence(const Warp& warp) const {
  const Group& g = warp.groups[0];
  std::string others;
  for (int i = 1; i < warp.group_count; ++i) {
    const Group& o = warp.groups[i];
    others +=
        fmt::format("{}lanes 0x{:08x} at {}", i > 1 ? ", " : "", o.mask, place_of(o.block, o.op));
  }
  throw FaultError{FaultKind::divergent_barrier, origin_of(g.block, g.op),
                   static_cast<int>(warp.index * lanes) + __builtin_ctz(g.mask), 0,
                   fmt::format("lanes 0x{:08x} wait for lanes 0x{:08x}, which wait elsewhere: {}",
                               g.mask, g.members & warp.live & ~g.mask, others)};
}

std::string Executor::waits_of(const Warp& warp) const {
  if (warp.state == Warp::State::at_barrier) {
    const Origin& where = code_.origins[warp.barrier_block->exit_origin];
    return fmt::format("waits for barrier {} at line {} ({})", warp.barrier_id,
                       where.location.line != 0 ? where.location.line : where.ptx_line, where.text);
  }
  if (warp.state == Warp::State::ready) {
    return fmt::format("spins at {}", place_of(warp.block, warp.op));
  }
  std::string text;
  for (int i = 0; i < warp.group_count; ++i) {
    const Group& g = warp.groups[i];
    if (i > 0) text += " and ";
    if (g.mask != warp.live) text += fmt::format("lanes 0x{:08x} ", g.mask);
    const std::string place = place_of(g.block, g.op);
    if (g.state == Group::State::waiting) {
      text += fmt::format("waits for lanes 0x{:08x} at {}", g.members & warp.live & ~g.mask, place);
    } else if (g.park.reason == Park::Reason::mbarrier) {
      text += fmt::format("waits for the mbarrier at shared address {}", g.park.address);
      const auto known = warp.home->async->mbarriers.find(g.park.address);
      if (known != warp.home->async->mbarriers.end()) {
        const MbarrierState state = *MbarrierState::of(known->second.word);
        text += fmt::format(" (parity {}, {} of {} arrivals and {} bytes pending)", g.park.phase,
                            state.pending, state.expected, state.transactions);
      }
      text += " at " + place;
    } else if (g.park.reason == Park::Reason::cluster_barrier) {
      text += fmt::format("waits for the cluster's barrier at {}", place);
    } else if (g.park.reason == Park::Reason::wgmma) {
      text += fmt::format("waits for the wgmma of its warpgroup's other warps at {}", place);
    } else {
      text += fmt::format("waits at {}", place);
    }
  }
  return text;
}

void Executor::report_deadlock() {
  const Warp* first = nullptr;
  std::string list;
  int listed = 0;
  int more = 0;
  for (const auto& cluster : live_) {
    for (const auto& block : cluster->blocks) {
      for (uint32_t w = 0; w < block->warp_count; ++w) {
        const Warp& warp = block->warps[w];
        if (warp.state == Warp::State::done) continue;
        if (first == nullptr) first = &warp;
        if (listed == reported_warps) {
          ++more;
          continue;
        }
        ++listed;
        list += fmt::format("{}block ({},{},{}) warp {} {}", list.empty() ? "" : "; ",
                            block->place.index[0], block->place.index[1], block->place.index[2], w,
                            waits_of(warp));
      }
    }
  }
  if (more > 0) list += fmt::format("; and {} more", more);
  const Warp& warp = *first;
  current_ = warp.home;
  std::string text = "no warp can go on";
  int32_t origin = -1;
  uint32_t mask = warp.mask;
  if (warp.state == Warp::State::at_barrier) {
    const NamedBarrier& barrier = current_->barriers[warp.barrier_id];
    origin = warp.barrier_block->exit_origin;
    text = fmt::format("barrier {} waits for {} threads, {} arrived, and no warp can go on",
                       warp.barrier_id, current_->needed(barrier), barrier.threads);
  } else if (warp.state == Warp::State::ready) {
    origin = origin_of(warp.block, warp.op);
  } else {
    origin = origin_of(warp.groups[0].block, warp.groups[0].op);
    mask = warp.groups[0].mask;
  }
  throw FaultError{FaultKind::deadlock, origin,
                   static_cast<int>(warp.index * lanes) + __builtin_ctz(mask != 0 ? mask : 1), 0,
                   fmt::format("{}: {}", text, list)};
}

}  // namespace mtmc::emulator
