// One resolved launch as the driver wants it: packed parameters and attributes.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "device/cuda/driver.hpp"
#include "device/device.hpp"

namespace mtmc::device::cuda {

using AddressOf = std::function<Result<abi::DevicePtr>(const std::string& buffer)>;

// The parameters of `function` as one packed buffer: at the offsets that the driver names (12.4 and
// later), which also checks their number and sizes; at natural ones before. A fault (launch_error)
// where the kernel takes something else or the driver refuses a tensor map.
Result<std::optional<Fault>> pack_parameters(const Driver& driver, abi::Function function,
                                             const kernel::ResolvedLaunch& launch,
                                             const AddressOf& address, std::vector<std::byte>& out);

// Sets what the function needs first (dynamic shared memory above 48 KB, clusters above 8 blocks),
// then launches.
abi::Result launch_kernel(const Driver& driver, abi::Function function,
                          const kernel::ResolvedLaunch& launch, std::vector<std::byte>& parameters,
                          abi::Stream stream);

}  // namespace mtmc::device::cuda
