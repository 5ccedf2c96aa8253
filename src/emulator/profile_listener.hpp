// Internal: counts requests, sectors, bank wavefronts and touched memory, and keeps the record of
// stored bytes of allocations that ask for it. Counts that follow from relative addresses are
// reused while a site's plan holds, so counting an access costs a few additions.
//
// Assumed, not measured on hardware: 64 and 128-bit shared accesses go by half and quarter warps.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "emulator/listener.hpp"

namespace mtmc::emulator {

// Which sectors of an allocation a thread loaded and stored, and which bytes it stored.
struct Touched {
  const Allocation* allocation = nullptr;
  std::vector<uint64_t> loaded, stored, written;
};

class ProfileListener : public Listener {
 public:
  explicit ProfileListener(const LaunchView& view);

  void block_begins(const BlockPlace& place) override;
  // Where a warp of this block leaves its trace; nullptr when the block is not traced.
  WarpTrace* trace_of(const BlockPlace& place, uint32_t warp);

  template <SiteRole Role>
  bool ready(const AccessEvent& e) const {
    const SiteState& site = sites_[e.site()];
    return site.generation == e.plan().generation &&
           (in_shared(Role) || site.allocation == e.allocation());
  }
  template <SiteRole Role>
  void prepare(const AccessEvent& e) {
    SiteState& site = sites_[e.site()];
    if (site.generation != e.plan().generation) recount(site, e, in_shared(Role));
    if (in_shared(Role) || site.allocation == e.allocation()) return;
    attach(site, e, Role != SiteRole::global_load);
  }
  template <SiteRole Role>
  void access(const AccessEvent& e) {
    SiteState& site = sites_[e.site()];
    site.pending += 1;
    if constexpr (!in_shared(Role)) {
      if (__builtin_expect(e.warp.trace != nullptr, 0)) record(site, e, Role);
      const uint64_t first = (e.first >> 5) + static_cast<uint64_t>(site.first_sector);
      if (__builtin_expect(site.sector_bits != 0 && first % 64 + site.sectors <= 64, 1)) {
        site.touched[first / 64] |= site.sector_bits << first % 64;
      } else {
        mark_touched(site, e.first);
      }
      if (Role != SiteRole::global_load && site.written != nullptr) mark_written(site, e);
    }
  }

  // Bulk and tensor copies; those of single threads are accesses of their sites.
  void copy_issued(const CopyEvent& event) override;

  // Moves the traces out.
  void add_to(Profile& profile, Trace& trace);
  std::vector<std::unique_ptr<Touched>>& touched() { return touched_; }

 private:
  struct SiteState {
    uint32_t generation = 0;  // of the plan that the next four follow from
    uint32_t lanes = 0, sectors = 0, wavefronts = 0;
    uint64_t pending = 0;     // requests of this generation that the sums do not hold yet
    bool sector_run = false;  // the sectors are consecutive
    using Sectors = std::array<int64_t, 64>;
    int64_t first_sector = 0;         // the lowest
    uint64_t sector_bits = 0;         // a one for each when they are a run of less than 64
    std::unique_ptr<Sectors> sector;  // distinct sectors relative to the first lane's
    uint64_t requests = 0, lane_count = 0, sector_count = 0, wavefront_count = 0;
    const Allocation* allocation = nullptr;
    uint64_t* touched = nullptr;
    uint64_t* written = nullptr;
    bool past_l1 = false;  // loads that ask not to be cached there
  };

  static constexpr bool in_shared(SiteRole role) {
    return role == SiteRole::shared_load || role == SiteRole::shared_store ||
           role == SiteRole::shared_atomic;
  }
  static void recount(SiteState& site, AccessEvent e, bool shared);
  static void settle(SiteState& site);
  void attach(SiteState& site, AccessEvent e, bool store);
  static void mark_touched(const SiteState& site, uint64_t first);
  static void mark_written(const SiteState& site, AccessEvent e);

  void record(const SiteState& site, AccessEvent e, SiteRole role) const;

  Touched& touched_of(const Allocation& allocation);
  static void add(MemoryTraffic& to, const MemoryTraffic& from);

  const Code& code_;
  uint32_t warps_per_block_;
  const std::vector<uint64_t>& traced_;  // ascending
  std::vector<SiteState> sites_;
  std::vector<std::unique_ptr<BlockTrace>> traces_;
  MemoryTraffic bulk_load_, bulk_store_, bulk_shared_load_, bulk_shared_store_;
  std::vector<std::unique_ptr<Touched>> touched_;
};

}  // namespace mtmc::emulator
