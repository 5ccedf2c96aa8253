// Threads that wait for each other by spinning: lanes of a warp, warps of a block, blocks of a
// grid.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

std::string module_of(const std::string& body) {
  return ".version 8.0\n.target sm_90a\n.address_size 64\n" + body;
}

// Every thread takes a lock (at [lock]), adds one to [count] without an atomic and leaves.
const std::string spin_lock = module_of(R"(
.visible .entry locks(.param .u64 p_lock, .param .u64 p_count)
{
  .reg .pred %p<3>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [p_lock];
  ld.param.u64 %rd2, [p_count];
TRY:
  atom.global.cas.b32 %r1, [%rd1], 0, 1;
  setp.ne.s32 %p1, %r1, 0;
  @%p1 bra TRY;
  ld.volatile.global.u32 %r2, [%rd2];
  add.u32 %r2, %r2, 1;
  st.volatile.global.u32 [%rd2], %r2;
  membar.gl;
  atom.global.exch.b32 %r3, [%rd1], 0;
  ret;
}
)");

// Block b waits for flag b - 1 (or b + 1, where next is 1), then sets its own.
const std::string chain = module_of(R"(
.visible .entry chain(.param .u64 p_flags, .param .u32 p_step, .param .u32 p_last)
{
  .reg .pred %p<3>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [p_flags];
  ld.param.u32 %r1, [p_step];
  ld.param.u32 %r2, [p_last];
  mov.u32 %r3, %ctaid.x;
  mul.wide.u32 %rd2, %r3, 4;
  add.s64 %rd3, %rd1, %rd2;
  mov.u32 %r6, 1;
  setp.eq.u32 %p1, %r3, %r2;
  @%p1 bra OWN;
  add.s32 %r4, %r3, %r1;
  mul.wide.s32 %rd4, %r4, 4;
  add.s64 %rd5, %rd1, %rd4;
WAIT:
  ld.acquire.gpu.global.u32 %r5, [%rd5];
  setp.eq.u32 %p2, %r5, 0;
  @%p2 bra WAIT;
  add.u32 %r6, %r5, 1;
OWN:
  st.release.gpu.global.u32 [%rd3], %r6;
  ret;
}
)");

// Warp 1 waits for a flag in shared memory that warp 0 never sets unless told to.
const std::string shared_flag = module_of(R"(
.visible .entry flag(.param .u64 p_out, .param .u32 p_set)
{
  .reg .pred %p<3>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<4>;
  .shared .align 4 .b32 s_flag;
  ld.param.u64 %rd1, [p_out];
  ld.param.u32 %r1, [p_set];
  mov.u32 %r2, %tid.x;
  setp.lt.u32 %p1, %r2, 32;
  @%p1 bra SECOND;
WAIT:
  ld.volatile.shared.u32 %r3, [s_flag];
  setp.ne.u32 %p2, %r3, 7;
  @%p2 bra WAIT;
  mul.wide.u32 %rd2, %r2, 4;
  add.s64 %rd3, %rd1, %rd2;
  st.global.u32 [%rd3], %r3;
  ret;
SECOND:
  setp.eq.u32 %p2, %r1, 0;
  @%p2 bra DONE;
  st.volatile.shared.u32 [s_flag], 7;
DONE:
  ret;
}
)");

}  // namespace

TEST_CASE("a spin lock is handed from lane to lane, warp to warp and block to block") {
  Device device;
  const uint64_t lock = device.upload(std::vector<uint32_t>(1), "lock");
  const uint64_t count = device.upload(std::vector<uint32_t>(1), "count");
  RunOptions options;
  options.instruction_budget = 4'000'000;
  options.threads = 2;
  run_well(assemble(spin_lock, "locks"), device,
           launch({3, 1, 1}, {96, 1, 1}, Arguments().add(lock).add(count)), options);
  CHECK(device.download<uint32_t>(count, 1)[0] == 288);
}

TEST_CASE("blocks wait for flags of earlier and of later blocks") {
  const Program program = assemble(chain, "chain");
  for (const int step : {-1, 1}) {
    const uint32_t blocks = step < 0 ? 200 : 60;
    const uint32_t last = step < 0 ? 0 : blocks - 1;
    std::vector<uint64_t> instructions;
    for (const int threads : {1, 3}) {
      Device device;
      const uint64_t flags = device.upload(std::vector<uint32_t>(blocks), "flags");
      RunOptions options;
      options.threads = threads;
      options.instruction_budget = 4'000'000;
      const auto report = run_well(
          program, device,
          launch({blocks, 1, 1}, {32, 1, 1}, Arguments().add(flags).add(step).add(last)), options);
      const auto values = device.download<uint32_t>(flags, blocks);
      for (uint32_t b = 0; b < blocks; ++b) CHECK(values[b] == (step < 0 ? b + 1 : blocks - b));
      CHECK(report.profile.blocks_run == blocks);
      instructions.push_back(report.profile.total_warp_instructions());
    }
    CHECK(instructions[0] == instructions[1]);
  }
}

TEST_CASE("blocks that wait for more blocks than can be alive are a deadlock") {
  Device device;
  const uint64_t flags = device.upload(std::vector<uint32_t>(100), "flags");
  const auto report =
      run(assemble(chain, "chain"), device.memory,
          launch({100, 1, 1}, {32, 1, 1}, Arguments().add(flags).add(1).add(99)), {});
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == FaultKind::deadlock);
  const std::string text = report->fault->text();
  INFO(text);
  CHECK(text.find("block (0,0,0) warp 0 spins at line") != std::string::npos);
  CHECK(text.find("; and 32 more") != std::string::npos);
}

TEST_CASE("a warp waits for another warp's flag in shared memory") {
  const Program program = assemble(shared_flag, "flag");
  Device device;
  const uint64_t out = device.upload(std::vector<uint32_t>(64), "out");
  run_well(program, device, launch({1, 1, 1}, {64, 1, 1}, Arguments().add(out).add(1)));
  CHECK(device.download<uint32_t>(out, 64)[63] == 7);
  const auto report =
      run(program, device.memory, launch({2, 1, 1}, {64, 1, 1}, Arguments().add(out).add(0)), {});
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == FaultKind::deadlock);
  CHECK(report->fault->text().find("block (0,0,0) warp 1 spins at line") != std::string::npos);
}

TEST_CASE("what follows a wait that parked the warp is counted") {
  const Program program = assemble(module_of(R"(
.visible .entry meets()
{
  .reg .b32 %r<4>;
  mov.u32 %r1, %tid.x;
  barrier.cluster.arrive.aligned;
  add.u32 %r3, %r1, 5;
  barrier.cluster.wait.aligned;
  add.u32 %r2, %r1, 1;
  add.u32 %r2, %r2, %r1;
  ret;
}
)"),
                                   "meets");
  Device device;
  LaunchParams params = launch({2, 1, 1}, {64, 1, 1}, {});
  params.cluster = {2, 1, 1};
  const auto report = run_well(program, device, params);
  CHECK(report.profile.warp_instructions[static_cast<size_t>(IssueClass::integer)] == 3 * 4);
  CHECK(report.profile.warp_instructions[static_cast<size_t>(IssueClass::move)] == 4);
}
