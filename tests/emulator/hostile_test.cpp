// Texts made to hurt: each must give its typed error, or decode, in time linear in its length.
#include <catch2/catch.hpp>

#include <fmt/format.h>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

const std::string head = ".version 9.0\n.target sm_80\n.address_size 64\n";

std::string body(const std::string& text) {
  return head + ".visible .entry k(.param .u64 p)\n{\n" + text + "\n}\n";
}

// What parsing or decoding k answers; "" when the text is fine.
std::string answer(const std::string& ptx) {
  const auto module = parse_module(ptx);
  if (!module) return module.error().message;
  const auto program = decode(*module, "k");
  return program ? "" : program.error().message;
}

std::string repeated(size_t count, const std::string& text) {
  std::string out;
  out.reserve(count * text.size());
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

bool has(const std::string& text, const char* part) {
  INFO(text.substr(0, 300));
  CHECK(text.find(part) != std::string::npos);
  return true;
}

}  // namespace

TEST_CASE("sizes beyond reason are refused by name") {
  has(answer(body(".reg .b32 %r<4000000000>;")), "above the limit");
  CHECK(answer(body(".reg .b32 %r<1000000000>; mov.u32 %r999999999, 1;")).empty());
  has(answer(body(".shared .b8 s[1099511627776];")), "too large");
  has(answer(body(".shared .b8 s[4000000000]; .reg .b32 %r; mov.u32 %r, s;")), "too large");
  has(answer(body(repeated(20, "{ .shared .b8 s[1000000]; .reg .b32 %r; mov.u32 %r, s; }"))),
      "too large");
  has(answer(body(".local .b8 s[600000]; .reg .b64 %r; mov.u64 %r, s;")), "512 KiB of local");
  has(answer(body(repeated(600, "{ .local .b8 s[1000]; .reg .b64 %r; mov.u64 %r, s; }"))),
      "512 KiB of local");
  has(answer(head + ".global .b8 g[4][60000000000];"), "too large");
  has(answer(head + ".global .b8 g[2][30000000000] = {{1}, {2}};"), "larger than 64 MiB");
  has(answer(head + ".visible .entry k(.param .b8 p[65535], .param .b8 q[65535])\n{\nret;\n}\n" +
             ".visible .entry j(" + repeated(20, ".param .b8 p[65535], ") + ".param .b8 q[4]) {}"),
      "parameters exceed 1 MiB");
  has(answer(body(repeated(100000, "{"))), "nested too deep");
  has(answer(body("mov.b32 " + repeated(100000, "{"))), "nested too deep");
  has(answer(body("mov.b32 %r1, " + repeated(100000, "!"))), "expected a predicate register");
  has(answer(head + repeated(100000, ".global .b8 x = ") + "1;"), "");
  has(answer(head + ".global .b8 x[1] = " + repeated(100000, "{")), "nested deeper");
}

TEST_CASE("long texts take time in proportion to their length") {
  // Each of these was, or could be, quadratic: label uses resolved scope by scope, names looked up
  // one after the other, functions, variables and parameters by the thousands.
  const size_t many = 20000;
  std::string text;
  for (size_t i = 0; i < many; ++i) text += fmt::format("{{ bra L{}; }}\n", i);
  for (size_t i = 0; i < many; ++i) text += fmt::format("L{}:\n", i);
  CHECK(answer(body(text + "ret;")).empty());

  text = head;
  for (size_t i = 0; i < many / 2; ++i) text += fmt::format(".global .b32 g{};\n", i);
  text += ".visible .entry k() { .reg .b64 %r;\n";
  for (size_t i = many / 2; i-- > 0;) text += fmt::format("mov.u64 %r, g{};\n", i);
  CHECK(answer(text + "ret; }").empty());

  text = head;
  for (size_t i = 0; i < many / 4; ++i) text += fmt::format(".func f{}() {{ ret; }}\n", i);
  text += ".visible .entry k() {\n";
  for (size_t i = 0; i < many / 4; ++i) text += fmt::format("call f{};\n", i);
  CHECK(answer(text + "ret; }").empty());

  text = head + ".visible .entry k(.param .b32 p0";
  for (size_t i = 1; i < many; ++i) text += fmt::format(", .param .b32 p{}", i);
  text += ") { .reg .b32 %r;\n";
  for (size_t i = 0; i < many; ++i) text += fmt::format("ld.param.u32 %r, [p{}];\n", i);
  CHECK(answer(text + "ret; }").empty());

  text.clear();
  for (size_t i = 0; i < 2000; ++i) text += fmt::format("{{ .param .b32 a{}; }}\n", i % 7);
  CHECK(answer(body(text + "ret;")).empty());
}

TEST_CASE("a chain of calls deeper than any stack is refused, not followed") {
  std::string text = head + ".func f0() { ret; }\n";
  for (int i = 1; i < 3000; ++i) {
    text += fmt::format(
        ".func f{}() {{ .local .b8 b[400]; .reg .b64 %r; mov.u64 %r, b; call f{}; "
        "ret; }}\n",
        i, i - 1);
  }
  has(answer(text + ".visible .entry k() { call f2999; ret; }"), "bytes of stack per thread");
  // Doubling calls: exponential if functions were copied into their callers.
  text = head + ".func f0() { ret; }\n";
  for (int i = 1; i < 60; ++i) {
    text += fmt::format(".func f{0}() {{ call f{1}; call f{1}; ret; }}\n", i, i - 1);
  }
  const Program program = assemble(text + ".visible .entry k() { call f59; ret; }", "k");
  Device device;
  RunOptions options;
  options.instruction_budget = 10000;
  const auto report =
      run(program, device.memory, launch({1, 1, 1}, {32, 1, 1}, Arguments()), options);
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == FaultKind::budget_exceeded);
}

TEST_CASE("functions too large for the tables of decode are refused") {
  std::string text;
  for (int i = 0; i < 40000; ++i) text += fmt::format("mov.u32 %r1, {};\n", i);
  has(answer(body(".reg .b32 %r<2>;\n" + text + "ret;")), "more than 4 MiB of constants");

  text = ".reg .b32 %r<9001>;\nmov.u32 %r9000, %tid.x;\n";
  for (int i = 0; i < 9000; ++i) text += fmt::format("add.u32 %r{}, %r9000, 1;\n", i);
  for (int i = 0; i < 9000; ++i) text += fmt::format("add.u32 %r0, %r0, %r{};\n", i);
  has(answer(body(text + "ret;")), "too many registers live at once");

  text = ".reg .b32 %r<40001>; .reg .pred %p;\nmov.u32 %r40000, %tid.x;\n";
  for (int i = 0; i < 40000; ++i) {
    text += fmt::format("L{0}: mov.u32 %r{0}, %r40000;\n@%p bra L{0};\n", i);
  }
  has(answer(body(text + "ret;")), "registers in one function");
}

TEST_CASE("tables of branches and nests of loops keep decode short") {
  std::string labels, text;
  for (int i = 0; i < 2000; ++i) labels += fmt::format("{}L{}", i > 0 ? ", " : "", i);
  for (int i = 0; i < 40; ++i) text += fmt::format("t{0}: .branchtargets {1};\n", i, labels);
  for (int i = 0; i < 2000; ++i) {
    text += fmt::format("L{}: brx.idx %r1, t{};\n", i, i % 40);
  }
  CHECK(answer(body(".reg .b32 %r<2>;\n" + text + "ret;")).empty());

  text.clear();
  for (int i = 0; i < 2000; ++i) text += fmt::format("A{}: add.u32 %r1, %r1, 1;\n", i);
  for (int i = 2000; i-- > 0;) text += fmt::format("@%p bra A{};\n", i);
  CHECK(answer(body(".reg .b32 %r<2>; .reg .pred %p;\n" + text + "ret;")).empty());
}
