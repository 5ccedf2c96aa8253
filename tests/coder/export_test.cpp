// Exported files: the loop nest against op::Reference on the host, and the whole through nvcc where
// there is one.
#include "coder/export_cu.hpp"

#include <stdlib.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "coder/probes.hpp"
#include "coder/workbench.hpp"

using namespace mtmc;
using namespace mtmc::coder::test;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/mtmc-export-XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

bool has(const char* program) {
  return std::system((std::string("command -v ") + program + " > /dev/null 2>&1").c_str()) == 0;
}

std::string exported(const Problem& problem, const kernel::Candidate& candidate) {
  auto text = coder::export_cu(problem.task(), candidate);
  if (!text) FAIL(text.error().message);
  return *text;
}

}  // namespace

TEST_CASE("an exported loop nest says what the reference says") {
  if (!has("g++")) {
    WARN("skipped: no g++");
    return;
  }
  const char* const lines[] = {
      "y = gelu(x @ transpose(w, 0, 1) + b); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=9; N=7; K=11",
      "y = softmax(x, dim=-1); x: f16[M,N] ~ uniform(-2,2); M=5; N=33",
      "y = relu(conv2d(x, w, b, stride=2, padding=1)); x: f32[B,C,H,W]; w: f32[O,C,3,3]; b: "
      "f32[O]; B=2; C=3; H=7; W=6; O=4",
      "v, i = max(x, dim=1); x: f32[M,N] ~ randint(0,5); M=6; N=13",
      "y = where(x > 2, x % 3, x // 2); x: i32[N] ~ randint(-9,9); N=50",
      "y = conv2d(x, w, padding=1, groups=C); x: f32[B,C,H,W] channels_last; w: f32[C,1,3,3]; B=2; "
      "C=3; H=5; W=6",
      "y = layer_norm(x, [N], g); x: bf16[M,N]; g: bf16[N]; M=4; N=20",
  };
  const Folder folder;
  for (const char* line : lines) {
    INFO(line);
    const Problem problem(line);
    const std::string source = folder.path + "/e.cu", program = folder.path + "/e";
    std::ofstream(source) << exported(problem, after(problem, {}));
    REQUIRE(std::system(("g++ -std=c++17 -O1 -x c++ -DMTMC_HOST_ONLY " + source + " -o " + program)
                            .c_str()) == 0);
    REQUIRE(std::system((program + " > " + folder.path + "/out").c_str()) == 0);
    auto reference =
        op::Reference::create_seeded(problem.region.op, problem.lowering, problem.lowering.dims, 1);
    REQUIRE(reference);
    std::map<std::string, int> outputs;
    for (std::size_t t = 0; t < problem.lowering.tensors.size(); ++t)
      if (problem.lowering.tensors[t].kind == op::Tensor::Kind::output)
        outputs[problem.lowering.tensors[t].name] = static_cast<int>(t);
    std::ifstream in(folder.path + "/out");
    std::string name;
    long long at = 0;
    double value = 0;
    int count = 0;
    while (in >> name >> at >> value) {
      const std::int64_t index[] = {at};
      auto want = reference->evaluate(outputs.at(name), index);
      REQUIRE(want);
      INFO(name << "[" << at << "]");
      CHECK(value == Approx((*want)[0].value).epsilon(1e-12).margin(1e-300));
      ++count;
    }
    CHECK(count >= 12);
  }
}

TEST_CASE("an exported file stands alone") {
  const Problem problem(probes()[2].line);
  const std::string text = exported(problem, after(problem, probes()[2].steps));
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    CHECK(line.find("#include \"") == std::string::npos);
  CHECK(text.find("#define G0_BLOCK_M ") != std::string::npos);
  CHECK(text.find("int main()") != std::string::npos);
}

TEST_CASE("what cannot be exported is an error") {
  const Problem problem(probes()[0].line);
  auto candidate = after(problem, {});
  candidate.recipe.run.push_back(
      {kernel::Library{"cublaslt", "matmul", {}, "{}"}, std::nullopt, std::nullopt});
  auto text = coder::export_cu(problem.task(), candidate);
  REQUIRE_FALSE(text);
  CHECK(text.error().message.find("library steps") != std::string::npos);
  candidate.recipe.run.clear();
  CHECK_FALSE(coder::export_cu(problem.task(), candidate));
}

TEST_CASE("nvcc compiles exported files", "[slow]") {
  if (!has("nvcc")) {
    WARN("skipped: no nvcc");
    return;
  }
  const Folder folder;
  for (const auto& probe : probes()) {
    INFO(probe.name);
    const Problem problem(probe.line);
    const std::string source = folder.path + "/" + probe.name + ".cu";
    std::ofstream(source) << exported(problem, after(problem, probe.steps));
    CHECK(std::system(("nvcc -std=c++17 -arch=sm_90a -o " + folder.path + "/a.out " + source +
                       " > " + folder.path + "/log 2>&1")
                          .c_str()) == 0);
  }
}
