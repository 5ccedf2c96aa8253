// ld and st of every type, vector length, space and register width: bytes against registers, with
// the qualifiers and hints that change no value.
#include <catch2/catch.hpp>

#include "base/rng.hpp"
#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint32_t kThreads = 64, kArea = 32;  // bytes of each thread

struct Access {
  std::string space;  // "" is generic, of global memory; "generic shared", "generic local"
  std::string type;
  int count;
  int held;  // bits of the registers
  std::string qualifier;
};

int memory_bytes(const std::string& type) {
  return std::stoi(type.substr(type[0] == 'b' && type[1] == 'f' ? 2 : 1)) / 8;
}

std::string kernel_text(const Access& a, bool store) {
  const std::string held = "b" + std::to_string(a.held);
  const int step = a.held / 8;
  std::string list = a.count == 1 ? "" : "{";
  for (int i = 0; i < a.count; ++i) list += (i == 0 ? "%r" : ", %r") + std::to_string(i);
  if (a.count > 1) list += "}";
  std::string text =
      ".version 9.0\n.target sm_100a\n.address_size 64\n.visible .entry k(.param .u64 area, "
      ".param .u64 registers)\n{\n.shared .align 32 .b8 pool[2048];\n"
      ".local .align 32 .b8 depot[32];\n.reg ." +
      held +
      " %r<9>;\n"
      ".reg .b32 %t, %x;\n.reg .b64 %area, %regs, %o, %at, %policy;\n.reg .pred %odd;\n"
      "mov.u32 %t, %tid.x;\nld.param.u64 %area, [area];\nld.param.u64 %regs, [registers];\n"
      "mul.wide.u32 %o, %t, 32;\nadd.u64 %area, %area, %o;\nmul.wide.u32 %at, %t, 128;\n"
      "add.u64 %regs, %regs, %at;\ncreatepolicy.fractional.L2::evict_last.b64 %policy, 0.5;\n";
  // Where the access goes: memory of another space is filled from the area, and copied back.
  const bool direct = a.space == "global" || a.space.empty();
  std::string other = a.space.find("local") != std::string::npos ? "local" : "shared";
  if (direct) {
    text += "mov.u64 %at, %area;\n";
  } else {
    text +=
        other == "local" ? "mov.u64 %at, depot;\n" : "mov.u64 %at, pool;\nadd.u64 %at, %at, %o;\n";
    for (int i = 0; i < 32; i += 4) {
      const std::string n = std::to_string(i);
      text += "ld.global.b32 %x, [%area+" + n + "];\nst." + other + ".b32 [%at+" + n + "], %x;\n";
    }
  }
  std::string back = "%at";
  if (a.space.starts_with("generic")) {
    text += "cvta." + other + ".u64 %o, %at;\n";
    back = "%o";
  }
  for (int i = 0; i < a.count; ++i) {
    text += "ld.global." + held + " %r" + std::to_string(i) + ", [%regs+" +
            std::to_string(i * step) + "];\n";
  }
  const bool hinted = a.qualifier.find("cache_hint") != std::string::npos;
  std::string opcode = (store ? "st" : "ld");
  const bool named = !a.space.empty() && !a.space.starts_with("generic");
  const bool before = a.qualifier.starts_with(".relaxed") || a.qualifier.starts_with(".acquire") ||
                      a.qualifier.starts_with(".volatile") || a.qualifier.starts_with(".weak");
  if (before) opcode += a.qualifier;
  if (named) opcode += "." + a.space;
  if (!before) opcode += a.qualifier;
  if (a.count > 1) opcode += ".v" + std::to_string(a.count);
  opcode += "." + a.type;
  const std::string where = "[" + back + "]";
  text += "and.b32 %x, %t, 3;\nsetp.eq.u32 %odd, %x, 3;\n@%odd bra SKIP;\n";  // every fourth lane
  text += opcode + " " + (store ? where + ", " + list : list + ", " + where) +
          (hinted ? ", %policy" : "") + ";\nSKIP:\n";
  for (int i = 0; i < a.count; ++i) {
    text += "st.global." + held + " [%regs+" + std::to_string(i * step) + "], %r" +
            std::to_string(i) + ";\n";
  }
  if (!direct) {
    for (int i = 0; i < 32; i += 4) {
      const std::string n = std::to_string(i);
      text += "ld." + other + ".b32 %x, [%at+" + n + "];\nst.global.b32 [%area+" + n + "], %x;\n";
    }
  }
  return text + "ret;\n}\n";
}

void check(const Access& a, bool store) {
  CAPTURE(a.space, a.type, a.count, a.held, a.qualifier, store);
  Bytes area(kThreads * kArea), registers(kThreads * 128);
  for (size_t i = 0; i < area.size(); ++i)
    area[i] = static_cast<uint8_t>(mtmc::random_bits(3, 0, i));
  for (size_t i = 0; i < registers.size(); ++i) {
    registers[i] = static_cast<uint8_t>(mtmc::random_bits(3, 1, i));
  }
  Device device;
  const uint64_t area_at = device.upload(area, "area");
  const uint64_t registers_at = device.upload(registers, "registers");
  run_well(assemble(kernel_text(a, store), "k"), device,
           launch({1, 1, 1}, {kThreads, 1, 1}, Arguments().add(area_at).add(registers_at)));
  const size_t memory = static_cast<size_t>(memory_bytes(a.type));
  const size_t held = static_cast<size_t>(a.held / 8);
  for (uint32_t t = 0; t < kThreads; ++t) {
    if (t % 4 == 3) continue;
    for (size_t i = 0; i < static_cast<size_t>(a.count); ++i) {
      uint8_t* in_memory = &area[t * kArea + i * memory];
      uint8_t* in_register = &registers[t * 128 + i * held];
      if (store) {
        std::copy(in_register, in_register + memory, in_memory);
        continue;
      }
      std::copy(in_memory, in_memory + memory, in_register);
      const bool negative = a.type[0] == 's' && in_memory[memory - 1] > 127;
      std::fill(in_register + memory, in_register + held, negative ? 255 : 0);
    }
  }
  REQUIRE(device.download<uint8_t>(area_at, area.size()) == area);
  REQUIRE(device.download<uint8_t>(registers_at, registers.size()) == registers);
}

}  // namespace

TEST_CASE("loads and stores move bytes as their types say", "[opcode]") {
  const std::string types[] = {"b8",  "u8",  "s8",  "b16", "u16", "s16", "b32",
                               "u32", "s32", "b64", "u64", "s64", "f32", "f64"};
  for (const std::string space :
       {"global", "", "shared", "shared::cta", "local", "generic shared", "generic local"}) {
    for (const std::string& type : types) {
      const int bits = 8 * memory_bytes(type);
      for (const int count : {1, 2, 4, 8}) {
        // 32 bytes at once exist in global memory only.
        if (count * bits > (space == "global" ? 256 : 128)) continue;
        for (const int held : {16, 32, 64}) {
          if (held < bits || (type[0] == 'f' && held != bits)) continue;
          for (const bool store : {false, true}) check({space, type, count, held, ""}, store);
        }
      }
    }
    for (const bool store : {false, true}) check({space, "b128", 1, 128, ""}, store);
  }
}

TEST_CASE("cache hints, scopes and policies change no value", "[opcode]") {
  for (const std::string q :
       {".ca", ".cg", ".cs", ".lu", ".cv", ".nc", ".L1::no_allocate", ".L2::128B",
        ".L1::evict_last.L2::cache_hint.L2::64B", ".nc.L1::evict_first.L2::cache_hint",
        ".L2::cache_hint", ".relaxed.gpu", ".acquire.cta", ".volatile", ".weak"}) {
    for (const int count : {1, 4}) check({"global", "b32", count, 32, q}, false);
  }
  for (const std::string q : {".wb", ".cg", ".cs", ".wt", ".L1::evict_first.L2::cache_hint",
                              ".L2::cache_hint", ".relaxed.sys", ".volatile", ".weak"}) {
    for (const int count : {1, 4}) check({"global", "b32", count, 32, q}, true);
  }
}
