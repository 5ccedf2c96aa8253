// What the emulator leaves out because it may: copies, tags, comparisons of lanes, second loads of
// a factor. Each against a model that leaves nothing out, or against what PTX says must come out.
#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <random>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

std::string kernel(const std::string& body) {
  return ".version 8.7\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 out) {\n" +
         body + "\n}\n";
}

// A few warps load from and store to shared memory, with barriers of the block between.
struct Step {
  int warp;  // -1: a barrier
  bool store;
  uint32_t offset, stride, bytes;
};
constexpr uint32_t tile_bytes = 4096;

std::vector<Step> random_steps(std::mt19937& random, int warps) {
  const auto below = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  std::vector<Step> steps;
  const uint32_t count = 3 + below(12);
  const uint32_t region = 256u << below(4);  // small regions collide often
  for (uint32_t i = 0; i < count; ++i) {
    if (below(4) == 0) {
      steps.push_back({-1, false, 0, 0, 0});
      continue;
    }
    Step s{static_cast<int>(below(static_cast<uint32_t>(warps))), below(3) == 0, 0, 0, 4};
    s.bytes = below(4) == 0 ? 16 : below(8) == 0 ? 1 : 4;
    s.stride = std::array<uint32_t, 4>{0, s.bytes, s.bytes, 2 * s.bytes}[below(4)];
    const uint32_t reach = 31 * s.stride + s.bytes;
    s.offset = below((tile_bytes - reach) / 16) * 16 % region;
    steps.push_back(s);
  }
  return steps;
}

// Whether there is a race, byte by byte: two warps (or, by threads, two threads in different
// instructions) touch a byte between two barriers and one of them stores.
bool races(const std::vector<Step>& steps, bool by_threads) {
  struct Touch {
    uint32_t who;
    size_t step;
    bool store;
  };
  std::map<uint32_t, std::vector<Touch>> bytes;
  for (size_t i = 0; i < steps.size(); ++i) {
    const Step& s = steps[i];
    if (s.warp < 0) {
      bytes.clear();
      continue;
    }
    for (uint32_t l = 0; l < 32; ++l) {
      const uint32_t who = static_cast<uint32_t>(s.warp) * 32 + (by_threads ? l : 0);
      for (uint32_t b = 0; b < s.bytes; ++b) {
        std::vector<Touch>& touches = bytes[s.offset + l * s.stride + b];
        for (const Touch& t : touches) {
          if (t.who != who && t.step != i && (t.store || s.store)) return true;
        }
        touches.push_back({who, i, s.store});
      }
    }
  }
  return false;
}

std::string text_of(const std::vector<Step>& steps) {
  std::string body = fmt::format(
      ".reg .pred %p;\n.reg .b32 %r<16>;\n.reg .b16 %h;\n.shared .align 16 .b8 tile[{}];\n"
      "mov.u32 %r1, %tid.x;\nand.b32 %r2, %r1, 31;\nshr.u32 %r3, %r1, 5;\nmov.u32 %r8, tile;\n",
      tile_bytes);
  // Everything is initialised first, by whoever: that is over at the first barrier.
  body += "mov.u32 %r4, 0;\nmov.u16 %h, 0;\nmad.lo.u32 %r5, %r1, 4, %r8;\n";
  body += "I:\nst.shared.u32 [%r5], %r4;\nadd.u32 %r5, %r5, 512;\nsub.u32 %r6, %r5, %r8;\n";
  body += fmt::format("setp.lt.u32 %p, %r6, {};\n@%p bra I;\nbar.sync 0;\n", tile_bytes);
  int label = 0;
  for (const Step& s : steps) {
    if (s.warp < 0) {
      body += "bar.sync 0;\n";
      continue;
    }
    body += fmt::format("setp.ne.u32 %p, %r3, {};\n@%p bra S{};\n", s.warp, label);
    body += fmt::format("mad.lo.u32 %r7, %r2, {}, %r8;\n", s.stride);
    const char* kind = s.bytes == 16 ? "v4.u32" : s.bytes == 1 ? "u8" : "u32";
    const char* data = s.bytes == 16 ? "{%r9, %r10, %r11, %r12}" : s.bytes == 1 ? "%h" : "%r9";
    if (s.store) {
      body += fmt::format("st.shared.{} [%r7+{}], {};\n", kind, s.offset, data);
    } else {
      body += fmt::format("ld.shared.{} {}, [%r7+{}];\n", kind, data, s.offset);
    }
    body += fmt::format("S{}:\n", label++);
  }
  return body + "ret;";
}

}  // namespace

TEST_CASE("races are found exactly where a byte by byte model finds them") {
  std::mt19937 random(7);
  int with_races = 0;
  constexpr int programs = 400, warps = 4;
  for (int i = 0; i < programs; ++i) {
    const std::vector<Step> steps = random_steps(random, warps);
    const Program program = assemble(kernel(text_of(steps)), "k");
    with_races += races(steps, false) ? 1 : 0;
    for (const Checks checks : {Checks::shared_races, Checks::all}) {
      Device device;
      RunOptions options;
      options.checks = checks;
      const auto report =
          run(program, device.memory,
              launch({2, 1, 1}, {32 * warps, 1, 1}, Arguments().add(uint64_t{0})), options);
      REQUIRE(report);
      INFO(text_of(steps));
      const bool found = report->fault && report->fault->kind == FaultKind::shared_race;
      if (checks == Checks::shared_races) {
        REQUIRE(found == races(steps, false));
      } else {  // of lanes, those that several lanes' store of one place began are let pass
        REQUIRE((found || !races(steps, false)));
        REQUIRE((!found || races(steps, true)));
      }
      REQUIRE((found || !report->fault));
    }
  }
  CHECK(with_races > programs / 10);
  CHECK(with_races < programs * 9 / 10);
}

TEST_CASE("a store is checked against more loads than are noted") {
  // 5000 loads by warp 0, then a store by warp 1 to what only the first of them read.
  std::string body =
      ".reg .pred %p;\n.reg .b32 %r<8>;\n.shared .align 16 .b8 tile[1024];\n"
      "mov.u32 %r1, %tid.x;\nand.b32 %r2, %r1, 31;\nmov.u32 %r3, tile;\n"
      "mad.lo.u32 %r4, %r2, 4, %r3;\nst.shared.u32 [%r4], %r1;\nst.shared.u32 [%r4+512], %r1;\n"
      "bar.sync 0;\nsetp.ge.u32 %p, %r1, 32;\n@%p bra W;\n"
      "ld.shared.u32 %r5, [%r4];\nmov.u32 %r6, 0;\n"
      "L: ld.shared.u32 %r5, [%r4+512];\nadd.u32 %r6, %r6, 1;\nsetp.lt.u32 %p, %r6, 5000;\n"
      "@%p bra L;\nret;\nW: st.shared.u32 [%r4], %r1;\nret;";
  // The two warps store the same values to the same places first, which is a race of its own.
  const size_t init = body.find("st.shared");
  body.insert(init, "setp.ge.u32 %p, %r1, 32;\n@%p bra B;\n");
  body.insert(body.find("bar.sync"), "B: ");
  Device device;
  RunOptions options;
  options.checks = Checks::shared_races;
  const auto report = run(assemble(kernel(body), "k"), device.memory,
                          launch({1, 1, 1}, {64, 1, 1}, Arguments().add(uint64_t{0})), options);
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == FaultKind::shared_race);
}

TEST_CASE("copies of registers give what their sources held") {
  const Program program = assemble(kernel(R"(
  .reg .pred %p;
  .reg .b32 %r<20>;
  .reg .f32 %f<4>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 32;
  add.u64 %rd3, %rd1, %rd2;
  add.u32 %r2, %r1, 100;
  mov.u32 %r3, %r2;        // the source changes before the copy is read
  add.u32 %r2, %r2, 1;
  st.global.v2.u32 [%rd3], {%r2, %r3};
  add.u32 %r4, %r1, 7;
  mov.u32 %r5, %r4;        // a swap
  add.u32 %r6, %r1, 9;
  mov.u32 %r4, %r6;
  mov.u32 %r6, %r5;
  st.global.v2.u32 [%rd3+8], {%r4, %r6};
  mov.u32 %r7, 0;
  mov.u32 %r8, 0;
L:                         // the copy of the round before
  setp.eq.u32 %p, %r7, 0;
  @%p bra M;
  add.u32 %r8, %r8, %r9;
M:
  mul.lo.u32 %r10, %r7, 10;
  mov.u32 %r9, %r10;
  add.u32 %r7, %r7, 1;
  setp.lt.u32 %p, %r7, 5;
  @%p bra L;
  mov.b32 %f1, %r8;        // types only
  mov.b32 %r11, %f1;
  mov.u32 %r12, %r11;
  st.global.v2.u32 [%rd3+16], {%r8, %r12};
  add.u32 %r13, %r1, 1;
  mov.u32 %r14, %r13;      // read where the source is written
  add.u32 %r13, %r14, %r14;
  add.u32 %r15, %r13, %r14;
  st.global.v2.u32 [%rd3+24], {%r13, %r15};
  ret;)"),
                                   "k");
  Device device;
  const uint64_t out = device.upload(std::vector<uint32_t>(32 * 8), "out");
  run_well(program, device, launch({1, 1, 1}, {32, 1, 1}, Arguments().add(out)));
  const auto got = device.download<uint32_t>(out, 32 * 8);
  for (uint32_t t = 0; t < 32; ++t) {
    const std::vector<uint32_t> row(got.begin() + t * 8, got.begin() + t * 8 + 8);
    CHECK(row ==
          std::vector<uint32_t>{t + 101, t + 100, t + 9, t + 7, 60, 60, 2 * t + 2, 3 * t + 3});
  }
}

TEST_CASE("sums with a widened register give what the two instructions say") {
  const Program program = assemble(kernel(R"(
  .reg .pred %p;
  .reg .b32 %r<4>;
  .reg .b64 %rd<20>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 40;
  add.u64 %rd3, %rd1, %rd2;
  sub.u32 %r2, %r1, 16;    // negative in half of the lanes
  mov.u64 %rd4, 0x100000001;
  add.s64 %rd4, %rd4, 2;
  cvt.s64.s32 %rd5, %r2;
  add.s64 %rd6, %rd5, %rd4;
  cvt.u64.u32 %rd7, %r2;
  add.s64 %rd8, %rd4, %rd7;
  cvt.s64.s32 %rd9, %r2;   // read twice
  add.s64 %rd10, %rd9, %rd4;
  cvt.s64.s32 %rd11, %r2;
  add.s64 %rd12, %rd11, %rd11;
  setp.lt.s32 %p, %r2, 0;
  mov.u64 %rd13, 5;
  @%p bra L;
  cvt.s64.s32 %rd13, %r2;  // written twice
L:
  add.s64 %rd14, %rd13, %rd4;
  add.s64 %rd10, %rd10, %rd9;
  st.global.u64 [%rd3], %rd6;
  st.global.u64 [%rd3+8], %rd8;
  st.global.u64 [%rd3+16], %rd10;
  st.global.u64 [%rd3+24], %rd12;
  st.global.u64 [%rd3+32], %rd14;
  ret;)"),
                                   "k");
  Device device;
  const uint64_t out = device.upload(std::vector<uint64_t>(32 * 5), "out");
  const auto report =
      run_well(program, device, launch({1, 1, 1}, {32, 1, 1}, Arguments().add(out)));
  const auto got = device.download<uint64_t>(out, 32 * 5);
  for (int64_t t = 0; t < 32; ++t) {
    const int64_t x = t - 16, base = 0x100000003;
    const auto narrow = static_cast<int64_t>(static_cast<uint32_t>(x));
    const std::vector<int64_t> row(got.begin() + t * 5, got.begin() + t * 5 + 5);
    CHECK(row == std::vector<int64_t>{x + base, narrow + base, 2 * x + base, 2 * x,
                                      (x < 0 ? 5 : x) + base});
  }
  uint64_t instructions = 0;
  for (const uint64_t n : report.profile.warp_instructions) instructions += n;
  CHECK(instructions == 27);
}

// Two accesses through one register, with what may come between: another warp, whose lanes lie
// apart; a new value of the register; lanes that wait for each other.
TEST_CASE("accesses through one register are compared anew when its lanes may lie otherwise") {
  const std::string body = R"(
  .reg .pred %p;
  .reg .b32 %r<20>;
  .reg .b64 %rd<6>;
  .shared .align 16 .b8 tile[4096];
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  mul.wide.u32 %rd2, %r1, 16;
  add.u64 %rd3, %rd1, %rd2;
  mov.u32 %r2, tile;
  mad.lo.u32 %r3, %r1, 4, %r2;
  mov.u32 %r9, 0;
I:
  mad.lo.u32 %r10, %r9, 256, %r1;
  st.shared.u32 [%r3], %r10;
  st.shared.u32 [%r3+256], %r10;
  add.u32 %r3, %r3, 512;
  add.u32 %r9, %r9, 1;
  setp.lt.u32 %p, %r9, 8;
  @%p bra I;
  bar.sync 0;
  and.b32 %r4, %r1, 31;
  shr.u32 %r5, %r1, 5;
  add.u32 %r5, %r5, 1;     // warp 0: neighbours; warp 1: every other word
  mul.lo.u32 %r6, %r4, %r5;
  mad.lo.u32 %r7, %r6, 4, %r2;
  setp.lt.u32 %p, %r4, 16;
  @%p bra A;
  ld.shared.u32 %r11, [%r7+512];
  bra B;
A:
  ld.shared.u32 %r11, [%r7+512];
B:
  ld.shared.u32 %r12, [%r7];
  shfl.sync.idx.b32 %r13, %r12, %r4, 31, -1;
  ld.shared.u32 %r14, [%r7+4];
  add.u32 %r7, %r7, %r6;   // other distances, through the same register
  add.u32 %r7, %r7, %r6;
  add.u32 %r7, %r7, %r6;
  add.u32 %r7, %r7, %r6;
  ld.shared.u32 %r15, [%r7+8];
  st.global.v4.u32 [%rd3], {%r11, %r13, %r14, %r15};
  mad.lo.u32 %r16, %r4, 4, %r2;  // alike in both warps, and then not
  ld.shared.u32 %r17, [%r16];
  mad.lo.u32 %r16, %r6, 4, %r16;
  ld.shared.u32 %r18, [%r16+8];
  add.u32 %r18, %r18, %r17;
  mul.wide.u32 %rd4, %r1, 4;
  add.u64 %rd5, %rd1, %rd4;
  st.global.u32 [%rd5+1024], %r18;
  ret;)";
  const Program program = assemble(kernel(body), "k");
  const auto word = [](uint32_t i) { return i / 128 * 256 + i % 64; };  // of the tile
  for (const Checks checks : {Checks::bounds, Checks::all}) {
    Device device;
    const uint64_t out = device.upload(std::vector<uint32_t>(64 * 5), "out");
    RunOptions options;
    options.checks = checks;
    run_well(program, device, launch({1, 1, 1}, {64, 1, 1}, Arguments().add(out)), options);
    const auto got = device.download<uint32_t>(out, 64 * 5);
    for (uint32_t t = 0; t < 64; ++t) {
      const uint32_t i = t % 32 * (t / 32 + 1);
      const std::vector<uint32_t> row(got.begin() + t * 4, got.begin() + t * 4 + 4);
      CHECK(row == std::vector<uint32_t>{word(i + 128), word(i), word(i + 1), word(2 * i + 2)});
      CHECK(got[256 + t] == word(t % 32) + word(t % 32 + i + 2));
    }
  }
}

TEST_CASE("a follower beyond the end is a fault though its leader was inside") {
  const Program program = assemble(kernel(R"(
  .reg .b32 %r<6>;
  .shared .align 4 .b8 tile[256];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, tile;
  mad.lo.u32 %r3, %r1, 4, %r2;
  st.shared.u32 [%r3], %r1;
  st.shared.u32 [%r3+128], %r1;
  st.shared.u32 [%r3+132], %r1;
  ret;)"),
                                   "k");
  Device device;
  const auto report =
      run(program, device.memory, launch({1, 1, 1}, {32, 1, 1}, Arguments().add(uint64_t{0})), {});
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == FaultKind::out_of_bounds);
  CHECK(report->fault->thread[0] == 31);
}

TEST_CASE("outer products are fma by fma, NaN included") {
  for (const int columns : {3, 4, 8}) {
    constexpr int rows = 3;
    std::string body =
        ".reg .b32 %r<4>;\n.reg .b64 %rd<4>;\n.reg .f32 %a<8>, %b<8>, %c<32>;\n"
        "ld.param.u64 %rd1, [out];\nmov.u32 %r1, %tid.x;\nmul.wide.u32 %rd2, %r1, 4;\n"
        "add.u64 %rd3, %rd1, %rd2;\n";
    int place = 0;
    const auto at = [&] { return fmt::format("[%rd3+{}]", 128 * place++); };
    for (int i = 0; i < rows; ++i) body += fmt::format("ld.global.f32 %a{}, {};\n", i, at());
    for (int i = 0; i < columns; ++i) body += fmt::format("ld.global.f32 %b{}, {};\n", i, at());
    for (int i = 0; i < rows * columns; ++i)
      body += fmt::format("ld.global.f32 %c{}, {};\n", i, at());
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) {
        body += fmt::format("fma.rn.f32 %c{0}, %a{1}, %b{2}, %c{0};\n", i * columns + j, i, j);
      }
    }
    place = rows + columns;
    for (int i = 0; i < rows * columns; ++i)
      body += fmt::format("st.global.f32 {}, %c{};\n", at(), i);
    const int registers = rows + columns + rows * columns;
    std::mt19937 random(columns);
    std::vector<uint32_t> bits(static_cast<size_t>(registers) * 32);
    for (uint32_t& b : bits) {
      const float value = static_cast<float>(random() % 2001) - 1000.0f;
      std::memcpy(&b, &value, 4);
      if (random() % 97 == 0) b = 0x7fc00000u | static_cast<uint32_t>(random() & 0xfffff);
      if (random() % 97 == 0) b = 0x7f800000u | (static_cast<uint32_t>(random() & 1) << 31);
    }
    Device device;
    const uint64_t out = device.upload(bits, "out");
    run_well(assemble(kernel(body + "ret;"), "k"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(out)));
    const auto got = device.download<uint32_t>(out, bits.size());
    const auto value = [&](int r, int lane) {
      float f;
      std::memcpy(&f, &bits[static_cast<size_t>(r * 32 + lane)], 4);
      return f;
    };
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) {
        for (int lane = 0; lane < 32; ++lane) {
          const int c = rows + columns + i * columns + j;
          const float expected = std::fma(value(i, lane), value(rows + j, lane), value(c, lane));
          uint32_t as_bits;
          std::memcpy(&as_bits, &expected, 4);
          if (std::isnan(expected)) as_bits = 0x7fffffffu;
          REQUIRE(got[static_cast<size_t>(c * 32 + lane)] == as_bits);
        }
      }
    }
  }
}

TEST_CASE("loads of 16 bytes take the lanes' own, however they lie") {
  // lane -> vector of four words
  const std::vector<std::pair<std::string, uint32_t (*)(uint32_t)>> patterns = {
      {"mov.u32 %r3, %r1;", [](uint32_t l) { return l; }},
      {"and.b32 %r3, %r1, 15;", [](uint32_t l) { return l & 15; }},
      {"and.b32 %r3, %r1, 15; shl.b32 %r3, %r3, 1;", [](uint32_t l) { return (l & 15) * 2; }},
      {"shr.u32 %r3, %r1, 4;", [](uint32_t l) { return l >> 4; }},
      {"xor.b32 %r3, %r1, 5;", [](uint32_t l) { return l ^ 5; }},
      {"mov.u32 %r3, 3;", [](uint32_t) { return 3u; }},
  };
  for (const auto& [text, place] : patterns) {
    const Program program = assemble(kernel(".reg .b32 %r<8>;\n.reg .b64 %rd<6>;\n"
                                            "ld.param.u64 %rd1, [out];\nmov.u32 %r1, %tid.x;\n" +
                                            text + R"(
  mul.wide.u32 %rd2, %r3, 16;
  add.u64 %rd3, %rd1, %rd2;
  ld.global.v4.u32 {%r4, %r5, %r6, %r7}, [%rd3];
  mul.wide.u32 %rd4, %r1, 16;
  add.u64 %rd5, %rd1, %rd4;
  st.global.v4.u32 [%rd5+1024], {%r4, %r5, %r6, %r7};
  ret;)"),
                                     "k");
    std::vector<uint32_t> words(256 + 128);
    for (uint32_t i = 0; i < words.size(); ++i) words[i] = i * 3 + 1;
    Device device;
    const uint64_t out = device.upload(words, "out");
    run_well(program, device, launch({1, 1, 1}, {32, 1, 1}, Arguments().add(out)));
    const auto got = device.download<uint32_t>(out, words.size());
    for (uint32_t l = 0; l < 32; ++l) {
      for (uint32_t i = 0; i < 4; ++i) CHECK(got[256 + 4 * l + i] == words[4 * place(l) + i]);
    }
  }
}
