// One warp. Problem: 32 lanes share one program counter until they do not. Method: divergent lanes
// are (place, mask) groups; the one with the lowest place goes first and groups that meet at the
// start of a block merge. Places are numbered in loop-aware reverse post-order, which is a
// heuristic for early reconvergence, never needed for correctness: whatever needs named lanes waits
// for them. A group that spins lets the warp's other groups go first, then the other warps.
#include <fmt/format.h>

#include "emulator/async.hpp"
#include "emulator/executor.hpp"

namespace mtmc::emulator {
namespace {

// Back edges of a loop that may wait for other threads before others get their turn.
constexpr uint32_t spin_quota = 64;

bool missing_lanes(const Warp& warp, const Group& group) {
  return (group.members & warp.live & ~group.mask) != 0;
}

}  // namespace

void Executor::charge(Warp& warp, const Block& block) {
  context_.progress.instructions += static_cast<uint64_t>(quota_size_ - quota_);
  quota_ = quota_size_;
  const uint64_t budget = context_.options->instruction_budget;
  if (budget == 0 || context_.progress.instructions.load() <= budget) return;
  const int32_t origin =
      block.first < block.last ? code_.ops[block.first].origin : block.exit_origin;
  throw FaultError{FaultKind::budget_exceeded, origin,
                   static_cast<int>(warp.index * lanes) + __builtin_ctz(warp.mask), 0,
                   fmt::format("more than {} warp instructions; an endless loop or a budget that "
                               "is too small",
                               budget)};
}

// The group list keeps places unique: groups that wait or start at the same op are one.
void Executor::push(Warp& warp, const Group& group) {
  using State = Group::State;
  for (int i = 0; i < warp.group_count; ++i) {
    Group& g = warp.groups[i];
    if (g.op != group.op || g.block != group.block) continue;
    g.mask |= group.mask;
    g.members |= group.members;
    g.counted = g.counted && group.counted;
    if (g.state == State::waiting || group.state == State::waiting) {
      g.state = missing_lanes(warp, g) ? State::waiting : State::runnable;
    } else if (g.state != group.state || g.state == State::parked) {
      g.state = State::runnable;  // a parked op is executed again for all of them
    }
    return;
  }
  if (warp.groups == nullptr) warp.groups = std::make_unique<Group[]>(lanes + 1);
  warp.groups[warp.group_count++] = group;
}

// The lowest group that can run, or -1. Called with every live lane in some group.
int Executor::first_runnable(Warp& warp) {
  using State = Group::State;
  int best = -1;
  for (int i = 0; i < warp.group_count; ++i) {
    Group& g = warp.groups[i];
    // Lanes that have exited are no longer waited for.
    if (g.state == State::waiting && !missing_lanes(warp, g)) g.state = State::runnable;
    if (g.state == State::parked && park_is_over(warp, g.park)) g.state = State::runnable;
    if (g.state == State::runnable && (best < 0 || g.op < warp.groups[best].op)) best = i;
  }
  return best;
}

bool Executor::park_is_over(Warp& warp, const Park& park) {
  switch (park.reason) {
    case Park::Reason::mbarrier:
      return phase_completed(*warp.home, park.address, park.phase != 0);
    case Park::Reason::cluster_barrier:
      return cluster_phase_completed(*warp.home->cluster, park.phase);
    case Park::Reason::wgmma:
      return wgmma_groups_committed(warp, park.phase);
    case Park::Reason::none:
      break;
  }
  return true;
}

void Executor::take(Warp& warp, int group) {
  const Group g = warp.groups[group];
  warp.groups[group] = warp.groups[--warp.group_count];
  warp.mask = g.mask;
  expand_mask(g.mask, warp.lane_mask);
  warp.block = g.block;
  warp.op = g.op;
  warp.counted = g.counted;
  warp.resumed = true;
}

// Makes the first group that can run current; false when the warp has to stop.
bool Executor::select(Warp& warp) {
  int best = first_runnable(warp);
  if (best < 0) {
    bool parked = false;
    bool rotated = false;
    for (int i = 0; i < warp.group_count; ++i) {
      Group& g = warp.groups[i];
      parked = parked || g.state == Group::State::parked;
      rotated = rotated || g.state == Group::State::rotated;
      if (g.state == Group::State::rotated) g.state = Group::State::runnable;
    }
    if (rotated) {
      best = first_runnable(warp);
    } else if (parked) {
      warp.state = Warp::State::parked;
      return false;
    } else {
      report_divergence(warp);
    }
  }
  take(warp, best);
  return true;
}

// False when the last lanes have gone or the rest has to stop.
bool Executor::lanes_exit(Warp& warp, uint32_t exiting) {
  if (warp.home->async != nullptr) land_all(warp, exiting);
  warp.live &= ~exiting;
  if (exiting != 0) tell([&](Listener& l) { l.lanes_exited(warp, exiting); });
  warp.mask &= ~exiting;
  if (warp.mask != 0) {
    expand_mask(warp.mask, warp.lane_mask);
    return true;
  }
  if (warp.group_count != 0) return select(warp);
  warp.state = Warp::State::done;
  return false;
}

// False when the warp stops: finished, parked, spinning or at a barrier.
bool Executor::leave_block(Warp& warp, const Block& block, Exit exit) {
  const auto taken = [&] {
    uint32_t p = warp.predicates[block.predicate];
    if (block.negated) p = ~p;
    return p & warp.mask;
  };
  const auto go_to = [&](uint32_t target) {
    warp.block = target;
    warp.op = code_.blocks[target].first;
  };
  switch (exit) {
    case Exit::jump:
      go_to(block.target);
      return true;
    case Exit::branch: {
      const uint32_t p = taken();
      if (p == 0 || p == warp.mask) {
        go_to(p == 0 ? block.next : block.target);
        return true;
      }
      const auto part = [&](uint32_t target, uint32_t mask) {
        push(warp,
             {target, code_.blocks[target].first, mask, Group::State::runnable, false, 0, {}});
      };
      block_splits_[warp.block] += 1;
      part(block.target, p);
      part(block.next, warp.mask & ~p);
      return select(warp);
    }
    case Exit::finish:
      return lanes_exit(warp, warp.mask);
    case Exit::finish_if: {
      const uint32_t p = taken();
      if (p != warp.mask) go_to(block.next);
      return lanes_exit(warp, p);
    }
    case Exit::barrier:
    case Exit::arrive:
      return arrive(warp, block);
    case Exit::suspend:
      if (warp.park.reason != Park::Reason::none) {
        push(warp,
             {warp.block, block.last - 1, warp.mask, Group::State::parked, true, 0, warp.park});
        warp.park = {};
        return select(warp);
      }
      go_to(block.target);
      return true;
    case Exit::call:
      return call(warp, block);
    case Exit::leave:
      return leave_function(warp, block);
    case Exit::table:
      return branch_by_table(warp, block);
    case Exit::spin:
      return leave_block(warp, block, block.inner) && spin(warp, block);
  }
  return false;
}

// After the exit of a block that closes a loop in which lanes may wait for other threads.
bool Executor::spin(Warp& warp, const Block& block) {
  const auto here = static_cast<uint32_t>(&block - code_.blocks.data());
  if (warp.block > here || (warp.group_count == 0 && warp.spin_place != here)) {
    warp.moved = true;
    warp.spin_place = here;
    warp.spins = 0;
  }
  if (warp.block > here || ++warp.spins < spin_quota) return true;
  warp.spins = 0;
  if (warp.group_count != 0) {
    push(warp, {warp.block, warp.op, warp.mask, Group::State::rotated, false, 0, {}});
    const int other = first_runnable(warp);
    if (other >= 0) {
      take(warp, other);
      return true;
    }
    if (!select(warp)) return false;
  }
  warp.yielded = true;
  return false;
}

bool Executor::arrive(Warp& warp, const Block& block) {
  if (warp.mask != warp.live) {  // wait here for the warp's other live lanes
    push(warp, {warp.block, block.last, warp.mask, Group::State::waiting, true, warp.live, {}});
    return select(warp);
  }
  const int lane = __builtin_ctz(warp.mask);
  const auto value = [&](int32_t offset) {
    return offset < 0 ? 0u : reinterpret_cast<uint32_t*>(warp.registers + offset)[lane];
  };
  const uint32_t id = value(block.barrier_id);
  const uint32_t count = value(block.barrier_count);
  const int thread = static_cast<int>(warp.index * lanes) + lane;
  auto& barriers = warp.home->barriers;
  if (id >= barriers.size()) {
    throw FaultError{FaultKind::deadlock, block.exit_origin, thread, 0,
                     fmt::format("barrier {} does not exist: there are 16", id)};
  }
  if (count % lanes != 0) {
    throw FaultError{FaultKind::deadlock, block.exit_origin, thread, 0,
                     fmt::format("barrier count {} is not a multiple of 32", count)};
  }
  NamedBarrier& barrier = barriers[id];
  barrier.used = true;
  barrier.threads += lanes;
  barrier.expected = count;
  barrier.origin = block.exit_origin;
  warp.block = block.next;
  warp.op = code_.blocks[block.next].first;
  tell([&](Listener& l) { l.barrier_arrived(warp, id, block.exit == Exit::barrier); });
  if (block.exit == Exit::arrive) return true;
  warp.state = Warp::State::at_barrier;
  warp.barrier_id = id;
  warp.barrier_block = &block;
  return false;
}

void Executor::run_warp(Warp& warp) {
  using State = Group::State;
  const Op* const ops = code_.ops.data();
  for (;;) {
    const Block& block = code_.blocks[warp.block];
    if (warp.op == block.first) {
      if (warp.group_count != 0) {
        // Another group is behind or here: put this one back, perhaps merging, and take the first.
        bool behind = false;
        for (int i = 0; i < warp.group_count; ++i) {
          const Group& g = warp.groups[i];
          behind = behind || (g.state == State::runnable && g.op <= warp.op) ||
                   (g.state == State::rotated && g.op == warp.op);
        }
        if (behind && !warp.resumed) {
          push(warp, {warp.block, warp.op, warp.mask, State::runnable, false, 0, {}});
          if (!select(warp)) return;
          continue;
        }
      }
      warp.resumed = false;
      if (!warp.counted) {
        block_warps_[warp.block] += 1;
        block_lanes_[warp.block] += static_cast<uint64_t>(__builtin_popcount(warp.mask));
        if (warp.trace != nullptr) warp.trace->enter(warp.block, block.instructions);
      }
      warp.counted = false;
      clock_ += block.instructions;
      if ((quota_ -= block.charge) < 0) charge(warp, block);
    } else {
      warp.counted = false;  // said it of this block, not of the next
    }
    const Op* op = ops + warp.op;
    const Op* const end = ops + block.last;
    if (warp.mask == all_lanes) {
      for (; op != end; ++op) op->run[0](*op, warp);
    } else {
      for (; op != end; ++op) {
        op->run[1](*op, warp);
        if (__builtin_expect(warp.waiting, 0)) break;
      }
      if (warp.waiting) {
        warp.waiting = false;
        push(warp, {warp.block,
                    static_cast<uint32_t>(op - ops),
                    warp.mask,
                    State::waiting,
                    true,
                    warp.wait_members,
                    {}});
        if (!select(warp)) return;
        continue;
      }
    }
    warp.resumed = false;
    if (!leave_block(warp, block, block.exit)) return;
  }
}

}  // namespace mtmc::emulator
