// The cost model on counts made by hand, where each part can be computed on paper.
#include "emulator/cost_model.hpp"

#include <catch2/catch.hpp>
#include <cmath>

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
  const auto time = modelled_time(device, c, Trace{}, b);
  REQUIRE(time.has_value());
  const double sm = std::max({time->issue_ns, time->shared_ns, time->latency_ns});
  const double limits = std::pow(std::pow(sm, kOverlapNorm) + std::pow(time->l2_ns, kOverlapNorm) +
                                     std::pow(time->dram_ns, kOverlapNorm),
                                 1 / kOverlapNorm);
  REQUIRE(time->total_ns == Approx(time->launch_ns + limits + time->tail_ns));
  REQUIRE(time->tail_ns >= 0.0);
  return *time;
}

double dram_bytes(const ModelledTime& time) {
  return time.traffic.dram_read_bytes + time.traffic.dram_write_bytes;
}

}  // namespace

TEST_CASE("a large copy runs near the bandwidth of DRAM", "[cost]") {
  const Profile c = copy_kernel(1 << 20);
  const ModelledTime time = model(c);
  const double bytes = 2.0 * 128 * 8 * (1 << 20);  // 2 GiB
  CHECK(dram_bytes(time) == bytes);
  CHECK(time.dram_ns == Approx(bytes / 4.8e12 * 1e9));
  CHECK(time.l2_ns == Approx(bytes / 6.5e12 * 1e9));
  CHECK(std::string(cost_limiter_name(time.limiter)) == "dram");
  const double bound = h200().launch_ns + bytes / h200().dram_bytes_per_s * 1e9;
  CHECK(time.total_ns >= bound);
  CHECK(time.total_ns < 1.1 * bound);
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
  CHECK(time.tail_ns == Approx(0).margin(1e-6));
  // One warp on each SM has one scheduler of four.
  c.blocks_run = c.blocks_total = 132;
  c.of(IssueClass::fp32) = 132 * 10000;
  CHECK(model(c, {32, 32, 0}).issue_ns == Approx(10000 / 1.98));
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
  CHECK(model(strided).l2_ns == Approx(4.5 * model(copy_kernel(132 * 8)).l2_ns));
  CHECK(model(strided).shared_ns > 2 * model(copy_kernel(132 * 8)).shared_ns);
}

TEST_CASE("spills cost the L1 data stage, atomics L2", "[cost]") {
  Profile c = copy_kernel(132 * 8);
  const ModelledTime before = model(c);
  c.local_sectors = 4 * c.global_load.requests;  // as much as the loads and stores are, half each
  CHECK(model(c).shared_ns == Approx(1.5 * before.shared_ns));
  Profile a = copy_kernel(132 * 8);
  a.global_atomic = a.global_load;
  CHECK(model(a).l2_ns == Approx(2 * before.l2_ns));
}

TEST_CASE("the grid's shape matters", "[cost]") {
  Profile c = copy_kernel(132);
  c.of(IssueClass::fp32) = 132 * 8 * 10000;
  const ModelledTime full = model(c);
  CHECK(full.tail_ns == Approx(0).margin(1e-6));
  Profile tail = copy_kernel(133);  // one block more: one SM runs two
  tail.of(IssueClass::fp32) = 133 * 8 * 10000;
  CHECK(model(tail).issue_ns == Approx(full.issue_ns * 133 / 132));
  CHECK(model(tail).total_ns - model(tail).launch_ns ==
        Approx(2 * (full.total_ns - full.launch_ns)).epsilon(0.01));
  Profile one = copy_kernel(1);
  one.of(IssueClass::fp32) = 8 * 10000;
  CHECK(model(one).issue_ns == Approx(full.issue_ns).epsilon(0.01));
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
  CHECK(dram_bytes(scaled) == Approx(dram_bytes(whole)));
  // A shared operand is not multiplied beyond its allocation.
  for (auto& a : sample.allocations) a.bytes /= 64;
  CHECK(dram_bytes(model(sample)) <= 2.0 * 132 * 8 * 256);
}

TEST_CASE("more work never takes less time", "[cost]") {
  double last = 0.0;
  for (std::uint64_t blocks = 1; blocks < 20000; blocks = blocks * 5 / 4 + 1) {
    const double total = model(copy_kernel(blocks)).total_ns;
    CHECK(total >= last * (1 - 1e-12));
    last = total;
  }
}

TEST_CASE("impossible launches are errors that say why", "[cost]") {
  Profile c = copy_kernel(8);
  const auto too_big = modelled_time(h200(), c, Trace{}, {1024, 128, 0});
  REQUIRE_FALSE(too_big.has_value());
  CHECK(too_big.error().message.find("limit: registers") != std::string::npos);
  CHECK(traced_blocks(h200(), 8, {1024, 128, 0}).empty());
  c.blocks_run = 0;
  CHECK_FALSE(modelled_time(h200(), c, Trace{}, kBlock).has_value());
  c.blocks_run = 9;
  CHECK_FALSE(modelled_time(h200(), c, Trace{}, kBlock).has_value());
}

TEST_CASE("every device has all its figures", "[device]") {
  for (const DeviceEntry& d : device_table()) {
    CAPTURE(d.alias);
    CHECK(d.shared_latency_cycles > 10);
    CHECK(d.l1_latency_cycles >= d.shared_latency_cycles);
    CHECK(d.l2_latency_cycles > 2 * d.l1_latency_cycles);
    CHECK(d.dram_latency_cycles > d.l2_latency_cycles);
    CHECK(d.l2_bytes_per_s > d.dram_bytes_per_s);
    CHECK(d.l2_bytes_per_s <= 1.0 * d.sms * d.l2_bytes_per_clock * d.boost_hz);
    CHECK(d.l1_bytes_per_sm > d.shared_bytes_per_sm);
    CHECK(d.int8_tensor_ops > 0);
    CHECK(d.launch_ns > 0);
    CHECK(l1_capacity(d, 0) == d.l1_bytes_per_sm - d.smallest_shared_carve_out);
    CHECK(l1_capacity(d, static_cast<std::uint64_t>(d.shared_bytes_per_sm)) ==
          d.l1_bytes_per_sm - d.shared_bytes_per_sm);
  }
  CHECK(l1_capacity(h200(), 20 * 1024) == (256 - 32) * 1024);
}
