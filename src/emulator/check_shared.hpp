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
// Most loads need no tags at all. Where only barriers of the whole block order warps, a load of
// memory that nobody wrote since the last one conflicts with nothing but later stores up to the
// next one. Shared memory is cut into 64 parts; while no part that a load touches has been written
// since the barrier, the load is only noted in a list, which is worked off when a store comes to
// one of the noted parts and forgotten at the barrier.
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
  // True when it is a load that needs no tags for now.
  template <bool Full>
  bool note(const AccessEvent& e);
  template <SiteRole Role, bool Full>
  [[gnu::noinline]] static void examine(SharedChecker* self, const Op& op, Warp& warp,
                                        uint64_t first, uint32_t bytes) {
    self->examine<Role, Full>(AccessEvent{op, warp, first, bytes});
  }
  template <SiteRole Role, bool Full>
  void examine(const AccessEvent& e);

 private:
  using Clocks = std::array<int32_t, lanes>;  // by warp
  static constexpr int32_t id_mask = 63, many = 32, foreign = 33;
  static constexpr int32_t pending = 0x7fffffe0;  // or above; where others read too, it stays so
  static constexpr int32_t clock_limit = 1 << 24;
  static constexpr int32_t several_lanes = 255, nobody = -1;
  static constexpr uint32_t noted_limit = 4096;

  struct Mbarrier {
    Clocks arrived{}, completed{};
    int32_t init_tag = 0;
    bool init_fenced = true;
  };
  // A load as its site's plan (its Runs) has it.
  struct Load {
    uint32_t site;
    int32_t tag;
    uint32_t first;  // offset of the first active lane
  };
  struct Noted {
    uint32_t site;   // or tag_follows
    uint32_t first;  // as in Load, or the tag of those that follow
    static constexpr uint32_t tag_follows = ~uint32_t{0};
  };
  // Of one live block. Arrays are by granule.
  struct Shadow {
    std::vector<int32_t> write, read, atomic;  // tags; the last two are empty until there is one
    std::vector<int32_t> write_site, read_site, atomic_site;
    std::vector<int32_t> write_lane, read_lane;  // Full only
    std::vector<int32_t> read_clock;             // by granule and warp, where partial barriers are
    Clocks clock{}, floor{};                     // floor: as a tag
    // By warp and by barrier; empty where only barriers of the whole block order warps.
    std::vector<Clocks> known, barrier;
    Clocks cluster{}, proxy_fenced{};
    std::array<Clocks, lanes / 4> wgmma{};  // by warpgroup: at its warps' last commits
    int32_t begin = 0;                      // tags below were made before the block began
    std::map<uint64_t, Mbarrier> mbarriers;
    std::unordered_map<uint64_t, Clocks> atomics;  // what acquiring an atomic variable makes known
    std::unordered_map<uint64_t, int32_t> copies;  // clock at the issue of a bulk copy
    uint32_t fenced = 0;                           // warps that executed a fence
    std::unique_ptr<Noted[]> noted;                // the first `noted_count` have no tags yet
    uint32_t noted_count = 0;
    int32_t noted_tag = 0;                 // of the last one
    uint64_t noted_parts = 0;              // of shared memory, that those loads touch
    uint64_t written_parts = 0;            // since the last barrier of the whole block
    uint64_t tagged_parts = 0;             // with tags from after it
    bool has_copies = false;               // whose tags outlive barriers
    std::array<uint32_t, 64> copies_to{};  // asynchronous ones under way, by part
  };
  // The granules of a request relative to the first lane's, in order, and who touches them. A run
  // has 1 granule or a multiple of `width`; what lies in its gaps or pads it is nobody's.
#ifdef __AVX2__
  static constexpr uint32_t width = 8;
#else
  static constexpr uint32_t width = 4;
#endif
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
    // nobody, or several_lanes for more than one; empty where all runs are dense and nobody asks
    std::vector<int32_t> lanes;
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
    int64_t all = 0;
    for (uint32_t i = 0; i < width / 2; ++i) all |= wide[i];
    return all != 0;
  }
  Shadow& shadow_of(const BlockPlace& place);
  // Copies have no site of their own: theirs lie behind the code's, one per origin.
  int32_t copy_site(int32_t origin) const;
  void derive(Runs& runs, AccessEvent e);
  void refine(uint32_t bytes);
  void forget_time(Shadow& shadow);
  void bump(Shadow& shadow, uint32_t warp);
  void learn(Shadow& shadow, uint32_t warp, const Clocks& clocks);
  Clocks clocks_of(const Shadow& shadow, uint32_t warp) const;
  void whole_barrier(Shadow& shadow);
  void atomic(AccessEvent e, Shadow& shadow, bool reads, bool writes);
  void synchronise(const AccessEvent& e, Shadow& shadow, bool reads, bool writes);
  void foreign_access(AccessEvent e, bool writes);
  // Looks at the granules of a request one by one and reports the first fault among them.
  void look(AccessEvent e, Shadow& shadow, const Runs& runs, Act act);
  // The parts of shared memory from `first` to `last`, both included.
  uint64_t parts_between(uint64_t first, uint64_t last) const {
    return ~uint64_t{0} >> (63 - (last >> part_shift_)) & ~uint64_t{0} << (first >> part_shift_);
  }
  uint64_t parts_of(const AccessEvent& e) const {
    const uint64_t first = e.first + static_cast<uint64_t>(e.plan().least);
    return parts_between(first, first + e.plan().reach - 1);
  }
  void tag_noted(Shadow& shadow);
  void make_reads(Shadow& shadow);  // room for the tags of loads
  void tag_noted();                 // of all live blocks
  // Says that what is in these parts may be written from here on.
  void writes_begin(Shadow& s, uint64_t parts) {
    if (__builtin_expect((parts & s.noted_parts) != 0, 0)) tag_noted(s);
    s.written_parts |= parts;
    s.tagged_parts |= parts;
  }
  void count_copy(Shadow& shadow, const CopyPart& part, int change);
  // Whether this block wrote all that the request reads.
  bool all_written(const Shadow& s, const Runs& runs, uint64_t first) const;
  // True when some granule needs a closer look.
  template <bool Full>
  bool update_reads(Shadow& s, const Runs& runs, const Load& e);
  template <bool Full>
  bool doubt_store(const Shadow& s, const Runs& runs, const AccessEvent& e) const;
  template <bool Full>
  void update_writes(Shadow& s, const Runs& runs, const AccessEvent& e);
  size_t at(uint64_t first, const Runs::Run& run) const {
    return (first >> shift_) + static_cast<size_t>(static_cast<int64_t>(run.start));
  }
  bool unordered(const Shadow& shadow, uint32_t warp, int32_t tag, size_t granule) const;
  void report_race(const AccessEvent& e, const Shadow& shadow, size_t granule, Act act, int32_t tag,
                   int32_t other_site, Act other, int32_t other_lane);
  void report_copy(const Warp& warp, const Op& op, int lane, uint64_t offset, const char* verb,
                   int32_t other_site);
  int lane_at(const AccessEvent& e, size_t granule) const;
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
  uint32_t part_shift_ = 0;
  std::vector<std::unique_ptr<Shadow>> shadows_;  // by slot
  std::vector<Runs> runs_;                        // by site
  std::vector<uint32_t> notable_;  // by site: the generation whose loads may be noted, or 0
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
inline bool SharedChecker::update_reads(Shadow& s, const Runs& runs, const Load& e) {
  const int32_t mine = e.tag;
  const auto w = static_cast<uint32_t>(mine & id_mask);
  const int32_t floor = s.floor[w];
  const int32_t begin = s.begin;
  const auto site = static_cast<int32_t>(e.site);
  Tags doubts{};
  int32_t doubt = 0;
  for (const Runs::Run& run : runs.runs) {
    const size_t first = at(e.first, run);
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
        if (lane[i] >= 0) s.read_clock[(first + i) * warps_ + w] = mine >> 6;
      }
    }
  }
  return doubt != 0 || any(doubts) || !s.atomic.empty();
}

inline bool SharedChecker::all_written(const Shadow& s, const Runs& runs, uint64_t first) const {
  const int32_t begin = s.begin;
  Tags older{};
  int32_t old = 0;
  for (const Runs::Run& run : runs.runs) {
    const int32_t* const write = s.write.data() + at(first, run);
    if (run.count == 1) old |= *write < begin ? 1 : 0;
    for (uint32_t i = 0; i + width <= run.count; i += width) {
      const Tags active =
          run.dense ? ~Tags{} : static_cast<Tags>(load(runs.lanes.data() + run.lane + i) >= 0);
      older |= (load(write + i) < begin) & active;
    }
  }
  return old == 0 && !any(older);
}

template <bool Full>
inline bool SharedChecker::doubt_store(const Shadow& s, const Runs& runs,
                                       const AccessEvent& e) const {
  const uint32_t w = e.warp.index;
  const int32_t mine = s.clock[w] << 6 | static_cast<int32_t>(w);
  const int32_t floor = s.floor[w];
  const bool has_reads = !s.read.empty();
  Tags doubts{};
  int32_t doubt = 0;
  for (const Runs::Run& run : runs.runs) {
    const size_t first = at(e.first, run);
    const int32_t* const write = s.write.data() + first;
    const int32_t* const read = has_reads ? s.read.data() + first : write;
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
      doubts |= run.dense ? odd : odd & (load(lane + i) >= 0);
    }
  }
  return doubt != 0 || any(doubts) || !s.atomic.empty();
}

template <bool Full>
inline void SharedChecker::update_writes(Shadow& s, const Runs& runs, const AccessEvent& e) {
  const uint32_t w = e.warp.index;
  const int32_t mine = s.clock[w] << 6 | static_cast<int32_t>(w);
  const auto site = static_cast<int32_t>(e.site());
  for (const Runs::Run& run : runs.runs) {
    const size_t first = at(e.first, run);
    int32_t* const write = s.write.data() + first;
    int32_t* const write_site = s.write_site.data() + first;
    int32_t* const write_lane = Full ? s.write_lane.data() + first : nullptr;
    const int32_t* const lane = runs.lanes.data() + run.lane;
    if (run.count == 1) {
      *write = mine;
      *write_site = site;
      if constexpr (Full) *write_lane = *lane;
    }
    if (run.dense) {
      for (uint32_t i = 0; i + width <= run.count; i += width) {
        store(write + i, Tags{} + mine);
        store(write_site + i, Tags{} + site);
        if constexpr (Full) store(write_lane + i, load(lane + i));
      }
      continue;
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

template <bool Full>
inline bool SharedChecker::note(const AccessEvent& e) {
  const Warp& warp = e.warp;
  if (notable_[e.site()] != e.plan().generation || e.owner() != warp.place) return false;
  Shadow& s = *shadows_[warp.place->slot];
  const uint64_t parts = parts_of(e);
  if ((parts & s.written_parts) != 0 || s.noted_count + 2 > noted_limit) return false;
  if (Full && !all_written(s, runs_[e.site()], e.first)) return false;
  const int32_t tag = s.clock[warp.index] << 6 | static_cast<int32_t>(warp.index);
  if (tag != s.noted_tag) {
    s.noted[s.noted_count++] = {Noted::tag_follows, static_cast<uint32_t>(tag)};
    s.noted_tag = tag;
  }
  s.noted[s.noted_count++] = {e.site(), static_cast<uint32_t>(e.first)};
  s.noted_parts |= parts;
  return true;
}

template <SiteRole Role, bool Full>
inline void SharedChecker::examine(const AccessEvent& e) {
  if (e.owner() != e.warp.place) return foreign_access(e, Role != SiteRole::shared_load);
  if (__builtin_expect(e.bytes < (1u << shift_), 0)) refine(e.bytes);
  Shadow& s = *shadows_[e.owner()->slot];
  if constexpr (Role == SiteRole::shared_atomic) return atomic(e, s, true, true);
  Runs& runs = runs_[e.site()];
  if (__builtin_expect(runs.generation != e.plan().generation || runs.shift != shift_, 0)) {
    derive(runs, e);
    if (Role == SiteRole::shared_load && note<Full>(e)) return;
  }
  if (__builtin_expect(runs.strong, 0)) {
    return atomic(e, s, Role == SiteRole::shared_load, Role == SiteRole::shared_store);
  }
  const uint64_t parts = parts_of(e);
  if constexpr (Role == SiteRole::shared_load) {
    if ((parts & s.noted_parts) != 0) tag_noted(s);  // loads get their tags in order
    s.tagged_parts |= parts;
    if (s.read.empty()) make_reads(s);
    const int32_t w = static_cast<int32_t>(e.warp.index);
    const Load load{e.site(), s.clock[e.warp.index] << 6 | w, static_cast<uint32_t>(e.first)};
    if (update_reads<Full>(s, runs, load)) look(e, s, runs, Act::load);
  } else {
    const bool tagged = (parts & (s.tagged_parts | s.noted_parts)) != 0;
    writes_begin(s, parts);
    if ((tagged || partial_ || !s.atomic.empty()) && doubt_store<Full>(s, runs, e)) {
      look(e, s, runs, Act::store);
    }
    update_writes<Full>(s, runs, e);
  }
}

template <SiteRole Role, bool Full>
inline void SharedChecker::check(const AccessEvent& e) {
  if constexpr (Role == SiteRole::shared_load) {
    if (__builtin_expect(note<Full>(e), 1)) return;
    examine<Role, Full>(this, e.op, e.warp, e.first, e.bytes);
  } else if constexpr (Role == SiteRole::shared_store || Role == SiteRole::shared_atomic) {
    examine<Role, Full>(this, e.op, e.warp, e.first, e.bytes);
  }
}

}  // namespace mtmc::emulator
