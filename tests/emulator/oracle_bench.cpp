#include "emulator/oracle_bench.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <sstream>

#include "base/rng.hpp"
#include "emulator/fixture.hpp"

namespace mtmc::emulator::oracle {
namespace {

using namespace mtmc::emulator::test;

constexpr uint32_t kThreads = 128, kBlocks = 6, kElements = kThreads * kBlocks;
constexpr Bits kUntouched = 0x5a5a5a5a5a5a5a5aull;

std::string memory_type(const std::string& type) {
  return "b" + std::to_string(std::max(16, width_of(type)));
}

// Three copies of the instruction: plain, under a branch and under a guard, each into its own
// register and its own third of the output.
std::string kernel_text(const std::string& name, const Form& form) {
  static const char* const names[] = {"%a", "%b", "%c", "%e"};
  std::string out = ".visible .entry " + name +
                    "(.param .u64 in, .param .u64 out)\n{\n"
                    ".reg .pred %odd, %even, %q0, %q1, %q2;\n.reg .b32 %t, %o, %i;\n"
                    ".reg .b64 %in, %out, %at;\n";
  for (size_t i = 0; i < form.types.size(); ++i) {
    out += ".reg ." + form.types[i] + " " + names[i] + ";\n";
  }
  const bool predicate = form.result == "pred";
  for (const char* d : {"%d0", "%d1", "%d2"}) {
    if (!predicate) out += ".reg ." + form.result + " " + d + ";\n";
  }
  out +=
      "mov.u32 %t, %ctaid.x;\nmov.u32 %i, %ntid.x;\nmov.u32 %o, %tid.x;\n"
      "mad.lo.u32 %i, %t, %i, %o;\nand.b32 %t, %o, 1;\nsetp.eq.u32 %odd, %t, 1;\n"
      "not.pred %even, %odd;\nld.param.u64 %in, [in];\nld.param.u64 %out, [out];\n"
      "mul.wide.u32 %at, %i, 32;\nadd.u64 %in, %in, %at;\nmul.wide.u32 %at, %i, 24;\n"
      "add.u64 %out, %out, %at;\n";
  for (size_t i = 0; i < form.types.size(); ++i) {
    out += "ld.global." + memory_type(form.types[i]) + " " + names[i] + ", [%in+" +
           std::to_string(8 * i) + "];\n";
  }
  for (int i = 0; i < 3; ++i) {
    const std::string d = (predicate ? "%q" : "%d") + std::to_string(i);
    if (predicate) {
      out += "setp.eq.u32 " + d + ", 0, 0;\n";
    } else {
      out += "ld.global." + memory_type(form.result) + " " + d + ", [%out+" +
             std::to_string(8 * i) + "];\n";
    }
    std::string text = form.text;
    for (size_t at = 0; (at = text.find("%d", at)) != std::string::npos; at += d.size()) {
      text.replace(at, 2, d);
    }
    const bool single = text[0] != '{';
    if (i == 0) out += text + "\n";
    if (i == 1) out += "@%odd bra SKIP1;\n" + text + "\nSKIP1:\n";
    if (i == 2 && single) out += "@%even " + text + "\n";
    if (i == 2 && !single) out += "@!%even bra SKIP2;\n" + text + "\nSKIP2:\n";
    const std::string at = "[%out+" + std::to_string(8 * i) + "]";
    if (predicate) {
      out += "selp.b32 %o, 1, 0, " + d + ";\nst.global.b32 " + at + ", %o;\n";
    } else {
      out += "st.global." + memory_type(form.result) + " " + at + ", " + d + ";\n";
    }
  }
  return out + "ret;\n}\n";
}

// Encodings where things go wrong, by the width of the operand.
const std::vector<Bits>& edges(int bits) {
  static const std::vector<Bits> of16 = {
      0,      1,      0x8000, 0x8001, 0x7fff, 0xffff, 0x7c00, 0xfc00, 0x7c01, 0x7e00, 0x7f80,
      0xff80, 0x7f81, 0x7fc0, 0x3c00, 0xbc00, 0x3f80, 0xbf80, 0x03ff, 0x0400, 0x83ff, 0x007f,
      0x0080, 0x807f, 0x7bff, 0xfbff, 0x7f7f, 0xff7f, 0x3bff, 0x3c01, 0x4000, 0x5f00, 0x7e7e,
      0x7d7c, 0x00ff, 0xff00, 2,      3,      15,     16,     17,     31,     32,     0x4200};
  static const std::vector<Bits> of32 = {
      0,          1,          2,          7,          31,         32,         33,
      63,         64,         255,        256,        0x80000000, 0x80000001, 0x7fffffff,
      0xffffffff, 0x7f800000, 0xff800000, 0x7f800001, 0xffc00000, 0x7fc12345, 0x3f800000,
      0xbf800000, 0x3f000000, 0x3effffff, 0x007fffff, 0x00800000, 0x807fffff, 0x7f7fffff,
      0xff7fffff, 0x4effffff, 0x4f000000, 0xcf000000, 0x4f7fffff, 0x4f800000, 0x5f000000,
      0x5f800000, 0xdf000001, 0x477ff000, 0x477fefff, 0x33000000, 0x33000001, 0x38800000,
      0x387fffff, 0x43e00000, 0x43e80000, 0x00400000, 0x00400001, 0x7e800000, 0x7e800001,
      0x7f000000, 0x3fc00000, 0x40200000, 0x7c007c00, 0xfe00fc00, 0x00010001, 0x80008000,
      0x7f807f80, 0x3c00bc00, 0x7bff0400, 0x3f7f8000, 0x3f808000, 0x3f800fff, 0x3f801000};
  static const std::vector<Bits> of64 = {0,
                                         1,
                                         2,
                                         31,
                                         63,
                                         64,
                                         0x8000000000000000,
                                         0x8000000000000001,
                                         0x7fffffffffffffff,
                                         0xffffffffffffffff,
                                         0xffffffff,
                                         0x100000000,
                                         0x7ff0000000000000,
                                         0xfff0000000000000,
                                         0x7ff0000000000001,
                                         0xfff8000000000000,
                                         0x3ff0000000000000,
                                         0xbff0000000000000,
                                         0x3fe0000000000000,
                                         0x000fffffffffffff,
                                         0x0010000000000000,
                                         0x800fffffffffffff,
                                         0x7fefffffffffffff,
                                         0xffefffffffffffff,
                                         0x3fdfffffffffffff,
                                         0x41dfffffffc00000,
                                         0x41e0000000000000,
                                         0xc1e0000000000000,
                                         0x41efffffffe00000,
                                         0x43e0000000000000,
                                         0x43f0000000000000,
                                         0xc3e0000000000000,
                                         0x36a0000000000000,
                                         0x36a0000000000001,
                                         0x380fffffc0000000,
                                         0x47efffffe0000000,
                                         0x47efffffefffffff,
                                         0x47effffff0000000,
                                         0x40effc0000000000,
                                         0x3e50000000000000,
                                         0x3ff8000000000000,
                                         0x4004000000000000,
                                         0x7f8000017fc00000,
                                         0x3f80000080000000,
                                         0x00800000007fffff};
  return bits <= 16 ? of16 : bits == 32 ? of32 : of64;
}

// A third edge values, a third plain random bits, a third floats of moderate size.
Bits operand(const std::string& type, uint64_t stream, uint64_t i) {
  const int bits = std::max(16, width_of(type));
  const Bits random = mtmc::random_bits(11, stream, i);
  const Bits choice = mtmc::random_bits(12, stream, i);
  const auto& list = edges(bits);
  if (i < 2 * list.size() && stream == 0) return list[i % list.size()];
  if (choice % 3 == 0) return list[(choice >> 8) % list.size()];
  if (choice % 3 == 1) return random & ones(bits);
  // Exponents near one in each of the formats that the register may hold.
  if (bits == 64)
    return (random & 0x803fffffffffffffull) |
           (choice % 2 ? 0x3fc0000000000000ull : 0x4000000000000000ull);
  if (bits == 32) return (random & 0x81ffffff) | 0x3e000000;
  return (random & 0x87ff) | 0x3800;
}

bool close(const Form& form, Bits got, Bits expected) {
  if (got == expected) return true;
  if (form.result == "f64") {
    const auto nan = [](Bits x) { return (x << 1) > 0xffe0000000000000ull; };
    if (nan(got) && nan(expected)) return true;
  }
  if (form.steps == 0 && form.absolute == 0) return false;
  // Packed halves are compared one by one.
  if (form.result == "b32") {
    for (int shift = 0; shift < 32; shift += 16) {
      Form half = form;
      half.result = "b16";
      if (!close(half, got >> shift & 0xffff, expected >> shift & 0xffff)) return false;
    }
    return true;
  }
  if (form.absolute > 0) {
    const auto x = std::bit_cast<float>(static_cast<uint32_t>(got));
    const auto y = std::bit_cast<float>(static_cast<uint32_t>(expected));
    return std::abs(double(x) - double(y)) <= form.absolute;
  }
  // Encodings of one sign are consecutive.
  const int bits = width_of(form.result);
  if ((got ^ expected) >> (bits - 1) & 1) return false;
  const Bits distance = got > expected ? got - expected : expected - got;
  return static_cast<double>(distance) <= form.steps;
}

struct Bench {
  Device device;
  uint64_t in = device.upload(std::vector<Bits>(kElements * 4), "in");
  uint64_t out = device.upload(std::vector<Bits>(kElements * 3), "out");
  Bits* slots(uint64_t address, size_t count) {
    return reinterpret_cast<Bits*>(device.memory.span(address, count * 8).value().data());
  }
};

// Empty when every element is right.
std::string check(Bench& bench, const Form& form, const Program& program) {
  Bits* in = bench.slots(bench.in, kElements * 4);
  Bits* out = bench.slots(bench.out, kElements * 3);
  for (uint64_t i = 0; i < kElements; ++i) {
    for (size_t k = 0; k < form.types.size(); ++k) in[4 * i + k] = operand(form.types[k], k, i);
    for (int k = 0; k < 3; ++k) out[3 * i + k] = kUntouched;
  }
  const auto report =
      run(program, bench.device.memory,
          launch({kBlocks, 1, 1}, {kThreads, 1, 1}, Arguments().add(bench.in).add(bench.out)), {});
  if (!report) return report.error().message;
  if (report->fault) return report->fault->text();
  const bool predicate = form.result == "pred";
  const Bits mask = ones(predicate ? 32 : std::max(16, width_of(form.result)));
  for (uint64_t i = 0; i < kElements; ++i) {
    Bits x[4] = {};
    for (size_t k = 0; k < form.types.size(); ++k) x[k] = in[4 * i + k];
    const Bits expected = form.model(x) & mask;
    for (uint64_t k = 0; k < 3; ++k) {
      const bool active = k == 0 || i % 2 == 0;
      if (active && form.unstated && form.unstated(x)) continue;
      const Bits got = out[3 * i + k] & mask;
      const Bits kept = predicate ? 1 : kUntouched & mask;
      if (active ? close(form, got, expected) : got == kept) continue;
      std::ostringstream text;
      text << std::hex << "variant " << k << (active ? "" : " (inactive)") << ": got " << got
           << ", expected " << (active ? expected : kept) << " for";
      for (size_t n = 0; n < form.types.size(); ++n) text << " " << x[n];
      return text.str();
    }
  }
  return "";
}

}  // namespace

std::vector<std::string> differences(const std::vector<Form>& forms) {
  std::string text = ".version 9.0\n.target sm_100a\n.address_size 64\n";
  for (size_t i = 0; i < forms.size(); ++i) {
    text += kernel_text("k" + std::to_string(i), forms[i]);
  }
  const auto module = parse_module(text);
  if (!module) return {module.error().message};
  Bench bench;
  std::vector<std::string> result;
  for (size_t i = 0; i < forms.size(); ++i) {
    const auto program = decode(*module, "k" + std::to_string(i));
    const std::string failure =
        program ? check(bench, forms[i], *program) : program.error().message;
    if (!failure.empty()) result.push_back(forms[i].text + " " + failure);
  }
  return result;
}

}  // namespace mtmc::emulator::oracle
