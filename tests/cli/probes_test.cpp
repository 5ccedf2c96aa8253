// The six probes that break a design which is too small, through every seam, small enough for a default suite.
#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "cli/run_tool.hpp"

using mtmc::test::has_nvrtc;
using mtmc::test::Home;
using mtmc::test::run_tool;
using nlohmann::json;

namespace {

json generate(const std::string& line, int max_steps = 4) {
  Home home;
  const auto r = run_tool("generate-operator '" + line + "' --db db --quiet --json --tune 0 --max-steps " + std::to_string(max_steps), home.path());
  INFO(line << "\n" << r.err << r.out);
  REQUIRE(r.exit_code == 0);
  json report = json::parse(r.out);
  CHECK(report["verdict"] == "correct");
  CHECK(report["verified"] == "full");
  return report;
}

bool took(const json& report, const std::string& action) {
  for (const auto& step : report["steps"])
    if (step["action"] == action && step["outcome"] == "correct") return true;
  return false;
}

}  // namespace

TEST_CASE("probes") {
  if (!has_nvrtc()) {
    WARN("no NVRTC on this machine: not run");
    return;
  }
  SECTION("a pointwise chain") { CHECK(took(generate("y = tanh(x * s + b) * x; x: f32[M,N]; s: f32[N]; b: f32[N]; M=64; N=96"), "fuse")); }
  SECTION("row softmax") { CHECK(took(generate("y = softmax(x, -1); x: f16[M,N]; M=48; N=200"), "fuse")); }
  SECTION("gelu(x @ w^T + b)") {
    const json r = generate("y = gelu(x @ transpose(w, 0, 1) + b); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=64; N=80; K=96");
    CHECK((took(r, "fuse") || took(r, "tile")));
  }
  SECTION("a split-K product as two passes") { CHECK(took(generate("y = x @ w; x: f32[M,K]; w: f32[K,N]; M=16; N=16; K=4096", 12), "split")); }
  SECTION("a direct NCHW conv2d") { generate("y = conv2d(x, w, b, stride=2, padding=1); x: f32[N,C,H,W]; w: f32[O,C,3,3]; b: f32[O]; N=2; C=5; O=7; H=17; W=19"); }
  SECTION("a three-layer MLP, whose two equal layers are searched once") {
    const json r = generate(
        "h = relu(linear(x, w1, b1)); g = relu(linear(h, w2, b2)); y = linear(g, w3, b3); x: f32[B,D]; w1: f32[D,D]; b1: f32[D]; "
        "w2: f32[D,D]; b2: f32[D]; w3: f32[C,D]; b3: f32[C]; B=24; D=40; C=10");
    REQUIRE(r["regions"].size() == 2);
    CHECK(r["regions"][0]["uses"] == 2);
    CHECK(r["details"]["parts"] == 3);
  }
}
