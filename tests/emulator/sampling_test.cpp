// How far a sample of blocks is from the whole grid: counts, bytes and modelled time.
#include <catch2/catch.hpp>
#include <set>

#include "emulator/cost_model.hpp"
#include "fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

struct Sampled {
  LaunchReport whole, part;
  ModelledTime whole_time, part_time;
};

// `count` blocks: half traced neighbours, the rest spread evenly over the grid.
Sampled compare(const Program& program, const std::array<uint64_t, 3>& grid,
                const std::array<uint32_t, 3>& threads,
                const std::function<Arguments(Device&)>& arguments, std::uint64_t count) {
  const DeviceEntry& h200 = *find_device("h200");
  const BlockResources block{threads[0] * threads[1] * threads[2], 40, program.static_shared_bytes};
  const std::uint64_t total = grid[0] * grid[1] * grid[2];
  Sampled result;
  for (const bool all : {true, false}) {
    Device device;
    RunOptions options;
    options.threads = 2;
    options.traced_blocks = traced_blocks(h200, total, block);
    if (!all) {
      const std::uint64_t wave = occupancy(h200, block).blocks_per_sm * 132;
      options.traced_blocks = blocks_to_trace(total, wave, count / 2);
      std::set<std::uint64_t> chosen(options.traced_blocks.begin(), options.traced_blocks.end());
      for (std::uint64_t i = 0; i <= count / 2; ++i) chosen.insert(i * (total - 1) / (count / 2));
      options.blocks.assign(chosen.begin(), chosen.end());
    }
    auto report = run_well(program, device, launch(grid, threads, arguments(device)), options);
    const auto time = modelled_time(h200, report.profile, report.trace, block);
    REQUIRE(time.has_value());
    (all ? result.whole : result.part) = std::move(report);
    (all ? result.whole_time : result.part_time) = *time;
  }
  return result;
}

void check_close(const Sampled& s, double counts, double bytes, double time) {
  const double scale = static_cast<double>(s.part.profile.blocks_total) /
                       static_cast<double>(s.part.profile.blocks_run);
  REQUIRE(scale > 4);
  const auto near = [&](std::uint64_t part, std::uint64_t whole) {
    return static_cast<double>(part) * scale == Approx(static_cast<double>(whole)).epsilon(counts);
  };
  for (std::size_t c = 0; c < kIssueClassCount; ++c) {
    CAPTURE(issue_class_name(static_cast<IssueClass>(c)));
    CHECK(near(s.part.profile.warp_instructions[c], s.whole.profile.warp_instructions[c]));
  }
  CHECK(near(s.part.profile.global_load.sectors, s.whole.profile.global_load.sectors));
  CHECK(near(s.part.profile.shared_load.wavefronts, s.whole.profile.shared_load.wavefronts));
  CHECK(s.part_time.traffic.l2_bytes == Approx(s.whole_time.traffic.l2_bytes).epsilon(bytes));
  CHECK(s.part_time.traffic.dram_read_bytes ==
        Approx(s.whole_time.traffic.dram_read_bytes).epsilon(bytes));
  CHECK(s.part_time.total_ns == Approx(s.whole_time.total_ns).epsilon(time));
}

std::vector<float> numbers(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i * 2654435761u % 1000);
  return values;
}

}  // namespace

TEST_CASE("a sample of a product's blocks stands for all", "[sampling]") {
  const int n = 512;
  const auto arguments = [&](Device& device) {
    const uint64_t a = device.upload(numbers(n * n), "a");
    const uint64_t b = device.upload(numbers(n * n), "b");
    const uint64_t c = device.upload(std::vector<float>(n * n), "c");
    return Arguments().add(a).add(b).add(c).add(n).add(n).add(n);
  };
  check_close(compare(load("math.sm_80", "sgemm"), {n / 16, n / 16, 1}, {16, 16, 1}, arguments, 32),
              0.001, 0.02, 0.02);
}

TEST_CASE("a sample of a softmax's rows stands for all", "[sampling]") {
  const int rows = 2000, columns = 1000;
  const auto arguments = [&](Device& device) {
    const uint64_t x = device.upload(numbers(std::size_t{rows} * columns), "x");
    const uint64_t y = device.upload(std::vector<float>(std::size_t{rows} * columns), "y");
    return Arguments().add(x).add(y).add(columns);
  };
  check_close(compare(load("math.sm_80", "row_softmax"), {rows, 1, 1}, {128, 1, 1}, arguments, 32),
              0.02, 0.05, 0.05);
}

TEST_CASE("a sample of a convolution's blocks stands for all", "[sampling]") {
  const int channels = 8, filters = 32, side = 56;
  const auto arguments = [&](Device& device) {
    const uint64_t x = device.upload(numbers(channels * side * side), "x");
    const uint64_t w = device.upload(numbers(filters * channels * 9), "w");
    const uint64_t bias = device.upload(numbers(filters), "bias");
    const uint64_t y = device.upload(std::vector<float>(filters * side * side), "y");
    return Arguments().add(x).add(w).add(bias).add(y).add(channels).add(filters).add(side).add(
        side);
  };
  // Blocks at the image's edges branch differently: a few percent.
  check_close(compare(load("conv.sm_80", "conv"), {filters * side * side / 256, 1, 1}, {256, 1, 1},
                      arguments, 64),
              0.05, 0.15, 0.1);
}
