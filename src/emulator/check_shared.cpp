#include "emulator/check_shared.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace mtmc::emulator {
namespace {

const char* verb_of(uint8_t act) {
  static constexpr const char* names[] = {"load", "store", "atomic"};
  return names[act];
}

// Whether warps may be ordered by anything but barriers of the whole block.
bool has_partial_synchronisation(const Code& code) {
  const auto is_zero = [&](int32_t offset) {
    if (offset < 0) return true;
    for (const ConstantFill& c : code.constants) {
      if (c.offset == static_cast<uint32_t>(offset)) {
        return c.kind == ConstantFill::Kind::bits && static_cast<uint32_t>(c.value) == 0;
      }
    }
    return false;
  };
  for (const Block& block : code.blocks) {
    if (block.exit == Exit::arrive) return true;
    if (block.exit == Exit::barrier &&
        (!is_zero(block.barrier_id) || !is_zero(block.barrier_count))) {
      return true;
    }
  }
  return std::any_of(code.origins.begin(), code.origins.end(), [](const Origin& o) {
    const std::string& t = o.text;
    return t.find("mbarrier") != std::string::npos || t.find("fence") != std::string::npos ||
           t.find("membar") != std::string::npos || t.find("wgmma") != std::string::npos ||
           t.find("barrier.cluster") != std::string::npos || o.order > MemoryOrder::relaxed;
  });
}

}  // namespace

SharedChecker::SharedChecker(const LaunchView& view, bool full)
    : code_(view.code),
      findings_(view.findings),
      full_(full),
      warps_(view.warps_per_block),
      bytes_(view.shared_bytes),
      partial_(has_partial_synchronisation(view.code)),
      runs_(view.code.sites.size() + 1),
      notable_(view.code.sites.size() + 1, 0),
      site_origin_(view.code.sites.size() + 1 + view.code.origins.size(), -1) {
  while (bytes_ != 0 && (bytes_ - 1) >> part_shift_ > 63) ++part_shift_;
  for (size_t o = 0; o < code_.origins.size(); ++o) {
    site_origin_[static_cast<size_t>(copy_site(static_cast<int32_t>(o)))] = static_cast<int32_t>(o);
  }
}

int32_t SharedChecker::copy_site(int32_t origin) const {
  return static_cast<int32_t>(code_.sites.size()) + 1 + origin;
}

SharedChecker::Shadow& SharedChecker::shadow_of(const BlockPlace& place) {
  if (place.slot >= shadows_.size()) shadows_.resize(place.slot + 1);
  auto& shadow = shadows_[place.slot];
  if (shadow == nullptr) {
    shadow = std::make_unique<Shadow>();
    const size_t granules = (bytes_ >> shift_) + 1 + 2 * width;  // runs may pad beyond the end
    shadow->write.assign(granules, 0);
    shadow->write_site.assign(granules, 0);
    if (full_) shadow->write_lane.assign(granules, several_lanes);
    if (partial_) {
      shadow->read_clock.assign(granules * warps_, 0);
      shadow->known.resize(lanes);
      shadow->barrier.resize(16);
    }
    if (!partial_ && bytes_ != 0) {
      shadow->noted = std::make_unique_for_overwrite<Noted[]>(noted_limit);
    }
  }
  return *shadow;
}

// ---- clocks ------------------------------------------------------------------------------------

void SharedChecker::block_begins(const BlockPlace& place) {
  Shadow& s = shadow_of(place);
  s.mbarriers.clear();
  s.atomics.clear();
  s.copies.clear();
  std::fill(s.barrier.begin(), s.barrier.end(), Clocks{});
  s.cluster = {};
  s.proxy_fenced = {};
  s.wgmma = {};
  s.fenced = 0;
  s.copies_to = {};
  s.has_copies = false;
  whole_barrier(s);
  s.begin = ((s.clock[0] - 1) << 6) | foreign;
}

void SharedChecker::whole_barrier(Shadow& s) {
  s.noted_count = 0;
  s.noted_tag = 0;
  s.noted_parts = 0;
  s.written_parts = 0;
  s.tagged_parts = s.has_copies ? ~uint64_t{0} : 0;
  for (uint32_t p = 0; p < s.copies_to.size(); ++p) {
    if (s.copies_to[p] != 0) s.written_parts |= uint64_t{1} << p;
  }
  int32_t latest = 0;
  for (uint32_t w = 0; w < warps_; ++w) latest = std::max(latest, s.clock[w]);
  if (latest >= clock_limit) {
    forget_time(s);
    latest = 2;
  }
  for (uint32_t w = 0; w < warps_; ++w) {
    if (partial_) s.known[w].fill(latest);
    s.clock[w] = latest + 1;
    s.floor[w] = latest << 6 | id_mask;
  }
}

// Clocks start again; what was written stays written, and no order is held against it.
void SharedChecker::forget_time(Shadow& s) {
  const auto age = [&](std::vector<int32_t>& tags) {
    for (int32_t& tag : tags) tag = tag >= s.begin ? 1 << 6 | foreign : 0;
  };
  age(s.write);
  age(s.read);
  age(s.atomic);
  std::fill(s.read_clock.begin(), s.read_clock.end(), 0);
  s.begin = 1 << 6 | foreign;
  s.clock.fill(2);
}

void SharedChecker::bump(Shadow& s, uint32_t warp) {
  if (++s.clock[warp] < clock_limit) return;
  tag_noted(s);
  forget_time(s);
  whole_barrier(s);
}

SharedChecker::Clocks SharedChecker::clocks_of(const Shadow& s, uint32_t warp) const {
  if (!partial_) return {};
  Clocks clocks = s.known[warp];
  clocks[warp] = s.clock[warp];
  return clocks;
}

namespace {

template <class Clocks>
void join(Clocks& to, const Clocks& from) {
  for (size_t i = 0; i < to.size(); ++i) to[i] = std::max(to[i], from[i]);
}

}  // namespace

void SharedChecker::learn(Shadow& s, uint32_t warp, const Clocks& clocks) {
  if (!partial_) return;
  join(s.known[warp], clocks);
  int32_t lowest = clock_limit;
  for (uint32_t v = 0; v < warps_; ++v) {
    if (v != warp) lowest = std::min(lowest, s.known[warp][v]);
  }
  s.floor[warp] = lowest << 6 | id_mask;
}

void SharedChecker::barrier_arrived(const Warp& warp, uint32_t id, bool waits) {
  Shadow& s = *shadows_[warp.place->slot];
  if (partial_) join(s.barrier[id], clocks_of(s, warp.index));
  if (!waits) bump(s, warp.index);
}

void SharedChecker::barrier_released(const BlockPlace& place, uint32_t id, bool whole_block,
                                     std::span<const uint32_t> warps) {
  Shadow& s = *shadows_[place.slot];
  if (whole_block || !partial_) {
    whole_barrier(s);
    if (!partial_) return;
  } else {
    for (const uint32_t w : warps) {
      learn(s, w, s.barrier[id]);
      bump(s, w);
    }
  }
  s.barrier[id] = {};
}

void SharedChecker::cluster_arrived(const Warp& warp, uint32_t) {
  Shadow& s = *shadows_[warp.place->slot];
  join(s.cluster, clocks_of(s, warp.index));
  bump(s, warp.index);
}

void SharedChecker::cluster_released(const Warp& warp, uint32_t) {
  Shadow& s = *shadows_[warp.place->slot];
  learn(s, warp.index, s.cluster);
}

void SharedChecker::warp_synced(const Warp& warp, uint32_t) {
  bump(*shadows_[warp.place->slot], warp.index);
}

void SharedChecker::fenced(const Warp& warp, uint32_t, FenceKind kind) {
  Shadow& s = *shadows_[warp.place->slot];
  const uint32_t w = warp.index;
  if (kind == FenceKind::proxy) join(s.proxy_fenced, clocks_of(s, w));
  if (kind == FenceKind::proxy || kind == FenceKind::mbarrier_init) {
    for (auto& [offset, m] : s.mbarriers) {
      const auto by = static_cast<uint32_t>(m.init_tag & id_mask);
      if (by == w || s.known[w][by] >= m.init_tag >> 6) m.init_fenced = true;
    }
  }
  s.fenced |= 1u << w;
  bump(s, w);
}

// A wgmma is over when the four warps have read its operands, and one of them may say so for all.
void SharedChecker::wgmma_committed(const Warp& warp) {
  Shadow& s = *shadows_[warp.place->slot];
  join(s.wgmma[warp.index / 4], clocks_of(s, warp.index));
  bump(s, warp.index);
}

void SharedChecker::wgmma_waited(const Warp& warp, uint32_t) {
  Shadow& s = *shadows_[warp.place->slot];
  learn(s, warp.index, s.wgmma[warp.index / 4]);
}

void SharedChecker::mbarrier_initialised(const Warp& warp, const BlockPlace& owner,
                                         uint64_t offset) {
  if (&owner != warp.place) return;
  Shadow& s = *shadows_[owner.slot];
  Mbarrier& m = s.mbarriers[offset];
  m = {};
  m.init_tag = s.clock[warp.index] << 6 | static_cast<int32_t>(warp.index);
  m.init_fenced = false;
}

void SharedChecker::mbarrier_arrived(const Warp& warp, uint32_t, const BlockPlace& owner,
                                     uint64_t offset) {
  if (&owner != warp.place) return;
  Shadow& s = *shadows_[owner.slot];
  join(s.mbarriers[offset].arrived, clocks_of(s, warp.index));
  bump(s, warp.index);
}

void SharedChecker::mbarrier_phase_completed(const BlockPlace& owner, uint64_t offset) {
  if (owner.slot >= shadows_.size() || shadows_[owner.slot] == nullptr) return;
  Mbarrier& m = shadows_[owner.slot]->mbarriers[offset];
  join(m.completed, m.arrived);
  m.arrived = {};
}

void SharedChecker::mbarrier_waited(const Warp& warp, uint32_t, const BlockPlace& owner,
                                    uint64_t offset) {
  if (&owner != warp.place) return;
  Shadow& s = *shadows_[owner.slot];
  learn(s, warp.index, s.mbarriers[offset].completed);
  bump(s, warp.index);
}

// ---- granules ----------------------------------------------------------------------------------

// A narrower access than any before: each granule becomes several with the same history.
void SharedChecker::refine(uint32_t bytes) {
  tag_noted();
  std::fill(notable_.begin(), notable_.end(), 0);
  uint32_t shift = shift_;
  while ((1u << shift) > bytes) --shift;
  const size_t parts = size_t{1} << (shift_ - shift);
  const auto widen = [&](auto& array, size_t each) {
    if (array.empty()) return;
    auto old = std::move(array);
    const size_t granules = old.size() / each;
    array.clear();
    array.reserve(old.size() * parts);
    for (size_t g = 0; g < granules; ++g) {
      for (size_t p = 0; p < parts; ++p) {
        array.insert(array.end(), old.begin() + static_cast<std::ptrdiff_t>(g * each),
                     old.begin() + static_cast<std::ptrdiff_t>((g + 1) * each));
      }
    }
  };
  for (auto& shadow : shadows_) {
    if (shadow == nullptr) continue;
    widen(shadow->write, 1);
    widen(shadow->read, 1);
    widen(shadow->atomic, 1);
    widen(shadow->write_site, 1);
    widen(shadow->read_site, 1);
    widen(shadow->atomic_site, 1);
    widen(shadow->write_lane, 1);
    widen(shadow->read_lane, 1);
    widen(shadow->read_clock, warps_);
  }
  shift_ = shift;
}

void SharedChecker::make_reads(Shadow& s) {
  s.read.assign(s.write.size(), 0);
  s.read_site.assign(s.write.size(), 0);
  if (full_) s.read_lane.assign(s.write.size(), several_lanes);
}

// Gives the noted loads their tags. No store came in between, so that none of them is in doubt.
void SharedChecker::tag_noted(Shadow& s) {
  if (s.noted_count != 0 && s.read.empty()) make_reads(s);
  Load load{};
  for (uint32_t i = 0; i < s.noted_count; ++i) {
    const Noted& noted = s.noted[i];
    if (noted.site == Noted::tag_follows) {
      load.tag = static_cast<int32_t>(noted.first);
      continue;
    }
    load.site = noted.site;
    load.first = noted.first;
    if (full_) {
      update_reads<true>(s, runs_[load.site], load);
    } else {
      update_reads<false>(s, runs_[load.site], load);
    }
  }
  s.noted_count = 0;
  s.noted_tag = 0;
  s.tagged_parts |= s.noted_parts;
  s.noted_parts = 0;
}

void SharedChecker::tag_noted() {
  for (const auto& shadow : shadows_) {
    if (shadow != nullptr) tag_noted(*shadow);
  }
}

void SharedChecker::derive(Runs& runs, AccessEvent e) {
  tag_noted();  // which have the plan before
  struct Touch {
    int32_t granule, lane;
  };
  std::vector<Touch> touches;
  for (int l = 0; l < lanes; ++l) {
    if ((e.mask() >> l & 1) == 0) continue;
    const int32_t first = static_cast<int32_t>(e.plan().relative[l]) >> shift_;
    for (int32_t g = 0; g < static_cast<int32_t>(e.bytes >> shift_); ++g) {
      touches.push_back({first + g, l});
    }
  }
  std::stable_sort(touches.begin(), touches.end(),
                   [](const Touch& a, const Touch& b) { return a.granule < b.granule; });
  runs.generation = e.plan().generation;
  runs.shift = shift_;
  runs.strong = is_strong(code_.origins[e.op.origin].order);
  runs.runs.clear();
  runs.lanes.clear();
  int32_t last = 0;
  const auto close = [&] {  // a run of more than one granule is padded to whole vectors
    if (runs.runs.empty() || runs.runs.back().count == 1) return;
    while (runs.runs.back().count % width != 0) {
      runs.runs.back().count += 1;
      runs.runs.back().dense = false;
      runs.lanes.push_back(nobody);
    }
  };
  for (const Touch& t : touches) {
    if (!runs.runs.empty() && t.granule == last) {
      if (runs.lanes.back() != t.lane) runs.lanes.back() = several_lanes;
      continue;
    }
    if (runs.runs.empty() || t.granule > last + static_cast<int32_t>(width)) {
      close();
      runs.runs.push_back({t.granule, 0, static_cast<uint32_t>(runs.lanes.size()), true});
      last = t.granule - 1;
    }
    for (; last + 1 < t.granule; ++last) {  // a gap
      runs.runs.back().count += 1;
      runs.runs.back().dense = false;
      runs.lanes.push_back(nobody);
    }
    runs.runs.back().count += 1;
    runs.lanes.push_back(t.lane);
    last = t.granule;
  }
  close();
  const bool dense = std::all_of(runs.runs.begin(), runs.runs.end(),
                                 [](const Runs::Run& run) { return run.dense; });
  if (dense && !full_ && !partial_) {
    runs.lanes = {};
    for (Runs::Run& run : runs.runs) run.lane = 0;
  }
  site_origin_[e.site()] = e.op.origin;
  notable_[e.site()] = partial_ || runs.strong ? 0 : runs.generation;
}

bool SharedChecker::unordered(const Shadow& s, uint32_t warp, int32_t tag, size_t granule) const {
  if (tag <= s.floor[warp]) return false;
  const int32_t id = tag & id_mask;
  if (id == static_cast<int32_t>(warp)) return false;
  if (id < many) return !partial_ || tag >> 6 > s.known[warp][static_cast<size_t>(id)];
  if (id == many && partial_) {
    for (uint32_t v = 0; v < warps_; ++v) {
      if (v != warp && s.read_clock[granule * warps_ + v] > s.known[warp][v]) return true;
    }
    return false;
  }
  return true;
}

void SharedChecker::look(AccessEvent e, Shadow& s, const Runs& runs, Act act) {
  const uint32_t w = e.warp.index;
  const int32_t mine = s.clock[w] << 6 | static_cast<int32_t>(w);
  for (const Runs::Run& run : runs.runs) {
    for (uint32_t i = 0; i < run.count; ++i) {
      const size_t g = at(e.first, run) + i;
      const int32_t lane = runs.lanes.empty() ? several_lanes : runs.lanes[run.lane + i];
      if (lane == nobody) continue;
      const int32_t v = s.write[g];
      const int32_t u = s.read.empty() ? 0 : s.read[g];
      const int32_t a = s.atomic.empty() ? 0 : s.atomic[g];
      const uint64_t address = static_cast<uint64_t>(g) << shift_;
      if (v >= pending || (act == Act::store && u >= pending)) {
        return report_copy(e.warp, e.op, lane_at(e, g), address, verb_of(static_cast<uint8_t>(act)),
                           v >= pending ? s.write_site[g] : s.read_site[g]);
      }
      if (unordered(s, w, v, g)) {
        return report_race(e, s, g, act, v, s.write_site[g], Act::store, -1);
      }
      if (unordered(s, w, a, g)) {
        return report_race(e, s, g, act, a, s.atomic_site[g], Act::atomic, -1);
      }
      if (act == Act::store && unordered(s, w, u, g)) {
        return report_race(e, s, g, act, u, s.read_site[g], Act::load, -1);
      }
      if (!full_) continue;
      if (v == mine && s.write_lane[g] != several_lanes && s.write_lane[g] != lane) {
        return report_race(e, s, g, act, v, s.write_site[g], Act::store, s.write_lane[g]);
      }
      if (act == Act::store && u == mine && lane != several_lanes && s.read_lane[g] != lane) {
        return report_race(e, s, g, act, u, s.read_site[g], Act::load, s.read_lane[g]);
      }
      if (act == Act::load && v < s.begin && a < s.begin) {
        s.write[g] = s.begin;  // once is enough
        const int reader = lane_at(e, g);
        findings_.report(FaultKind::uninitialised_read, e.warp, e.op.origin, -1, reader, address,
                         [&] {
                           return fmt::format(
                               "load of {} bytes at shared offset {}: the byte at {} was not "
                               "written in this block ({} bytes of shared memory)",
                               e.bytes, e.offset(reader), address, bytes_);
                         });
      }
    }
  }
}

void SharedChecker::atomic(AccessEvent e, Shadow& s, bool reads, bool writes) {
  writes_begin(s, parts_of(e));
  if (s.atomic.empty()) {
    s.atomic.assign(s.write.size(), 0);
    s.atomic_site.assign(s.write.size(), 0);
  }
  site_origin_[e.site()] = e.op.origin;
  const uint32_t w = e.warp.index;
  if (partial_) synchronise(e, s, reads, writes);
  const int32_t mine = s.clock[w] << 6 | static_cast<int32_t>(w);
  for (uint32_t m = e.mask(); m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    const size_t first = e.offset(l) >> shift_;
    for (size_t g = first; g < first + (e.bytes >> shift_); ++g) {
      const int32_t v = s.write[g];
      const uint64_t address = static_cast<uint64_t>(g) << shift_;
      if (v >= pending) {
        report_copy(e.warp, e.op, l, address, "atomic", s.write_site[g]);
      } else if (unordered(s, w, v, g)) {
        report_race(e, s, g, Act::atomic, v, s.write_site[g], Act::store, -1);
      } else if (writes && !s.read.empty() && unordered(s, w, s.read[g], g)) {
        report_race(e, s, g, Act::atomic, s.read[g], s.read_site[g], Act::load, -1);
      } else if (full_ && reads && v < s.begin && s.atomic[g] < s.begin) {
        findings_.report(FaultKind::uninitialised_read, e.warp, e.op.origin, -1, l, address, [&] {
          return fmt::format(
              "atomic of {} bytes at shared offset {}, which was not written in this block ({} "
              "bytes of shared memory)",
              e.bytes, e.offset(l), bytes_);
        });
      }
      const int32_t a = s.atomic[g];
      const bool alone = a <= s.floor[w] || ((a ^ mine) & id_mask) == 0;
      s.atomic[g] = alone ? mine : ((std::max(a, mine) & ~id_mask) | many);
      s.atomic_site[g] = static_cast<int32_t>(e.site());
    }
  }
}

// Atomics and strong loads and stores order warps when fences or their own order say so: locks,
// flags. What is released is all that the warp did, whichever variable it was meant for.
void SharedChecker::synchronise(const AccessEvent& e, Shadow& s, bool reads, bool writes) {
  const uint32_t w = e.warp.index;
  const MemoryOrder order = code_.origins[e.op.origin].order;
  for (uint32_t m = e.mask(); m != 0; m &= m - 1) {
    const uint64_t where = e.offset(__builtin_ctz(m));
    const auto known = s.atomics.find(where);
    if (reads && known != s.atomics.end()) learn(s, w, known->second);
    if (writes && ((s.fenced >> w & 1) != 0 || order > MemoryOrder::relaxed)) {
      join(s.atomics[where], clocks_of(s, w));
    }
  }
  bump(s, w);
}

void SharedChecker::foreign_access(AccessEvent e, bool writes) {
  if (!writes || e.owner()->slot >= shadows_.size() || shadows_[e.owner()->slot] == nullptr) return;
  if (e.bytes < (1u << shift_)) refine(e.bytes);
  Shadow& s = *shadows_[e.owner()->slot];
  for (uint32_t m = e.mask(); m != 0; m &= m - 1) {
    const size_t first = e.offset(__builtin_ctz(m)) >> shift_;
    mark_written(s, first, first + (e.bytes >> shift_), s.begin, 0, several_lanes);
  }
}

void SharedChecker::mark_written(Shadow& s, size_t first, size_t last, int32_t tag, int32_t site,
                                 int32_t lane) {
  last = std::min(last, s.write.size());
  if (first >= last) return;
  std::fill_n(s.write.data() + first, last - first, tag);
  std::fill_n(s.write_site.data() + first, last - first, site);
  if (full_) std::fill_n(s.write_lane.data() + first, last - first, lane);
}

// ---- asynchronous copies -----------------------------------------------------------------------

void SharedChecker::copy_issued(const CopyEvent& copy) {
  const int32_t site = copy_site(copy.op.origin);
  const uint32_t w = copy.warp.index;
  for (const CopyPart& part : copy.parts) {
    if (copy.source.owner != nullptr) {
      Shadow& s = *shadows_[copy.source.owner->slot];
      tag_noted(s);
      if (s.read.empty()) make_reads(s);
      s.has_copies = true;
      s.tagged_parts = ~uint64_t{0};
      if (copy.async_proxy) check_proxy(copy.warp, copy.op, s, part.source, part.source_bytes);
      const size_t end = std::min<size_t>(
          (part.source + part.source_bytes + (1u << shift_) - 1) >> shift_, s.read.size());
      for (size_t g = part.source >> shift_; g < end; ++g) {
        if (copy.source.owner == copy.warp.place && s.write[g] < pending &&
            unordered(s, w, s.write[g], g)) {
          findings_.report(
              FaultKind::shared_race, copy.warp, copy.op.origin, site_origin_[s.write_site[g]],
              part.lane, part.source, [&] {
                return fmt::format(
                    "asynchronous copy from shared offset {} is not ordered after the store of "
                    "warp {} at {}",
                    part.source, s.write[g] & id_mask,
                    place_of(code_, site_origin_[s.write_site[g]]));
              });
        }
        s.read[g] = pending;
        s.read_site[g] = site;
      }
    }
    if (copy.destination.owner != nullptr && copy.destination.owner->slot < shadows_.size() &&
        shadows_[copy.destination.owner->slot] != nullptr) {
      while (((part.destination | part.bytes) & ((1u << shift_) - 1)) != 0)
        refine(1u << (shift_ - 1));
      Shadow& s = *shadows_[copy.destination.owner->slot];
      count_copy(s, part, 1);
      const size_t first = part.destination >> shift_;
      const size_t last =
          std::min<size_t>((part.destination + part.bytes) >> shift_, s.write.size());
      for (size_t g = first; g < last && copy.destination.owner == copy.warp.place; ++g) {
        for (const auto* tags : {&s.write, &s.read}) {
          if (tags->empty()) continue;
          const int32_t tag = (*tags)[g];
          const int32_t other = tags == &s.write ? s.write_site[g] : s.read_site[g];
          if (tag >= pending) {
            if (other != site) {
              report_copy(copy.warp, copy.op, part.lane, part.destination, "copy", other);
            }
          } else if (unordered(s, w, tag, g)) {
            findings_.report(
                FaultKind::shared_race, copy.warp, copy.op.origin, site_origin_[other], part.lane,
                part.destination, [&] {
                  return fmt::format(
                      "asynchronous copy to shared offset {} is not ordered after the {} at {}",
                      part.destination, tags == &s.write ? "store" : "load",
                      place_of(code_, site_origin_[other]));
                });
          }
        }
      }
      mark_written(s, first, last, pending, site, part.lane);
    }
  }
  if (copy.destination.owner != nullptr && copy.async_proxy) {
    Shadow& s = *shadows_[copy.warp.place->slot];
    s.copies[copy.id] = s.clock[w];
    if (copy.mbarrier_owner != nullptr && copy.mbarrier_owner->slot < shadows_.size() &&
        shadows_[copy.mbarrier_owner->slot] != nullptr) {
      Mbarrier& m = shadows_[copy.mbarrier_owner->slot]->mbarriers[copy.mbarrier];
      if (full_ && !m.init_fenced) {
        m.init_fenced = true;
        findings_.report(FaultKind::missing_proxy_fence, copy.warp, copy.op.origin, -1,
                         copy.parts.empty() ? 0 : copy.parts[0].lane, copy.mbarrier, [&] {
                           return fmt::format(
                               "the mbarrier at shared offset {} was initialised without a fence "
                               "(fence.mbarrier_init or fence.proxy.async) before this copy",
                               copy.mbarrier);
                         });
      }
      if (copy.mbarrier_owner == copy.warp.place) join(m.arrived, clocks_of(s, w));
    }
    bump(s, w);
  }
}

// A part with copies under way counts as written, across barriers too.
void SharedChecker::count_copy(Shadow& s, const CopyPart& part, int change) {
  if (part.bytes == 0 || part.destination + part.bytes > bytes_) return;
  const uint64_t parts = parts_between(part.destination, part.destination + part.bytes - 1);
  s.has_copies = true;
  writes_begin(s, parts);
  for (uint64_t m = parts; m != 0; m &= m - 1) {
    s.copies_to[static_cast<size_t>(__builtin_ctzll(m))] += static_cast<uint32_t>(change);
  }
}

void SharedChecker::copy_source_read(const CopyEvent& copy) {
  if (copy.source.owner == nullptr) return;
  Shadow& s = *shadows_[copy.source.owner->slot];
  const auto w = static_cast<int32_t>(copy.warp.index);
  for (const CopyPart& part : copy.parts) {
    const size_t end = std::min<size_t>(
        (part.source + part.source_bytes + (1u << shift_) - 1) >> shift_, s.read.size());
    for (size_t g = part.source >> shift_; g < end; ++g) {
      if (s.read[g] < pending) continue;
      s.read[g] = s.clock[copy.warp.index] << 6 | w;
      if (partial_) s.read_clock[g * warps_ + copy.warp.index] = s.clock[copy.warp.index];
      if (full_) s.read_lane[g] = part.lane;
    }
  }
}

void SharedChecker::copy_completed(const CopyEvent& copy) {
  copy_source_read(copy);
  if (copy.destination.owner == nullptr || copy.destination.owner->slot >= shadows_.size() ||
      shadows_[copy.destination.owner->slot] == nullptr) {
    return;
  }
  Shadow& s = *shadows_[copy.destination.owner->slot];
  const auto w = static_cast<int32_t>(copy.warp.index);
  int32_t tag = s.begin;  // from another block: ordered by its mbarrier, which is not followed
  if (copy.destination.owner == copy.warp.place) {
    int32_t clock = s.clock[copy.warp.index];
    const auto issued = s.copies.find(copy.id);
    if (issued != s.copies.end()) {
      clock = issued->second;
      s.copies.erase(issued);
    }
    tag = clock << 6 | w;
  }
  for (const CopyPart& part : copy.parts) {
    count_copy(s, part, -1);
    const size_t first = part.destination >> shift_;
    mark_written(s, first, (part.destination + part.bytes) >> shift_, tag,
                 copy_site(copy.op.origin), copy.async_proxy ? several_lanes : part.lane);
  }
}

void SharedChecker::async_proxy_read(const Warp& warp, const Op& op, const BlockPlace& owner,
                                     uint64_t offset, uint64_t bytes) {
  if (&owner != warp.place) return;
  check_proxy(warp, op, *shadows_[owner.slot], offset, bytes);
}

// Generic writes become visible to the asynchronous proxy by a fence.proxy.async after them.
void SharedChecker::check_proxy(const Warp& warp, const Op& op, Shadow& s, uint64_t offset,
                                uint64_t bytes) {
  if (!full_) return;
  const size_t end =
      std::min<size_t>((offset + bytes + (1u << shift_) - 1) >> shift_, s.write.size());
  for (size_t g = offset >> shift_; g < end; ++g) {
    const int32_t tag = s.write[g];
    if (tag >= pending) {
      return report_copy(warp, op, __builtin_ctz(warp.mask), offset, "asynchronous read",
                         s.write_site[g]);
    }
    const int32_t id = tag & id_mask;
    if (tag < s.begin || id >= many || s.proxy_fenced[static_cast<size_t>(id)] >= tag >> 6)
      continue;
    const int32_t other = site_origin_[s.write_site[g]];
    if (other >= 0 && code_.origins[other].text.find("cp.async.bulk") != std::string::npos)
      continue;
    return findings_.report(
        FaultKind::missing_proxy_fence, warp, op.origin, other, __builtin_ctz(warp.mask), offset,
        [&] {
          return fmt::format(
              "asynchronous read of shared offset {} after the generic store at {}: no "
              "fence.proxy.async lies between them",
              static_cast<uint64_t>(g) << shift_, place_of(code_, other));
        });
  }
}

// ---- reports -----------------------------------------------------------------------------------

int SharedChecker::lane_at(const AccessEvent& e, size_t granule) const {
  const uint64_t byte = static_cast<uint64_t>(granule) << shift_;
  for (uint32_t m = e.mask(); m != 0; m &= m - 1) {
    const int l = __builtin_ctz(m);
    if (byte >= e.offset(l) && byte < e.offset(l) + e.bytes) return l;
  }
  return __builtin_ctz(e.mask());
}

void SharedChecker::report_race(const AccessEvent& e, const Shadow&, size_t granule, Act act,
                                int32_t tag, int32_t other_site, Act other, int32_t other_lane) {
  const int32_t other_origin = site_origin_[other_site];
  const int lane = lane_at(e, granule);
  const uint64_t address = static_cast<uint64_t>(granule) << shift_;
  findings_.report(FaultKind::shared_race, e.warp, e.op.origin, other_origin, lane, address, [&] {
    const int32_t id = tag & id_mask;
    const std::string who = other_lane >= 0 && other_lane != several_lanes
                                ? fmt::format("lane {} of the same warp", other_lane)
                            : other_lane >= 0 ? std::string("other lanes of the same warp")
                            : id < many       ? fmt::format("warp {}", id)
                                              : std::string("several warps");
    return fmt::format(
        "{} of {} bytes at shared offset {} and the {} of {} at {}: no {} lies between them",
        verb_of(static_cast<uint8_t>(act)), e.bytes, e.offset(lane),
        verb_of(static_cast<uint8_t>(other)), who, place_of(code_, other_origin),
        other_lane >= 0 ? "__syncwarp" : "barrier");
  });
}

void SharedChecker::report_copy(const Warp& warp, const Op& op, int lane, uint64_t offset,
                                const char* verb, int32_t other_site) {
  const int32_t other = site_origin_[other_site];
  findings_.report(FaultKind::async_copy_hazard, warp, op.origin, other, lane, offset, [&] {
    return fmt::format(
        "{} at shared offset {}, which belongs to the asynchronous copy issued at {}: it was not "
        "waited for",
        verb, offset, place_of(code_, other));
  });
}

}  // namespace mtmc::emulator
