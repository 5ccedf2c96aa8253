// Reading PTX: what a module holds, what bad text gives, and that no prefix or damage crashes.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

const std::string head = ".version 9.0\n.target sm_80\n.address_size 64\n";

std::string body(const std::string& text) {
  return head + ".visible .entry k(.param .u64 p)\n{\n" + text + "\n}\n";
}

std::string error_of(const std::string& ptx) {
  const auto module = parse_module(ptx);
  return module ? "" : module.error().message;
}

std::string decode_error(const std::string& ptx) {
  const auto module = parse_module(ptx);
  if (!module) return module.error().message;
  const auto program = decode(*module, "k");
  return program ? "" : program.error().message;
}

}  // namespace

TEST_CASE("both front ends: parameters, bounds, lines and files") {
  for (const char* dialect : dialects) {
    const auto module = parse_module(ptx_text(std::string("math.") + dialect));
    REQUIRE(module);
    CHECK(module->target == dialect);
    CHECK(module->files.at(1) == "math.cu");
    const Function* sgemm = module->find("sgemm");
    REQUIRE(sgemm != nullptr);
    CHECK(sgemm->max_threads_per_block == 256);
    REQUIRE(sgemm->parameters.size() == 6);
    CHECK(sgemm->parameters[2].offset == 16);
    CHECK(sgemm->parameters[3].offset == 24);
    CHECK(sgemm->parameter_bytes == 36);
    const Program program = *decode(*module, "sgemm");
    CHECK(program.static_shared_bytes == 16 * 17 * 4 + 16 * 16 * 4);
    CHECK(module->find("lookup") != nullptr);
    CHECK(module->find("sgem") == nullptr);
  }
}

TEST_CASE("registers and labels are scoped") {
  const std::string text = body(R"(
    .reg .b32 %r<3>;
    .reg .b64 %rd<3>;
    .reg .pred %p;
    ld.param.u64 %rd1, [p];
    mov.u32 %r1, 1;
    {
      .reg .b32 %r1;
      .reg .pred q;
      mov.u32 %r1, 10;
    LOOP:
      sub.u32 %r1, %r1, 1;
      setp.ne.u32 q, %r1, 0;
      @q bra LOOP;
      @!q bra DONE;
    }
    mov.u32 %r1, 99;
    DONE:
    {
      .reg .pred q;
      mov.u32 %r2, 3;
    LOOP:
      sub.u32 %r2, %r2, 1;
      add.u32 %r1, %r1, 1;
      setp.ne.u32 q, %r2, 0;
      @q bra LOOP;
    }
    st.global.u32 [%rd1], %r1;
    ret;)");
  Device device;
  const uint64_t p = device.upload(std::vector<int>(1), "p");
  run_well(assemble(text, "k"), device, launch({1, 1, 1}, {1, 1, 1}, Arguments().add(p)));
  CHECK(device.download<int>(p, 1)[0] == 4);
}

TEST_CASE("bad text is an error that names its line") {
  CHECK(error_of("") == "ptx line 1: no .version directive: this is not PTX");
  CHECK(error_of("hello world") == "ptx line 1: unknown directive 'hello'");
  CHECK(error_of(head + "\n.address_size 32\n") ==
        "ptx line 5: only 64-bit addresses are supported");
  CHECK(error_of(body("add.s32 %r1 %r2;")).find("ptx line 6: expected ';'") == 0);
  CHECK(error_of(body("bra NOWHERE;")) == "ptx line 6: unknown label 'NOWHERE'");
  CHECK(error_of(body("L: L: ret;")) == "ptx line 6: label 'L' is defined twice");
  CHECK(error_of(body("@%p1 ret;")) == "ptx line 6: unknown register '%p1'");
  CHECK(error_of(body("ld.param.u64 %rd1, [%rd2];")) == "ptx line 6: unknown register '%rd2'");
  CHECK(error_of(body(".reg .b32 %r<99999999999>;")).find("ptx line 6: ") == 0);
  CHECK(error_of(body(".shared .align 3 .b8 s[4];")) ==
        "ptx line 6: alignment 3 is not a power of two");
  CHECK(error_of(body(".shared .b8 s[999999999999][99999999999];")).find("too large") !=
        std::string::npos);
  CHECK(error_of(body(std::string(100000, '{'))).find("nested too deep") != std::string::npos);
  CHECK(error_of(head + ".visible .entry k(").find("expected a parameter, got the end") !=
        std::string::npos);
}

TEST_CASE("decode refuses what it would have to guess") {
  const std::string registers = ".reg .b32 %r<5>; .reg .b64 %rd<5>; .reg .pred %p<5>;\n";
  const auto refused = [&](const std::string& line) {
    const std::string text = decode_error(body(registers + line + "\nret;"));
    INFO(line << " -> " << text);
    CHECK(text.find("kernel 'k': unsupported: ") == 0);
    CHECK(text.find("at PTX line 7 (source line 0)") != std::string::npos);
  };
  refused("add.u32.surprise %r1, %r2, %r3;");
  refused("ld.global.fancy.u32 %r1, [%rd1];");
  refused("add.u32 %r1, %r2;");
  refused("add.u32 %r1, %rd2, %r3;");
  refused("add.u32 %r1, %r2, %p1;");
  refused("ld.global.u32 %r1, [%r2];");
  refused("ld.global.v2.u32 %r1, [%rd2];");
  refused("mov.u32 %r1, %envreg7;");
  refused("mov.u64 %rd1, nothing;");
  refused("call foo;");
  refused("ld.param.u32 %r1, [p+8];");
  refused("shfl.sync.sideways.b32 %r1, %r2, 1, 31, -1;");
  refused("wgmma.fence.aligned;");
}

TEST_CASE("every prefix of a text is a module or an error") {
  for (const char* name : {"warp.sm_80", "warp.sm_100a", "half.sm_90a"}) {
    const std::string text = ptx_text(name);
    REQUIRE(text.size() > 1000);
    size_t errors = 0;
    for (size_t length = 0; length < text.size(); length += 7) {
      const auto module = parse_module(std::string_view(text).substr(0, length));
      errors += !module;
      if (!module) CHECK(module.error().message.find("ptx line ") == 0);
    }
    CHECK(errors > 100);
  }
}

TEST_CASE("damaged texts parse and decode to a value or an error") {
  const std::string text = ptx_text("warp.sm_90a");
  uint32_t state = 1;
  const auto next = [&] { return state = state * 1664525u + 1013904223u, state >> 8; };
  const std::string alphabet = "{}[];,.:%$@!|\"0f9x rdp\n-+<>";
  size_t decoded = 0;
  for (int round = 0; round < 400; ++round) {
    std::string damaged = text;
    for (int i = 0; i < 3; ++i) {
      damaged[next() % damaged.size()] = alphabet[next() % alphabet.size()];
    }
    const auto module = parse_module(damaged);
    if (!module) continue;
    for (const Function& function : module->functions) {
      if (function.is_entry) decoded += decode(*module, function.name).has_value();
    }
  }
  CHECK(decoded > 100);
}
