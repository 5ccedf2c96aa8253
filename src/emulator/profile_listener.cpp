#include "emulator/profile_listener.hpp"

#include <algorithm>

namespace mtmc::emulator {
namespace {

void count_sectors(const AccessPlan& plan, std::array<int64_t, 64>& sector, uint32_t& sectors,
                   bool& run) {
  uint32_t count = 0;
  for (int l = 0; l < lanes; ++l) {
    if ((plan.mask >> l & 1) == 0) continue;
    const int64_t s = (plan.relative[l] + plan.low) >> 5;
    bool known = false;
    for (uint32_t i = count; i-- > 0 && !known;) known = sector[i] == s;
    if (!known) sector[count++] = s;
  }
  std::sort(sector.begin(), sector.begin() + count);
  sectors = count;
  run = count > 0 && sector[count - 1] - sector[0] == static_cast<int64_t>(count) - 1;
}

// Each pass serves as many lanes as fill 128 bytes; its cost is the fullest bank's distinct words.
uint32_t count_wavefronts(const AccessPlan& plan, uint32_t bytes) {
  const int phases = bytes <= 4 ? 1 : static_cast<int>(bytes / 4);
  const int lanes_per_phase = lanes / phases;
  uint32_t wavefronts = 0;
  for (int phase = 0; phase < phases; ++phase) {
    int32_t word[32][32];
    int count[32] = {};
    int most = 0;
    for (int l = phase * lanes_per_phase; l < (phase + 1) * lanes_per_phase; ++l) {
      if ((plan.mask >> l & 1) == 0) continue;
      for (uint32_t b = 0; b < (bytes + 3) / 4; ++b) {
        const int32_t w =
            static_cast<int32_t>((plan.relative[l] + plan.low) >> 2) + static_cast<int32_t>(b);
        const int bank = w & 31;
        bool known = false;
        for (int i = 0; i < count[bank] && !known; ++i) known = word[bank][i] == w;
        if (!known) word[bank][count[bank]++] = w;
        most = std::max(most, count[bank]);
      }
    }
    wavefronts += static_cast<uint32_t>(most);
  }
  return wavefronts;
}

inline void set_bits(uint64_t* bitmap, uint64_t first, uint64_t count) {
  while (count > 0) {
    const uint64_t bit = first & 63;
    const uint64_t here = std::min<uint64_t>(64 - bit, count);
    const uint64_t ones = here == 64 ? ~0ull : ((1ull << here) - 1);
    bitmap[first >> 6] |= ones << bit;
    first += here;
    count -= here;
  }
}

}  // namespace

void ProfileListener::recount(SiteCounts& site, const AccessEvent& e, bool shared) {
  site.generation = e.plan.generation;
  if (shared) {
    site.wavefronts = count_wavefronts(e.plan, e.bytes);
  } else {
    count_sectors(e.plan, site.sector, site.sectors, site.sector_run);
  }
}

void ProfileListener::attach(SiteCounts& site, const AccessEvent& e, bool store) {
  Touched* touched = nullptr;
  for (const auto& t : touched_) {
    if (t->allocation == e.allocation) touched = t.get();
  }
  if (touched == nullptr) {
    touched_.push_back(std::make_unique<Touched>());
    touched = touched_.back().get();
    touched->allocation = e.allocation;
  }
  std::vector<uint64_t>& sectors = store ? touched->stored : touched->loaded;
  if (sectors.empty()) sectors.assign((e.allocation->bytes / 32 + 1 + 63) / 64 + 1, 0);
  if (store && e.allocation->tracks_writes && touched->written.empty()) {
    touched->written.assign((e.allocation->bytes + 63) / 64 + 1, 0);
  }
  site.allocation = e.allocation;
  site.touched = sectors.data();
  site.written = store && e.allocation->tracks_writes ? touched->written.data() : nullptr;
}

void ProfileListener::mark_touched(const SiteCounts& site, const AccessEvent& e) {
  const auto base = static_cast<int64_t>(e.offset.first >> 5);
  if (site.sector_run) {
    set_bits(site.touched, static_cast<uint64_t>(base + site.sector[0]), site.sectors);
    return;
  }
  for (uint32_t i = 0; i < site.sectors; ++i) {
    const auto s = static_cast<uint64_t>(base + site.sector[i]);
    site.touched[s >> 6] |= 1ull << (s & 63);
  }
}

void ProfileListener::mark_written(const SiteCounts& site, const AccessEvent& e) {
  if (e.kind == contiguous) {
    return set_bits(site.written, e.offset[0], uint64_t{e.bytes} * lanes);
  }
  const uint64_t ones = (1ull << e.bytes) - 1;
  for (uint32_t m = e.mask; m != 0; m &= m - 1) {
    const uint64_t o = e.offset[__builtin_ctz(m)];
    site.written[o >> 6] |= ones << (o & 63);  // aligned: never crosses a word
  }
}

void ProfileListener::add_to(Profile& profile) const {
  for (size_t s = 0; s < code_.sites.size(); ++s) {
    MemoryTraffic* traffic = nullptr;
    switch (code_.sites[s]) {
      case SiteRole::global_load:
        traffic = &profile.global_load;
        break;
      case SiteRole::global_store:
        traffic = &profile.global_store;
        break;
      case SiteRole::global_atomic:
        traffic = &profile.global_atomic;
        break;
      case SiteRole::shared_load:
        traffic = &profile.shared_load;
        break;
      case SiteRole::shared_store:
        traffic = &profile.shared_store;
        break;
      case SiteRole::shared_atomic:
        traffic = &profile.shared_atomic;
        break;
      case SiteRole::local:
        continue;
    }
    traffic->requests += sites_[s].requests;
    traffic->lanes += sites_[s].lane_count;
    traffic->sectors += sites_[s].sector_count;
    traffic->wavefronts += sites_[s].wavefront_count;
  }
}

}  // namespace mtmc::emulator
