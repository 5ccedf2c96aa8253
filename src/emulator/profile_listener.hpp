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
  explicit ProfileListener(const LaunchView& view)
      : code_(view.code), sites_(view.code.sites.size() + 1) {}

  template <SiteRole Role>
  void access(const AccessEvent& e) {
    SiteCounts& site = sites_[e.site];
    constexpr bool shared = Role == SiteRole::shared_load || Role == SiteRole::shared_store ||
                            Role == SiteRole::shared_atomic;
    if (__builtin_expect(site.generation != e.plan.generation, 0)) recount(site, e, shared);
    site.requests += 1;
    site.lane_count += static_cast<uint32_t>(__builtin_popcount(e.mask));
    site.sector_count += site.sectors;
    site.wavefront_count += site.wavefronts;
    if constexpr (!shared) {
      constexpr bool store = Role != SiteRole::global_load;
      if (__builtin_expect(site.allocation != e.allocation, 0)) attach(site, e, store);
      mark_touched(site, e);
      if constexpr (store) {
        if (site.written != nullptr) mark_written(site, e);
      }
    }
  }

  // Bulk and tensor copies; those of single threads are accesses of their sites.
  void copy_issued(const CopyEvent& event) override;

  void add_to(Profile& profile) const;
  std::vector<std::unique_ptr<Touched>>& touched() { return touched_; }

 private:
  struct SiteCounts {
    uint32_t generation = 0;  // of the plan that the next four follow from
    uint32_t sectors = 0, wavefronts = 0;
    bool sector_run = false;           // the sectors are consecutive
    std::array<int64_t, 64> sector{};  // distinct sectors relative to the first lane's
    uint64_t requests = 0, lane_count = 0, sector_count = 0, wavefront_count = 0;
    const Allocation* allocation = nullptr;
    uint64_t* touched = nullptr;
    uint64_t* written = nullptr;
  };

  static void recount(SiteCounts& site, const AccessEvent& e, bool shared);
  void attach(SiteCounts& site, const AccessEvent& e, bool store);
  static void mark_touched(const SiteCounts& site, const AccessEvent& e);
  static void mark_written(const SiteCounts& site, const AccessEvent& e);

  Touched& touched_of(const Allocation& allocation);
  static void add(MemoryTraffic& to, const MemoryTraffic& from);

  const Code& code_;
  std::vector<SiteCounts> sites_;
  MemoryTraffic bulk_load_, bulk_store_, bulk_shared_load_, bulk_shared_store_;
  std::vector<std::unique_ptr<Touched>> touched_;
};

}  // namespace mtmc::emulator
