#include "coder/schedule_ops.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "coder/assemble.hpp"
#include "coder/probes.hpp"
#include "coder/workbench.hpp"

using namespace mtmc;
using namespace mtmc::coder;
using namespace mtmc::coder::test;

namespace {

std::string refusal(const Problem& problem, const kernel::Candidate& from,
                    const std::string& step) {
  auto answer = make_template_coder()->apply(problem.task(), from, parse_step(step), nullptr);
  REQUIRE(answer);
  REQUIRE(std::holds_alternative<Refusal>(*answer));
  return std::get<Refusal>(*answer).reason;
}

const char* const kOperators[] = {
    "y = softmax(x * 2, dim=-1); x: f32[M,N]; M=8; N=64",
    "y = layer_norm(x + r, [N], g, b); x: f16[M,N]; r: f16[M,N]; g: f16[N]; b: f16[N]; M=8; N=64",
    "y = gelu(linear(x, w, b)) + r; x: f32[M,K]; w: f32[N,K]; b: f32[N]; r: f32[M,N]; M=16; N=16; "
    "K=32",
    "y = softmax(x @ transpose(x, 0, 1), dim=-1); x: f32[M,K]; M=32; K=16",
    "v, i = max(x, dim=1); x: f32[M,N]; M=8; N=64",
    "y = relu(conv2d(x, w, b, padding=1)); x: f32[B,C,H,W]; w: f32[O,C,3,3]; b: f32[O]; B=1; C=3; "
    "H=6; W=6; O=8",
    "a = exp(x); y = sum(a, dim=0); z = a * 2; return y, z; x: f32[M,N]; M=8; N=64",
    "y = permute(reshape(x, [B,T,4,D]), [0,2,1,3]); x: f32[B,T,4*D]; B=2; T=4; D=8",
    "y = group_norm(x, 2, w, b); x: f32[B,C,H]; w: f32[C]; b: f32[C]; B=2; C=4; H=6",
    "y = where(x > 0, x, exp(x) - 1); x: bf16[N]; N=1000",
};

}  // namespace

TEST_CASE("random sequences of admissible steps keep a schedule whole") {
  std::mt19937 random(11);
  int taken = 0;
  for (const char* line : kOperators) {
    const Problem problem(line);
    for (int walk = 0; walk < 4; ++walk) {
      kernel::Schedule schedule = naive_schedule(problem.lowering);
      for (int depth = 0; depth < 6; ++depth) {
        const auto steps = admissible_steps({problem.lowering, &problem.device}, schedule);
        if (steps.empty()) break;
        const auto& step = steps[random() % steps.size()];
        INFO(line << "  " << step.key());
        auto next = transform({problem.lowering, &problem.device}, schedule, step);
        REQUIRE(next);
        CHECK_FALSE(*next == schedule);
        schedule = *next;
        std::vector<int> seen(problem.lowering.primitives.size(), 0);
        for (const auto& g : schedule.groups)
          for (int p : g.primitives) ++seen[static_cast<std::size_t>(p)];
        for (int count : seen) CHECK(count == 1);
        auto candidate = assemble(problem.region.op, problem.lowering, schedule, &problem.device);
        if (!candidate) FAIL(candidate.error().message);
        CHECK(candidate->recipe.run.size() <= 2 * schedule.groups.size());
        for (const auto& t : candidate->tunables) CHECK(candidate->configuration.count(t.name));
        ++taken;
      }
    }
  }
  CHECK(taken > 80);
}

TEST_CASE("the probes end in one group") {
  for (const auto& probe : probes()) {
    const Problem problem(probe.line);
    INFO(probe.name);
    CHECK(after(problem, probe.steps).schedule->groups.size() == 1);
    CHECK(probe.steps.size() <= 5);
  }
}

TEST_CASE("admissible steps are accepted and carry options") {
  const Problem problem("y = softmax(x, dim=-1); x: f32[M,N]; M=8; N=64");
  const auto coder = make_template_coder();
  const auto start = after(problem, {});
  const auto steps = coder->admissible(problem.task(), start);
  REQUIRE_FALSE(steps.empty());
  CHECK(steps[0].key() == "fuse *");
  for (const auto& step : steps) {
    auto answer = coder->apply(problem.task(), start, step, nullptr);
    REQUIRE(answer);
    INFO(step.key());
    CHECK(std::holds_alternative<kernel::Candidate>(*answer));
  }
}

TEST_CASE("steps that do not apply are refused with a reason") {
  const Problem problem("y = softmax(x, dim=-1); x: f32[M,N]; M=8; N=64");
  const auto start = after(problem, {});
  CHECK(refusal(problem, start, "vectorize g9").find("expected one of g0 to g3") !=
        std::string::npos);
  CHECK(refusal(problem, start, "fuse g0").find("expected 'g0+g1' or '*'") != std::string::npos);
  CHECK(refusal(problem, start, "fuse g1+g0").find("in order") != std::string::npos);
  CHECK(refusal(problem, start, "tile g1").find("naive groups with a reduction") !=
        std::string::npos);
  CHECK(refusal(problem, start, "vectorize g0 vector=4").find("tile it first") !=
        std::string::npos);
  CHECK(refusal(problem, start, "vectorize g1 vector=3").find("2, 4 or 8") != std::string::npos);
  CHECK(refusal(problem, start, "stage g0").find("row and matmul groups") != std::string::npos);
  CHECK(refusal(problem, start, "library g0").find("no action 'library'") != std::string::npos);
  CHECK(refusal(problem, start, "pipeline g0").find("tiles of tensor cores") != std::string::npos);
  CHECK(refusal(problem, start, "swizzle g0").find("tiles of tensor cores") != std::string::npos);
  CHECK(refusal(problem, start, "tensorize g0").find("tile it first") != std::string::npos);
  CHECK(refusal(problem, start, "fix_compile").find("part ''") != std::string::npos);
  const auto fused = after(problem, {"fuse *"});
  CHECK(refusal(problem, fused, "fuse *").find("no two groups") != std::string::npos);
  CHECK(refusal(problem, fused, "split g0 ways=8").find("one pass") != std::string::npos);

  auto lost = fused;
  lost.schedule.reset();
  CHECK(refusal(problem, lost, "vectorize g0").find("no schedule") != std::string::npos);
  CHECK(make_template_coder()->admissible(problem.task(), lost).empty());
  auto foreign = fused;
  foreign.schedule->groups[0].primitives = {0, 1, 2, 77};
  CHECK(refusal(problem, foreign, "vectorize g0").find("another region") != std::string::npos);
  CHECK(make_template_coder()->admissible(problem.task(), foreign).empty());
}

TEST_CASE("tensor cores take plain narrow operands of one type") {
  const Problem wide("y = x @ w; x: f32[M,K]; w: f32[K,N]; M=32; N=32; K=32");
  CHECK(refusal(wide, after(wide, {"tile g0"}), "tensorize g0").find("f16 or bf16 in memory") !=
        std::string::npos);
  const Problem mixed("y = x @ to(w, f16); x: f16[M,K]; w: f32[K,N]; M=32; N=32; K=32");
  CHECK(refusal(mixed, after(mixed, {"fuse g0+g1", "tile g0"}), "tensorize g0")
            .find("f16 or bf16 in memory") != std::string::npos);
  const Problem good("y = x @ transpose(w, 0, 1); x: bf16[M,K]; w: bf16[N,K]; M=32; N=32; K=32");
  CHECK(after(good, {"fuse *", "tile g0", "tensorize g0"}).sources[0].text.find("matmul_mma<") !=
        std::string::npos);
  CHECK(refusal(good, after(good, {"fuse *", "tile g0", "tensorize g0"}), "vectorize g0 vector=4")
            .find("already") != std::string::npos);
}

TEST_CASE("a ring takes the place of stages and swizzle") {
  const Problem problem("y = x @ w; x: f16[M,K]; w: f16[K,N]; M=1024; N=1024; K=1024");
  const auto candidate =
      after(problem, {"tile g0", "tensorize g0", "stage g0", "swizzle g0", "pipeline g0"});
  CHECK(candidate.schedule->groups[0].options ==
        std::map<std::string, std::int64_t>{{"mma", 1}, {"pipeline", 1}});
  CHECK(refusal(problem, candidate, "stage g0").find("has its stages") != std::string::npos);
  CHECK(refusal(problem, candidate, "swizzle g0").find("permuted already") != std::string::npos);
  CHECK(refusal(problem, candidate, "pipeline g0").find("is 1 already") != std::string::npos);
  // Its starting points fit the device: shared memory, and registers where blocks must stay
  // together.
  REQUIRE(candidate.ranked.size() == 5);
  const auto& launch = std::get<kernel::Launch>(candidate.recipe.run.at(0).what);
  for (const auto& c : candidate.ranked) {
    Symbols symbols(c.begin(), c.end());
    CHECK(launch.shared_bytes.evaluate(symbols).value() <= problem.device.shared_optin_bytes);
    for (const auto& text : candidate.constraints) {
      INFO(text);
      CHECK(Expr::parse(text)->evaluate(symbols).value() == 1);
    }
  }
}

TEST_CASE("a product is split into as many parts as fill the machine") {
  const auto ways = [](const char* line) {
    const Problem problem(line);
    std::vector<std::int64_t> list;
    for (const auto& step :
         make_template_coder()->admissible(problem.task(), after(problem, {"tile g0"})))
      if (step.action == kernel::Action::split) list.push_back(step.options.at("ways"));
    return list;
  };
  using List = std::vector<std::int64_t>;
  CHECK(ways("y = x @ w; x: f32[M,K]; w: f32[K,N]; M=64; N=64; K=16384") == List{128, 32});
  CHECK(ways("y = x @ w; x: f32[M,K]; w: f32[K,N]; M=256; N=256; K=4096") == List{8});
  CHECK(ways("y = x @ w; x: f32[M,K]; w: f32[K,N]; M=1024; N=1024; K=1024") == List{4});
}

TEST_CASE("only results of 16 bits are computed with the hardware's exp") {
  const auto text = [](const char* line) {
    const Problem problem(line);
    return after(problem, {"fuse *"}).sources[0].text;
  };
  CHECK(text("y = softmax(x, dim=-1); x: f16[M,N]; M=8; N=64").find("__expf(") !=
        std::string::npos);
  CHECK(text("y = softmax(x, dim=-1); x: f32[M,N]; M=8; N=64").find("__expf(") ==
        std::string::npos);
  CHECK(text("y = exp(x); z = to(y, f32); return y, z; x: f16[M,N]; M=8; N=64").find("__expf(") ==
        std::string::npos);
}

TEST_CASE("a product is not fused into rows, nor heavy maps into a product") {
  const Problem problem(
      "y = softmax(gelu(x) @ w, dim=-1); x: f32[M,K]; w: f32[K,N]; M=32; K=16; N=64");
  const auto candidate = after(problem, {"fuse *"});
  REQUIRE(candidate.schedule->groups.size() == 3);
  CHECK(candidate.schedule->groups[1].style == "naive");
  CHECK(candidate.schedule->groups[2].style == "row");
}
