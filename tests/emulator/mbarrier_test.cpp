// mbarriers: their arithmetic, what waits for them, and what is done to them in bad faith.
#include "emulator/mbarrier.hpp"

#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

// A kernel of 64 threads with an mbarrier s_bar; thread 0 runs `first` before a block barrier, then
// all run `rest`. Registers: %r1 = tid, %rd1 = out, %rd2-%rd9, %r2-%r9 and %p1-%p4 are free.
std::string kernel(const std::string& first, const std::string& rest) {
  return R"(.version 8.0
.target sm_90a
.address_size 64
.visible .entry k(.param .u64 p_out)
{
  .reg .pred %p<8>;
  .reg .b32 %r<12>;
  .reg .b64 %rd<12>;
  .shared .align 8 .b64 s_bar;
  .shared .align 16 .b8 s_data[256];
  ld.param.u64 %rd1, [p_out];
  mov.u32 %r1, %tid.x;
  setp.ne.u32 %p1, %r1, 0;
  @%p1 bra START;
)" + first +
         R"(
START:
  bar.sync 0;
)" + rest +
         R"(
END:
  ret;
}
)";
}

LaunchReport report_of(const std::string& text, Device& device, uint64_t out) {
  const auto report = run(assemble(text, "k"), device.memory,
                          launch({1, 1, 1}, {64, 1, 1}, Arguments().add(out)), {});
  REQUIRE(report);
  return *report;
}

std::string message_of(const std::string& first, const std::string& rest) {
  Device device;
  const auto report =
      report_of(kernel(first, rest), device, device.upload(std::vector<uint32_t>(64), "out"));
  REQUIRE(report.fault);
  CHECK(report.fault->kind == FaultKind::mbarrier_mismatch);
  return report.fault->message;
}

}  // namespace

TEST_CASE("an mbarrier's phase ends with its arrivals and its transactions") {
  MbarrierState s;
  s.pending = s.expected = 3;
  CHECK(s.arrive(2) == nullptr);
  CHECK(!s.parity);
  CHECK(s.complete(16) == nullptr);  // bytes may come before they are expected
  CHECK(s.arrive(1) == nullptr);
  CHECK(!s.parity);
  CHECK(s.expect(48) == nullptr);
  CHECK(s.transactions == 32);
  CHECK(s.complete(32) == nullptr);
  CHECK(s.parity);
  CHECK(s.pending == 3);
  CHECK(s.drop(1) == nullptr);
  CHECK(s.arrive(2) == nullptr);
  CHECK(!s.parity);
  CHECK(s.pending == 2);
  CHECK(s.arrive(3) != nullptr);
  CHECK(s.arrive(0) != nullptr);
  CHECK(s.expect(1 << 20) != nullptr);
  CHECK(s.expect((1 << 20) - 1) == nullptr);
  CHECK(s.expect(1) != nullptr);
  const auto same = MbarrierState::of(s.word());
  REQUIRE(same);
  CHECK(same->transactions == (1 << 20) - 1);
  s.transactions = -5;
  CHECK(MbarrierState::of(s.word())->transactions == -5);
  CHECK(!MbarrierState::of(0));
  CHECK(!MbarrierState::of(~uint64_t{0}));
}

TEST_CASE("threads wait for each other at an mbarrier, by state and by parity") {
  Device device;
  const uint64_t out = device.upload(std::vector<uint32_t>(64), "out");
  const auto report = report_of(kernel("  mbarrier.init.shared::cta.b64 [s_bar], 64;\n", R"(
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, s_data;
  add.u32 %r3, %r3, %r2;
  st.shared.u32 [%r3], %r1;
  mbarrier.arrive.shared::cta.b64 %rd2, [s_bar];
  mbarrier.pending_count.b64 %r8, %rd2;
WAIT:
  mbarrier.try_wait.shared::cta.b64 %p2, [s_bar], %rd2;
  @!%p2 bra WAIT;
  xor.b32 %r4, %r2, 252;
  mov.u32 %r5, s_data;
  add.u32 %r5, %r5, %r4;
  ld.shared.u32 %r6, [%r5];
  mbarrier.arrive.shared.b64 %rd3, [s_bar], 1;
AGAIN:
  mbarrier.test_wait.parity.shared.b64 %p3, [s_bar], 1;
  @!%p3 bra AGAIN;
  shl.b32 %r8, %r8, 16;
  or.b32 %r6, %r6, %r8;
  cvt.u64.u32 %rd4, %r2;
  add.s64 %rd5, %rd1, %rd4;
  st.global.u32 [%rd5], %r6;
)"),
                                device, out);
  if (report.fault) FAIL(report.fault->text());
  const auto values = device.download<uint32_t>(out, 64);
  for (uint32_t i = 0; i < 64; ++i) CHECK(values[i] == ((63 - i) | (64 - i) << 16));
}

TEST_CASE("a bulk copy lands when its mbarrier is waited for, not before") {
  Device device;
  std::vector<uint32_t> x(64);
  for (uint32_t i = 0; i < 64; ++i) x[i] = 1000 + i;
  const uint64_t out = device.upload(x, "out");
  const auto report = report_of(kernel(R"(
  mbarrier.init.shared::cta.b64 [s_bar], 1;
  mbarrier.arrive.expect_tx.shared::cta.b64 _, [s_bar], 256;
  mov.u32 %r7, s_data;
  mov.u32 %r8, s_bar;
  st.shared.u32 [s_data], 7;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r7], [%rd1], 256, [%r8];
)",
                                       R"(
  ld.shared.u32 %r9, [s_data];
WAIT:
  mbarrier.try_wait.parity.shared::cta.b64 %p2, [s_bar], 0;
  @!%p2 bra WAIT;
  shl.b32 %r2, %r1, 2;
  mov.u32 %r3, s_data;
  add.u32 %r3, %r3, %r2;
  ld.shared.u32 %r4, [%r3];
  bar.sync 0;
  mul.lo.u32 %r4, %r4, 10;
  add.u32 %r4, %r4, %r9;
  st.shared.u32 [%r3], %r4;
  fence.proxy.async.shared::cta;
  bar.sync 0;
  @%p1 bra END;
  mov.u32 %r5, s_data;
  cp.async.bulk.global.shared::cta.bulk_group [%rd1], [%r5], 128;
  cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%rd1+128], [%r5+128], 128;
  cp.async.bulk.commit_group;
  cp.async.bulk.wait_group 0;
)"),
                                device, out);
  if (report.fault) FAIL(report.fault->text());
  const auto values = device.download<uint32_t>(out, 64);
  for (uint32_t i = 0; i < 64; ++i) {
    // Warp 0 reads 7 before its wait, which lands the copy: warp 1 comes after that.
    CHECK(values[i] == x[i] * 10 + (i < 32 ? 7 : 1000 + x[i]));
  }
}

TEST_CASE("cp.async lands at its wait; smaller and ignored sources are zero filled") {
  Device device;
  std::vector<uint32_t> x(64, 5);
  const uint64_t out = device.upload(x, "out");
  const auto report = report_of(kernel("", R"(
  shl.b32 %r2, %r1, 2;
  cvt.u64.u32 %rd4, %r2;
  add.s64 %rd5, %rd1, %rd4;
  mov.u32 %r3, s_data;
  add.u32 %r3, %r3, %r2;
  st.shared.u32 [%r3], 100;
  setp.eq.u32 %p2, %r1, 3;
  and.b32 %r7, %r1, 4;
  cp.async.ca.shared.global [%r3], [%rd5], 4, %r7;
  @%p2 cp.async.ca.shared.global [%r3], [%rd5], 4;
  ld.shared.u32 %r4, [%r3];
  cp.async.commit_group;
  cp.async.wait_group 1;
  ld.shared.u32 %r5, [%r3];
  cp.async.wait_group 0;
  ld.shared.u32 %r6, [%r3];
  add.u32 %r6, %r6, %r5;
  add.u32 %r6, %r6, %r4;
  st.global.u32 [%rd5], %r6;
)"),
                                device, out);
  if (report.fault) FAIL(report.fault->text());
  const auto values = device.download<uint32_t>(out, 64);
  for (uint32_t i = 0; i < 64; ++i) CHECK(values[i] == 200 + ((i & 4) != 0 || i == 3 ? 5u : 0u));
}

TEST_CASE("misused mbarriers are faults that say what was wrong") {
  const std::string init = "  mbarrier.init.shared.b64 [s_bar], 2;\n";
  const std::string arrive = "  mbarrier.arrive.shared.b64 %rd2, [s_bar];\n";
  CHECK(message_of("", arrive) ==
        "mbarrier at shared address 0: no mbarrier was initialised there");
  CHECK(message_of(init, "  st.shared.u64 [s_bar], 12345;\n" + arrive) ==
        "mbarrier at shared address 0: its bytes were overwritten since its last operation");
  CHECK(message_of(init, "  @%p1 bra END;\n  mbarrier.arrive.shared.b64 %rd2, [s_bar], 3;\n") ==
        "mbarrier at shared address 0: more arrivals than the phase waits for");
  CHECK(message_of("  mbarrier.init.shared.b64 [s_bar], 0;\n", "") ==
        "mbarrier at shared address 0: a count of 0 is not 1 to 1048575");
  CHECK(message_of(init, "  mbarrier.expect_tx.relaxed.cta.shared::cta.b64 [s_bar], 1048575;\n") ==
        "mbarrier at shared address 0: the transaction count exceeds 1048575");
  CHECK(message_of(init,
                   "  mov.u64 %rd2, 99;\n"
                   "  mbarrier.test_wait.shared.b64 %p2, [s_bar], %rd2;\n") ==
        "mbarrier at shared address 0: the value waited for is no mbarrier state");
  CHECK(message_of(init + "  mbarrier.inval.shared.b64 [s_bar];\n", arrive) ==
        "mbarrier at shared address 0: no mbarrier was initialised there");
  CHECK(message_of("  mbarrier.init.shared.b64 [s_bar], 1;\n",
                   "  @%p1 bra END;\n"
                   "  mbarrier.arrive.noComplete.shared.b64 %rd2, [s_bar], 1;\n") ==
        "mbarrier at shared address 0: an arrival with .noComplete would complete the phase");
}

TEST_CASE("mbarriers at addresses that are none") {
  const auto fault = [](const std::string& rest) {
    Device device;
    const auto report = report_of(kernel("  mbarrier.init.shared.b64 [s_bar], 2;\n", rest), device,
                                  device.upload(std::vector<uint32_t>(64), "out"));
    REQUIRE(report.fault);
    return report.fault->text();
  };
  CHECK(fault("  mov.u32 %r2, 4;\n  mbarrier.init.shared.b64 [%r2], 1;\n")
            .find("misaligned: shared address 4 is not 8-byte aligned") == 0);
  CHECK(fault("  mov.u32 %r2, 272;\n  mbarrier.init.shared.b64 [%r2], 1;\n")
            .find("out of bounds: shared access of 8 bytes at offset 272 of 16 bytes") == 0);
  CHECK(fault("  mov.u32 %r2, 0xfffffff8;\n  mbarrier.init.shared.b64 [%r2], 1;\n")
            .find("out of bounds: ") == 0);
  CHECK(fault("  mbarrier.init.b64 [%rd1], 1;\n").find("is no address of shared memory") !=
        std::string::npos);
  CHECK(fault("  mov.u32 %r2, 0;\n  mapa.shared::cluster.u32 %r3, %r2, 5;\n")
            .find("rank 5 in a cluster of 1 blocks") != std::string::npos);
}

TEST_CASE("a deadlock names every warp and what its mbarrier waits for") {
  Device device;
  const auto report = report_of(kernel("  mbarrier.init.shared.b64 [s_bar], 3;\n", R"(
  setp.lt.u32 %p2, %r1, 32;
  @%p2 bra WAIT;
  bar.sync 0;
WAIT:
  mbarrier.try_wait.parity.shared.b64 %p3, [s_bar], 0;
  @!%p3 bra WAIT;
)"),
                                device, device.upload(std::vector<uint32_t>(64), "out"));
  REQUIRE(report.fault);
  CHECK(report.fault->kind == FaultKind::deadlock);
  const std::string text = report.fault->message;
  INFO(text);
  CHECK(text.find("warp 0 waits for the mbarrier at shared address 0 (parity 0, 3 of 3 arrivals "
                  "and 0 bytes pending) at line ") != std::string::npos);
  CHECK(text.find("warp 1 waits for barrier 0 at line ") != std::string::npos);
}
