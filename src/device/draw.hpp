// Buffers that hold what a value's distribution gives.
#pragma once

#include "device/device.hpp"
#include "op/reference.hpp"

namespace mtmc::device {

// Fills the `bytes` bytes of a buffer with value's elements from the first on, chunk by chunk.
Result<void> draw(Device& device, int buffer, std::int64_t bytes, const op::Value& value,
                  std::uint64_t seed);

}  // namespace mtmc::device
