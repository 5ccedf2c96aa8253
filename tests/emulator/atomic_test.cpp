// atom and red: every operation, type, vector and space, lane by lane against a sequential model,
// with the old values and under a partial mask; then several host threads on one cell.
#include <algorithm>
#include <catch2/catch.hpp>

#include "base/rng.hpp"
#include "emulator/fixture.hpp"
#include "emulator/oracle.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;
using oracle::Bits;

namespace {

constexpr uint32_t kLanes = 32;
constexpr Bits kUntouched = 0x5a5a5a5a5a5a5a5aull;

struct Update {
  std::string op;    // "add.noftz"
  std::string type;  // of an element
  int count;         // vector length
  std::function<Bits(Bits old, Bits value, Bits second)> apply;
};

int bits_of_type(const std::string& type) { return oracle::width_of(type); }

std::string vector_of(const std::string& prefix, int count) {
  if (count == 1) return prefix + "0";
  std::string text = "{";
  for (int i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + prefix + std::to_string(i);
  return text + "}";
}

// Cells at p, 8 bytes apart in the buffer but consecutive elements in the cell that is updated.
std::string kernel_text(const Update& u, const std::string& space, bool reduction, bool masked) {
  const int bits = bits_of_type(u.type);
  const std::string held = "b" + std::to_string(bits);
  const bool swap = u.op.starts_with("cas");
  std::string text =
      ".version 9.0\n.target sm_100a\n.address_size 64\n.visible .entry k(.param .u64 cell, "
      ".param .u64 in, .param .u64 out)\n{\n.shared .align 32 .b8 pool[32];\n"
      ".reg .pred %first, %odd;\n.reg .b32 %t;\n.reg .b64 %cell, %in, %out, %o, %at;\n"
      ".reg ." +
      held +
      " %v<9>, %w<9>, %d<9>, %x;\n"
      "mov.u32 %t, %tid.x;\nld.param.u64 %cell, [cell];\nld.param.u64 %in, [in];\n"
      "ld.param.u64 %out, [out];\nmul.wide.u32 %o, %t, 128;\nadd.u64 %in, %in, %o;\n"
      "mul.wide.u32 %o, %t, 64;\nadd.u64 %out, %out, %o;\nsetp.eq.u32 %first, %t, 0;\n"
      "and.b32 %t, %t, 1;\nsetp.eq.u32 %odd, %t, 1;\n";
  const auto at = [](const char* base, int offset) {
    return "[" + std::string(base) + "+" + std::to_string(offset) + "]";
  };
  for (int i = 0; i < u.count; ++i) {
    text += "ld.global." + held + " %v" + std::to_string(i) + ", " + at("%in", 8 * i) + ";\n";
    text += "ld.global." + held + " %w" + std::to_string(i) + ", " + at("%in", 64 + 8 * i) + ";\n";
    text += "ld.global." + held + " %d" + std::to_string(i) + ", " + at("%out", 8 * i) + ";\n";
  }
  const bool in_shared = space.starts_with("shared") || space == "generic shared";
  if (in_shared) {
    text += "mov.u64 %at, pool;\n";
    for (int i = 0; i < u.count; ++i) {
      text += "ld.global." + held + " %x, " + at("%cell", i * bits / 8) + ";\n@%first st.shared." +
              held + " " + at("%at", i * bits / 8) + ", %x;\n";
    }
    if (space == "generic shared") text += "cvta.shared.u64 %at, %at;\n";
  } else {
    text += "mov.u64 %at, %cell;\n";
  }
  text += "bar.sync 0;\n";
  if (masked) text += "@%odd bra SKIP;\n";
  std::string opcode = reduction ? "red" : "atom";
  if (!space.starts_with("generic")) opcode += "." + space;
  opcode += "." + u.op + (u.count > 1 ? ".v" + std::to_string(u.count) : "") + "." + u.type;
  text += opcode + " " + (reduction ? "" : vector_of("%d", u.count) + ", ") + "[%at], " +
          vector_of("%v", u.count) + (swap ? ", " + vector_of("%w", u.count) : "") + ";\n";
  if (masked) text += "SKIP:\n";
  text += "bar.sync 0;\n";
  for (int i = 0; i < u.count; ++i) {
    text += "st.global." + held + " " + at("%out", 8 * i) + ", %d" + std::to_string(i) + ";\n";
    if (in_shared) {
      text += "mov.u64 %at, pool;\nld.shared." + held + " %x, " + at("%at", i * bits / 8) +
              ";\nst.global." + held + " " + at("%cell", i * bits / 8) + ", %x;\n";
    }
  }
  return text + "ret;\n}\n";
}

void check(const Update& u, const std::string& space, bool reduction, bool masked) {
  const int bits = bits_of_type(u.type);
  const std::string text = kernel_text(u, space, reduction, masked);
  CAPTURE(u.op, u.type, u.count, space, reduction, masked);
  std::vector<Bits> in(kLanes * 16), out(kLanes * 8, kUntouched);
  for (Bits i = 0; i < in.size(); ++i) {
    in[i] = mtmc::random_bits(5, 0, i);
    // Halves and floats near one; small integers often, so that inc, dec and cas meet.
    if (u.type.find('f') == std::string::npos && i % 3 != 0) in[i] &= 7;
    if (u.type == "f16x2" || u.type == "bf16x2") in[i] = (in[i] & 0x87ff87ff) | 0x38003800;
    if (u.type == "f16" || u.type == "bf16") in[i] = (in[i] & 0x87ff) | 0x3800;
    if (u.type == "f32") in[i] = (in[i] & 0x81ffffff) | 0x3e000000;
    if (u.type == "f64") in[i] = (in[i] & 0x803fffffffffffffull) | 0x3fc0000000000000ull;
  }
  std::vector<uint8_t> cell(32);
  for (size_t i = 0; i < cell.size(); ++i) cell[i] = static_cast<uint8_t>(i % 4 == 0 ? 3 : 0);
  Device device;
  const uint64_t cell_at = device.upload(cell, "cell"), in_at = device.upload(in, "in");
  const uint64_t out_at = device.upload(out, "out");
  run_well(assemble(text, "k"), device,
           launch({1, 1, 1}, {kLanes, 1, 1}, Arguments().add(cell_at).add(in_at).add(out_at)));
  const auto got_cell = device.download<uint8_t>(cell_at, cell.size());
  const auto got_out = device.download<Bits>(out_at, out.size());
  const auto element = [&](const std::vector<uint8_t>& bytes, int i) {
    Bits value = 0;
    std::memcpy(&value, bytes.data() + i * bits / 8, static_cast<size_t>(bits / 8));
    return value;
  };
  for (int i = 0; i < u.count; ++i) {
    Bits held = element(cell, i);
    for (uint32_t lane = 0; lane < kLanes; ++lane) {
      const Bits mask = oracle::ones(bits);
      const Bits old = got_out[lane * 8 + static_cast<uint32_t>(i)] & mask;
      if (masked && lane % 2 == 1) {
        REQUIRE(old == (kUntouched & mask));
        continue;
      }
      REQUIRE(old == (reduction ? kUntouched & mask : held));
      const Bits value = in[lane * 16 + static_cast<uint32_t>(i)] & mask;
      held = u.apply(held, value, in[lane * 16 + 8 + static_cast<uint32_t>(i)] & mask) & mask;
    }
    REQUIRE(element(got_cell, i) == held);
  }
}

std::vector<Update> updates() {
  std::vector<Update> list;
  const auto by_oracle = [&](const std::string& op, const std::string& model,
                             const std::string& type, int count) {
    auto form = oracle::float_form(oracle::Opcode(model + "." + type));
    if (!form) form = oracle::integer_form(oracle::Opcode(model + "." + type));
    list.push_back({op, type, count, [model = form->model](Bits old, Bits value, Bits) {
                      const Bits x[] = {old, value};
                      return model(x);
                    }});
  };
  for (const std::string t : {"u32", "s32", "u64"}) by_oracle("add", "add", t, 1);
  for (const std::string t : {"u32", "s32", "u64", "s64"}) {
    by_oracle("min", "min", t, 1);
    by_oracle("max", "max", t, 1);
  }
  for (const std::string t : {"b32", "b64"}) {
    for (const std::string op : {"and", "or", "xor"}) by_oracle(op, op, t, 1);
    list.push_back({"exch", t, 1, [](Bits, Bits value, Bits) { return value; }});
  }
  for (const std::string t : {"b16", "b32", "b64"}) {
    list.push_back({"cas", t, 1,
                    [](Bits old, Bits value, Bits second) { return old == value ? second : old; }});
  }
  list.push_back(
      {"inc", "u32", 1, [](Bits old, Bits value, Bits) { return old >= value ? 0 : old + 1; }});
  list.push_back({"dec", "u32", 1, [](Bits old, Bits value, Bits) {
                    return old == 0 || old > value ? value : old - 1;
                  }});
  for (const int count : {1, 2, 4}) by_oracle("add", "add.rn", "f32", count);
  by_oracle("add", "add.rn", "f64", 1);
  for (const int count : {1, 2, 4, 8}) {
    for (const std::string t : {"f16", "bf16", "f16x2", "bf16x2"}) {
      if (count == 8 && t.ends_with("x2")) continue;
      by_oracle("add.noftz", "add.rn", t, count);
      if (count == 1) continue;
      by_oracle("min.noftz", "min", t, count);
      by_oracle("max.noftz", "max", t, count);
    }
  }
  return list;
}

}  // namespace

TEST_CASE("atomics equal a sequential model, old values included", "[opcode]") {
  for (const Update& u : updates()) {
    // Vectors exist in global memory alone.
    const std::vector<std::string> spaces = u.count > 1
                                                ? std::vector<std::string>{"global", "generic"}
                                                : std::vector<std::string>{"global",
                                                                           "shared",
                                                                           "shared::cta",
                                                                           "generic",
                                                                           "generic shared",
                                                                           "relaxed.gpu.global",
                                                                           "acq_rel.sys.global"};
    for (const std::string& space : spaces) {
      for (const bool masked : {false, true}) {
        check(u, space, false, masked);
        const bool reducible = u.op != "cas" && u.op != "exch";
        if (reducible && !space.starts_with("acq_rel")) check(u, space, true, masked);
      }
    }
  }
}

TEST_CASE("128-bit exchanges and swaps move whole values", "[opcode]") {
  const std::string text =
      ".version 9.0\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 cell, "
      ".param .u64 out)\n{\n.reg .b32 %t;\n.reg .b64 %c, %o, %a, %z, %x, %y;\n"
      ".reg .b128 %v, %w, %d;\nmov.u32 %t, %tid.x;\ncvt.u64.u32 %a, %t;\n"
      "ld.param.u64 %c, [cell];\nld.param.u64 %o, [out];\nmul.wide.u32 %x, %t, 32;\n"
      "add.u64 %o, %o, %x;\nnot.b64 %z, %a;\nmov.b128 %v, {%a, %z};\n"
      "add.u64 %x, %a, 1;\nnot.b64 %y, %x;\nmov.b128 %w, {%x, %y};\n"
      // Lane i finds i, ~i and leaves i + 1, ~(i + 1).
      "atom.global.cas.b128 %d, [%c], %v, %w;\nst.global.b128 [%o], %d;\n"
      "atom.global.exch.b128 %d, [%c+16], %v;\nst.global.b128 [%o+16], %d;\nret;\n}\n";
  Device device;
  const uint64_t cell = device.upload(std::vector<Bits>{0, ~Bits{0}, 77, 88}, "cell");
  const uint64_t out = device.upload(std::vector<Bits>(kLanes * 4), "out");
  run_well(assemble(text, "k"), device,
           launch({1, 1, 1}, {kLanes, 1, 1}, Arguments().add(cell).add(out)));
  const auto old = device.download<Bits>(out, kLanes * 4);
  for (Bits lane = 0; lane < kLanes; ++lane) {
    CAPTURE(lane);
    REQUIRE(old[4 * lane] == lane);
    REQUIRE(old[4 * lane + 1] == ~lane);
    REQUIRE(old[4 * lane + 2] == (lane == 0 ? 77 : lane - 1));
    REQUIRE(old[4 * lane + 3] == (lane == 0 ? 88 : ~(lane - 1)));
  }
  REQUIRE(device.download<Bits>(cell, 4) == std::vector<Bits>{32, ~Bits{32}, 31, ~Bits{31}});
}

TEST_CASE("reductions of several host threads lose nothing", "[opcode]") {
  const std::string text =
      ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 cell)\n{\n"
      ".reg .b32 %t, %b, %i, %n;\n.reg .b64 %c, %w;\n.reg .pred %p;\n"
      "mov.u32 %t, %tid.x;\nmov.u32 %b, %ctaid.x;\nld.param.u64 %c, [cell];\n"
      "mad.lo.u32 %i, %b, 64, %t;\ncvt.u64.u32 %w, %i;\nmov.u32 %n, 0;\nLOOP:\n"
      "red.global.add.u32 [%c], 1;\nred.global.add.u64 [%c+8], %w;\n"
      "red.relaxed.gpu.global.max.u32 [%c+16], %i;\nred.global.min.s32 [%c+20], %i;\n"
      "red.global.xor.b32 [%c+24], %i;\nred.global.or.b64 [%c+32], %w;\n"
      "red.global.and.b32 [%c+40], %i;\nadd.u32 %n, %n, 1;\nsetp.lt.u32 %p, %n, 9;\n"
      "@%p bra LOOP;\nret;\n}\n";
  constexpr uint64_t blocks = 200, threads = blocks * 64;
  Device device;
  std::vector<uint32_t> start(12, 0);
  start[5] = 0x7fffffff;
  start[10] = 0xffffffff;
  const uint64_t cell = device.upload(start, "cell");
  RunOptions options;
  options.threads = 4;
  run_well(assemble(text, "k"), device, launch({blocks, 1, 1}, {64, 1, 1}, Arguments().add(cell)),
           options);
  const auto got = device.download<uint32_t>(cell, 12);
  uint32_t exclusive = 0;
  for (uint32_t i = 0; i < threads; ++i) exclusive ^= i;
  REQUIRE(got[0] == 9 * threads);
  REQUIRE((got[2] | uint64_t{got[3]} << 32) == 9 * (threads * (threads - 1) / 2));
  REQUIRE(got[4] == threads - 1);
  REQUIRE(got[5] == 0);
  REQUIRE(got[6] == exclusive);  // nine times, an odd number
  REQUIRE(got[8] == 0x3fff);
  REQUIRE(got[10] == 0);
}

TEST_CASE("what depends on the order of atomics does not depend on host threads", "[opcode]") {
  const std::string text =
      ".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 cell)\n{\n"
      ".reg .b32 %t, %i;\n.reg .f32 %f;\n.reg .b64 %c;\nmov.u32 %t, %tid.x;\n"
      "mov.u32 %i, %ctaid.x;\nld.param.u64 %c, [cell];\nmad.lo.u32 %i, %i, 32, %t;\n"
      "cvt.rn.f32.u32 %f, %i;\nrcp.rn.f32 %f, %f;\nred.global.add.f32 [%c], %f;\n"
      "red.global.inc.u32 [%c+4], %i;\nred.global.dec.u32 [%c+8], %i;\n"
      "atom.global.exch.b32 _, [%c+12], %i;\natom.global.cas.b32 _, [%c+16], %i, %t;\nret;\n}\n";
  std::vector<uint32_t> results[2];
  for (const int threads : {1, 4}) {
    Device device;
    const uint64_t cell = device.upload(std::vector<uint32_t>(5, 1), "cell");
    RunOptions options;
    options.threads = threads;
    run_well(assemble(text, "k"), device, launch({64, 1, 1}, {32, 1, 1}, Arguments().add(cell)),
             options);
    results[threads / 4] = device.download<uint32_t>(cell, 5);
  }
  REQUIRE(results[0] == results[1]);
}
