// mtmc emulate from outside: the contract that scripts rely on, and what it is fed badly.
#include <catch2/catch.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "cli/run_tool.hpp"

using mtmc::test::has_nvrtc;
using mtmc::test::Home;
using mtmc::test::run_tool;
using nlohmann::json;

namespace {

void write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// PTX, so that these tests need no compiler: y[i] = x[i] + x[i] for i < n; then `extra`.
std::string twice(const std::string& extra = "") {
  return R"(.version 8.0
.target sm_80
.address_size 64
.visible .entry twice(.param .u64 x, .param .u64 y, .param .u32 n) {
  .reg .pred %p<3>; .reg .b32 %r<9>; .reg .b64 %rd<9>; .reg .f32 %f<4>;
  ld.param.u64 %rd1, [x];
  ld.param.u64 %rd2, [y];
  ld.param.u32 %r1, [n];
  cvta.to.global.u64 %rd3, %rd1;
  cvta.to.global.u64 %rd4, %rd2;
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.s32 %r5, %r2, %r3, %r4;
  setp.ge.s32 %p1, %r5, %r1;
  @%p1 bra DONE;
  mul.wide.s32 %rd5, %r5, 4;
  add.s64 %rd6, %rd3, %rd5;
  ld.global.f32 %f1, [%rd6];
  add.rn.f32 %f2, %f1, %f1;
  add.s64 %rd7, %rd4, %rd5;
  st.global.f32 [%rd7], %f2;
)" + extra +
         R"(
DONE:
  ret;
}
)";
}

std::string recipe(const std::string& grid = "ceil_div(N, 128)", const std::string& n = "N",
                   const std::string& size = "N") {
  return R"({"buffers": [{"name": "x", "role": "input", "dtype": "f32", "shape": [")" + size +
         R"("], "fill": "value", "fill_value": 1.5}, {"name": "y", "role": "output", "dtype": "f32", "shape": [")" +
         size + R"("]}], "run": [{"launch": {"kernel": "twice", "grid": [")" + grid +
         R"("], "block": [128], "args": [{"buffer": "x"}, {"buffer": "y"}, {"scalar": "i32", "value": ")" +
         n + R"("}]}}]})";
}

}  // namespace

TEST_CASE("emulate prints faults, counters, occupancy, modelled time and outputs") {
  Home home;
  write(home.file("k.ptx"), twice());
  write(home.file("r.json"), recipe());
  const auto r =
      run_tool("emulate k.ptx --recipe r.json --dim N=1000 --json --output y=y.bin", home.path());
  INFO(r.err);
  REQUIRE(r.exit_code == 0);
  const json out = json::parse(r.out);
  CHECK(out["faults"] == json::array());
  CHECK(out["counters"]["global_store_sectors"] == 125);
  CHECK(out["occupancy"]["fraction"] == 1.0);
  CHECK(out["modelled_ns"].get<double>() > 0);
  CHECK(out["modelled_parts"].is_object());
  CHECK(out["outputs"]["y"]["first"][0] == 3.0);
  CHECK(out["outputs"]["y"]["hash"].get<std::string>().size() == 64);
  CHECK(read(home.file("y.bin")).size() == 4000);
  // The same for any number of threads, and from the bytes that another run wrote.
  const auto two =
      run_tool("emulate k.ptx --recipe r.json --dim N=1000 --json --threads 2", home.path());
  CHECK(two.out == r.out);
  const auto again =
      run_tool("emulate k.ptx --recipe r.json --dim N=1000 --json --input x=y.bin", home.path());
  CHECK(json::parse(again.out)["outputs"]["y"]["first"][0] == 6.0);
}

TEST_CASE("emulate names a fault's place and exits with 1") {
  Home home;
  write(home.file("k.ptx"), twice("  st.global.f32 [%rd7+4], %f2;\n"));
  write(home.file("r.json"), recipe());
  const auto r =
      run_tool("emulate k.ptx --recipe r.json --dim N=256 --check bounds --json", home.path());
  REQUIRE(r.exit_code == 1);
  const json out = json::parse(r.out);
  REQUIRE(out["faults"].size() == 1);
  const json fault = out["faults"][0];
  CHECK(fault["kind"] == "out_of_bounds");
  CHECK(fault["kernel"] == "twice");
  CHECK(fault["block"] == json({1, 0, 0}));
  CHECK(fault["thread"] == json({127, 0, 0}));
  CHECK(fault["message"].get<std::string>().find("'y'") != std::string::npos);
  CHECK(fault.contains("file"));
  CHECK(fault.contains("line"));
}

TEST_CASE("emulate stops an endless loop at its budget") {
  Home home;
  write(home.file("k.ptx"), twice("AGAIN:\n  bra AGAIN;\n"));
  write(home.file("r.json"), recipe());
  const auto r =
      run_tool("emulate k.ptx --recipe r.json --dim N=256 --budget 100000 --json", home.path());
  CHECK(r.exit_code == 1);
  CHECK(json::parse(r.out)["faults"][0]["kind"] == "budget_exceeded");
}

TEST_CASE("emulate answers bad input with one line and exit code 2") {
  Home home;
  write(home.file("k.ptx"), twice());
  write(home.file("cut.ptx"), twice().substr(0, 400));
  write(home.file("r.json"), recipe());
  write(home.file("zero.json"), recipe("N / (N - N)"));
  write(home.file("overflow.json"), recipe("1", "N", "N * N * N * N * N * N * N"));
  write(home.file("scalar.json"), recipe("1", "N * 4000000"));
  write(home.file("none.json"), recipe("N - N"));
  write(home.file("many.json"), recipe("2147483648"));
  write(home.file("text.json"), "not JSON");
  const auto refused = [&](const std::string& arguments) {
    const auto r = run_tool("emulate " + arguments, home.path());
    INFO(arguments << ": " << r.err);
    CHECK(r.exit_code == 2);
    CHECK(std::count(r.err.begin(), r.err.end(), '\n') == 1);
    CHECK(r.out.empty());
  };
  refused("missing.ptx --recipe r.json");
  refused("k.ptx --recipe missing.json");
  refused("k.ptx --recipe text.json");
  refused("k.ptx --recipe r.json");  // N is unknown
  refused("k.ptx --recipe r.json --dim N");
  refused("k.ptx --recipe r.json --dim N=many");
  refused("k.ptx --recipe r.json --dim N=256 --arch sm_1");
  refused("k.ptx --recipe r.json --dim N=256 --device nothing");
  refused("k.ptx --recipe r.json --dim N=256 --check some");
  refused("k.ptx --recipe r.json --dim N=256 --threads 0");
  refused("k.ptx --recipe r.json --dim N=256 --input z=k.ptx");
  refused("k.ptx --recipe r.json --dim N=256 --input x=k.ptx");  // of another size
  refused("k.ptx --recipe r.json --dim N=256 --output z=z.bin");
  refused("k.ptx --recipe zero.json --dim N=256");
  refused("k.ptx --recipe overflow.json --dim N=99999999");
  refused("k.ptx --recipe scalar.json --dim N=256000");
  refused("k.ptx --recipe none.json --dim N=256");
  refused("k.ptx --recipe many.json --dim N=256");
}

TEST_CASE("emulate says that more memory is asked for than there is") {
  Home home;
  write(home.file("k.ptx"), twice());
  write(home.file("r.json"), recipe("1", "256"));
  const auto r = run_tool("emulate k.ptx --recipe r.json --dim N=9000000000", home.path());
  CHECK(r.exit_code == 3);
  CHECK(r.err.find("device memory") != std::string::npos);
}

TEST_CASE("emulate reports PTX that it cannot run as a fault") {
  Home home;
  std::string ptx = twice();
  ptx.replace(ptx.find("add.rn.f32"), 10, "add.xx.f32");
  write(home.file("k.ptx"), ptx);
  write(home.file("cut.ptx"), twice().substr(0, 400));
  write(home.file("r.json"), recipe());
  for (const char* file : {"k.ptx", "cut.ptx"}) {
    const auto r = run_tool(std::string("emulate ") + file + " --recipe r.json --dim N=256 --json",
                            home.path());
    CHECK(r.exit_code == 1);
    CHECK(json::parse(r.out)["faults"][0]["kind"] == "unsupported");
  }
}

TEST_CASE("emulate compiles a .cu file, with macros and architectures") {
  if (!has_nvrtc()) return;
  Home home;
  write(home.file("k.cu"), R"(extern "C" __global__ void twice(const float* x, float* y, int n) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i + OFF] = x[i] + x[i];
}
)");
  write(home.file("r.json"), recipe());
  for (const char* architecture : {"sm_80", "sm_90a"}) {
    const auto r = run_tool(
        std::string("emulate k.cu --recipe r.json --dim N=256 --define OFF=1 --json --arch ") +
            architecture,
        home.path());
    INFO(r.err);
    REQUIRE(r.exit_code == 1);
    const json fault = json::parse(r.out)["faults"][0];
    CHECK(fault["file"] == "k.cu");
    CHECK(fault["line"] == 3);
    CHECK(run_tool(std::string("emulate k.cu --recipe r.json --dim N=256 --define OFF=0 --arch ") +
                       architecture,
                   home.path())
              .exit_code == 0);
  }
  write(home.file("bad.cu"), "what is this");
  const auto bad = run_tool("emulate bad.cu --recipe r.json --dim N=256", home.path());
  CHECK(bad.exit_code == 2);
  CHECK(bad.err.find("bad.cu:1") != std::string::npos);
}

TEST_CASE("emulate counts what each source line did, hottest first") {
  Home home;
  std::string ptx = twice();
  ptx.replace(ptx.find("  ld.param.u64 %rd1"), 0, "  .loc 1 2 1\n");
  ptx.replace(ptx.find("  ld.global"), 0, "  .loc 1 3 1\n");
  write(home.file("k.ptx"), ptx + ".file 1 \"k.cu\"\n");
  write(home.file("r.json"), recipe());
  const auto r = run_tool("emulate k.ptx --recipe r.json --dim N=1000 --json", home.path());
  INFO(r.err);
  REQUIRE(r.exit_code == 0);
  const json lines = json::parse(r.out)["lines"];
  REQUIRE(lines.size() == 2);
  // 8 blocks of 4 warps execute 13 instructions of line 2 and 5 of line 3, which moves 4000 bytes
  // in and out.
  CHECK(lines[0] == json{{"file", "k.cu"},
                         {"line", 2},
                         {"warp_instructions", 32 * 13},
                         {"global_sectors", 0},
                         {"shared_wavefronts", 0}});
  CHECK(lines[1] == json{{"file", "k.cu"},
                         {"line", 3},
                         {"warp_instructions", 32 * 5},
                         {"global_sectors", 250},
                         {"shared_wavefronts", 0}});
  const auto text = run_tool("emulate k.ptx --recipe r.json --dim N=1000 --lines 1", home.path());
  CHECK(text.out.find("k.cu:2") != std::string::npos);
  CHECK(text.out.find("k.cu:3") == std::string::npos);
  const auto none = run_tool("emulate k.ptx --recipe r.json --dim N=1000 --lines 0", home.path());
  CHECK(none.out.find("hot lines") == std::string::npos);
  CHECK(json::parse(
            run_tool("emulate k.ptx --recipe r.json --dim N=1000 --check none --json", home.path())
                .out)["lines"] == json::array());
}

TEST_CASE("emulate finds a missing barrier and goes on counting") {
  if (!has_nvrtc()) return;
  Home home;
  write(home.file("k.cu"), R"(extern "C" __global__ void twice(const float* x, float* y, int n) {
  __shared__ float s[128];
  s[threadIdx.x] = x[threadIdx.x];
  if (SYNC) __syncthreads();
  y[threadIdx.x] = 2 * s[127 - threadIdx.x];
}
)");
  write(home.file("r.json"), recipe("1"));
  const std::string command = "emulate k.cu --recipe r.json --dim N=128 --json --define SYNC=";
  const auto raced = run_tool(command + "0", home.path());
  INFO(raced.err);
  CHECK(raced.exit_code == 1);
  const json out = json::parse(raced.out);
  bool found = false;
  for (const auto& fault : out["faults"])
    found = found || (fault["kind"] == "shared_race" && fault["line"] == 5 &&
                      fault["message"].get<std::string>().find("k.cu:3") != std::string::npos);
  CHECK(found);
  CHECK(out["modelled_ns"].get<double>() > 0);
  CHECK(run_tool(command + "0 --check bounds", home.path()).exit_code == 0);
  const auto good = run_tool(command + "1", home.path());
  INFO(good.out << good.err);
  CHECK(good.exit_code == 0);
}

TEST_CASE("emulate keeps the first of what a kernel prints, however much it is") {
  if (!has_nvrtc()) return;
  Home home;
  write(home.file("k.cu"), R"(extern "C" __device__ int printf(const char*, ...);
extern "C" __global__ void twice(const float* x, float* y, int n) {
  for (int k = 0; k < 200; ++k) printf("thread %d, round %d: %s\n", threadIdx.x, k, "a line as long as lines are in logs");
  y[threadIdx.x] = 1;
}
)");
  write(home.file("r.json"), recipe("1"));
  const auto r = run_tool("emulate k.cu --recipe r.json --dim N=128 --json", home.path());
  INFO(r.err);
  REQUIRE(r.exit_code == 0);
  const json out = json::parse(r.out);
  CHECK(out["printed"].get<std::string>().starts_with("thread 0, round 0: a line"));
  CHECK(out["printed"].get<std::string>().size() <= 1 << 20);
  CHECK(out["printed_dropped"].get<std::uint64_t>() > 0);
}
