// One kernel with its buffers and steps on the fake GPU.
#pragma once

#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "device/fake_gpu.hpp"

namespace mtmc::test {

class Bench {
 public:
  explicit Bench(const std::string& cuda) : device(open_gpu()) {
    auto loaded = device->load(machine_code(cuda));
    if (!loaded) FAIL(loaded.error().message);
    module = *loaded;
  }

  void buffer(const std::string& name, std::vector<float> values, bool writable = true) {
    auto made = device->allocate(
        {name, static_cast<std::int64_t>(4 * values.size()), 256, writable, false});
    if (!made) FAIL(made.error().message);
    buffers[name] = *made;
    sizes[name] = values.size();
    write(name, values);
  }
  void write(const std::string& name, const std::vector<float>& values) {
    auto ok = device->write(buffers.at(name), 0, std::as_bytes(std::span(values)));
    if (!ok) FAIL(ok.error().message);
  }
  std::vector<float> read(const std::string& name) {
    std::vector<float> values(sizes.at(name));
    auto ok = device->read(buffers.at(name), 0, std::as_writable_bytes(std::span(values)));
    if (!ok) FAIL(ok.error().message);
    return values;
  }

  kernel::ResolvedLaunch launch(const std::string& kernel, std::int64_t grid, std::int64_t block,
                                const std::vector<std::string>& pointers,
                                std::vector<int> numbers = {}) const {
    kernel::ResolvedLaunch l{kernel, {grid, 1, 1}, {block, 1, 1}, {1, 1, 1}, false, false, 0, {}};
    for (const auto& p : pointers) l.args.push_back(kernel::ResolvedBufferArg{p, 0});
    for (int n : numbers)
      l.args.push_back(kernel::ResolvedScalar{4, static_cast<std::uint32_t>(n)});
    return l;
  }
  void step(kernel::ResolvedStep s) {
    resolved.push_back(std::move(s));
    steps.push_back({&resolved.back(), module, &buffers, &recipe});
  }
  device::RunReport run() {
    auto report = device->run(steps, {});
    if (!report) FAIL(report.error().message);
    return *report;
  }

  std::unique_ptr<device::Device> device;
  int module = -1;
  std::map<std::string, int> buffers;
  std::map<std::string, std::size_t> sizes;
  kernel::ResolvedRecipe recipe;
  std::deque<kernel::ResolvedStep> resolved;
  std::vector<device::BoundStep> steps;
};

inline const char* kKernels = R"(
extern "C" __global__ void twice(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = 2 * x[i];
}
extern "C" __global__ void past_the_end(float* y, int n) { y[n + threadIdx.x] = 1.0f; }
extern "C" __global__ void before(float* y) { y[-1] = 1.0f; }
extern "C" __global__ void far_away(float* y) { y[1 << 28] = 1.0f; }
extern "C" __global__ void crooked(float* y) { *(double*)((char*)y + 4) = 1.0; }
extern "C" __global__ void reverse_in_shared(float* y, int n) {
  extern __shared__ float s[];
  for (int i = threadIdx.x; i < n; i += blockDim.x) s[i] = y[i];
  __syncthreads();
  for (int i = threadIdx.x; i < n; i += blockDim.x) y[i] = s[n - 1 - i];
}
extern "C" __global__ void add_one(float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += 1;
}
struct alignas(64) Map { unsigned long long opaque[16]; };
extern "C" __global__ void reads_map(const __grid_constant__ Map map, float* y) {
  y[threadIdx.x] = (float)(map.opaque[2] + 1000 * map.opaque[3]);
}
)";

}  // namespace mtmc::test
