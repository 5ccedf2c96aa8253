// What the emulator's benchmark runs, and its two peers: the same CUDA source on fibres, and plain
// loops on one core.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace mtmc::bench {

struct Buffer {
  std::size_t elements;
  int bytes;  // per element: 4 is f32, 2 is f16
  bool output;
};

struct LaunchShape {
  std::array<unsigned, 3> grid, block;
};

// The kernel's arguments are its buffers, then as many of the integers as it takes.
struct Workload {
  const char* title;
  const char* kernel;  // the entry, and the name of its file without ".cu"
  LaunchShape shape;
  unsigned dynamic_shared_bytes;
  std::vector<Buffer> buffers;
  std::vector<int> integers;
  double tolerance;  // largest difference from the scalar peer over the largest value
  void (*fibres)(const LaunchShape& shape, void* const* buffers,
                 const int* integers);  // nullptr: inline PTX
  void (*scalar)(void* const* buffers, const int* integers);
};

std::vector<Workload> workloads(bool quick);
// Too large to run whole: for modelling from a sample of blocks.
Workload large_product();

}  // namespace mtmc::bench
