// Reductions of bulk and tensor copies, element by element against arithmetic by the book; which
// combinations of operation and type exist is what ptxas 13.0 accepts.
#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"
#include "emulator/slow_float.hpp"
#include "emulator/tensor_map.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

struct Element {
  std::string type;  // as PTX writes it, without the letter's width in front
  uint32_t bytes;
  bool is_signed = false;
  const slow::Binary* format = nullptr;
};

Element element(const std::string& type) {
  if (type == "f16") return {type, 2, false, &slow::f16};
  if (type == "bf16") return {type, 2, false, &slow::bf16};
  if (type == "f32") return {type, 4, false, &slow::f32};
  if (type == "f64") return {type, 8, false, &slow::f64};
  return {type, type.ends_with("64") ? 8u : 4u, type[0] == 's'};
}

// Which types each operation has, to global and to shared memory.
struct Row {
  const char* operation;
  std::vector<std::string> global, shared;
};
const std::vector<Row> rows = {
    {"add", {"u32", "s32", "u64", "f32", "f64", "f16", "bf16"}, {"u32", "s32", "u64"}},
    {"min", {"u32", "s32", "u64", "s64", "f16", "bf16"}, {"u32", "s32"}},
    {"max", {"u32", "s32", "u64", "s64", "f16", "bf16"}, {"u32", "s32"}},
    {"inc", {"u32"}, {"u32"}},
    {"dec", {"u32"}, {"u32"}},
    {"and", {"b32", "b64"}, {"b32"}},
    {"or", {"b32", "b64"}, {"b32"}},
    {"xor", {"b32", "b64"}, {"b32"}}};
const std::vector<std::string> types = {"u32", "s32", "b32",  "u64", "s64",
                                        "b64", "f16", "bf16", "f32", "f64"};

std::string suffix(const std::string& operation, const std::string& type) {
  const bool half = type == "f16" || type == "bf16";
  return operation + (half && operation == "add" ? ".noftz." : ".") + type;
}

uint64_t flushed(uint64_t bits, const slow::Binary& f) {
  return (bits & f.infinity()) == 0 ? bits & f.sign() : bits;
}

uint64_t real(const std::string& operation, uint64_t a, uint64_t b, const Element& e) {
  const slow::Binary& f = *e.format;
  const bool flush = e.type == "f32";
  if (flush) a = flushed(a, f), b = flushed(b, f);
  const slow::Number x = slow::read(a, f), y = slow::read(b, f);
  if (operation == "add") {
    const uint64_t sum =
        slow::write(slow::add(x, y, slow::Mode::nearest_even), f, slow::Mode::nearest_even);
    return flush ? flushed(sum, f) : sum;
  }
  if (x.kind == slow::Number::nan) return y.kind == slow::Number::nan ? f.nan() : b;
  if (y.kind == slow::Number::nan) return a;
  return slow::less(x, y) == (operation == "min") ? a : b;
}

uint64_t model(const std::string& operation, uint64_t a, uint64_t b, const Element& e) {
  if (e.format != nullptr) return real(operation, a, b, e);
  const uint64_t mask = e.bytes == 8 ? ~uint64_t{0} : 0xffffffffu;
  const auto value = [&](uint64_t x) -> __int128 {
    if (!e.is_signed) return x;
    return e.bytes == 8 ? static_cast<__int128>(static_cast<int64_t>(x))
                        : static_cast<int32_t>(static_cast<uint32_t>(x));
  };
  if (operation == "add") return (a + b) & mask;
  if (operation == "min") return value(b) < value(a) ? b : a;
  if (operation == "max") return value(b) > value(a) ? b : a;
  if (operation == "inc") return a >= b ? 0 : a + 1;
  if (operation == "dec") return a == 0 || a > b ? b : a - 1;
  if (operation == "and") return a & b;
  return operation == "or" ? a | b : a ^ b;
}

// Patterns whose sums wrap, round, cancel, overflow and underflow, then any.
std::vector<uint64_t> patterns(const Element& e, size_t count, bool second) {
  std::vector<uint64_t> hard = {0, 1, 2, 3};
  const uint64_t sign = uint64_t{1} << (e.bytes * 8 - 1);
  for (const uint64_t x : {sign, sign + 1, sign - 1, 2 * sign - 1}) hard.push_back(x);
  if (e.format != nullptr) {
    const slow::Binary& f = *e.format;
    const uint64_t normal = uint64_t{1} << f.mantissa;
    const uint64_t one = static_cast<uint64_t>(f.bias()) << f.mantissa;
    for (const uint64_t x : {normal, normal - 1, normal + 3, one, one + 1, f.infinity(),
                             f.infinity() - 1, f.infinity() + 1}) {
      hard.push_back(x);
      hard.push_back(x | sign);
    }
  }
  std::vector<uint64_t> result;
  uint64_t random = second ? 88172645463325252u : 2463534242u;
  for (size_t i = 0; i < count; ++i) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    const size_t pair = second ? i / hard.size() : i;
    const uint64_t x = i < hard.size() * hard.size() ? hard[pair % hard.size()] : random;
    result.push_back(e.bytes == 8 ? x : x & ((uint64_t{1} << e.bytes * 8) - 1));
  }
  return result;
}

std::vector<uint8_t> packed(const std::vector<uint64_t>& values, uint32_t bytes) {
  std::vector<uint8_t> result;
  for (const uint64_t v : values) {
    for (uint32_t b = 0; b < bytes; ++b) result.push_back(static_cast<uint8_t>(v >> 8 * b));
  }
  return result;
}

std::vector<uint64_t> unpacked(const std::vector<uint8_t>& data, uint32_t bytes) {
  std::vector<uint64_t> result(data.size() / bytes);
  for (size_t i = 0; i < data.size(); ++i) {
    result[i / bytes] |= uint64_t{data[i]} << 8 * (i % bytes);
  }
  return result;
}

bool same(uint64_t got, uint64_t expected, const Element& e) {
  const bool any_nan = e.type == "f64" && slow::read(expected, slow::f64).kind == slow::Number::nan;
  return any_nan ? slow::read(got, slow::f64).kind == slow::Number::nan : got == expected;
}

constexpr uint32_t shared_bytes = 16384;

// One thread per block: p_from arrives in shared memory by a bulk copy, then `body` reduces it.
// %r1 the data, %r2 its mbarrier (phase 0 over), %r3 a second array, %r5 a second mbarrier, %r4 the
// bytes, %rd1 p_from, %rd2 p_to, %rd8 and %rd9 the tensor map.
std::string around(const std::string& body) {
  return R"(.version 8.0
.target sm_90a
.address_size 64
.visible .entry reduce(.param .align 64 .b8 p_map[128], .param .u64 p_from, .param .u64 p_to, .param .u32 p_bytes)
{
  .reg .pred %p<5>;
  .reg .b32 %r<24>;
  .reg .b64 %rd<12>;
  .shared .align 1024 .b8 data[16384];
  .shared .align 16 .b8 sum[16384];
  .shared .align 8 .b64 bar;
  .shared .align 8 .b64 bar2;
  ld.param.u64 %rd1, [p_from];
  ld.param.u64 %rd2, [p_to];
  ld.param.u32 %r4, [p_bytes];
  mov.b64 %rd8, p_map;
  cvta.param.u64 %rd9, %rd8;
  mov.u32 %r1, data;
  mov.u32 %r2, bar;
  mov.u32 %r3, sum;
  mov.u32 %r5, bar2;
  mbarrier.init.shared.b64 [%r2], 1;
  mbarrier.init.shared.b64 [%r5], 1;
  fence.mbarrier_init.release.cluster;
  mbarrier.arrive.expect_tx.shared.b64 _, [%r2], %r4;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd1], %r4, [%r2];
WAIT:
  mbarrier.try_wait.parity.shared.b64 %p1, [%r2], 0;
  @!%p1 bra WAIT;
)" + body +
         "  ret;\n}\n";
}

const std::string group_ends = "  cp.async.bulk.commit_group;\n  cp.async.bulk.wait_group 0;\n";

RunOptions every_check() {
  RunOptions options;
  options.checks = Checks::all;
  return options;
}

LaunchParams one_thread(uint64_t from, uint64_t to, uint32_t bytes,
                        const std::array<std::byte, 128>& map = {}, uint64_t blocks = 1) {
  Arguments arguments;
  arguments.bytes.assign(map.begin(), map.end());
  return launch({blocks, 1, 1}, {1, 1, 1}, arguments.add(from).add(to).add(bytes));
}

void check_elements(const std::vector<uint64_t>& got, const std::vector<uint64_t>& old,
                    const std::vector<uint64_t>& with, const std::string& operation,
                    const Element& e) {
  size_t wrong = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const uint64_t expected = model(operation, old[i], with[i], e);
    if (same(got[i], expected, e) || ++wrong > 3) continue;
    UNSCOPED_INFO(operation << "." << e.type << " of " << std::hex << old[i] << " with " << with[i]
                            << ": " << got[i] << ", not " << expected);
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("bulk reductions to global memory, every operation and type") {
  for (const Row& row : rows) {
    for (const std::string& type : row.global) {
      const Element e = element(type);
      const size_t count = 8192 / e.bytes;
      const auto old = patterns(e, count, true), with = patterns(e, count, false);
      Device device;
      const uint64_t from = device.upload(packed(with, e.bytes), "from", Access::read_only);
      const uint64_t to = device.upload(packed(old, e.bytes), "to");
      const auto report = run_well(
          assemble(around("  cp.reduce.async.bulk.global.shared::cta.bulk_group." +
                          suffix(row.operation, type) + " [%rd2], [%r1], %r4;\n" + group_ends),
                   "reduce"),
          device, one_thread(from, to, 8192), every_check());
      CHECK(report.faults.empty());
      check_elements(unpacked(device.download<uint8_t>(to, 8192), e.bytes), old, with,
                     row.operation, e);
    }
  }
}

TEST_CASE("bulk reductions to shared memory, every operation and type") {
  for (const Row& row : rows) {
    for (const std::string& type : row.shared) {
      const Element e = element(type);
      const size_t count = 8192 / e.bytes;
      const auto old = patterns(e, count, true), with = patterns(e, count, false);
      Device device;
      const uint64_t from = device.upload(packed(with, e.bytes), "from", Access::read_only);
      const uint64_t to = device.upload(packed(old, e.bytes), "to");
      // The old values come from p_to, and the result goes back there.
      run_well(assemble(around(R"(
  mbarrier.arrive.expect_tx.shared.b64 _, [%r2], %r4;
  cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r3], [%rd2], %r4, [%r2];
WAIT2:
  mbarrier.try_wait.parity.shared.b64 %p1, [%r2], 1;
  @!%p1 bra WAIT2;
  mbarrier.arrive.expect_tx.shared.b64 _, [%r5], %r4;
  cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::bytes.)" +
                               suffix(row.operation, type) + R"( [%r3], [%r1], %r4, [%r5];
WAIT3:
  mbarrier.try_wait.parity.shared.b64 %p1, [%r5], 0;
  @!%p1 bra WAIT3;
  cp.async.bulk.global.shared::cta.bulk_group [%rd2], [%r3], %r4;
)" + group_ends),
                        "reduce"),
               device, one_thread(from, to, 8192));
      check_elements(unpacked(device.download<uint8_t>(to, 8192), e.bytes), old, with,
                     row.operation, e);
    }
  }
}

TEST_CASE("bulk reductions that ptxas refuses are refused") {
  const auto accepted = [](const std::string& instruction) {
    const auto module = parse_module(around("  " + instruction + ";\n"));
    REQUIRE(module);
    const auto program = decode(*module, "reduce");
    if (!program) {
      INFO(program.error().message);
      CHECK(program.error().message.find("cp.reduce.async.bulk") != std::string::npos);
    }
    return static_cast<bool>(program);
  };
  for (const Row& row : rows) {
    for (const std::string& type : types) {
      const std::string operation = row.operation;
      const auto has = [&](const std::vector<std::string>& list) {
        return std::find(list.begin(), list.end(), type) != list.end();
      };
      INFO(operation << "." << type);
      CHECK(accepted("cp.reduce.async.bulk.global.shared::cta.bulk_group." +
                     suffix(operation, type) + " [%rd2], [%r1], 16") == has(row.global));
      CHECK(accepted("cp.reduce.async.bulk.shared::cluster.shared::cta.mbarrier::complete_tx::"
                     "bytes." +
                     operation + "." + type + " [%r3], [%r1], 16, [%r5]") == has(row.shared));
    }
  }
  const std::string to_global = "cp.reduce.async.bulk.global.shared::cta.bulk_group.";
  CHECK_FALSE(accepted(to_global + "add.f16 [%rd2], [%r1], 16"));
  CHECK_FALSE(accepted(to_global + "min.noftz.f16 [%rd2], [%r1], 16"));
  CHECK_FALSE(accepted(to_global + "add.noftz.f32 [%rd2], [%r1], 16"));
}

TEST_CASE("tensor reductions combine the elements that lie inside the tensor") {
  struct Case {
    TensorType type;
    std::string name;
    uint32_t swizzle;
    std::vector<std::string> operations;
  };
  const std::vector<Case> cases = {
      {TensorType::u32, "u32", 0, {"add", "min", "max", "inc", "dec", "and", "or", "xor"}},
      {TensorType::s32, "s32", 128, {"add", "min", "max", "and", "or", "xor"}},
      {TensorType::u64, "u64", 64, {"add", "min", "max", "and", "or", "xor"}},
      {TensorType::s64, "s64", 32, {"min", "max", "and", "xor"}},
      {TensorType::f16, "f16", 128, {"add", "min", "max"}},
      {TensorType::bf16, "bf16", 32, {"add", "min", "max"}},
      {TensorType::f32, "f32", 64, {"add"}},
      {TensorType::f64, "f64", 0, {"add"}}};
  for (const Case& c : cases) {
    const Element e = element(c.name);
    const uint32_t inner = c.swizzle == 0 ? 32 / e.bytes * 4 : c.swizzle / e.bytes;
    const uint32_t box_rows = 24;
    const uint32_t box_bytes = inner * e.bytes * box_rows;
    REQUIRE(box_bytes <= shared_bytes);
    TensorMap map;
    map.type = c.type;
    map.rank = 2;
    map.sizes = {inner + 3, 30};
    map.strides_bytes = {(map.sizes[0] * e.bytes + 15) / 16 * 16 + 32};
    map.box = {inner, box_rows};
    map.swizzle_bytes = c.swizzle;
    const auto pitch = map.strides_bytes[0] / e.bytes;
    for (const std::string& operation : c.operations) {
      for (const auto& at : {std::array<int, 2>{2, 3}, {-3, -2}, {5, 20}}) {
        const auto with = patterns(e, inner * box_rows, false);
        const auto old = patterns(e, pitch * map.sizes[1], true);
        // Where each element of the box lies in shared memory.
        std::vector<uint64_t> image(with.size());
        const uint32_t turns = std::max(c.swizzle / 16, 1u);
        for (size_t i = 0; i < with.size(); ++i) {
          const size_t byte = i * e.bytes;
          const size_t piece = byte / 16 % 8 ^ byte / 128 % turns;
          image[(byte / 128 * 128 + piece * 16 + byte % 16) / e.bytes] = with[i];
        }
        Device device;
        const uint64_t from = device.upload(packed(image, e.bytes), "from", Access::read_only);
        map.address = device.upload(packed(old, e.bytes), "to");
        const auto encoded = encode_tensor_map(map);
        REQUIRE(encoded);
        const auto report = run_well(
            assemble(around("  mov.u32 %r10, " + std::to_string(at[0]) + ";\n  mov.u32 %r11, " +
                            std::to_string(at[1]) +
                            ";\n  cp.reduce.async.bulk.tensor.2d.global.shared::cta." + operation +
                            ".tile.bulk_group [%rd9, {%r10, %r11}], [%r1];\n" + group_ends),
                     "reduce"),
            device, one_thread(from, map.address, box_bytes, *encoded), every_check());
        CHECK(report.faults.empty());
        const auto got =
            unpacked(device.download<uint8_t>(map.address, old.size() * e.bytes), e.bytes);
        size_t wrong = 0;
        for (size_t i = 0; i < old.size(); ++i) {
          const int column = static_cast<int>(i % pitch) - at[0];
          const int row = static_cast<int>(i / pitch) - at[1];
          const bool inside = i % pitch < map.sizes[0] && column >= 0 && row >= 0 &&
                              column < static_cast<int>(inner) && row < static_cast<int>(box_rows);
          const auto place = static_cast<size_t>(row) * inner + static_cast<size_t>(column);
          const uint64_t expected = inside ? model(operation, old[i], with[place], e) : old[i];
          wrong += same(got[i], expected, e) ? 0 : 1;
        }
        INFO(operation << " of " << c.name << " at " << at[0] << ", " << at[1]);
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("tensor reductions that the map's type does not have") {
  const std::pair<TensorType, const char*> cases[] = {
      {TensorType::u8, "add"},  {TensorType::u16, "xor"}, {TensorType::f32, "min"},
      {TensorType::f64, "max"}, {TensorType::f16, "and"}, {TensorType::s32, "inc"},
      {TensorType::u64, "dec"}, {TensorType::f32, "or"},  {TensorType::bf16, "dec"}};
  for (const auto& [type, operation] : cases) {
    Device device;
    const uint64_t from = device.upload(std::vector<uint8_t>(256), "from", Access::read_only);
    TensorMap map;
    map.type = type;
    map.rank = 1;
    map.sizes = {64};
    map.box = {16};
    map.address = device.upload(std::vector<uint8_t>(512), "to");
    const auto encoded = encode_tensor_map(map);
    REQUIRE(encoded);
    const auto report =
        run(assemble(around(std::string("  cp.reduce.async.bulk.tensor.1d.global.shared::cta.") +
                            operation + ".bulk_group [%rd9, {0}], [%r1];\n" + group_ends),
                     "reduce"),
            device.memory, one_thread(from, map.address, 256, *encoded), {});
    REQUIRE(report);
    REQUIRE(report->fault);
    CHECK(report->fault->kind == FaultKind::unsupported);
    CHECK(report->fault->message == "this reduction is not defined for the tensor map's type");
  }
}

TEST_CASE("blocks may reduce into one place, but not store where another reduces") {
  const auto faults = [](const std::string& also) {
    const uint32_t bytes = 64, blocks = 3;
    Device device;
    const uint64_t from =
        device.upload(std::vector<uint32_t>(bytes / 4, 7), "from", Access::read_only);
    const uint64_t to = device.upload(std::vector<uint32_t>(bytes / 4, 100), "to");
    const auto report =
        run(assemble(around("  cp.reduce.async.bulk.global.shared::cta.bulk_group.add.u32 [%rd2], "
                            "[%r1], %r4;\n" +
                            group_ends + also),
                     "reduce"),
            device.memory, one_thread(from, to, bytes, {}, blocks), every_check());
    REQUIRE(report);
    if (report->faults.empty()) {
      CHECK(device.download<uint32_t>(to, bytes / 4) ==
            std::vector<uint32_t>(bytes / 4, 100 + 7 * blocks));
    }
    std::vector<FaultKind> kinds;
    for (const Fault& fault : report->faults) kinds.push_back(fault.kind);
    return kinds;
  };
  CHECK(faults("").empty());
  const auto stored = faults("  mov.u32 %r10, 5;\n  st.global.u32 [%rd2], %r10;\n");
  REQUIRE(!stored.empty());
  for (const FaultKind kind : stored) CHECK(kind == FaultKind::global_race);
}
