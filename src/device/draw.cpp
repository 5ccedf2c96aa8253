#include "device/draw.hpp"

#include <algorithm>

namespace mtmc::device {

Result<void> draw(Device& device, int buffer, std::int64_t bytes, const op::Value& value,
                  std::uint64_t seed) {
  constexpr std::int64_t kChunkBytes = 1 << 20;
  std::vector<std::byte> chunk;
  for (std::int64_t at = 0; at < bytes; at += kChunkBytes) {
    chunk.resize(static_cast<std::size_t>(std::min(kChunkBytes, bytes - at)));
    op::fill_input(value, seed, at / op::bytes_of(value.dtype), chunk);
    if (auto ok = device.write(buffer, at, chunk); !ok) return ok;
  }
  return {};
}

}  // namespace mtmc::device
