#include "compiler/compiler.hpp"

#include <algorithm>
#include <thread>

#include "compiler/cubin.hpp"
#include "support.hpp"

using namespace mtmc;
using namespace mtmc::compiler;
using namespace mtmc::compiler::test;

namespace {

constexpr const char* kRowSum = R"(
extern "C" __global__ void __launch_bounds__(256) row_sum(const float* x, float* y, int n) {
  __shared__ float part[256];
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += 256) sum += x[(size_t)blockIdx.x * n + i];
  part[threadIdx.x] = sum;
  __syncthreads();
  for (int step = 128; step > 0; step >>= 1) {
    if (threadIdx.x < step) part[threadIdx.x] += part[threadIdx.x + step];
    __syncthreads();
  }
  if (threadIdx.x == 0) y[blockIdx.x] = part[0];
}
)";

// 128 live values per thread do not fit the 64 registers that 1024 threads leave each.
constexpr const char* kSpilling = R"(
extern "C" __global__ void __launch_bounds__(1024) spill(float* x, int rounds) {
  float v[128];
  #pragma unroll
  for (int i = 0; i < 128; ++i) v[i] = x[i * 1024 + threadIdx.x];
  for (int r = 0; r < rounds; ++r) {
    #pragma unroll
    for (int i = 0; i < 128; ++i) v[i] = v[i] * v[(i * 37 + 1) % 128] + 1;
  }
  #pragma unroll
  for (int i = 0; i < 128; ++i) x[i * 1024 + threadIdx.x] = v[i];
}
)";

}  // namespace

TEST_CASE("every architecture that NVRTC lists gives PTX, machine code and agreeing facts") {
  Compiler& compiler = shared_compiler();
  CHECK(contains(compiler.version(), "(V1"));
  CHECK(std::count(compiler.architectures().begin(), compiler.architectures().end(), "sm_90a") ==
        1);
  REQUIRE(compiler.architectures().size() >= 10);
  for (const std::string& architecture : compiler.architectures()) {
    INFO(architecture);
    const Binary binary = must_compile(compiler, request(kRowSum, architecture));
    CHECK(contains(binary.ptx, ".target " + architecture));
    CHECK(binary.ptx.back() != '\0');
    CHECK(binary.cubin.substr(1, 3) == "ELF");
    REQUIRE(binary.kernels.size() == 1);
    const KernelFacts& facts = binary.kernels[0];
    CHECK(facts.name == "row_sum");
    CHECK(facts.registers >= 8);
    CHECK(facts.registers <= 64);
    CHECK(facts.static_shared_bytes == 1024);
    CHECK(facts.barriers == 1);
    CHECK(facts.max_threads == 256);
    CHECK(facts.code_bytes > 100);
    CHECK(facts.spill_store_bytes == 0);
    CHECK_FALSE(contains(binary.log, "mtmc:"));  // machine code and log agree
    CHECK_FALSE(contains(binary.log, std::string(1, '\0')));
    CHECK_FALSE(contains(binary.log, "Compile time"));
  }
}

TEST_CASE("spills, stack and several kernels are told apart") {
  for (const char* architecture : {"sm_75", "sm_80", "sm_90a", "sm_100a", "sm_120"}) {
    INFO(architecture);
    const Binary binary =
        must_compile(shared_compiler(), request(std::string(kRowSum) + kSpilling, architecture));
    REQUIRE(binary.kernels.size() == 2);
    CHECK(binary.kernels[0].name == "row_sum");
    CHECK(binary.kernels[0].spill_store_bytes == 0);
    const KernelFacts& spill = binary.kernels[1];
    CHECK(spill.name == "spill");
    CHECK(spill.registers <= 64);
    CHECK(spill.stack_bytes > 0);
    CHECK(spill.spill_store_bytes > 0);
    CHECK(spill.spill_load_bytes > 0);
    CHECK(spill.static_shared_bytes == 0);
    CHECK(spill.max_threads == 1024);
    CHECK_FALSE(contains(binary.log, "mtmc:"));
  }
}

TEST_CASE("a virtual target gives PTX only, the same as the real one's") {
  const Binary virtual_target = must_compile(shared_compiler(), request(kRowSum, "compute_80"));
  const Binary real_target = must_compile(shared_compiler(), request(kRowSum, "sm_80"));
  CHECK(virtual_target.cubin.empty());
  CHECK(virtual_target.kernels.empty());
  CHECK(virtual_target.ptx == real_target.ptx);
}

TEST_CASE("a compile error is a value with file, line and message") {
  CompileRequest wanted = request("#include \"part.cuh\"\n\n__global__ void k() { int x = y; }\n");
  wanted.sources.push_back({"part.cuh", "// fine\n__device__ float f() { return g(1); }\n"});
  const CompileFailure failure = must_fail(shared_compiler(), wanted);
  CHECK(failure.kind == CompileFailure::Kind::compile_error);
  std::vector<Diagnostic> errors;
  for (const Diagnostic& found : failure.diagnostics)
    if (found.severity == Diagnostic::Severity::error) errors.push_back(found);
  REQUIRE(errors.size() == 2);
  CHECK(errors[0].file == "part.cuh");
  CHECK(errors[0].line == 2);
  CHECK(errors[0].message == "identifier \"g\" is undefined");
  CHECK(errors[1].file == "unit.cu");
  CHECK(errors[1].line == 3);
  CHECK(errors[1].message == "identifier \"y\" is undefined");
}

TEST_CASE("the assembler's errors are told, also behind the information of -v") {
  CompileFailure failure =
      must_fail(shared_compiler(), request("__global__ void k() { asm(\"bogus.f32 1;\"); }"));
  CHECK(failure.diagnostics[0].file == "ptx");
  CHECK(failure.diagnostics[0].line > 0);
  CHECK(contains(failure.diagnostics[0].message, "bogus"));

  failure = must_fail(shared_compiler(), request(R"(extern "C" __global__ void k(float* x) {
    __shared__ float s[80000];
    s[threadIdx.x] = x[0]; __syncthreads(); x[1] = s[7]; })",
                                                 "sm_80"));
  CHECK(contains(failure.diagnostics[0].message, "uses too much shared data"));
}

TEST_CASE("options do what their fields say") {
  const std::string text =
      "extern \"C\" __global__ void k(float* x) { x[0] = x[1] * x[2] + x[3] / x[4] + VALUE; }";
  CompileRequest wanted = request(text, "compute_80");
  wanted.defines = {{"VALUE", "2.5e-1f"}};
  const std::string plain = must_compile(shared_compiler(), wanted).ptx;
  CHECK(contains(plain, "fma.rn.f32"));
  CHECK(contains(plain, "div.rn.f32"));
  wanted.strict = true;
  CHECK_FALSE(contains(must_compile(shared_compiler(), wanted).ptx, "fma.rn.f32"));
  wanted.strict = false;
  wanted.fast_math = true;
  CHECK(contains(must_compile(shared_compiler(), wanted).ptx, "div.approx"));
  wanted.fast_math = false;
  wanted.line_info = true;
  const std::string lines = must_compile(shared_compiler(), wanted).ptx;
  CHECK(contains(lines, ".loc"));
  CHECK(contains(lines, "unit.cu"));
  wanted.line_info = false;
  wanted.defines[0].second = "3.5f";
  CHECK(must_compile(shared_compiler(), wanted).ptx != plain);
}

TEST_CASE("ordinary CUDA code finds the prelude and the names of standard headers") {
  const std::string text = R"(
#include <cuda_runtime.h>
#include <cstdint>
#include <math.h>
#include <cassert>
extern "C" __global__ void k(float* x, const f16* h, bf16* b, uint8_t* bytes, int64_t n) {
  static_assert(sizeof(f16) == 2 && sizeof(bf16) == 2 && alignof(f16) == 2, "");
  static_assert(sizeof(int64_t) == 8 && sizeof(uint32_t) == 4 && sizeof(size_t) == 8, "");
  __shared__ f16 tile[32];
  assert(n > 0);
  tile[threadIdx.x % 32] = h[threadIdx.x];
  __syncthreads();
  float v = static_cast<float>(tile[(threadIdx.x + 1) % 32]);
  constexpr float kLowest = -INFINITY;
  v = v == kLowest ? 0 : v == 0 ? -INFINITY : v > FLT_MAX ? NAN : expf(v) * (float)M_PI;
  b[threadIdx.x] = bf16(v + static_cast<float>(b[threadIdx.x]));
  bytes[threadIdx.x] = (uint8_t)INT_MAX;
  x[threadIdx.x] = v;
})";
  const std::string ptx = must_compile(shared_compiler(), request(text, "sm_80")).ptx;
  CHECK(contains(ptx, "cvt.f32.f16"));
  CHECK(contains(ptx, "cvt.rn.bf16.f32"));
  CHECK(contains(ptx, "trap;"));
  CHECK_FALSE(contains(ptx, "__assertfail"));
  CHECK_FALSE(contains(must_compile(shared_compiler(), request(text, "sm_75")).ptx, "bf16.f32"));
  for (const char* architecture : {"sm_90a", "sm_120"})
    must_compile(shared_compiler(), request(text, architecture));
}

TEST_CASE("requests that no compiler should see are refused") {
  Compiler& compiler = shared_compiler();
  const auto message = [&](const CompileRequest& wanted) {
    const auto outcome = compiler.compile(wanted);
    REQUIRE_FALSE(outcome.has_value());
    CHECK(outcome.error().code == ErrorCode::bad_input);
    CHECK_FALSE(contains(outcome.error().message, "\n"));
    return outcome.error().message;
  };
  const std::uint64_t before = compiler.compiles();
  const std::string text = "__global__ void k() {}";
  for (const char* bad : {"", "90a", "sm_", "sm_42", "sm_90a ", "sm_90a\n-I/", "compute_42",
                          "native", "sm_90a,sm_80", "-arch=sm_90a"}) {
    CHECK(contains(message(request(text, bad)), "architecture"));
  }
  const auto with_define = [&](std::string name, std::string value) {
    CompileRequest wanted = request(text);
    wanted.defines = {{std::move(name), std::move(value)}};
    return wanted;
  };
  for (const char* name : {"", "1A", "A B", "A=1 -I/etc", "A\n", "A(x)", "-I", "A-", "\xc3\xa4"})
    CHECK(contains(message(with_define(name, "1")), "not an identifier"));
  for (const char* value : {"1\n#include \"/etc/passwd\"", "1 --pre-include=/etc/passwd", "\"x\"",
                            "a;b", "f(x)", "1\r", "/etc/passwd"}) {
    CHECK(contains(message(with_define("A", value)), "has the value"));
  }
  CHECK(contains(message(with_define("A", std::string("1\0x", 3))), "has the value"));
  for (const char* name :
       {"", "/abs.cu", "../up.cu", "a/../../b", "-o", "new\nline", "a b", "a\"b"}) {
    CompileRequest wanted = request(text);
    wanted.sources[0].name = name;
    CHECK(contains(message(wanted), "source name"));
  }
  CompileRequest twice = request(text);
  twice.sources.push_back(twice.sources[0]);
  CHECK(contains(message(twice), "two sources"));
  CompileRequest shadow = request(text);
  shadow.sources.push_back({"mtmc_prelude.cuh", ""});
  CHECK(contains(message(shadow), "two sources"));
  CHECK(contains(message(CompileRequest{}), "without a source"));
  CompileRequest both = request(text);
  both.strict = both.fast_math = true;
  CHECK(contains(message(both), "exclude"));
  CHECK(contains(message(request(std::string(17 << 20, ' '))), "bytes"));
  CHECK(compiler.compiles() == before);
}

TEST_CASE("several threads compile at the same time") {
  CompilerSettings two = settings();
  two.max_workers = 2;
  const auto compiler = make(two);
  std::vector<std::thread> threads;
  std::vector<std::string> ptx(4);
  for (std::size_t i = 0; i < ptx.size(); ++i) {
    threads.emplace_back([&, i] {
      CompileRequest wanted =
          request("extern \"C\" __global__ void k(int* x) { x[0] = N; }", "compute_80");
      wanted.defines = {{"N", std::to_string(1000 + i)}};
      const auto outcome = compiler->compile(wanted);
      if (outcome && std::holds_alternative<Binary>(*outcome))
        ptx[i] = std::get<Binary>(*outcome).ptx;
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < ptx.size(); ++i) CHECK(contains(ptx[i], std::to_string(1000 + i)));
  CHECK(compiler->compiles() == 4);
}

TEST_CASE("a missing or useless NVRTC is unavailable, with what to do") {
  const auto why = [](const CompilerSettings& chosen) {
    const auto made = Compiler::create(chosen);
    REQUIRE_FALSE(made.has_value());
    CHECK(made.error().code == ErrorCode::unavailable);
    CHECK_FALSE(contains(made.error().message, "\n"));
    return made.error().message;
  };
  CompilerSettings chosen = settings();
  chosen.nvrtc_library = "/no/such/libnvrtc.so.13";
  CHECK(contains(why(chosen), "scripts/setup"));
  chosen.nvrtc_library = "libc.so.6";
  CHECK(contains(why(chosen), "not a usable NVRTC"));
  chosen = settings();
  chosen.tool = "/no/such/tool";
  CHECK(contains(why(chosen), "/no/such/tool"));
}

TEST_CASE("machine code that is cut or damaged is refused or read, never overrun") {
  const Binary binary = must_compile(shared_compiler(), request(kRowSum, "sm_80"));
  REQUIRE(facts_from_cubin(binary.cubin).has_value());
  CHECK_FALSE(facts_from_cubin("").has_value());
  CHECK_FALSE(facts_from_cubin("\x7f"
                               "ELF")
                  .has_value());
  for (std::size_t size = 0; size < binary.cubin.size(); size += 7)
    (void)facts_from_cubin(std::string(binary.cubin, 0, size));
  for (std::size_t at = 0; at < binary.cubin.size(); ++at) {
    std::string damaged = binary.cubin;
    damaged[at] = static_cast<char>(0xff);
    (void)facts_from_cubin(damaged);
  }
}
