// Hopper's asynchronous machinery in NVRTC's texts, against plain loops.
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <random>

#include "emulator/fixture.hpp"
#include "emulator/tensor_map.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

const char* const hopper[] = {"async.sm_90a", "async.sm_100a"};

std::vector<float> small_numbers(size_t count, int seed) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(static_cast<int>((i * 37 + seed * 11) % 17) - 8);
  }
  return values;
}

}  // namespace

TEST_CASE("a pipeline of cp.async multiplies matrices") {
  for (const char* file : hopper) {
    const int n = 128;
    const auto a = small_numbers(n * n, 1), b = small_numbers(n * n, 2);
    Device device;
    const uint64_t pa = device.upload(a, "a", Access::read_only);
    const uint64_t pb = device.upload(b, "b", Access::read_only);
    const uint64_t pc = device.upload(std::vector<float>(n * n), "c");
    RunOptions options;
    options.threads = 2;
    const auto report = run_well(
        load(file, "pipeline_gemm"), device,
        launch({n / 64, n / 64, 1}, {256, 1, 1}, Arguments().add(pa).add(pb).add(pc).add(n)),
        options);
    const auto c = device.download<float>(pc, n * n);
    for (int i = 0; i < n; ++i) {
      for (int j = 0; j < n; ++j) {
        float sum = 0;
        for (int k = 0; k < n; ++k) sum = std::fma(a[i * n + k], b[k * n + j], sum);
        REQUIRE(c[i * n + j] == sum);
      }
    }
    // Each block reads 64 rows of a and 64 columns of b once, 32 bytes a sector.
    CHECK(report.profile.global_load.sectors == 4u * 2 * 64 * n * 4 / 32);
  }
}

TEST_CASE("each lane's cp.async land with its own groups") {
  // Lane l owns four places of 16 bytes in shared memory and reads them after every wait.
  struct Step {
    enum { copy, commit, wait } what;
    uint32_t mask;
    int bytes, place, source, count;  // count: bytes read, or groups left pending
  };
  constexpr int places = 4, sources = 64;
  std::mt19937 random(3);
  for (int round = 0; round < 12; ++round) {
    std::vector<Step> steps;
    for (int i = 0; i < 60; ++i) {
      const uint32_t r = random();
      const uint32_t mask = random() % 3 != 0 ? ~0u : random() | random() % 2;
      const int bytes = 4 << r % 3, kind = static_cast<int>(r >> 4) % 8;
      const int count = random() % 3 != 0 ? bytes : static_cast<int>(random()) & 15;
      steps.push_back(kind < 4   ? Step{Step::copy, mask, bytes, static_cast<int>(r >> 8) % places,
                                      static_cast<int>(r >> 12) % sources,
                                      std::min(bytes, std::abs(count))}
                      : kind < 6 ? Step{Step::commit, mask, 0, 0, 0, 0}
                                 : Step{Step::wait, mask, 0, 0, 0, static_cast<int>(r >> 8) % 3});
    }
    steps.push_back({Step::wait, ~0u, 0, 0, 0, 0});

    std::string text =
        ".version 8.0\n.target sm_90\n.address_size 64\n"
        ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n.shared .align 16 .b8 s[2048];\n"
        ".reg .b32 %l, %at, %bit, %v<4>; .reg .b64 %from, %to; .reg .pred %p;\n"
        "mov.u32 %l, %laneid;\nmov.u32 %at, s;\nmad.lo.u32 %at, %l, 64, %at;\n"
        "ld.param.u64 %from, [in];\nmad.wide.u32 %from, %l, 1024, %from;\n"
        "ld.param.u64 %to, [out];\nmad.wide.u32 %to, %l, 64, %to;\nmov.u32 %v0, 0;\n";
    for (int w = 0; w < places * 4; ++w) {
      text += "st.shared.u32 [%at+" + std::to_string(w * 4) + "], %v0;\n";
    }
    std::vector<uint32_t> in(32 * sources * 4);
    for (uint32_t& x : in) x = random();
    std::array<std::array<uint32_t, places * 4>, 32> shared{};
    struct Pending {
      int group;
      Step step;
    };
    std::array<std::vector<Pending>, 32> pending;
    std::array<int, 32> groups{};
    std::vector<uint32_t> expected;
    int waits = 0;
    for (const Step& step : steps) {
      const std::string number = std::to_string(step.mask);
      text += "shr.u32 %bit, " + number + ", %l;\nand.b32 %bit, %bit, 1;\n" +
              "setp.ne.u32 %p, %bit, 0;\n@%p ";
      if (step.what == Step::copy) {
        text += std::string("cp.async.ca.shared.global [%at+") + std::to_string(step.place * 16) +
                "], [%from+" + std::to_string(step.source * 16) + "], " +
                std::to_string(step.bytes) +
                (step.count < step.bytes ? ", " + std::to_string(step.count) : "") + ";\n";
      } else if (step.what == Step::commit) {
        text += "cp.async.commit_group;\n";
      } else {
        text += "cp.async.wait_group " + std::to_string(step.count) + ";\n";
      }
      for (int l = 0; l < 32; ++l) {
        if ((step.mask >> l & 1) == 0) continue;
        if (step.what == Step::copy) pending[l].push_back({groups[l], step});
        if (step.what == Step::commit) ++groups[l];
        if (step.what != Step::wait) continue;
        std::vector<Pending> rest;
        for (const Pending& p : pending[l]) {
          if (p.group >= groups[l] - std::min(step.count, groups[l])) {
            rest.push_back(p);
            continue;
          }
          std::array<uint32_t, 4> data{};
          std::memcpy(data.data(), &in[static_cast<size_t>((l * sources + p.step.source) * 4)],
                      static_cast<size_t>(p.step.count));
          std::memcpy(&shared[l][static_cast<size_t>(p.step.place * 4)], data.data(),
                      static_cast<size_t>(p.step.bytes));
        }
        pending[l] = rest;
      }
      if (step.what != Step::wait) continue;
      for (int w = 0; w < places * 4; ++w) {
        const std::string at = std::to_string(w * 4);
        text += "ld.shared.u32 %v0, [%at+" + at + "];\nst.global.u32 [%to+" +
                std::to_string(waits * 2048 + w * 4) + "], %v0;\n";
      }
      ++waits;
      for (const auto& lane : shared) expected.insert(expected.end(), lane.begin(), lane.end());
    }
    Device device;
    const uint64_t from = device.upload(in, "in", Access::read_only);
    const uint64_t to = device.upload(std::vector<uint32_t>(expected.size()), "out");
    RunOptions options;
    options.checks = Checks::bounds;  // places are reused while copies to them are under way
    run_well(assemble(text + "ret;\n}\n", "k"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(from).add(to)), options);
    INFO("round " << round);
    CHECK((device.download<uint32_t>(to, expected.size()) == expected));
  }
}

TEST_CASE("a producer warp and four consumer warps share a ring of tensor copies") {
  for (const char* file : hopper) {
    const int columns = 96, rows = 5 * 32;
    const auto x = small_numbers(columns * rows, 3);
    Device device;
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t py = device.upload(std::vector<float>(columns * rows), "y");
    REQUIRE(device.memory.track_writes(py));
    TensorMap map;
    map.rank = 2;
    map.sizes = {columns, rows};
    map.strides_bytes = {columns * 4};
    map.box = {32, 32};
    map.swizzle_bytes = 128;
    Arguments arguments;
    for (const uint64_t address : {px, py}) {
      map.address = address;
      const auto bytes = encode_tensor_map(map);
      REQUIRE(bytes);
      arguments.bytes.insert(arguments.bytes.end(), bytes->begin(), bytes->end());
    }
    arguments.add(rows / 32);
    RunOptions options;
    options.checks = Checks::all;
    const auto report = run_well(load(file, "tensor_ring"), device,
                                 launch({columns / 32, 1, 1}, {160, 1, 1}, arguments), options);
    const auto y = device.download<float>(py, columns * rows);
    for (int r = 0; r < rows; ++r) {
      for (int c = 0; c < columns; ++c) {
        REQUIRE(y[r * columns + c] == x[r * columns + c] + static_cast<float>(r % 32 + c % 32));
      }
    }
    for (const uint64_t word : device.memory.written(py)) CHECK(word == ~uint64_t{0});
    CHECK(report.profile.global_load.sectors == columns * rows * 4 / 32);
    CHECK(report.profile.global_store.sectors == columns * rows * 4 / 32);
  }
}

TEST_CASE("blocks of a cluster read each other's shared memory") {
  for (const char* file : hopper) {
    const Program program = load(file, "cluster_sum");
    std::vector<std::vector<float>> results;
    for (const int threads : {1, 2}) {
      Device device;
      const auto x = small_numbers(12 * 32, 4);
      const uint64_t px = device.upload(x, "x", Access::read_only);
      const uint64_t py = device.upload(std::vector<float>(12), "y");
      RunOptions options;
      options.threads = threads;
      // The kernel brings its cluster of four along.
      run_well(program, device, launch({12, 1, 1}, {32, 1, 1}, Arguments().add(px).add(py)),
               options);
      results.push_back(device.download<float>(py, 12));
      for (int b = 0; b < 12; ++b) {
        float sum = 0;
        for (int i = b / 4 * 128; i < b / 4 * 128 + 128; ++i) sum += x[i];
        CHECK(results.back()[b] == sum + 1000.0f * static_cast<float>(b % 4));
      }
    }
    CHECK(results[0] == results[1]);
  }
}

TEST_CASE("a sampled block runs with its cluster") {
  Device device;
  const uint64_t px = device.upload(small_numbers(12 * 32, 4), "x", Access::read_only);
  const uint64_t py = device.upload(std::vector<float>(12, -1e9f), "y");
  RunOptions options;
  options.blocks = {6};
  const auto report =
      run_well(load(hopper[0], "cluster_sum"), device,
               launch({12, 1, 1}, {32, 1, 1}, Arguments().add(px).add(py)), options);
  CHECK(report.profile.blocks_run == 4);
  const auto y = device.download<float>(py, 12);
  for (int b = 0; b < 12; ++b) CHECK((y[b] == -1e9f) == (b / 4 != 1));
}

TEST_CASE("launches of clusters and of cooperative grids that hardware refuses") {
  Device device;
  const uint64_t px = device.upload(std::vector<float>(12 * 32), "x");
  const auto message = [&](const char* kernel, LaunchParams params,
                           const RunOptions& options = {}) {
    const auto report = run(load(hopper[0], kernel), device.memory, params, options);
    REQUIRE(report);
    REQUIRE(report->fault);
    CHECK(report->fault->kind == FaultKind::launch_error);
    return report->fault->message;
  };
  LaunchParams params = launch({6, 1, 1}, {32, 1, 1}, Arguments().add(px).add(px));
  CHECK(message("cluster_sum", params) == "cluster 4 x 1 x 1 does not divide the grid 6 x 1 x 1");
  params.cluster = {2, 1, 1};
  CHECK(message("cluster_sum", params) == "cluster dimension x is 2, the kernel requires 4");
  params = launch({32, 1, 1}, {32, 1, 1}, Arguments().add(px).add(4));
  params.cluster = {16, 2, 1};
  CHECK(message("grid_sync", params).find("does not divide") != std::string::npos);
  params.cluster = {1, 1, 1};
  params.cooperative = true;
  RunOptions options;
  options.resident_block_limit = 31;
  CHECK(message("grid_sync", params, options) ==
        "cooperative grid of 32 blocks, the device holds 31");
}

TEST_CASE("a cooperative grid synchronises") {
  for (const char* file : hopper) {
    const int n = 40 * 64;
    std::vector<int> x(n);
    for (int i = 0; i < n; ++i) x[i] = i;
    Device device;
    const uint64_t px = device.upload(x, "x");
    LaunchParams params = launch({40, 1, 1}, {64, 1, 1}, Arguments().add(px).add(n));
    params.cooperative = true;
    RunOptions options;
    options.threads = 2;
    run_well(load(file, "grid_sync"), device, params, options);
    const auto y = device.download<int>(px, n);
    for (int i = 0; i < n; ++i) REQUIRE(y[i] == (i + 3) % n + 3);
    CHECK(device.memory.allocations().size() == 1);  // the grid's workspace is gone
    // Without a cooperative launch there is no workspace, and the library's code traps.
    params.cooperative = false;
    const auto report = run(load(file, "grid_sync"), device.memory, params, {});
    REQUIRE(report);
    REQUIRE(report->fault);
    CHECK(report->fault->kind == FaultKind::trap);
  }
}

TEST_CASE("blocks look back at their predecessors' sums") {
  for (const char* file : hopper) {
    const int blocks = 100;
    std::vector<int> x(blocks * 32);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int>(i % 13);
    Device device;
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t py = device.upload(std::vector<int>(x.size()), "y");
    const uint64_t ps = device.upload(std::vector<uint64_t>(blocks), "state");
    RunOptions options;
    options.threads = 3;
    run_well(load(file, "look_back"), device,
             launch({blocks, 1, 1}, {32, 1, 1}, Arguments().add(px).add(py).add(ps)), options);
    const auto y = device.download<int>(py, x.size());
    int sum = 0;
    for (size_t i = 0; i < x.size(); ++i) REQUIRE(y[i] == (sum += x[i]));
  }
}

namespace {

// Eight warps; %p1 holds in warps 0 to 3, %p2 in warp 2.
Program with_register_limits(const std::string& body) {
  return assemble(R"(.version 8.0
.target sm_90a
.address_size 64
.visible .entry limits()
{
  .reg .pred %p<4>;
  .reg .b32 %r<4>;
  mov.u32 %r1, %tid.x;
  shr.u32 %r2, %r1, 5;
  setp.lt.u32 %p1, %r2, 4;
  setp.eq.u32 %p2, %r2, 2;
)" + body + "  ret;\n}\n",
                  "limits");
}

std::string limits_fault(const std::string& body) {
  Device device;
  const auto report =
      run(with_register_limits(body), device.memory, launch({2, 1, 1}, {256, 1, 1}, {}), {});
  REQUIRE(report);
  if (!report->fault) return {};
  CHECK(report->fault->kind == FaultKind::divergent_barrier);
  return report->fault->message;
}

}  // namespace

TEST_CASE("a warpgroup agrees on setmaxnreg") {
  const std::string roles = R"(
  @%p1 bra CONSUMER;
  setmaxnreg.dec.sync.aligned.u32 24;
  bra DONE;
CONSUMER:
  setmaxnreg.inc.sync.aligned.u32 240;
  bar.sync 1, 128;
  setmaxnreg.dec.sync.aligned.u32 96;
DONE:
)";
  CHECK(limits_fault(roles) == "");
  const auto one_differs = [](const std::string& there, const std::string& elsewhere) {
    return limits_fault("  @%p2 bra OTHER;\n" + elsewhere + "  bra DONE;\nOTHER:\n" + there +
                        "DONE:\n");
  };
  const std::string dec40 = "  setmaxnreg.dec.sync.aligned.u32 40;\n";
  CHECK(one_differs("  setmaxnreg.dec.sync.aligned.u32 32;\n", dec40) ==
        "setmaxnreg.dec 32 by warp 2, setmaxnreg.dec 40 by warp 0 of the same warpgroup");
  CHECK(one_differs("  setmaxnreg.inc.sync.aligned.u32 40;\n", dec40) ==
        "setmaxnreg.inc 40 by warp 2, setmaxnreg.dec 40 by warp 0 of the same warpgroup");
  // Left out by a warp that exits after the others executed it, and before.
  CHECK(one_differs("", dec40) ==
        "warp 0 of the same warpgroup executed this setmaxnreg, warp 2 exits without it");
  CHECK(limits_fault("  @%p2 bra DONE;\n  bar.sync 1, 224;\n" + dec40 + "DONE:\n") ==
        "setmaxnreg.dec 40 by warp 0, warp 2 of the same warpgroup exited without it");
}

TEST_CASE("setmaxnreg.inc does not lower a limit, nor .dec raise it") {
  const std::string dec64 = "  setmaxnreg.dec.sync.aligned.u32 64;\n";
  CHECK(limits_fault(dec64 + "  bar.sync 0;\n  setmaxnreg.inc.sync.aligned.u32 64;\n") == "");
  CHECK(limits_fault(dec64 + "  bar.sync 0;\n  setmaxnreg.dec.sync.aligned.u32 72;\n") ==
        "setmaxnreg.dec 72 by warp 0, whose limit is 64 registers");
  CHECK(limits_fault(dec64 + "  bar.sync 0;\n  setmaxnreg.inc.sync.aligned.u32 56;\n") ==
        "setmaxnreg.inc 56 by warp 0, whose limit is 64 registers");
}
