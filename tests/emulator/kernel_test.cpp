// Whole kernels from NVRTC's texts in three dialects, against plain C++ loops.
#include <catch2/catch.hpp>
#include <cmath>

#include "emulator/code.hpp"
#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

std::vector<float> values(size_t count, uint32_t seed, float scale = 2.0f) {
  std::vector<float> out(count);
  uint32_t state = seed;
  for (float& x : out) {
    state = state * 1664525u + 1013904223u;
    x = (static_cast<float>(state >> 8) / 16777216.0f - 0.5f) * scale;
  }
  return out;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * 4) == 0;
}

}  // namespace

TEST_CASE("vector add gives the bits of a loop, also with a ragged last block") {
  for (const char* dialect : dialects) {
    Device device;
    const int n = 1000;
    const auto a = values(n, 1), b = values(n, 2);
    const uint64_t pa = device.upload(a, "a", Access::read_only);
    const uint64_t pb = device.upload(b, "b", Access::read_only);
    const uint64_t pc = device.upload(std::vector<float>(n), "c");
    const Program program = load(std::string("math.") + dialect, "vector_add");
    const auto report =
        run_well(program, device,
                 launch({8, 1, 1}, {128, 1, 1}, Arguments().add(pa).add(pb).add(pc).add(n)));
    std::vector<float> expected(n);
    for (int i = 0; i < n; ++i) expected[i] = a[i] + b[i];
    CHECK(same_bits(device.download<float>(pc, n), expected));
    CHECK(report.profile.blocks_run == 8);
    // 32 warps start; the last one has 8 lanes with work.
    CHECK(report.profile.global_load.requests == 64);
    CHECK(report.profile.global_load.lanes == 2000);
    CHECK(report.profile.global_store.sectors == 125);
    REQUIRE(report.profile.allocations.size() == 3);
    CHECK(report.profile.allocations[0].name == "a");
    CHECK(report.profile.allocations[0].loaded_sectors == 125);
    CHECK(report.profile.allocations[2].stored_sectors == 125);
    CHECK(report.profile.allocations[2].loaded_sectors == 0);
  }
}

TEST_CASE("a tiled product gives the bits of an fmaf chain") {
  for (const char* dialect : dialects) {
    Device device;
    const int m = 45, n = 70, k = 37;
    const auto a = values(m * k, 3), b = values(k * n, 4);
    const uint64_t pa = device.upload(a, "a", Access::read_only);
    const uint64_t pb = device.upload(b, "b", Access::read_only);
    const uint64_t pc = device.upload(std::vector<float>(m * n), "c");
    run_well(
        load(std::string("math.") + dialect, "sgemm"), device,
        launch({5, 3, 1}, {16, 16, 1}, Arguments().add(pa).add(pb).add(pc).add(m).add(n).add(k)));
    std::vector<float> expected(m * n);
    for (int i = 0; i < m; ++i) {
      for (int j = 0; j < n; ++j) {
        float s = 0;
        for (int q = 0; q < k; ++q) s = std::fma(a[i * k + q], b[q * n + j], s);
        expected[i * n + j] = s;
      }
    }
    CHECK(same_bits(device.download<float>(pc, m * n), expected));
  }
}

TEST_CASE("row softmax is within a few ulp of double precision") {
  for (const char* dialect : dialects) {
    Device device;
    const int rows = 5, columns = 333;
    const auto x = values(rows * columns, 5, 16.0f);
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t py = device.upload(std::vector<float>(rows * columns), "y");
    run_well(load(std::string("math.") + dialect, "row_softmax"), device,
             launch({rows, 1, 1}, {128, 1, 1}, Arguments().add(px).add(py).add(columns)));
    const auto y = device.download<float>(py, rows * columns);
    for (int r = 0; r < rows; ++r) {
      double most = -1e30, sum = 0;
      for (int c = 0; c < columns; ++c) most = std::max<double>(most, x[r * columns + c]);
      for (int c = 0; c < columns; ++c) sum += std::exp(x[r * columns + c] - most);
      for (int c = 0; c < columns; ++c) {
        const double expected = std::exp(x[r * columns + c] - most) / sum;
        CHECK(std::abs(y[r * columns + c] - expected) <= 2e-6 * expected);
      }
    }
  }
}

TEST_CASE("divergent loops end with every lane's own result") {
  for (const char* dialect : dialects) {
    Device device;
    const int n = 150;
    std::vector<uint32_t> start(n);
    for (int i = 0; i < n; ++i) start[i] = 1 + static_cast<uint32_t>(i) * 7;
    const uint64_t ps = device.upload(start, "start", Access::read_only);
    const uint64_t pd = device.upload(std::vector<uint32_t>(n), "steps");
    run_well(load(std::string("math.") + dialect, "collatz"), device,
             launch({3, 1, 1}, {64, 1, 1}, Arguments().add(ps).add(pd).add(n)));
    const auto steps = device.download<uint32_t>(pd, n);
    for (int i = 0; i < n; ++i) {
      uint32_t x = start[i], count = 0;
      for (; x != 1; ++count) x = x % 2 != 0 ? 3 * x + 1 : x / 2;
      CHECK(steps[i] == count);
    }
  }
}

TEST_CASE("vector accesses and dynamic shared memory") {
  for (const char* dialect : dialects) {
    Device device;
    const auto x = values(64 * 4, 6);
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t py = device.upload(std::vector<float>(64 * 4), "y");
    const auto report = run_well(load(std::string("math.") + dialect, "transpose4"), device,
                                 launch({1, 1, 1}, {64, 1, 1}, Arguments().add(px).add(py), 1024));
    const auto y = device.download<float>(py, 64 * 4);
    for (int t = 0; t < 64; ++t) {
      for (int i = 0; i < 4; ++i) CHECK(y[t * 4 + i] == x[i * 64 + t]);
    }
    CHECK(report.profile.global_load.sectors == 32);
    CHECK(report.profile.shared_load.wavefronts == 8);  // one per request: no conflicts
  }
}

TEST_CASE("constant and global module variables hold their initialisers") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<int> index(32);
    for (int i = 0; i < 32; ++i) index[i] = i * 5;
    const uint64_t pi = device.upload(index, "index", Access::read_only);
    const uint64_t po = device.upload(std::vector<float>(32), "out");
    run_well(load(std::string("math.") + dialect, "lookup"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(pi).add(po).add(32)));
    const auto out = device.download<float>(po, 32);
    for (int i = 0; i < 32; ++i) {
      CHECK(out[i] ==
            0.5f + static_cast<float>(index[i] & 3) + static_cast<float>(10 + 10 * (index[i] % 3)));
    }
    CHECK(device.memory.allocations().size() == 2);  // the variables are gone again
  }
}

TEST_CASE("local arrays with dynamic index, in double precision") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<double> x(40 * 8);
    for (size_t i = 0; i < x.size(); ++i) x[i] = 1.0 / static_cast<double>(i + 1);
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t py = device.upload(std::vector<double>(40), "y");
    run_well(load(std::string("math.") + dialect, "local_array"), device,
             launch({1, 1, 1}, {40, 1, 1}, Arguments().add(px).add(py).add(3)));
    const auto y = device.download<double>(py, 40);
    for (int t = 0; t < 40; ++t) {
      double s = 0;
      for (int i = 0; i < 8; ++i) s = std::fma(x[t * 8 + ((i + 3 + t) & 7)], i + 1.0, s);
      CHECK(y[t] == s / 3.0);
    }
  }
}

TEST_CASE("half, bfloat16 and integer conversions") {
  for (const char* dialect : dialects) {
    const std::string file = std::string("half.") + dialect;
    Device device;
    // f16: 1.0 is 0x3c00, -2.0 is 0xc000, 0.5 is 0x3800.
    const uint64_t px = device.upload(std::vector<uint16_t>{0x3c00, 0xc000, 0x3800, 0x7c00}, "x");
    const uint64_t py = device.upload(std::vector<uint16_t>{0x3c00, 0x3c00, 0x3c00, 0x3c00}, "y");
    run_well(load(file, "half_axpy"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(px).add(py).add(3.0f).add(2)));
    CHECK(device.download<uint16_t>(py, 4) ==
          std::vector<uint16_t>{0x4400, 0xc500, 0x4100, 0x7c00});  // 4, -5, 2.5, inf
    const uint64_t pf = device.upload(std::vector<float>(4), "f");
    run_well(load(file, "half_to_float"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(py).add(pf).add(3)));
    CHECK(device.download<float>(pf, 3) == std::vector<float>{8.0f, -10.0f, 5.0f});

    const std::vector<float> wide{1.0f, 1.00390625f, 1.01171875f, -3.4e38f};
    const uint64_t pw = device.upload(wide, "wide");
    const uint64_t pb = device.upload(std::vector<uint16_t>(4), "b");
    run_well(load(file, "bf16_round"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(pw).add(pb).add(4)));
    CHECK(device.download<uint16_t>(pb, 4) ==  // ties to even, both ways
          std::vector<uint16_t>{0x3f80, 0x3f80, 0x3f82, 0xff80});

    const uint64_t pq = device.upload(std::vector<int8_t>(4), "q");
    const uint64_t pv = device.upload(std::vector<float>{1.25f, -100.0f, 0.25f, 40.0f}, "v");
    run_well(load(file, "quantise"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(pv).add(pq).add(2.0f).add(4)));
    CHECK(device.download<int8_t>(pq, 4) == std::vector<int8_t>{2, -128, 0, 80});
  }
}

TEST_CASE("results and profile do not depend on the number of host threads") {
  const Program program = load("math.sm_80", "row_softmax");
  const int rows = 37, columns = 100;
  const auto x = values(rows * columns, 7, 8.0f);
  std::vector<std::vector<float>> results;
  std::vector<Profile> profiles;
  for (const int threads : {1, 2, 5}) {
    Device device;
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t py = device.upload(std::vector<float>(rows * columns), "y");
    RunOptions options;
    options.threads = threads;
    profiles.push_back(
        run_well(program, device,
                 launch({rows, 1, 1}, {64, 1, 1}, Arguments().add(px).add(py).add(columns)),
                 options)
            .profile);
    results.push_back(device.download<float>(py, rows * columns));
  }
  for (size_t i = 1; i < results.size(); ++i) {
    CHECK(same_bits(results[i], results[0]));
    CHECK(profiles[i].warp_instructions == profiles[0].warp_instructions);
    CHECK(profiles[i].lane_instructions == profiles[0].lane_instructions);
    CHECK(profiles[i].global_load.sectors == profiles[0].global_load.sectors);
    CHECK(profiles[i].shared_load.wavefronts == profiles[0].shared_load.wavefronts);
    CHECK(profiles[i].allocations[0].loaded_sectors == profiles[0].allocations[0].loaded_sectors);
  }
}

TEST_CASE("a sample of blocks writes only its own bytes, and the record says which") {
  Device device;
  const int n = 1024;
  const uint64_t pa = device.upload(values(n, 1), "a");
  const uint64_t pc = device.upload(std::vector<float>(n, 9.0f), "c");
  REQUIRE(device.memory.track_writes(pc));
  RunOptions options;
  options.blocks = {1, 6};
  options.threads = 2;
  const auto report =
      run_well(load("math.sm_90a", "vector_add"), device,
               launch({8, 1, 1}, {128, 1, 1}, Arguments().add(pa).add(pa).add(pc).add(n)), options);
  CHECK(report.profile.blocks_run == 2);
  CHECK(report.profile.blocks_total == 8);
  const auto written = device.memory.written(pc);
  const auto c = device.download<float>(pc, n);
  for (int i = 0; i < n; ++i) {
    const bool ran = i / 128 == 1 || i / 128 == 6;
    CHECK((c[i] == 9.0f) == !ran);
    for (int byte = i * 4; byte < i * 4 + 4; ++byte) {
      CHECK((written[byte / 64] >> (byte % 64) & 1) == (ran ? 1u : 0u));
    }
  }
}

TEST_CASE("registers that hold constants give what their movs say") {
  const std::string ptx = R"(.version 8.7
.target sm_80
.address_size 64
.visible .entry k(.param .u64 out, .param .u32 factor) {
  .reg .pred %p, %q;
  .reg .b32 %r<16>;
  .reg .b64 %rd<8>;
  .shared .align 4 .b8 tile[128];
  ld.param.u64 %rd1, [out];
  cvta.to.global.u64 %rd2, %rd1;  // a copy of a copy of a parameter
  ld.param.u32 %r1, [factor];
  mov.u32 %r2, %tid.x;
  mul.wide.u32 %rd3, %r2, 32;
  add.u64 %rd4, %rd2, %rd3;
  mov.u32 %r3, 7;
  st.global.u32 [%rd4], %r3;  // stored itself
  mul.lo.u32 %r4, %r1, %r3;
  st.global.u32 [%rd4+4], %r4;
  mov.u32 %r5, 1;  // written twice
  setp.lt.u32 %p, %r2, 16;
  @%p mov.u32 %r5, 2;
  st.global.u32 [%rd4+8], %r5;
  @%p mov.u32 %r6, 3;  // by some lanes only
  @!%p mov.u32 %r7, 4;
  selp.b32 %r8, %r6, %r7, %p;
  st.global.u32 [%rd4+12], %r8;
  mov.u32 %r9, 0;
L:
  mov.u32 %r10, 5;  // again and again
  add.u32 %r9, %r9, %r10;
  setp.lt.u32 %q, %r9, 25;
  @%q bra L;
  st.global.v2.u32 [%rd4+16], {%r9, %r3};
  mov.u32 %r11, %r12;  // a circle
  mov.u32 %r12, %r11;
  mov.u32 %r13, tile;
  st.shared.u32 [%r13], %r3;
  ld.shared.u32 %r14, [tile];
  shl.b32 %r15, %r14, %r3;
  st.global.v2.u32 [%rd4+24], {%r14, %r15};
  ret;
})";
  const Program program = assemble(ptx, "k");
  Device device;
  const uint64_t out = device.upload(std::vector<uint32_t>(32 * 8), "out");
  const auto report = run_well(program, device,
                               launch({1, 1, 1}, {32, 1, 1}, Arguments().add(out).add(6u)));
  const auto got = device.download<uint32_t>(out, 32 * 8);
  for (uint32_t lane = 0; lane < 32; ++lane) {
    const std::vector<uint32_t> row(got.begin() + lane * 8, got.begin() + lane * 8 + 8);
    const uint32_t second = lane < 16 ? 2 : 1, chosen = lane < 16 ? 3 : 4;
    CHECK(row == std::vector<uint32_t>{7, 42, second, chosen, 25, 7, 7, 7u << 7});
  }
  // Every instruction counts: 32 in a row and four more rounds of the loop's four.
  uint64_t instructions = 0;
  for (const uint64_t n : report.profile.warp_instructions) instructions += n;
  CHECK(instructions == 32 + 4 * 4);
  // Neither parameters nor their copies have places of their own.
  CHECK(program.code->register_bytes - program.code->constant_bytes <= 2 * 256 + 9 * 128);
}
