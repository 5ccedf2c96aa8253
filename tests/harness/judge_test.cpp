// Judging on the emulator with hand-written PTX: what each way of being wrong is called, and what a right kernel gets.
#include "harness/judge.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "device/device.hpp"

using namespace mtmc;
using namespace mtmc::harness;

namespace {

// y[i] = f(x[i]) for i < n; `body` turns %f1 into %f2, `check` guards the access.
std::string ptx(const std::string& body, bool check = true) {
  return std::string(R"(.version 8.0
.target sm_80
.address_size 64
.visible .entry k(.param .u64 px, .param .u64 py, .param .u32 pn)
{
.reg .pred %p<3>;
.reg .b32 %r<6>;
.reg .f32 %f<4>;
.reg .b64 %rd<8>;
ld.param.u64 %rd1, [px];
ld.param.u64 %rd2, [py];
ld.param.u32 %r1, [pn];
mov.u32 %r2, %ctaid.x;
mov.u32 %r3, %ntid.x;
mov.u32 %r4, %tid.x;
mad.lo.s32 %r5, %r2, %r3, %r4;
setp.ge.s32 %p1, %r5, %r1;
)") + (check ? "@%p1 bra $DONE;\n" : "") +
         R"(cvta.to.global.u64 %rd3, %rd1;
cvta.to.global.u64 %rd4, %rd2;
mul.wide.s32 %rd5, %r5, 4;
add.s64 %rd6, %rd3, %rd5;
add.s64 %rd7, %rd4, %rd5;
ld.global.f32 %f1, [%rd6];
)" + body + "$DONE:\nret;\n}\n";
}

kernel::Candidate candidate() {
  kernel::Candidate c;
  c.sources = {{"kernel.cu", ""}};
  const Expr n = Expr::symbol("d0");
  c.recipe.buffers = {{"x0", kernel::BufferRole::input, op::DType::f32, {n}, 256, {}, kernel::FillKind::none, 0},
                      {"y0", kernel::BufferRole::output, op::DType::f32, {n}, 256, {}, kernel::FillKind::none, 0}};
  kernel::Launch launch;
  launch.kernel = "k";
  launch.grid = {ceil_div(n, Expr(256))};
  launch.args = {kernel::BufferArg{"x0", 0}, kernel::BufferArg{"y0", 0}, kernel::ScalarArg{op::DType::i32, n}};
  c.recipe.run.push_back({launch, {}, {}});
  return c;
}

JudgeRequest request(const std::string& text, const char* line = "y0 = x0 * 2; x0: f32[d0]; d0=5000") {
  JudgeRequest r;
  auto o = op::parse_operator(line);
  INFO((o ? "" : o.error().message));
  REQUIRE(o);
  r.op = *o;
  r.seed = 3;
  compiler::Binary binary;
  binary.hash = "test";
  binary.architecture = "sm_90a";
  binary.ptx = text;
  compiler::KernelFacts facts;
  facts.name = "k";
  facts.registers = 16;
  binary.kernels = {facts};
  r.units = {{candidate(), binary, {}, {}, {}, {}}};
  return r;
}

Evaluation judged(const JudgeRequest& r) {
  auto device = device::open_device("h200");
  REQUIRE(device);
  auto e = judge(**device, r);
  INFO((e ? "" : e.error().message));
  REQUIRE(e);
  return *e;
}

const char* kDouble = "add.f32 %f2, %f1, %f1;\nst.global.f32 [%rd7], %f2;\n";

}  // namespace

TEST_CASE("a right kernel is correct, fully verified over all cases, and gets a modelled time") {
  const Evaluation e = judged(request(ptx(kDouble)));
  INFO(e.verdict.message);
  CHECK(e.verdict.outcome == Outcome::correct);
  CHECK(e.verdict.verified == Verified::full);
  CHECK(e.verdict.cases == "tiny, odd, stated");
  CHECK(e.verdict.compared > 5000);
  REQUIRE(e.modelled_ns);
  CHECK(*e.modelled_ns > 0);
  REQUIRE(e.launches.size() == 1);
  CHECK(e.launches[0].blocks_total == 20);
  CHECK(e.launches[0].counters.at("global_load_sectors") == 5000 / 8);
}

TEST_CASE("literal dims are said to have been judged at the stated case only") {
  auto r = request(ptx(kDouble), "y0 = x0 * 2; x0: f32[5000]");
  r.units[0].candidate.recipe = [] {
    auto c = candidate();
    const Symbols five = {{"d0", 5000}};
    for (auto& b : c.recipe.buffers) b.shape = {Expr(5000)};
    auto& launch = std::get<kernel::Launch>(c.recipe.run[0].what);
    launch.grid = {Expr(20)};
    launch.args[2] = kernel::ScalarArg{op::DType::i32, Expr(5000)};
    return c.recipe;
  }();
  const Evaluation e = judged(r);
  INFO(e.verdict.message);
  CHECK(e.verdict.outcome == Outcome::correct);
  CHECK(e.verdict.only_stated);
}

TEST_CASE("each way of being wrong has its outcome") {
  SECTION("a wrong value is a mismatch that names the first element") {
    const Evaluation e = judged(request(ptx("mul.f32 %f2, %f1, 0f40400000;\nst.global.f32 [%rd7], %f2;\n")));
    CHECK(e.verdict.outcome == Outcome::mismatch);
    REQUIRE_FALSE(e.verdict.first.empty());
    CHECK(e.verdict.first[0].got == Approx(1.5 * e.verdict.first[0].expected));
    CHECK_FALSE(e.modelled_ns);
  }
  SECTION("an error of one part in ten thousand is found") {
    CHECK(judged(request(ptx("mul.f32 %f2, %f1, 0f4000068E;\nst.global.f32 [%rd7], %f2;\n"))).verdict.outcome == Outcome::mismatch);
  }
  SECTION("writing nothing cannot pass") { CHECK(judged(request(ptx(""))).verdict.outcome == Outcome::mismatch); }
  SECTION("no bounds check is out of bounds, with the place") {
    const Evaluation e = judged(request(ptx(kDouble, false)));
    CHECK(e.verdict.outcome == Outcome::out_of_bounds);
    CHECK(e.verdict.message.find("x0") != std::string::npos);
  }
  SECTION("a race that leaves the right values is a race") {
    const Evaluation e = judged(request(ptx(std::string(".shared .align 4 .b8 s[4];\nst.shared.u32 [s], %r5;\n") + kDouble)));
    CHECK(e.verdict.outcome == Outcome::race);
    CHECK(e.verdict.message.find("shared memory race") != std::string::npos);
  }
  SECTION("an infinite result is non_finite") {
    CHECK(judged(request(ptx("mov.f32 %f2, 0f7F800000;\nst.global.f32 [%rd7], %f2;\n"))).verdict.outcome == Outcome::non_finite);
  }
  SECTION("an endless loop runs over its budget") {
    auto r = request(ptx("$LOOP:\nadd.f32 %f2, %f1, %f1;\nbra $LOOP;\n"));
    r.limits.instruction_budget = 100000;
    CHECK(judged(r).verdict.outcome == Outcome::over_budget);
  }
  SECTION("an opcode that is not emulated is unsupported and named") {
    const Evaluation e = judged(request(ptx("tcgen05.wait::ld.sync.aligned;\n")));
    CHECK(e.verdict.outcome == Outcome::unsupported);
    CHECK(e.verdict.message.find("tcgen05") != std::string::npos);
  }
  SECTION("a kernel that the binary lacks is a launch error") {
    auto r = request(ptx(kDouble));
    std::get<kernel::Launch>(r.units[0].candidate.recipe.run[0].what).kernel = "other";
    CHECK(judged(r).verdict.outcome == Outcome::launch_error);
  }
  SECTION("a recipe with an argument too few is a launch error") {
    auto r = request(ptx(kDouble));
    std::get<kernel::Launch>(r.units[0].candidate.recipe.run[0].what).args.pop_back();
    CHECK(judged(r).verdict.outcome == Outcome::launch_error);
  }
  SECTION("a recipe that lies about a buffer's size is refused") {
    auto r = request(ptx(kDouble));
    r.units[0].candidate.recipe.buffers[0].shape = {Expr::symbol("d0") + 1};
    CHECK(judged(r).verdict.outcome == Outcome::refused);
  }
  SECTION("writing to an input is out of bounds") {
    CHECK(judged(request(ptx("st.global.f32 [%rd6], %f1;\n"))).verdict.outcome == Outcome::out_of_bounds);
  }
}

TEST_CASE("a case too large to run whole is judged by what a sample of its blocks wrote") {
  auto r = request(ptx(kDouble), "y0 = x0 * 2; x0: f32[d0]; d0=500000");
  r.limits.emulated_operations = 1000;
  r.limits.sampled_blocks = 6;
  const Evaluation e = judged(r);
  INFO(e.verdict.message);
  CHECK(e.verdict.outcome == Outcome::correct);
  CHECK(e.verdict.verified == Verified::sampled);
  CHECK(e.launches[0].blocks_run == 6);
  CHECK(e.launches[0].blocks_total == 1954);
  // The time is that of the whole grid: near that of a run that was not sampled.
  r.limits = {};
  CHECK(*e.modelled_ns == Approx(*judged(r).modelled_ns).epsilon(0.05));
}

TEST_CASE("several launches of a large case are verified at a reduced shape") {
  auto r = request(ptx(kDouble), "y0 = x0 * 2; x0: f32[d0]; d0=500000");
  r.limits.emulated_operations = 1000;
  r.units[0].candidate.recipe.run.push_back(r.units[0].candidate.recipe.run[0]);
  const Evaluation e = judged(r);
  CHECK(e.verdict.outcome == Outcome::correct);
  CHECK(e.verdict.verified == Verified::reduced);
}

TEST_CASE("a request crosses the pipe whole") {
  auto r = request(ptx(kDouble));
  r.units[0].binary.cubin = std::string("\x7f" "ELF\0\xff", 6);
  const auto text = to_json(r).dump();
  auto again = judge_request_from_json(nlohmann::json::parse(text));
  INFO((again ? "" : again.error().message));
  REQUIRE(again);
  CHECK(to_json(*again).dump() == text);
  CHECK(again->units[0].binary.cubin == r.units[0].binary.cubin);
  CHECK_FALSE(judge_request_from_json(nlohmann::json::object()));
}
