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
#include <bit>
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
  void wgmma_committed(const Warp& warp) override;
  void wgmma_waited(const Warp& warp, uint32_t pending) override;
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
  static constexpr int32_t id_mask = 63, many = 32, foreign = 33;
  static constexpr int32_t pending = 0x7fffffe0;  // or above; where others read too, it stays so
  static constexpr int32_t clock_limit = 1 << 24;
  static constexpr int32_t several_lanes = 255, nobody = -1;

  struct Mbarrier {
    Clocks arrived{}, completed{};
    int32_t init_tag = 0;
    bool init_fenced = true;
  };
  // Of one live block. Arrays are by granule.
  struct Shadow {
    std::vector<int32_t> write, read, atomic;  // tags; atomic is empty until there is one
    std::vector<int32_t> write_site, read_site, atomic_site;
    std::vector<int32_t> write_lane, read_lane;  // Full only
    std::vector<int32_t> read_clock;             // by granule and warp, where partial barriers are
    Clocks clock{}, floor{};                     // floor: as a tag
    std::array<Clocks, lanes> known{};
    std::array<Clocks, 16> barrier{};
    Clocks cluster{}, proxy_fenced{};
    std::array<Clocks, lanes / 4> wgmma{};  // by warpgroup: at its warps' last commits
    int32_t begin = 0;  // tags below were made before the block began
    std::map<uint64_t, Mbarrier> mbarriers;
    std::unordered_map<uint64_t, Clocks> atomics;  // what acquiring an atomic variable makes known
    std::unordered_map<uint64_t, int32_t> copies;  // clock at the issue of a bulk copy
    uint32_t fenced = 0;                           // warps that executed a fence
  };
  // The granules of a request relative to the first lane's, in order, and who touches them. A run
  // has 1 granule or a multiple of `width`; what lies in its gaps or pads it is nobody's.
  static constexpr uint32_t width = 8;
  struct Runs {
    uint32_t generation = 0;
    uint32_t shift = 0;
    bool strong = false;
    struct Run {
      int32_t start;
      uint32_t count;
      uint32_t lane;  // index into lanes
      bool dense;     // without gaps and padding
    };
    std::vector<Run> runs;
    std::vector<int32_t> lanes;  // nobody, or several_lanes for more than one
  };
  enum class Act : uint8_t { load, store, atomic };

  // A vector of tags, of sites or of lanes; SSE or AVX2, as the build has it.
  using Tags [[gnu::vector_size(width * 4)]] = int32_t;
  using UnalignedTags [[gnu::vector_size(width * 4), gnu::aligned(4), gnu::may_alias]] = int32_t;
  [[gnu::always_inline]] static Tags load(const int32_t* p) {
    return *reinterpret_cast<const UnalignedTags*>(p);
  }
  [[gnu::always_inline]] static void store(int32_t* p, const Tags& value) {
    *reinterpret_cast<UnalignedTags*>(p) = value;
  }
  [[gnu::always_inline]] static bool any(const Tags& flags) {
    using Wide [[gnu::vector_size(width * 4)]] = int64_t;
    const auto wide = std::bit_cast<Wide>(flags);
    return (wide[0] | wide[1] | wide[2] | wide[3]) != 0;
  }
  Shadow& shadow_of(const BlockPlace& place);
  // Copies have no site of their own: theirs lie behind the code's, one per origin.
  int32_t copy_site(int32_t origin) const;
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
  void look(const AccessEvent& e, Shadow& shadow, const Runs& runs, Act act);
  // True when some granule needs a closer look.
  template <bool Full>
  bool update_reads(Shadow& s, const Runs& runs, const AccessEvent& e);
  template <bool Full>
  bool doubt_store(const Shadow& s, const Runs& runs, const AccessEvent& e) const;
  template <bool Full>
  void update_writes(Shadow& s, const Runs& runs, const AccessEvent& e);
  size_t at(const AccessEvent& e, const Runs::Run& run) const {
    return (e.offset.first >> shift_) + static_cast<size_t>(static_cast<int64_t>(run.start));
  }
  bool unordered(const Shadow& shadow, uint32_t warp, int32_t tag, size_t granule) const;
  void report_race(const AccessEvent& e, const Shadow& shadow, size_t granule, Act act, int32_t tag,
                   int32_t other_site, Act other, int32_t other_lane);
  void report_copy(const Warp& warp, const Op& op, int lane, uint64_t offset, const char* verb,
                   int32_t other_site);
  int lane_at(const AccessEvent& e, size_t granule) const;
  std::string place_of(int32_t origin) const;
  void mark_written(Shadow& shadow, size_t first, size_t last, int32_t tag, int32_t site,
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

// Without Full a warp's own tags above its floor are all of its present clock, or looked at
// closely. The expressions below work on one tag and on vectors of them alike: comparisons give 0
// or -1.
template <bool Full>
inline bool SharedChecker::update_reads(Shadow& s, const Runs& runs, const AccessEvent& e) {
  const uint32_t w = e.warp.index;
  const int32_t mine = s.clock[w] << 6 | static_cast<int32_t>(w);
  const int32_t floor = s.floor[w];
  const int32_t begin = s.begin;
  const auto site = static_cast<int32_t>(e.site);
  Tags doubts{};
  int32_t doubt = 0;
  for (const Runs::Run& run : runs.runs) {
    const size_t first = at(e, run);
    const int32_t* const lane = runs.lanes.data() + run.lane;
    const int32_t* const write = s.write.data() + first;
    int32_t* const read = s.read.data() + first;
    int32_t* const read_site = s.read_site.data() + first;
    int32_t* const read_lane = Full ? s.read_lane.data() + first : nullptr;
    if (run.count == 1) {
      const int32_t v = *write, u = *read;
      bool odd = v > floor && (Full ? ((v ^ mine) & id_mask) != 0 : v != mine);
      if constexpr (Full) odd = odd || v < begin || v == mine;
      doubt |= odd ? 1 : 0;
      const bool others = u > floor && (Full ? ((u ^ mine) & id_mask) != 0 : u != mine);
      *read = others ? ((u > mine ? u : mine) & ~id_mask) | many : mine;
      *read_site = site;
      if constexpr (Full) *read_lane = u == mine && *read_lane != *lane ? several_lanes : *lane;
    }
    const auto loop = [&](auto dense) __attribute__((always_inline)) {
      for (uint32_t i = 0; i + width <= run.count; i += width) {
        const Tags v = load(write + i), u = load(read + i);
        const Tags l = Full || !dense ? load(lane + i) : Tags{};
        const Tags active = dense ? ~Tags{} : l >= 0;
        Tags odd = (v > floor) & (Full ? ((v ^ mine) & id_mask) != 0 : v != mine);
        if constexpr (Full) odd |= (v < begin) | (v == mine);
        doubts |= odd & active;
        const Tags others = (u > floor) & (Full ? ((u ^ mine) & id_mask) != 0 : u != mine);
        const Tags higher = u > mine ? u : Tags{} + mine;
        const Tags next = others ? (higher & ~id_mask) | many : Tags{} + mine;
        store(read + i, active ? next : u);
        const Tags sites = dense ? Tags{} : load(read_site + i);
        store(read_site + i, active ? Tags{} + site : sites);
        if constexpr (Full) {
          const Tags was = load(read_lane + i);
          const Tags mixed = (u == mine) & (was != l);
          const Tags now = mixed ? Tags{} + several_lanes : l;
          store(read_lane + i, active ? now : was);
        }
      }
    };
    if (run.dense) {
      loop(std::true_type{});
    } else {
      loop(std::false_type{});
    }
    if (partial_) {
      for (uint32_t i = 0; i < run.count; ++i) {
        if (lane[i] >= 0) s.read_clock[(first + i) * warps_ + w] = s.clock[w];
      }
    }
  }
  return doubt != 0 || any(doubts) || !s.atomic.empty();
}

template <bool Full>
inline bool SharedChecker::doubt_store(const Shadow& s, const Runs& runs,
                                       const AccessEvent& e) const {
  const uint32_t w = e.warp.index;
  const int32_t mine = s.clock[w] << 6 | static_cast<int32_t>(w);
  const int32_t floor = s.floor[w];
  Tags doubts{};
  int32_t doubt = 0;
  for (const Runs::Run& run : runs.runs) {
    const size_t first = at(e, run);
    const int32_t* const write = s.write.data() + first;
    const int32_t* const read = s.read.data() + first;
    const int32_t* const lane = runs.lanes.data() + run.lane;
    if (run.count == 1) {
      for (const int32_t tag : {*write, *read}) {
        doubt |= (tag > floor && tag != mine) || (Full && tag == mine) ? 1 : 0;
      }
    }
    for (uint32_t i = 0; i + width <= run.count; i += width) {
      const Tags v = load(write + i), u = load(read + i);
      Tags odd = ((v > floor) & (v != mine)) | ((u > floor) & (u != mine));
      if constexpr (Full) odd |= (v == mine) | (u == mine);
      doubts |= odd & (load(lane + i) >= 0);
    }
  }
  return doubt != 0 || any(doubts) || !s.atomic.empty();
}

template <bool Full>
inline void SharedChecker::update_writes(Shadow& s, const Runs& runs, const AccessEvent& e) {
  const uint32_t w = e.warp.index;
  const int32_t mine = s.clock[w] << 6 | static_cast<int32_t>(w);
  const auto site = static_cast<int32_t>(e.site);
  for (const Runs::Run& run : runs.runs) {
    const size_t first = at(e, run);
    int32_t* const write = s.write.data() + first;
    int32_t* const write_site = s.write_site.data() + first;
    int32_t* const write_lane = Full ? s.write_lane.data() + first : nullptr;
    const int32_t* const lane = runs.lanes.data() + run.lane;
    if (run.count == 1) {
      *write = mine;
      *write_site = site;
      if constexpr (Full) *write_lane = *lane;
    }
    for (uint32_t i = 0; i + width <= run.count; i += width) {
      const Tags l = load(lane + i);
      const Tags active = l >= 0;
      const auto set = [&](int32_t * p, const Tags& to) __attribute__((always_inline)) {
        const Tags old = load(p);
        store(p, active ? to : old);
      };
      set(write + i, Tags{} + mine);
      set(write_site + i, Tags{} + site);
      if constexpr (Full) set(write_lane + i, l);
    }
  }
}

template <SiteRole Role, bool Full>
inline void SharedChecker::check(const AccessEvent& e) {
  if constexpr (Role == SiteRole::shared_load || Role == SiteRole::shared_store ||
                Role == SiteRole::shared_atomic) {
    if (e.owner != e.warp.place) return foreign_access(e, Role != SiteRole::shared_load);
    if (__builtin_expect(e.bytes < (1u << shift_), 0)) refine(e.bytes);
    Shadow& s = *shadows_[e.owner->slot];
    if constexpr (Role == SiteRole::shared_atomic) return atomic(e, s, true, true);
    Runs& runs = runs_[e.site];
    if (__builtin_expect(runs.generation != e.plan.generation || runs.shift != shift_, 0)) {
      derive(runs, e);
    }
    if (__builtin_expect(runs.strong, 0)) {
      return atomic(e, s, Role == SiteRole::shared_load, Role == SiteRole::shared_store);
    }
    if constexpr (Role == SiteRole::shared_load) {
      if (update_reads<Full>(s, runs, e)) look(e, s, runs, Act::load);
    } else {
      if (doubt_store<Full>(s, runs, e)) look(e, s, runs, Act::store);
      update_writes<Full>(s, runs, e);
    }
  }
}

}  // namespace mtmc::emulator
