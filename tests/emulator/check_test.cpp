// Every kind of fault as a golden text (goldens/faults.txt; MTMC_UPDATE_GOLDENS=1 rewrites it), the
// same kinds and lines in all dialects, and kernels on which no check fires.
#include <catch2/catch.hpp>
#include <cstdlib>
#include <functional>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

struct Case {
  const char* name;  // of the golden's paragraph
  const char* file;
  const char* kernel;
  // Fills the device and gives the launch.
  std::function<LaunchParams(Device&)> prepare;
  uint64_t budget = 0;
  const char* dialect = "sm_80";  // the first that has the kernel
  bool alone = false;             // and the only one
};

std::vector<int> counting(int n) {
  std::vector<int> values(static_cast<size_t>(n));
  for (int i = 0; i < n; ++i) values[static_cast<size_t>(i)] = i;
  return values;
}

LaunchParams over(Device& device, int elements, uint32_t threads, uint64_t blocks = 1) {
  const uint64_t x = device.upload(counting(elements), "x");
  return launch({blocks, 1, 1}, {threads, 1, 1}, Arguments().add(x));
}

LaunchParams two_floats(Device& device) {
  const uint64_t x = device.upload(std::vector<float>(128), "x");
  const uint64_t y = device.upload(std::vector<float>(32), "y");
  return launch({1, 1, 1}, {32, 1, 1}, Arguments().add(x).add(y));
}

LaunchParams two_ints(Device& device) {
  const uint64_t x = device.upload(counting(128), "x", Access::read_only);
  const uint64_t y = device.upload(std::vector<int>(128), "y");
  return launch({1, 1, 1}, {128, 1, 1}, Arguments().add(x).add(y));
}

LaunchParams one_output(Device& device) {
  const uint64_t y = device.upload(std::vector<int>(128), "y");
  return launch({1, 1, 1}, {128, 1, 1}, Arguments().add(y));
}

LaunchParams two_stages(Device& device) {
  const uint64_t x = device.upload(std::vector<uint16_t>(2 * 1152), "x", Access::read_only);
  const uint64_t c = device.upload(std::vector<float>(64 * 8), "c");
  return launch({1, 1, 1}, {128, 1, 1}, Arguments().add(x).add(c));
}

const std::vector<Case>& cases() {
  static const std::vector<Case> list = {
      {"out_of_bounds global", "faults", "out_of_bounds",
       [](Device& d) {
         const uint64_t x = d.upload(std::vector<float>(1024), "x", Access::read_only);
         const uint64_t y = d.upload(std::vector<float>(1024), "y");
         return launch({8, 1, 1}, {128, 1, 1}, Arguments().add(x).add(y).add(4));
       }},
      {"out_of_bounds null", "faults", "store_at",
       [](Device&) {
         return launch({1, 1, 1}, {1, 1, 1}, Arguments().add(uint64_t{0}).add(3));
       }},
      {"out_of_bounds shared", "faults", "shared_overrun",
       [](Device& d) {
         const uint64_t x = d.upload(counting(32), "x");
         return launch({1, 1, 1}, {32, 1, 1}, Arguments().add(x).add(1));
       }},
      {"out_of_bounds local", "checks", "local_overrun",
       [](Device& d) {
         const uint64_t x = d.upload(counting(8), "x");
         const uint64_t y = d.upload(counting(32), "y");
         return launch({1, 1, 1}, {32, 1, 1}, Arguments().add(x).add(y).add(2));
       }},
      {"misaligned", "faults", "misaligned",
       [](Device& d) {
         const uint64_t x = d.upload(std::vector<char>(256), "x");
         const uint64_t y = d.upload(std::vector<float>(32), "y");
         return launch({1, 1, 1}, {32, 1, 1}, Arguments().add(x).add(y));
       }},
      {"read_only_write", "faults", "store_at",
       [](Device& d) {
         const uint64_t y = d.upload(std::vector<float>(4), "weights", Access::read_only);
         return launch({1, 1, 1}, {1, 1, 1}, Arguments().add(y).add(1));
       }},
      {"uninitialised_read shared", "checks", "uninitialised_shared",
       [](Device& d) { return over(d, 64, 64); }},
      {"uninitialised_read global", "checks", "uninitialised_global",
       [](Device& d) {
         const uint64_t work = d.upload(std::vector<float>(66), "work");
         const uint64_t y = d.upload(std::vector<float>(64), "y");
         REQUIRE(d.memory.track_initialisation(work));
         REQUIRE(d.memory.mark_initialised(work, 40 * 4));
         return launch({1, 1, 1}, {64, 1, 1}, Arguments().add(work).add(y));
       }},
      {"shared_race read after write", "checks", "missing_syncthreads",
       [](Device& d) { return over(d, 64, 64); }},
      {"shared_race write after read", "checks", "overwritten_too_early",
       [](Device& d) { return over(d, 64, 64); }},
      {"shared_race lanes", "checks", "missing_syncwarp",
       [](Device& d) { return over(d, 32, 32); }},
      {"global_race", "checks", "blocks_write_one_place",
       [](Device& d) {
         const uint64_t y = d.upload(std::vector<float>(128), "y");
         return launch({3, 1, 1}, {32, 1, 1}, Arguments().add(y));
       }},
      {"global_race missing fence", "checks", "last_block_without_fence",
       [](Device& d) {
         const uint64_t x = d.upload(std::vector<float>(4), "x", Access::read_only);
         const uint64_t partial = d.upload(std::vector<float>(4), "partial");
         const uint64_t count = d.upload(std::vector<unsigned>(1), "count");
         const uint64_t y = d.upload(std::vector<float>(1), "y");
         return launch({4, 1, 1}, {32, 1, 1}, Arguments().add(x).add(partial).add(count).add(y));
       }},
      {"division_by_zero", "checks", "divide",
       [](Device& d) {
         const uint64_t a = d.upload(counting(32), "a");
         const uint64_t b = d.upload(counting(32), "b");
         const uint64_t q = d.upload(counting(32), "q");
         return launch({1, 1, 1}, {32, 1, 1}, Arguments().add(a).add(b).add(q));
       }},
      {"async_copy_hazard read before wait", "copies", "read_before_wait", two_floats},
      {"async_copy_hazard source", "copies", "source_overwritten", two_floats},
      {"async_copy_hazard bulk read before wait", "proxies", "bulk_read_before_wait", two_ints, 0,
       "sm_90a"},
      {"async_copy_hazard bulk source", "proxies", "source_reused", one_output, 0, "sm_90a"},
      {"async_copy_hazard operand stored", "operands", "operand_stored_early", two_stages, 0,
       "sm_90a", true},
      {"async_copy_hazard operand copied", "operands", "operand_copied_early", two_stages, 0,
       "sm_90a", true},
      {"missing_proxy_fence store", "proxies", "store_without_fence", one_output, 0, "sm_90a"},
      {"missing_proxy_fence mbarrier", "proxies", "mbarrier_without_fence", two_ints, 0, "sm_90a"},
      {"mbarrier_mismatch", "proxies", "too_many_arrivals", one_output, 0, "sm_90a"},
      {"stack_overflow", "calls", "overflow",
       [](Device& d) {
         return launch({1, 1, 1}, {33, 1, 1}, Arguments().add(d.upload(std::vector<int>(1), "x")));
       }},
      {"invalid_call", "calls", "wild_pointer",
       [](Device& d) {
         const uint64_t op = d.upload(std::vector<uint64_t>{1}, "op");
         const uint64_t x = d.upload(std::vector<int>(1), "x");
         return launch({1, 1, 1}, {1, 1, 1}, Arguments().add(op).add(x));
       }},
      {"assertion_failed", "calls", "asserts",
       [](Device& d) {
         return launch({1, 1, 1}, {64, 1, 1},
                       Arguments().add(d.upload(std::vector<int>(64, -1), "x")));
       }},
      {"divergent_barrier", "faults", "divergent_barrier",
       [](Device& d) { return over(d, 32, 32); }},
      {"deadlock", "faults", "deadlock", [](Device& d) { return over(d, 96, 96); }},
      {"inactive_lane_shuffle", "faults", "lonely_shuffle",
       [](Device& d) { return over(d, 32, 32); }},
      {"trap", "faults", "traps", [](Device& d) { return over(d, 64, 64); }},
      {"budget_exceeded", "faults", "endless",
       [](Device& d) {
         const uint64_t x = d.upload(std::vector<int>(1), "x");
         return launch({4, 1, 1}, {64, 1, 1}, Arguments().add(x));
       },
       100000},
      {"launch_error", "faults", "traps",
       [](Device& d) {
         LaunchParams params = over(d, 64, 64);
         params.grid[1] = 65536;
         return params;
       }},
  };
  return list;
}

LaunchReport run_case(const Case& c, const char* dialect, Checks checks = Checks::all) {
  Device device;
  const LaunchParams params = c.prepare(device);
  RunOptions options;
  options.checks = checks;
  options.instruction_budget = c.budget;
  const auto report =
      run(load(std::string(c.file) + "." + dialect, c.kernel), device.memory, params, options);
  REQUIRE(report);
  return *report;
}

std::string text_of(const LaunchReport& report) {
  std::string text;
  for (const Fault& fault : report.faults) text += fault.text() + "\n";
  return text;
}

}  // namespace

TEST_CASE("each kind of fault has its text") {
  std::string all;
  for (const Case& c : cases()) {
    const LaunchReport report = run_case(c, c.dialect);
    INFO(c.name);
    REQUIRE(report.fault);
    bool found = false;
    for (const Fault& fault : report.faults) {
      found = found || std::string(c.name).find(fault_identifier(fault.kind)) == 0;
    }
    CHECK(found);
    all += std::string("[") + c.name + "]\n" + text_of(report) + "\n";
  }
  const std::string path = std::string(MTMC_SOURCE_DIR) + "/tests/emulator/goldens/faults.txt";
  if (const char* update = std::getenv("MTMC_UPDATE_GOLDENS"); update && *update == '1') {
    std::ofstream(path) << all;
  }
  std::ifstream in(path);
  std::stringstream golden;
  golden << in.rdbuf();
  INFO(path << " is missing or differs; MTMC_UPDATE_GOLDENS=1 rewrites it");
  CHECK(golden.str() == all);
}

TEST_CASE("a fault has the same kind, place and line in all dialects") {
  for (const Case& c : cases()) {
    const LaunchReport expected = run_case(c, c.dialect);
    for (const char* dialect : {"sm_90a", "sm_100a"}) {
      if (c.alone || dialect == std::string(c.dialect)) continue;
      INFO(c.name << " in " << dialect);
      const LaunchReport report = run_case(c, dialect);
      REQUIRE(report.fault);
      CHECK(report.fault->kind == expected.fault->kind);
      // Which of two lines that wait for each other is named is the layout's choice.
      if (report.fault->kind == FaultKind::divergent_barrier) continue;
      CHECK(report.fault->block == expected.fault->block);
      CHECK(report.fault->thread == expected.fault->thread);
      if (report.fault->kind == FaultKind::budget_exceeded) continue;
      CHECK(report.fault->line == expected.fault->line);
    }
  }
}

TEST_CASE("races of warps are found at the cheaper level too, those of lanes and blocks are not") {
  for (const Case& c : cases()) {
    const std::string name = c.name;
    if (name == "shared_race read after write" || name == "shared_race write after read") {
      const LaunchReport report = run_case(c, "sm_80", Checks::shared_races);
      REQUIRE(report.fault);
      CHECK(report.fault->kind == FaultKind::shared_race);
      CHECK(!report.stopped);
    }
    if (name == "shared_race lanes" || name.starts_with("global_race")) {
      CHECK(run_case(c, "sm_80", Checks::shared_races).faults.empty());
    }
    if (name.starts_with("shared_race")) CHECK(run_case(c, "sm_80", Checks::bounds).faults.empty());
  }
}

TEST_CASE("findings do not depend on the number of host threads") {
  for (const Case& c : cases()) {
    if (!std::string(c.name).starts_with("shared_race")) continue;
    std::string expected;
    for (const int threads : {1, 2, 3}) {
      Device device;
      LaunchParams params = c.prepare(device);
      params.grid[0] = 7;
      RunOptions options;
      options.checks = Checks::shared_races;
      options.threads = threads;
      const auto report =
          run(load(std::string(c.file) + ".sm_80", c.kernel), device.memory, params, options);
      REQUIRE(report);
      if (threads == 1) expected = text_of(*report);
      CHECK(text_of(*report) == expected);
    }
  }
}

TEST_CASE("wgmma reads what generic stores wrote only after a proxy fence") {
  const auto kernel = [](const std::string& fence) {
    return ".version 9.0\n.target sm_90a\n.address_size 64\n"
           ".extern .shared .align 1024 .b8 buffer[];\n"
           ".visible .entry k(.param .u64 out)\n{\n"
           ".reg .b32 %t, %i, %z, %d<4>; .reg .b64 %a, %b, %p, %q; .reg .pred %s, %c;\n"
           "mov.u32 %t, %tid.x;\nshl.b32 %i, %t, 2;\nmov.u32 %z, 0;\n"
           "FILL:\nst.shared.b32 [%i], %z;\nadd.u32 %i, %i, 512;\n"
           "setp.lt.u32 %c, %i, 2304;\n@%c bra FILL;\n" +
           fence +
           "bar.sync 0;\nmov.b32 %d0, 0;\nmov.b32 %d1, 0;\nmov.b32 %d2, 0;\nmov.b32 %d3, 0;\n"
           "mov.u64 %a, 68720001024;\nmov.u64 %b, 68720001152;\nsetp.ne.u32 %s, %z, 0;\n"
           "wgmma.fence.sync.aligned;\n"
           "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%d0, %d1, %d2, %d3}, %a, %b, %s, "
           "1, 1, 0, 0;\n"
           "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n"
           "ld.param.u64 %q, [out];\nmad.wide.u32 %p, %t, 4, %q;\nst.global.b32 [%p], %d0;\n"
           "ret;\n}\n";
  };
  for (const bool fenced : {true, false}) {
    Device device;
    const uint64_t out = device.upload(std::vector<float>(128, 1), "out");
    RunOptions options;
    options.checks = Checks::all;
    const auto report =
        run(assemble(kernel(fenced ? "fence.proxy.async;\n" : ""), "k"), device.memory,
            launch({1, 1, 1}, {128, 1, 1}, Arguments().add(out), 2304), options);
    REQUIRE(report);
    CHECK(device.download<float>(out, 128) == std::vector<float>(128));
    INFO(text_of(*report));
    if (fenced) {
      CHECK(report->faults.empty());
    } else {
      REQUIRE(report->fault);
      CHECK(report->fault->kind == FaultKind::missing_proxy_fence);
      CHECK(report->fault->message.find("after the generic store") != std::string::npos);
    }
  }
}
