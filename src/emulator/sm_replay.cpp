#include "emulator/sm_replay.hpp"

#include <algorithm>
#include <limits>

#include "emulator/code.hpp"
#include "emulator/issue_cost.hpp"

namespace mtmc::emulator {
namespace {

constexpr std::size_t kSubCores = 4;

class Replay {
 public:
  Replay(const DeviceEntry& device, const Trace& trace, const BlockTrace& block,
         double global_latency)
      : device_(device),
        code_(*trace.code),
        trace_(trace),
        global_latency_(global_latency),
        lanes_(pipe_lanes(device)),
        warps_(block.warps.size()) {
    for (std::size_t w = 0; w < warps_.size(); ++w) {
      warps_[w].path = &block.warps[w].path;
      warps_[w].ready.assign(code_.virtual_registers, 0.0);
      enter(warps_[w]);
    }
  }

  double run() {
    while (WarpState* warp = next()) issue(*warp);
    double end = 0.0;
    for (const WarpState& warp : warps_) end = std::max(end, warp.last);
    return end;
  }

 private:
  struct WarpState {
    const std::vector<uint32_t>* path = nullptr;
    std::size_t at = 0;          // in the path
    uint32_t step = 0, end = 0;  // of the basic block
    double from = 0.0;           // earliest issue of the step
    double last = 0.0;           // when everything so far is complete
    std::vector<double> ready;   // by virtual register
    std::vector<double> groups;  // completion of committed cp.async groups
    double open_copies = 0.0;    // completion of copies not yet committed
    int32_t barrier = -1;        // waits at: register offset of its id, or whole_block
    bool waiting = false, done = false;
  };

  double operands_ready(const WarpState& warp, const Step& step) const {
    double at = 0.0;
    for (uint32_t i = 0; i < step.sources; ++i) {
      at = std::max(at,
                    warp.ready[static_cast<std::size_t>(code_.step_operands[step.operands + i])]);
    }
    return at;
  }

  // Moves to the next basic block that has steps; the last one's end is the warp's.
  void enter(WarpState& warp) {
    while (warp.at < warp.path->size()) {
      const Block& block = code_.blocks[(*warp.path)[warp.at]];
      warp.step = block.first_step;
      warp.end = block.last_step;
      if (warp.step != warp.end) {
        prepare(warp);
        return;
      }
      ++warp.at;
    }
    warp.done = true;
    release();
  }

  void prepare(WarpState& warp) {
    const Step& step = code_.steps[warp.step];
    warp.from = std::max(warp.from, operands_ready(warp, step));
    if (step.copies >= 0) {  // all groups but the last `copies` must be complete
      const auto allowed = static_cast<std::size_t>(step.copies);
      if (step.copies == 0) warp.from = std::max(warp.from, warp.open_copies);
      for (std::size_t g = 0; g + allowed < warp.groups.size(); ++g) {
        warp.from = std::max(warp.from, warp.groups[g]);
      }
      if (warp.groups.size() > allowed) {
        warp.groups.erase(warp.groups.begin(),
                          warp.groups.end() - static_cast<std::ptrdiff_t>(allowed));
      }
    }
  }

  // The warp that can issue first; of equal ones the lowest.
  WarpState* next() {
    WarpState* best = nullptr;
    double best_time = std::numeric_limits<double>::infinity();
    for (std::size_t w = 0; w < warps_.size(); ++w) {
      WarpState& warp = warps_[w];
      if (warp.done || warp.waiting) continue;
      const double time = std::max(warp.from, scheduler_free_[w % kSubCores]);
      if (time < best_time) {
        best_time = time;
        best = &warp;
      }
    }
    return best;
  }

  void issue(WarpState& warp) {
    const std::size_t sub = static_cast<std::size_t>(&warp - warps_.data()) % kSubCores;
    const Step& step = code_.steps[warp.step];
    const IssueCost& cost = issue_cost(step.issue_class);
    const double start = std::max(warp.from, scheduler_free_[sub]);
    double busy_until = start;
    for (std::size_t p = 0; p < kPipeCount; ++p) {
      if (cost.pipes[p] > 0.0) busy_until = std::max(busy_until, pipe_free_[sub][p]);
    }
    if (step.matrix.operations > 0) busy_until = std::max(busy_until, tensor_free_[sub]);
    if (busy_until > start) {  // the pipe is taken: others may go first
      warp.from = busy_until;
      return;
    }
    scheduler_free_[sub] = start + cost.slots;
    double done = start + cost.latency;
    for (std::size_t p = 0; p < kPipeCount; ++p) {
      if (cost.pipes[p] == 0.0) continue;
      pipe_free_[sub][p] = start + cost.pipes[p] * kWarpLanes * kSubCores / lanes_[p];
    }
    if (step.matrix.operations > 0) {
      tensor_free_[sub] = start + tensor_cycles(device_, step.matrix) * kSubCores;
      done = tensor_free_[sub] + cost.latency;
    }
    done = std::max(done, memory_done(step, start));
    if (step.issue_class == IssueClass::async_copy) {
      warp.open_copies = std::max(warp.open_copies, done);
    }
    if (step.copies == Step::commit) {
      warp.groups.push_back(warp.open_copies);
      warp.open_copies = 0.0;
    }
    for (uint32_t i = 0; i < step.targets; ++i) {
      warp.ready[static_cast<std::size_t>(code_.step_operands[step.operands + step.sources + i])] =
          done;
    }
    warp.last = std::max(warp.last, done);
    warp.from = start + std::max(cost.slots, 0.0);
    if (++warp.step < warp.end) return prepare(warp);
    const Block& block = code_.blocks[(*warp.path)[warp.at]];
    ++warp.at;
    if (block.exit == Exit::barrier && block.barrier_count < 0) {
      warp.from = done;
      warp.waiting = true;
      warp.barrier = block.barrier_id;
      return release();
    }
    enter(warp);
  }

  // When the data of a memory access are there; 0 for other instructions.
  double memory_done(const Step& step, double start) {
    double latency = 0.0;
    switch (step.issue_class) {
      case IssueClass::load_global:
      case IssueClass::async_copy:
        latency = global_latency_;
        break;
      case IssueClass::atomic_global:
        latency = device_.l2_latency_cycles;
        break;
      case IssueClass::load_shared:
      case IssueClass::atomic_shared:
      case IssueClass::matrix_load:
        latency = device_.shared_latency_cycles;
        break;
      case IssueClass::load_local:
        latency = device_.l1_latency_cycles;
        break;
      case IssueClass::store_global:
      case IssueClass::store_shared:
      case IssueClass::store_local:
        break;
      default:
        return 0.0;
    }
    double wavefronts = 1.0;
    if (step.site >= 0 && trace_.sites[static_cast<std::size_t>(step.site)].requests > 0) {
      const SiteCounts& site = trace_.sites[static_cast<std::size_t>(step.site)];
      const auto passes =
          std::max(static_cast<double>(site.wavefronts), static_cast<double>(site.sectors) / 4.0);
      wavefronts = std::max(1.0, passes / static_cast<double>(site.requests));
    }
    l1_free_ = std::max(l1_free_, start) + wavefronts * 128.0 / device_.l1_bytes_per_clock;
    return l1_free_ + latency;
  }

  // Lets a barrier's warps go when every unfinished warp is at it. Warps that wait for different
  // barriers while nobody else can move go on as well: the path was run, so they did.
  void release() {
    double latest = 0.0;
    int32_t id = -1;
    bool first = true, same = true;
    for (const WarpState& warp : warps_) {
      if (warp.done) continue;
      if (!warp.waiting) return;
      latest = std::max(latest, warp.from);
      same = same && (first || warp.barrier == id);
      id = warp.barrier;
      first = false;
    }
    if (first) return;
    std::vector<WarpState*> going;
    for (WarpState& warp : warps_) {
      if (!warp.waiting) continue;
      warp.waiting = false;
      if (same) warp.from = latest;
      going.push_back(&warp);
    }
    for (WarpState* warp : going) {
      if (!warp->waiting) enter(*warp);
    }
  }

  const DeviceEntry& device_;
  const Code& code_;
  const Trace& trace_;
  double global_latency_;
  std::array<double, kPipeCount> lanes_;
  std::vector<WarpState> warps_;
  std::array<double, kSubCores> scheduler_free_{}, tensor_free_{};
  std::array<std::array<double, kPipeCount>, kSubCores> pipe_free_{};
  double l1_free_ = 0.0;
};

}  // namespace

BlockAlone replay_block(const DeviceEntry& device, const Trace& trace, double l1_hit_rate,
                        double l2_hit_rate) {
  BlockAlone result;
  const auto block = std::find_if(trace.blocks.begin(), trace.blocks.end(),
                                  [](const BlockTrace& b) { return b.has_path; });
  if (block == trace.blocks.end() || trace.code == nullptr) return result;
  double left_out = 0.0;
  for (const WarpTrace& warp : block->warps) {
    result.instructions += static_cast<double>(warp.instructions);
    left_out += static_cast<double>(warp.instructions_left_out);
  }
  const double replayed = result.instructions - left_out;
  if (replayed <= 0.0) return result;
  const double beyond_l1 =
      l2_hit_rate * device.l2_latency_cycles + (1.0 - l2_hit_rate) * device.dram_latency_cycles;
  const double latency = l1_hit_rate * device.l1_latency_cycles + (1.0 - l1_hit_rate) * beyond_l1;
  result.cycles = Replay(device, trace, *block, latency).run() * result.instructions / replayed;
  return result;
}

}  // namespace mtmc::emulator
