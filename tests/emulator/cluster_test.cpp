// What blocks of a cluster do to each other's shared memory and mbarriers, in PTX as the ISA writes
// it.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

// Two blocks of a cluster, 32 threads each, around `body`.
Program pair(const std::string& body) {
  return assemble(R"(.version 8.0
.target sm_90a
.address_size 64
.visible .entry pair(.param .u64 p_in, .param .u64 p_out) .explicitcluster .reqnctapercluster 2, 1, 1
{
  .reg .pred %p<9>;
  .reg .b16 %h<3>;
  .reg .b32 %r<24>;
  .reg .b64 %rd<16>;
  .shared .align 16 .b8 data[128];
  .shared .align 8 .b64 bar;
  ld.param.u64 %rd1, [p_in];
  ld.param.u64 %rd2, [p_out];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %cluster_ctarank;
  mov.u32 %r3, data;
  mov.u32 %r4, bar;
  shl.b32 %r5, %r1, 2;
  add.u32 %r6, %r3, %r5;
  shl.b32 %r7, %r2, 7;
  add.u32 %r7, %r7, %r5;
  cvt.u64.u32 %rd3, %r7;
  add.u64 %rd4, %rd2, %rd3;
)" + body + "\n  ret;\n}\n",
                  "pair");
}

LaunchParams params(uint64_t in, uint64_t out) {
  LaunchParams result = launch({2, 1, 1}, {32, 1, 1}, Arguments().add(in).add(out));
  result.cluster = {2, 1, 1};
  return result;
}

const std::string meet = "  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;\n";

std::vector<uint32_t> counting(size_t count, uint32_t first) {
  std::vector<uint32_t> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = first + static_cast<uint32_t>(i);
  return values;
}

}  // namespace

TEST_CASE("an elected lane writes to another block and arrives at its mbarrier") {
  const Program program = pair(R"(
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra READY;
  mbarrier.init.shared::cta.b64 [%r4], 1;
  fence.mbarrier_init.release.cluster;
READY:
)" + meet + R"(
  setp.eq.u32 %p2, %r2, 0;
  @%p2 bra WAIT;
  elect.sync %r8|%p3, 0xffffffff;
  @!%p3 bra DONE;
  mapa.shared::cluster.u32 %r9, %r3, 0;
  st.shared::cluster.u32 [%r9], 77;
  getctarank.shared::cluster.u32 %r10, %r9;
  st.shared::cluster.u32 [%r9+4], %r10;
  mapa.shared::cluster.u32 %r11, %r4, 0;
  mbarrier.arrive.release.cluster.shared::cluster.b64 _, [%r11];
  bra DONE;
WAIT:
  mbarrier.try_wait.parity.acquire.cluster.shared::cta.b64 %p4, [%r4], 0;
  @!%p4 bra WAIT;
  setp.gt.u32 %p5, %r1, 1;
  @%p5 bra DONE;
  ld.shared.u32 %r12, [%r6];
  st.global.u32 [%rd4], %r12;
DONE:
)" + meet);
  Device device;
  const uint64_t in = device.upload(counting(32, 0), "in");
  const uint64_t out = device.upload(std::vector<uint32_t>(64, 5), "out");
  RunOptions options;
  options.checks = Checks::all;
  run_well(program, device, params(in, out), options);
  const auto y = device.download<uint32_t>(out, 64);
  CHECK(y[0] == 77);
  CHECK(y[1] == 0);  // the rank of the block whose memory it is
  CHECK(y[2] == 5);
}

TEST_CASE("a multicast copy lands in every block that its mask names") {
  const Program program = pair(R"(
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra READY;
  mbarrier.init.shared::cta.b64 [%r4], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r4], 128;
READY:
)" + meet + R"(
  or.b32 %r8, %r1, %r2;
  setp.ne.u32 %p2, %r8, 0;
  @%p2 bra WAIT;
  mov.u16 %h1, 3;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes.multicast::cluster [%r3], [%rd1], 128, [%r4], %h1;
WAIT:
  mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 %p4, [%r4], 0;
  @!%p4 bra WAIT;
  ld.shared.u32 %r12, [%r6];
  st.global.u32 [%rd4], %r12;
)" + meet);
  Device device;
  const auto x = counting(32, 100);
  const uint64_t in = device.upload(x, "in");
  const uint64_t out = device.upload(std::vector<uint32_t>(64), "out");
  run_well(program, device, params(in, out));
  const auto y = device.download<uint32_t>(out, 64);
  for (size_t i = 0; i < 64; ++i) CHECK(y[i] == x[i % 32]);
}

TEST_CASE("a bulk copy goes from one block's shared memory to another's") {
  const Program program = pair(R"(
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra READY;
  mbarrier.init.shared::cta.b64 [%r4], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [%r4], 128;
READY:
  add.u32 %r8, %r1, 1000;
  setp.eq.u32 %p3, %r2, 0;
  @!%p3 bra MEET;
  st.shared.u32 [%r6], %r8;
  fence.proxy.async.shared::cta;
MEET:
)" + meet + R"(
  or.b32 %r9, %r1, %r2;
  setp.ne.u32 %p2, %r9, 0;
  @%p2 bra TAKE;
  mapa.shared::cluster.u32 %r10, %r3, 1;
  mapa.shared::cluster.u32 %r11, %r4, 1;
  cp.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes [%r10], [%r3], 128, [%r11];
TAKE:
  setp.eq.u32 %p5, %r2, 0;
  @%p5 bra DONE;
WAIT:
  mbarrier.try_wait.parity.acquire.cta.shared::cta.b64 %p4, [%r4], 0;
  @!%p4 bra WAIT;
  ld.shared.u32 %r12, [%r6];
  st.global.u32 [%rd4], %r12;
DONE:
)" + meet);
  Device device;
  const uint64_t in = device.upload(counting(32, 0), "in");
  const uint64_t out = device.upload(std::vector<uint32_t>(64), "out");
  run_well(program, device, params(in, out));
  const auto y = device.download<uint32_t>(out, 64);
  for (size_t i = 0; i < 32; ++i) CHECK(y[32 + i] == 1000 + i);
}

TEST_CASE("shared memory of a block that has exited is no longer there") {
  const Program program = pair(R"(
  setp.eq.u32 %p1, %r2, 0;
  @%p1 bra DONE;
  mapa.shared::cluster.u32 %r8, %r3, 0;
  ld.shared::cluster.u32 %r9, [%r8];
  st.global.u32 [%rd4], %r9;
DONE:
)");
  Device device;
  const uint64_t in = device.upload(counting(32, 0), "in");
  const uint64_t out = device.upload(std::vector<uint32_t>(64), "out");
  const auto report = run(program, device.memory, params(in, out), {});
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == FaultKind::out_of_bounds);
  CHECK(report->fault->message.find("exited") != std::string::npos);
  CHECK(report->fault->block == std::array<uint32_t, 3>{1, 0, 0});
}

TEST_CASE("cp.async.mbarrier.arrive completes a phase when the thread's copies have landed") {
  const Program program = pair(R"(
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra READY;
  mbarrier.init.shared::cta.b64 [%r4], 32;
READY:
  bar.sync 0;
  cvt.u64.u32 %rd5, %r5;
  add.u64 %rd6, %rd1, %rd5;
  cp.async.ca.shared.global [%r6], [%rd6], 4;
  cp.async.mbarrier.arrive.noinc.shared::cta.b64 [%r4];
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p4, [%r4], 0;
  @!%p4 bra WAIT;
  xor.b32 %r8, %r5, 124;
  add.u32 %r8, %r3, %r8;
  ld.shared.u32 %r12, [%r8];
  st.global.u32 [%rd4], %r12;
)");
  Device device;
  const auto x = counting(32, 50);
  const uint64_t in = device.upload(x, "in");
  const uint64_t out = device.upload(std::vector<uint32_t>(64), "out");
  run_well(program, device, params(in, out));
  const auto y = device.download<uint32_t>(out, 64);
  for (size_t i = 0; i < 64; ++i) CHECK(y[i] == x[31 - i % 32]);
}
