// The parts that need no NVRTC: logs, search paths, the prelude on the host.
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "compiler/cubin.hpp"
#include "compiler/diagnostics.hpp"
#include "compiler/find_nvrtc.hpp"
#include "compiler/prelude.cuh"
#include "compiler/prelude.hpp"
#include "support.hpp"

using namespace mtmc;
using namespace mtmc::compiler;
using namespace mtmc::compiler::test;

TEST_CASE("all forms of diagnostics are read, and nothing else") {
  const auto found = parse_diagnostics(
      "a.cu(12): error: no: such thing\n"
      "  a.cu(13): error: this is an excerpt\n"
      "          detected during instantiation of \"void g(T)\" at line 6\n"
      "dir/b (1).cuh(3): warning #177-D: variable \"x\" was declared but never referenced\n"
      "a.cu(1): catastrophic error: could not open source file \"x.h\" (no directories)\n"
      "At end of source: error: expected a \";\"\n"
      "ptxas application ptx input, line 21; error   : Not a name of any known instruction: "
      "'bogus'\n"
      "ptxas error   : Entry function 'k' uses too much shared data (0x4e200 bytes, 0xc000 max)\n"
      "ptxas fatal   : Ptx assembly aborted due to errors\n"
      "ptxas info    : 0 bytes gmem\n"
      "nvrtc: error: invalid value for --gpu-architecture (-arch)\n"
      "2 errors detected in the compilation of \"a.cu\".");
  REQUIRE(found.size() == 8);
  CHECK(found[0].file == "a.cu");
  CHECK(found[0].line == 12);
  CHECK(found[0].message == "no: such thing");
  CHECK(found[1].file == "dir/b (1).cuh");
  CHECK(found[1].line == 3);
  CHECK(found[1].severity == Diagnostic::Severity::warning);
  CHECK(found[2].severity == Diagnostic::Severity::error);
  CHECK(found[3].file == "");
  CHECK(found[3].message == "expected a \";\"");
  CHECK(found[4].file == "ptx");
  CHECK(found[4].line == 21);
  CHECK(found[5].line == 0);
  CHECK(found[6].message == "Ptx assembly aborted due to errors");
  CHECK(found[7].file == "");
  CHECK(parse_diagnostics("").empty());
  CHECK(parse_diagnostics(": : : (((\n):\nerror\n: error").empty());
}

TEST_CASE("the assembler's log is read kernel by kernel, device functions apart") {
  const auto facts = facts_from_log(
      "ptxas info    : 0 bytes gmem\n"
      "ptxas info    : Compiling entry function 'two' for 'sm_90a'\n"
      "ptxas info    : Function properties for helper\n"
      "ptxas         .     96 bytes stack frame, 92 bytes spill stores, 88 bytes spill loads\n"
      "ptxas info    : Function properties for two\n"
      "ptxas         .     16 bytes stack frame, 12 bytes spill stores, 8 bytes spill loads\n"
      "ptxas info    : Used 40 registers, used 2 barriers, 16 bytes cumulative stack size, 4096 "
      "bytes smem\n"
      "ptxas info    : Compiling entry function 'one' for 'sm_80'\n"
      "ptxas info    : Function properties for one\n"
      "ptxas         .     0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads\n"
      "ptxas info    : Used 10 registers, 360 bytes cmem[0]\n");
  REQUIRE(facts.size() == 2);
  CHECK(facts[0].name == "one");
  CHECK(facts[0].registers == 10);
  CHECK(facts[0].barriers == 0);
  CHECK(facts[0].static_shared_bytes == 0);
  CHECK(facts[1].registers == 40);
  CHECK(facts[1].barriers == 2);
  CHECK(facts[1].stack_bytes == 16);
  CHECK(facts[1].spill_store_bytes == 12);
  CHECK(facts[1].spill_load_bytes == 8);
  CHECK(facts[1].static_shared_bytes == 4096);

  auto kernels = facts;
  kernels[0].registers = 11;
  std::string remarks;
  merge_log_facts(kernels, facts, remarks);
  CHECK(remarks == "mtmc: registers of kernel one: 11 in the machine code, 10 in the log\n");
  CHECK(kernels[0].registers == 11);
}

TEST_CASE("NVRTC is looked for where toolkits and wheels put it, in order") {
  TemporaryFolder folder;
  const auto plant = [&](const std::string& path) {
    const std::string full = folder.path + "/" + path;
    std::filesystem::create_directories(std::filesystem::path(full).parent_path());
    std::ofstream(full) << "x";
    return std::filesystem::canonical(full).string();
  };
  const std::string home = plant("home/lib64/libnvrtc.so.12");
  const std::string local = plant("local/cuda-13.0/lib64/libnvrtc.so.13");
  const std::string old_local = plant("local/cuda-12.9/lib64/libnvrtc.so.12");
  const std::string wheel12 =
      plant("venv/lib/python3.11/site-packages/nvidia/cuda_nvrtc/lib/libnvrtc.so.12");
  const std::string wheel13 =
      plant("venv/lib/python3.11/site-packages/nvidia/cu13/lib/libnvrtc.so.13");
  const std::string beside = plant("tool/lib/libnvrtc.so.13");
  plant("local/cuda-13.0/lib64/libnvrtc.alt.so.13");
  std::filesystem::create_symlink(folder.path + "/local/cuda-13.0", folder.path + "/local/cuda");

  NvrtcSearch search;
  search.cuda_homes = {folder.path + "/home", folder.path + "/missing"};
  search.system_root = folder.path + "/local";
  search.environments = {folder.path + "/venv"};
  search.tool = folder.path + "/tool/bin/mtmc";
  CHECK(nvrtc_candidates(search).value() ==
        std::vector<std::string>{home, local, old_local, wheel13, wheel12, beside, "libnvrtc.so.13",
                                 "libnvrtc.so.12"});
  search.override_path = folder.path + "/venv";
  CHECK(nvrtc_candidates(search).value() == std::vector<std::string>{wheel13, wheel12});
  search.override_path = wheel12;
  CHECK(nvrtc_candidates(search).value() == std::vector<std::string>{wheel12});
  search.override_path = folder.path + "/nothing";
  const auto refused = nvrtc_candidates(search);
  REQUIRE_FALSE(refused.has_value());
  CHECK(contains(refused.error().message, "MTMC_NVRTC"));
}

TEST_CASE("the library carries the prelude file, whole") {
  std::ifstream file(MTMC_SOURCE_DIR "/src/compiler/prelude.cuh");
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  REQUIRE(text.size() > 1000);
  CHECK(prelude_text() == text);
}

TEST_CASE("f16 conversions are exact, round to nearest even, and keep the specials") {
  CHECK(mtmc_f16_to_f32(0x3c00) == 1.0f);
  CHECK(mtmc_f16_to_f32(0x7bff) == 65504.0f);
  CHECK(mtmc_f16_to_f32(0x0001) == std::ldexp(1.0f, -24));
  CHECK(mtmc_f16_to_f32(0xfc00) == -std::numeric_limits<float>::infinity());
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<unsigned short>(bits);
    const float value = mtmc_f16_to_f32(half);
    if (std::isnan(value)) {
      REQUIRE(mtmc_f32_to_f16(value) == 0x7fff);
      continue;
    }
    REQUIRE(mtmc_f32_to_f16(value) == half);
    // The middle to the next larger magnitude goes to the even one; just beside it, to the nearer.
    if ((bits & 0x7fff) >= 0x7bff) continue;
    const auto next = static_cast<unsigned short>(bits + 1);
    const float middle = value / 2 + mtmc_f16_to_f32(next) / 2;
    REQUIRE(mtmc_f32_to_f16(middle) == ((bits & 1) ? next : half));
    REQUIRE(mtmc_f32_to_f16(std::nextafter(middle, value)) == half);
    REQUIRE(mtmc_f32_to_f16(std::nextafter(middle, mtmc_f16_to_f32(next))) == next);
  }
  CHECK(mtmc_f32_to_f16(65519.99f) == 0x7bff);
  CHECK(mtmc_f32_to_f16(65520.0f) == 0x7c00);
  CHECK(mtmc_f32_to_f16(-1e30f) == 0xfc00);
  CHECK(mtmc_f32_to_f16(-1e-30f) == 0x8000);
}

TEST_CASE("bf16 conversions round to nearest even and keep the specials") {
  for (unsigned bits = 0; bits < 0x10000; ++bits) {
    const auto brain = static_cast<unsigned short>(bits);
    const float value = mtmc_bf16_to_f32(brain);
    REQUIRE(mtmc_f32_to_bf16(value) == (std::isnan(value) ? 0x7fff : brain));
    if (std::isnan(value) || (bits & 0x7fff) >= 0x7f7f) continue;
    const float middle = mtmc_bits_float((bits << 16) | 0x8000u);
    REQUIRE(mtmc_f32_to_bf16(middle) == static_cast<unsigned short>(bits + (bits & 1)));
  }
  CHECK(mtmc_f32_to_bf16(std::numeric_limits<float>::max()) == 0x7f80);
  CHECK(static_cast<float>(bf16(1.0f)) == 1.0f);
  CHECK(static_cast<float>(f16(0.1f)) == Approx(0.1f).epsilon(1e-3));
}
