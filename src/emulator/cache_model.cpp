#include "emulator/cache_model.hpp"

#include <algorithm>
#include <array>
#include <vector>

namespace mtmc::emulator {
namespace {

constexpr std::int64_t kLineBytes = 128;
constexpr double kBytes = static_cast<double>(kSectorBytes);
using Kind = LineAccess::Kind;

int count(std::uint32_t sectors) { return __builtin_popcount(sectors); }
bool is_load(Kind kind) { return kind == Kind::load || kind == Kind::load_past_l1; }

// Lines of four sectors in sets of up to 16 ways, least recently used first out.
class SectoredCache {
 public:
  explicit SectoredCache(std::int64_t bytes) {
    const std::int64_t lines = std::max<std::int64_t>(bytes / kLineBytes, 1);
    ways_ = static_cast<std::size_t>(std::min<std::int64_t>(lines, 16));
    sets_ = std::max<std::size_t>(static_cast<std::size_t>(lines) / ways_, 1);
    ways_of_sets_.resize(sets_ * ways_);
  }

  struct Line {
    std::uint64_t tag = ~std::uint64_t{0};
    std::uint64_t used = 0;
    std::uint32_t valid = 0, dirty = 0;  // sectors
  };

  // nullptr when the line is not here.
  Line* find(std::uint64_t line) {
    Line* const set = set_of(line);
    for (std::size_t w = 0; w < ways_; ++w) {
      if (set[w].tag == line) {
        set[w].used = ++clock_;
        return &set[w];
      }
    }
    return nullptr;
  }
  // Makes room for it; `evicted` gets the number of dirty sectors that had to go.
  Line* insert(std::uint64_t line, int& evicted) {
    Line* const set = set_of(line);
    Line* victim = set;
    for (std::size_t w = 1; w < ways_; ++w) {
      if (set[w].used < victim->used) victim = &set[w];
    }
    evicted = count(victim->dirty);
    *victim = {line, ++clock_, 0, 0};
    return victim;
  }
  std::uint64_t dirty_sectors() const {
    std::uint64_t total = 0;
    for (const Line& line : ways_of_sets_) total += static_cast<std::uint64_t>(count(line.dirty));
    return total;
  }

 private:
  Line* set_of(std::uint64_t line) {
    const std::uint64_t hash = (line ^ line >> 13) * 0x9e3779b97f4a7c15ull;
    return ways_of_sets_.data() + (hash >> 20) % sets_ * ways_;
  }

  std::size_t sets_ = 1, ways_ = 1;
  std::vector<Line> ways_of_sets_;
  std::uint64_t clock_ = 0;
};

// Sectors that a sample of blocks touched, by the number of blocks that did: of all kinds together,
// of loads and of stores (atomics are both). An open-addressed table, since it has up to
// kTraceLimit lines.
class Incidence {
 public:
  enum Of { touched, loaded, stored };

  explicit Incidence(std::size_t accesses) {
    std::size_t size = 64;
    while (size < 2 * accesses) size *= 2;
    entries_.resize(size);
  }

  void add(std::uint32_t block, const LineAccess& access) {
    Entry& e = entry_of(access.line());
    if (e.block != block) {
      e.block = block;
      for (Sectors& s : e.of) s.here = 0;
    }
    e.of[touched].add(access.sectors());
    if (access.kind() != Kind::store) e.of[loaded].add(access.sectors());
    if (!is_load(access.kind())) e.of[stored].add(access.sectors());
  }

  // Sectors touched by any block, by exactly one and by exactly two.
  struct Totals {
    double any = 0, one = 0, two = 0;
  };
  Totals totals(Of of) const {
    Totals t;
    for (const Entry& e : entries_) {
      const Sectors& s = e.of[of];
      t.any += count(s.once);
      t.one += count(s.once & ~s.twice);
      t.two += count(s.twice & ~s.thrice);
    }
    return t;
  }

 private:
  struct Sectors {
    std::uint8_t here = 0, once = 0, twice = 0, thrice = 0;
    void add(std::uint32_t sectors) {
      const auto fresh = static_cast<std::uint8_t>(sectors & ~here);
      here |= fresh;
      const std::uint8_t again = fresh & once;
      thrice |= again & twice;
      twice |= again;
      once |= fresh;
    }
  };
  struct Entry {
    std::uint64_t line = ~std::uint64_t{0};
    std::uint32_t block = ~std::uint32_t{0};
    std::array<Sectors, 3> of;
  };
  Entry& entry_of(std::uint64_t line) {
    const std::size_t mask = entries_.size() - 1;
    std::size_t at = (line * 0x9e3779b97f4a7c15ull >> 20) & mask;
    while (entries_[at].line != line && entries_[at].line != ~std::uint64_t{0})
      at = (at + 1) & mask;
    entries_[at].line = line;
    return entries_[at];
  }

  std::vector<Entry> entries_;
};

// Distinct sectors that `population` blocks would touch, of which `sample` were looked at.
double of_population(const Incidence::Totals& t, double sample, double population) {
  if (sample >= population || t.any == 0.0) return t.any;
  const double q = sample / population;
  const double weight = sample > 1.0 ? sample / (sample - 1.0) : 1.0;
  const double denominator = weight * 2.0 * t.two + q / (1.0 - q) * t.one;
  const double unseen = denominator > 0.0 ? t.one * t.one / denominator : 0.0;
  return std::min(t.any + unseen, t.any / q);
}

// The warps of some blocks taking turns, a request each.
template <class Visit>
void take_turns(const std::vector<const std::vector<LineAccess>*>& streams, Visit visit) {
  std::vector<std::size_t> at(streams.size(), 0);
  for (bool any = true; any;) {
    any = false;
    for (std::size_t s = 0; s < streams.size(); ++s) {
      const std::vector<LineAccess>& stream = *streams[s];
      if (at[s] == stream.size()) continue;
      any = true;
      do {
        visit(s, stream[at[s]]);
      } while (++at[s] < stream.size() && !stream[at[s]].first());
    }
  }
}

struct L1Result {
  double loaded = 0, missed = 0;                // sectors
  std::vector<std::vector<LineAccess>> beyond;  // of each group, what reaches L2
};

L1Result through_l1(const Trace& trace, std::int64_t capacity, std::size_t group_size,
                    bool groups_follow) {
  L1Result result;
  SectoredCache l1(capacity);
  double later_loaded = 0, later_missed = 0;
  for (std::size_t first = 0; first < trace.blocks.size(); first += group_size) {
    if (!groups_follow && first > 0) l1 = SectoredCache(capacity);
    std::vector<const std::vector<LineAccess>*> streams;
    const std::size_t end = std::min(first + group_size, trace.blocks.size());
    for (std::size_t b = first; b < end; ++b) {
      for (const WarpTrace& warp : trace.blocks[b].warps) streams.push_back(&warp.lines);
    }
    std::vector<LineAccess> beyond;
    double loaded = 0, missed = 0;
    bool request_goes_on = false;
    take_turns(streams, [&](std::size_t, const LineAccess& access) {
      if (access.first()) request_goes_on = false;
      std::uint32_t needed = access.sectors();
      if (access.kind() == Kind::load) {
        SectoredCache::Line* line = l1.find(access.line());
        if (line != nullptr) needed &= ~line->valid;
        if (needed != 0) {
          int unused = 0;
          if (line == nullptr) line = l1.insert(access.line(), unused);
          line->valid |= needed;
        }
      }
      if (is_load(access.kind())) {
        loaded += count(access.sectors());
        missed += count(needed);
      }
      if (needed == 0) return;
      beyond.emplace_back(access.line(), needed, access.kind(), !request_goes_on);
      request_goes_on = true;
    });
    result.loaded += loaded;
    result.missed += missed;
    if (first > 0) {
      later_loaded += loaded;
      later_missed += missed;
    }
    result.beyond.push_back(std::move(beyond));
  }
  // Of many groups on one SM only the first meets an empty cache.
  if (groups_follow && later_loaded > 0) {
    result.loaded = later_loaded;
    result.missed = later_missed;
  }
  return result;
}

struct L2Result {
  double read = 0, written = 0;  // sectors from and to DRAM
};

L2Result through_l2(const std::vector<std::vector<LineAccess>>& groups, std::int64_t capacity) {
  L2Result result;
  SectoredCache l2(capacity);
  std::vector<const std::vector<LineAccess>*> streams;
  for (const auto& group : groups) streams.push_back(&group);
  take_turns(streams, [&](std::size_t, const LineAccess& access) {
    SectoredCache::Line* line = l2.find(access.line());
    if (line == nullptr) {
      int evicted = 0;
      line = l2.insert(access.line(), evicted);
      result.written += evicted;
    }
    if (access.kind() != Kind::store) {
      result.read += count(access.sectors() & ~line->valid);
    }
    line->valid |= access.sectors();
    if (!is_load(access.kind())) line->dirty |= access.sectors();
  });
  result.written += static_cast<double>(l2.dirty_sectors());
  return result;
}

struct DistinctBytes {
  double loaded = 0, stored = 0;
};

// Over the launch: exact when all of it ran.
DistinctBytes distinct_bytes(const Profile& profile, double scale) {
  DistinctBytes result;
  for (const AllocationTraffic& a : profile.allocations) {
    const auto scaled = [&](std::uint64_t sectors) {
      const double sampled = static_cast<double>(sectors) * kBytes;
      return std::max(sampled, std::min(sampled * scale, static_cast<double>(a.bytes)));
    };
    result.loaded += scaled(a.loaded_sectors);
    result.stored += scaled(a.stored_sectors);
  }
  return result;
}

}  // namespace

std::int64_t l1_capacity(const DeviceEntry& device, std::uint64_t shared_bytes) {
  // The steps of the carve-out, in KiB, that the CUDA programming guide lists per architecture.
  static constexpr std::int64_t kSteps[] = {0, 8, 16, 32, 64, 100, 132, 164, 196, 228};
  std::int64_t carved = device.shared_bytes_per_sm;
  for (const std::int64_t step : kSteps) {
    const std::int64_t bytes = step * 1024;
    if (bytes >= device.smallest_shared_carve_out && bytes <= carved &&
        static_cast<std::uint64_t>(bytes) >= shared_bytes) {
      carved = bytes;
      break;
    }
  }
  return std::max<std::int64_t>(device.l1_bytes_per_sm - carved, kLineBytes * 16);
}

CacheTraffic cache_traffic(const DeviceEntry& device, const Profile& profile, const Trace& trace,
                           const BlockResources& block, const Occupancy& occupancy) {
  const auto total = static_cast<double>(profile.blocks_total);
  const double scale = total / static_cast<double>(profile.blocks_run);
  const DistinctBytes distinct = distinct_bytes(profile, scale);
  const double loads = static_cast<double>(profile.global_load.sectors) * kBytes * scale;
  const double stores = static_cast<double>(profile.global_store.sectors) * kBytes * scale;
  const double atomics = static_cast<double>(profile.global_atomic.sectors) * kBytes * scale;

  CacheTraffic traffic;
  traffic.dram_read_bytes = distinct.loaded;
  traffic.dram_write_bytes = distinct.stored;
  traffic.l2_bytes = loads + stores + 2.0 * atomics;
  if (trace.blocks.empty()) return traffic;

  const auto resident = static_cast<double>(occupancy.blocks_per_sm);
  const double wave = std::min(total, device.sms * resident);
  const double waves = total / wave;
  const auto sample = std::min(static_cast<double>(trace.blocks.size()), wave);
  const std::uint64_t shared =
      (block.shared_bytes +
       static_cast<std::uint64_t>(block.shared_bytes > 0 ? device.shared_bytes_reserved : 0)) *
      occupancy.blocks_per_sm;
  // An SM has no more blocks than its share of the grid.
  const auto group = static_cast<std::size_t>(
      std::max(1.0, std::min(resident, total / static_cast<double>(device.sms))));
  L1Result l1 = through_l1(trace, l1_capacity(device, shared), group, waves >= 2.0);
  if (l1.loaded > 0) traffic.l1_hit_rate = 1.0 - l1.missed / l1.loaded;
  traffic.l2_bytes = loads * (1.0 - traffic.l1_hit_rate) + stores + 2.0 * atomics;

  double kept = 0, left_out = 0;
  for (const BlockTrace& traced : trace.blocks) {
    for (const WarpTrace& warp : traced.warps) {
      left_out += static_cast<double>(warp.lines_left_out);
      kept += static_cast<double>(warp.lines.size());
    }
  }
  if (kept == 0.0) return traffic;
  Incidence incidence(static_cast<std::size_t>(kept));
  for (std::size_t b = 0; b < trace.blocks.size(); ++b) {
    for (const WarpTrace& warp : trace.blocks[b].warps) {
      for (const LineAccess& access : warp.lines)
        incidence.add(static_cast<std::uint32_t>(b), access);
    }
  }
  // What the traces left out is taken to be like what they have.
  const double whole = (kept + left_out) / kept;
  const Incidence::Totals touched = incidence.totals(Incidence::touched);
  const double share = touched.any / of_population(touched, sample, wave);
  const L2Result l2 = through_l2(
      l1.beyond, static_cast<std::int64_t>(static_cast<double>(device.l2_bytes) * share / whole));

  // Per wave: distinct bytes, and what left L2 before it was asked for again.
  const double footprint = distinct.loaded + distinct.stored;
  const double stays =
      std::min(1.0, static_cast<double>(device.l2_bytes) / std::max(footprint, 1.0));
  const auto over_waves = [&](Incidence::Of of, double sampled, double launch) {
    const Incidence::Totals t = incidence.totals(of);
    if (t.any == 0.0) return launch;
    const double wave_distinct = of_population(t, sample, wave) * kBytes * whole;
    const double refetched = std::max(0.0, sampled / t.any - 1.0) * wave_distinct * waves;
    const double next_waves = std::max(0.0, wave_distinct * waves - launch);
    return launch + refetched + next_waves * (1.0 - stays);
  };
  traffic.dram_read_bytes = over_waves(Incidence::loaded, l2.read, distinct.loaded);
  traffic.dram_write_bytes = over_waves(Incidence::stored, l2.written, distinct.stored);
  const double asked = loads * (1.0 - traffic.l1_hit_rate) + atomics;
  if (asked > 0.0) traffic.l2_hit_rate = std::max(0.0, 1.0 - traffic.dram_read_bytes / asked);
  // Waves cannot ask L2 for less than DRAM brings.
  traffic.l2_bytes = std::max(traffic.l2_bytes, traffic.dram_read_bytes);
  return traffic;
}

}  // namespace mtmc::emulator
