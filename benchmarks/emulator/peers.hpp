// The peers of each workload, compiled for this host's CPU: see workload.hpp for the signatures.
#pragma once

#include "emulator/workload.hpp"

namespace mtmc::bench {

#define MTMC_PEER(NAME)                                                                    \
  void fibres_##NAME(const LaunchShape& shape, void* const* buffers, const int* integers); \
  void scalar_##NAME(void* const* buffers, const int* integers);
MTMC_PEER(sgemm)
MTMC_PEER(sgemm_tile32)
MTMC_PEER(softmax)
MTMC_PEER(layernorm)
MTMC_PEER(vadd)
MTMC_PEER(conv)
#undef MTMC_PEER
void scalar_hgemm(void* const* buffers, const int* integers);

}  // namespace mtmc::bench
