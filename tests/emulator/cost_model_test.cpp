// The cost model on counters made by hand, where each roof can be computed on paper.
#include "emulator/cost_model.hpp"

#include <catch2/catch.hpp>

#include "emulator/profile.hpp"

using namespace mtmc::emulator;

namespace {

const DeviceEntry& h200() { return *find_device("h200"); }

// A copy of 4-byte elements: one load and one store per warp and 128 bytes.
Profile copy_kernel(std::uint64_t blocks) {
  Profile c;
  c.blocks_run = c.blocks_total = blocks;
  const std::uint64_t warps = blocks * 8;
  c.of(IssueClass::load_global) = warps;
  c.of(IssueClass::store_global) = warps;
  c.of(IssueClass::integer) = warps * 4;
  c.global_load = c.global_store = {warps, warps * 32, warps * 4, 0};
  c.allocations = {{"x", 4096, warps * 128, warps * 4, 0},
                   {"y", 1 << 30, warps * 128, 0, warps * 4}};
  return c;
}

constexpr BlockResources kBlock{256, 32, 0};

ModelledTime model(const Profile& c, const BlockResources& b = kBlock,
                   const DeviceEntry& device = h200()) {
  const auto time = modelled_time(device, c, b);
  REQUIRE(time.has_value());
  REQUIRE(time->total_ns ==
          Approx(time->launch_ns + std::max({time->issue_ns, time->shared_ns, time->dram_ns})));
  return *time;
}

}  // namespace

TEST_CASE("a large copy runs at the bandwidth of DRAM", "[cost]") {
  const Profile c = copy_kernel(1 << 20);
  const ModelledTime time = model(c);
  const double bytes = 2.0 * 128 * 8 * (1 << 20);  // 2 GiB
  CHECK(time.dram_bytes == bytes);
  CHECK(time.dram_ns == Approx(bytes / 4.8e12 * 1e9));
  CHECK(std::string(cost_limiter_name(time.limiter)) == "dram");
  CHECK(time.total_ns == Approx(bound_ns(h200(), bytes, 0, ComputeKind::fp32)));
  CHECK(model(c, kBlock, *find_device("h100")).dram_ns == Approx(bytes / 3.35e12 * 1e9));
}

TEST_CASE("a chain of fused multiply-adds runs at the fp32 peak", "[cost]") {
  Profile c;
  c.blocks_run = c.blocks_total = 132 * 8 * 4;
  c.of(IssueClass::fp32) = c.blocks_run * 8 * 10000;
  const ModelledTime time = model(c);
  const double operations = 2.0 * 32 * static_cast<double>(c.of(IssueClass::fp32));
  CHECK(time.issue_ns == Approx(operations / h200().peak_flops(ComputeKind::fp32) * 1e9));
  CHECK(time.limiter == CostLimiter::issue);
  // One warp on each SM issues every second cycle only, an eighth of four schedulers.
  c.blocks_run = c.blocks_total = 132;
  c.of(IssueClass::fp32) = 132 * 10000;
  CHECK(model(c, {32, 32, 0}).issue_ns == Approx(20000 / 1.98));
  CHECK(std::string(model(c, {32, 32, 0}).pipe) == "schedulers");
}

TEST_CASE("every class of instruction costs no less than nothing and names its pipe", "[cost]") {
  for (std::size_t i = 0; i < kIssueClassCount; ++i) {
    Profile c = copy_kernel(132 * 8);
    const double before = model(c).issue_ns;
    c.warp_instructions[i] += 1'000'000;
    const ModelledTime after = model(c);
    CAPTURE(issue_class_name(static_cast<IssueClass>(i)));
    const auto free = static_cast<IssueClass>(i) == IssueClass::move ||
                      static_cast<IssueClass>(i) == IssueClass::load_constant;
    if (free) CHECK(after.issue_ns == before);
    if (!free) CHECK(after.issue_ns > before);
    CHECK(after.dram_ns == model(copy_kernel(132 * 8)).dram_ns);
  }
  Profile c = copy_kernel(132 * 8);
  c.of(IssueClass::fp64) = 1'000'000;
  CHECK(std::string(model(c, kBlock, *find_device("l40s")).pipe) == "fp64");
  CHECK(model(c, kBlock, *find_device("l40s")).issue_ns > 20 * model(c).issue_ns);
  Profile tensor = copy_kernel(132 * 8);
  tensor.matrix_operations[static_cast<std::size_t>(ComputeKind::f16_tensor)] = 1'000'000'000'000;
  CHECK(model(tensor).issue_ns == Approx(1e12 / 989.4e12 * 1e9));
  CHECK(std::string(model(tensor).pipe) == "tensor");
}

TEST_CASE("bank conflicts and uncoalesced access cost time", "[cost]") {
  Profile c = copy_kernel(132 * 8);
  c.of(IssueClass::load_shared) = 132 * 8 * 8 * 100;
  c.shared_load.requests = c.shared_load.wavefronts = c.of(IssueClass::load_shared);
  const double clean = model(c).shared_ns;
  c.shared_load.wavefronts *= 32;
  const ModelledTime conflicts = model(c);
  CHECK(conflicts.shared_ns > 20 * clean);
  CHECK(conflicts.limiter == CostLimiter::shared);

  Profile strided = copy_kernel(132 * 8);
  strided.global_load.sectors *= 8;
  strided.allocations[0].loaded_sectors *= 8;
  strided.allocations[0].bytes *= 8;
  CHECK(model(strided).dram_ns > 4 * model(copy_kernel(132 * 8)).dram_ns);
  CHECK(model(strided).shared_ns > 2 * model(copy_kernel(132 * 8)).shared_ns);
}

TEST_CASE("re-use is free inside L2 and paid for beyond", "[cost]") {
  Profile c = copy_kernel(1 << 14);  // 16 MiB each way: inside 50 MiB
  c.global_load.sectors *= 10;
  CHECK(model(c).dram_bytes == 2.0 * 128 * 8 * (1 << 14));
  Profile big = copy_kernel(1 << 18);  // 256 MiB each way
  const double once = model(big).dram_bytes;
  big.global_load.sectors *= 10;
  const double footprint = 2.0 * 128 * 8 * (1 << 18);
  const double again = 9.0 * 128 * 8 * (1 << 18);
  CHECK(model(big).dram_bytes == Approx(once + again * (1 - 50.0 * (1 << 20) / footprint)));
}

TEST_CASE("the grid's shape matters", "[cost]") {
  Profile c = copy_kernel(132);
  c.of(IssueClass::fp32) = 132 * 8 * 1000;
  const double full = model(c).issue_ns;
  Profile tail = copy_kernel(133);  // one block more: one SM runs two
  tail.of(IssueClass::fp32) = 133 * 8 * 1000;
  CHECK(model(tail).issue_ns == Approx(2 * full).epsilon(0.01));
  Profile one = copy_kernel(1);
  one.of(IssueClass::fp32) = 8 * 1000;
  CHECK(model(one).issue_ns == Approx(full).epsilon(0.01));
  // One SM draws 64 bytes per clock, not 4.8 TB/s.
  CHECK(model(one).dram_ns == Approx(2.0 * 128 * 8 / (64 * 1.98)));
  CHECK(model(c).waves == Approx(132.0 / (132 * 8)));
}

TEST_CASE("a sample of blocks scales to the grid", "[cost]") {
  const ModelledTime whole = model(copy_kernel(132 * 64));
  Profile sample = copy_kernel(132);
  sample.blocks_total = 132 * 64;
  for (auto& a : sample.allocations) a.bytes *= 64;
  const ModelledTime scaled = model(sample);
  CHECK(scaled.total_ns == Approx(whole.total_ns));
  CHECK(scaled.issue_ns == Approx(whole.issue_ns));
  CHECK(scaled.dram_bytes == Approx(whole.dram_bytes));
  // A shared operand is not multiplied beyond its allocation.
  for (auto& a : sample.allocations) a.bytes /= 64;
  CHECK(model(sample).dram_bytes <= 2.0 * 132 * 8 * 256);
}

TEST_CASE("more work never takes less time", "[cost]") {
  double last = 0.0;
  for (std::uint64_t blocks = 1; blocks < 20000; blocks = blocks * 5 / 4 + 1) {
    const double total = model(copy_kernel(blocks)).total_ns;
    CHECK(total >= last);
    last = total;
  }
}

TEST_CASE("the bound is launch plus the higher roof", "[cost]") {
  CHECK(bound_ns(h200(), 0, 0, ComputeKind::fp32) == h200().launch_ns);
  CHECK(bound_ns(h200(), 4.8e9, 0, ComputeKind::fp32) == Approx(h200().launch_ns + 1e6));
  CHECK(bound_ns(h200(), 0, 989.4e9, ComputeKind::bf16_tensor) == Approx(h200().launch_ns + 1e6));
  CHECK(bound_ns(h200(), 4.8e9, 989.4e9 * 3, ComputeKind::f16_tensor) ==
        Approx(h200().launch_ns + 3e6));
  CHECK(bound_ns(h200(), 0, 1e12, ComputeKind::fp64) >
        bound_ns(h200(), 0, 1e12, ComputeKind::fp32));
}

TEST_CASE("impossible launches are errors that say why", "[cost]") {
  Profile c = copy_kernel(8);
  const auto too_big = modelled_time(h200(), c, {1024, 128, 0});
  REQUIRE_FALSE(too_big.has_value());
  CHECK(too_big.error().message.find("limit: registers") != std::string::npos);
  c.blocks_run = 0;
  CHECK_FALSE(modelled_time(h200(), c, kBlock).has_value());
  c.blocks_run = 9;
  CHECK_FALSE(modelled_time(h200(), c, kBlock).has_value());
}
