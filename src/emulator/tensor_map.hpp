// Tensor maps under emulation: what cuTensorMapEncodeTiled makes on a device, in an encoding of our
// own, since its 128 bytes are opaque to kernels. Values; safe from any thread.
//
// Limits are the driver's (CUDA 13 driver API, "Tensor Map Object Management"), without
// interleaving: rank 1 to 5, sizes 1 to 2^32, strides multiples of 16 bytes below 2^40, boxes of 1
// to 256 per dimension whose innermost row is a multiple of 16 bytes and no longer than the
// swizzle, element strides 1 to 8. A broken one is bad_input.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/error.hpp"

namespace mtmc::emulator {

inline constexpr size_t tensor_map_bytes = 128;
inline constexpr size_t tensor_map_alignment = 64;

enum class TensorType : uint8_t { u8, u16, u32, s32, u64, s64, f16, bf16, f32, f64 };
uint32_t tensor_type_bytes(TensorType type);

struct TensorMap {
  TensorType type = TensorType::f32;
  uint32_t rank = 1;
  uint64_t address = 0;                                    // of element 0, 16-byte aligned
  std::array<uint64_t, 5> sizes{};                         // in elements, innermost first
  std::array<uint64_t, 4> strides_bytes{};                 // of dimensions 1 to rank - 1
  std::array<uint32_t, 5> box{};                           // in elements
  std::array<uint32_t, 5> element_strides{1, 1, 1, 1, 1};  // the innermost one is not used
  uint32_t swizzle_bytes = 0;                              // 0, 32, 64, 128
  bool fill_nan = false;  // out of bounds elements are zero, or a quiet NaN
};

Result<std::array<std::byte, tensor_map_bytes>> encode_tensor_map(const TensorMap& map);

// The map that these bytes hold; nothing when they are not what encode_tensor_map made.
std::optional<TensorMap> decode_tensor_map(std::span<const std::byte, tensor_map_bytes> bytes);

// Where a byte at this shared memory address lies under a swizzle: 16-byte pieces of each span of
// 256, 512 or 1024 bytes are exchanged.
inline uint32_t swizzled(uint32_t address, uint32_t swizzle_bytes) {
  switch (swizzle_bytes) {
    case 32:
      return address ^ (address >> 3 & 0x10);
    case 64:
      return address ^ (address >> 3 & 0x30);
    case 128:
      return address ^ (address >> 3 & 0x70);
    default:
      return address;
  }
}

}  // namespace mtmc::emulator
