// wgmma with operands in every layout that a descriptor can name. Images of shared memory are made
// by evaluating the canonical layouts of the PTX ISA as nested shapes and strides.
#include <catch2/catch.hpp>

#include <optional>

#include "emulator/fixture.hpp"
#include "emulator/matrix_model.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

// One mode of a layout: a coordinate is split by the shape, first part fastest.
struct Mode {
  std::vector<int> shape, stride;
  int at(int coordinate) const {
    int offset = 0;
    for (size_t i = 0; i < shape.size(); ++i) {
      const bool last = i + 1 == shape.size();
      offset += (last ? coordinate : coordinate % shape[i]) * stride[i];
      coordinate /= shape[i];
    }
    return offset;
  }
};

struct Operand2 {
  int extent;       // m or n
  int depth, bits;  // k, element width
  int swizzle;      // bytes: 0, 32, 64, 128
  bool mn_major;
  uint32_t start;  // bytes
  uint32_t leading, stride;

  // Byte of an element; element offsets are in bits to allow b1.
  uint32_t byte_bits(int mn, int k) const {
    const int t = 128 / bits;  // elements of 16 bytes
    const int w = swizzle == 0 ? 1 : swizzle / 16;
    const int lbo = static_cast<int>(leading) * 8 / bits, sbo = static_cast<int>(stride) * 8 / bits;
    Mode along_mn, along_k;
    if (mn_major) {
      along_mn = {{t, w, 16}, {1, t, swizzle == 0 ? sbo : lbo}};
      along_k = {{8, 32}, {w * t, swizzle == 0 ? lbo : sbo}};
    } else {
      along_mn = {{8, 32}, {w * t, sbo}};
      along_k = {{t, 2}, {1, swizzle == 0 ? lbo : t}};
    }
    const uint32_t linear =
        start * 8 + static_cast<uint32_t>((along_mn.at(mn) + along_k.at(k)) * bits);
    const uint32_t byte = linear / 8;
    const int b = swizzle == 128 ? 3 : swizzle == 64 ? 2 : swizzle == 32 ? 1 : 0;
    const uint32_t mask = ((1u << b) - 1) << 7;
    return (byte ^ ((byte & mask) >> 3)) * 8 + linear % 8;
  }
  uint64_t descriptor() const {
    const uint64_t mode = swizzle == 128 ? 1 : swizzle == 64 ? 2 : swizzle == 32 ? 3 : 0;
    const auto encode = [](uint64_t x) { return (x & 0x3ffff) >> 4; };
    return encode(start) | encode(leading) << 16 | encode(stride) << 32 | mode << 62;
  }
  void write(std::vector<uint8_t>& shared, int mn, int k, uint64_t code) const {
    const uint32_t at = byte_bits(mn, k);
    for (int i = 0; i < bits; ++i) {
      if ((code >> i & 1) == 0) continue;
      shared[(at + static_cast<uint32_t>(i)) / 8] |=
          static_cast<uint8_t>(1u << ((at + static_cast<uint32_t>(i)) % 8));
    }
  }
};

// Strides that place the patterns of an operand one after the other.
Operand2 operand_at(uint32_t start, int extent, int depth, int bits, int swizzle, bool mn_major) {
  Operand2 o{extent, depth, bits, swizzle, mn_major, start, 16, 0};
  const uint32_t w = swizzle == 0 ? 1 : static_cast<uint32_t>(swizzle) / 16;
  const auto chunks = static_cast<uint32_t>(extent * bits / 128);
  if (!mn_major) {
    o.stride = swizzle == 0 ? 256 : 8 * w * 16;
    o.leading = swizzle == 0 ? 128 : 16;
  } else if (swizzle == 0) {
    o.stride = 128;            // next 8 elements of m or n
    o.leading = chunks * 128;  // next 8 of k
  } else {
    o.stride = 8 * w * 16;       // next 8 of k
    o.leading = 2 * 8 * w * 16;  // next pattern along m or n
  }
  return o;
}

struct WgmmaForm {
  int n;
  std::string d, a, b;
  int swizzle = 128;
  bool a_mn = false, b_mn = false, a_in_registers = false;
  bool negate_a = false, negate_b = false, scale_d = true, saturate = false;

  int bits() const { return a == "tf32" ? 32 : a == "b1" ? 1 : a == "f16" || a == "bf16" ? 16 : 8; }
  int k() const { return 256 / bits(); }
  // The product as the model takes it; A fragments are those of mma of the same depth.
  MmaForm form() const {
    return {64, n, k(), a, b, d, saturate ? ".satfinite" : a == "b1" ? ".and.popc" : ""};
  }
  int d_registers() const { return d == "f16" ? n / 4 : n / 2; }
};

std::string kernel_of(const WgmmaForm& w, uint64_t a, uint64_t b) {
  const auto list = [](const std::string& name, int count) {
    std::string text = "{";
    for (int i = 0; i < count; ++i) text += (i > 0 ? ", %" : "%") + name + std::to_string(i);
    return text + "}";
  };
  std::string text =
      ".version 9.0\n.target sm_90a\n.address_size 64\n"
      ".extern .shared .align 1024 .b8 buffer[];\n"
      ".visible .entry k(.param .u64 image, .param .u64 pa, .param .u64 pd, .param .u32 bytes)\n"
      "{\n.reg .b32 %i, %n, %v, %t, %a<4>; .reg .b64 %p, %q, %da, %db; .reg .pred %s, %c;\n"
      ".reg .b32 %d<" +
      std::to_string(w.d_registers()) +
      ">;\n"
      "mov.u32 %t, %tid.x;\nshl.b32 %i, %t, 2;\nld.param.u32 %n, [bytes];\n"
      "ld.param.u64 %p, [image];\n"
      "COPY:\ncvt.u64.u32 %q, %i;\nadd.u64 %q, %q, %p;\nld.global.b32 %v, [%q];\n"
      "st.shared.b32 [%i], %v;\nadd.u32 %i, %i, 512;\nsetp.lt.u32 %c, %i, %n;\n@%c bra COPY;\n"
      "fence.proxy.async.shared::cta;\nbar.sync 0;\n";
  // Accumulators and A registers by thread: register r of thread t at 4 * (r * 128 + t).
  text += "ld.param.u64 %q, [pd];\nmad.wide.u32 %q, %t, 4, %q;\n";
  for (int r = 0; r < w.d_registers(); ++r) {
    text += "ld.global.b32 %d" + std::to_string(r) + ", [%q+" + std::to_string(r * 512) + "];\n";
  }
  if (w.a_in_registers) {
    text += "ld.param.u64 %p, [pa];\nmad.wide.u32 %p, %t, 4, %p;\n";
    for (int r = 0; r < 4; ++r) {
      text += "ld.global.b32 %a" + std::to_string(r) + ", [%p+" + std::to_string(r * 512) + "];\n";
    }
  }
  text += "mov.u64 %da, " + std::to_string(a) + ";\nmov.u64 %db, " + std::to_string(b) +
          ";\nsetp.eq.u32 %s, %n, " + (w.scale_d ? "%n" : "0") + ";\nwgmma.fence.sync.aligned;\n";
  const bool integer = w.d == "s32";
  text += "wgmma.mma_async.sync.aligned.m64n" + std::to_string(w.n) + "k" + std::to_string(w.k()) +
          (w.saturate ? ".satfinite." : ".") + w.d + "." + w.a + "." + w.b +
          (w.a == "b1" ? ".and.popc " : " ") + list("d", w.d_registers()) + ", " +
          (w.a_in_registers ? list("a", 4) : "%da") + ", %db, %s";
  if (!integer) {
    text += std::string(w.negate_a ? ", -1" : ", 1") + (w.negate_b ? ", -1" : ", 1");
    if (w.bits() == 16) {
      if (!w.a_in_registers) text += w.a_mn ? ", 1" : ", 0";
      text += w.b_mn ? ", 1" : ", 0";
    }
  }
  text += ";\nwgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\n";
  for (int r = 0; r < w.d_registers(); ++r) {
    text += "st.global.b32 [%q+" + std::to_string(r * 512) + "], %d" + std::to_string(r) + ";\n";
  }
  return text + "ret;\n}\n";
}

// Outputs that differ from the model.
int differences(const WgmmaForm& w, uint32_t seed, MatrixArithmetic arithmetic,
                const ExactRule& rule, int style) {
  std::mt19937 random(seed);
  const MmaForm f = w.form();
  const auto codes = [&](const std::string& type, int count) {
    Codes result;
    for (int i = 0; i < count; ++i) result.push_back(random_code(type, style, random));
    return result;
  };
  Codes a = codes(f.a, 64 * f.k), b = codes(f.b, f.k * f.n), c = codes(f.d, 64 * f.n);
  const Operand2 oa = operand_at(1024, 64, f.k, f.bits(), w.swizzle, w.a_mn);
  const Operand2 ob = operand_at(1024 + 64 * 256, w.n, f.k, f.bits(), w.swizzle, w.b_mn);
  std::vector<uint8_t> shared(1024 + 64 * 256 + 256 * 256, 0);
  for (int k = 0; k < f.k; ++k) {
    for (int i = 0; i < 64; ++i) oa.write(shared, i, k, a[static_cast<size_t>(i * f.k + k)]);
    for (int j = 0; j < w.n; ++j) ob.write(shared, j, k, b[static_cast<size_t>(k * f.n + j)]);
  }
  // Warp w holds rows 16 w to 16 w + 15, as mma's fragments of 16 rows and each 8 columns.
  MmaForm rows = f;
  rows.m = 16;
  rows.n = 8;
  const int per = 32 / f.bits();
  std::vector<uint32_t> a_registers(4 * 128, 0), d(static_cast<size_t>(w.d_registers()) * 128, 0);
  for (int t = 0; t < 128; ++t) {
    for (int i = 0; i < 4 * per; ++i) {
      const Element2 at = rows.a_place(t % 32, i);
      const uint64_t code = a[static_cast<size_t>((t / 32 * 16 + at.row) * f.k + at.column)];
      a_registers[static_cast<size_t>(i / per * 128 + t)] |=
          static_cast<uint32_t>(code << (i % per * f.bits()));
    }
  }
  const int d_per = 32 / f.d_bits();
  const auto d_place = [&](int t, int i) {  // i-th accumulator of a thread
    const Element2 at = rows.d_place(t % 32, i % 4);
    return static_cast<size_t>((t / 32 * 16 + at.row) * f.n + i / 4 * 8 + at.column);
  };
  for (int t = 0; t < 128; ++t) {
    for (int i = 0; i < w.n / 2; ++i) {
      d[static_cast<size_t>(i / d_per * 128 + t)] |=
          static_cast<uint32_t>(c[d_place(t, i)] << (i % d_per * f.d_bits()));
    }
  }
  Device device;
  const uint64_t image = device.upload(shared, "image", Access::read_only);
  const uint64_t pa = device.upload(a_registers, "a", Access::read_only);
  const uint64_t pd = device.upload(d, "d");
  RunOptions options;
  options.matrix_arithmetic = arithmetic;
  run_well(assemble(kernel_of(w, oa.descriptor(), ob.descriptor()), "k"), device,
           launch({1, 1, 1}, {128, 1, 1},
                  Arguments().add(image).add(pa).add(pd).add(static_cast<uint32_t>(shared.size())),
                  shared.size()),
           options);
  const auto got = device.download<uint32_t>(pd, d.size());
  const auto flip = [&](Codes& m, const std::string& type) {
    for (uint64_t& code : m) code ^= uint64_t{1} << (format_of(type).bits - 1);
  };
  if (w.negate_a) flip(a, f.a);
  if (w.negate_b) flip(b, f.b);
  if (!w.scale_d) std::fill(c.begin(), c.end(), 0);
  const Codes expected = model_product(f, a, b, c, rule);
  int different = 0;
  for (int t = 0; t < 128; ++t) {
    for (int i = 0; i < w.n / 2; ++i) {
      const uint64_t word = got[static_cast<size_t>(i / d_per * 128 + t)];
      const uint64_t code = f.d_bits() == 32 ? word : word >> (i % d_per * 16) & 0xffff;
      different += code != expected[d_place(t, i)];
    }
  }
  return different;
}

int plain_differences(const WgmmaForm& w, uint32_t seed) {
  return differences(w, seed, MatrixArithmetic::fma_chain, {0, 0}, 1);
}

}  // namespace

TEST_CASE("wgmma reads f16 and bf16 operands in every swizzle and both majors") {
  uint32_t seed = 1;
  for (const char* type : {"f16", "bf16"}) {
    for (const int swizzle : {0, 32, 64, 128}) {
      for (int major = 0; major < 4; ++major) {
        const bool a_mn = (major & 1) != 0, b_mn = (major & 2) != 0;
        WgmmaForm w{64, "f32", type, type, swizzle, a_mn, b_mn};
        INFO(type << " swizzle " << swizzle << " majors " << a_mn << b_mn);
        CHECK(plain_differences(w, ++seed) == 0);
        if (!a_mn) {
          w.a_in_registers = true;
          CHECK(plain_differences(w, ++seed) == 0);
        }
      }
    }
  }
}

TEST_CASE("wgmma of every type and of widths from 8 to 256") {
  std::vector<WgmmaForm> forms;
  for (const int n : {8, 24, 40, 128, 256}) {
    forms.push_back({n, "f16", "f16", "f16", n % 64 == 0 ? 128 : 0});
    forms.push_back({n, "f32", "tf32", "tf32", n % 64 == 0 ? 128 : 32});
  }
  for (const char* d : {"f16", "f32"}) {
    for (const char* a : {"e4m3", "e5m2"}) {
      for (const char* b : {"e4m3", "e5m2"}) {
        forms.push_back({32, d, a, b, 64});
        forms.push_back({32, d, a, b, 128, false, false, true});
      }
    }
  }
  for (const char* a : {"s8", "u8"}) {
    for (const char* b : {"s8", "u8"}) {
      forms.push_back({48, "s32", a, b, 32});
      forms.push_back({224, "s32", a, b, 128, false, false, true, false, false, true, true});
    }
  }
  forms.push_back({16, "s32", "b1", "b1", 0});
  forms.push_back({16, "f32", "f16", "f16", 128, false, false, false, true, false});
  forms.push_back({16, "f32", "tf32", "tf32", 128, false, false, true, true, true, false});
  forms.push_back({16, "f32", "bf16", "bf16", 64, false, true, false, false, true, false});
  uint32_t seed = 50;
  for (const WgmmaForm& w : forms) {
    INFO(w.n << " " << w.d << " " << w.a << " " << w.b << " swizzle " << w.swizzle);
    CHECK(plain_differences(w, ++seed) == 0);
  }
}

// 256 x 64 outputs and more per type, over all styles of input.
TEST_CASE("wgmma follows Hopper's published rule bit by bit") {
  struct Case {
    WgmmaForm form;
    ExactRule rule;
  };
  const std::vector<Case> cases = {
      {{64, "f32", "f16", "f16"}, {25, 16}},       {{64, "f16", "f16", "f16"}, {25, 16}},
      {{64, "f32", "bf16", "bf16"}, {25, 16}},     {{64, "f32", "tf32", "tf32"}, {25, 8}},
      {{64, "f32", "e4m3", "e5m2"}, {13, 32, 13}}, {{64, "f16", "e5m2", "e5m2"}, {13, 32}}};
  for (const Case& c : cases) {
    for (int style = 0; style < 6; ++style) {
      INFO(c.form.a << " " << c.form.d << " style " << style);
      CHECK(differences(c.form, 400 + static_cast<uint32_t>(style), MatrixArithmetic::hopper,
                        c.rule, style) == 0);
    }
  }
}

namespace {

Fault fault_of(uint64_t descriptor, uint32_t threads, const std::string& before = "") {
  const std::string text =
      ".version 9.0\n.target sm_90a\n.address_size 64\n.extern .shared .align 128 .b8 buffer[];\n"
      ".visible .entry k()\n{\n.reg .b32 %d<4>, %t; .reg .b64 %a, %w; .reg .pred %s;\n"
      "mov.u32 %t, %tid.x;\nmov.u64 %a, " +
      std::to_string(descriptor) +
      ";\nmov.b32 %d0, 0;\nmov.b32 %d1, 0;\nmov.b32 %d2, 0;\nmov.b32 %d3, 0;\n" + before +
      "setp.eq.u32 %s, %t, %t;\nwgmma.fence.sync.aligned;\n"
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%d0,%d1,%d2,%d3}, %a, %a, %s, 1, 1, 0, "
      "0;\n"
      "wgmma.commit_group.sync.aligned;\nwgmma.wait_group.sync.aligned 0;\nret;\n}\n";
  Device device;
  const auto report = run(assemble(text, "k"), device.memory,
                          launch({1, 1, 1}, {threads, 1, 1}, Arguments(), 4096), {});
  REQUIRE(report);
  REQUIRE(report->fault);
  return *report->fault;
}

}  // namespace

TEST_CASE("wgmma outside shared memory, by part of a warpgroup or by unlike lanes is a fault") {
  const uint64_t end = operand_at(3968, 64, 16, 16, 0, false).descriptor();
  const Fault outside = fault_of(end, 128);
  CHECK(outside.kind == FaultKind::out_of_bounds);
  CHECK(outside.address >= 4096);
  CHECK(outside.ptx.find("wgmma.mma_async") == 0);
  const uint64_t good = operand_at(0, 64, 16, 16, 0, false).descriptor();
  CHECK(fault_of(good, 64).message == "wgmma needs a warpgroup of 4 warps, the block has 2 warps");
  CHECK(fault_of(good, 112).message == "a matrix instruction needs 32 lanes, 16 are left");
  const Fault unlike = fault_of(good, 128, "cvt.u64.u32 %w, %t;\nadd.u64 %a, %a, %w;\n");
  CHECK(unlike.message == "a wgmma descriptor must be the same in all lanes");
}

namespace {

// Two products into the same sums, with room for mistakes. Every check is on.
std::optional<Fault> checked(const std::string& before, const std::string& between,
                             const std::string& after, const std::string& proxy_fence) {
  const std::string descriptor = std::to_string(operand_at(0, 64, 16, 16, 0, false).descriptor());
  const std::string issue =
      "wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 {%d0,%d1,%d2,%d3}, %a, %a, %s, 1, 1, 0, "
      "0;\nwgmma.commit_group.sync.aligned;\n";
  const std::string text =
      ".version 9.0\n.target sm_90a\n.address_size 64\n.extern .shared .align 128 .b8 buffer[];\n"
      ".visible .entry k(.param .u64 p)\n{\n"
      ".reg .f32 %d<4>, %e; .reg .b32 %t, %i, %z; .reg .b64 %a, %p; .reg .pred %s;\n"
      "ld.param.u64 %p, [p];\nmov.u32 %t, %tid.x;\nmad.wide.u32 %p, %t, 4, %p;\n"
      "shl.b32 %i, %t, 2;\nmov.b32 %z, 0;\n"
      "st.shared.b32 [%i], %z;\nst.shared.b32 [%i+512], %z;\nst.shared.b32 [%i+1024], %z;\n"
      "st.shared.b32 [%i+1536], %z;\n" +
      proxy_fence + "bar.sync 0;\nmov.u64 %a, " + descriptor +
      ";\nsetp.eq.u32 %s, %t, %t;\nmov.f32 %d0, 0f3F800000;\nmov.f32 %d1, 0f3F800000;\n"
      "mov.f32 %d2, 0f3F800000;\nmov.f32 %d3, 0f3F800000;\n" +
      before + issue + between + issue + after + "st.global.f32 [%p], %d0;\nret;\n}\n";
  Device device;
  const uint64_t p = device.upload(std::vector<float>(128), "p");
  RunOptions options;
  options.checks = Checks::all;
  const auto report = run(assemble(text, "k"), device.memory,
                          launch({1, 1, 1}, {128, 1, 1}, Arguments().add(p), 4096), options);
  REQUIRE(report);
  if (report->fault) return report->fault;
  if (!report->faults.empty()) return report->faults[0];
  CHECK(device.download<float>(p, 128) == std::vector<float>(128, 1.0f));
  return std::nullopt;
}

}  // namespace

TEST_CASE("registers and operands of wgmma that are touched out of order are found") {
  const std::string fence = "wgmma.fence.sync.aligned;\n";
  const std::string wait = "wgmma.wait_group.sync.aligned 0;\n";
  const std::string proxy = "fence.proxy.async.shared::cta;\n";
  CHECK_FALSE(checked(fence, "", wait, proxy));
  CHECK_FALSE(checked(fence, wait, "wgmma.wait_group.sync.aligned 0;\n", proxy));
  // A copy is no access: the compiler makes them.
  CHECK_FALSE(checked(fence, "mov.f32 %e, %d1;\nmov.f32 %d1, %e;\n", wait, proxy));
  // Scaling the sums between two products needs a wait before and a fence after.
  CHECK_FALSE(checked(fence, wait + "mul.f32 %d0, %d0, 0f3F800000;\n" + fence, wait, proxy));

  const auto kind_and_text = [](const std::optional<Fault>& fault) {
    REQUIRE(fault);
    return std::string(fault_identifier(fault->kind)) + ": " + fault->ptx + ": " + fault->message;
  };
  const std::string no_fence = kind_and_text(checked("", "", wait, proxy));
  CHECK(no_fence.find("async_copy_hazard: wgmma.mma_async") == 0);
  CHECK(no_fence.find("no wgmma.fence lies between") != std::string::npos);
  const std::string late =
      kind_and_text(checked(fence, wait + "mul.f32 %d0, %d0, 0f3F800000;\n", wait, proxy));
  CHECK(late.find("no wgmma.fence lies between") != std::string::npos);
  const std::string early =
      kind_and_text(checked(fence, "mul.f32 %e, %d0, 0f3F800000;\n", wait, proxy));
  CHECK(early.find("async_copy_hazard: mul.f32 %e, %d0") == 0);
  CHECK(early.find("before its wgmma.wait_group") != std::string::npos);
  const std::string unwaited = kind_and_text(checked(fence, "", "", proxy));
  CHECK(unwaited.find("async_copy_hazard: st.global.f32") == 0);
  const std::string pending =
      kind_and_text(checked(fence, "", "wgmma.wait_group.sync.aligned 1;\n", proxy));
  CHECK(pending.find("async_copy_hazard: st.global.f32") == 0);
  const std::string proxies = kind_and_text(checked(fence, "", wait, ""));
  CHECK(proxies.find("missing_proxy_fence: wgmma.mma_async") == 0);
}
