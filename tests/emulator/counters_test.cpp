// Counts and traces of small kernels whose numbers follow from reading them.
#include <catch2/catch.hpp>

#include "emulator/cost_model.hpp"
#include "emulator/sm_replay.hpp"
#include "fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

// A kernel over the buffer p with %r1 = thread in block, %r2 = block, %rd1 = p.
Program kernel(const std::string& body) {
  return assemble(R"(
.version 7.8
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p)
{
  .reg .pred %p<9>;
  .reg .b32 %r<40>;
  .reg .f32 %f<99>;
  .reg .b64 %rd<40>;
  .shared .align 16 .b8 tile[16384];
  .local .align 16 .b8 depot[64];
  ld.param.u64 %rd1, [p];
  cvta.to.global.u64 %rd1, %rd1;
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %ctaid.x;
)" + body + "\n  ret;\n}\n",
                  "k");
}

struct Ran {
  LaunchReport report;
  const Profile& profile() const { return report.profile; }
};

Ran run_kernel(const Program& program, std::uint64_t grid, std::uint32_t block,
               RunOptions options = {}) {
  Device device;
  const uint64_t p = device.upload(std::vector<float>(1 << 20), "p");
  return {
      run_well(program, device, launch({grid, 1, 1}, {block, 1, 1}, Arguments().add(p)), options)};
}

std::string address(const std::string& scale) {
  return "mul.wide.u32 %rd2, %r1, " + scale + ";\nadd.s64 %rd3, %rd1, %rd2;\n";
}

BlockAlone alone(const std::string& body, std::uint32_t threads = 32, double l1 = 0,
                 double l2 = 1) {
  RunOptions options;
  options.traced_blocks = {0};
  const Ran ran = run_kernel(kernel(body), 1, threads, options);
  return replay_block(*find_device("a100"), ran.report.trace, l1, l2);
}

std::string repeat(const std::string& text, int times) {
  std::string out;
  for (int i = 0; i < times; ++i) {
    std::string one = text;
    for (std::size_t at; (at = one.find('#')) != std::string::npos;) {
      one.replace(at, 1, std::to_string(i));
    }
    out += one;
  }
  return out;
}

}  // namespace

TEST_CASE("sectors of a request follow from its addresses", "[counters]") {
  const struct {
    const char* scale;
    std::uint64_t sectors;
  } rows[] = {{"4", 4}, {"8", 8}, {"32", 32}, {"0", 1}, {"128", 32}};
  for (const auto& row : rows) {
    CAPTURE(row.scale);
    const Ran ran = run_kernel(kernel(address(row.scale) + "ld.global.f32 %f1, [%rd3];"), 3, 64);
    CHECK(ran.profile().global_load.requests == 6);
    CHECK(ran.profile().global_load.sectors == 6 * row.sectors);
    CHECK(ran.profile().global_load.lanes == 6 * 32);
    CHECK(ran.profile().of(IssueClass::load_global) == 6);
  }
}

TEST_CASE("wavefronts of a request follow from its banks", "[counters]") {
  for (const auto& [scale, wavefronts] : std::vector<std::pair<const char*, std::uint64_t>>{
           {"4", 1}, {"8", 2}, {"128", 32}, {"0", 1}}) {
    CAPTURE(scale);
    const Ran ran = run_kernel(
        kernel("mul.lo.u32 %r3, %r1, " + std::string(scale) +
               ";\nmov.u32 %r4, tile;\nadd.u32 %r3, %r3, %r4;\nst.shared.u32 [%r3], %r1;"),
        1, 64);
    CHECK(ran.profile().shared_store.requests == 2);
    CHECK(ran.profile().shared_store.wavefronts == 2 * wavefronts);
  }
}

TEST_CASE("divergence is counted where lanes part", "[counters]") {
  const std::string body = R"(
  setp.lt.u32 %p1, %r1, 40;
  @%p1 bra LESS;
  add.u32 %r3, %r1, 1;
LESS:
  add.u32 %r4, %r1, 2;
)";
  const Ran ran = run_kernel(kernel(body), 2, 96);
  CHECK(ran.profile().branches == 6);            // three warps of two blocks
  CHECK(ran.profile().divergent_branches == 2);  // the second warp of each: lanes 0 to 7 leave
  CHECK(ran.profile().active_lanes() < 32);
  CHECK(ran.profile().active_lanes() > 30);
  const std::size_t control = static_cast<std::size_t>(IssueClass::control);
  CHECK(ran.profile().lane_instructions[control] == 2 * 96 * 2);
}

TEST_CASE("local memory is counted in sectors", "[counters]") {
  const Ran ran = run_kernel(kernel("mov.u32 %r3, depot;\nst.local.u32 [%r3], %r1;\n"
                                    "ld.local.v2.u32 {%r4, %r5}, [%r3];"),
                             1, 64);
  CHECK(ran.profile().local_sectors == 2 * (4 + 8));
  CHECK(ran.profile().of(IssueClass::load_local) == 2);
  CHECK(ran.profile().of(IssueClass::store_local) == 2);
}

TEST_CASE("source lines have their counts", "[counters]") {
  const std::string text = R"(
.version 7.8
.target sm_80
.address_size 64
.visible .entry k(.param .u64 p)
{
  .reg .b32 %r<9>;
  .reg .f32 %f<9>;
  .reg .b64 %rd<9>;
  .loc 1 10 3
  ld.param.u64 %rd1, [p];
  mov.u32 %r1, %tid.x;
  .loc 1 11 3
  mul.wide.u32 %rd2, %r1, 32;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.f32 %f1, [%rd3];
  .loc 1 12 3
  ret;
}
.file 1 "k.cu"
)";
  const Ran ran = run_kernel(assemble(text, "k"), 5, 64);
  const auto& lines = ran.profile().lines;
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].line == 10);
  CHECK(lines[1].file == "k.cu");
  CHECK(lines[1].line == 11);
  CHECK(lines[1].warp_instructions == 3 * 10);
  CHECK(lines[1].global_sectors == 32 * 10);
  CHECK(lines[2].warp_instructions == 10);
  std::uint64_t sum = 0;
  for (const auto& line : lines) sum += line.warp_instructions;
  CHECK(sum == ran.profile().total_warp_instructions());
}

TEST_CASE("a trace holds the lines of each request in order", "[counters]") {
  RunOptions options;
  options.traced_blocks = {1};
  const Ran ran = run_kernel(kernel(address("8") + "ld.global.f32 %f1, [%rd3];\n"
                                                   "st.global.f32 [%rd1], %f1;\n"
                                                   "ld.global.cg.f32 %f2, [%rd1+128];"),
                             3, 64, options);
  REQUIRE(ran.report.trace.blocks.size() == 1);
  const BlockTrace& block = ran.report.trace.blocks[0];
  CHECK(block.block == 1);
  REQUIRE(block.warps.size() == 2);
  const auto& lines = block.warps[0].lines;  // 256 bytes are two lines
  REQUIRE(lines.size() == 4);
  CHECK((lines[0].first() && !lines[1].first() && lines[2].first()));
  CHECK(lines[1].line() == lines[0].line() + 1);
  CHECK(lines[0].sectors() == 15);
  CHECK(lines[2].line() == lines[0].line());
  CHECK(lines[2].sectors() == 1);
  CHECK(lines[2].kind() == LineAccess::Kind::store);
  CHECK(lines[3].kind() == LineAccess::Kind::load_past_l1);
  CHECK(block.warps[1].lines[0].line() == lines[0].line() + 2);
  CHECK(block.warps[0].instructions == ran.profile().total_warp_instructions() / 6);
}

TEST_CASE("a long block's trace stops at its limit and says so", "[counters]") {
  RunOptions options;
  options.traced_blocks = {0};
  const Ran ran = run_kernel(kernel(R"(
  mov.u32 %r3, 0;
LOOP:
  ld.global.f32 %f1, [%rd1];
  add.u32 %r3, %r3, 1;
  setp.lt.u32 %p1, %r3, 700000;
  @%p1 bra LOOP;
)"),
                             1, 32, options);
  const WarpTrace& warp = ran.report.trace.blocks.at(0).warps.at(0);
  CHECK(warp.lines.size() == kTraceLimit);
  CHECK(warp.lines_left_out == 700000 - kTraceLimit);
  CHECK(warp.instructions == ran.profile().total_warp_instructions());
  CHECK(warp.instructions - warp.instructions_left_out <= kPathLimit);
  CHECK(warp.instructions_left_out > 0);
  // What was left out is priced like what was replayed.
  const BlockAlone block = replay_block(*find_device("a100"), ran.report.trace, 1.0, 1.0);
  CHECK(block.cycles > 700000.0 * 4);
}

TEST_CASE("counts, traces and modelled times are the same for any number of threads",
          "[counters]") {
  const Program program = load("math.sm_80", "row_softmax");
  const BlockResources block{64, 32, program.static_shared_bytes};
  std::vector<LaunchReport> reports;
  std::vector<double> times;
  for (const int threads : {1, 2, 5}) {
    Device device;
    std::vector<float> x(100 * 300);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 37);
    const uint64_t px = device.upload(x, "x");
    const uint64_t py = device.upload(x, "y");
    RunOptions options;
    options.threads = threads;
    options.traced_blocks = traced_blocks(*find_device("h200"), 100, block);
    reports.push_back(
        run_well(program, device,
                 launch({100, 1, 1}, {64, 1, 1}, Arguments().add(px).add(py).add(300)), options));
    times.push_back(
        modelled_time(*find_device("h200"), reports.back().profile, reports.back().trace, block)
            ->total_ns);
  }
  REQUIRE(reports[0].trace.blocks.size() > 8);
  for (std::size_t i = 1; i < reports.size(); ++i) {
    CHECK(times[i] == times[0]);
    CHECK(reports[i].profile.divergent_branches == reports[0].profile.divergent_branches);
    REQUIRE(reports[i].trace.blocks.size() == reports[0].trace.blocks.size());
    REQUIRE(reports[i].profile.lines.size() == reports[0].profile.lines.size());
    for (std::size_t l = 0; l < reports[0].profile.lines.size(); ++l) {
      CHECK(reports[i].profile.lines[l].global_sectors ==
            reports[0].profile.lines[l].global_sectors);
    }
  }
}

TEST_CASE("dependent instructions wait for each other", "[replay]") {
  const double chain = alone(repeat("fma.rn.f32 %f1, %f1, %f1, %f1;\n", 1000)).cycles;
  CHECK(chain == Approx(4000).epsilon(0.05));
  // Four independent chains fill the latency; the A100's 64 lanes take two cycles a warp.
  const double four =
      alone(repeat("fma.rn.f32 %f1, %f1, %f1, %f1;\nfma.rn.f32 %f2, %f2, %f2, %f2;\n"
                   "fma.rn.f32 %f3, %f3, %f3, %f3;\nfma.rn.f32 %f4, %f4, %f4, %f4;\n",
                   250))
          .cycles;
  CHECK(four == Approx(2000).epsilon(0.05));
  // Eight warps on a sub-core hide each other's latency: the pipe is the limit.
  const double many = alone(repeat("fma.rn.f32 %f1, %f1, %f1, %f1;\n", 500), 1024).cycles;
  CHECK(many == Approx(500.0 * 8 * 2).epsilon(0.05));
}

TEST_CASE("loads overlap unless they depend on each other", "[replay]") {
  const std::string start = "mov.u64 %rd3, %rd1;\n";
  const double chase =
      alone(start + repeat("ld.global.u64 %rd4, [%rd3];\nadd.s64 %rd3, %rd1, %rd4;\n", 20)).cycles;
  CHECK(chase == Approx(20 * (260 + 6)).epsilon(0.05));
  const double apart =
      alone(start + repeat("ld.global.f32 %f#, [%rd1+#];\n", 0) +
            repeat("ld.global.f32 %f#, [%rd1];\n", 20) + repeat("add.f32 %f50, %f50, %f#;\n", 20))
          .cycles;
  CHECK(apart < 260 + 20 + 20 * 4 + 60);
  CHECK(apart > 260);
  // Where the data come from decides.
  const std::string one = "ld.global.f32 %f1, [%rd1];\nadd.f32 %f2, %f1, %f1;\n";
  CHECK(alone(one, 32, 1, 0).cycles < 60);
  CHECK(alone(one, 32, 0, 0).cycles > 470);
}

TEST_CASE("a barrier makes warps wait for the slowest", "[replay]") {
  // The first warp has a long chain before the barrier, the second after it.
  const auto body = [](const char* barrier) {
    return "setp.ge.u32 %p1, %r1, 32;\n@%p1 bra SECOND;\n" +
           repeat("fma.rn.f32 %f1, %f1, %f1, %f1;\n", 300) + "SECOND:\n" + barrier +
           "setp.lt.u32 %p2, %r1, 32;\n@%p2 bra DONE;\n" +
           repeat("fma.rn.f32 %f2, %f2, %f2, %f2;\n", 300) + "DONE:\n";
  };
  const double without = alone(body(""), 64).cycles;
  const double with = alone(body("bar.sync 0;\n"), 64).cycles;
  CHECK(without == Approx(1200).epsilon(0.1));
  CHECK(with == Approx(2400).epsilon(0.1));
}

TEST_CASE("conflicts keep the data stage busy", "[replay]") {
  const auto body = [](const char* scale) {
    return "mul.lo.u32 %r3, %r1, " + std::string(scale) +
           ";\nand.b32 %r3, %r3, 16383;\nmov.u32 %r4, tile;\nadd.u32 %r3, %r3, %r4;\n" +
           repeat("ld.shared.u32 %r5, [%r3];\n", 100);
  };
  const double clean = alone(body("4"), 128).cycles;
  const double conflicts = alone(body("128"), 128).cycles;
  CHECK(conflicts > 20 * clean);
  CHECK(conflicts == Approx(400.0 * 32).epsilon(0.05));
}

TEST_CASE("fewer blocks on an SM never make a kernel faster", "[cost]") {
  const Program program = load("math.sm_80", "vector_add");
  Device device;
  const int n = 1 << 20;
  const uint64_t p = device.upload(std::vector<float>(n), "p");
  const uint64_t q = device.upload(std::vector<float>(n), "q");
  const DeviceEntry& h200 = *find_device("h200");
  RunOptions options;
  options.traced_blocks = traced_blocks(h200, n / 256, {256, 32, 0});
  const auto report = run_well(
      program, device,
      launch({n / 256, 1, 1}, {256, 1, 1}, Arguments().add(p).add(p).add(q).add(n)), options);
  double last = 0.0;
  for (std::uint32_t registers = 16; registers <= 248; registers += 8) {
    const auto time = modelled_time(h200, report.profile, report.trace, {256, registers, 0});
    REQUIRE(time.has_value());
    CAPTURE(registers);
    CHECK(time->total_ns >= last * (1 - 1e-9));
    last = time->total_ns;
  }
  // Full occupancy hides the latency of a copy, one block of two does not.
  const auto full = modelled_time(h200, report.profile, report.trace, {256, 32, 0});
  const auto poor = modelled_time(h200, report.profile, report.trace, {256, 248, 0});
  CHECK(full->limiter != CostLimiter::latency);
  CHECK(poor->limiter == CostLimiter::latency);
  CHECK(poor->total_ns > 1.5 * full->total_ns);
}
