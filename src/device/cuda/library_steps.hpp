// Library steps: routines of cuBLASLt and cuDNN, loaded with dlopen when a recipe first names one.
//
//   cublaslt matmul                buffers a, b, d   d[..,M,N] = a[..,M,K] b[..,K,N]
//     settings {"transpose_a": bool, "transpose_b": bool, "precision": "exact" | "tf32"}
//   cudnn    convolution_forward   buffers x, w, y   cross-correlation, NC(D)HW, any of 1 to 3
//   spatial axes
//     settings {"stride": [..], "padding": [..], "dilation": [..], "groups": 1, "precision":
//     "exact" | "tf32"}
//
// Tensors are contiguous, shapes and types are those of the recipe's buffers; sums are in f32 (f64
// for f64). "exact" forbids TF32. A setting or shape that a routine cannot have is a `refused`
// fault's text under `unsupported`. Belongs to the thread of its device, whose context is current.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/error.hpp"
#include "device/cuda/driver.hpp"
#include "device/cuda/launch.hpp"
#include "device/device.hpp"

namespace mtmc::device::cuda {

// A step made ready: descriptors, chosen algorithm, workspace. Submitting allocates nothing, so
// that it can be captured.
class LibraryPlan {
 public:
  virtual ~LibraryPlan() = default;
  // Empty, or what the library said.
  virtual std::string submit(abi::Stream stream) = 0;
};

struct LibraryOperand {
  abi::DevicePtr address = 0;
  op::DType dtype = op::DType::f32;
  std::vector<std::int64_t> shape;
};

// A failure to plan: a word of harness::Outcome and a line.
template <class T>
using Planned = tl::expected<T, Fault>;

Planned<std::unique_ptr<LibraryPlan>> plan_library_step(
    const Driver& driver, const kernel::Library& step, const std::vector<LibraryOperand>& operands);

// In cublaslt.cpp and cudnn.cpp.
Planned<std::unique_ptr<LibraryPlan>> plan_cublaslt_matmul(
    const Driver& driver, const std::string& settings, const std::vector<LibraryOperand>& operands);
Planned<std::unique_ptr<LibraryPlan>> plan_cudnn_convolution(
    const Driver& driver, const std::string& settings, const std::vector<LibraryOperand>& operands);

// For the probe: version text, or why not.
Result<std::string> cublaslt_version(std::string& path);
Result<std::string> cudnn_version(std::string& path);

}  // namespace mtmc::device::cuda
