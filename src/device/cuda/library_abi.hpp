// What is used of cublasLt.h (12, 13) and cudnn.h (9), restated; see abi.hpp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mtmc::device::cuda::abi {

namespace cublaslt {
enum DataType : int { r_32f = 0, r_64f = 1, r_16f = 2, r_16bf = 14 };
enum Compute : int { compute_32f = 68, compute_64f = 70, compute_32f_fast_tf32 = 77 };
enum Attribute : int {
  layout_batch_count = 5,
  layout_batch_offset = 6,
  desc_transa = 3,
  desc_transb = 4,
  preference_max_workspace = 1,
};
struct Algorithm {
  std::uint64_t data[8];
};
struct Heuristic {
  Algorithm algorithm;
  std::size_t workspace_bytes;
  int state;
  float waves;
  int reserved[4];
};
}  // namespace cublaslt

namespace cudnn {
enum DataType : int { data_float = 0, data_double = 1, data_half = 2, data_bfloat16 = 9 };
enum MathType : int { tensor_op_math = 1, fma_math = 3 };
inline constexpr int kCrossCorrelation = 1, kTensorNchw = 0;
struct AlgorithmPerformance {
  int algorithm;
  int status;
  float time;
  std::size_t memory_bytes;
  int determinism;
  int math_type;
  int reserved[3];
};
}  // namespace cudnn

}  // namespace mtmc::device::cuda::abi
