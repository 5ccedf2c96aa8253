// Tensor maps as 128 bytes: a mark, the fields one after the other, a checksum over both.
#include "emulator/tensor_map.hpp"

#include <fmt/format.h>

#include <cstring>

namespace mtmc::emulator {
namespace {

struct Packed {
  char mark[8];
  uint64_t address;
  uint64_t sizes[5];
  uint64_t strides[4];
  uint16_t box[5];
  uint8_t element_strides[5];
  uint8_t type, rank, swizzle, fill;
  uint8_t unused[13];
  uint64_t checksum;  // over what is before it
};
static_assert(sizeof(Packed) == tensor_map_bytes);

constexpr char mark[8] = {'m', 't', 'm', 'c', 't', 'm', 'a', 'p'};

uint64_t checksum_of(const Packed& packed) {
  char bytes[sizeof(Packed)];
  std::memcpy(bytes, &packed, sizeof(Packed));
  uint64_t sum = 0xcbf29ce484222325;  // FNV-1a
  for (size_t i = 0; i < offsetof(Packed, checksum); ++i) {
    sum = (sum ^ static_cast<uint8_t>(bytes[i])) * 0x100000001b3;
  }
  return sum;
}

std::optional<std::string> problem_of(const TensorMap& map) {
  if (map.rank < 1 || map.rank > 5) return fmt::format("rank {} is not 1 to 5", map.rank);
  if (map.address % 16 != 0)
    return fmt::format("address 0x{:x} is not 16-byte aligned", map.address);
  const uint32_t element = tensor_type_bytes(map.type);
  if (element == 0) return "unknown element type";
  if (map.swizzle_bytes != 0 && map.swizzle_bytes != 32 && map.swizzle_bytes != 64 &&
      map.swizzle_bytes != 128) {
    return fmt::format("swizzle of {} bytes; there are 0, 32, 64 and 128", map.swizzle_bytes);
  }
  for (uint32_t i = 0; i < map.rank; ++i) {
    if (map.sizes[i] == 0 || map.sizes[i] > uint64_t{1} << 32) {
      return fmt::format("size {} of dimension {} is not 1 to 2^32", map.sizes[i], i);
    }
    if (map.box[i] == 0 || map.box[i] > 256) {
      return fmt::format("box of {} in dimension {} is not 1 to 256", map.box[i], i);
    }
    if (map.element_strides[i] == 0 || map.element_strides[i] > 8) {
      return fmt::format("element stride {} of dimension {} is not 1 to 8", map.element_strides[i],
                         i);
    }
    if (i == 0) continue;
    const uint64_t stride = map.strides_bytes[i - 1];
    if (stride == 0 || stride % 16 != 0 || stride >= uint64_t{1} << 40) {
      return fmt::format("stride of {} bytes of dimension {} is not a multiple of 16 below 2^40",
                         stride, i);
    }
  }
  const uint32_t row = map.box[0] * element;
  if (row % 16 != 0) return fmt::format("box row of {} bytes is not a multiple of 16", row);
  if (map.swizzle_bytes != 0 && row > map.swizzle_bytes) {
    return fmt::format("box row of {} bytes is longer than the swizzle of {}", row,
                       map.swizzle_bytes);
  }
  const bool floating = map.type == TensorType::f16 || map.type == TensorType::bf16 ||
                        map.type == TensorType::f32 || map.type == TensorType::f64;
  if (map.fill_nan && !floating) return "NaN cannot fill integers";
  return std::nullopt;
}

}  // namespace

uint32_t tensor_type_bytes(TensorType type) {
  switch (type) {
    case TensorType::u8:
      return 1;
    case TensorType::u16:
    case TensorType::f16:
    case TensorType::bf16:
      return 2;
    case TensorType::u32:
    case TensorType::s32:
    case TensorType::f32:
      return 4;
    case TensorType::u64:
    case TensorType::s64:
    case TensorType::f64:
      return 8;
  }
  return 0;
}

Result<std::array<std::byte, tensor_map_bytes>> encode_tensor_map(const TensorMap& map) {
  if (const auto problem = problem_of(map)) return bad_input("tensor map: " + *problem);
  Packed packed{};
  std::memcpy(packed.mark, mark, sizeof(mark));
  packed.address = map.address;
  for (uint32_t i = 0; i < map.rank; ++i) {
    packed.sizes[i] = map.sizes[i];
    packed.box[i] = static_cast<uint16_t>(map.box[i]);
    packed.element_strides[i] = static_cast<uint8_t>(map.element_strides[i]);
    if (i > 0) packed.strides[i - 1] = map.strides_bytes[i - 1];
  }
  packed.type = static_cast<uint8_t>(map.type);
  packed.rank = static_cast<uint8_t>(map.rank);
  packed.swizzle = static_cast<uint8_t>(map.swizzle_bytes);
  packed.fill = map.fill_nan ? 1 : 0;
  packed.checksum = checksum_of(packed);
  std::array<std::byte, tensor_map_bytes> bytes;
  std::memcpy(bytes.data(), &packed, sizeof(packed));
  return bytes;
}

std::optional<TensorMap> decode_tensor_map(std::span<const std::byte, tensor_map_bytes> bytes) {
  Packed packed;
  std::memcpy(&packed, bytes.data(), sizeof(packed));
  if (std::memcmp(packed.mark, mark, sizeof(mark)) != 0 || packed.checksum != checksum_of(packed) ||
      packed.type > static_cast<uint8_t>(TensorType::f64) || packed.rank > 5) {
    return std::nullopt;
  }
  TensorMap map;
  map.type = static_cast<TensorType>(packed.type);
  map.rank = packed.rank;
  map.address = packed.address;
  for (uint32_t i = 0; i < map.rank; ++i) {
    map.sizes[i] = packed.sizes[i];
    map.box[i] = packed.box[i];
    map.element_strides[i] = packed.element_strides[i];
    if (i > 0) map.strides_bytes[i - 1] = packed.strides[i - 1];
  }
  map.swizzle_bytes = packed.swizzle;
  map.fill_nan = packed.fill != 0;
  if (problem_of(map)) return std::nullopt;
  return map;
}

}  // namespace mtmc::emulator
