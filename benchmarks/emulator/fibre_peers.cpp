// The benchmark's CUDA sources compiled for this host on fibres.
#include "emulator/fibre.hpp"

#include "emulator/kernels/conv.cu"
#include "emulator/kernels/layernorm.cu"
#include "emulator/kernels/sgemm.cu"
#include "emulator/kernels/sgemm_tile32.cu"
#include "emulator/kernels/softmax.cu"
#include "emulator/kernels/vadd.cu"
#include "emulator/peers.hpp"

namespace mtmc::bench {
namespace {

template <class T>
T* at(void* const* buffers, int i) {
  return static_cast<T*>(buffers[i]);
}
void start(const LaunchShape& s, void (*body)(void* const*, const int*), void* const* buffers,
           const int* integers) {
  fibre::run({s.grid[0], s.grid[1], s.grid[2]}, {s.block[0], s.block[1], s.block[2]}, body, buffers,
             integers);
}

}  // namespace

#define MTMC_FIBRE_PEER(NAME, ...)                                                          \
  void fibres_##NAME(const LaunchShape& shape, void* const* buffers, const int* integers) { \
    start(                                                                                  \
        shape, [](void* const* p, const int* n) { NAME(__VA_ARGS__); }, buffers, integers); \
  }

MTMC_FIBRE_PEER(sgemm, at<float>(p, 0), at<float>(p, 1), at<float>(p, 2), n[0])
MTMC_FIBRE_PEER(sgemm_tile32, at<float>(p, 0), at<float>(p, 1), at<float>(p, 2), n[0])
MTMC_FIBRE_PEER(softmax, at<float>(p, 0), at<float>(p, 1), n[0])
MTMC_FIBRE_PEER(layernorm, at<float>(p, 0), at<float>(p, 1), at<float>(p, 2), at<float>(p, 3), n[0])
MTMC_FIBRE_PEER(vadd, at<float>(p, 0), at<float>(p, 1), at<float>(p, 2), n[0])
MTMC_FIBRE_PEER(conv, at<float>(p, 0), at<float>(p, 1), at<float>(p, 2), at<float>(p, 3), n[0],
                n[1], n[2], n[3])

}  // namespace mtmc::bench
