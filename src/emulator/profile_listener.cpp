#include "emulator/profile_listener.hpp"

#include <algorithm>

#include "emulator/run.hpp"

namespace mtmc::emulator {
namespace {

void count_sectors(const AccessPlan& plan, std::array<int64_t, 64>& sector, uint32_t& sectors,
                   bool& run) {
  uint32_t count = 0;
  bool ascending = true;  // the usual case: no search, no sort
  for (int l = 0; l < lanes; ++l) {
    if ((plan.mask >> l & 1) == 0) continue;
    const int64_t s = (plan.relative[l] + plan.low) >> 5;
    if (count == 0 || (ascending && s > sector[count - 1])) {
      sector[count++] = s;
      continue;
    }
    bool known = false;
    for (uint32_t i = count; i-- > 0 && !known;) known = sector[i] == s;
    if (known) continue;
    ascending = false;
    sector[count++] = s;
  }
  if (!ascending) std::sort(sector.begin(), sector.begin() + count);
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

// Consecutive sectors, as one request.
void record_run(WarpTrace& trace, uint64_t sector, uint64_t count, LineAccess::Kind kind) {
  for (bool begins = true; count > 0; begins = false) {
    const uint64_t here = std::min<uint64_t>(4 - sector % 4, count);
    const auto mask = static_cast<uint32_t>((1u << here) - 1) << (sector % 4);
    trace.add({sector / 4, mask, kind, begins});
    sector += here;
    count -= here;
  }
}

}  // namespace

ProfileListener::ProfileListener(const LaunchView& view)
    : code_(view.code),
      warps_per_block_(view.warps_per_block),
      traced_(view.options.traced_blocks),
      sites_(view.code.sites.size() + 1) {}

void ProfileListener::block_begins(const BlockPlace& place) {
  if (!std::binary_search(traced_.begin(), traced_.end(), place.linear)) return;
  auto trace = std::make_unique<BlockTrace>();
  trace->block = place.linear;
  trace->has_path = place.linear == traced_[traced_.size() / 2];
  trace->warps.resize(warps_per_block_);
  for (WarpTrace& warp : trace->warps) {
    warp.lines_limit = kTraceLimit / (traced_.size() * warps_per_block_);
    warp.path_limit = trace->has_path ? kPathLimit / warps_per_block_ : 0;
  }
  traces_.push_back(std::move(trace));
}

WarpTrace* ProfileListener::trace_of(const BlockPlace& place, uint32_t warp) {
  for (const auto& trace : traces_) {
    if (trace->block == place.linear) return &trace->warps[warp];
  }
  return nullptr;
}

void ProfileListener::record(const SiteState& site, AccessEvent e, SiteRole role) const {
  std::array<uint64_t, lanes> sectors{};
  size_t count = 0;
  const uint64_t first = e.allocation()->address / kSectorBytes;
  const auto base = static_cast<int64_t>(e.first / kSectorBytes);
  for (; count < site.sectors; ++count) {
    sectors[count] = first + static_cast<uint64_t>(base + (*site.sector)[count]);
  }
  const auto kind = role == SiteRole::global_store    ? LineAccess::Kind::store
                    : role == SiteRole::global_atomic ? LineAccess::Kind::atomic
                    : site.past_l1                    ? LineAccess::Kind::load_past_l1
                                                      : LineAccess::Kind::load;
  for (size_t i = 0; i < count;) {
    const uint64_t line = sectors[i] / 4;
    const bool begins = i == 0;
    uint32_t mask = 0;
    for (; i < count && sectors[i] / 4 == line; ++i) mask |= 1u << (sectors[i] % 4);
    e.warp.trace->add({line, mask, kind, begins});
  }
}

void ProfileListener::settle(SiteState& site) {
  site.requests += site.pending;
  site.lane_count += site.pending * site.lanes;
  site.sector_count += site.pending * site.sectors;
  site.wavefront_count += site.pending * site.wavefronts;
  site.pending = 0;
}

void ProfileListener::recount(SiteState& site, AccessEvent e, bool shared) {
  settle(site);
  site.generation = e.plan().generation;
  site.lanes = static_cast<uint32_t>(__builtin_popcount(e.mask()));
  if (shared) {
    site.wavefronts = count_wavefronts(e.plan(), e.bytes);
  } else {
    if (site.sector == nullptr) site.sector = std::make_unique<SiteState::Sectors>();
    count_sectors(e.plan(), *site.sector, site.sectors, site.sector_run);
    site.first_sector = site.sector->front();
    const bool short_run = site.sector_run && site.sectors < 64;
    site.sector_bits = short_run ? (uint64_t{1} << site.sectors) - 1 : 0;
  }
}

Touched& ProfileListener::touched_of(const Allocation& allocation) {
  for (const auto& t : touched_) {
    if (t->allocation == &allocation) return *t;
  }
  touched_.push_back(std::make_unique<Touched>());
  touched_.back()->allocation = &allocation;
  return *touched_.back();
}

// A copy is one request of one lane; its sectors are those that each of its parts touches, its
// wavefronts 128 bytes each.
void ProfileListener::copy_issued(const CopyEvent& event) {
  if (!event.async_proxy) return;
  const auto count = [&](const Allocation* allocation, bool store) {
    MemoryTraffic& global = store ? bulk_store_ : bulk_load_;
    MemoryTraffic& shared = store ? bulk_shared_store_ : bulk_shared_load_;
    uint64_t bytes = 0;
    for (const CopyPart& part : event.parts) bytes += store ? part.bytes : part.source_bytes;
    MemoryTraffic& traffic = allocation != nullptr ? global : shared;
    traffic.requests += 1;
    traffic.lanes += 1;
    if (allocation == nullptr) {
      traffic.wavefronts += (bytes + 127) / 128;
      return;
    }
    Touched& touched = touched_of(*allocation);
    std::vector<uint64_t>& sectors = store ? touched.stored : touched.loaded;
    if (sectors.empty()) sectors.assign((allocation->bytes / 32 + 1 + 63) / 64 + 1, 0);
    if (store && allocation->tracks_writes && touched.written.empty()) {
      touched.written.assign((allocation->bytes + 63) / 64 + 1, 0);
    }
    uint64_t end = ~uint64_t{0};  // of the part before: pieces of a row share sectors
    for (const CopyPart& part : event.parts) {
      const uint64_t start = store ? part.destination : part.source;
      const uint64_t length = store ? part.bytes : part.source_bytes;
      if (length == 0) continue;
      const uint64_t first = start / 32, last = (start + length - 1) / 32;
      traffic.sectors += last - first + (start == end && start % 32 != 0 ? 0 : 1);
      end = start + length;
      set_bits(sectors.data(), first, last - first + 1);
      if (event.warp.trace != nullptr) {
        record_run(*event.warp.trace, allocation->address / kSectorBytes + first, last - first + 1,
                   store ? LineAccess::Kind::store : LineAccess::Kind::load_past_l1);
      }
      if (store && !touched.written.empty()) set_bits(touched.written.data(), start, length);
    }
  };
  if (!event.repeats) count(event.source.allocation, false);
  count(event.destination.allocation, true);
}

void ProfileListener::add(MemoryTraffic& to, const MemoryTraffic& from) {
  to.requests += from.requests;
  to.lanes += from.lanes;
  to.sectors += from.sectors;
  to.wavefronts += from.wavefronts;
}

void ProfileListener::attach(SiteState& site, AccessEvent e, bool store) {
  Touched* touched = &touched_of(*e.allocation());
  std::vector<uint64_t>& sectors = store ? touched->stored : touched->loaded;
  if (sectors.empty()) sectors.assign((e.allocation()->bytes / 32 + 1 + 63) / 64 + 1, 0);
  if (store && e.allocation()->tracks_writes && touched->written.empty()) {
    touched->written.assign((e.allocation()->bytes + 63) / 64 + 1, 0);
  }
  site.allocation = e.allocation();
  const std::string& text = code_.origins[e.op.origin].text;
  for (const char* hint : {".cg.", ".cv.", ".volatile.", ".relaxed.", ".acquire."}) {
    site.past_l1 = site.past_l1 || text.find(hint) != std::string::npos;
  }
  site.touched = sectors.data();
  site.written = store && e.allocation()->tracks_writes ? touched->written.data() : nullptr;
}

void ProfileListener::mark_touched(const SiteState& site, uint64_t first) {
  const auto base = static_cast<int64_t>(first >> 5);
  if (site.sector_run) {
    set_bits(site.touched, static_cast<uint64_t>(base + site.first_sector), site.sectors);
    return;
  }
  for (uint32_t i = 0; i < site.sectors; ++i) {
    const auto s = static_cast<uint64_t>(base + (*site.sector)[i]);
    site.touched[s >> 6] |= 1ull << (s & 63);
  }
}

void ProfileListener::mark_written(const SiteState& site, AccessEvent e) {
  if (e.kind() == contiguous) {
    return set_bits(site.written, e.offset(0), uint64_t{e.bytes} * lanes);
  }
  const uint64_t ones = (1ull << e.bytes) - 1;
  for (uint32_t m = e.mask(); m != 0; m &= m - 1) {
    const uint64_t o = e.offset(__builtin_ctz(m));
    site.written[o >> 6] |= ones << (o & 63);  // aligned: never crosses a word
  }
}

void ProfileListener::add_to(Profile& profile, Trace& trace) {
  for (auto& t : traces_) trace.blocks.push_back(std::move(*t));
  traces_.clear();
  add(profile.global_load, bulk_load_);
  add(profile.global_store, bulk_store_);
  add(profile.shared_load, bulk_shared_load_);
  add(profile.shared_store, bulk_shared_store_);
  for (size_t s = 0; s < code_.sites.size(); ++s) {
    settle(sites_[s]);
    trace.sites[s].requests += sites_[s].requests;
    trace.sites[s].sectors += sites_[s].sector_count;
    trace.sites[s].wavefronts += sites_[s].wavefront_count;
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
