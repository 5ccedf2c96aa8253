// Tensor maps and the copies that use them, against a model that places element by element.
#include "emulator/tensor_map.hpp"

#include <catch2/catch.hpp>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

namespace {

// Loads the box at the coordinates in p_at through the map p_map, dumps shared memory to p_out and
// stores the box through p_to at the same coordinates.
std::string copier(int rank, uint32_t bytes) {
  std::string coordinates, loads;
  for (int i = 0; i < rank; ++i) {
    coordinates += (i > 0 ? ", %r2" : "%r2") + std::to_string(i);
    loads += "  ld.param.u32 %r2" + std::to_string(i) + ", [p_at+" + std::to_string(4 * i) + "];\n";
  }
  const std::string form = std::to_string(rank) + "d";
  const std::string n = std::to_string(bytes);
  return ".version 8.0\n.target sm_90a\n.address_size 64\n"
         ".visible .entry copier(.param .align 64 .b8 p_map[128], .param .align 64 .b8 p_to[128], "
         ".param .align 4 .b8 p_at[20], .param .u64 p_out)\n{\n"
         "  .reg .pred %p<4>;\n  .reg .b32 %r<40>;\n  .reg .b64 %rd<12>;\n"
         "  .shared .align 1024 .b8 s_box[" +
         n + "];\n  .shared .align 8 .b64 s_bar;\n" + loads +
         "  ld.param.u64 %rd5, [p_out];\n"
         "  mov.b64 %rd1, p_map;\n  cvta.param.u64 %rd2, %rd1;\n"
         "  mov.b64 %rd3, p_to;\n  cvta.param.u64 %rd4, %rd3;\n"
         "  mov.u32 %r1, s_box;\n  mov.u32 %r2, s_bar;\n"
         "  mbarrier.init.shared.b64 [%r2], 1;\n"
         "  mbarrier.arrive.expect_tx.shared.b64 _, [%r2], " +
         n +
         ";\n"
         "  cp.async.bulk.tensor." +
         form + ".shared::cluster.global.mbarrier::complete_tx::bytes [%r1], [%rd2, {" +
         coordinates +
         "}], [%r2];\n"
         "WAIT:\n  mbarrier.try_wait.parity.shared.b64 %p1, [%r2], 0;\n  @!%p1 bra WAIT;\n"
         "  mov.u32 %r3, 0;\n"
         "COPY:\n  add.u32 %r4, %r1, %r3;\n  ld.shared.u32 %r5, [%r4];\n"
         "  cvt.u64.u32 %rd6, %r3;\n  add.s64 %rd7, %rd5, %rd6;\n  st.global.u32 [%rd7], %r5;\n"
         "  add.u32 %r3, %r3, 4;\n  setp.lt.u32 %p2, %r3, " +
         n +
         ";\n  @%p2 bra COPY;\n"
         "  cp.async.bulk.tensor." +
         form + ".global.shared::cta.bulk_group [%rd4, {" + coordinates +
         "}], [%r1];\n  cp.async.bulk.commit_group;\n  cp.async.bulk.wait_group 0;\n  ret;\n}\n";
}

struct Case {
  TensorType type;
  std::vector<uint64_t> sizes;
  std::vector<uint32_t> box;
  std::vector<int> at;
  uint32_t swizzle = 0;
  bool nan = false;
  std::vector<uint32_t> strides;  // of elements; empty: all 1
};

void check(const Case& c) {
  const auto rank = static_cast<uint32_t>(c.sizes.size());
  const uint32_t element = tensor_type_bytes(c.type);
  TensorMap map;
  map.type = c.type;
  map.rank = rank;
  map.swizzle_bytes = c.swizzle;
  map.fill_nan = c.nan;
  uint64_t pitch = (c.sizes[0] * element + 15) / 16 * 16 + 16;
  std::vector<uint64_t> pitches{element};
  std::vector<uint32_t> count;
  uint32_t elements = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    map.sizes[i] = c.sizes[i];
    map.box[i] = c.box[i];
    if (!c.strides.empty()) map.element_strides[i] = c.strides[i];
    const uint32_t step = i == 0 ? 1 : map.element_strides[i];
    count.push_back((c.box[i] + step - 1) / step);
    elements *= count.back();
    if (i == 0) continue;
    map.strides_bytes[i - 1] = pitch;
    pitches.push_back(pitch);
    pitch *= c.sizes[i];
  }
  std::vector<uint8_t> bytes(pitch);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 251);
  Device device;
  map.address = device.upload(bytes, "from", Access::read_only);
  const auto from = encode_tensor_map(map);
  REQUIRE(from);
  const uint64_t to_address = device.upload(std::vector<uint8_t>(bytes.size(), 1), "to");
  map.address = to_address;
  const auto to = encode_tensor_map(map);
  REQUIRE(to);
  const uint32_t box_bytes = elements * element;
  const uint64_t out = device.upload(std::vector<uint8_t>(box_bytes), "out");
  Arguments arguments;
  arguments.bytes.insert(arguments.bytes.end(), from->begin(), from->end());
  arguments.bytes.insert(arguments.bytes.end(), to->begin(), to->end());
  for (uint32_t i = 0; i < 5; ++i) arguments.add(i < rank ? c.at[i] : 0);
  arguments.add(out);
  run_well(assemble(copier(static_cast<int>(rank), box_bytes), "copier"), device,
           launch({1, 1, 1}, {1, 1, 1}, arguments));
  std::vector<uint8_t> image(box_bytes), stored(bytes.size(), 1);
  for (uint32_t e = 0; e < elements; ++e) {
    uint32_t rest = e;
    bool inside = true;
    uint64_t source = 0;
    for (uint32_t i = 0; i < rank; ++i) {
      const uint32_t step = i == 0 ? 1 : map.element_strides[i];
      const int64_t at = c.at[i] + int64_t{rest % count[i]} * step;
      rest /= count[i];
      inside = inside && at >= 0 && at < static_cast<int64_t>(c.sizes[i]);
      source += static_cast<uint64_t>(at) * pitches[i];
    }
    for (uint32_t b = 0; b < element; ++b) {
      const uint32_t linear = e * element + b;
      const uint32_t line = linear / 128, piece = linear / 16 % 8;  // of a 128-byte line
      const uint32_t turn = c.swizzle == 0 ? 0 : line % (c.swizzle / 16);
      const uint32_t place = line * 128 + (piece ^ turn) * 16 + linear % 16;
      // A quiet NaN: all bits but the sign.
      const uint8_t filler = c.nan ? (b + 1 == element ? 0x7f : 0xff) : 0;
      image[place] = inside ? bytes[source + b] : filler;
      if (inside) stored[source + b] = bytes[source + b];
    }
  }
  CHECK(device.download<uint8_t>(out, box_bytes) == image);
  CHECK(device.download<uint8_t>(to_address, bytes.size()) == stored);
}

}  // namespace

TEST_CASE("tensor copies place every element of a box, whatever the swizzle") {
  for (const uint32_t swizzle : {0u, 32u, 64u, 128u}) {
    const uint32_t inner = swizzle == 0 ? 24 : swizzle / 4;
    check({TensorType::f32, {50, 40}, {inner, 16}, {4, 3}, swizzle, false, {}});
    check({TensorType::f32, {50, 40}, {inner, 16}, {-3, -5}, swizzle, false, {}});
    check({TensorType::f32, {50, 40}, {inner, 16}, {45, 33}, swizzle, true, {}});
    check({TensorType::f16, {100, 9}, {inner * 2, 8}, {1, 4}, swizzle, false, {}});
  }
  check({TensorType::u8, {300}, {256}, {100}, 0, false, {}});
  check({TensorType::f32, {20, 7, 6}, {16, 4, 3}, {8, -1, 5}, 64, false, {}});
  check({TensorType::bf16, {24, 5, 4, 3}, {16, 3, 2, 2}, {16, 3, -1, 2}, 32, true, {}});
  check({TensorType::s32, {12, 4, 3, 3, 2}, {8, 2, 2, 2, 2}, {6, 1, 1, 2, 0}, 0, false, {}});
  check({TensorType::f64, {10, 20}, {4, 8}, {2, 1}, 0, true, {1, 3}});
  check({TensorType::f32, {16, 16}, {16, 8}, {1000, 0}, 128, false, {}});
}

TEST_CASE("tensor maps that the driver would refuse") {
  TensorMap good;
  good.rank = 2;
  good.address = 0x1000;
  good.sizes = {64, 64};
  good.strides_bytes = {256};
  good.box = {32, 8};
  const auto message = [](const TensorMap& map) {
    const auto result = encode_tensor_map(map);
    return result ? std::string() : result.error().message;
  };
  CHECK(message(good).empty());
  const auto changed = [&](auto change) {
    TensorMap map = good;
    change(map);
    return message(map);
  };
  CHECK(changed([](auto& m) { m.rank = 6; }) == "tensor map: rank 6 is not 1 to 5");
  CHECK(changed([](auto& m) { m.address = 8; }).find("16-byte aligned") != std::string::npos);
  CHECK(changed([](auto& m) { m.sizes[1] = 0; }).find("size 0 of dimension 1") !=
        std::string::npos);
  CHECK(changed([](auto& m) { m.strides_bytes[0] = 260; }).find("stride of 260") !=
        std::string::npos);
  CHECK(changed([](auto& m) { m.box[1] = 257; }).find("box of 257") != std::string::npos);
  CHECK(changed([](auto& m) { m.box[0] = 3; }).find("box row of 12 bytes") != std::string::npos);
  CHECK(changed([](auto& m) { m.swizzle_bytes = 64; }).find("longer than the swizzle") !=
        std::string::npos);
  CHECK(changed([](auto& m) { m.swizzle_bytes = 16; }).find("swizzle of 16") != std::string::npos);
  CHECK(changed([](auto& m) { m.element_strides[1] = 9; }).find("element stride 9") !=
        std::string::npos);
  CHECK(changed([](auto& m) {
          m.type = TensorType::u32;
          m.fill_nan = true;
        }) == "tensor map: NaN cannot fill integers");
}

TEST_CASE("bytes that are no tensor map, and boxes past the memory, are faults") {
  Device device;
  const uint64_t out = device.upload(std::vector<uint8_t>(512), "out");
  const auto fault = [&](const std::array<std::byte, 128>& map) {
    Arguments arguments;
    for (int i = 0; i < 2; ++i) {
      arguments.bytes.insert(arguments.bytes.end(), map.begin(), map.end());
    }
    for (int i = 0; i < 5; ++i) arguments.add(0);
    arguments.add(out);
    const auto report = run(assemble(copier(2, 512), "copier"), device.memory,
                            launch({1, 1, 1}, {1, 1, 1}, arguments), {});
    REQUIRE(report);
    REQUIRE(report->fault);
    return report->fault->text();
  };
  std::array<std::byte, 128> garbage;
  garbage.fill(std::byte{0x5a});
  CHECK(fault(garbage).find("are no tensor map") != std::string::npos);
  TensorMap map;
  map.rank = 2;
  map.address = out;
  map.sizes = {64, 64};
  map.strides_bytes = {256};
  map.box = {16, 8};
  CHECK(
      fault(encode_tensor_map(map).value()).find("out of bounds: global load of 64 bytes at 0x") ==
      0);
  auto broken = encode_tensor_map(map).value();
  broken[16] ^= std::byte{1};
  CHECK(fault(broken).find("are no tensor map") != std::string::npos);
  map.rank = 1;
  CHECK(fault(encode_tensor_map(map).value()).find("2 dimensions with a tensor map of 1") !=
        std::string::npos);
}
