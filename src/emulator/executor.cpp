// Clusters and blocks of one host thread: which runs next, and what is counted over all of them.
// Not modelled: time. Warps of a block run one after the other between barriers, blocks one after
// the other, until one has to wait.
#include "emulator/executor.hpp"

#include <algorithm>

namespace mtmc::emulator {
namespace {

// Blocks in flight when blocks wait for each other without a cooperative launch.
constexpr uint64_t live_block_limit = 64;
// Passes over everything alive in which all only spin, before another cluster starts, and before
// the launch is called deadlocked.
constexpr uint64_t passes_before_start = 4;
constexpr uint64_t passes_before_deadlock = uint64_t{1} << 14;

}  // namespace

Executor::Executor(LaunchContext& context, uint64_t first, uint64_t stride)
    : context_(context),
      code_(*context.program->code),
      next_(first),
      stride_(stride),
      findings_(code_),
      listeners_({*context.program, code_, *context.launch, *context.options, *context.memory,
                  LiveBlock::warps_of(*context.launch), LiveBlock::shared_bytes_of(context),
                  findings_}) {
  sites_ = std::make_unique<Site[]>(code_.sites.size() + 1);
  for (size_t s = 0; s < code_.sites.size(); ++s) {
    sites_[s].watch = listeners_.watch(code_.sites[s]);
  }
  block_warps_.assign(code_.blocks.size(), 0);
  block_lanes_.assign(code_.blocks.size(), 0);
  block_splits_.assign(code_.blocks.size(), 0);
  const uint64_t budget = context.options->instruction_budget;
  quota_size_ = budget == 0 ? int64_t{1} << 20
                            : static_cast<int64_t>(std::clamp<uint64_t>(budget / (16 * stride), 1,
                                                                        uint64_t{1} << 16));
  quota_ = quota_size_;
}

void Executor::run() {
  try {
    run_all();
    const auto used = static_cast<uint64_t>(quota_size_ - quota_);
    context_.progress.instructions += used;
  } catch (const FaultError& error) {
    fault_ = fault_of(error, current_->place.index);
    add_calls(*fault_, static_cast<uint32_t>(error.lane));
    fault_position_ = current_->cluster->position;
    uint64_t lowest = context_.progress.lowest_fault.load();
    while (fault_position_ < lowest &&
           !context_.progress.lowest_fault.compare_exchange_weak(lowest, fault_position_)) {
    }
  }
}

std::string Executor::file_name(uint32_t index) const {
  const auto file = code_.files.find(index);
  return file == code_.files.end() ? std::string() : file->second;
}

void Executor::add_inlined(Fault& fault, const SourceLocation& location) const {
  int depth = 0;
  for (int32_t at = location.inlined_at; at >= 0 && ++depth <= 64;) {
    const SourceLocation& site = code_.inline_sites[static_cast<size_t>(at)];
    if (site.line != 0) fault.callers.push_back({file_name(site.file), site.line, true});
    at = site.inlined_at;
  }
}

// The calls that the thread of the block at work is in.
void Executor::add_calls(Fault& fault, uint32_t thread) const {
  if (thread / lanes >= current_->warp_count) return;
  const Warp& warp = current_->warps[thread / lanes];
  if (warp.calls == nullptr) return;
  const auto& frames = warp.calls->frames[thread % lanes];
  for (size_t i = frames.size(); i-- > 0;) {
    const SourceLocation& from = code_.origins[static_cast<size_t>(frames[i].origin)].location;
    if (from.line != 0) fault.callers.push_back({file_name(from.file), from.line, false});
    add_inlined(fault, from);
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
    fault.file = file_name(origin.location.file);
    add_inlined(fault, origin.location);
  }
  fault.address = error.address;
  fault.message = error.message;
  return fault;
}

uint64_t LaunchContext::block_of(uint64_t cluster_index, uint32_t rank) const {
  if (blocks_per_cluster() == 1) return cluster_index;
  std::array<uint64_t, 3> at;
  for (int i = 0; i < 3; ++i) {
    const uint64_t count = grid[i] / cluster[i];
    at[i] = cluster_index % count * cluster[i] + rank % cluster[i];
    cluster_index /= count;
    rank /= cluster[i];
  }
  return at[0] + grid[0] * (at[1] + grid[1] * at[2]);
}

void Executor::run_all() {
  uint64_t idle_passes = 0;
  while (context_.all_resident && next_ < context_.cluster_count) start_cluster();
  for (;;) {
    if (live_.empty()) {
      if (next_ >= context_.cluster_count) return;
      if (next_ > context_.progress.lowest_fault.load(std::memory_order_relaxed)) return;
      start_cluster();
    }
    bool moved = false;
    bool spins = false;
    for (size_t i = 0; i < live_.size();) {
      const Outcome outcome = run_cluster(*live_[i]);
      moved = moved || outcome != Outcome::stalled;
      spins = spins || live_[i]->spins;
      if (outcome == Outcome::finished) {
        for (const auto& block : live_[i]->blocks) {
          tell([&](Listener& l) { l.block_ends(block->place); });
          ++blocks_run_;
          warps_run_ += block->warp_count;
        }
        idle_.push_back(std::move(live_[i]));
        live_.erase(live_.begin() + static_cast<std::ptrdiff_t>(i));
      } else {
        ++i;
      }
    }
    if (moved) {
      idle_passes = 0;
      continue;
    }
    ++idle_passes;
    if (!spins || idle_passes > passes_before_deadlock) report_deadlock();
    if (idle_passes >= passes_before_start && next_ < context_.cluster_count &&
        live_.size() * live_[0]->blocks.size() < live_block_limit) {
      start_cluster();
      idle_passes = 0;
    }
  }
}

void Executor::start_cluster() {
  std::unique_ptr<Cluster> cluster;
  if (idle_.empty()) {
    cluster = std::make_unique<Cluster>();
    for (uint32_t rank = 0; rank < context_.blocks_per_cluster(); ++rank) {
      cluster->blocks.push_back(
          std::make_unique<LiveBlock>(context_, *this, sites_.get(), slots_used_++));
    }
  } else {
    cluster = std::move(idle_.back());
    idle_.pop_back();
  }
  cluster->position = next_;
  cluster->spins = false;
  cluster->phase = 0;
  for (uint32_t rank = 0; rank < cluster->blocks.size(); ++rank) {
    LiveBlock& block = *cluster->blocks[rank];
    block.begin(context_.block_of(context_.cluster_at(next_), rank), *cluster, rank);
    tell([&](Listener& l) { l.block_begins(block.place); });
    for (uint32_t w = 0; w < block.warp_count; ++w) {
      ProfileListener* const profile = listeners_.profile();
      block.warps[w].trace = profile == nullptr ? nullptr : profile->trace_of(block.place, w);
    }
  }
  next_ += stride_;
  live_.push_back(std::move(cluster));
}

// Until every block has finished or none can go on.
Executor::Outcome Executor::run_cluster(Cluster& cluster) {
  bool ever_moved = false;
  for (;;) {
    bool all_finished = true;
    bool moved = false;
    cluster.spins = false;
    for (const auto& block : cluster.blocks) {
      if (block->done) continue;
      const Outcome outcome = run_pass(*block);
      block->done = outcome == Outcome::finished;
      all_finished = all_finished && block->done;
      moved = moved || outcome != Outcome::stalled;
    }
    if (all_finished) return Outcome::finished;
    if (!moved) return ever_moved ? Outcome::moved : Outcome::stalled;
    ever_moved = true;
  }
}

// Each warp that can go on does so once; then complete barriers open.
Executor::Outcome Executor::run_pass(LiveBlock& block) {
  current_ = &block;
  bool all_done = true;
  bool moved = false;
  for (uint32_t w = 0; w < block.warp_count; ++w) {
    Warp& warp = block.warps[w];
    if (warp.state == Warp::State::parked) {
      const int group = first_runnable(warp);
      if (group >= 0) {
        take(warp, group);
        warp.state = Warp::State::ready;
      }
    }
    if (warp.state == Warp::State::ready) {
      warp.yielded = false;
      run_warp(warp);
      moved = moved || !warp.yielded || warp.moved;
      warp.moved = !warp.yielded;
      block.cluster->spins = block.cluster->spins || warp.yielded;
    }
    all_done = all_done && warp.state == Warp::State::done;
  }
  if (all_done) return Outcome::finished;
  moved = block.release_barriers() || moved;
  return moved ? Outcome::moved : Outcome::stalled;
}

void Executor::add_to(Profile& profile, Trace& trace, std::vector<uint64_t>& executions) {
  profile.blocks_run += blocks_run_;
  profile.warps_run += warps_run_;
  uint64_t local_bytes = 0;
  for (size_t b = 0; b < code_.blocks.size(); ++b) {
    const Block& block = code_.blocks[b];
    executions[b] += block_warps_[b];
    for (size_t c = 0; c < kIssueClassCount; ++c) {
      profile.warp_instructions[c] += block_warps_[b] * block.classes[c];
      profile.lane_instructions[c] += block_lanes_[b] * block.classes[c];
    }
    for (size_t k = 0; k < kComputeKindCount; ++k) {
      profile.matrix_operations[k] += block_warps_[b] * block.matrix_operations[k];
    }
    local_bytes += block_lanes_[b] * block.local_bytes;
    if (block.exit == Exit::branch) profile.branches += block_warps_[b];
    profile.divergent_branches += block_splits_[b];
  }
  profile.local_sectors += local_bytes / kSectorBytes;
  if (listeners_.profile() != nullptr) listeners_.profile()->add_to(profile, trace);
}

}  // namespace mtmc::emulator
