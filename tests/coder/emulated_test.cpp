// Every style and option on the emulator against the float64 reference, at aligned, odd and tiny
// sizes.
#include <catch2/catch.hpp>
#include <iostream>

#include "coder/probes.hpp"
#include "coder/templates.hpp"
#include "coder/workbench.hpp"

using namespace mtmc;
using namespace mtmc::coder::test;

namespace {

PtxCompiler& nvrtc() {
  static PtxCompiler made(MTMC_COMPILE_WORKER);
  return made;
}

bool missing() {
  if (nvrtc().available()) return false;
  WARN("skipped: " << nvrtc().why_not());
  return true;
}

std::vector<Symbols> bindings(const Problem& problem, const std::vector<const char*>& more) {
  std::vector<Symbols> list = {problem.region.op.binding()};
  for (const char* text : more) {
    Symbols s;
    std::string word;
    for (const char* c = text;; ++c) {
      if (*c && *c != ',') {
        word += *c;
        continue;
      }
      const auto equals = word.find('=');
      s[word.substr(0, equals)] = std::stoll(word.substr(equals + 1));
      word.clear();
      if (!*c) break;
    }
    list.push_back(s);
  }
  return list;
}

void judge(const Probe& probe, const std::vector<std::string>& steps, std::size_t configurations) {
  const Problem problem(probe.line);
  std::string path = probe.line;
  for (const auto& s : steps) path += " | " + s;
  INFO(path);
  kernel::Candidate candidate;
  REQUIRE_NOTHROW(candidate = after(problem, steps));
  for (std::size_t i = 0; i < candidate.ranked.size() && i < configurations; ++i) {
    const std::string ptx = nvrtc().ptx(candidate.sources, candidate.ranked[i]);
    for (const auto& dims : bindings(problem, probe.dims)) {
      const Run result = run(problem, candidate, candidate.ranked[i], ptx, dims);
      CHECK(result.mismatch == "");
    }
  }
}

}  // namespace

TEST_CASE("each template compiles alone") {
  if (missing()) return;
  for (const auto& file : coder::template_files()) {
    std::vector<kernel::SourceFile> sources = {
        {"unit.cu", "#include \"" + std::string(file.name) + "\"\n"}};
    for (const auto& other : coder::template_closure({std::string(file.name)}))
      sources.push_back({std::string(other.name), std::string(other.text)});
    INFO(file.name);
    CHECK_NOTHROW(nvrtc().ptx(sources, {}));
  }
}

TEST_CASE("the probes, naive and at their good end") {
  if (missing()) return;
  for (const auto& probe : probes()) {
    judge(probe, {}, 1);
    judge(probe, probe.steps, 2);
  }
}

TEST_CASE("pointwise options") {
  if (missing()) return;
  const Probe f16 = {
      "", "y = tanh(gelu(x)); x: f16[M,N]; M=64; N=128", {}, {"d0=1,d1=1", "d0=37,d1=53"}};
  judge(f16, {"fuse *"}, 1);
  judge(f16, {"fuse *", "vectorize g0 vector=8", "persist g0"}, 3);
  judge({"",
         "y = x + transpose(z, 0, 1); x: bf16[M,N]; z: f32[N,M]; M=20; N=28",
         {},
         {"d0=1,d1=1", "d0=7,d1=5"}},
        {"fuse *", "vectorize g0 vector=4"}, 1);
  judge({"", "y = where(x > 2, x % 3, x // 2); x: i32[N] ~ randint(-9,9); N=100", {}, {"d0=1"}},
        {"fuse *"}, 1);
  judge({"", "y = cat([x, z], dim=1) * 2; x: f32[M,N]; z: f32[M,3]; M=10; N=5", {}, {"d0=1,d1=1"}},
        {"fuse *"}, 1);
}

TEST_CASE("row options") {
  if (missing()) return;
  const std::vector<const char*> dims = {"d0=1,d1=1", "d0=37,d1=53"};
  const Probe softmax = {"", "y = softmax(x, dim=-1); x: f32[M,N]; M=40; N=256", {}, dims};
  judge(softmax, {"fuse *"}, 2);
  judge(softmax, {"fuse *", "vectorize g0 vector=4"}, 1);
  judge(softmax, {"fuse *", "reorder g0"}, 2);
  judge(softmax, {"fuse *", "reorder g0", "stage g0"}, 1);
  const Probe argmax = {
      "", "y = argmax(x, dim=1); x: f32[M,N] ~ randint(0,5); M=4; N=3000", {}, dims};
  judge(argmax, {}, 1);
  judge(argmax, {"tile g0", "vectorize g0 vector=4"}, 2);
  judge(argmax, {"tile g0", "split g0 ways=16"}, 1);
  judge({"", "v, i = max(x, dim=1); x: f32[M,N]; M=16; N=300", {}, dims},
        {"fuse *", "vectorize g0 vector=4"}, 1);
  judge({"", "y = sum(x); x: f32[M,N]; M=64; N=100", {}, dims},
        {"tile g0", "split g0 ways=64", "vectorize g0 vector=4"}, 1);
  judge({"", "y = mean(x, dim=0); x: f32[M,N]; M=64; N=100", {}, dims}, {"fuse *", "reorder g0"},
        2);
}

TEST_CASE("normalisations are one kernel") {
  if (missing()) return;
  judge({"",
         "y = layer_norm(x, [N], g, b); x: f32[M,N]; g: f32[N]; b: f32[N]; M=16; N=768",
         {},
         {"d0=1,d1=1", "d0=37,d1=53"}},
        {"fuse *", "vectorize g0 vector=4", "stage g0"}, 2);
  judge({"",
         "y = rms_norm(x, [N], g); x: f32[M,N]; g: f32[N]; M=21; N=769",
         {},
         {"d0=1,d1=1", "d0=37,d1=53"}},
        {"fuse *", "vectorize g0 vector=4", "stage g0"}, 2);
  judge({"",
         "y = rms_norm(x, [N], g); x: f16[M,N]; g: f16[N]; M=21; N=512",
         {},
         {"d0=1,d1=1", "d0=37,d1=53"}},
        {"fuse *", "vectorize g0 vector=8", "stage g0"}, 2);
  judge({"",
         "y = group_norm(x, 4, w, b); x: f32[B,C,H,W]; w: f32[C]; b: f32[C]; B=2; C=8; H=6; W=6",
         {},
         {"d0=1,d1=4,d2=3,d3=1"}},
        {"fuse *", "vectorize g0 vector=4", "stage g0"}, 2);
  judge({"",
         "y = batch_norm(x, None, None, w, b, training=True); x: f32[B,C,H,W]; w: f32[C]; b: "
         "f32[C]; B=2; C=8; H=6; W=6",
         {},
         {"d0=3,d1=1,d2=2,d3=5"}},
        {"fuse *", "vectorize g0 vector=4"}, 1);
  judge({"",
         "z = x + r; y = layer_norm(z, [N]); return y, z; x: f32[M,N]; r: f32[M,N]; M=16; N=64",
         {},
         {"d0=1,d1=1"}},
        {"fuse *", "stage g0"}, 1);
  judge({"",
         "y = log_softmax(x, dim=1); x: f16[B,C,H]; B=4; C=8; H=64",
         {},
         {"d0=1,d1=1,d2=1", "d0=3,d1=5,d2=7"}},
        {"fuse *", "reorder g0", "stage g0"}, 1);
}

TEST_CASE("matmul options") {
  if (missing()) return;
  const std::vector<const char*> dims = {"d0=1,d1=1,d2=1", "d0=37,d1=29,d2=53"};
  const Probe nn = {"", "y = x @ w; x: f32[M,K]; w: f32[K,N]; M=128; N=128; K=32", {}, dims};
  judge(nn, {"tile g0"}, 5);
  judge(nn, {"tile g0", "vectorize g0 vector=4"}, 2);
  judge(nn, {"tile g0", "stage g0", "reorder g0"}, 1);
  const Probe tn = {
      "", "y = transpose(x, 0, 1) @ w; x: f32[K,M]; w: f32[K,N]; M=64; N=64; K=32", {}, dims};
  judge(tn, {"fuse *", "tile g0", "vectorize g0 vector=4", "stage g0"}, 2);
  judge(
      {"", "y = gelu(x @ w + b); x: f16[M,K]; w: f16[K,N]; b: f16[N]; M=32; N=64; K=256", {}, dims},
      {"fuse *", "tile g0", "split g0 ways=4", "vectorize g0 vector=4", "stage g0"}, 1);
  judge({"", "y = x @ w; x: f64[M,K]; w: f64[K,N]; M=64; N=64; K=32", {}, dims},
        {"tile g0", "vectorize g0 vector=4", "stage g0"}, 1);
  judge({"",
         "y = bmm(x, transpose(w, 1, 2)); x: f32[B,M,K]; w: f32[B,N,K]; B=3; M=64; N=64; K=32",
         {},
         {"d0=2,d1=37,d2=29,d3=53", "d0=1,d1=1,d2=1,d3=1"}},
        {"fuse *", "tile g0", "vectorize g0 vector=4", "stage g0", "reorder g0"}, 1);
  judge({"", "y = x @ w; x: f32[M,K]; w: f32[K]; M=64; K=640", {}, {"d0=37,d1=29", "d0=1,d1=1"}},
        {"tile g0", "vectorize g0 vector=4"}, 1);
}

TEST_CASE("tensor cores") {
  if (missing()) return;
  const std::vector<const char*> dims = {"d0=1,d1=1,d2=1", "d0=37,d1=29,d2=53",
                                         "d0=70,d1=72,d2=136"};
  judge({"", "y = x @ w; x: f16[M,K]; w: f16[K,N]; M=128; N=128; K=64", {}, dims},
        {"tile g0", "tensorize g0"}, 5);
  judge({"",
         "y = gelu(linear(x, w, b)); x: bf16[M,K]; w: bf16[N,K]; b: bf16[N]; M=128; N=256; K=96",
         {},
         dims},
        {"fuse *", "tile g0", "tensorize g0", "stage g0", "reorder g0"}, 1);
  judge({"", "y = transpose(x, 0, 1) @ w; x: f16[K,M]; w: f16[K,N]; M=128; N=128; K=64", {}, dims},
        {"fuse *", "tile g0", "tensorize g0", "split g0 ways=4"}, 1);
  judge({"",
         "y = relu(conv2d(x, w, b, padding=1)); x: f16[B,C,H,W]; w: f16[O,C,3,3]; b: f16[O]; B=2; "
         "C=8; H=10; W=10; O=32",
         {},
         {"d0=1,d1=1,d2=1,d3=1,d4=1", "d0=1,d1=3,d2=5,d3=7,d4=9"}},
        {"fuse *", "tile g0", "tensorize g0"}, 1);
  // Neighbours of a guarded or strided row are gathered by eight.
  for (const char* line :
       {"y = relu(conv2d(x, w, b, padding=1)); x: f16[B,C,H,W]; w: f16[O,C,3,3]; b: f16[O]; B=2; "
        "C=16; H=16; W=16; O=32",
        "y = relu(conv2d(x, w, stride=2, padding=1)); x: bf16[B,C,H,W]; w: bf16[O,C,3,3]; B=2; "
        "C=16; H=16; "
        "W=16; O=32"})
    judge({"", line, {}, {"d0=1,d1=3,d2=5,d3=7,d4=9", "d0=3,d1=16,d2=9,d3=32,d4=24"}},
          {"fuse *", "tile g0", "tensorize g0", "swizzle g0"}, 2);
}

TEST_CASE("swizzled tiles") {
  if (missing()) return;
  const std::vector<const char*> dims = {"d0=1,d1=1,d2=1", "d0=37,d1=29,d2=53",
                                         "d0=70,d1=72,d2=136"};
  const Problem problem("y = x @ w; x: f16[M,K]; w: f16[K,N]; M=128; N=128; K=128");
  // Rows of 2, 4, 8 and 16 chunks, along k for A and along n for B.
  for (const int k : {16, 32, 64})
    for (const auto& [m, n] : {std::pair{16, 128}, {64, 16}, {32, 64}}) {
      const auto candidate = after(problem, {"tile g0", "tensorize g0", "swizzle g0"});
      const kernel::Configuration c = {{"G0_BLOCK_M", m},
                                       {"G0_BLOCK_N", n},
                                       {"G0_BLOCK_K", k},
                                       {"G0_WARPS_M", 1},
                                       {"G0_WARPS_N", 1}};
      INFO(m << " x " << n << " x " << k);
      const std::string ptx = nvrtc().ptx(candidate.sources, c);
      for (const auto& at : bindings(problem, dims)) {
        const Run result = run(problem, candidate, c, ptx, at);
        CHECK(result.mismatch == "");
        if (at != problem.region.op.binding()) continue;
        // No bank conflicts: a 16-byte access of a warp is four wavefronts.
        const auto& p = result.profiles.at(0);
        CHECK(p.shared_load.wavefronts == 4 * p.shared_load.requests);
        CHECK(p.shared_store.wavefronts == 4 * p.shared_store.requests);
      }
    }
  judge(
      {"", "y = transpose(x, 0, 1) @ w; x: bf16[K,M]; w: bf16[K,N]; M=128; N=128; K=64", {}, dims},
      {"fuse *", "tile g0", "tensorize g0", "swizzle g0", "stage g0"}, 3);
}

TEST_CASE("a ring of asynchronous copies") {
  if (missing()) return;
  const std::vector<const char*> dims = {"d0=1,d1=1,d2=1", "d0=37,d1=29,d2=53",
                                         "d0=70,d1=72,d2=136"};
  const std::vector<std::string> steps = {"fuse *", "tile g0", "tensorize g0", "pipeline g0"};
  const auto with = [&](const char* step) {
    auto list = steps;
    list.push_back(step);
    return list;
  };
  judge({"",
         "y = gelu(linear(x, w, b)); x: bf16[M,K]; w: bf16[N,K]; b: bf16[N]; M=128; N=256; K=192",
         {},
         dims},
        steps, 3);
  judge({"", "y = transpose(x, 0, 1) @ w; x: f16[K,M]; w: f16[K,N]; M=128; N=128; K=160", {}, dims},
        with("split g0 ways=4"), 2);
  judge({"",
         "y = bmm(x, transpose(w, 1, 2)); x: f16[B,M,K]; w: f16[B,N,K]; B=3; M=64; N=64; K=64",
         {},
         {"d0=2,d1=37,d2=29,d3=53", "d0=1,d1=1,d2=1,d3=1"}},
        with("reorder g0"), 1);
  // What a guard or a step forbids to copy passes through registers.
  for (const char* line :
       {"y = relu(conv2d(x, w, b, padding=1)); x: f16[B,C,H,W]; w: f16[O,C,3,3]; b: f16[O]; B=2; "
        "C=16; H=16; W=16; O=32",
        "y = relu(conv2d(x, w, stride=2, padding=1)); x: bf16[B,C,H,W]; w: bf16[O,C,3,3]; B=2; "
        "C=16; H=16; W=16; O=32"})
    judge({"", line, {}, {"d0=1,d1=3,d2=5,d3=7,d4=9", "d0=3,d1=16,d2=9,d3=32,d4=24"}}, steps, 2);

  // Every depth; neither copies nor reads have bank conflicts.
  const Problem problem("y = x @ w; x: f16[M,K]; w: f16[K,N]; M=128; N=128; K=448");
  const auto candidate = after(problem, {"tile g0", "tensorize g0", "pipeline g0"});
  for (const int stages : {2, 3, 4, 6})
    for (const int k : {32, 64}) {
      auto c = candidate.configuration;
      c["G0_BLOCK_M"] = c["G0_BLOCK_N"] = 64;
      c["G0_BLOCK_K"] = k;
      c["G0_WARPS_M"] = 2;
      c["G0_WARPS_N"] = 1;
      c["G0_STAGES"] = stages;
      INFO(stages << " stages of " << k);
      const std::string ptx = nvrtc().ptx(candidate.sources, c);
      for (const auto& at : bindings(problem, {"d0=64,d1=40,d2=64", "d0=64,d1=8,d2=64"})) {
        const Run result = run(problem, candidate, c, ptx, at);
        CHECK(result.mismatch == "");
        const auto& p = result.profiles.at(0);
        CHECK(p.shared_load.wavefronts == 4 * p.shared_load.requests);
        CHECK(p.shared_store.wavefronts == 4 * p.shared_store.requests);
      }
    }
}

TEST_CASE("the parts of a product are added by several threads") {
  if (missing()) return;
  const Problem problem("y = relu(x @ w); x: f32[M,K]; w: f32[K,N]; M=32; N=36; K=512");
  const auto candidate = after(problem, {"fuse *", "tile g0", "split g0 ways=64"});
  CHECK(candidate.configuration.at("G0_LANES") == 32);
  for (const auto& [parts, lanes] : {std::pair{64, 16}, {64, 1}, {4, 32}, {2, 2}, {128, 8}}) {
    auto c = candidate.configuration;
    c["G0_PARTS"] = parts;
    c["G0_LANES"] = lanes;
    INFO(parts << " parts by " << lanes);
    const std::string ptx = nvrtc().ptx(candidate.sources, c);
    for (const auto& at : bindings(problem, {"d0=1,d1=1,d2=1", "d0=37,d1=53,d2=29"}))
      CHECK(run(problem, candidate, c, ptx, at).mismatch == "");
  }
}

TEST_CASE("an argmax meets NaN, infinities and equals") {
  if (missing()) return;
  const std::vector<const char*> dims = {"d0=1,d1=1", "d0=37,d1=53"};
  for (const char* line :
       {"y = argmax(log(x), dim=1); x: f32[M,N] ~ randint(-1,3); M=24; N=64",  // NaN, -inf
        "y = argmax(log(x), dim=1); x: f32[M,N] ~ randint(0,1); M=8; N=64",    // -inf alone
        "y = argmin(1 / x, dim=1); x: f32[M,N] ~ randint(-1,2); M=24; N=64",   // inf
        "y = argmin(sqrt(x) / x, dim=1); x: f16[M,N] ~ randint(-1,3); M=24; N=64",
        "y = argmax(x * 2, dim=1); x: i32[M,N] ~ randint(-2,3); M=24; N=64",
        "y = argmax(0 - sqrt(x), dim=1); x: f64[M,N] ~ randint(-1,3); M=24; N=64"}) {
    judge({"", line, {}, dims}, {"fuse *"}, 2);
    judge({"", line, {}, dims}, {"fuse *", "vectorize g0 vector=4"}, 1);
  }
  const char* line = "y = argmax(log(x), dim=1); x: f32[M,N] ~ randint(-1,3); M=3; N=3000";
  judge({"", line, {}, dims}, {"fuse *", "split g0 ways=16"}, 1);
}

TEST_CASE("convolutions") {
  if (missing()) return;
  judge({"",
         "y = relu(conv2d(x, w, b, stride=2, padding=1)); x: f32[B,C,H,W]; w: f32[O,C,3,3]; b: "
         "f32[O]; B=2; C=4; H=14; W=14; O=32",
         {},
         {"d0=1,d1=1,d2=1,d3=1,d4=1", "d0=1,d1=3,d2=5,d3=7,d4=9"}},
        {"fuse *"}, 1);
  judge({"",
         "y = conv2d(x, w, groups=2); x: f32[B,4,H,W]; w: f32[6,2,3,3]; B=2; H=14; W=14",
         {},
         {"d0=1,d1=5,d2=7"}},
        {"tile g0"}, 1);
  judge({"",
         "y = conv1d(x, w, dilation=2); x: f32[B,C,T]; w: f32[O,C,3]; B=2; C=3; T=40; O=8",
         {},
         {"d0=1,d1=1,d2=5,d3=1"}},
        {"tile g0", "stage g0"}, 1);
}

// Issue slots are what an emulated product is bound by: at least three quarters must be
// multiply-adds.
TEST_CASE("the big tile's instructions are mostly multiply-adds") {
  if (missing()) return;
  const Problem problem("y = x @ w; x: f32[M,K]; w: f32[K,N]; M=256; N=256; K=256");
  const auto candidate = after(problem, {"tile g0", "vectorize g0 vector=4", "stage g0"});
  auto configuration = candidate.configuration;
  for (auto [name, value] : {std::pair{"M", 128}, {"N", 128}, {"K", 8}})
    configuration[std::string("G0_BLOCK_") + name] = value;
  configuration["G0_THREAD_M"] = configuration["G0_THREAD_N"] = 8;
  const Run result =
      run(problem, candidate, configuration, nvrtc().ptx(candidate.sources, configuration),
          problem.region.op.binding());
  CHECK(result.mismatch == "");
  const auto& counts = result.profiles.at(0).warp_instructions;
  double total = 0;
  for (auto c : counts) total += static_cast<double>(c);
  const double multiply_adds = 256.0 * 256 * 256 / 32;
  CHECK(multiply_adds / total > 0.75);
}
