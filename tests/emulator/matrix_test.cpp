// mma, ldmatrix and cp.async on tiles of small integers, whose products are exact in any order.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"
#include "emulator/numeric.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

float small(int i) { return static_cast<float>(i * 7 % 13 - 6); }

}  // namespace

TEST_CASE("an f16 tile through cp.async, ldmatrix and mma, with rows filled by zeros") {
  for (const char* dialect : dialects) {
    Device device;
    const int rows = 13;
    std::vector<uint16_t> a(rows * 16), b(16 * 8);
    for (size_t i = 0; i < a.size(); ++i) a[i] = numeric::f32_to_f16(small(static_cast<int>(i)));
    for (size_t i = 0; i < b.size(); ++i)
      b[i] = numeric::f32_to_f16(small(static_cast<int>(i) + 5));
    const uint64_t pa = device.upload(a, "a", Access::read_only);
    const uint64_t pb = device.upload(b, "b", Access::read_only);
    const uint64_t pc = device.upload(std::vector<float>(16 * 8), "c");
    const auto report =
        run_well(load(std::string("matrix.") + dialect, "tile_f16"), device,
                 launch({1, 1, 1}, {32, 1, 1}, Arguments().add(pa).add(pb).add(pc).add(rows)));
    const auto c = device.download<float>(pc, 16 * 8);
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 8; ++j) {
        float s = 1.0f;
        for (int k = 0; k < 16 && i < rows; ++k) s += small(i * 16 + k) * small(k * 8 + j + 5);
        CHECK(c[i * 8 + j] == s);
      }
    }
    CHECK(report.profile.of(IssueClass::matrix) == 1);
  }
}

TEST_CASE("a tf32 tile from registers") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<float> a(16 * 8), b(8 * 8);
    for (size_t i = 0; i < a.size(); ++i) a[i] = small(static_cast<int>(i)) + 0.25f;
    for (size_t i = 0; i < b.size(); ++i) b[i] = small(static_cast<int>(i) * 3);
    const uint64_t pa = device.upload(a, "a", Access::read_only);
    const uint64_t pb = device.upload(b, "b", Access::read_only);
    const uint64_t pc = device.upload(std::vector<float>(16 * 8), "c");
    run_well(load(std::string("matrix.") + dialect, "tile_tf32"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(pa).add(pb).add(pc)));
    const auto c = device.download<float>(pc, 16 * 8);
    for (int i = 0; i < 16; ++i) {
      for (int j = 0; j < 8; ++j) {
        float s = 0;
        for (int k = 0; k < 8; ++k) s += a[i * 8 + k] * b[k * 8 + j];
        CHECK(c[i * 8 + j] == s);
      }
    }
  }
}

TEST_CASE("a matrix instruction in a block that has no whole warp is refused") {
  Device device;
  const uint64_t p = device.upload(std::vector<float>(256), "p");
  const auto report = run(load("matrix.sm_80", "tile_tf32"), device.memory,
                          launch({1, 1, 1}, {16, 1, 1}, Arguments().add(p).add(p).add(p)), {});
  REQUIRE(report);
  REQUIRE(report->fault);
  CHECK(report->fault->kind == FaultKind::unsupported);
  CHECK(report->fault->message == "a matrix instruction needs 32 lanes, 16 are left");
}

namespace {

// 64 rows of 16 bytes in shared memory, one matrix instruction, 4 registers per lane out.
std::string move_kernel(const std::string& body) {
  return ".version 9.0\n.target sm_90\n.address_size 64\n"
         ".visible .entry k(.param .u64 rows, .param .u64 registers)\n{\n"
         ".shared .align 128 .b8 tile[1024];\n"
         ".reg .b32 %l, %at, %row, %r<4>, %v; .reg .b64 %p, %q, %wide, %generic;\n"
         "mov.u32 %l, %laneid;\nmov.u32 %v, tile;\n"
         "mul.lo.u32 %row, %l, 5;\nand.b32 %row, %row, 31;\nshl.b32 %row, %row, 4;\n"
         "add.u32 %row, %row, %v;\ncvt.u64.u32 %wide, %row;\ncvta.shared.u64 %generic, %wide;\n"
         "shl.b32 %at, %l, 2;\nadd.u32 %at, %at, %v;\n"
         "ld.param.u64 %p, [rows];\nmad.wide.u32 %p, %l, 4, %p;\n"
         "ld.param.u64 %q, [registers];\nmad.wide.u32 %q, %l, 4, %q;\n" +
         body + "ret;\n}\n";
}

std::string each_word(const char* format, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    char line[128];
    std::snprintf(line, sizeof(line), format, i, i * 128);
    text += line;
  }
  return text;
}

const std::string fill_tile = [] {
  std::string text;
  for (int i = 0; i < 4; ++i) {
    const std::string at = std::to_string(i * 128);
    text += "ld.global.b32 %v, [%p+" + at + "];\nst.shared.b32 [%at+" + at + "], %v;\n";
  }
  return text;
}();

// Lane l's address is row 5 l modulo 32 of the tile.
uint16_t tile_element(const std::vector<uint16_t>& tile, int matrix, int row, int column) {
  return tile[static_cast<size_t>((matrix * 8 + row) * 5 % 32 * 8 + column)];
}

}  // namespace

TEST_CASE("ldmatrix and stmatrix move 8 x 8 matrices by rows or columns") {
  std::vector<uint16_t> tile(256);
  for (size_t i = 0; i < tile.size(); ++i) tile[i] = static_cast<uint16_t>(i * 257 + 3);
  for (const int count : {1, 2, 4}) {
    for (const bool transposed : {false, true}) {
      for (const char* where : {"[%row]", "[%wide]", "[%generic]"}) {
        const std::string form = "matrix.sync.aligned.m8n8.x" + std::to_string(count) +
                                 (transposed ? ".trans" : "") +
                                 (std::string(where) == "[%generic]" ? ".b16 " : ".shared.b16 ");
        const std::string list = count == 1   ? "{%r0}"
                                 : count == 2 ? "{%r0, %r1}"
                                              : "{%r0, %r1, %r2, %r3}";
        INFO(form << where);
        Device device;
        const uint64_t rows = device.upload(tile, "rows");
        const uint64_t registers = device.upload(std::vector<uint16_t>(256), "registers");
        run_well(assemble(move_kernel(fill_tile + "bar.warp.sync 0xffffffff;\nld" + form + list +
                                      ", " + where + ";\n" +
                                      each_word("st.global.b32 [%%q+%2$d], %%r%1$d;\n", count)),
                          "k"),
                 device, launch({1, 1, 1}, {32, 1, 1}, Arguments().add(rows).add(registers)));
        const auto loaded = device.download<uint16_t>(registers, 256);
        int wrong = 0;
        for (int i = 0; i < count; ++i) {
          for (int l = 0; l < 32; ++l) {
            for (int e = 0; e < 2; ++e) {
              const int x = l / 4, y = l % 4 * 2 + e;
              wrong += loaded[static_cast<size_t>((i * 32 + l) * 2 + e)] !=
                       (transposed ? tile_element(tile, i, y, x) : tile_element(tile, i, x, y));
            }
          }
        }
        CHECK(wrong == 0);

        // The way back: registers to the tile, the tile to global memory.
        const uint64_t source = device.upload(tile, "source");
        const uint64_t out = device.upload(std::vector<uint16_t>(256), "out");
        run_well(assemble(move_kernel(each_word("ld.global.b32 %%r%1$d, [%%p+%2$d];\n", count) +
                                      "st" + form + where + ", " + list + ";\n" +
                                      "bar.warp.sync 0xffffffff;\n" +
                                      [] {
                                        std::string text;
                                        for (int i = 0; i < 4; ++i) {
                                          const std::string at = std::to_string(i * 128);
                                          text += "ld.shared.b32 %v, [%at+" + at +
                                                  "];\nst.global.b32 [%q+" + at + "], %v;\n";
                                        }
                                        return text;
                                      }()),
                          "k"),
                 device, launch({1, 1, 1}, {32, 1, 1}, Arguments().add(source).add(out)));
        const auto stored = device.download<uint16_t>(out, 256);
        wrong = 0;
        for (int i = 0; i < count; ++i) {
          for (int l = 0; l < 32; ++l) {
            for (int e = 0; e < 2; ++e) {
              const int x = l / 4, y = l % 4 * 2 + e;
              wrong += tile[static_cast<size_t>((i * 32 + l) * 2 + e)] !=
                       (transposed ? tile_element(stored, i, y, x) : tile_element(stored, i, x, y));
            }
          }
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("movmatrix transposes a matrix in registers") {
  std::vector<uint16_t> matrix(64);
  for (size_t i = 0; i < matrix.size(); ++i) matrix[i] = static_cast<uint16_t>(i * 1021);
  Device device;
  const uint64_t in = device.upload(matrix, "in");
  const uint64_t out = device.upload(std::vector<uint16_t>(64), "out");
  run_well(assemble(move_kernel("ld.global.b32 %r0, [%p];\n"
                                "movmatrix.sync.aligned.m8n8.trans.b16 %r1, %r0;\n"
                                "st.global.b32 [%q], %r1;\n"),
                    "k"),
           device, launch({1, 1, 1}, {32, 1, 1}, Arguments().add(in).add(out)));
  const auto turned = device.download<uint16_t>(out, 64);
  for (size_t i = 0; i < 64; ++i) CHECK(turned[i] == matrix[i % 8 * 8 + i / 8]);
}

TEST_CASE("bank conflicts of ldmatrix and stmatrix are counted per matrix") {
  // Rows 16 bytes apart fill the banks once; rows 128 bytes apart meet in four banks.
  for (const int pitch : {16, 128}) {
    for (const char* form :
         {"ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%r0, %r1, %r2, %r3}, [%at]",
          "stmatrix.sync.aligned.m8n8.x4.shared.b16 [%at], {%r0, %r1, %r2, %r3}"}) {
      const std::string text =
          ".version 9.0\n.target sm_90\n.address_size 64\n.visible .entry k()\n{\n"
          ".shared .align 128 .b8 tile[4096];\n.reg .b32 %l, %at, %r<4>;\n"
          "mov.u32 %l, %laneid;\nmov.u32 %at, tile;\nmad.lo.u32 %at, %l, " +
          std::to_string(pitch) + ", %at;\n" + form + ";\nret;\n}\n";
      Device device;
      const auto report =
          run_well(assemble(text, "k"), device, launch({1, 1, 1}, {32, 1, 1}, Arguments()));
      const auto& traffic =
          form[0] == 'l' ? report.profile.shared_load : report.profile.shared_store;
      CHECK(traffic.requests == 1);
      CHECK(traffic.wavefronts == (pitch == 16 ? 4 : 32));
    }
  }
}

TEST_CASE("matrix rows outside shared memory are faults") {
  Device device;
  const uint64_t p = device.upload(std::vector<uint32_t>(256), "p");
  const auto fault = [&](const char* instruction) {
    const auto report = run(assemble(move_kernel(instruction), "k"), device.memory,
                            launch({1, 1, 1}, {32, 1, 1}, Arguments().add(p).add(p)), {});
    REQUIRE(report);
    REQUIRE(report->fault);
    return *report->fault;
  };
  CHECK(fault("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%row+1000], {%l};\n").kind ==
        FaultKind::misaligned);
  CHECK(fault("stmatrix.sync.aligned.m8n8.x1.shared.b16 [%row+1024], {%l};\n").kind ==
        FaultKind::out_of_bounds);
  const Fault elsewhere = fault("ldmatrix.sync.aligned.m8n8.x1.b16 {%r0}, [%p];\n");
  CHECK(elsewhere.kind == FaultKind::out_of_bounds);
  CHECK(elsewhere.message.find("which is not in shared memory") != std::string::npos);
}
