// Internal: what checkers and counters hear of a launch. The interpreter knows none of them.
//
// A load, store or atomic whose addresses are checked calls its site's `watch`, one function that
// was put together at launch from the listeners at work (listener_set.hpp); without listeners it is
// null and an access costs nothing. Rarer events are virtual calls on Listener, made through
// notify(warp, ...). All calls come from the host thread that runs the block, in program order of
// each warp; a listener belongs to one Executor.
#pragma once

#include <span>
#include <vector>

#include "emulator/code.hpp"

namespace mtmc::emulator {

class DeviceMemory;
struct LaunchParams;
struct Program;
struct RunOptions;

// One request of a warp, before its data move. Bounds, alignment and access rights hold.
struct AccessEvent {
  const Op& op;
  Warp& warp;
  uint64_t first;  // of the first active lane, from the start of the allocation or shared memory
  uint32_t bytes;  // of each active lane: a power of two up to 32

  uint32_t site() const { return op.site; }  // index into Code::sites
  // Equal generations of one site mean equal relative addresses, mask and low bits, so that what a
  // listener derived from them still holds.
  const AccessPlan& plan() const { return warp.sites[op.site].plan; }
  uint32_t mask() const { return plan().mask; }  // active lanes
  int kind() const { return plan().kind; }       // AccessKind
  uint64_t offset(int lane) const { return first + static_cast<uint64_t>(plan().relative[lane]); }
  const Allocation* allocation() const { return warp.sites[op.site].allocation; }  // global memory
  // Whose shared memory it is: another block's in a cluster.
  const BlockPlace* owner() const { return warp.shared_owner; }
};

// Part of an asynchronous copy: consecutive bytes from one place to another. A side in global
// memory has an allocation, a side in shared memory has none and an owner.
struct CopyPlace {
  const Allocation* allocation = nullptr;
  const BlockPlace* owner = nullptr;
};
struct CopyPart {
  uint64_t source = 0;       // offsets from the start of the allocation or shared memory
  uint64_t destination = 0;  // bytes with no source (zero fill) have source_bytes < bytes
  uint32_t bytes = 0;
  uint32_t source_bytes = 0;
  uint8_t lane = 0;  // that issued it
};
struct CopyEvent {
  const Warp& warp;  // that issued it
  const Op& op;
  // Per-thread copies (cp.async) belong to the generic proxy; bulk and tensor copies to the
  // asynchronous one, which needs fence.proxy.async after generic writes to what they read.
  bool async_proxy = false;
  bool repeats = false;  // a further destination of a multicast: its source was read once
  uint64_t id = 0;       // unique within the launch; the same at issue, read and completion
  CopyPlace source, destination;
  // The mbarrier that a bulk copy counts its bytes on; nullptr when it has none.
  const BlockPlace* mbarrier_owner = nullptr;
  uint64_t mbarrier = 0;  // its offset
  std::span<const CopyPart> parts;
};

enum class FenceKind : uint8_t {
  block,          // membar.cta, fence.*.cta
  cluster,        // fence.*.cluster
  device,         // membar.gl, membar.sys, fence.*.gpu, fence.*.sys
  proxy,          // fence.proxy.async: generic accesses before, asynchronous ones after
  mbarrier_init,  // fence.mbarrier_init.release.cluster
};

// A listener to accesses also has, for each role of a site, template members ready(e), prepare(e)
// and access(e): access is called for every request, after prepare where ready said false.
class Listener {
 public:
  virtual ~Listener() = default;
  template <SiteRole Role>
  bool ready(const AccessEvent&) const {
    return true;
  }
  template <SiteRole Role>
  void prepare(const AccessEvent&) {}

  // Around the life of a block on this host thread. Its slot is unique among the live ones.
  virtual void block_begins(const BlockPlace&) {}
  virtual void block_ends(const BlockPlace&) {}

  // A warp reaches bar.sync, bar.red (waits) or bar.arrive (goes on).
  virtual void barrier_arrived(const Warp&, uint32_t /*id*/, bool /*waits*/) {}
  // The barrier is complete; these warps go on. `whole_block`: every unfinished warp took part.
  virtual void barrier_released(const BlockPlace&, uint32_t /*id*/, bool /*whole_block*/,
                                std::span<const uint32_t> /*warps*/) {}
  // barrier.cluster: arrival (releases), and the end of a wait (acquires all arrivals of the
  // phase).
  virtual void cluster_arrived(const Warp&, uint32_t /*lanes*/) {}
  virtual void cluster_released(const Warp&, uint32_t /*lanes*/) {}

  // A .sync instruction whose named lanes are together. Heard by sync listeners only: see
  // Warp::sync_listener.
  virtual void warp_synced(const Warp&, uint32_t /*lanes*/) {}
  virtual void lanes_exited(const Warp&, uint32_t /*lanes*/) {}

  virtual void fenced(const Warp&, uint32_t /*lanes*/, FenceKind) {}

  // Asynchronous copies. issued: the operation is under way, both sides belong to it. source_read:
  // the source may be written again (stores of bulk groups, wait_group.read). completed: the
  // issuing thread waited for it (cp.async) or its mbarrier's phase counted its bytes (bulk).
  virtual void copy_issued(const CopyEvent&) {}
  virtual void copy_source_read(const CopyEvent&) {}
  virtual void copy_completed(const CopyEvent&) {}

  // Shared memory read through the asynchronous proxy other than by a copy: operands of wgmma.
  virtual void async_proxy_read(const Warp&, const Op&, const BlockPlace&, uint64_t /*offset*/,
                                uint64_t /*bytes*/) {}
  // wgmma: a warp commits what it issued to a group; it waited until at most so many of its groups
  // are pending. A group is the warpgroup's: it is over when its four warps issued what it has.
  virtual void wgmma_committed(const Warp&) {}
  virtual void wgmma_waited(const Warp&, uint32_t /*pending*/) {}

  // Integer div or rem whose divisor is zero in these lanes.
  virtual void divided_by_zero(const Warp&, const Op&, uint32_t /*lanes*/) {}

  // mbarrier objects live at an offset of a block's shared memory. arrived: releases what the lanes
  // did before (also cp.async.mbarrier.arrive, and a bulk copy when it names its mbarrier).
  // phase_completed: the pending count reached zero. waited: test_wait or try_wait gave true, or
  // the parked warp goes on: acquires the completed phases.
  virtual void mbarrier_initialised(const Warp&, const BlockPlace&, uint64_t /*offset*/) {}
  virtual void mbarrier_arrived(const Warp&, uint32_t /*lanes*/, const BlockPlace&,
                                uint64_t /*offset*/) {}
  virtual void mbarrier_phase_completed(const BlockPlace&, uint64_t /*offset*/) {}
  virtual void mbarrier_waited(const Warp&, uint32_t /*lanes*/, const BlockPlace&,
                               uint64_t /*offset*/) {}
};

struct Listeners {
  std::vector<Listener*> all;
  bool thread_copies = false;  // cp.async raises copy events too
};

// notify(warp, [&](Listener& l) { l.fenced(warp, warp.mask, kind); });
template <class Call>
inline void notify(const Warp& warp, Call call) {
  if (warp.listeners == nullptr) return;
  for (Listener* listener : warp.listeners->all) call(*listener);
}

// To be called by every .sync instruction once its lanes are together.
inline void notify_synced(const Warp& warp, uint32_t lanes_together) {
  if (warp.sync_listener != nullptr) warp.sync_listener->warp_synced(warp, lanes_together);
}

// Where checkers put what the kernel survives. Each pair of source lines is kept once per kind, up
// to a limit; the message is made only when it is kept.
class Findings {
 public:
  static constexpr size_t limit = 64;

  struct Finding {
    FaultError error;
    BlockPlace place;
    int32_t other_origin = -1;  // the other access of a race
  };

  explicit Findings(const Code& code) : code_(code) {}

  template <class Message>
  void report(FaultKind kind, const Warp& warp, int32_t origin, int32_t other_origin, int lane,
              uint64_t address, Message message) {
    if (!is_new(kind, origin, other_origin)) return;
    found_.push_back(
        {FaultError{kind, origin, static_cast<int>(warp.index * lanes) + lane, address, message()},
         *warp.place, other_origin});
  }
  const std::vector<Finding>& found() const { return found_; }
  // False when it is not new or the limit is reached.
  bool add(const Finding& finding) {
    const FaultError& e = finding.error;
    if (!is_new(e.kind, e.origin, finding.other_origin)) return false;
    found_.push_back(finding);
    return true;
  }

 private:
  bool same_line(int32_t a, int32_t b) const {
    if (a == b || a < 0 || b < 0) return a == b;
    const SourceLocation& x = code_.origins[a].location;
    const SourceLocation& y = code_.origins[b].location;
    return x.line != 0 && x.line == y.line && x.file == y.file;
  }
  bool is_new(FaultKind kind, int32_t origin, int32_t other) const {
    if (found_.size() >= limit) return false;
    for (const Finding& f : found_) {
      if (f.error.kind == kind && same_line(f.error.origin, origin) &&
          same_line(f.other_origin, other)) {
        return false;
      }
    }
    return true;
  }

  const Code& code_;
  std::vector<Finding> found_;
};

// "kernel.cu:12 (ld.shared.f32 ...)".
std::string place_of(const Code& code, int32_t origin);

// What a listener may know of its launch.
struct LaunchView {
  const Program& program;
  const Code& code;
  const LaunchParams& launch;
  const RunOptions& options;
  const DeviceMemory& memory;
  uint32_t warps_per_block;
  uint32_t shared_bytes;  // of a block
  Findings& findings;
};

}  // namespace mtmc::emulator
