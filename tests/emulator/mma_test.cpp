// Every form of mma against the slow model, bit by bit: the plain chain here, and the published
// rules of Ampere, Ada and Hopper.
#include <algorithm>
#include <array>
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"
#include "emulator/matrix_model.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

std::string register_list(const std::string& name, int count) {
  std::string text = "{";
  for (int i = 0; i < count; ++i) text += (i > 0 ? ", " : "") + name + std::to_string(i);
  return text + "}";
}

// One warp per block: loads fragments by register and lane, runs the instruction, stores d.
std::string kernel_of(const MmaForm& f) {
  std::string text =
      ".version 9.0\n.target sm_90a\n.address_size 64\n"
      ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, "
      ".param .u64 pd)\n{\n.reg .b32 %l, %block; .reg .b64 %p, %o;\n"
      "mov.u32 %l, %laneid;\nmov.u32 %block, %ctaid.x;\n";
  const auto operand = [&](const std::string& name, int count, int bits) {
    text += ".reg .b" + std::to_string(bits) + " " + name + "<" + std::to_string(count) + ">;\n";
  };
  const auto move = [&](const std::string& name, int count, int bits, bool store) {
    const std::string bytes = std::to_string(bits / 8);
    text += "ld.param.u64 %p, [p" + name.substr(1) + "];\n";
    text += "mad.wide.u32 %p, %block, " + std::to_string(count * 32 * bits / 8) + ", %p;\n";
    text += "mad.wide.u32 %p, %l, " + bytes + ", %p;\n";
    for (int i = 0; i < count; ++i) {
      const std::string at = "[%p+" + std::to_string(i * 32 * bits / 8) + "]";
      const std::string reg = name + std::to_string(i);
      text += (store ? "st.global.b" : "ld.global.b") + std::to_string(bits) + " " +
              (store ? at + ", " + reg : reg + ", " + at) + ";\n";
    }
  };
  operand("%a", f.a_registers(), f.register_bits());
  operand("%b", f.b_registers(), f.register_bits());
  operand("%c", f.d_registers(), f.d_register_bits());
  operand("%d", f.d_registers(), f.d_register_bits());
  move("%a", f.a_registers(), f.register_bits(), false);
  move("%b", f.b_registers(), f.register_bits(), false);
  move("%c", f.d_registers(), f.d_register_bits(), false);
  text += f.opcode() + " " + register_list("%d", f.d_registers()) + ", " +
          register_list("%a", f.a_registers()) + ", " + register_list("%b", f.b_registers()) +
          ", " + register_list("%c", f.d_registers()) + ";\n";
  move("%d", f.d_registers(), f.d_register_bits(), true);
  return text + "ret;\n}\n";
}

// Runs `warps` random instructions of a form and counts outputs that differ from the model.
struct Comparison {
  int outputs = 0, different = 0;
  std::string first;
};

Comparison compare(const MmaForm& f, int warps, MatrixArithmetic arithmetic, const ExactRule& rule,
                   uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> a, b, c;
  std::vector<std::vector<uint8_t>> one_a, one_b, one_c;
  for (int w = 0; w < warps; ++w) {
    const int style = w % 12 >= 10 ? w % 12 - 4
                      : w % 7 == 6 ? static_cast<int>(random() % 6)
                                   : w % 6;
    const int c_style = w % 5 == 0 ? 4 : style;
    one_a.push_back(
        random_fragment(f.a, f.bits(), f.register_bits(), f.a_registers(), style, random));
    one_b.push_back(
        random_fragment(f.b, f.bits(), f.register_bits(), f.b_registers(), style, random));
    one_c.push_back(
        random_fragment(f.d, f.d_bits(), f.d_register_bits(), f.d_registers(), c_style, random));
    a.insert(a.end(), one_a.back().begin(), one_a.back().end());
    b.insert(b.end(), one_b.back().begin(), one_b.back().end());
    c.insert(c.end(), one_c.back().begin(), one_c.back().end());
  }
  Device device;
  const uint64_t pa = device.upload(a, "a", Access::read_only);
  const uint64_t pb = device.upload(b, "b", Access::read_only);
  const uint64_t pc = device.upload(c, "c", Access::read_only);
  const uint64_t pd = device.upload(std::vector<uint8_t>(c.size()), "d");
  RunOptions options;
  options.matrix_arithmetic = arithmetic;
  run_well(assemble(kernel_of(f), "k"), device,
           launch({static_cast<uint64_t>(warps), 1, 1}, {32, 1, 1},
                  Arguments().add(pa).add(pb).add(pc).add(pd)),
           options);
  const auto d = device.download<uint8_t>(pd, c.size());
  Comparison result;
  for (int w = 0; w < warps; ++w) {
    const size_t bytes = one_c[w].size();
    const std::vector<uint8_t> mine(d.begin() + static_cast<long>(w * bytes),
                                    d.begin() + static_cast<long>((w + 1) * bytes));
    const Codes got = gather_matrix(f, 'd', mine);
    const Codes expected =
        model_product(f, gather_matrix(f, 'a', one_a[w]), gather_matrix(f, 'b', one_b[w]),
                      gather_matrix(f, 'd', one_c[w]), rule);
    for (size_t i = 0; i < got.size(); ++i) {
      ++result.outputs;
      if (got[i] == expected[i]) continue;
      if (result.different++ == 0) {
        char text[128];
        std::snprintf(text, sizeof(text), "warp %d output %zu: %llx, expected %llx", w, i,
                      static_cast<unsigned long long>(got[i]),
                      static_cast<unsigned long long>(expected[i]));
        result.first = text;
      }
    }
  }
  return result;
}

std::vector<MmaForm> float_forms() {
  std::vector<MmaForm> forms;
  for (const char* d : {"f16", "f32"}) {
    for (const int k : {8, 16}) forms.push_back({16, 8, k, "f16", "f16", d, ""});
    for (const int k : {16, 32}) {
      for (const char* a : {"e4m3", "e5m2"}) {
        for (const char* b : {"e4m3", "e5m2"}) forms.push_back({16, 8, k, a, b, d, ""});
      }
    }
  }
  for (const int k : {8, 16}) forms.push_back({16, 8, k, "bf16", "bf16", "f32", ""});
  for (const int k : {4, 8}) forms.push_back({16, 8, k, "tf32", "tf32", "f32", ""});
  return forms;
}

}  // namespace

TEST_CASE("mma of floating types is a chain of fused multiply-adds") {
  for (const MmaForm& f : float_forms()) {
    const Comparison result = compare(f, 24, MatrixArithmetic::fma_chain, {0, 0}, 7);
    INFO(f.opcode() << ": " << result.first);
    CHECK(result.outputs == 24 * 128);
    CHECK(result.different == 0);
  }
}

TEST_CASE("mma of f64 and of integers is exact") {
  std::vector<MmaForm> forms;
  forms.push_back({8, 8, 4, "f64", "f64", "f64", ""});
  for (const int k : {4, 8, 16}) forms.push_back({16, 8, k, "f64", "f64", "f64", ""});
  for (const char* extra : {"", ".satfinite"}) {
    for (const char* a : {"s8", "u8"}) {
      for (const char* b : {"s8", "u8"}) {
        forms.push_back({8, 8, 16, a, b, "s32", extra});
        forms.push_back({16, 8, 16, a, b, "s32", extra});
        forms.push_back({16, 8, 32, a, b, "s32", extra});
      }
    }
    for (const char* a : {"s4", "u4"}) {
      for (const char* b : {"s4", "u4"}) {
        forms.push_back({8, 8, 32, a, b, "s32", extra});
        forms.push_back({16, 8, 32, a, b, "s32", extra});
        forms.push_back({16, 8, 64, a, b, "s32", extra});
      }
    }
  }
  for (const char* extra : {".xor.popc", ".and.popc"}) {
    forms.push_back({8, 8, 128, "b1", "b1", "s32", extra});
    forms.push_back({16, 8, 128, "b1", "b1", "s32", extra});
    forms.push_back({16, 8, 256, "b1", "b1", "s32", extra});
  }
  for (const MmaForm& f : forms) {
    const Comparison result = compare(f, 8, MatrixArithmetic::fma_chain, {0, 0}, 11);
    INFO(f.opcode() << ": " << result.first);
    CHECK(result.different == 0);
  }
}

TEST_CASE("integer mma clamps with satfinite and wraps without") {
  for (const char* extra : {"", ".satfinite"}) {
    const MmaForm f{16, 8, 32, "u8", "u8", "s32", extra};
    Device device;
    const uint64_t ones = device.upload(std::vector<uint8_t>(512, 255), "ones", Access::read_only);
    const uint64_t c = device.upload(std::vector<int32_t>(128, INT32_MAX - 7), "c");
    const uint64_t d = device.upload(std::vector<int32_t>(128), "d");
    run_well(assemble(kernel_of(f), "k"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(ones).add(ones).add(c).add(d)));
    const int32_t wrapped = static_cast<int32_t>(uint32_t{INT32_MAX - 7} + 32u * 255 * 255);
    for (const int32_t x : device.download<int32_t>(d, 128)) {
      CHECK(x == (*extra != 0 ? INT32_MAX : wrapped));
    }
  }
}

// 160 warps of 128 outputs each; a third of the inputs has infinities, NaN, subnormals or a huge
// spread of exponents.
TEST_CASE("mma follows the published rules of tensor cores bit by bit") {
  const auto check = [](const MmaForm& f, MatrixArithmetic arithmetic, const ExactRule& rule) {
    const Comparison result = compare(f, 160, arithmetic, rule, 23);
    INFO(f.opcode() << " arithmetic " << static_cast<int>(arithmetic) << ": " << result.first);
    CHECK(result.outputs == 20480);
    CHECK(result.different == 0);
  };
  for (const char* d : {"f16", "f32"}) {
    const MmaForm k8{16, 8, 8, "f16", "f16", d, ""}, k16{16, 8, 16, "f16", "f16", d, ""};
    check(k8, MatrixArithmetic::ampere, {24, 8});
    check(k16, MatrixArithmetic::ampere, {24, 8});
    check(k16, MatrixArithmetic::hopper, {25, 16});
  }
  const MmaForm bf16{16, 8, 16, "bf16", "bf16", "f32", ""};
  check(bf16, MatrixArithmetic::ampere, {24, 8});
  check(bf16, MatrixArithmetic::ada, {24, 8});
  check(bf16, MatrixArithmetic::hopper, {25, 16});
  check({16, 8, 8, "bf16", "bf16", "f32", ""}, MatrixArithmetic::hopper, {25, 8});
  const MmaForm tf32{16, 8, 8, "tf32", "tf32", "f32", ""};
  check(tf32, MatrixArithmetic::ampere, {24, 4});
  check(tf32, MatrixArithmetic::hopper, {25, 8});
  check({16, 8, 4, "tf32", "tf32", "f32", ""}, MatrixArithmetic::ampere, {24, 4});
  check({16, 8, 32, "e4m3", "e5m2", "f32", ""}, MatrixArithmetic::ada, {13, 16, 13});
  check({16, 8, 16, "e4m3", "e4m3", "f32", ""}, MatrixArithmetic::ada, {13, 16, 13});
  check({16, 8, 32, "e5m2", "e4m3", "f16", ""}, MatrixArithmetic::ada, {13, 16});
  check({16, 8, 32, "e5m2", "e5m2", "f32", ""}, MatrixArithmetic::hopper, {25, 32});
}

namespace {

// Instructions of one form over a file of registers of 32 bits, run after run.
struct Sequence {
  static constexpr int registers = 20;
  MmaForm form;
  struct Step {
    std::vector<int> d, a, b, c;
    bool guarded = false;
  };
  std::vector<Step> steps;
};

// Operands come back, as in a tiled product, and results overwrite them now and then.
Sequence random_sequence(const MmaForm& f, std::mt19937& random) {
  Sequence s{f, {}};
  const auto draw = [&](int count, int first) {
    std::vector<int> all(Sequence::registers - static_cast<size_t>(first));
    for (size_t i = 0; i < all.size(); ++i) all[i] = first + static_cast<int>(i);
    std::shuffle(all.begin(), all.end(), random);
    all.resize(static_cast<size_t>(count));
    return all;
  };
  std::vector<std::vector<int>> a, b;
  for (int i = 0; i < 6; ++i) a.push_back(draw(f.a_registers(), 0));
  for (int i = 0; i < 12; ++i) b.push_back(draw(f.b_registers(), 0));
  for (int i = 0; i < 24; ++i) {
    Sequence::Step step;
    step.a = a[random() % a.size()];
    step.b = b[random() % (i < 12 ? 3 : b.size())];
    step.c = draw(f.d_registers(), 0);
    step.d = random() % 4 == 0 ? draw(f.d_registers(), 0) : draw(f.d_registers(), 12);
    if (random() % 2 == 0) step.c = step.d;
    step.guarded = i % 9 == 8;
    s.steps.push_back(step);
  }
  return s;
}

std::string register_list(const std::vector<int>& which) {
  std::string text = "{";
  for (const int r : which) text += (text.size() > 1 ? ", %r" : "%r") + std::to_string(r);
  return text + "}";
}

std::string kernel_of(const Sequence& s) {
  std::string text =
      ".version 9.0\n.target sm_90a\n.address_size 64\n"
      ".visible .entry k(.param .u64 in, .param .u64 out)\n{\n"
      ".reg .b32 %l, %r<20>; .reg .b64 %p; .reg .pred %yes;\nmov.u32 %l, %laneid;\n"
      "setp.lt.u32 %yes, %l, 32;\nld.param.u64 %p, [in];\nmad.wide.u32 %p, %l, 4, %p;\n";
  for (int r = 0; r < Sequence::registers; ++r) {
    text += "ld.global.b32 %r" + std::to_string(r) + ", [%p+" + std::to_string(r * 128) + "];\n";
  }
  for (const Sequence::Step& step : s.steps) {
    text += (step.guarded ? "@%yes " : "") + s.form.opcode() + " " + register_list(step.d) + ", " +
            register_list(step.a) + ", " + register_list(step.b) + ", " + register_list(step.c) +
            ";\n";
  }
  text += "ld.param.u64 %p, [out];\nmad.wide.u32 %p, %l, 4, %p;\n";
  for (int r = 0; r < Sequence::registers; ++r) {
    text += "st.global.b32 [%p+" + std::to_string(r * 128) + "], %r" + std::to_string(r) + ";\n";
  }
  return text + "ret;\n}\n";
}

using Registers = std::array<std::vector<uint8_t>, Sequence::registers>;

std::vector<uint8_t> together(const Registers& file, const std::vector<int>& which) {
  std::vector<uint8_t> words;
  for (const int r : which) {
    const std::vector<uint8_t>& one = file[static_cast<size_t>(r)];
    words.insert(words.end(), one.begin(), one.end());
  }
  return words;
}

void run_model(const Sequence& s, const ExactRule& rule, Registers& file) {
  const MmaForm& f = s.form;
  for (const Sequence::Step& step : s.steps) {
    const Codes d = model_product(f, gather_matrix(f, 'a', together(file, step.a)),
                                  gather_matrix(f, 'b', together(file, step.b)),
                                  gather_matrix(f, 'd', together(file, step.c)), rule);
    const int per = 32 / f.d_bits();
    for (int lane = 0; lane < 32; ++lane) {
      for (int i = 0; i < f.m * f.n / 32; ++i) {
        const Element2 at = f.d_place(lane, i);
        const uint64_t code = d[static_cast<size_t>(at.row * f.n + at.column)];
        std::vector<uint8_t>& to = file[static_cast<size_t>(step.d[static_cast<size_t>(i / per)])];
        std::memcpy(to.data() + lane * 4 + i % per * f.d_bits() / 8, &code,
                    static_cast<size_t>(f.d_bits() / 8));
      }
    }
  }
}

}  // namespace

TEST_CASE("instructions that share and overwrite operands run as if one by one") {
  struct Case {
    MmaForm form;
    MatrixArithmetic arithmetic;
    ExactRule rule;
  };
  using M = MatrixArithmetic;
  std::vector<Case> cases = {{{16, 8, 32, "s8", "s8", "s32", ""}, M::fma_chain, {0, 0}},
                             {{16, 8, 32, "e4m3", "e4m3", "f32", ""}, M::fma_chain, {0, 0}}};
  for (const char* d : {"f16", "f32"}) {
    cases.push_back({{16, 8, 16, "f16", "f16", d, ""}, M::fma_chain, {0, 0}});
    cases.push_back({{16, 8, 16, "f16", "f16", d, ""}, M::ampere, {24, 8}});
    cases.push_back({{16, 8, 16, "f16", "f16", d, ""}, M::hopper, {25, 16}});
    cases.push_back({{16, 8, 8, "f16", "f16", d, ""}, M::ampere, {24, 8}});
  }
  cases.push_back({{16, 8, 16, "bf16", "bf16", "f32", ""}, M::fma_chain, {0, 0}});
  cases.push_back({{16, 8, 16, "bf16", "bf16", "f32", ""}, M::ampere, {24, 8}});
  cases.push_back({{16, 8, 8, "tf32", "tf32", "f32", ""}, M::fma_chain, {0, 0}});
  cases.push_back({{16, 8, 8, "tf32", "tf32", "f32", ""}, M::hopper, {25, 8}});
  std::mt19937 random(5);
  for (const Case& c : cases) {
    for (int round = 0; round < 4; ++round) {
      const Sequence s = random_sequence(c.form, random);
      Registers file;
      std::vector<uint8_t> in;
      for (int r = 0; r < Sequence::registers; ++r) {
        // The upper registers start as sums; some registers are all zeros.
        const bool sum = r >= 12;
        const int style = round < 2 ? 1 + static_cast<int>(random() % 4) : 1;
        std::vector<uint8_t>& one = file[static_cast<size_t>(r)];
        one = random_fragment(sum ? c.form.d : c.form.a, sum ? c.form.d_bits() : c.form.bits(), 32,
                              1, style, random);
        if (random() % 6 == 0) one.assign(128, 0);
        in.insert(in.end(), one.begin(), one.end());
      }
      Device device;
      const uint64_t from = device.upload(in, "in", Access::read_only);
      const uint64_t to = device.upload(std::vector<uint8_t>(in.size()), "out");
      RunOptions options;
      options.matrix_arithmetic = c.arithmetic;
      run_well(assemble(kernel_of(s), "k"), device,
               launch({1, 1, 1}, {32, 1, 1}, Arguments().add(from).add(to)), options);
      run_model(s, c.rule, file);
      std::vector<int> all(Sequence::registers);
      for (size_t r = 0; r < all.size(); ++r) all[r] = static_cast<int>(r);
      INFO(c.form.opcode() << " arithmetic " << static_cast<int>(c.arithmetic) << " round "
                           << round);
      CHECK((device.download<uint8_t>(to, in.size()) == together(file, all)));
    }
  }
}

TEST_CASE("matrix instructions that do not exist are refused by name") {
  for (const char* opcode : {"mma.sync.aligned.m16n8k16.row.col.f32.bf16.f16.f32",
                             "mma.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32",
                             "mma.sync.aligned.m16n8k16.col.row.f32.f16.f16.f32",
                             "mma.sync.aligned.m8n8k4.row.col.f32.f16.f16.f32",
                             "mma.sync.aligned.m16n8k16.row.col.bf16.bf16.bf16.bf16",
                             "mma.sync.aligned.m16n8k16.row.col.satfinite.f32.f16.f16.f32",
                             "mma.sp.sync.aligned.m16n8k32.row.col.f32.f16.f16.f32",
                             "mma.sync.aligned.m16n8k256.row.col.s32.b1.b1.s32.or.popc"}) {
    const std::string text =
        ".version 9.0\n.target sm_90a\n.address_size 64\n.visible .entry k()\n{\n"
        ".reg .b32 %r<16>;\n" +
        std::string(opcode) +
        " {%r0, %r1, %r2, %r3}, {%r4, %r5, %r6, %r7}, {%r8, %r9}, {%r0, %r1, %r2, %r3};\nret;\n}\n";
    const auto module = parse_module(text);
    REQUIRE(module);
    const auto program = decode(*module, "k");
    REQUIRE_FALSE(program);
    INFO(program.error().message);
    CHECK(program.error().message.find(std::string("unsupported: ") + opcode) != std::string::npos);
    CHECK(program.error().message.find("at PTX line 7") != std::string::npos);
  }
}
