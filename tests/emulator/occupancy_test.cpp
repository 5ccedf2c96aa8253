// Occupancy against values of NVIDIA's occupancy calculator, and what the device table promises.
#include "emulator/occupancy.hpp"

#include <catch2/catch.hpp>

using namespace mtmc::emulator;

namespace {

struct Example {
  const char* device;
  std::uint32_t threads;
  std::uint32_t registers;
  std::uint64_t shared;
  std::uint32_t blocks;
  OccupancyLimiter limiter;
};

}  // namespace

TEST_CASE("known occupancies", "[occupancy]") {
  using L = OccupancyLimiter;
  const Example examples[] = {
      {"h200", 256, 32, 0, 8, L::threads},
      {"h200", 256, 33, 0, 6, L::registers},  // 33 registers take 40 per thread
      {"h200", 256, 128, 0, 2, L::registers},
      {"h200", 384, 168, 0, 1, L::registers},
      {"h200", 1024, 64, 0, 1, L::registers},
      {"h200", 1024, 65, 0, 0, L::registers},  // 72 * 1024 registers do not exist
      {"h200", 32, 16, 0, 32, L::blocks},
      {"h200", 128, 32, 48 * 1024, 4, L::shared_memory},
      {"h200", 128, 32, 227 * 1024, 1, L::shared_memory},
      {"h200", 128, 32, 227 * 1024 + 1, 0, L::shared_memory},
      {"h200", 33, 32, 0, 32, L::threads},  // two warps
      {"a100", 256, 32, 0, 8, L::threads},
      {"a100", 256, 32, 40 * 1024, 4, L::shared_memory},
      {"a100", 256, 32, 163 * 1024, 1, L::shared_memory},
      {"l40s", 1024, 32, 0, 1, L::threads},
      {"l40s", 256, 40, 0, 6, L::threads},
      {"l40s", 64, 32, 0, 24, L::threads},
      {"rtx4090", 128, 255, 0, 2, L::registers},
      {"t4", 256, 32, 0, 4, L::threads},
      {"t4", 256, 64, 32 * 1024, 2, L::shared_memory},
      {"t4", 32, 32, 0, 16, L::blocks},
      {"h200", 1025, 32, 0, 0, L::threads},
      {"h200", 0, 32, 0, 0, L::threads},
      {"h200", 256, 256, 0, 0, L::registers},
      {"h200", 256, 0, 0, 8, L::threads},  // unknown registers limit nothing
  };
  for (const Example& e : examples) {
    CAPTURE(e.device, e.threads, e.registers, e.shared);
    const DeviceEntry* device = find_device(e.device);
    REQUIRE(device != nullptr);
    const Occupancy got = occupancy(*device, {e.threads, e.registers, e.shared});
    CHECK(got.blocks_per_sm == e.blocks);
    CHECK(std::string(occupancy_limiter_name(got.limiter)) == occupancy_limiter_name(e.limiter));
    CHECK(got.warps_per_sm == e.blocks * ((e.threads + 31) / 32));
    CHECK(got.fraction == Approx(double(got.warps_per_sm) / device->max_warps_per_sm()));
  }
}

TEST_CASE("more resources never raise occupancy", "[occupancy]") {
  for (const DeviceEntry& device : device_table()) {
    for (std::uint32_t threads = 32; threads <= 1024; threads += 32) {
      std::uint32_t last = ~0u;
      for (std::uint32_t registers = 16; registers <= 256; registers += 8) {
        const std::uint32_t blocks = occupancy(device, {threads, registers, 0}).blocks_per_sm;
        REQUIRE(blocks <= last);
        last = blocks;
      }
      last = ~0u;
      for (std::uint64_t shared = 0; shared < 240 * 1024; shared += 1000) {
        const std::uint32_t blocks = occupancy(device, {threads, 32, shared}).blocks_per_sm;
        REQUIRE(blocks <= last);
        last = blocks;
      }
    }
  }
}

TEST_CASE("devices are found by name and alias", "[device]") {
  REQUIRE(find_device("H200") != nullptr);
  CHECK(find_device("nvidia h200") == find_device("h200"));
  CHECK(std::string(find_device("RTX4090")->name) == "NVIDIA GeForce RTX 4090");
  CHECK(find_device("h2000") == nullptr);
  CHECK(find_device("") == nullptr);
  CHECK(std::string(device_table()[0].alias) == "h200");
  CHECK(device_aliases() == "h200, h100, a100, l40s, rtx4090, t4");
  // Published peaks, to within a percent: fp32 and fp64 TFLOP/s.
  const auto tera = [](const char* name, ComputeKind kind) {
    return find_device(name)->peak_flops(kind) / 1e12;
  };
  CHECK(tera("h200", ComputeKind::fp32) == Approx(67).epsilon(0.01));
  CHECK(tera("h200", ComputeKind::fp64) == Approx(33.5).epsilon(0.01));
  CHECK(tera("a100", ComputeKind::fp32) == Approx(19.5).epsilon(0.01));
  CHECK(tera("a100", ComputeKind::fp64) == Approx(9.7).epsilon(0.01));
  CHECK(tera("a100", ComputeKind::fp16) == Approx(78).epsilon(0.01));
  CHECK(tera("l40s", ComputeKind::fp32) == Approx(91.6).epsilon(0.01));
  CHECK(tera("rtx4090", ComputeKind::fp32) == Approx(82.6).epsilon(0.01));
  CHECK(tera("t4", ComputeKind::fp32) == Approx(8.1).epsilon(0.01));
  CHECK(tera("t4", ComputeKind::tf32_tensor) == tera("t4", ComputeKind::fp32));
}
