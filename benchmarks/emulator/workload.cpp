#include "emulator/workload.hpp"

#include "emulator/peers.hpp"

namespace mtmc::bench {

// Quick shapes are for trying a change; the targets are about the others.
std::vector<Workload> workloads(bool quick) {
  const unsigned side = quick ? 512 : 1024, tiled = quick ? 256 : 512, rows = quick ? 512 : 4096;
  const std::size_t n2 = std::size_t{side} * side, t2 = std::size_t{tiled} * tiled;
  const std::size_t wide = std::size_t{rows} * 4096, short_rows = 512 * 4096,
                    sum = std::size_t{quick ? 1u : 16u} << 20;
  const int s = static_cast<int>(side);
  return {
      {quick ? "SGEMM 512^3, 128x128x8" : "SGEMM 1024^3, 128x128x8",
       "sgemm",
       {{side / 128, side / 128, 1}, {256, 1, 1}},
       0,
       {{n2, 4, false}, {n2, 4, false}, {n2, 4, true}},
       {s},
       1e-5,
       fibres_sgemm,
       scalar_sgemm},
      {quick ? "tiled SGEMM 256^3, 32x32" : "tiled SGEMM 512^3, 32x32",
       "sgemm_tile32",
       {{tiled / 32, tiled / 32, 1}, {32, 32, 1}},
       0,
       {{t2, 4, false}, {t2, 4, false}, {t2, 4, true}},
       {static_cast<int>(tiled)},
       1e-5,
       fibres_sgemm_tile32,
       scalar_sgemm_tile32},
      {quick ? "softmax 512x4096" : "softmax 4096x4096",
       "softmax",
       {{rows, 1, 1}, {256, 1, 1}},
       0,
       {{wide, 4, false}, {wide, 4, true}},
       {4096, static_cast<int>(rows)},
       1e-5,
       fibres_softmax,
       scalar_softmax},
      {"layernorm 512x4096",
       "layernorm",
       {{512, 1, 1}, {256, 1, 1}},
       0,
       {{short_rows, 4, false}, {4096, 4, false}, {4096, 4, false}, {short_rows, 4, true}},
       {4096, 512},
       1e-4,
       fibres_layernorm,
       scalar_layernorm},
      {quick ? "mma GEMM 512^3, 128x128" : "mma GEMM 1024^3, 128x128",
       "hgemm",
       {{side / 128, side / 128, 1}, {256, 1, 1}},
       3 * (128 * 40 + 32 * 136) * 2,
       {{n2, 2, false}, {n2, 2, false}, {n2, 4, true}},
       {s},
       1e-4,
       nullptr,
       scalar_hgemm},
      {quick ? "vadd 1 Mi" : "vadd 16 Mi",
       "vadd",
       {{1024, 1, 1}, {256, 1, 1}},
       0,
       {{sum, 4, false}, {sum, 4, false}, {sum, 4, true}},
       {static_cast<int>(sum)},
       0.0,
       fibres_vadd,
       scalar_vadd},
      {"conv 32x56x56, 3x3x32",
       "conv",
       {{32 * 56 * 56 / 256, 1, 1}, {256, 1, 1}},
       0,
       {{32 * 56 * 56, 4, false}, {32 * 32 * 9, 4, false}, {32, 4, false}, {32 * 56 * 56, 4, true}},
       {32, 32, 56, 56},
       1e-5,
       fibres_conv,
       scalar_conv},
  };
}

Workload large_product() {
  const std::size_t n2 = std::size_t{4096} * 4096;
  return {"SGEMM 4096^3, 128x128x8",
          "sgemm",
          {{32, 32, 1}, {256, 1, 1}},
          0,
          {{n2, 4, false}, {n2, 4, false}, {n2, 4, true}},
          {4096},
          1e-5,
          nullptr,
          nullptr};
}

}  // namespace mtmc::bench
