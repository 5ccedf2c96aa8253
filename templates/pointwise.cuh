// Every point of a flat domain, V neighbours at a time, in a grid-stride loop.
//
// Policy (a functor; Loader, Transform and Store in one, because a point needs no state):
//   bool aligned() const;                       // V neighbours from a multiple of V may be
//   accessed as vectors template <int V> void at(index_t e) const;  // computes and stores the
//   points e .. e + V - 1
// The launch may have any number of blocks; points are visited once each.
#pragma once
#include "copy.cuh"

template <int V, class Policy>
MTMC_DEVICE void pointwise(const Policy& policy, index_t total) {
  const bool aligned = V == 1 || policy.aligned();
  const index_t step = (index_t)gridDim.x * blockDim.x * V;
  for (index_t e = ((index_t)blockIdx.x * blockDim.x + threadIdx.x) * V; e < total; e += step) {
    if (aligned && e + V <= total) {
      policy.template at<V>(e);
    } else {
      for (index_t i = e; i < total && i < e + V; ++i) policy.template at<1>(i);
    }
  }
}
