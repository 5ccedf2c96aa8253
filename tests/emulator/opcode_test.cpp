// Every form of opcode_forms.hpp as a tiny kernel on the emulator, over adversarial operands, with
// all lanes active, with odd lanes branched away, and guarded by a predicate; then the instructions
// that look across a warp or update memory atomically.
#include <catch2/catch.hpp>
#include <cstring>
#include <map>

#include "base/rng.hpp"
#include "emulator/opcode_forms.hpp"
#include "emulator/program.hpp"
#include "emulator/run.hpp"
#include "emulator/slow_model.hpp"

using namespace mtmc::emulator;
using forms::Form;

namespace {

using u32 = std::uint32_t;
using u64 = std::uint64_t;

constexpr u32 kThreads = 128;
constexpr u32 kBlocks = 6;
constexpr u32 kElements = kThreads * kBlocks;

enum class Variant { all_lanes, branch, guard };

constexpr u64 kSentinel = 0x5a5a5a5a5a5a5a5aull;

int bits_of_type(const std::string& type) { return type == "pred" ? 1 : std::stoi(type.substr(1)); }

std::string with_guard(std::string text) { return "@%even " + text; }

bool single_instruction(const std::string& text) {
  return text[0] != '{' && text.find(';') == text.size() - 1;
}

std::string kernel_text(const Form& form, Variant variant) {
  std::string out =
      ".version 8.0\n.target sm_90a\n.address_size 64\n.visible .entry k(\n"
      ".param .u64 pa, .param .u64 pb, .param .u64 pc, .param .u64 pd)\n{\n"
      ".shared .align 16 .b8 pool[" +
      std::to_string(kThreads * 16) +
      "];\n"
      ".local .align 16 .b8 depot[16];\n"
      ".reg .pred %even, %odd;\n.reg .b32 %tid, %cta, %i, %bit, %o, %sa, %part;\n"
      ".reg .b64 %base, %offset, %p, %la, %ga, %sa64;\n";
  const char* names[] = {"%a", "%b", "%c"};
  for (std::size_t i = 0; i < form.operands.size(); ++i) {
    out += ".reg ." + form.operands[i] + " " + names[i] + ";\n";
  }
  const std::string result = form.result;
  out += ".reg ." + result + " %d;\n";
  out +=
      "mov.u32 %tid, %tid.x;\nmov.u32 %cta, %ctaid.x;\n"
      "mad.lo.s32 %i, %cta, " +
      std::to_string(kThreads) +
      ", %tid;\n"
      "mul.wide.u32 %offset, %i, 8;\nand.b32 %bit, %tid, 1;\nsetp.eq.s32 %even, %bit, 0;\n"
      "setp.ne.s32 %odd, %bit, 0;\n"
      "mov.u64 %sa64, pool;\nmul.wide.u32 %p, %tid, 16;\nadd.s64 %sa64, %sa64, %p;\n"
      "cvt.u32.u64 %sa, %sa64;\ncvta.shared.u64 %ga, %sa64;\nmov.u64 %la, depot;\n";
  const char* parameters[] = {"pa", "pb", "pc"};
  for (std::size_t i = 0; i < form.operands.size(); ++i) {
    out += std::string("ld.param.u64 %base, [") + parameters[i] + "];\n" +
           "cvta.to.global.u64 %base, %base;\nadd.s64 %p, %base, %offset;\nld.global." +
           form.operands[i] + " " + names[i] + ", [%p];\n";
  }
  if (result == "pred") {
    out += "setp.eq.u32 %d, 0, 0;\n";
  } else {
    out +=
        "ld.param.u64 %base, [pd];\ncvta.to.global.u64 %base, %base;\n"
        "add.s64 %p, %base, %offset;\nld.global." +
        result + " %d, [%p];\n";
  }
  switch (variant) {
    case Variant::all_lanes:
      out += form.text + "\n";
      break;
    case Variant::branch:
      out += "@%odd bra SKIP;\n" + form.text + "\nSKIP:\n";
      break;
    case Variant::guard:
      out += with_guard(form.text) + "\n";
      break;
  }
  out +=
      "ld.param.u64 %base, [pd];\ncvta.to.global.u64 %base, %base;\nadd.s64 %p, %base, %offset;\n";
  if (result == "pred") {
    out += "selp.b32 %o, 1, 0, %d;\nst.global.b32 [%p], %o;\n";
  } else {
    out += "st.global." + result + " [%p], %d;\n";
  }
  return out + "ret;\n}\n";
}

// One global buffer of 64-bit slots on the emulated device.
struct Buffer {
  DeviceMemory* memory;
  u64 address;
  Buffer(DeviceMemory& m, u32 slots, const char* name) : memory(&m) {
    const auto got = m.allocate(u64{slots} * 8, 256, name, Access::read_write);
    REQUIRE(got.has_value());
    address = *got;
  }
  u64* slots() const {
    const auto view = memory->span(address, 8);
    REQUIRE(view.has_value());
    return reinterpret_cast<u64*>(view->data());
  }
};

// Runs the text's kernel k on the buffers; returns the error or fault, empty when there is none.
std::string launch(const std::string& text, DeviceMemory& memory, const std::vector<u64>& addresses,
                   u32 blocks, u32 threads) {
  const auto module = parse_module(text);
  if (!module) return module.error().message;
  const auto program = decode(*module, "k");
  if (!program) return program.error().message;
  LaunchParams params;
  params.grid = {blocks, 1, 1};
  params.block = {threads, 1, 1};
  params.arguments.resize(addresses.size() * 8);
  std::memcpy(params.arguments.data(), addresses.data(), addresses.size() * 8);
  RunOptions options;
  options.instruction_budget = 10'000'000;
  const auto report = run(*program, memory, params, options);
  if (!report) return report.error().message;
  return report->fault ? report->fault->text() : "";
}

const std::vector<u64>& integers() {
  static const std::vector<u64> kValues = {0,
                                           1,
                                           2,
                                           3,
                                           5,
                                           7,
                                           8,
                                           9,
                                           15,
                                           16,
                                           17,
                                           31,
                                           32,
                                           33,
                                           63,
                                           64,
                                           65,
                                           127,
                                           128,
                                           255,
                                           256,
                                           0x7fff,
                                           0x8000,
                                           0xffff,
                                           0x10000,
                                           0x7fffffff,
                                           0x80000000,
                                           0x80000001,
                                           0xffffffff,
                                           0x100000000ull,
                                           0x7fffffffffffffffull,
                                           0x8000000000000000ull,
                                           ~u64{0},
                                           ~u64{1},
                                           ~u64{31}};
  return kValues;
}

u64 operand(const std::string& type, u64 stream, u64 i) {
  const u64 random = mtmc::random_bits(7, stream, i), choice = random >> 60;
  static const std::vector<u32> kHard = slow::hard_f32();
  const u32 hard = kHard[random % kHard.size()];
  if (type == "f32")
    return choice < 6    ? hard
           : choice < 10 ? (random & 0x9fffffffu) | 0x20000000u
                         : random & 0xffffffffu;
  if (type == "f64") {
    if (choice < 6) return std::bit_cast<u64>(static_cast<double>(std::bit_cast<float>(hard)));
    return choice < 12
               ? std::bit_cast<u64>(
                     static_cast<double>(static_cast<std::int64_t>(random >> (random % 60))) / 3)
               : random;
  }
  return choice < 8 ? integers()[random % integers().size()] : random;
}

bool is_nan_f64(u64 bits) { return (bits & ~(u64{1} << 63)) > 0x7ff0000000000000ull; }

bool equal(const Form& form, u64 got, u64 expected) {
  if (got == expected) return true;
  if (form.result == "f64") return is_nan_f64(got) && is_nan_f64(expected);
  if (form.ulps == 0.0 || form.result != "f32") return false;
  const auto x = std::bit_cast<float>(static_cast<u32>(got));
  const auto y = std::bit_cast<float>(static_cast<u32>(expected));
  if (!(std::isfinite(x) && std::isfinite(y))) return false;
  const double ulp = std::ldexp(1.0, std::max(-126, y == 0 ? -126 : std::ilogb(y)) - 23);
  return std::abs(double(x) - double(y)) <= form.ulps * ulp;
}

void check(const Form& form, Variant variant) {
  CAPTURE(form.text, static_cast<int>(variant));
  DeviceMemory memory;
  const Buffer a(memory, kElements, "a"), b(memory, kElements, "b"), c(memory, kElements, "c");
  const Buffer d(memory, kElements, "d");
  const Buffer* inputs[] = {&a, &b, &c};
  for (u64 i = 0; i < kElements; ++i) {
    for (std::size_t k = 0; k < form.operands.size(); ++k) {
      inputs[k]->slots()[i] = operand(form.operands[k], k, i);
    }
    d.slots()[i] = kSentinel;
  }
  const std::string text = kernel_text(form, variant);
  const std::string failure =
      launch(text, memory, {a.address, b.address, c.address, d.address}, kBlocks, kThreads);
  if (!failure.empty()) {
    FAIL_CHECK(failure);
    return;
  }
  const int bits = bits_of_type(form.result);
  const int stored = bits == 1 ? 32 : bits;
  const u64 mask = stored == 64 ? ~u64{0} : (u64{1} << stored) - 1;
  for (u64 i = 0; i < kElements; ++i) {
    u64 x[3] = {};
    for (std::size_t k = 0; k < form.operands.size(); ++k) x[k] = inputs[k]->slots()[i];
    const bool active = variant == Variant::all_lanes || i % 2 == 0;
    const u64 untouched = bits == 1 ? 1 : kSentinel & mask;
    const u64 expected = active ? form.model(x) & mask : untouched;
    const u64 got = d.slots()[i] & mask;
    if (!(active ? equal(form, got, expected) : got == expected)) {
      CAPTURE(i, active, x[0], x[1], x[2], expected, got);
      FAIL_CHECK("result differs");
      return;
    }
  }
}

void check_all(const std::vector<Form>& table) {
  REQUIRE(table.size() > 10);
  for (const Form& form : table) {
    check(form, Variant::all_lanes);
    check(form, Variant::branch);
    if (single_instruction(form.text)) check(form, Variant::guard);
  }
}

}  // namespace

TEST_CASE("integer forms equal their models", "[opcode]") { check_all(forms::integer_forms()); }
TEST_CASE("floating-point forms equal their models", "[opcode]") {
  check_all(forms::float_forms());
}
TEST_CASE("conversion forms equal their models", "[opcode]") {
  check_all(forms::conversion_forms());
}
TEST_CASE("memory widths equal their models", "[opcode]") { check_all(forms::memory_forms()); }

// ---- across the warp ---------------------------------------------------------------------------

namespace {

// Runs body for one warp: %v is this lane's input, %lane its number; the body writes %d. Lanes
// outside mask branch around it. Returns 32 results.
std::vector<u32> run_warp(const std::string& body, const std::vector<u32>& values, u32 mask) {
  const std::string text =
      ".version 8.0\n.target sm_90a\n.address_size 64\n.visible .entry k(\n"
      ".param .u64 pa, .param .u64 pd)\n{\n.reg .pred %out, %p, %q;\n"
      ".reg .b32 %lane, %v, %d, %w, %bit;\n.reg .b64 %x, %y, %offset;\n"
      ".shared .align 8 .b8 cell[8];\n"
      "mov.u32 %lane, %laneid;\nmul.wide.u32 %offset, %lane, 8;\n"
      "ld.param.u64 %x, [pa];\nadd.s64 %x, %x, %offset;\nld.global.b32 %v, [%x];\n"
      "mov.b32 %d, 0x5a5a5a5a;\nmov.b32 %w, " +
      std::to_string(mask) +
      ";\n"
      "shr.u32 %bit, %w, %lane;\nand.b32 %bit, %bit, 1;\nsetp.eq.s32 %out, %bit, 0;\n"
      "setp.lt.s32 %p, %v, 0;\n@%out bra DONE;\n" +
      body +
      "\nDONE:\n"
      "ld.param.u64 %y, [pd];\nadd.s64 %y, %y, %offset;\nst.global.b32 [%y], %d;\nret;\n}\n";
  DeviceMemory memory;
  const Buffer a(memory, 32, "a"), d(memory, 32, "d");
  for (int i = 0; i < 32; ++i) a.slots()[i] = values[i];
  CAPTURE(body, mask);
  const std::string failure = launch(text, memory, {a.address, d.address}, 1, 32);
  if (!failure.empty()) FAIL_CHECK(failure);
  std::vector<u32> result;
  for (int i = 0; i < 32; ++i) result.push_back(static_cast<u32>(d.slots()[i]));
  return result;
}

std::vector<u32> lane_values() {
  std::vector<u32> values;
  for (u32 i = 0; i < 32; ++i) values.push_back(static_cast<u32>(mtmc::random_bits(9, 0, i)));
  values[7] = values[3];
  values[20] = values[3];
  return values;
}

}  // namespace

TEST_CASE("shuffles follow the segment rules", "[opcode]") {
  const std::vector<u32> v = lane_values();
  for (const std::string mode : {"up", "down", "bfly", "idx"}) {
    for (const u32 b : {0u, 1u, 2u, 5u, 16u, 31u, 33u}) {
      for (const u32 c : {31u, 0u, 0x181fu, 0x1c1fu, 0x1800u, 0x100fu}) {
        const std::string text = "shfl.sync." + mode + ".b32 %d|%q, %v, " + std::to_string(b) +
                                 ", " + std::to_string(c) + ", 0xffffffff;\n@!%q not.b32 %d, %d;";
        const std::vector<u32> got = run_warp(text, v, ~0u);
        for (int lane = 0; lane < 32; ++lane) {
          const int bval = static_cast<int>(b & 31), cval = static_cast<int>(c & 31);
          const int segment = static_cast<int>(c >> 8 & 31);
          const int max_lane = (lane & segment) | (cval & ~segment), min_lane = lane & segment;
          int j = 0;
          bool in = false;
          if (mode == "up") j = lane - bval, in = j >= max_lane;
          if (mode == "down") j = lane + bval, in = j <= max_lane;
          if (mode == "bfly") j = lane ^ bval, in = j <= max_lane;
          if (mode == "idx") j = min_lane | (bval & ~segment), in = j <= max_lane;
          CAPTURE(mode, b, c, lane);
          REQUIRE(got[lane] == (in ? v[j] : ~v[lane]));
        }
      }
    }
  }
  // Even lanes alone, among themselves.
  const std::vector<u32> even =
      run_warp("shfl.sync.bfly.b32 %d, %v, 2, 31, 0x55555555;", v, 0x55555555);
  for (int lane = 0; lane < 32; ++lane) {
    REQUIRE(even[lane] == (lane % 2 == 0 ? v[lane ^ 2] : 0x5a5a5a5au));
  }
}

TEST_CASE("votes, matches and reductions look at the named lanes", "[opcode]") {
  const std::vector<u32> v = lane_values();
  for (const u32 mask : {~0u, 0x55555555u, 0x00f0000fu}) {
    const std::string m = std::to_string(mask);
    u32 negative = 0, sum = 0, all_and = ~0u, all_or = 0, all_xor = 0;
    u32 least = ~0u, most = 0;
    std::int32_t smallest = INT32_MAX;
    for (int i = 0; i < 32; ++i) {
      if (!(mask >> i & 1)) continue;
      if (static_cast<std::int32_t>(v[i]) < 0) negative |= 1u << i;
      sum += v[i], all_and &= v[i], all_or |= v[i], all_xor ^= v[i];
      least = std::min(least, v[i]), most = std::max(most, v[i]);
      smallest = std::min(smallest, static_cast<std::int32_t>(v[i]));
    }
    const auto expect = [&](const std::string& body, auto model) {
      const std::vector<u32> got = run_warp(body, v, mask);
      for (int lane = 0; lane < 32; ++lane) {
        CAPTURE(body, mask, lane);
        REQUIRE(got[lane] ==
                ((mask >> lane & 1) != 0 ? static_cast<u32>(model(lane)) : 0x5a5a5a5au));
      }
    };
    const std::string as_value = " selp.b32 %d, 1, 0, %q;";
    expect("vote.sync.ballot.b32 %d, %p, " + m + ";", [&](int) { return negative; });
    expect("vote.sync.ballot.b32 %d, !%p, " + m + ";", [&](int) { return mask & ~negative; });
    expect("vote.sync.any.pred %q, %p, " + m + ";" + as_value, [&](int) { return negative != 0; });
    expect("vote.sync.all.pred %q, %p, " + m + ";" + as_value,
           [&](int) { return negative == mask; });
    expect("vote.sync.uni.pred %q, %p, " + m + ";" + as_value,
           [&](int) { return negative == mask || negative == 0; });
    expect("activemask.b32 %d;", [&](int) { return mask; });
    expect("redux.sync.add.s32 %d, %v, " + m + ";", [&](int) { return sum; });
    expect("redux.sync.and.b32 %d, %v, " + m + ";", [&](int) { return all_and; });
    expect("redux.sync.or.b32 %d, %v, " + m + ";", [&](int) { return all_or; });
    expect("redux.sync.xor.b32 %d, %v, " + m + ";", [&](int) { return all_xor; });
    expect("redux.sync.min.u32 %d, %v, " + m + ";", [&](int) { return least; });
    expect("redux.sync.max.u32 %d, %v, " + m + ";", [&](int) { return most; });
    expect("redux.sync.min.s32 %d, %v, " + m + ";", [&](int) { return smallest; });
    expect("match.any.sync.b32 %d, %v, " + m + ";", [&](int lane) {
      u32 same = 0;
      for (int i = 0; i < 32; ++i) same |= (mask >> i & 1) != 0 && v[i] == v[lane] ? 1u << i : 0u;
      return same;
    });
  }
}

TEST_CASE("atomics apply every lane once", "[opcode]") {
  struct Update {
    const char* op;
    u32 start;
    std::function<u32(u32, u32)> apply;
  };
  const Update updates[] = {
      {"add.u32", 100, [](u32 x, u32 v) { return x + v; }},
      {"min.s32", 5, [](u32 x, u32 v) { return static_cast<u32>(std::min<std::int32_t>(x, v)); }},
      {"max.u32", 5, [](u32 x, u32 v) { return std::max(x, v); }},
      {"and.b32", ~0u, [](u32 x, u32 v) { return x & v; }},
      {"or.b32", 0, [](u32 x, u32 v) { return x | v; }},
      {"xor.b32", 1, [](u32 x, u32 v) { return x ^ v; }},
      {"inc.u32", 3, [](u32 x, u32 v) { return x >= v ? 0 : x + 1; }},
      {"dec.u32", 3, [](u32 x, u32 v) { return x == 0 || x > v ? v : x - 1; }}};
  for (const Update& update : updates) {
    for (const std::string space : {"global", "shared"}) {
      for (const u32 mask : {~0u, 0x0f0f00ffu}) {
        std::vector<u32> v = lane_values();
        // Limits of inc and dec are equal in all lanes, or the order would show.
        if (std::string(update.op).find("c.u32") != std::string::npos) v.assign(32, 20);
        v[0] =
            std::string(update.op) == "inc.u32" || std::string(update.op) == "dec.u32" ? 20 : v[0];
        // The cell is lane 31's input slot, or shared memory set up by lane 0.
        const std::string cell = space == "global" ? "ld.param.u64 %y, [pd];" : "mov.u64 %y, cell;";
        const std::string body =
            cell + "\nsetp.eq.u32 %q, %lane, 0;\n@%q st." + space + ".b32 [%y], " +
            std::to_string(update.start) + ";\nbar.warp.sync " + std::to_string(mask) + ";\natom." +
            space + "." + update.op + " %w, [%y], %v;\nbar.warp.sync " + std::to_string(mask) +
            ";\nld." + space + ".b32 %d, [%y];\nbar.warp.sync " + std::to_string(mask) + ";";
        const std::vector<u32> got = run_warp(body, v, mask);
        u32 expected = update.start;
        for (int i = 0; i < 32; ++i) {
          if (mask >> i & 1) expected = update.apply(expected, v[i]);
        }
        CAPTURE(update.op, space, mask);
        REQUIRE(got[0] == expected);
        REQUIRE(got[3] == expected);
        REQUIRE(got[31] == (mask >> 31 ? expected : 0x5a5a5a5au));
      }
    }
  }
  // Old values of add: a permutation of the partial sums.
  std::vector<u32> old = run_warp(
      "mov.u64 %y, cell;\nsetp.eq.u32 %q, %lane, 0;\n@%q st.shared.b32 [%y], 7;\n"
      "bar.warp.sync -1;\natom.shared.add.u32 %d, [%y], 1;",
      lane_values(), ~0u);
  std::sort(old.begin(), old.end());
  for (u32 i = 0; i < 32; ++i) REQUIRE(old[i] == 7 + i);
  // Float sums of small integers are exact in any order; cas succeeds in one lane.
  const std::vector<u32> sums = run_warp(
      "mov.u64 %y, cell;\nsetp.eq.u32 %q, %lane, 0;\n@%q st.shared.b32 [%y], 0;\nbar.warp.sync "
      "-1;\n"
      "{ .reg .f32 %f, %g; cvt.rn.f32.u32 %f, %lane; atom.shared.add.f32 %g, [%y], %f; }\n"
      "bar.warp.sync -1;\nld.shared.b32 %d, [%y];",
      lane_values(), ~0u);
  for (u32 sum : sums) REQUIRE(std::bit_cast<float>(sum) == 496.0f);
  std::vector<u32> swapped = run_warp(
      "mov.u64 %y, cell;\nsetp.eq.u32 %q, %lane, 0;\n@%q st.shared.b32 [%y], 0;\nbar.warp.sync "
      "-1;\n"
      "add.s32 %w, %lane, 1;\natom.shared.cas.b32 %d, [%y], 0, %w;",
      lane_values(), ~0u);
  REQUIRE(std::count(swapped.begin(), swapped.end(), 0u) == 1);
}
