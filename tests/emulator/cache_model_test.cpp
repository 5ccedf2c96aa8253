// The cache model on traces made by hand.
#include "emulator/cache_model.hpp"

#include <catch2/catch.hpp>
#include <functional>

using namespace mtmc::emulator;

namespace {

using Kind = LineAccess::Kind;

const DeviceEntry& h200() { return *find_device("h200"); }
constexpr BlockResources kBlock{256, 128, 0};  // two blocks per SM

// Traces `traced` blocks of a grid, each with one warp that makes these requests of whole lines.
struct Grid {
  Profile profile;
  Trace trace;

  Grid(std::uint64_t total, std::uint64_t count,
       const std::function<void(std::uint64_t, std::vector<LineAccess>&)>& fill) {
    profile.blocks_run = profile.blocks_total = total;
    const std::uint64_t wave = std::min<std::uint64_t>(total, 264);
    for (const std::uint64_t b : blocks_to_trace(total, wave, count)) {
      BlockTrace block;
      block.block = b;
      block.warps.resize(1);
      fill(b, block.warps[0].lines);
      trace.blocks.push_back(block);
    }
    for (const LineAccess& a : trace.blocks.front().warps[0].lines) {
      auto& traffic = a.kind() == Kind::store    ? profile.global_store
                      : a.kind() == Kind::atomic ? profile.global_atomic
                                                 : profile.global_load;
      traffic.requests += total;
      traffic.sectors += 4 * total;
    }
  }
  CacheTraffic traffic(const DeviceEntry& device = h200(), const BlockResources& block = kBlock) {
    return cache_traffic(device, profile, trace, block, occupancy(device, block));
  }
};

void read(std::vector<LineAccess>& out, std::uint64_t first, std::uint64_t count,
          Kind kind = Kind::load) {
  for (std::uint64_t i = 0; i < count; ++i) out.emplace_back(first + i, 15, kind, true);
}

}  // namespace

TEST_CASE("what is read again soon comes from L1", "[cache]") {
  const std::uint64_t blocks = 132;  // one per SM
  Grid g(blocks, 16, [](std::uint64_t b, auto& out) {
    read(out, b * 1000, 100);
    read(out, b * 1000, 100);
  });
  g.profile.allocations = {{"x", 0, blocks * 12800, blocks * 400, 0}};
  const CacheTraffic t = g.traffic();
  CHECK(t.l1_hit_rate == Approx(0.5));
  CHECK(t.l2_bytes == Approx(blocks * 12800.0));
  CHECK(t.l2_hit_rate == Approx(0.0));
  CHECK(t.dram_read_bytes == Approx(blocks * 12800.0));
  CHECK(t.dram_write_bytes == 0.0);
}

TEST_CASE("what does not fit L1 comes from L2, what does not fit L2 from DRAM", "[cache]") {
  // Each block reads 4 MiB twice: 132 blocks are 528 MiB, far beyond L2.
  const std::uint64_t lines = 32768, blocks = 132;
  const auto twice = [&](std::uint64_t stride) {
    return [=](std::uint64_t b, auto& out) {
      read(out, b * stride, lines);
      read(out, b * stride, lines);
    };
  };
  Grid beyond(blocks, 4, twice(lines));
  beyond.profile.allocations = {{"x", 0, blocks * lines * 128, blocks * lines * 4, 0}};
  CHECK(beyond.traffic().l1_hit_rate < 0.01);
  CHECK(beyond.traffic().dram_read_bytes == Approx(2.0 * blocks * lines * 128).epsilon(0.02));
  // All read the same 4 MiB: L2 has it.
  Grid shared(blocks, 4, twice(0));
  shared.profile.allocations = {{"x", 0, lines * 128, lines * 4, 0}};
  CHECK(shared.traffic().l1_hit_rate < 0.01);
  CHECK(shared.traffic().l2_hit_rate > 0.85);
  CHECK(shared.traffic().dram_read_bytes == Approx(1.0 * lines * 128));
  // The T4 has no more than 4 MiB of L2 for all of it.
  CHECK(beyond.traffic(*find_device("t4")).dram_read_bytes >=
        beyond.traffic().dram_read_bytes * 0.99);
}

TEST_CASE("requests for single sectors bring single sectors", "[cache]") {
  Grid g(132, 8, [](std::uint64_t b, auto& out) {
    for (std::uint64_t i = 0; i < 100; ++i) out.emplace_back(b * 1000 + i, 1, Kind::load, true);
    for (std::uint64_t i = 0; i < 100; ++i) out.emplace_back(b * 1000 + i, 2, Kind::load, true);
  });
  g.profile.global_load.sectors /= 4;
  g.profile.allocations = {{"x", 0, 1 << 30, 132 * 200, 0}};
  CHECK(g.traffic().l1_hit_rate == Approx(0.0));
  CHECK(g.traffic().dram_read_bytes == Approx(132 * 200 * 32.0));
}

TEST_CASE("loads past L1, stores and atomics do not use it", "[cache]") {
  const auto repeat = [](Kind kind) {
    return [kind](std::uint64_t b, auto& out) {
      read(out, b * 1000, 10, kind);
      read(out, b * 1000, 10, kind);
    };
  };
  Grid cg(132, 8, repeat(Kind::load_past_l1));
  cg.profile.allocations = {{"x", 0, 132 * 1280, 132 * 40, 0}};
  CHECK(cg.traffic().l1_hit_rate == 0.0);
  CHECK(cg.traffic().l2_hit_rate == Approx(0.5));
  Grid store(132, 8, repeat(Kind::store));
  store.profile.allocations = {{"x", 0, 132 * 1280, 0, 132 * 40}};
  CHECK(store.traffic().l2_bytes == Approx(132 * 2560.0));
  CHECK(store.traffic().dram_write_bytes == Approx(132 * 1280.0));  // L2 holds them
  CHECK(store.traffic().dram_read_bytes == 0.0);
  Grid atomic(132, 8, repeat(Kind::atomic));
  atomic.profile.allocations = {{"x", 0, 132 * 1280, 132 * 40, 132 * 40}};
  CHECK(atomic.traffic().l2_bytes == Approx(2 * 132 * 2560.0));
}

TEST_CASE("shared memory leaves less of L1", "[cache]") {
  Grid g(132, 8, [](std::uint64_t b, auto& out) {
    for (int pass = 0; pass < 4; ++pass) read(out, b * 10000, 1200);  // 150 KiB
  });
  g.profile.allocations = {{"x", 0, 1 << 30, 132 * 4800, 0}};
  CHECK(g.traffic().l1_hit_rate == Approx(0.75).epsilon(0.05));
  CHECK(g.traffic(h200(), {256, 128, 100 * 1024}).l1_hit_rate < 0.2);
}

// A product of n x n tiles, tile by tile: block (x, y) reads row panel y of A and column panel x of
// B, `steps` lines of each in step with the others.
TEST_CASE("the panels that blocks of a wave share are fetched once a wave", "[cache]") {
  const std::uint64_t side = 32, total = side * side, panel = 2048;  // lines: 256 KiB
  Grid g(total, 16, [&](std::uint64_t b, auto& out) {
    const std::uint64_t x = b % side, y = b / side;
    for (std::uint64_t k = 0; k < panel; ++k) {
      out.emplace_back(y * panel + k, 15, Kind::load, true);
      out.emplace_back((side + x) * panel + k, 15, Kind::load, true);
    }
  });
  const double bytes = panel * 128.0;
  g.profile.allocations = {{"a", 0, side * panel * 128, side * panel * 4, 0},
                           {"b", 1 << 30, side * panel * 128, side * panel * 4, 0}};
  const CacheTraffic t = g.traffic();
  CHECK(t.l2_hit_rate > 0.5);
  // 16 MiB in all fit L2: everything once.
  CHECK(t.dram_read_bytes == Approx(2 * side * bytes));
  // Where L2 is small, each of 3.9 waves fetches 9 to 10 row panels and all 32 column panels.
  DeviceEntry small = h200();
  small.l2_bytes = 4 << 20;
  const double waves = 1024.0 / 264;
  const double expected = waves * (9.25 + 32) * bytes;
  CHECK(g.traffic(small).dram_read_bytes == Approx(expected).epsilon(0.25));
  CHECK(g.traffic(small).dram_read_bytes < 0.2 * 2 * total * bytes);  // what the blocks ask for
}

TEST_CASE("the blocks to trace are inside one wave, distinct and the same each time", "[cache]") {
  const auto blocks = blocks_to_trace(10000, 264, 16);
  REQUIRE(blocks.size() == 16);
  CHECK(blocks == blocks_to_trace(10000, 264, 16));
  CHECK(std::is_sorted(blocks.begin(), blocks.end()));
  CHECK(std::adjacent_find(blocks.begin(), blocks.end()) == blocks.end());
  CHECK(blocks.back() - blocks.front() < 264);
  CHECK(blocks.front() >= 4868);
  CHECK(blocks_to_trace(5, 264, 16) == std::vector<std::uint64_t>{0, 1, 2, 3, 4});
  CHECK(blocks_to_trace(1, 1, 1) == std::vector<std::uint64_t>{0});
  CHECK(blocks_to_trace(0, 1, 1).empty());
}
