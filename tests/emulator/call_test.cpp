// Calls: arguments and results of all sizes, recursion with diverging lanes, pointers, what calls
// print, and every way in which a call can go wrong.
#include <catch2/catch.hpp>

#include <cstring>
#include <numeric>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

std::string calls(const char* dialect) { return std::string("calls.") + dialect; }

LaunchReport report_of(const Program& program, Device& device, const LaunchParams& params,
                       const RunOptions& options = {}) {
  const auto report = run(program, device.memory, params, options);
  if (!report) throw std::runtime_error(report.error().message);
  return *report;
}

Fault fault_of(const Program& program, Device& device, const LaunchParams& params,
               const RunOptions& options = {}) {
  const LaunchReport report = report_of(program, device, params, options);
  REQUIRE(report.fault);
  return *report.fault;
}

int collatz(int n) { return n == 1 ? 0 : 1 + collatz((n & 1) != 0 ? 3 * n + 1 : n / 2); }
int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

const std::string head = ".version 9.0\n.target sm_80\n.address_size 64\n";

}  // namespace

TEST_CASE("structures pass through calls by value") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<float> a(33 * 3);
    for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i * i % 17) - 5.0f;
    std::vector<int> big(32 * 24);
    std::iota(big.begin(), big.end(), 0);
    const uint64_t pa = device.upload(a, "a");
    const uint64_t pc = device.upload(std::vector<float>(32 * 3), "c");
    const uint64_t pb = device.upload(big, "big");
    run_well(load(calls(dialect), "structs"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(pa).add(pc).add(pb)));
    const auto c = device.download<float>(pc, 32 * 3);
    const auto turned = device.download<int>(pb, 32 * 24);
    for (size_t i = 0; i < 32; ++i) {
      const float* p = &a[i * 3];
      const float* q = p + 3;
      CHECK(c[i * 3] == p[1] * q[2] - p[2] * q[1]);
      CHECK(c[i * 3 + 1] == p[2] * q[0] - p[0] * q[2]);
      CHECK(c[i * 3 + 2] == p[0] * q[1] - p[1] * q[0]);
      for (size_t k = 0; k < 24; ++k) {
        CHECK(turned[i * 24 + k] == static_cast<int>(i * 24 + (k + i) % 24));
      }
    }
  }
}

TEST_CASE("recursion: each lane has its own depth and its own registers") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<int> n(75);
    for (int i = 0; i < 75; ++i) n[i] = i % 3 == 2 ? i % 11 : i % 3 == 1 ? i : i + 1;
    const uint64_t pn = device.upload(n, "n");
    const uint64_t pv = device.upload(std::vector<int>(1), "visits");
    run_well(load(calls(dialect), "recursion"), device,
             launch({1, 1, 1}, {75, 1, 1}, Arguments().add(pn).add(pv)));
    const auto result = device.download<int>(pn, 75);
    for (int i = 0; i < 75; ++i) {
      INFO(dialect << " " << i);
      CHECK(result[i] == (i % 3 == 0   ? collatz(n[i])
                          : i % 3 == 1 ? (n[i] % 2 == 0 ? 1 : 0)
                                       : fibonacci(n[i])));
    }
    int leaves = 0;  // of the calls' trees: fibonacci(n + 1)
    for (int i = 2; i < 75; i += 3) leaves += fibonacci(n[i] + 1);
    CHECK(device.download<int>(pv, 1)[0] == leaves);
  }
}

TEST_CASE("endless recursion is a stack overflow that names its lines") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t px = device.upload(std::vector<int>(1), "x");
    const Fault fault = fault_of(load(calls(dialect), "overflow"), device,
                                 launch({1, 1, 1}, {33, 1, 1}, Arguments().add(px)));
    CHECK(fault.kind == FaultKind::stack_overflow);
    const std::string text = fault.text();
    INFO(text);
    CHECK(text.find("stack overflow: calling '_Z7endlessi' needs ") == 0);
    CHECK(text.find("calls.cu:31, called at calls.cu:31, called at calls.cu:31") !=
          std::string::npos);
    CHECK(text.find(" more") != std::string::npos);
    REQUIRE(fault.callers.size() > 100);
    CHECK(fault.callers.back().line == 33);
    CHECK_FALSE(fault.callers.back().inlined);
  }
}

TEST_CASE("function pointers: in registers, global and constant tables, virtual functions") {
  for (const char* dialect : dialects) {
    for (const int k : {6, 7}) {
      Device device;
      std::vector<int> x(40);
      std::iota(x.begin(), x.end(), 0);
      const uint64_t px = device.upload(x, "x");
      run_well(load(calls(dialect), "pointers"), device,
               launch({1, 1, 1}, {40, 1, 1}, Arguments().add(px).add(k)));
      const auto result = device.download<int>(px, 40);
      for (int i = 0; i < 40; ++i) {
        const int from_table = i % 3 == 0 ? i + k : i % 3 == 1 ? i * k : i - k;
        const int local = k % 2 == 1 ? 1 + k : 1 - k;
        const int constant = k % 2 == 1 ? 2 + k : 2 - k;
        CHECK(result[i] == 100 * from_table + 10 * local + constant);
      }
    }
    Device device;
    const uint64_t px = device.upload(std::vector<float>{2.0f, 5.0f, 0.0f, 0.0f}, "x");
    run_well(load(calls(dialect), "virtual_call"), device,
             launch({1, 1, 1}, {4, 1, 1}, Arguments().add(px)));
    CHECK(device.download<float>(px, 4) == std::vector<float>{75.0f, 4.0f, 75.0f, 4.0f});
  }
}

TEST_CASE("a call through what is no function pointer is a fault") {
  for (const char* dialect : dialects) {
    for (const uint64_t pointer : {uint64_t{0}, uint64_t{0x730000000008}, ~uint64_t{0}}) {
      Device device;
      const uint64_t pp = device.upload(std::vector<uint64_t>{pointer}, "op");
      const uint64_t px = device.upload(std::vector<int>(1), "x");
      const Fault fault = fault_of(load(calls(dialect), "wild_pointer"), device,
                                   launch({1, 1, 1}, {1, 1, 1}, Arguments().add(pp).add(px)));
      CHECK(fault.kind == FaultKind::invalid_call);
      CHECK(fault.address == pointer);
      CHECK(fault.line == 46);
      CHECK(fault.message.find("which is no function") != std::string::npos);
    }
  }
  // A function, but one that takes other parameters.
  const std::string text = head + R"(
.func other(.param .b64 a) { ret; }
.visible .entry k() {
  .reg .b64 %rd<2>;
  mov.u64 %rd1, other;
  { .param .b32 p; st.param.b32 [p], 1;
    proto : .callprototype _ (.param .b32 _);
    call %rd1, (p), proto; }
  ret; })";
  Device device;
  const Fault fault =
      fault_of(assemble(text, "k"), device, launch({1, 1, 1}, {1, 1, 1}, Arguments()));
  CHECK(fault.kind == FaultKind::invalid_call);
  CHECK(fault.message.find("'other' and takes other parameters") != std::string::npos);
}

TEST_CASE("lanes that exit, trap or wait inside a function") {
  for (const char* dialect : dialects) {
    const Program program = load(calls(dialect), "leaves");
    Device device;
    std::vector<int> x(64);
    for (int i = 0; i < 64; ++i) x[i] = i % 5 == 0 ? 1 : 7;
    const uint64_t px = device.upload(x, "x");
    run_well(program, device, launch({1, 1, 1}, {64, 1, 1}, Arguments().add(px)));
    const auto result = device.download<int>(px, 64);
    for (int i = 0; i < 64; ++i) CHECK(result[i] == (i % 5 == 0 ? 1 : 117));
    x[40] = 2;
    const uint64_t py = device.upload(x, "y");
    const Fault fault =
        fault_of(program, device, launch({1, 1, 1}, {64, 1, 1}, Arguments().add(py)));
    CHECK(fault.kind == FaultKind::trap);
    CHECK(fault.thread[0] == 40);
    CHECK(fault.line == 78);
    REQUIRE(fault.callers.size() == 1);
    CHECK(fault.callers[0].line == 83);
  }
}

TEST_CASE("addresses in initialisers, parameters in memory, alloca") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<int> x{0, 1, 2, 3, 25, 47};
    const uint64_t px = device.upload(x, "x");
    run_well(load(calls(dialect), "named"), device,
             launch({1, 1, 1}, {6, 1, 1}, Arguments().add(px)));
    CHECK(device.download<int>(px, 6) == std::vector<int>{'e', 'n', 'e', 'n', 'n', 'n'});

    const uint64_t py = device.upload(x, "y");
    Arguments arguments;
    for (int i = 0; i < 24; ++i) arguments.add(i * i);
    run_well(load(calls(dialect), "grid_constant"), device,
             launch({1, 1, 1}, {6, 1, 1}, arguments.add(py)));
    CHECK(device.download<int>(py, 6) == std::vector<int>{0, 1, 4, 9, 1, 23 * 23});

    const uint64_t pz = device.upload(std::vector<int>(6), "z");
    const Program stack = load(calls(dialect), "dynamic_stack");
    run_well(stack, device, launch({1, 1, 1}, {6, 1, 1}, Arguments().add(px).add(pz).add(6)));
    const auto z = device.download<int>(pz, 6);
    for (int i = 0; i < 6; ++i) CHECK(z[i] == device.download<int>(px, 6)[5 - i] + i);
    const Fault fault = fault_of(
        stack, device, launch({1, 1, 1}, {6, 1, 1}, Arguments().add(px).add(pz).add(1 << 20)));
    CHECK(fault.kind == FaultKind::stack_overflow);
    CHECK(fault.message.find("alloca of 4194304 bytes") == 0);
  }
}

TEST_CASE("a fault names where its line was inlined and its function called") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t px = device.upload(std::vector<int>{7, 0}, "x");
    const Fault fault = fault_of(load(calls(dialect), "inlined_fault"), device,
                                 launch({1, 1, 1}, {1, 1, 1}, Arguments().add(px)));
    CHECK(fault.kind == FaultKind::out_of_bounds);
    const std::string text = fault.text();
    INFO(text);
    CHECK(text.find("thread (0,0,0), calls.cu:94, inlined at calls.cu:96, inlined at "
                    "calls.cu:99, called at calls.cu:102: ld.") != std::string::npos);
  }
}

TEST_CASE("printf: conversions, order of blocks, strings of every space") {
  const std::string one =
      "hello\n-3|    {}|ff    |0003.142|-2.500000e-10|text|c|-12345678901|%|literal\n";
  for (const char* dialect : dialects) {
    std::vector<std::string> texts;
    for (const int threads : {1, 3}) {
      Device device;
      const uint64_t pd = device.upload(std::vector<double>{3.14159, -2.5e-10}, "d");
      const std::string word = "text";
      const uint64_t ps = device.upload(std::vector<char>(word.c_str(), word.c_str() + 5), "s");
      RunOptions options;
      options.threads = threads;
      const LaunchReport report =
          run_well(load(calls(dialect), "talk"), device,
                   launch({7, 1, 1}, {16, 1, 1}, Arguments().add(pd).add(ps)), options);
      CHECK(report.printed_dropped == 0);
      texts.push_back(report.printed);
    }
    std::string expected;
    for (int block = 0; block < 7; ++block) {
      std::string text = one;
      expected += text.replace(text.find("{}"), 2, std::to_string(block));
    }
    CHECK(texts[0] == expected);
    CHECK(texts[1] == expected);
  }
  // A string without an end, and a null pointer.
  Device device;
  const uint64_t pd = device.upload(std::vector<double>(2), "d");
  const uint64_t ps = device.upload(std::vector<char>(300, 'x'), "s");
  const Program program = load("calls.sm_80", "talk");
  CHECK(report_of(program, device, launch({1, 1, 1}, {16, 1, 1}, Arguments().add(pd).add(ps)))
            .fault->kind == FaultKind::out_of_bounds);
  const LaunchReport null_string = run_well(
      program, device, launch({1, 1, 1}, {16, 1, 1}, Arguments().add(pd).add(uint64_t{0})));
  CHECK(null_string.printed.find("|(null)|c|") != std::string::npos);
}

TEST_CASE("300 MB of printf leave the first MiB and a count, the same for any threads") {
  std::vector<LaunchReport> reports;
  for (const int threads : {1, 2}) {
    Device device;
    RunOptions options;
    options.threads = threads;
    reports.push_back(run_well(load("calls.sm_90a", "talk_much"), device,
                               launch({40, 1, 1}, {64, 1, 1}, Arguments().add(60)), options));
  }
  const size_t limit = size_t{1} << 20;
  CHECK(reports[0].printed.size() <= limit);
  CHECK(reports[0].printed.size() > limit / 2);
  CHECK(reports[0].printed.find("block 0 says 0 for the 0-th time\n") == 0);
  const auto kept =
      static_cast<uint64_t>(std::count(reports[0].printed.begin(), reports[0].printed.end(), '\n'));
  CHECK(kept + reports[0].printed_dropped == 40u * 64u * 60u);
  CHECK(reports[1].printed == reports[0].printed);
  CHECK(reports[1].printed_dropped == reports[0].printed_dropped);
}

TEST_CASE("a failed assertion says what, where and for which thread") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<int> x(64, 1);
    x[37] = 0;
    const uint64_t px = device.upload(x, "x");
    const Fault fault = fault_of(load(calls(dialect), "asserts"), device,
                                 launch({1, 1, 1}, {64, 1, 1}, Arguments().add(px)));
    CHECK(fault.kind == FaultKind::assertion_failed);
    CHECK(fault.thread[0] == 37);
    const std::string text = fault.text();
    INFO(text);
    CHECK(text.find("assertion failed: `x[threadIdx.x] > 0 && \"positive\"` in calls.cu:75, void "
                    "asserts(const int *); kernel asserts") == 0);
  }
}

TEST_CASE("calls of the runtime whose declaration lies about sizes are refused") {
  const auto refused = [](const std::string& declaration, const std::string& call) {
    const auto module =
        parse_module(head + declaration + ".visible .entry k() {\n" + call + "\n  ret; }");
    if (!module) throw std::runtime_error(module.error().message);
    const auto program = decode(*module, "k");
    REQUIRE_FALSE(program);
    INFO(program.error().message);
    CHECK(program.error().message.find("of an argument") != std::string::npos);
  };
  refused(".extern .func (.param .b8 r) vprintf(.param .b64 a, .param .b64 b);\n",
          "{ .param .b64 a; .param .b64 b; .param .b8 r; call (r), vprintf, (a, b); }");
  refused(".extern .func (.param .b32 r) vprintf(.param .b64 a, .param .b8 b);\n",
          "{ .param .b64 a; .param .b8 b; .param .b32 r; call (r), vprintf, (a, b); }");
}

TEST_CASE("what the device's runtime would do is refused by name") {
  const auto module = parse_module(head + R"(
.extern .func (.param .b64 r) malloc(.param .b64 size);
.visible .entry k() {
  { .param .b64 p; .param .b64 q; st.param.b64 [p], 8; call.uni (q), malloc, (p); }
  ret; })");
  REQUIRE(module);
  const auto program = decode(*module, "k");
  REQUIRE_FALSE(program);
  CHECK(program.error().message.find("unsupported: call.uni (device function 'malloc')") !=
        std::string::npos);
}

TEST_CASE("brx.idx goes where each lane's index says") {
  const Program program = assemble(head + R"(
.visible .entry k(.param .u64 p) {
  .reg .b64 %rd<4>; .reg .b32 %r<6>;
  ld.param.u64 %rd1, [p];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd3, %rd1, %rd2;
  ld.global.u32 %r2, [%rd3];
  targets : .branchtargets A, B, A, C;
  brx.idx %r2, targets;
A: mov.u32 %r3, 10; bra.uni DONE;
B: mov.u32 %r3, 20; bra.uni DONE;
C: mov.u32 %r3, 30;
DONE:
  activemask.b32 %r4;
  st.global.u32 [%rd3], %r3;
  ret; })",
                                   "k");
  Device device;
  std::vector<int> x(32);
  for (int i = 0; i < 32; ++i) x[i] = i % 4;
  const uint64_t px = device.upload(x, "x");
  run_well(program, device, launch({1, 1, 1}, {32, 1, 1}, Arguments().add(px)));
  const auto result = device.download<int>(px, 32);
  for (int i = 0; i < 32; ++i) {
    CHECK(result[i] == (i % 4 == 1 ? 20 : i % 4 == 3 ? 30 : 10));
  }
  x[9] = 4;
  const uint64_t py = device.upload(x, "y");
  const Fault fault = fault_of(program, device, launch({1, 1, 1}, {32, 1, 1}, Arguments().add(py)));
  CHECK(fault.kind == FaultKind::invalid_call);
  CHECK(fault.thread[0] == 9);
  CHECK(fault.message == "branch target 4 of 4");
}

TEST_CASE("functions share module variables and keep their own") {
  const Program program = assemble(head + R"(
.shared .align 4 .b32 common[2];
.alias twin, twice;
.func (.param .b32 r) twice(.param .b32 a) {
  .reg .b32 %r<4>;
  .shared .align 4 .b32 own;
  .local .align 4 .b32 buffer[4];
  ld.param.b32 %r1, [a];
  st.local.b32 [buffer+8], %r1;
  ld.local.b32 %r2, [buffer+8];
  add.u32 %r2, %r2, %r2;
  st.shared.b32 [own], 5;
  st.shared.b32 [common+4], %r2;
  ld.shared.b32 %r3, [own];
  add.u32 %r2, %r2, %r3;
  st.param.b32 [r], %r2;
  ret;
}
.visible .entry k(.param .u64 p) {
  .reg .b64 %rd<2>; .reg .b32 %r<6>; .reg .pred %q;
  .local .align 4 .b32 buffer[4];
  ld.param.u64 %rd1, [p];
  st.local.b32 [buffer+8], 99;
  st.shared.b32 [common], 1;
  setp.ne.u64 %q, %rd1, 0;
  mov.u32 %r1, 0;
  { .param .b32 a; .param .b32 r; st.param.b32 [a], 21;
    @%q call.uni (r), twin, (a);
    ld.param.b32 %r1, [r]; }
  ld.local.b32 %r2, [buffer+8];
  ld.shared.b32 %r3, [common+4];
  st.global.v4.b32 [%rd1], {%r1, %r2, %r3, %r3};
  ret;
})",
                                   "k");
  CHECK(program.static_shared_bytes == 16);
  Device device;
  const uint64_t px = device.upload(std::vector<int>(4), "x");
  run_well(program, device, launch({1, 1, 1}, {1, 1, 1}, Arguments().add(px)));
  CHECK(device.download<int>(px, 4) == std::vector<int>{47, 99, 42, 42});
}
