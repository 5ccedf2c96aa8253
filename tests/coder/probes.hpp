// The operators that every part of the house is tried on, and the steps that should end well for
// each.
#pragma once

#include <string>
#include <vector>

namespace mtmc::coder::test {

struct Probe {
  const char* name;
  const char* line;
  std::vector<std::string> steps;  // the expected good end
  std::vector<const char*> dims;   // further bindings of the region's dims: "d0=37,d1=53"
};

inline const std::vector<Probe>& probes() {
  static const std::vector<Probe> list = {
      {"pointwise_chain",
       "y = relu(x * 2 + b); x: f32[M,N]; b: f32[N]; M=64; N=128",
       {"fuse *", "vectorize g0 vector=4"},
       {"d0=1,d1=1", "d0=37,d1=53"}},
      {"row_softmax",
       "y = softmax(x, dim=-1); x: f32[M,N]; M=64; N=1024",
       {"fuse *", "vectorize g0 vector=4", "stage g0"},
       {"d0=1,d1=1", "d0=37,d1=53", "d0=3,d1=5000"}},
      {"gelu_linear",
       "y = gelu(x @ transpose(w, 0, 1) + b); x: f32[M,K]; w: f32[N,K]; b: f32[N]; M=128; N=128; "
       "K=64",
       {"fuse *", "tile g0", "vectorize g0 vector=4", "stage g0"},
       {"d0=1,d1=1,d2=1", "d0=37,d1=29,d2=53"}},
      {"split_k",
       "y = x @ w; x: f32[M,K]; w: f32[K,N]; M=32; N=32; K=2048",
       {"tile g0", "split g0 ways=8", "vectorize g0 vector=4", "stage g0"},
       {"d0=1,d1=1,d2=1", "d0=37,d1=29,d2=53"}},
      {"conv2d",
       "y = relu(conv2d(x, w, b, stride=1, padding=1)); x: f32[B,C,H,W]; w: f32[O,C,3,3]; b: "
       "f32[O]; B=2; C=4; H=14; W=14; O=32",
       {"fuse *", "tile g0", "stage g0"},
       {"d0=1,d1=1,d2=1,d3=1,d4=1", "d0=1,d1=3,d2=5,d3=7,d4=9"}},
      {"mlp_layer",
       "y = relu(linear(x, w, b)); x: f32[M,K]; w: f32[N,K] weight; b: f32[N] weight; M=64; N=96; "
       "K=80",
       {"fuse *", "tile g0", "vectorize g0 vector=4", "stage g0", "reorder g0"},
       {"d0=1,d1=1,d2=1", "d0=37,d1=29,d2=53"}},
  };
  return list;
}

}  // namespace mtmc::coder::test
