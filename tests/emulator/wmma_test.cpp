// wmma: what is loaded, multiplied and stored comes out as a matrix product, for every shape, type,
// layout and state space. Fragments are the emulator's own affair and never looked at.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"
#include "emulator/matrix_model.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

struct WmmaForm {
  MmaForm form;  // of the product
  bool a_column, b_column, c_column;
  std::string space;  // "global", "shared", or "" for generic addresses of shared memory

  int declared(char which) const {
    if (which == 'd') return form.d_registers();
    if (form.a == "f16") return 8;
    return which == 'a' ? form.a_registers() : form.b_registers();
  }
};

int bytes_of(int bits, int count) { return bits * count / 8; }

// Elements `bits` wide, packed low bits first.
void put_code(std::vector<uint8_t>& bytes, int bits, size_t index, uint64_t code) {
  for (int i = 0; i < bits; ++i) {
    const size_t at = index * static_cast<size_t>(bits) + static_cast<size_t>(i);
    const auto bit = static_cast<uint8_t>(1u << (at % 8));
    if ((code >> i & 1) != 0) bytes[at / 8] |= bit;
  }
}
uint64_t get_code(const std::vector<uint8_t>& bytes, int bits, size_t index) {
  uint64_t code = 0;
  for (int i = 0; i < bits; ++i) {
    const size_t at = index * static_cast<size_t>(bits) + static_cast<size_t>(i);
    code |= static_cast<uint64_t>(bytes[at / 8] >> (at % 8) & 1) << i;
  }
  return code;
}

// A matrix in memory with `extra` elements between its rows or columns.
struct Stored {
  int rows, columns, bits, extra;
  bool by_column;

  int stride() const { return (by_column ? rows : columns) + extra; }
  size_t index(int row, int column) const {
    return static_cast<size_t>(by_column ? column * stride() + row : row * stride() + column);
  }
  size_t bytes() const {
    return static_cast<size_t>(bytes_of(bits, stride() * (by_column ? columns : rows)));
  }
  std::vector<uint8_t> image(const Codes& codes) const {
    std::vector<uint8_t> result(bytes(), 0);
    for (int i = 0; i < rows; ++i) {
      for (int j = 0; j < columns; ++j) {
        put_code(result, bits, index(i, j), codes[static_cast<size_t>(i * columns + j)]);
      }
    }
    return result;
  }
};

std::string kernel_of(const WmmaForm& w, const Stored& a, const Stored& b, const Stored& c) {
  const MmaForm& f = w.form;
  const std::string shape =
      "m" + std::to_string(f.m) + "n" + std::to_string(f.n) + "k" + std::to_string(f.k);
  const bool shared = w.space != "global";
  const std::string space = w.space.empty() ? "" : "." + w.space;
  std::string text =
      ".version 9.0\n.target sm_90a\n.address_size 64\n"
      ".extern .shared .align 128 .b8 buffer[];\n"
      ".visible .entry k(.param .u64 pa, .param .u64 pb, .param .u64 pc, "
      ".param .u64 pd)\n{\n.reg .b32 %l, %i, %v; .reg .b64 %p<5>, %q, %s; "
      ".reg .pred %t;\nmov.u32 %l, %laneid;\nmov.u64 %s, buffer;\n"
      "cvta.shared.u64 %s, %s;\nld.param.u64 %p4, [pd];\n";
  size_t at = 0;
  const auto matrix = [&](const std::string& name, const std::string& index, size_t bytes) {
    text += "ld.param.u64 %p" + index + ", [p" + name + "];\n";
    if (!shared) return;
    // One lane copies it to shared memory, word by word.
    text += "mov.u32 %i, 0;\nL" + name + ":\ncvt.u64.u32 %q, %i;\nadd.u64 %q, %q, %p" + index +
            ";\nld.global.b32 %v, [%q];\ncvt.u64.u32 %q, %i;\nadd.u64 %q, %q, %s;\nst.b32 [%q+" +
            std::to_string(at) + "], %v;\nadd.u32 %i, %i, 4;\nsetp.lt.u32 %t, %i, " +
            std::to_string(bytes) + ";\n@%t bra L" + name + ";\n";
    text += w.space == "shared" ? "mov.u64 %p" + index + ", buffer;\nadd.u64 %p" + index + ", %p" +
                                      index + ", " + std::to_string(at) + ";\n"
                                : "add.u64 %p" + index + ", %s, " + std::to_string(at) + ";\n";
    at += (bytes + 127) / 128 * 128;
  };
  matrix("a", "1", a.bytes());
  matrix("b", "2", b.bytes());
  matrix("c", "3", c.bytes());
  const auto list = [&](const std::string& name, int count) {
    std::string result = "{";
    for (int i = 0; i < count; ++i) result += (i > 0 ? ", %" : "%") + name + std::to_string(i);
    return result + "}";
  };
  const auto layout = [](bool column) { return std::string(column ? "col" : "row"); };
  const int width = f.register_bits();
  text += ".reg .b" + std::to_string(width) + " %a<8>, %b<8>; .reg .b" +
          std::to_string(f.d_register_bits()) + " %c<8>, %d<8>;\n";
  const auto stride = [](const Stored& m) {
    return m.extra == 0 ? std::string() : ", " + std::to_string(m.stride());
  };
  text += "wmma.load.a.sync.aligned." + layout(w.a_column) + "." + shape + space + "." + f.a + " " +
          list("a", w.declared('a')) + ", [%p1]" + stride(a) + ";\n";
  text += "wmma.load.b.sync.aligned." + layout(w.b_column) + "." + shape + space + "." + f.b + " " +
          list("b", w.declared('b')) + ", [%p2]" + stride(b) + ";\n";
  text += "wmma.load.c.sync.aligned." + layout(w.c_column) + "." + shape + space + "." + f.d + " " +
          list("c", w.declared('d')) + ", [%p3]" + stride(c) + ";\n";
  std::string types = "." + f.d + "." + f.d;
  if (f.a != "f16") types = "." + f.d + "." + f.a + "." + f.b + "." + f.d;
  if (f.a == "f64") types = ".rn" + types;
  const bool bits = f.a == "b1";
  text += "wmma.mma" + (bits ? f.extra : "") + ".sync.aligned." + layout(w.a_column) + "." +
          layout(w.b_column) + "." + shape + types + (bits ? "" : f.extra) + " " +
          list("d", w.declared('d')) + ", " + list("a", w.declared('a')) + ", " +
          list("b", w.declared('b')) + ", " + list("c", w.declared('d')) + ";\n";
  text += "wmma.store.d.sync.aligned." + layout(w.c_column) + "." + shape + ".global." + f.d +
          " [%p4], " + list("d", w.declared('d')) + stride(c) + ";\nret;\n}\n";
  return text;
}

int differences(const WmmaForm& w, uint32_t seed) {
  const MmaForm& f = w.form;
  std::mt19937 random(seed);
  const auto codes = [&](const std::string& type, int count, int style) {
    Codes result;
    for (int i = 0; i < count; ++i) result.push_back(random_code(type, style, random));
    return result;
  };
  const int padding = f.bits() < 8 || seed % 2 == 0 ? 0 : 16;
  const Stored sa{f.m, f.k, f.bits(), padding, w.a_column};
  const Stored sb{f.k, f.n, f.bits(), padding, w.b_column};
  const Stored sc{f.m, f.n, f.d_bits(), padding, w.c_column};
  const Codes a = codes(f.a, f.m * f.k, 1), b = codes(f.b, f.k * f.n, 1),
              c = codes(f.d, f.m * f.n, 1);
  Device device;
  const auto upload = [&](const std::vector<uint8_t>& bytes, const char* name) {
    const uint64_t address =
        device.memory.allocate(bytes.size(), 128, name, Access::read_write).value();
    std::memcpy(device.memory.span(address, bytes.size()).value().data(), bytes.data(),
                bytes.size());
    return address;
  };
  const uint64_t pa = upload(sa.image(a), "a"), pb = upload(sb.image(b), "b"),
                 pc = upload(sc.image(c), "c"), pd = upload(sc.image(c), "d");
  run_well(assemble(kernel_of(w, sa, sb, sc), "k"), device,
           launch({1, 1, 1}, {32, 1, 1}, Arguments().add(pa).add(pb).add(pc).add(pd), 16384));
  const auto d = device.download<uint8_t>(pd, sc.bytes());
  const Codes expected = model_product(f, a, b, c);
  int different = 0;
  for (int i = 0; i < f.m; ++i) {
    for (int j = 0; j < f.n; ++j) {
      different +=
          get_code(d, f.d_bits(), sc.index(i, j)) != expected[static_cast<size_t>(i * f.n + j)];
    }
  }
  return different;
}

}  // namespace

TEST_CASE("wmma multiplies what it loads and stores the product") {
  std::vector<MmaForm> forms;
  const std::vector<std::array<int, 3>> sixteen = {{16, 16, 16}, {32, 8, 16}, {8, 32, 16}};
  for (const auto& s : sixteen) {
    forms.push_back({s[0], s[1], s[2], "f16", "f16", "f32", ""});
    forms.push_back({s[0], s[1], s[2], "f16", "f16", "f16", ""});
    forms.push_back({s[0], s[1], s[2], "bf16", "bf16", "f32", ""});
    forms.push_back({s[0], s[1], s[2], "s8", "s8", "s32", ""});
    forms.push_back({s[0], s[1], s[2], "u8", "u8", "s32", ".satfinite"});
  }
  forms.push_back({16, 16, 8, "tf32", "tf32", "f32", ""});
  forms.push_back({8, 8, 4, "f64", "f64", "f64", ""});
  uint32_t seed = 100;
  for (const MmaForm& f : forms) {
    for (int layouts = 0; layouts < 8; ++layouts) {
      for (const char* space : {"global", "shared", ""}) {
        const WmmaForm w{f, (layouts & 1) != 0, (layouts & 2) != 0, (layouts & 4) != 0, space};
        INFO(f.opcode() << " layouts " << layouts << " space " << space);
        CHECK(differences(w, ++seed) == 0);
      }
    }
  }
  const std::vector<MmaForm> small = {{8, 8, 32, "s4", "s4", "s32", ""},
                                      {8, 8, 32, "u4", "u4", "s32", ".satfinite"},
                                      {8, 8, 128, "b1", "b1", "s32", ".xor.popc"},
                                      {8, 8, 128, "b1", "b1", "s32", ".and.popc"}};
  for (const MmaForm& f : small) {
    for (const char* space : {"global", "shared", ""}) {
      INFO(f.opcode() << " space " << space);
      CHECK(differences({f, false, true, false, space}, ++seed) == 0);
      CHECK(differences({f, false, true, true, space}, ++seed) == 0);
    }
  }
}

namespace {

Fault fault_of(const std::string& body, uint32_t threads, uint64_t bytes) {
  const std::string text =
      ".version 9.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n"
      ".reg .b32 %r<10>; .reg .b64 %p, %q; .reg .pred %t;\nld.param.u64 %p, [p];\n"
      "mov.u32 %r9, %tid.x;\n" +
      body + "ret;\n}\n";
  Device device;
  const uint64_t p = device.memory.allocate(bytes, 256, "p", Access::read_write).value();
  const auto report = run(assemble(text, "k"), device.memory,
                          launch({1, 1, 1}, {threads, 1, 1}, Arguments().add(p)), {});
  REQUIRE(report);
  REQUIRE(report->fault);
  return *report->fault;
}

const char* const load_a =
    "wmma.load.a.sync.aligned.row.m16n16k16.global.f16 "
    "{%r0,%r1,%r2,%r3,%r4,%r5,%r6,%r7}, [%p], 16;\n";

}  // namespace

TEST_CASE("wmma loads outside an allocation, askew or by half a warp are faults") {
  CHECK(fault_of(load_a, 32, 256).kind == FaultKind::out_of_bounds);
  CHECK(fault_of("add.u64 %p, %p, 4;\n" + std::string(load_a), 32, 4096).kind ==
        FaultKind::misaligned);
  CHECK(fault_of(load_a, 16, 4096).message == "a matrix instruction needs 32 lanes, 16 are left");
  const Fault differs = fault_of("mad.wide.u32 %p, %r9, 16, %p;\n" + std::string(load_a), 32, 4096);
  CHECK(differs.kind == FaultKind::unsupported);
  CHECK(differs.thread[0] == 1);
}
