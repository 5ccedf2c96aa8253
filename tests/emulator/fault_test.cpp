// One golden text per kind of fault, over all dialects, and what decode refuses.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

Fault fault_of(const Program& program, Device& device, const LaunchParams& params,
               const RunOptions& options = {}) {
  const auto report = run(program, device.memory, params, options);
  REQUIRE(report);
  REQUIRE(report->fault);
  return *report->fault;
}

bool starts_with(const std::string& text, const std::string& prefix) {
  INFO(text);
  CHECK(text.substr(0, prefix.size()) == prefix);
  return true;
}

std::string faults(const char* dialect) { return std::string("faults.") + dialect; }

}  // namespace

TEST_CASE("a load past the end names the buffer, the thread and the line") {
  for (const char* dialect : dialects) {
    for (const int threads : {1, 3}) {
      Device device;
      const uint64_t px = device.upload(std::vector<float>(1024), "x", Access::read_only);
      const uint64_t py = device.upload(std::vector<float>(1024), "y");
      RunOptions options;
      options.threads = threads;
      const Fault fault =
          fault_of(load(faults(dialect), "out_of_bounds"), device,
                   launch({8, 1, 1}, {128, 1, 1}, Arguments().add(px).add(py).add(4)), options);
      CHECK(fault.kind == FaultKind::out_of_bounds);
      CHECK(fault.address == px + 4096);
      starts_with(fault.text(),
                  "out of bounds: global load of 4 bytes at 0x7f0000001000 is 0 bytes past 'x' "
                  "(4096 bytes); kernel out_of_bounds, block (7,0,0), thread (124,0,0), "
                  "faults.cu:4: ld.global");
    }
  }
}

TEST_CASE("null pointers and stores before a buffer") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t py = device.upload(std::vector<float>(4), "y");
    const Program program = load(faults(dialect), "store_at");
    starts_with(
        fault_of(program, device, launch({1, 1, 1}, {1, 1, 1}, Arguments().add(uint64_t{0}).add(3)))
            .text(),
        "out of bounds: global store of 4 bytes at 0xc (null pointer); kernel store_at, "
        "block (0,0,0), thread (0,0,0), faults.cu:7: st.global");
    starts_with(
        fault_of(program, device, launch({1, 1, 1}, {1, 1, 1}, Arguments().add(py).add(-2))).text(),
        "out of bounds: global store of 4 bytes at 0x7effffff");
  }
}

TEST_CASE("writing read-only memory") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t py = device.upload(std::vector<float>(4), "weights", Access::read_only);
    const Fault fault = fault_of(load(faults(dialect), "store_at"), device,
                                 launch({1, 1, 1}, {1, 1, 1}, Arguments().add(py).add(1)));
    CHECK(fault.kind == FaultKind::read_only_write);
    starts_with(fault.text(),
                "write to read-only memory: global store of 4 bytes at 0x7f0000000004 in "
                "'weights', which is read-only; kernel store_at");
  }
}

TEST_CASE("misaligned access") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t px = device.upload(std::vector<char>(256), "x");
    const uint64_t py = device.upload(std::vector<float>(32), "y");
    starts_with(fault_of(load(faults(dialect), "misaligned"), device,
                         launch({1, 1, 1}, {32, 1, 1}, Arguments().add(px).add(py)))
                    .text(),
                "misaligned: global access of 4 bytes at 0x7f0000000002 is not 4-byte aligned; "
                "kernel misaligned, block (0,0,0), thread (0,0,0), faults.cu:10: ld.global");
  }
}

TEST_CASE("shared memory ends where the block's does") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t px = device.upload(std::vector<int>(32), "x");
    starts_with(fault_of(load(faults(dialect), "shared_overrun"), device,
                         launch({1, 1, 1}, {32, 1, 1}, Arguments().add(px).add(1)))
                    .text(),
                "out of bounds: shared access of 4 bytes at offset 64 of 64 bytes; kernel "
                "shared_overrun, block (0,0,0), thread (15,0,0), faults.cu:");
  }
}

TEST_CASE("a barrier that part of a warp cannot reach") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t px = device.upload(std::vector<int>(32), "x");
    const Fault fault = fault_of(load(faults(dialect), "divergent_barrier"), device,
                                 launch({1, 1, 1}, {32, 1, 1}, Arguments().add(px)));
    CHECK(fault.kind == FaultKind::divergent_barrier);
    const std::string text = fault.text();
    INFO(text);
    CHECK(text.find("which wait elsewhere: lanes 0x") != std::string::npos);
    CHECK(text.find("bar.") != std::string::npos);
  }
}

TEST_CASE("a barrier that too few warps reach") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t px = device.upload(std::vector<int>(96), "x");
    const Fault fault = fault_of(load(faults(dialect), "deadlock"), device,
                                 launch({1, 1, 1}, {96, 1, 1}, Arguments().add(px)));
    CHECK(fault.kind == FaultKind::deadlock);
    starts_with(fault.text(),
                "deadlock: barrier 1 waits for 64 threads, 32 arrived, and no warp can go on: block "
                "(0,0,0) warp 0 waits for barrier 1 at line 26 (bar.sync 1, 64); kernel deadlock, block (0,0,0), thread (0,0,0), faults.cu:26: bar.sync 1, 64");
  }
}

TEST_CASE("an endless loop ends with the budget") {
  for (const char* dialect : dialects) {
    for (const int threads : {1, 2}) {
      Device device;
      const uint64_t px = device.upload(std::vector<int>(1), "x");
      RunOptions options;
      options.instruction_budget = 100000;
      options.threads = threads;
      const Fault fault = fault_of(load(faults(dialect), "endless"), device,
                                   launch({4, 1, 1}, {64, 1, 1}, Arguments().add(px)), options);
      CHECK(fault.kind == FaultKind::budget_exceeded);
      CHECK(fault.line >= 31);
      starts_with(fault.text(), "instruction budget exceeded: more than 100000 warp instructions");
    }
  }
}

TEST_CASE("trap names the lanes that executed it") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<int> x(64);
    x[41] = 5;
    const uint64_t px = device.upload(x, "x");
    starts_with(fault_of(load(faults(dialect), "traps"), device,
                         launch({1, 1, 1}, {64, 1, 1}, Arguments().add(px)))
                    .text(),
                "trap: the kernel executed trap; kernel traps, block (0,0,0), thread (41,0,0), "
                "faults.cu:36: trap");
  }
}

TEST_CASE("a butterfly shuffle with a lane that takes no part") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t px = device.upload(std::vector<int>(32), "x");
    starts_with(fault_of(load(faults(dialect), "lonely_shuffle"), device,
                         launch({1, 1, 1}, {32, 1, 1}, Arguments().add(px)))
                    .text(),
                "shuffle from an inactive lane: lane 0 reads lane 16, which takes no part; kernel "
                "lonely_shuffle");
  }
}

TEST_CASE("launches that the hardware would refuse") {
  Device device;
  const Program program = load("math.sm_80", "sgemm");
  Arguments good;
  good.add(uint64_t{0}).add(uint64_t{0}).add(uint64_t{0}).add(1).add(1).add(1);
  const auto message = [&](const LaunchParams& params, const RunOptions& options = {}) {
    const Fault fault = fault_of(program, device, params, options);
    CHECK(fault.kind == FaultKind::launch_error);
    return fault.text();
  };
  CHECK(message(launch({0, 1, 1}, {16, 16, 1}, good)) ==
        "launch error: grid 0 x 1 x 1: dimension x must be 1 to 2147483647; kernel sgemm");
  CHECK(message(launch({1, 65536, 1}, {16, 16, 1}, good)) ==
        "launch error: grid 1 x 65536 x 1: dimension y must be 1 to 65535; kernel sgemm");
  CHECK(message(launch({1, 1, 1}, {0, 16, 1}, good)) ==
        "launch error: block 0 x 16 x 1: dimension x must be 1 to 1024; kernel sgemm");
  CHECK(message(launch({1, 1, 1}, {64, 32, 1}, good)) ==
        "launch error: block has 2048 threads, the limit is 1024; kernel sgemm");
  CHECK(message(launch({1, 1, 1}, {32, 16, 1}, good)) ==
        "launch error: block has 512 threads, the kernel was compiled for at most 256; kernel "
        "sgemm");
  CHECK(message(launch({1, 1, 1}, {16, 16, 1}, good, uint64_t{1} << 40)).find("shared memory") !=
        std::string::npos);
  CHECK(message(launch({1, 1, 1}, {16, 16, 1}, Arguments().add(1))) ==
        "launch error: 4 bytes of arguments, the kernel takes 6 parameters in 36 bytes; kernel "
        "sgemm");
  RunOptions options;
  options.blocks = {3, 2};
  CHECK(message(launch({4, 1, 1}, {16, 16, 1}, good), options).find("out of order") !=
        std::string::npos);
}

TEST_CASE("decode names what it does not support, with both lines") {
  for (const char* dialect : dialects) {
    std::string text_of_kernel = ptx_text(std::string("unsupported.") + dialect);
    const std::string known = "mbarrier.init.shared.b64";
    text_of_kernel.replace(text_of_kernel.find(known), known.size(), "tcgen05.alloc.b64");
    const auto module = parse_module(text_of_kernel);
    REQUIRE(module);
    const auto program = decode(*module, "mbarrier");
    REQUIRE(!program);
    const std::string text = program.error().message;
    INFO(text);
    CHECK(text.find("kernel 'mbarrier': unsupported: tcgen05.alloc.b64 at PTX line ") == 0);
    CHECK(text.find("(source line 3)") != std::string::npos);
    CHECK(decode(*module, "absent").error().message ==
          "no kernel 'absent' in the module; it has: mbarrier");
  }
}
