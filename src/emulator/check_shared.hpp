// Internal: unordered accesses to shared memory, uninitialised reads of it, and asynchronous copies
// touched before their wait.
//
// Method: every granule (4 bytes, fewer once something narrower is accessed) has a tag of its last
// write, read and atomic: clock << 6 | warp. Warps have vector clocks: known[w][v] is the clock of
// v whose accesses are ordered before what w does now. A barrier of the whole block makes all
// clocks known to all; named barriers, mbarriers, cluster barriers and atomics after fences join
// those of the warps that meet. `floor` of a warp is the lowest clock that it knows of another, so
// that an access is checked by vector compares with it and only what fails is looked at closely.
//
// With Full, lanes of one warp are ordered by .sync instructions only (reconvergence is no order),
// and a load of a granule that nobody wrote in this block is reported. Several lanes that store to
// one place in one instruction are not: CUDA defines that one of them wins.
// Limits: remote accesses of a cluster initialise but are not raced; a .sync of some lanes counts
// for all lanes of the warp.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <unordered_map>
#include <vector>

#include "emulator/listener.hpp"

namespace mtmc::emulator {

class SharedChecker : public Listener {
 public:
  SharedChecker(const LaunchView& view, bool full);

  void block_begins(const BlockPlace& place) override;
  void barrier_arrived(const Warp& warp, uint32_t id, bool waits) override;
  void barrier_released(const BlockPlace& place, uint32_t id, bool whole_block,
                        std::span<const uint32_t> warps) override;
  void cluster_arrived(const Warp& warp, uint32_t lanes) override;
  void cluster_released(const Warp& warp, uint32_t lanes) override;
  void warp_synced(const Warp& warp, uint32_t lanes) override;
  void fenced(const Warp& warp, uint32_t lanes, FenceKind kind) override;
  void copy_issued(const CopyEvent& copy) override;
  void copy_source_read(const CopyEvent& copy) override;
  void copy_completed(const CopyEvent& copy) override;
  void async_proxy_read(const Warp& warp, const Op& op, const BlockPlace& owner, uint64_t offset,
                        uint64_t bytes) override;
  void mbarrier_initialised(const Warp& warp, const BlockPlace& owner, uint64_t offset) override;
  void mbarrier_arrived(const Warp& warp, uint32_t lanes, const BlockPlace& owner,
                        uint64_t offset) override;
  void mbarrier_phase_completed(const BlockPlace& owner, uint64_t offset) override;
  void mbarrier_waited(const Warp& warp, uint32_t lanes, const BlockPlace& owner,
                       uint64_t offset) override;

 protected:
  template <SiteRole Role, bool Full>
  void check(const AccessEvent& e);

 private:
  using Clocks = std::array<int32_t, lanes>;  // by warp
  static constexpr int32_t id_mask = 63, many = 32, foreign = 33, pending = 0x7fffffff;
  static constexpr int32_t clock_limit = 1 << 24;
  static constexpr int32_t several_lanes = 255;

  struct Mbarrier {
    Clocks arrived{}, completed{};
    int32_t init_tag = 0;
    bool init_fenced = true;
  };
  // Of one live block. Arrays are by granule.
  struct Shadow {
    std::vector<int32_t> write, read, atomic;  // tags; atomic is empty until there is one
    std::vector<uint16_t> write_site, read_site, atomic_site;
    std::vector<int32_t> write_lane, read_lane;  // Full only
    std::vector<int32_t> read_clock;             // by granule and warp, where partial barriers are
    Clocks clock{}, floor{};                     // floor: as a tag
    std::array<Clocks, lanes> known{};
    std::array<Clocks, 16> barrier{};
    Clocks cluster{}, proxy_fenced{};
    int32_t begin = 0;  // tags below were made before the block began
    std::map<uint64_t, Mbarrier> mbarriers;
    std::unordered_map<uint64_t, Clocks> atomics;  // what acquiring an atomic variable makes known
    std::unordered_map<uint64_t, int32_t> copies;  // clock at the issue of a bulk copy
    uint32_t fenced = 0;                           // warps that executed a fence
  };
  // The granules of a request relative to the first lane's, in order, and who touches them.
  struct Runs {
    uint32_t generation = 0;
    uint32_t shift = 0;
    struct Run {
      int32_t start;
      uint32_t count;
      uint32_t lane;  // index into lanes
    };
    std::vector<Run> runs;
    std::vector<int32_t> lanes;  // several_lanes for more than one
  };
  enum class Act : uint8_t { load, store, atomic };

  Shadow& shadow_of(const BlockPlace& place);
  void derive(Runs& runs, const AccessEvent& e);
  void refine(uint32_t bytes);
  void forget_time(Shadow& shadow);
  void bump(Shadow& shadow, uint32_t warp);
  void learn(Shadow& shadow, uint32_t warp, const Clocks& clocks);
  Clocks clocks_of(const Shadow& shadow, uint32_t warp) const;
  void whole_barrier(Shadow& shadow);
  void atomic(const AccessEvent& e, Shadow& shadow, bool reads, bool writes);
  void synchronise(const AccessEvent& e, Shadow& shadow, bool reads, bool writes);
  void foreign_access(const AccessEvent& e, bool writes);
  // Looks at the granules of a request one by one and reports the first fault among them.
  void look(const AccessEvent& e, Shadow& shadow, const Runs& runs, size_t base, Act act,
            bool full);
  bool unordered(const Shadow& shadow, uint32_t warp, int32_t tag, size_t granule) const;
  void report_race(const AccessEvent& e, const Shadow& shadow, size_t granule, Act act, int32_t tag,
                   uint16_t other_site, Act other, int32_t other_lane);
  void report_copy(const Warp& warp, const Op& op, int lane, uint64_t offset, const char* verb,
                   uint16_t other_site);
  int lane_at(const AccessEvent& e, size_t granule) const;
  std::string place_of(int32_t origin) const;
  void mark_written(Shadow& shadow, size_t first, size_t last, int32_t tag, uint16_t site,
                    int32_t lane);
  void check_proxy(const Warp& warp, const Op& op, Shadow& shadow, uint64_t offset, uint64_t bytes);

  const Code& code_;
  Findings& findings_;
  const bool full_;
  const uint32_t warps_;
  const uint32_t bytes_;
  bool partial_;  // the kernel has other synchronisation than barriers of the whole block
  uint32_t shift_ = 2;
  std::vector<std::unique_ptr<Shadow>> shadows_;  // by slot
  std::vector<Runs> runs_;                        // by site
  std::vector<int32_t> site_origin_;
};

class SharedRaces : public SharedChecker {
 public:
  explicit SharedRaces(const LaunchView& view) : SharedChecker(view, false) {}
  template <SiteRole Role>
  void access(const AccessEvent& e) {
    check<Role, false>(e);
  }
};

class SharedChecks : public SharedChecker {
 public:
  explicit SharedChecks(const LaunchView& view) : SharedChecker(view, true) {}
  template <SiteRole Role>
  void access(const AccessEvent& e) {
    check<Role, true>(e);
  }
};

template <SiteRole Role, bool Full>
inline void SharedChecker::check(const AccessEvent& e) {
  if constexpr (Role == SiteRole::shared_load || Role == SiteRole::shared_store ||
                Role == SiteRole::shared_atomic) {
    if (e.owner != e.warp.place) return foreign_access(e, Role != SiteRole::shared_load);
    if (__builtin_expect(e.bytes < (1u << shift_), 0)) refine(e.bytes);
    Shadow& s = *shadows_[e.owner->slot];
    if constexpr (Role == SiteRole::shared_atomic) return atomic(e, s, true, true);
    if (is_strong(code_.origins[e.op.origin].order)) {
      return atomic(e, s, Role == SiteRole::shared_load, Role == SiteRole::shared_store);
    }
    Runs& runs = runs_[e.site];
    if (__builtin_expect(runs.generation != e.plan.generation || runs.shift != shift_, 0)) {
      derive(runs, e);
    }
    const uint32_t w = e.warp.index;
    const int32_t mine = s.clock[w] << 6 | static_cast<int32_t>(w);
    const int32_t floor = s.floor[w];
    const int32_t begin = s.begin;
    const size_t base = e.offset.first >> shift_;
    const auto site = static_cast<uint16_t>(e.site);
    int32_t doubt = 0;  // -1: look closely
    if constexpr (Role == SiteRole::shared_load) {
      for (const Runs::Run& run : runs.runs) {
        const size_t at = base + static_cast<size_t>(static_cast<int64_t>(run.start));
        const int32_t* write = s.write.data() + at;
        int32_t* read = s.read.data() + at;
        const int count = static_cast<int>(run.count);
        const int32_t* lane = Full ? runs.lanes.data() + run.lane : nullptr;
        int32_t* read_lane = Full ? s.read_lane.data() + at : nullptr;
#pragma GCC ivdep
        for (int i = 0; i < count; ++i) {
          const int32_t v = write[i];
          const int32_t u = read[i];
          const bool other = v > floor && ((v ^ mine) & id_mask) != 0;
          doubt |= other ? -1 : 0;
          if constexpr (Full) {
            doubt |= (v < begin || v == mine) ? -1 : 0;
            const int32_t l = lane[i];
            read_lane[i] = u == mine && read_lane[i] != l ? several_lanes : l;
          }
          const int32_t later = ((u > mine ? u : mine) & ~id_mask) | many;
          const int32_t next = u <= floor || ((u ^ mine) & id_mask) == 0 ? mine : later;
          read[i] = u == pending ? u : next;
        }
        std::fill_n(s.read_site.data() + at, run.count, site);
        if (partial_) {
          for (int i = 0; i < count; ++i) s.read_clock[(at + i) * warps_ + w] = s.clock[w];
        }
      }
      if (__builtin_expect(doubt != 0 || !s.atomic.empty(), 0)) {
        look(e, s, runs, base, Act::load, Full);
      }
    } else {
      for (const Runs::Run& run : runs.runs) {
        const size_t at = base + static_cast<size_t>(static_cast<int64_t>(run.start));
        const int32_t* write = s.write.data() + at;
        const int32_t* read = s.read.data() + at;
        const int count = static_cast<int>(run.count);
#pragma GCC ivdep
        for (int i = 0; i < count; ++i) {
          const int32_t v = write[i];
          const int32_t u = read[i];
          doubt |= (v > floor && ((v ^ mine) & id_mask) != 0) ? -1 : 0;
          doubt |= (u > floor && ((u ^ mine) & id_mask) != 0) ? -1 : 0;
          if constexpr (Full) doubt |= (v == mine || u == mine) ? -1 : 0;
        }
      }
      if (__builtin_expect(doubt != 0 || !s.atomic.empty(), 0)) {
        look(e, s, runs, base, Act::store, Full);
      }
      for (const Runs::Run& run : runs.runs) {
        const size_t at = base + static_cast<size_t>(static_cast<int64_t>(run.start));
        std::fill_n(s.write.data() + at, run.count, mine);
        std::fill_n(s.write_site.data() + at, run.count, site);
        if constexpr (Full) {
          std::copy_n(runs.lanes.data() + run.lane, run.count, s.write_lane.data() + at);
        }
      }
      (void)begin;
    }
  }
}

}  // namespace mtmc::emulator
