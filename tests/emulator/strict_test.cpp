// Strict mode: PTX of --fmad=false (every operation .rn) is bitwise right. Random chains of IEEE
// operations in f16, bf16, f32 and f64 against the oracle, which never uses the host's
// floating-point unit.
#include <catch2/catch.hpp>

#include "base/rng.hpp"
#include "emulator/fixture.hpp"
#include "emulator/oracle.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;
using oracle::Bits;

namespace {

constexpr int kRegisters = 8, kSteps = 32;
constexpr uint32_t kThreads = 64;

struct Step {
  oracle::Form form;
  int to;
  int from[3];
};

struct Chain {
  std::string type;  // of the opcodes
  std::vector<std::string> operations;
};

std::vector<Step> steps_of(const Chain& chain, uint64_t seed) {
  std::vector<Step> steps;
  for (uint64_t i = 0; i < kSteps; ++i) {
    const uint64_t random = mtmc::random_bits(seed, 0, i);
    const std::string& op = chain.operations[random % chain.operations.size()];
    Step step{*oracle::float_form(oracle::Opcode(op + "." + chain.type)), 0, {}};
    step.to = static_cast<int>(random >> 8 & 7);
    for (int k = 0; k < 3; ++k) step.from[k] = static_cast<int>(random >> (16 + 8 * k) & 7);
    steps.push_back(std::move(step));
  }
  return steps;
}

// Register i of thread t lies at slot t * kRegisters + i of the buffer, before and after.
std::string kernel_text(const std::vector<Step>& steps) {
  const std::string held = steps[0].form.result;
  const std::string memory = "b" + std::to_string(oracle::width_of(held));
  std::string text =
      ".version 8.0\n.target sm_90a\n.address_size 64\n.visible .entry k(.param .u64 p)\n{\n"
      ".reg ." +
      held +
      " %r<8>;\n.reg .b32 %t;\n.reg .b64 %p, %o;\n"
      "mov.u32 %t, %tid.x;\nmul.wide.u32 %o, %t, 64;\nld.param.u64 %p, [p];\nadd.u64 %p, %p, %o;\n";
  const auto each = [&](auto line) {
    for (int i = 0; i < kRegisters; ++i) {
      text += line("%r" + std::to_string(i), "[%p+" + std::to_string(8 * i) + "]");
    }
  };
  each([&](const std::string& r, const std::string& at) {
    return "ld.global." + memory + " " + r + ", " + at + ";\n";
  });
  for (const Step& step : steps) {
    // The form's text is "op.type %d, %a, ...;".
    text += step.form.text.substr(0, step.form.text.find(' ')) + " %r" + std::to_string(step.to);
    for (size_t k = 0; k < step.form.types.size(); ++k) {
      text += ", %r" + std::to_string(step.from[k]);
    }
    text += ";\n";
  }
  each([&](const std::string& r, const std::string& at) {
    return "st.global." + memory + " " + at + ", " + r + ";\n";
  });
  return text + "ret;\n}\n";
}

// A value whose chains stay finite most of the time; a few zeros and subnormals.
Bits start(int bits, const std::string& type, uint64_t seed, uint64_t i) {
  const Bits random = mtmc::random_bits(seed, 1, i);
  if (random % 23 == 0) return random >> 40 & 3;
  const Bits sign = (random >> 32 & 1) << (bits - 1);
  const int mantissa = type.starts_with("bf") ? 7 : bits == 16 ? 10 : bits == 32 ? 23 : 52;
  const Bits bias = oracle::ones(bits - 2 - mantissa);
  const Bits exponent = bias - 3 + (random >> 40 & 7);
  return sign | exponent << mantissa | (mtmc::random_bits(seed, 2, i) & oracle::ones(mantissa));
}

}  // namespace

TEST_CASE("chains of rounded operations are bitwise right", "[opcode]") {
  const Chain chains[] = {
      {"f32",
       {"add.rn", "sub.rn", "mul.rn", "fma.rn", "div.rn", "sqrt.rn", "neg", "add.rz", "fma.rm"}},
      {"f32", {"add.rn.ftz", "mul.rn.ftz", "fma.rn.ftz", "div.rn.ftz"}},
      {"f64", {"add.rn", "sub.rn", "mul.rn", "fma.rn", "div.rn", "sqrt.rn", "fma.rp", "abs"}},
      {"f16", {"add.rn", "sub.rn", "mul.rn", "fma.rn", "neg"}},
      {"bf16", {"add.rn", "sub.rn", "mul.rn", "fma.rn", "abs"}},
      {"f16x2", {"add.rn", "mul.rn", "fma.rn", "fma.rn.relu"}},
      {"bf16x2", {"sub.rn", "mul.rn", "fma.rn", "max"}}};
  size_t finite = 0;
  for (const Chain& chain : chains) {
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      const std::vector<Step> steps = steps_of(chain, seed);
      const int bits = oracle::width_of(steps[0].form.result);
      std::vector<Bits> slots(kThreads * kRegisters);
      for (uint64_t i = 0; i < slots.size(); ++i) {
        slots[i] = chain.type.ends_with("x2")
                       ? start(16, chain.type, seed, i) | start(16, chain.type, seed + 50, i) << 16
                       : start(bits, chain.type, seed, i);
      }
      Device device;
      const uint64_t address = device.upload(slots, "registers");
      run_well(assemble(kernel_text(steps), "k"), device,
               launch({1, 1, 1}, {kThreads, 1, 1}, Arguments().add(address)));
      const auto got = device.download<Bits>(address, slots.size());
      for (uint64_t t = 0; t < kThreads; ++t) {
        Bits* r = &slots[t * kRegisters];
        for (const Step& step : steps) {
          const Bits x[] = {r[step.from[0]], r[step.from[1]], r[step.from[2]]};
          r[step.to] = step.form.model(x) & oracle::ones(bits);
        }
        for (int i = 0; i < kRegisters; ++i) {
          const Bits g = got[t * kRegisters + static_cast<uint64_t>(i)] & oracle::ones(bits);
          const bool nan = bits == 64 && r[i] << 1 > 0xffe0000000000000ull;
          if (nan) {
            if (g << 1 <= 0xffe0000000000000ull) FAIL("NaN expected");
            continue;
          }
          finite += bits == 32 && (r[i] >> 23 & 255) != 255;
          CAPTURE(chain.type, seed, t, i);
          if (g != r[i]) REQUIRE(g == r[i]);
        }
      }
    }
  }
  REQUIRE(finite > 5000);  // the chains do not all end in NaN
}
