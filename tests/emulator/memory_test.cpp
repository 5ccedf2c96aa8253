#include <catch2/catch.hpp>

#include "emulator/memory.hpp"

using namespace mtmc::emulator;

TEST_CASE("allocations are aligned, zeroed and apart") {
  DeviceMemory memory(1 << 20);
  const uint64_t a = memory.allocate(100, 4, "a", Access::read_write).value();
  const uint64_t b = memory.allocate(100, 4096, "b", Access::read_only).value();
  CHECK(a == DeviceMemory::first_address);
  CHECK(b % 4096 == 0);
  CHECK(b >= a + 100 + DeviceMemory::guard_bytes);
  const std::span<std::byte> view = memory.span(a, 100).value();
  for (const std::byte x : view) CHECK(x == std::byte{0});
  CHECK(memory.find(a + 99)->name == "a");
  CHECK(memory.find(a + 100) == nullptr);
  CHECK(memory.find(a - 1) == nullptr);
  CHECK(memory.nearest(a + 200)->name == "a");
  CHECK(memory.nearest(b - 5)->name == "b");
  CHECK(memory.used_bytes() == 200);
}

TEST_CASE("the limit, bad alignment and unknown addresses are errors") {
  DeviceMemory memory(1000);
  REQUIRE(memory.allocate(900, 1, "a", Access::read_write));
  CHECK(memory.allocate(101, 1, "b", Access::read_write).error().message ==
        "device memory: 'b' needs 101 bytes, but 900 of 1000 are in use; use smaller shapes or "
        "raise the limit");
  CHECK(!memory.allocate(~uint64_t{0}, 1, "c", Access::read_write));
  CHECK(!memory.allocate(8, 3, "d", Access::read_write));
  CHECK(!memory.allocate(8, 0, "d", Access::read_write));
  CHECK(!memory.free(12345));
  CHECK(!memory.span(DeviceMemory::first_address, 901));
  CHECK(!memory.span(DeviceMemory::first_address + 1, ~uint64_t{0}));
  CHECK(!memory.span(5, 1));
  CHECK(!memory.track_writes(5));
  CHECK(memory.written(5).empty());
}

TEST_CASE("freed addresses are never given out again") {
  DeviceMemory memory(1000);
  const uint64_t a = memory.allocate(900, 1, "a", Access::read_write).value();
  REQUIRE(memory.free(a));
  CHECK(memory.used_bytes() == 0);
  CHECK(memory.find(a) == nullptr);
  CHECK(memory.nearest(a) == nullptr);
  CHECK(memory.allocate(900, 1, "b", Access::read_write).value() > a + 900);
}
