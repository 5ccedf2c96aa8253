// Judging and timing on the fake GPU by the same code as on the emulator, kernels compiled to
// machine code: what each way of being wrong is called there, and what a right kernel gets.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "device/fake_gpu.hpp"
#include "harness/ceilings.hpp"
#include "harness/evaluator.hpp"
#include "harness/judge.hpp"

using namespace mtmc;
using namespace mtmc::harness;
using namespace mtmc::test;
using nlohmann::json;

namespace {

constexpr int kN = 20000;

std::string kernel_text(const std::string& statement) {
  return "extern \"C\" __global__ void k(const float* x, float* y, int n) {\n"
         "  int i = blockIdx.x * blockDim.x + threadIdx.x;\n" +
         statement + "\n}\n";
}
const char* const kRight = "if (i < n) y[i] = 2 * x[i];";

TimingProtocol quick() {
  TimingProtocol p;
  p.warm_up_samples = 5;
  p.batch = 3;
  p.min_samples = 6;
  p.max_samples = 9;
  return p;
}

JudgeRequest request(const std::string& statement,
                     const char* line = "y0 = x0 * 2; x0: f32[d0]; d0=20000",
                     bool in_place = false) {
  JudgeRequest r;
  auto o = op::parse_operator(line);
  INFO((o ? "" : o.error().message));
  REQUIRE(o);
  r.op = *o;
  r.seed = 3;
  r.timing = quick();
  r.count = true;
  kernel::Candidate c;
  c.sources = {{"kernel.cu", ""}};
  const Expr n = Expr::symbol("d0");
  c.recipe.buffers = {
      {"x0", kernel::BufferRole::input, op::DType::f32, {n}, 256, {}, kernel::FillKind::none, 0},
      {"y0", kernel::BufferRole::output, op::DType::f32, {n}, 256, {}, kernel::FillKind::none, 0}};
  kernel::Launch launch;
  launch.kernel = "k";
  launch.grid = {ceil_div(n, Expr(256))};
  launch.args = {kernel::BufferArg{"x0", 0}, kernel::BufferArg{in_place ? "x0" : "y0", 0},
                 kernel::ScalarArg{op::DType::i32, n}};
  c.recipe.run.push_back({launch, {}, {}});
  r.units = {{c, machine_code(kernel_text(statement)), {}, {}, {}, {}}};
  return r;
}

Evaluation judged(const JudgeRequest& r) {
  auto device = open_gpu();
  auto e = judge(*device, r);
  INFO((e ? "" : e.error().message));
  REQUIRE(e);
  return *e;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a right kernel is correct on a GPU and measured, never modelled") {
  play({{"durations_ns", {{"k", {70000}}}}, {"counters", {{"dram__bytes_read.sum", 80000}}}});
  const Evaluation e = judged(request(kRight));
  INFO(e.verdict.message);
  CHECK(e.verdict.outcome == Outcome::correct);
  CHECK(e.verdict.verified == Verified::full);
  CHECK(e.verdict.cases == "tiny, odd, stated");
  CHECK_FALSE(e.modelled_ns);
  REQUIRE(e.timing);
  CHECK(e.timing->measured_ns == 70000);
  CHECK(e.timing->protocol == "span/graph/cold/activity/v1");
  REQUIRE(e.launches.size() == 1);
  CHECK_FALSE(e.launches[0].modelled);
  CHECK(e.launches[0].measured_ns == 70000.0);
  CHECK(e.counters.at("dram_read_bytes") == 80000);
  CHECK(e.counters_note.empty());
  auto again = evaluation_from_json(to_json(e));
  REQUIRE(again);
  CHECK(to_json(*again) == to_json(e));
}

TEST_CASE("without a protocol nothing is timed") {
  play();
  auto r = request(kRight);
  r.timing.reset();
  const Evaluation e = judged(r);
  CHECK(e.verdict.outcome == Outcome::correct);
  CHECK_FALSE(e.timing);
}

TEST_CASE("each wrong kernel gets the name of what it did on a GPU too") {
  const auto outcome = [](const std::string& statement) {
    play();  // a fault poisons the process, as on a GPU
    return judged(request(statement)).verdict.outcome;
  };
  CHECK(outcome("if (i < n) y[i] = 2.001f * x[i];") == Outcome::mismatch);
  CHECK(outcome("if (i < n && i != 7) y[i] = 2 * x[i];") == Outcome::mismatch);
  CHECK(outcome("if (i < n) y[i] = 2 * x[i] / 0.0f;") == Outcome::non_finite);
  CHECK(outcome("y[i] = i < n ? 2 * x[i] : 0;") == Outcome::out_of_bounds);  // the canary
  CHECK(outcome("if (i < n) y[i + (1 << 28)] = 2 * x[i];") == Outcome::out_of_bounds);
  CHECK(outcome("if (i < n) *(double*)((char*)y + 4) = 2 * x[i];") == Outcome::misaligned);
  CHECK(outcome("__trap();") == Outcome::crash);
}

TEST_CASE("a kernel that works for its first calls only is found out after timing") {
  play();
  auto r = request(kRight);
  auto& recipe = r.units[0].candidate.recipe;
  recipe.buffers.push_back({"w",
                            kernel::BufferRole::workspace,
                            op::DType::f32,
                            {Expr::symbol("d0")},
                            256,
                            {},
                            kernel::FillKind::none,
                            0});
  std::get<kernel::Launch>(recipe.run[0].what).args.push_back(kernel::BufferArg{"w", 0});
  r.units[0].binary = machine_code(
      "extern \"C\" __global__ void k(const float* x, float* y, int n, float* w) { int i = "
      "blockIdx.x * blockDim.x + threadIdx.x;"
      " if (i < n) { y[i] = (w[i] > 8 ? 1 : 2) * x[i]; w[i] += 1; } }");
  const Evaluation e = judged(r);
  CHECK(e.verdict.outcome == Outcome::mismatch);
  CHECK(contains(e.verdict.message, "timed runs: "));
  CHECK_FALSE(e.timing);
}

TEST_CASE("a time that no program can have is refused") {
  play({{"durations_ns", {{"k", {15000}}}}});  // 80 kB from 4 GB/s take 20 us
  const Evaluation e = judged(request(kRight));
  CHECK(e.verdict.outcome == Outcome::refused);
  CHECK(contains(e.verdict.message, "measured 15.00 us, below the 20.00 us"));
  CHECK_FALSE(e.timing);
}

TEST_CASE("what is updated in place starts from its input in every repetition") {
  play({{"durations_ns", {{"k", {70000}}}}});
  auto r = request("if (i < n) y[i] = 2 * x[i];", "y0 = x0 * 2; x0: f32[d0] inout; d0=20000");
  // The recipe writes y0 from x0; the operator's x0 is writable and must be as it was for each
  // repetition.
  r.units[0].binary = machine_code(
      kernel_text("if (i < n) { float v = x[i]; y[i] = 2 * v; ((float*)x)[i] = v + 1; }"));
  const Evaluation e = judged(r);
  INFO(e.verdict.message);
  CHECK(e.verdict.outcome == Outcome::correct);
  REQUIRE(e.timing);
  CHECK(e.timing->measured_ns == 70000);
}

TEST_CASE("workspace that starts filled is filled again for every repetition") {
  play();
  auto r = request(kRight);
  auto& recipe = r.units[0].candidate.recipe;
  recipe.buffers.push_back({"w",
                            kernel::BufferRole::workspace,
                            op::DType::f32,
                            {Expr::symbol("d0")},
                            256,
                            {},
                            kernel::FillKind::zero,
                            0});
  auto& launch = std::get<kernel::Launch>(recipe.run[0].what);
  launch.args.push_back(kernel::BufferArg{"w", 0});
  r.units[0].binary = machine_code(
      "extern \"C\" __global__ void k(const float* x, float* y, int n, float* w) { int i = "
      "blockIdx.x * blockDim.x + threadIdx.x;"
      " if (i < n) { w[i] += 2 * x[i]; y[i] = w[i]; } }");
  const Evaluation e = judged(r);
  INFO(e.verdict.message);
  CHECK(e.verdict.outcome == Outcome::correct);
  CHECK(e.timing);
}

TEST_CASE(
    "a workspace that does not fit is the candidate's, tensors that do not fit are nobody's") {
  play({{"devices", {{{"memory_bytes", 4 << 20}}}}});
  auto r = request(kRight);
  r.units[0].candidate.recipe.buffers.push_back({"w",
                                                 kernel::BufferRole::workspace,
                                                 op::DType::f32,
                                                 {Expr(1 << 24)},
                                                 256,
                                                 {},
                                                 kernel::FillKind::none,
                                                 0});
  CHECK(judged(r).verdict.outcome == Outcome::over_budget);
  play({{"devices", {{{"memory_bytes", 64 << 10}}}}});
  auto device = open_gpu();
  auto e = judge(*device, request(kRight));
  REQUIRE_FALSE(e);
  CHECK(e.error().code == ErrorCode::unavailable);
  CHECK(contains(e.error().message, "case stated"));
}

TEST_CASE("a run that cannot be captured is timed as a stream and says so") {
  play({{"fail", {{{"call", "cuStreamBeginCapture_v2"}, {"status", 900}}}}});
  const Evaluation e = judged(request(kRight));
  CHECK(e.verdict.outcome == Outcome::correct);
  REQUIRE(e.timing);
  CHECK(e.timing->protocol == "span/stream/cold/activity/v1");
  REQUIRE_FALSE(e.timing->notes.empty());
  CHECK(contains(e.timing->notes.back(),
                 "the run cannot be a graph: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"));
}

TEST_CASE("counters that are not permitted cost a note, not the verdict") {
  play({{"cupti", {{"no_counters", 35}}}});
  const Evaluation e = judged(request(kRight));
  CHECK(e.verdict.outcome == Outcome::correct);
  CHECK(e.timing);
  CHECK(e.counters.empty());
  CHECK(contains(e.counters_note, "not permitted"));
}

TEST_CASE("prepare is timed apart from the run") {
  play({{"durations_ns", {{"k", {70000}}, {"pack", {30000}}}}});
  auto r = request(kRight);
  auto& recipe = r.units[0].candidate.recipe;
  recipe.buffers.push_back({"w",
                            kernel::BufferRole::workspace,
                            op::DType::f32,
                            {Expr(256)},
                            256,
                            {},
                            kernel::FillKind::none,
                            0});
  kernel::Launch pack;
  pack.kernel = "pack";
  pack.args = {kernel::BufferArg{"w", 0}};
  recipe.prepare.push_back({pack, {}, {}});
  r.units[0].binary = machine_code(
      kernel_text(kRight) + "extern \"C\" __global__ void pack(float* w) { w[threadIdx.x] = 1; }");
  const Evaluation e = judged(r);
  INFO(e.verdict.message);
  REQUIRE(e.timing);
  CHECK(e.timing->measured_ns == 70000);
  CHECK(e.prepare_ns == 30000.0);
}

TEST_CASE("ceilings are near what the fake's hardware can") {
  play();
  auto device = open_gpu();
  auto outcome = compiler::test::shared_compiler().compile(ceiling_kernels("sm_90a"));
  REQUIRE(outcome);
  REQUIRE(std::holds_alternative<compiler::Binary>(*outcome));
  auto c = measure_ceilings(*device, std::get<compiler::Binary>(*outcome), quick());
  INFO((c ? "" : c.error().message));
  REQUIRE(c);
  CHECK(c->device == "Fake GPU");
  // Two SMs draw 64 bytes a clock each, less than its memory has.
  CHECK(c->copy_bytes_per_s == Approx(2 * 64 * 5e6).epsilon(0.1));
  CHECK(c->fp32_flops > 0.5 * device->facts().fp32_flops);
  CHECK(c->fp32_flops <= 1.01 * device->facts().fp32_flops);
  CHECK(c->tf32_flops > 0);
  CHECK(c->bf16_flops > c->tf32_flops);
  auto again = ceilings_from_json(to_json(*c));
  REQUIRE(again);
  CHECK(to_json(*again) == to_json(*c));
}

// --- through worker processes ---

namespace {

Evaluator evaluator(const json& scenario, std::int64_t timeout_ms = 60000) {
  play(scenario);
  setenv("MTMC_CUDA_FAKE", scenario.dump().c_str(), 1);
  auto made = Evaluator::create({MTMC_TOOL, "cuda:0", timeout_ms});
  INFO((made ? "" : made.error().message));
  REQUIRE(made);
  return std::move(*made);
}

}  // namespace

TEST_CASE("a worker with a poisoned context is replaced, and the next candidate is not blamed") {
  auto e = evaluator({{"durations_ns", {{"k", {70000}}}}});
  auto bad = e.evaluate(request("if (i < n) y[i + (1 << 28)] = 2 * x[i];"));
  REQUIRE(bad);
  CHECK(bad->verdict.outcome == Outcome::out_of_bounds);
  CHECK(contains(bad->verdict.message, "CUDA_ERROR_ILLEGAL_ADDRESS"));
  auto good = e.evaluate(request(kRight));
  INFO((good ? good->verdict.message : good.error().message));
  REQUIRE(good);
  CHECK(good->verdict.outcome == Outcome::correct);
  CHECK(good->measured_ns() == 70000.0);
}

TEST_CASE("a kernel that hangs costs its worker and gets a timeout") {
  auto e = evaluator(json::object(), 1500);
  auto hung = e.evaluate(request("while (clock64() >= 0) y[0] += x[0];"));
  REQUIRE(hung);
  CHECK(hung->verdict.outcome == Outcome::timeout);
  CHECK(hung->verdict.message == "no answer within 1.5 s");
}

TEST_CASE("a GPU that vanishes under a worker is unavailable, with its advice") {
  auto e = evaluator({{"fail", {{{"call", "cuLaunchKernelEx"}, {"skip", 1}, {"status", 999}}}}});
  auto lost = e.evaluate(request(kRight));
  REQUIRE_FALSE(lost);
  CHECK(lost.error().code == ErrorCode::unavailable);
  CHECK(contains(lost.error().message, "the GPU does not answer any more"));
}

TEST_CASE("ceilings come through a worker as well") {
  auto e = evaluator(json::object());
  auto outcome = compiler::test::shared_compiler().compile(ceiling_kernels("sm_90a"));
  REQUIRE(outcome);
  auto c = e.ceilings(std::get<compiler::Binary>(*outcome), quick());
  INFO((c ? "" : c.error().message));
  REQUIRE(c);
  CHECK(c->copy_bytes_per_s > 0);
}
