// Parameters travel as one packed buffer: the driver checks its size, where an array of pointers
// would be read past its end for a kernel that takes more.
#include "device/cuda/launch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace mtmc::device::cuda {

namespace {

std::optional<int> tensor_type(op::DType dtype) {
  switch (dtype) {
    case op::DType::f64:
      return abi::tensor_f64;
    case op::DType::f32:
      return abi::tensor_f32;
    case op::DType::f16:
      return abi::tensor_f16;
    case op::DType::bf16:
      return abi::tensor_bf16;
    case op::DType::i64:
      return abi::tensor_i64;
    case op::DType::i32:
      return abi::tensor_i32;
    default:
      return abi::tensor_u8;  // one byte each
  }
}

int swizzle_mode(int bytes) { return bytes == 32 ? 1 : bytes == 64 ? 2 : bytes == 128 ? 3 : 0; }

// Encoded on the host; the maximum rank is 5.
abi::Result encode(const Driver& driver, const kernel::ResolvedTensorMap& map, abi::DevicePtr base,
                   abi::TensorMap& out) {
  const auto rank = static_cast<std::uint32_t>(map.dims.size());
  if (rank == 0 || rank > 5 || map.strides_bytes.size() + 1 != rank || map.box.size() != rank)
    return abi::invalid_value;
  std::uint64_t dims[5] = {}, strides[5] = {};
  std::uint32_t box[5] = {}, ones[5] = {1, 1, 1, 1, 1};
  for (std::uint32_t d = 0; d < rank; ++d) {
    dims[d] = static_cast<std::uint64_t>(map.dims[d]);
    box[d] = static_cast<std::uint32_t>(map.box[d]);
    if (d + 1 < rank) strides[d] = static_cast<std::uint64_t>(map.strides_bytes[d]);
  }
  return driver.tensor_map_encode_tiled(&out, *tensor_type(map.dtype), rank,
                                        reinterpret_cast<void*>(base), dims, strides, box, ones,
                                        abi::kTensorInterleaveNone, swizzle_mode(map.swizzle_bytes),
                                        abi::kTensorPromotion128, map.out_of_bounds_nan ? 1 : 0);
}

}  // namespace

Result<std::optional<Fault>> pack_parameters(const Driver& driver, abi::Function function,
                                             const kernel::ResolvedLaunch& launch,
                                             const AddressOf& address,
                                             std::vector<std::byte>& out) {
  const auto fault = [&](const char* word, const std::string& text) {
    return std::optional<Fault>(Fault{word, "kernel " + launch.kernel + ": " + text});
  };
  // False where the driver can say that the kernel has no such parameter, or one of another size.
  std::size_t index = 0, expected = 0;
  const auto append = [&](const void* bytes, std::size_t size, std::size_t alignment) {
    std::size_t at = (out.size() + alignment - 1) / alignment * alignment;
    expected = size;
    if (driver.function_get_param_info &&
        (driver.function_get_param_info(function, index, &at, &expected) != abi::success ||
         expected != size))
      return false;
    ++index;
    out.resize(std::max(out.size(), at + size));
    std::memcpy(out.data() + at, bytes, size);
    return true;
  };
  const auto mismatch = [&](std::size_t size) {
    return expected == size
               ? fault("launch_error", fmt::format("takes {} arguments, the recipe gives {}", index,
                                                   launch.args.size()))
               : fault("launch_error", fmt::format("argument {} has {} bytes, the recipe gives {}",
                                                   index, expected, size));
  };
  for (const auto& argument : launch.args) {
    if (auto* b = std::get_if<kernel::ResolvedBufferArg>(&argument)) {
      auto base = address(b->buffer);
      if (!base) return tl::unexpected<Error>(base.error());
      const abi::DevicePtr pointer = *base + static_cast<abi::DevicePtr>(b->offset_bytes);
      if (!append(&pointer, sizeof pointer, sizeof pointer)) return mismatch(sizeof pointer);
    } else if (auto* s = std::get_if<kernel::ResolvedScalar>(&argument)) {
      const auto size = static_cast<std::size_t>(s->bytes);
      if (!append(&s->bits, size, size)) return mismatch(size);
    } else {
      const auto& map = std::get<kernel::ResolvedTensorMap>(argument);
      if (!driver.tensor_map_encode_tiled)
        return fault("unsupported",
                     fmt::format("the driver ({}) has no tensor maps", driver.version_text()));
      auto base = address(map.buffer);
      if (!base) return tl::unexpected<Error>(base.error());
      abi::TensorMap encoded{};
      if (const auto status =
              encode(driver, map, *base + static_cast<abi::DevicePtr>(map.offset_bytes), encoded);
          status != abi::success)
        return fault(status == abi::not_supported ? "unsupported" : "launch_error",
                     fmt::format("tensor map of '{}': {}", map.buffer, driver.text(status)));
      if (!append(&encoded, sizeof encoded, 64)) return mismatch(sizeof encoded);
    }
  }
  std::size_t at = 0, size = 0;
  if (driver.function_get_param_info &&
      driver.function_get_param_info(function, index, &at, &size) == abi::success)
    return fault(
        "launch_error",
        fmt::format("takes more than the {} arguments that the recipe gives", launch.args.size()));
  return std::optional<Fault>();
}

abi::Result launch_kernel(const Driver& driver, abi::Function function,
                          const kernel::ResolvedLaunch& launch, std::vector<std::byte>& parameters,
                          abi::Stream stream) {
  constexpr std::int64_t kWithoutOptIn = 48 * 1024, kPortableCluster = 8;
  if (launch.shared_bytes > 0) {
    int fixed = 0;
    driver.function_get_attribute(&fixed, abi::static_shared_bytes, function);
    if (launch.shared_bytes + fixed > kWithoutOptIn)
      if (const auto status = driver.function_set_attribute(function, abi::max_dynamic_shared_bytes,
                                                            static_cast<int>(launch.shared_bytes));
          status != abi::success)
        return status;
  }
  const std::int64_t cluster = launch.cluster[0] * launch.cluster[1] * launch.cluster[2];
  if (cluster > kPortableCluster)
    if (const auto status =
            driver.function_set_attribute(function, abi::non_portable_cluster_size, 1);
        status != abi::success)
      return status;

  abi::LaunchAttribute attributes[3] = {};
  unsigned count = 0;
  if (cluster > 1) {
    attributes[count].id = abi::attribute_cluster_dimension;
    attributes[count++].value.cluster = {static_cast<unsigned>(launch.cluster[0]),
                                         static_cast<unsigned>(launch.cluster[1]),
                                         static_cast<unsigned>(launch.cluster[2])};
  }
  if (launch.cooperative) {
    attributes[count].id = abi::attribute_cooperative;
    attributes[count++].value.flag = 1;
  }
  if (launch.programmatic_dependent) {
    attributes[count].id = abi::attribute_programmatic_stream_serialization;
    attributes[count++].value.flag = 1;
  }
  abi::LaunchConfig config{};
  for (int d = 0; d < 3; ++d) {
    config.grid[d] = static_cast<unsigned>(launch.grid[d]);
    config.block[d] = static_cast<unsigned>(launch.block[d]);
  }
  config.shared_bytes = static_cast<unsigned>(launch.shared_bytes);
  config.stream = stream;
  config.attributes = attributes;
  config.attribute_count = count;
  std::size_t size = parameters.size();
  void* extra[] = {abi::kLaunchParamBufferPointer, parameters.data(), abi::kLaunchParamBufferSize,
                   &size, abi::kLaunchParamEnd};
  return driver.launch(&config, function, nullptr, size ? extra : nullptr);
}

}  // namespace mtmc::device::cuda
