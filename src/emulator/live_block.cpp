// Blocks in flight: what their constants hold, and when their barriers open.
#include "emulator/live_block.hpp"

#include <cstdlib>
#include <cstring>
#include <new>

#include "emulator/async.hpp"
#include "emulator/executor.hpp"

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

uint32_t threads_of(const LaunchParams& launch) {
  return launch.block[0] * launch.block[1] * launch.block[2];
}
size_t local_bytes_of(const Code& code) { return (code.local_bytes + 7) / 8 * 8; }

bool changes_by_block(uint32_t special) {
  switch (static_cast<Special>(special)) {
    case Special::ctaid_x:
    case Special::ctaid_y:
    case Special::ctaid_z:
    case Special::cluster_ctaid_x:
    case Special::cluster_ctaid_y:
    case Special::cluster_ctaid_z:
    case Special::clusterid_x:
    case Special::clusterid_y:
    case Special::clusterid_z:
    case Special::cluster_ctarank:
      return true;
    default:
      return false;
  }
}

template <class F>
void fill(Warp& warp, const ConstantFill& c, F value_of_lane) {
  char* p = warp.registers + c.offset;
  for (uint32_t l = 0; l < lanes; ++l) {
    const uint64_t value = value_of_lane(l);
    std::memcpy(p + l * c.bytes, &value, c.bytes);
  }
}

}  // namespace

void AlignedFree::operator()(char* p) const { std::free(p); }

uint64_t LiveBlock::bytes_needed(const LaunchContext& context) {
  const Code& code = *context.program->code;
  const uint64_t warps = (threads_of(*context.launch) + lanes - 1) / lanes;
  return warps * (sizeof(Warp) + code.register_bytes + code.predicates * 4 +
                  local_bytes_of(code) * lanes) +
         code.shared_bytes + context.launch->dynamic_shared_bytes;
}

uint32_t LiveBlock::warps_of(const LaunchParams& launch) {
  return (threads_of(launch) + lanes - 1) / lanes;
}

uint32_t LiveBlock::shared_bytes_of(const LaunchContext& context) {
  return context.program->code->shared_bytes +
         static_cast<uint32_t>(context.launch->dynamic_shared_bytes);
}

LiveBlock::LiveBlock(const LaunchContext& launch_context, Executor& executor, Site* sites,
                     uint32_t slot)
    : context(launch_context), code(*launch_context.program->code) {
  threads = threads_of(*context.launch);
  warp_count = warps_of(*context.launch);
  shared_bytes = shared_bytes_of(context);
  place.slot = slot;
  const size_t local_bytes = local_bytes_of(code);
  registers_ = aligned_buffer(size_t{code.register_bytes} * warp_count);
  shared_ = aligned_buffer(shared_bytes);
  local_ = aligned_buffer(local_bytes * lanes * warp_count);
  predicates_.assign(size_t{code.predicates} * warp_count, 0);
  warps = std::make_unique<Warp[]>(warp_count);
  if (!code.calls.empty()) call_stacks_ = std::make_unique<CallStack[]>(warp_count);
  for (uint32_t w = 0; w < warp_count; ++w) {
    Warp& warp = warps[w];
    warp.index = w;
    warp.registers = registers_.get() + size_t{code.register_bytes} * w;
    warp.predicates = predicates_.data() + size_t{code.predicates} * w;
    warp.predicates[1] = all_lanes;
    warp.shared = shared_.get();
    warp.shared_bytes = shared_bytes;
    warp.local = local_.get() + local_bytes * lanes * w;
    warp.local_bytes = static_cast<uint32_t>(local_bytes);
    warp.shared_owner = &place;
    warp.sites = sites;
    warp.executor = &executor;
    warp.home = this;
    warp.place = &place;
    warp.watchers = executor.listeners().watchers();
    warp.listeners = executor.listeners().listeners();
    warp.sync_listener = executor.listeners().sync_listener();
    warp.matrix_arithmetic = context.options->matrix_arithmetic;
    warp.lists = code.lists.data();
    warp.guarded = code.guarded.data();
    warp.calls = call_stacks_ == nullptr ? nullptr : &call_stacks_[w];
  }
  if (!code.async_forms.empty()) async = std::make_unique<BlockAsync>();
  fill_launch_constants();
}

LiveBlock::~LiveBlock() = default;


void LiveBlock::begin(uint64_t linear_index, Cluster& of, uint32_t rank_in_cluster) {
  const auto& grid = context.grid;
  place.position = of.position;
  place.linear = linear_index;
  place.index = {static_cast<uint32_t>(linear_index % grid[0]),
                 static_cast<uint32_t>(linear_index / grid[0] % grid[1]),
                 static_cast<uint32_t>(linear_index / grid[0] / grid[1])};
  cluster = &of;
  rank = rank_in_cluster;
  done = false;
  fill_block_constants();
  if (shared_bytes != 0) std::memset(shared_.get(), poison, shared_bytes);
  if (code.local_bytes != 0) {
    std::memset(local_.get(), poison, size_t{warps[0].local_bytes} * lanes * warp_count);
  }
  for (uint32_t w = 0; w < warp_count; ++w) {
    Warp& warp = warps[w];
    const uint32_t rest = threads - w * lanes;
    warp.live = rest >= lanes ? all_lanes : (1u << rest) - 1;
    warp.mask = warp.live;
    expand_mask(warp.mask, warp.lane_mask);
    warp.group_count = 0;
    warp.waiting = false;
    warp.park = {};
    warp.resumed = false;
    warp.counted = false;
    warp.yielded = false;
    warp.moved = true;
    warp.spins = 0;
    warp.spin_place = ~0u;
    warp.wgmma_groups = 0;
    warp.block = code.entry_block;
    warp.op = code.blocks[code.entry_block].first;
    reset_calls(code, warp);
    warp.state = Warp::State::ready;
  }
  barriers.fill({});
  if (async != nullptr) {
    async->mbarriers.clear();
    async->warps.clear();
    async->warps.resize(warp_count);
  }
}

// ---- constants ---------------------------------------------------------------------------------

uint64_t LiveBlock::special_value(Special name, uint32_t warp, uint32_t lane) const {
  const LaunchParams& launch = *context.launch;
  const uint32_t thread = warp * lanes + lane;
  switch (name) {
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
    case Special::ctaid_x:
      return place.index[0];
    case Special::ctaid_y:
      return place.index[1];
    case Special::ctaid_z:
      return place.index[2];
    case Special::nctaid_x:
      return context.grid[0];
    case Special::nctaid_y:
      return context.grid[1];
    case Special::nctaid_z:
      return context.grid[2];
    case Special::laneid:
      return lane;
    case Special::warpid:
      return warp;
    case Special::nwarpid:
      return warp_count;
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
      return shared_bytes;
    case Special::nsmid:
      return 1;
    case Special::cluster_ctaid_x:
    case Special::cluster_ctaid_y:
    case Special::cluster_ctaid_z: {
      const int axis = static_cast<int>(name) - static_cast<int>(Special::cluster_ctaid_x);
      return place.index[axis] % context.cluster[axis];
    }
    case Special::cluster_nctaid_x:
    case Special::cluster_nctaid_y:
    case Special::cluster_nctaid_z:
      return context.cluster[static_cast<int>(name) - static_cast<int>(Special::cluster_nctaid_x)];
    case Special::clusterid_x:
    case Special::clusterid_y:
    case Special::clusterid_z: {
      const int axis = static_cast<int>(name) - static_cast<int>(Special::clusterid_x);
      return place.index[axis] / context.cluster[axis];
    }
    case Special::nclusterid_x:
    case Special::nclusterid_y:
    case Special::nclusterid_z: {
      const int axis = static_cast<int>(name) - static_cast<int>(Special::nclusterid_x);
      return context.grid[axis] / context.cluster[axis];
    }
    case Special::cluster_ctarank:
      return rank;
    case Special::cluster_nctarank:
      return context.blocks_per_cluster();
    case Special::is_explicit_cluster:
      return context.explicit_cluster ? 1 : 0;
    case Special::envreg1:  // the high half first
      return context.grid_workspace >> 32;
    case Special::envreg2:
      return context.grid_workspace & 0xffffffff;
    case Special::smid:
    case Special::gridid:
      break;
  }
  return 0;
}

void LiveBlock::fill_launch_constants() {
  const LaunchParams& launch = *context.launch;
  for (uint32_t w = 0; w < warp_count; ++w) {
    Warp& warp = warps[w];
    for (const ConstantFill& c : code.constants) {
      switch (c.kind) {
        case ConstantFill::Kind::bits:
          fill(warp, c, [&](uint32_t) { return c.value; });
          break;
        case ConstantFill::Kind::dynamic_shared:
          fill(warp, c, [&](uint32_t) { return code.shared_bytes + c.value; });
          break;
        case ConstantFill::Kind::symbol:
          fill(warp, c, [&](uint32_t) { return context.variable_address[c.index] + c.value; });
          break;
        case ConstantFill::Kind::parameter: {
          uint64_t value = 0;
          const uint32_t bytes = c.index & 15;
          std::memcpy(&value, launch.arguments.data() + c.value, bytes);
          if ((c.index & 16) != 0 && bytes < 8) {  // signed: extend to the register
            const uint32_t shift = 64 - 8 * bytes;
            value = static_cast<uint64_t>(static_cast<int64_t>(value << shift) >> shift);
          }
          fill(warp, c, [&](uint32_t) { return value; });
          break;
        }
        case ConstantFill::Kind::special:
          if (changes_by_block(c.index)) break;
          fill(warp, c,
               [&](uint32_t l) { return special_value(static_cast<Special>(c.index), w, l); });
          break;
      }
    }
  }
}

void LiveBlock::fill_block_constants() {
  for (const ConstantFill& c : code.constants) {
    if (c.kind != ConstantFill::Kind::special || !changes_by_block(c.index)) continue;
    const uint64_t value = special_value(static_cast<Special>(c.index), 0, 0);
    for (uint32_t w = 0; w < warp_count; ++w) fill(warps[w], c, [&](uint32_t) { return value; });
  }
}

// ---- named barriers ----------------------------------------------------------------------------

uint32_t LiveBlock::needed(const NamedBarrier& barrier) const {
  if (barrier.expected != 0) return barrier.expected;
  uint32_t present = 0;
  for (uint32_t w = 0; w < warp_count; ++w) {
    if (warps[w].state != Warp::State::done) present += lanes;
  }
  return present;
}

bool LiveBlock::release_barriers() {
  bool released = false;
  for (uint32_t id = 0; id < barriers.size(); ++id) {
    NamedBarrier& barrier = barriers[id];
    if (!barrier.used || barrier.threads < needed(barrier)) continue;
    finish_reduction(id);
    std::array<uint32_t, lanes> going;
    size_t count = 0;
    size_t present = 0;
    for (uint32_t w = 0; w < warp_count; ++w) {
      Warp& warp = warps[w];
      present += warp.state != Warp::State::done;
      if (warp.state == Warp::State::at_barrier && warp.barrier_id == id) {
        warp.state = Warp::State::ready;
        released = true;
        going[count++] = w;
      }
    }
    notify(warps[0], [&](Listener& l) {
      l.barrier_released(place, id, count == present, {going.data(), count});
    });
    barrier = {};
  }
  return released;
}

// bar.red: every waiting warp has left its contribution; all get the result.
void LiveBlock::finish_reduction(uint32_t id) {
  uint32_t population = 0;
  uint32_t members = 0;
  for (uint32_t w = 0; w < warp_count; ++w) {
    Warp& warp = warps[w];
    if (warp.state != Warp::State::at_barrier || warp.barrier_id != id) continue;
    if (warp.barrier_block->reduce < 0) continue;
    uint32_t p = warp.predicates[warp.barrier_block->reduce_source];
    if (warp.barrier_block->reduce_negated) p = ~p;
    population += static_cast<uint32_t>(__builtin_popcount(p & warp.mask));
    members += static_cast<uint32_t>(__builtin_popcount(warp.mask));
  }
  for (uint32_t w = 0; w < warp_count; ++w) {
    Warp& warp = warps[w];
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

}  // namespace mtmc::emulator
