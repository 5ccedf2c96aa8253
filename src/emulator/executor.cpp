// Blocks, warps and barriers. Problem: 32 lanes share one program counter until they do not.
// Method: a warp is a struct that runs until a barrier; divergent lanes are (place, mask) groups,
// the one with the lowest place goes first and groups that meet at the start of a block merge.
// Places are numbered in loop-aware reverse post-order, which is a heuristic for early
// reconvergence, never needed for correctness: whatever needs named lanes waits for them.
// Not modelled: time. Warps of a block run one after the other between barriers, blocks one after
// the other; a kernel that spins on another block's write runs into the instruction budget.
#include "emulator/executor.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

namespace mtmc::emulator {
namespace {

AlignedBuffer aligned_buffer(size_t bytes) {
  const size_t padded = (bytes + 127) / 64 * 64;
  auto* p = static_cast<char*>(std::aligned_alloc(64, padded));
  if (p == nullptr) throw std::bad_alloc();
  std::memset(p, 0, padded);
  return AlignedBuffer(p);
}

// What uninitialised shared and local memory holds: NaN as a float, -1 as an integer.
constexpr int poison = 0xff;

}  // namespace

void AlignedFree::operator()(char* p) const { std::free(p); }

Executor::Executor(LaunchContext& context, uint64_t first, uint64_t stride)
    : context_(context),
      code_(*context.program->code),
      first_(first),
      stride_(stride),
      threads_per_block_(context.launch->block[0] * context.launch->block[1] *
                         context.launch->block[2]),
      warp_count_((threads_per_block_ + lanes - 1) / lanes),
      shared_bytes_(code_.shared_bytes +
                    static_cast<uint32_t>(context.launch->dynamic_shared_bytes)),
      listeners_({*context.program, code_, *context.launch, *context.options, *context.memory,
                  warp_count_, shared_bytes_, findings_}) {
  const size_t local_bytes = (code_.local_bytes + 7) / 8 * 8;
  registers_ = aligned_buffer(size_t{code_.register_bytes} * warp_count_);
  shared_ = aligned_buffer(shared_bytes_);
  local_ = aligned_buffer(local_bytes * lanes * warp_count_);
  predicates_.assign(size_t{code_.predicates} * warp_count_, 0);
  sites_ = std::make_unique<Site[]>(code_.sites.size() + 1);
  for (size_t s = 0; s < code_.sites.size(); ++s) {
    sites_[s].watch = listeners_.watch(code_.sites[s]);
  }
  block_warps_.assign(code_.blocks.size(), 0);
  block_lanes_.assign(code_.blocks.size(), 0);
  warps_ = std::make_unique<Warp[]>(warp_count_);
  for (uint32_t w = 0; w < warp_count_; ++w) {
    Warp& warp = warps_[w];
    warp.index = w;
    warp.registers = registers_.get() + size_t{code_.register_bytes} * w;
    warp.predicates = predicates_.data() + size_t{code_.predicates} * w;
    warp.predicates[1] = all_lanes;
    warp.shared = shared_.get();
    warp.shared_bytes = shared_bytes_;
    warp.local = local_.get() + local_bytes * lanes * w;
    warp.local_bytes = static_cast<uint32_t>(local_bytes);
    warp.sites = sites_.get();
    warp.executor = this;
    warp.place = &place_;
    warp.watchers = listeners_.watchers();
    warp.listeners = listeners_.listeners();
    warp.sync_listener = listeners_.sync_listener();
    warp.lists = code_.lists.data();
    warp.guarded = code_.guarded.data();
  }
  const uint64_t budget = context.options->instruction_budget;
  quota_size_ = budget == 0 ? int64_t{1} << 20
                            : static_cast<int64_t>(std::clamp<uint64_t>(budget / (16 * stride), 1,
                                                                        uint64_t{1} << 16));
  quota_ = quota_size_;
  fill_launch_constants();
}

void Executor::fill_launch_constants() {
  const LaunchParams& launch = *context_.launch;
  const auto fill = [&](Warp& warp, const ConstantFill& c, auto value_of_lane) {
    char* p = warp.registers + c.offset;
    for (int l = 0; l < lanes; ++l) {
      const uint64_t value = value_of_lane(l);
      std::memcpy(p + l * c.bytes, &value, c.bytes);
    }
  };
  for (uint32_t w = 0; w < warp_count_; ++w) {
    Warp& warp = warps_[w];
    for (const ConstantFill& c : code_.constants) {
      switch (c.kind) {
        case ConstantFill::Kind::bits:
          fill(warp, c, [&](int) { return c.value; });
          break;
        case ConstantFill::Kind::dynamic_shared:
          fill(warp, c, [&](int) { return code_.shared_bytes + c.value; });
          break;
        case ConstantFill::Kind::symbol:
          fill(warp, c, [&](int) { return context_.variable_address[c.index] + c.value; });
          break;
        case ConstantFill::Kind::parameter: {
          uint64_t value = 0;
          const uint32_t bytes = c.index & 15;
          std::memcpy(&value, launch.arguments.data() + c.value, bytes);
          if ((c.index & 16) != 0 && bytes < 8) {  // signed: extend to the register
            const uint32_t shift = 64 - 8 * bytes;
            value = static_cast<uint64_t>(static_cast<int64_t>(value << shift) >> shift);
          }
          fill(warp, c, [&](int) { return value; });
          break;
        }
        case ConstantFill::Kind::special:
          fill(warp, c, [&](int l) -> uint64_t {
            const uint32_t thread = w * lanes + static_cast<uint32_t>(l);
            const auto lane = static_cast<uint32_t>(l);
            switch (static_cast<Special>(c.index)) {
              case Special::tid_x:
                return thread % launch.block[0];
              case Special::tid_y:
                return thread / launch.block[0] % launch.block[1];
              case Special::tid_z:
                return thread / (launch.block[0] * launch.block[1]);
              case Special::ntid_x:
                return launch.block[0];
              case Special::ntid_y:
                return launch.block[1];
              case Special::ntid_z:
                return launch.block[2];
              case Special::nctaid_x:
                return context_.grid[0];
              case Special::nctaid_y:
                return context_.grid[1];
              case Special::nctaid_z:
                return context_.grid[2];
              case Special::laneid:
                return lane;
              case Special::warpid:
                return w;
              case Special::nwarpid:
                return warp_count_;
              case Special::lanemask_eq:
                return uint64_t{1} << lane;
              case Special::lanemask_le:
                return (uint64_t{2} << lane) - 1;
              case Special::lanemask_lt:
                return (uint64_t{1} << lane) - 1;
              case Special::lanemask_ge:
                return all_lanes & ~((uint64_t{1} << lane) - 1);
              case Special::lanemask_gt:
                return all_lanes & ~((uint64_t{2} << lane) - 1);
              case Special::dynamic_smem_size:
                return launch.dynamic_shared_bytes;
              case Special::total_smem_size:
                return shared_bytes_;
              case Special::nsmid:
                return 1;
              default:
                return 0;  // smid, gridid; ctaid_* are filled per block
            }
          });
          break;
      }
    }
  }
}

void Executor::fill_block_constants(uint64_t linear_block) {
  const auto& grid = context_.grid;
  place_.linear = linear_block;
  place_.index = {static_cast<uint32_t>(linear_block % grid[0]),
                  static_cast<uint32_t>(linear_block / grid[0] % grid[1]),
                  static_cast<uint32_t>(linear_block / grid[0] / grid[1])};
  for (const ConstantFill& c : code_.constants) {
    if (c.kind != ConstantFill::Kind::special) continue;
    const int axis = static_cast<int>(c.index) - static_cast<int>(Special::ctaid_x);
    if (axis < 0 || axis > 2) continue;
    for (uint32_t w = 0; w < warp_count_; ++w) {
      const uint64_t value = place_.index[axis];
      char* p = warps_[w].registers + c.offset;
      for (int l = 0; l < lanes; ++l) std::memcpy(p + l * c.bytes, &value, c.bytes);
    }
  }
}

void Executor::run() {
  uint64_t position = first_;
  try {
    for (; position < context_.block_count; position += stride_) {
      if (position > context_.progress.lowest_fault.load(std::memory_order_relaxed)) return;
      run_block(position);
      ++blocks_run_;
    }
    const auto used = static_cast<uint64_t>(quota_size_ - quota_);
    context_.progress.instructions += used;
  } catch (const FaultError& error) {
    fault_ = fault_of(error, place_.index);
    fault_position_ = position;
    uint64_t lowest = context_.progress.lowest_fault.load();
    while (position < lowest &&
           !context_.progress.lowest_fault.compare_exchange_weak(lowest, position)) {
    }
  }
}

Fault Executor::fault_of(const FaultError& error, const std::array<uint32_t, 3>& block) const {
  Fault fault;
  fault.kind = error.kind;
  fault.kernel = context_.program->kernel;
  fault.has_place = true;
  fault.block = block;
  const auto& size = context_.launch->block;
  const auto thread = static_cast<uint32_t>(error.lane);
  fault.thread = {thread % size[0], thread / size[0] % size[1], thread / (size[0] * size[1])};
  if (error.origin >= 0) {
    const Origin& origin = code_.origins[error.origin];
    fault.ptx_line = origin.ptx_line;
    fault.ptx = origin.text;
    fault.line = origin.location.line;
    const auto file = code_.files.find(origin.location.file);
    if (file != code_.files.end()) fault.file = file->second;
  }
  fault.address = error.address;
  fault.message = error.message;
  return fault;
}

template <class Call>
inline void Executor::tell(Call call) {
  if (listeners_.listeners() == nullptr) return;
  for (Listener* listener : listeners_.listeners()->all) call(*listener);
}

void Executor::run_block(uint64_t position) {
  place_.position = position;
  fill_block_constants(context_.block_at(position));
  if (shared_bytes_ != 0) std::memset(shared_.get(), poison, shared_bytes_);
  if (code_.local_bytes != 0) {
    std::memset(local_.get(), poison, size_t{warps_[0].local_bytes} * lanes * warp_count_);
  }
  for (uint32_t w = 0; w < warp_count_; ++w) {
    Warp& warp = warps_[w];
    const uint32_t rest = threads_per_block_ - w * lanes;
    warp.live = rest >= lanes ? all_lanes : (1u << rest) - 1;
    warp.mask = warp.live;
    expand_mask(warp.mask, warp.lane_mask);
    warp.group_count = 0;
    warp.waiting = false;
    warp.resumed = false;
    warp.counted = false;
    warp.block = 0;
    warp.op = code_.blocks[0].first;
    warp.state = Warp::State::ready;
  }
  barriers_.fill({});
  tell([&](Listener& l) { l.block_begins(place_); });
  for (;;) {
    bool all_done = true;
    for (uint32_t w = 0; w < warp_count_; ++w) {
      Warp& warp = warps_[w];
      if (warp.state == Warp::State::ready) run_warp(warp);
      all_done = all_done && warp.state == Warp::State::done;
    }
    if (all_done) break;
    if (!release_barriers()) report_deadlock();
  }
  tell([&](Listener& l) { l.block_ends(place_); });
}

bool Executor::release_barriers() {
  uint32_t present = 0;  // threads of warps that have not finished
  for (uint32_t w = 0; w < warp_count_; ++w) {
    if (warps_[w].state != Warp::State::done) present += lanes;
  }
  bool released = false;
  for (uint32_t id = 0; id < barriers_.size(); ++id) {
    Barrier& barrier = barriers_[id];
    if (!barrier.used) continue;
    const uint32_t needed = barrier.expected != 0 ? barrier.expected : present;
    if (barrier.threads < needed) continue;
    finish_reduction(id);
    std::array<uint32_t, lanes> going;
    size_t count = 0;
    for (uint32_t w = 0; w < warp_count_; ++w) {
      Warp& warp = warps_[w];
      if (warp.state == Warp::State::at_barrier && warp.barrier_id == id) {
        warp.state = Warp::State::ready;
        released = true;
        going[count++] = w;
      }
    }
    tell([&](Listener& l) {
      l.barrier_released(place_, id, count * lanes == present, {going.data(), count});
    });
    barrier = {};
  }
  return released;
}

// bar.red: every waiting warp has left its contribution; all get the result.
void Executor::finish_reduction(uint32_t id) {
  uint32_t population = 0;
  uint32_t members = 0;
  for (uint32_t w = 0; w < warp_count_; ++w) {
    Warp& warp = warps_[w];
    if (warp.state != Warp::State::at_barrier || warp.barrier_id != id) continue;
    if (warp.barrier_block->reduce < 0) continue;
    uint32_t p = warp.predicates[warp.barrier_block->reduce_source];
    if (warp.barrier_block->reduce_negated) p = ~p;
    population += static_cast<uint32_t>(__builtin_popcount(p & warp.mask));
    members += static_cast<uint32_t>(__builtin_popcount(warp.mask));
  }
  for (uint32_t w = 0; w < warp_count_; ++w) {
    Warp& warp = warps_[w];
    if (warp.state != Warp::State::at_barrier || warp.barrier_id != id) continue;
    const Block& block = *warp.barrier_block;
    if (block.reduce < 0) continue;
    if (block.reduce == 0) {
      auto* d = reinterpret_cast<uint32_t*>(warp.registers + block.reduce_target);
      for (int l = 0; l < lanes; ++l) {
        if ((warp.mask >> l & 1) != 0) d[l] = population;
      }
    } else {
      const bool result = block.reduce == 1 ? population == members : population != 0;
      uint32_t& d = warp.predicates[block.reduce_target];
      d = result ? d | warp.mask : d & ~warp.mask;
    }
  }
}

void Executor::report_deadlock() {
  for (uint32_t w = 0; w < warp_count_; ++w) {
    const Warp& warp = warps_[w];
    if (warp.state != Warp::State::at_barrier) continue;
    const Barrier& barrier = barriers_[warp.barrier_id];
    uint32_t present = 0;
    for (uint32_t i = 0; i < warp_count_; ++i) {
      if (warps_[i].state != Warp::State::done) present += lanes;
    }
    throw FaultError{
        FaultKind::deadlock, warp.barrier_block->exit_origin,
        static_cast<int>(w * lanes) + __builtin_ctz(warp.mask), 0,
        fmt::format("barrier {} waits for {} threads, {} arrived, and no warp can go on",
                    warp.barrier_id, barrier.expected != 0 ? barrier.expected : present,
                    barrier.threads)};
  }
  throw FaultError{FaultKind::deadlock, -1, 0, 0, "no warp can go on"};
}

void Executor::add_to(Profile& profile) const {
  profile.blocks_run += blocks_run_;
  profile.warps_run += blocks_run_ * warp_count_;
  for (size_t b = 0; b < code_.blocks.size(); ++b) {
    for (size_t c = 0; c < kIssueClassCount; ++c) {
      profile.warp_instructions[c] += block_warps_[b] * code_.blocks[b].classes[c];
      profile.lane_instructions[c] += block_lanes_[b] * code_.blocks[b].classes[c];
    }
    for (size_t k = 0; k < kComputeKindCount; ++k) {
      profile.matrix_operations[k] += block_warps_[b] * code_.blocks[b].matrix_operations[k];
    }
  }
  if (listeners_.profile() != nullptr) listeners_.profile()->add_to(profile);
}

// ---- one warp ----------------------------------------------------------------------------------

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
void Executor::push(Warp& warp, uint32_t block, uint32_t op, uint32_t mask, bool waiting,
                    uint32_t members) {
  for (int i = 0; i < warp.group_count; ++i) {
    Group& g = warp.groups[i];
    if (g.op == op && g.block == block) {
      const bool was_waiting = waiting;
      g.mask |= mask;
      g.waiting = (g.waiting || waiting) && ((g.members | members) & warp.live & ~g.mask) != 0;
      g.members |= members;
      g.counted = g.counted && was_waiting;
      return;
    }
  }
  warp.groups[warp.group_count++] = {block, op, mask, waiting, waiting, members};
}

// Makes the first group that can run current. Called with every live lane in some group.
void Executor::select(Warp& warp) {
  int best = -1;
  for (int pass = 0; pass < 2 && best < 0; ++pass) {
    for (int i = 0; i < warp.group_count; ++i) {
      Group& g = warp.groups[i];
      // Lanes that have exited are no longer waited for.
      if (g.waiting && (g.members & warp.live & ~g.mask) == 0) g.waiting = false;
      if (!g.waiting && (best < 0 || g.op < warp.groups[best].op)) best = i;
    }
  }
  if (best < 0) {
    const Group& g = warp.groups[0];
    const Block& block = code_.blocks[g.block];
    const bool at_exit = g.op == block.last;
    const int32_t origin = at_exit ? block.exit_origin : code_.ops[g.op].origin;
    std::string others;
    for (int i = 1; i < warp.group_count; ++i) {
      const Group& o = warp.groups[i];
      const Block& ob = code_.blocks[o.block];
      const int32_t oo = o.op == ob.last ? ob.exit_origin : code_.ops[o.op].origin;
      const Origin& where = code_.origins[oo];
      others +=
          fmt::format("{}lanes 0x{:08x} at line {} ({})", i > 1 ? ", " : "", o.mask,
                      where.location.line != 0 ? where.location.line : where.ptx_line, where.text);
    }
    throw FaultError{FaultKind::divergent_barrier, origin,
                     static_cast<int>(warp.index * lanes) + __builtin_ctz(g.mask), 0,
                     fmt::format("lanes 0x{:08x} wait for lanes 0x{:08x}, which wait elsewhere: {}",
                                 g.mask, g.members & warp.live & ~g.mask, others)};
  }
  const Group g = warp.groups[best];
  warp.groups[best] = warp.groups[--warp.group_count];
  warp.mask = g.mask;
  expand_mask(g.mask, warp.lane_mask);
  warp.block = g.block;
  warp.op = g.op;
  warp.counted = g.counted;
}

// False when the warp stops: finished, or at a barrier.
bool Executor::leave_block(Warp& warp, const Block& block) {
  switch (block.exit) {
    case Exit::jump:
      warp.block = block.target;
      warp.op = code_.blocks[block.target].first;
      return true;
    case Exit::branch: {
      uint32_t p = warp.predicates[block.predicate];
      if (block.negated) p = ~p;
      p &= warp.mask;
      if (p == 0 || p == warp.mask) {
        warp.block = p == 0 ? block.next : block.target;
        warp.op = code_.blocks[warp.block].first;
        return true;
      }
      const uint32_t rest = warp.mask & ~p;
      push(warp, block.target, code_.blocks[block.target].first, p, false, 0);
      push(warp, block.next, code_.blocks[block.next].first, rest, false, 0);
      select(warp);
      return true;
    }
    case Exit::finish:
      warp.live &= ~warp.mask;
      tell([&](Listener& l) { l.lanes_exited(warp, warp.mask); });
      if (warp.group_count != 0) {
        select(warp);
        return true;
      }
      warp.state = Warp::State::done;
      return false;
    case Exit::finish_if: {
      uint32_t p = warp.predicates[block.predicate];
      if (block.negated) p = ~p;
      p &= warp.mask;
      warp.live &= ~p;
      if (p != 0) tell([&](Listener& l) { l.lanes_exited(warp, p); });
      const uint32_t rest = warp.mask & ~p;
      if (rest != 0) {
        warp.block = block.next;
        warp.op = code_.blocks[block.next].first;
        warp.mask = rest;
        expand_mask(rest, warp.lane_mask);
        return true;
      }
      if (warp.group_count != 0) {
        select(warp);
        return true;
      }
      warp.state = Warp::State::done;
      return false;
    }
    case Exit::barrier:
    case Exit::arrive:
      return arrive(warp, block);
  }
  return false;
}

bool Executor::arrive(Warp& warp, const Block& block) {
  if (warp.mask != warp.live) {  // wait here for the warp's other live lanes
    push(warp, warp.block, block.last, warp.mask, true, warp.live);
    select(warp);
    return true;
  }
  const int lane = __builtin_ctz(warp.mask);
  const auto value = [&](int32_t offset) {
    return offset < 0 ? 0u : reinterpret_cast<uint32_t*>(warp.registers + offset)[lane];
  };
  const uint32_t id = value(block.barrier_id);
  const uint32_t count = value(block.barrier_count);
  const int thread = static_cast<int>(warp.index * lanes) + lane;
  if (id >= barriers_.size()) {
    throw FaultError{FaultKind::deadlock, block.exit_origin, thread, 0,
                     fmt::format("barrier {} does not exist: there are 16", id)};
  }
  if (count % lanes != 0) {
    throw FaultError{FaultKind::deadlock, block.exit_origin, thread, 0,
                     fmt::format("barrier count {} is not a multiple of 32", count)};
  }
  Barrier& barrier = barriers_[id];
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
  const Op* const ops = code_.ops.data();
  for (;;) {
    const Block& block = code_.blocks[warp.block];
    if (warp.op == block.first) {
      if (warp.group_count != 0) {
        // Another group is behind or here: put this one back, perhaps merging, and take the first.
        bool yield = false;
        for (int i = 0; i < warp.group_count; ++i) {
          yield = yield || (!warp.groups[i].waiting && warp.groups[i].op <= warp.op);
        }
        if (yield && !warp.resumed) {
          push(warp, warp.block, warp.op, warp.mask, false, 0);
          select(warp);
          warp.resumed = true;
          continue;
        }
      }
      warp.resumed = false;
      if (!warp.counted) {
        block_warps_[warp.block] += 1;
        block_lanes_[warp.block] += static_cast<uint64_t>(__builtin_popcount(warp.mask));
      }
      warp.counted = false;
      clock_ += block.instructions;
      if ((quota_ -= block.charge) < 0) charge(warp, block);
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
        push(warp, warp.block, static_cast<uint32_t>(op - ops), warp.mask, true, warp.wait_members);
        select(warp);
        warp.resumed = true;
        continue;
      }
    }
    warp.resumed = false;
    if (!leave_block(warp, block)) return;
  }
}

void Executor::resolve(Site& site, const Op& op, Warp& warp, const uint64_t* address,
                       uint32_t bytes, SiteRole role) {
  const int lane = __builtin_ctz(warp.mask);
  const uint64_t where = address[lane];
  const char* verb = role == SiteRole::global_load    ? "load"
                     : role == SiteRole::global_store ? "store"
                                                      : "atomic";
  const Allocation* found = context_.memory->find(where);
  if (found == nullptr || where + bytes > found->end()) {
    const Allocation* near = context_.memory->nearest(where);
    std::string text = fmt::format("global {} of {} bytes at 0x{:x}", verb, bytes, where);
    if (near == nullptr || where < 4096) {
      text += where < 4096 ? " (null pointer)" : "; nothing is allocated";
    } else if (where >= near->address && where < near->end()) {
      text += fmt::format(" ends {} bytes past '{}' ({} bytes)", where + bytes - near->end(),
                          near->name, near->bytes);
    } else {
      text += where < near->address ? fmt::format(" is {} bytes before '{}' ({} bytes)",
                                                  near->address - where, near->name, near->bytes)
                                    : fmt::format(" is {} bytes past '{}' ({} bytes)",
                                                  where - near->end(), near->name, near->bytes);
    }
    raise(FaultKind::out_of_bounds, op, static_cast<int>(warp.index * lanes) + lane, where, text);
  }
  if (role != SiteRole::global_load && found->access == Access::read_only) {
    raise(FaultKind::read_only_write, op, static_cast<int>(warp.index * lanes) + lane, where,
          fmt::format("global {} of {} bytes at 0x{:x} in '{}', which is read-only", verb, bytes,
                      where, found->name));
  }
  site.low_address = found->address;
  site.bytes = found->bytes;
  site.host = found->host;
  site.allocation = found;
}

void raise(FaultKind kind, const Op& op, int lane, uint64_t address, std::string message) {
  throw FaultError{kind, op.origin, lane, address, std::move(message)};
}

void raise_misaligned(const Op& op, const Warp& warp, int lane, uint64_t address, uint32_t bytes,
                      const char* space) {
  raise(FaultKind::misaligned, op, static_cast<int>(warp.index * lanes) + lane, address,
        fmt::format("{} access of {} bytes at 0x{:x} is not {}-byte aligned", space, bytes, address,
                    bytes));
}

void raise_window_fault(const Op& op, const Warp& warp, const uint32_t* address, uint32_t bytes,
                        uint32_t limit, const char* space) {
  for (int l = 0; l < lanes; ++l) {
    if ((warp.mask >> l & 1) == 0) continue;
    if (limit < bytes || address[l] > limit - bytes) {
      raise(FaultKind::out_of_bounds, op, static_cast<int>(warp.index * lanes) + l, address[l],
            fmt::format("{} access of {} bytes at offset {} of {} bytes", space, bytes, address[l],
                        limit));
    }
    if ((address[l] & (bytes - 1)) != 0) {
      raise_misaligned(op, warp, l, address[l], bytes, space);
    }
  }
  raise(FaultKind::out_of_bounds, op, static_cast<int>(warp.index * lanes), 0,
        fmt::format("{} access of {} bytes outside {} bytes", space, bytes, limit));
}

void resolve_global(Site& site, const Op& op, Warp& warp, const uint64_t* address, uint32_t bytes,
                    SiteRole role) {
  warp.executor->resolve(site, op, warp, address, bytes, role);
}

uint64_t clock_of(Warp& warp) { return warp.executor->clock(); }

}  // namespace mtmc::emulator
