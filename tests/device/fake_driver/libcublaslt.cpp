// As much of cuBLASLt as a matmul step needs: descriptors hold what was set, the product is
// computed in column-major order from device memory, in the stream's turn.
#include <algorithm>
#include <cstring>

#include "device/cuda/library_abi.hpp"
#include "device/fake_driver/gpu.hpp"

#define FAKE_API extern "C" __attribute__((visibility("default")))

using namespace mtmc;
using fake::Gpu;
namespace abi = fake::abi;
namespace lt = mtmc::device::cuda::abi::cublaslt;

namespace {

Gpu& gpu() { return Gpu::instance(); }
constexpr int kInvalidValue = 7, kNotSupported = 15;

struct Layout {
  int type = 0;
  std::uint64_t rows = 0, columns = 0;
  std::int64_t leading = 0, batch_offset = 0;
  std::int32_t batch_count = 1;
};
struct Desc {
  int compute = 0;
  std::int32_t transpose_a = 0, transpose_b = 0;
};

}  // namespace

FAKE_API std::size_t cublasLtGetVersion() { return 130000; }
FAKE_API int cublasLtCreate(void** handle) {
  *handle = &gpu();
  return 0;
}
FAKE_API int cublasLtMatrixLayoutCreate(void** out, int type, std::uint64_t rows,
                                        std::uint64_t columns, std::int64_t leading) {
  *out = new Layout{type, rows, columns, leading, 0, 1};
  return 0;
}
FAKE_API int cublasLtMatrixLayoutSetAttribute(void* layout, int attribute, const void* value,
                                              std::size_t size) {
  auto& l = *static_cast<Layout*>(layout);
  if (attribute == lt::layout_batch_count && size == 4)
    std::memcpy(&l.batch_count, value, 4);
  else if (attribute == lt::layout_batch_offset && size == 8)
    std::memcpy(&l.batch_offset, value, 8);
  else
    return kInvalidValue;
  return 0;
}
FAKE_API int cublasLtMatrixLayoutDestroy(void* layout) {
  delete static_cast<Layout*>(layout);
  return 0;
}
FAKE_API int cublasLtMatmulDescCreate(void** out, int compute, int) {
  *out = new Desc{compute, 0, 0};
  return 0;
}
FAKE_API int cublasLtMatmulDescSetAttribute(void* desc, int attribute, const void* value,
                                            std::size_t size) {
  auto& d = *static_cast<Desc*>(desc);
  if (size != 4) return kInvalidValue;
  if (attribute == lt::desc_transa)
    std::memcpy(&d.transpose_a, value, 4);
  else if (attribute == lt::desc_transb)
    std::memcpy(&d.transpose_b, value, 4);
  else
    return kInvalidValue;
  return 0;
}
FAKE_API int cublasLtMatmulDescDestroy(void* desc) {
  delete static_cast<Desc*>(desc);
  return 0;
}
FAKE_API int cublasLtMatmulPreferenceCreate(void** out) {
  *out = new int(0);
  return 0;
}
FAKE_API int cublasLtMatmulPreferenceSetAttribute(void*, int attribute, const void*,
                                                  std::size_t size) {
  return attribute == lt::preference_max_workspace && size == sizeof(std::size_t) ? 0
                                                                                  : kInvalidValue;
}
FAKE_API int cublasLtMatmulPreferenceDestroy(void* preference) {
  delete static_cast<int*>(preference);
  return 0;
}
FAKE_API int cublasLtMatmulAlgoGetHeuristic(void*, void*, void* a, void*, void*, void*, void*, int,
                                            lt::Heuristic* out, int* found) {
  if (static_cast<Layout*>(a)->type != lt::r_32f) {
    *found = 0;
    return kNotSupported;
  }
  *out = {};
  out->workspace_bytes = 1024;
  *found = 1;
  return 0;
}
FAKE_API int cublasLtMatmul(void*, void* desc, const void* alpha, const void* a, void* a_layout,
                            const void* b, void* b_layout, const void* beta, const void*, void*,
                            void* d, void* d_layout, const lt::Algorithm*, void* workspace,
                            std::size_t workspace_bytes, abi::Stream stream) {
  if (workspace_bytes != 1024 || !gpu().host(reinterpret_cast<std::uint64_t>(workspace), 1024))
    return kInvalidValue;
  if (*static_cast<const float*>(alpha) != 1 || *static_cast<const float*>(beta) != 0)
    return kInvalidValue;
  const Desc op = *static_cast<Desc*>(desc);
  const Layout la = *static_cast<Layout*>(a_layout), lb = *static_cast<Layout*>(b_layout),
               ld = *static_cast<Layout*>(d_layout);
  const auto pa = reinterpret_cast<std::uint64_t>(a), pb = reinterpret_cast<std::uint64_t>(b),
             pd = reinterpret_cast<std::uint64_t>(d);
  const auto product = [=]() -> abi::Result {
    const std::uint64_t m = ld.rows, n = ld.columns, k = op.transpose_a ? la.rows : la.columns;
    const auto at = [](std::uint64_t base, const Layout& l, int batch, std::uint64_t row,
                       std::uint64_t column) {
      const auto index = static_cast<std::int64_t>(row) +
                         static_cast<std::int64_t>(column) * l.leading + batch * l.batch_offset;
      return reinterpret_cast<float*>(gpu().host(base + static_cast<std::uint64_t>(4 * index), 4));
    };
    for (int batch = 0; batch < ld.batch_count; ++batch)
      for (std::uint64_t i = 0; i < m; ++i)
        for (std::uint64_t j = 0; j < n; ++j) {
          float sum = 0;
          for (std::uint64_t l = 0; l < k; ++l) {
            const float* x = op.transpose_a ? at(pa, la, batch, l, i) : at(pa, la, batch, i, l);
            const float* y = op.transpose_b ? at(pb, lb, batch, j, l) : at(pb, lb, batch, l, j);
            if (!x || !y) return abi::illegal_address;
            sum += *x * *y;
          }
          float* out = at(pd, ld, batch, i, j);
          if (!out) return abi::illegal_address;
          *out = sum;
        }
    return abi::success;
  };
  gpu().enqueue(*reinterpret_cast<fake::FakeStream*>(stream), product);
  return 0;
}
