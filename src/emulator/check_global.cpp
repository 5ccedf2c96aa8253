#include "emulator/check_global.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "emulator/memory.hpp"
#include "emulator/run.hpp"

namespace mtmc::emulator {
namespace {

constexpr uint64_t cluster_variable = uint64_t{1} << 63;

uint32_t owner_of(const Warp& warp) { return static_cast<uint32_t>(warp.place->linear) + 1; }

uint64_t bits_between(uint64_t first, uint64_t last) {  // within 64
  const uint64_t upto = last >= 64 ? ~uint64_t{0} : (uint64_t{1} << last) - 1;
  return upto & (~uint64_t{0} << first);
}

// Each bit becomes two.
uint64_t doubled(uint64_t bits) {
  bits &= 0xffffffff;
  uint64_t out = 0;
  for (int i = 0; i < 32; ++i) {
    if ((bits >> i & 1) != 0) out |= uint64_t{3} << (2 * i);
  }
  return out;
}

bool has_synchronisation(const Code& code) {
  return std::any_of(code.origins.begin(), code.origins.end(), [](const Origin& o) {
    return o.order > MemoryOrder::relaxed || o.text.find("membar") != std::string::npos ||
           o.text.find("fence") != std::string::npos ||
           o.text.find("barrier.cluster") != std::string::npos;
  });
}

}  // namespace

void GlobalChecker::Free::operator()(void* p) const { std::free(p); }

GlobalChecker::GlobalChecker(const LaunchView& view)
    : code_(view.code),
      launch_(view.launch),
      findings_(view.findings),
      synchronises_(has_synchronisation(view.code)),
      runs_(view.code.sites.size() + 1),
      site_origin_(view.code.sites.size() + 1 + view.code.origins.size(), -1),
      site_shadow_(view.code.sites.size() + 1, nullptr) {}

void GlobalChecker::block_begins(const BlockPlace&) {}

// ---- accesses ----------------------------------------------------------------------------------

void GlobalChecker::derive(Runs& runs, AccessEvent e) {
  std::array<uint64_t, lanes> start{};
  size_t count = 0;
  for (uint32_t m = e.mask(); m != 0; m &= m - 1) start[count++] = e.offset(__builtin_ctz(m));
  std::sort(start.begin(), start.begin() + static_cast<std::ptrdiff_t>(count));
  const uint64_t origin = e.first;
  runs.generation = e.plan().generation;
  runs.runs.clear();
  uint64_t end = 0;
  for (size_t i = 0; i < count; ++i) {
    if (runs.runs.empty() || start[i] > end) {
      runs.runs.push_back({static_cast<int64_t>(start[i] - origin), e.bytes});
      end = start[i] + e.bytes;
    } else if (start[i] + e.bytes > end) {
      runs.runs.back().bytes += start[i] + e.bytes - end;
      end = start[i] + e.bytes;
    }
  }
  site_origin_[e.site()] = e.op.origin;
}

GlobalChecker::Shadow& GlobalChecker::shadow_of(const Allocation& allocation) {
  for (const auto& s : shadows_) {
    if (s->allocation == &allocation) return *s;
  }
  auto shadow = std::make_unique<Shadow>();
  shadow->allocation = &allocation;
  if (allocation.access == Access::read_write) {
    const size_t chunks = (allocation.bytes >> (shadow->shift + 6)) + 1;
    shadow->records.reset(static_cast<Record*>(std::calloc(chunks, sizeof(Record))));
    if (shadow->records == nullptr) throw std::bad_alloc();
  }
  shadows_.push_back(std::move(shadow));
  return *shadows_.back();
}

// Halves granules until one of `bytes` fits: every chunk becomes two with the same history.
void GlobalChecker::refine(Shadow& s, uint64_t bytes) {
  while ((uint64_t{1} << s.shift) > bytes) {
    const size_t old_chunks = (s.allocation->bytes >> (s.shift + 6)) + 1;
    s.shift -= 1;
    const size_t chunks = (s.allocation->bytes >> (s.shift + 6)) + 1;
    std::unique_ptr<Record[], Free> records(
        static_cast<Record*>(std::calloc(chunks + 1, sizeof(Record))));
    if (records == nullptr) throw std::bad_alloc();
    const auto half = [](Record r, int which) {
      r.wrote = doubled(r.wrote >> (32 * which));
      r.read = doubled(r.read >> (32 * which));
      return r;
    };
    std::unordered_map<uint64_t, std::vector<Record>> more;
    for (size_t c = 0; c < old_chunks; ++c) {
      if (s.records[c].owner == 0) continue;
      for (int which = 0; which < 2; ++which) {
        const size_t to = 2 * c + static_cast<size_t>(which);
        if (to < chunks) records[to] = half(s.records[c], which);
      }
    }
    for (const auto& [chunk, list] : s.more) {
      for (int which = 0; which < 2; ++which) {
        for (const Record& r : list) {
          more[2 * chunk + static_cast<uint64_t>(which)].push_back(half(r, which));
        }
      }
    }
    s.records = std::move(records);
    s.more = std::move(more);
  }
}

void GlobalChecker::check(AccessEvent e, Act act) {
  Runs& runs = runs_[e.site()];
  if (__builtin_expect(runs.generation != e.plan().generation, 0)) derive(runs, e);
  Shadow*& shadow = site_shadow_[e.site()];
  if (shadow == nullptr || shadow->allocation != e.allocation())
    shadow = &shadow_of(*e.allocation());
  const MemoryOrder order = code_.origins[e.op.origin].order;
  const bool strong = act == Act::atomic || order != MemoryOrder::weak;
  if (synchronises_ && strong) synchronise(e, act != Act::store, act != Act::load);
  const uint32_t owner = owner_of(e.warp);
  const Request r{e.warp,
                  e.op,
                  owner,
                  synchronises_ ? epoch_of(owner) : 0,
                  static_cast<uint16_t>(e.site()),
                  act,
                  strong,
                  __builtin_ctz(e.mask())};
  const uint64_t base = e.offset(r.lane);
  if (shadow->records != nullptr && (1u << shadow->shift) > e.bytes) refine(*shadow, e.bytes);
  for (const Runs::Run& run : runs.runs) {
    const uint64_t first = base + static_cast<uint64_t>(run.start);
    if (e.allocation()->initialised != nullptr) {
      check_initialised(*e.allocation(), r, first, run.bytes);
    }
    if (shadow->records != nullptr) touch(*shadow, r, first, run.bytes);
  }
  if (act != Act::load && !pending_.empty()) {
    for (const Runs::Run& run : runs.runs) {
      const uint64_t first = base + static_cast<uint64_t>(run.start);
      for (const PendingSource& p : pending_) {
        if (p.allocation != e.allocation() || p.end <= first || p.first >= first + run.bytes)
          continue;
        findings_.report(FaultKind::async_copy_hazard, e.warp, e.op.origin, p.origin, r.lane,
                         e.allocation()->address + first, [&] {
                           return fmt::format(
                               "store to '{}', from which the asynchronous copy issued at {} still "
                               "reads: it was not waited for",
                               e.allocation()->name, place_of(code_, p.origin));
                         });
      }
    }
  }
}

void GlobalChecker::check_initialised(const Allocation& a, const Request& r, uint64_t first,
                                      uint64_t bytes) {
  if (r.act == Act::store) return a.initialised->set(first, bytes);
  const auto missing = a.initialised->first_missing(first, bytes);
  if (!missing) return;
  findings_.report(FaultKind::uninitialised_read, r.warp, r.op.origin, -1, r.lane,
                   a.address + *missing, [&] {
                     return fmt::format(
                         "{} at 0x{:x}, byte {} of '{}' ({} bytes), which neither the host nor a "
                         "kernel wrote",
                         r.act == Act::load ? "load" : "atomic", a.address + *missing, *missing,
                         a.name, a.bytes);
                   });
  a.initialised->set(first, bytes);  // once is enough
}

inline void GlobalChecker::touch(Shadow& s, const Request& r, uint64_t first, uint64_t bytes) {
  uint64_t granule = first >> s.shift;
  const uint64_t end = (first + bytes) >> s.shift;
  while (granule < end) {
    const uint64_t chunk = granule >> 6;
    const uint64_t last = std::min<uint64_t>(end, (chunk + 1) << 6);
    const uint64_t mask = bits_between(granule & 63, last - (chunk << 6));
    Record& record = s.records[chunk];
    if (record.owner == 0) {
      record.owner = r.owner;
      record.epoch = r.epoch;
      record.strong = r.strong;
    }
    if (__builtin_expect(record.owner == r.owner && record.epoch == r.epoch &&
                             record.strong == r.strong && record.more == 0,
                         1)) {
      if (r.act == Act::load) {
        record.read |= mask;
        if (record.wrote == 0) record.site = r.site;
      } else {
        record.wrote |= mask;
        record.site = r.site;
      }
    } else {
      collide(s, r, chunk, mask);
    }
    granule = last;
  }
}

// Several records: the request against those of other blocks, then into its own.
void GlobalChecker::collide(Shadow& s, const Request& r, uint64_t chunk, uint64_t mask) {
  std::vector<Record>* more = nullptr;
  Record* own = nullptr;
  // A block that touched a place with strong accesses itself has seen those before it there.
  uint64_t observed = 0;
  const auto observe = [&](const Record& record) {
    if (record.owner == r.owner && record.strong != 0) observed |= record.wrote | record.read;
  };
  observe(s.records[chunk]);
  if (s.records[chunk].more != 0) {
    for (const Record& record : s.more[chunk]) observe(record);
  }
  const auto visit = [&](Record& record) {
    if (record.owner == r.owner) {
      if (record.epoch == r.epoch && record.strong == r.strong) own = &record;
      return;
    }
    if (record.strong != 0 && r.strong) return;
    uint64_t theirs = r.act == Act::load ? record.wrote : record.wrote | record.read;
    if (record.strong != 0) theirs &= ~observed;
    if ((theirs & mask) == 0 || ordered(record, r.owner)) return;
    const bool wrote = (record.wrote & mask) != 0;
    const uint64_t granule = (chunk << 6) + static_cast<uint64_t>(__builtin_ctzll(theirs & mask));
    const uint64_t offset = granule << s.shift;
    const int32_t other = site_origin_[record.site];
    const bool known = wrote || record.wrote == 0;
    findings_.report(
        FaultKind::global_race, r.warp, r.op.origin, known ? other : -1, r.lane,
        s.allocation->address + offset, [&] {
          static constexpr const char* verbs[] = {"load", "store", "atomic"};
          return fmt::format(
              "{} at 0x{:x}, byte {} of '{}' ({} bytes), and the {} of block {}{}: nothing orders "
              "the two blocks",
              verbs[static_cast<size_t>(r.act)], s.allocation->address + offset, offset,
              s.allocation->name, s.allocation->bytes,
              record.strong != 0 ? "atomic access"
              : wrote            ? "store"
                                 : "load",
              block_text(record.owner), known ? " at " + place_of(code_, other) : std::string());
        });
  };
  Record& head = s.records[chunk];
  visit(head);
  if (head.more != 0) {
    more = &s.more[chunk];
    for (Record& record : *more) visit(record);
  }
  if (own == nullptr) {
    if (more == nullptr) more = &s.more[chunk];
    head.more = 1;
    if (more->size() >= max_records) more->erase(more->begin());
    Record record;
    record.owner = r.owner;
    record.epoch = r.epoch & max_epoch;
    record.strong = r.strong;
    more->push_back(record);
    own = &more->back();
  }
  if (r.act == Act::load) {
    own->read |= mask;
    if (own->wrote == 0) own->site = r.site;
  } else {
    own->wrote |= mask;
    own->site = r.site;
  }
}

// ---- order between blocks ----------------------------------------------------------------------

uint32_t GlobalChecker::epoch_of(uint32_t owner) const {
  const auto state = states_.find(owner);
  return state == states_.end() ? 0 : state->second.epoch;
}

void GlobalChecker::fenced(const Warp& warp, uint32_t, FenceKind kind) {
  if (kind != FenceKind::device) return;
  BlockState& state = states_[owner_of(warp)];
  state.fenced = static_cast<int32_t>(state.epoch);
  if (state.epoch < max_epoch) state.epoch += 1;
}

void GlobalChecker::acquire(BlockState& state, uint64_t variable) {
  if (releases_.find(variable) == releases_.end()) return;
  state.acquired[variable] = time_;
  state.known_is_current = false;
}

void GlobalChecker::release(uint32_t owner, uint32_t epoch, uint64_t variable) {
  std::vector<Release>& list = releases_[variable];
  for (auto r = list.rbegin(); r != list.rend() && r - list.rbegin() < 4; ++r) {
    if (r->owner == owner && r->epoch == epoch) return;  // a spin
  }
  list.push_back({owner, epoch, ++time_});
}

void GlobalChecker::synchronise(const AccessEvent& e, bool reads, bool writes) {
  const uint32_t owner = owner_of(e.warp);
  const MemoryOrder order = code_.origins[e.op.origin].order;
  const bool releasing = order == MemoryOrder::release || order == MemoryOrder::acq_rel;
  for (uint32_t m = e.mask(); m != 0; m &= m - 1) {
    const uint64_t variable = e.allocation()->address + e.offset(__builtin_ctz(m));
    if (reads && !releases_.empty()) acquire(states_[owner], variable);
    if (!writes) continue;
    const auto state = states_.find(owner);
    if (releasing) {
      release(owner, state == states_.end() ? 0 : state->second.epoch, variable);
    } else if (state != states_.end() && state->second.fenced >= 0) {
      release(owner, static_cast<uint32_t>(state->second.fenced), variable);
    }
  }
  if (releasing && writes) {  // what follows is not released by it
    BlockState& state = states_[owner];
    state.fenced = static_cast<int32_t>(state.epoch);
    if (state.epoch < max_epoch) state.epoch += 1;
  }
}

// The cluster's blocks meet: to each other, as if they had fenced and met at a variable.
void GlobalChecker::cluster_arrived(const Warp& warp, uint32_t) {
  const uint32_t owner = owner_of(warp);
  BlockState& state = states_[owner];
  release(owner, state.epoch, cluster_variable);
  if (state.epoch < max_epoch) state.epoch += 1;
  synchronises_ = true;
}

void GlobalChecker::cluster_released(const Warp& warp, uint32_t) {
  acquire(states_[owner_of(warp)], cluster_variable);
}

void GlobalChecker::learn(BlockState& state, uint32_t owner) {
  constexpr size_t enough = 1 << 14;
  state.known.clear();
  state.knows_all = false;
  state.known_is_current = true;
  std::vector<uint32_t> waiting{owner};
  std::unordered_map<uint32_t, bool> seen{{owner, true}};
  while (!waiting.empty()) {
    const auto from = states_.find(waiting.back());
    waiting.pop_back();
    if (from == states_.end()) continue;
    for (const auto& [variable, time] : from->second.acquired) {
      for (const Release& release : releases_[variable]) {
        if (release.time > time) break;
        const auto [known, inserted] = state.known.try_emplace(release.owner, release.epoch);
        if (!inserted) known->second = std::max(known->second, release.epoch);
        if (seen.try_emplace(release.owner, true).second) waiting.push_back(release.owner);
      }
    }
    if (seen.size() > enough) {
      state.knows_all = true;
      return;
    }
  }
}

bool GlobalChecker::ordered(const Record& earlier, uint32_t owner) {
  if (!synchronises_) return false;
  const auto found = states_.find(owner);
  if (found == states_.end() || found->second.acquired.empty()) return false;
  BlockState& state = found->second;
  if (!state.known_is_current) learn(state, owner);
  if (state.knows_all) return true;
  const auto known = state.known.find(earlier.owner);
  return known != state.known.end() && known->second >= earlier.epoch;
}

// ---- asynchronous copies -----------------------------------------------------------------------

GlobalChecker::Request GlobalChecker::request_of(const CopyEvent& copy, Act act) const {
  const uint32_t owner = owner_of(copy.warp);
  return {copy.warp, copy.op, owner, synchronises_ ? epoch_of(owner) : 0,
          // Copies have no site of their own: theirs lie behind the code's, one per origin.
          static_cast<uint16_t>(code_.sites.size() + 1 + static_cast<size_t>(copy.op.origin)), act,
          act == Act::atomic, copy.parts.empty() ? 0 : copy.parts[0].lane};
}

void GlobalChecker::copy_issued(const CopyEvent& copy) {
  site_origin_[code_.sites.size() + 1 + static_cast<size_t>(copy.op.origin)] = copy.op.origin;
  const auto side = [&](const Allocation* allocation, Act act) {
    if (allocation == nullptr) return;
    Shadow& shadow = shadow_of(*allocation);
    const Request r = request_of(copy, act);
    for (const CopyPart& part : copy.parts) {
      const uint64_t first = act == Act::load ? part.source : part.destination;
      const uint64_t bytes = act == Act::load ? part.source_bytes : part.bytes;
      if (bytes == 0) continue;
      if (allocation->initialised != nullptr) check_initialised(*allocation, r, first, bytes);
      if (shadow.records != nullptr) {
        const uint64_t odd = first | bytes;
        refine(shadow, odd & (~odd + 1));
        touch(shadow, r, first, bytes);
      }
      if (act == Act::load && allocation->access == Access::read_write) {
        pending_.push_back({copy.id, allocation, first, first + bytes, copy.op.origin});
      }
    }
  };
  side(copy.source.allocation, Act::load);
  // Each reduction of an element is a relaxed atomic.
  const bool reduces =
      copy.async_proxy && code_.async_forms[copy.op.imm].reduction != BulkReduction::none;
  side(copy.destination.allocation, reduces ? Act::atomic : Act::store);
}

void GlobalChecker::copy_source_read(const CopyEvent& copy) {
  std::erase_if(pending_, [&](const PendingSource& p) { return p.id == copy.id; });
}

void GlobalChecker::copy_completed(const CopyEvent& copy) { copy_source_read(copy); }

// ---- reports -----------------------------------------------------------------------------------

void GlobalChecker::divided_by_zero(const Warp& warp, const Op& op, uint32_t zero) {
  findings_.report(FaultKind::division_by_zero, warp, op.origin, -1, __builtin_ctz(zero), 0, [&] {
    return fmt::format("the divisor is 0 in {} of the warp's lanes", __builtin_popcount(zero));
  });
}

std::string GlobalChecker::block_text(uint32_t owner) const {
  const uint64_t linear = owner - 1;
  return fmt::format("({},{},{})", linear % launch_.grid[0],
                     linear / launch_.grid[0] % launch_.grid[1],
                     linear / launch_.grid[0] / launch_.grid[1]);
}

}  // namespace mtmc::emulator
