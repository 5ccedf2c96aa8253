// How much faster two compile workers are than one, for header-free candidates: the same distinct kernels, compiled by
// one thread and by two, in turn, without a cache.
//
//   compile-throughput MTMC [ROUNDS]        prints one JSON object; times are this machine's, the ratio is what counts
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "compiler/compiler.hpp"

namespace {

using namespace mtmc;

// A tiled product with a micro tile per thread; `variant` makes each text, and its machine code, another one.
std::string product(int variant) {
  const int tile = variant % 2 ? 32 : 64, micro = 2 << variant % 3, depth = 8 << variant % 2;
  return fmt::format(R"cuda(
extern "C" __global__ void product{0}(const float* a, const float* b, float* c, int m, int n, int k) {{
  constexpr int TILE = {1}, MICRO = {2}, DEPTH = {3}, SIDE = TILE / MICRO;
  __shared__ float sa[DEPTH][TILE], sb[DEPTH][TILE];
  const int tx = threadIdx.x % SIDE, ty = threadIdx.x / SIDE;
  float acc[MICRO][MICRO] = {{}};
  for (int k0 = 0; k0 < k; k0 += DEPTH) {{
    for (int i = threadIdx.x; i < TILE * DEPTH; i += SIDE * SIDE) {{
      const int row = i % TILE, d = i / TILE;
      sa[d][row] = a[(blockIdx.y * TILE + row) * k + k0 + d] + {0}.0f;
      sb[d][row] = b[(k0 + d) * n + blockIdx.x * TILE + row];
    }}
    __syncthreads();
    for (int d = 0; d < DEPTH; ++d)
      for (int i = 0; i < MICRO; ++i)
        for (int j = 0; j < MICRO; ++j) acc[i][j] += sa[d][ty * MICRO + i] * sb[d][tx * MICRO + j];
    __syncthreads();
  }}
  for (int i = 0; i < MICRO; ++i)
    for (int j = 0; j < MICRO; ++j)
      c[(blockIdx.y * TILE + ty * MICRO + i) * n + blockIdx.x * TILE + tx * MICRO + j] = acc[i][j];
}}
)cuda",
                     variant, tile, micro, depth);
}

double seconds(compiler::Compiler& compiler, int threads, int kernels) {
  std::atomic<int> next{0}, failed{0};
  const auto work = [&] {
    for (int v = next++; v < kernels; v = next++) {
      compiler::CompileRequest request;
      request.sources = {{"unit.cu", product(v)}};
      request.architecture = "sm_90a";
      const auto outcome = compiler.compile(request);
      failed += !outcome || !std::holds_alternative<compiler::Binary>(*outcome);
    }
  };
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> crew;
  for (int t = 0; t < threads; ++t) crew.emplace_back(work);
  for (auto& t : crew) t.join();
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  if (failed) std::fprintf(stderr, "%d of %d kernels did not compile\n", failed.load(), kernels), std::exit(1);
  return took.count();
}

}  // namespace

int main(int count, char** arguments) {
  if (count < 2) return std::fprintf(stderr, "usage: compile-throughput MTMC [ROUNDS]\n"), 2;
  const int rounds = count > 2 ? std::atoi(arguments[2]) : 3, kernels = 36;
  compiler::CompilerSettings settings;
  settings.tool = arguments[1];
  settings.max_workers = 2;
  auto compiler = compiler::Compiler::create(settings);
  if (!compiler) return std::fprintf(stderr, "%s\n", compiler.error().message.c_str()), 3;
  seconds(**compiler, 2, 4);  // both workers are up
  double one = 0, two = 0;
  for (int r = 0; r < rounds; ++r) {
    one += seconds(**compiler, 1, kernels);
    two += seconds(**compiler, 2, kernels);
  }
  fmt::print("{{\"kernels\":{},\"rounds\":{},\"one_s\":{:.3f},\"two_s\":{:.3f},\"ratio\":{:.3f}}}\n", kernels, rounds, one,
             two, one / two);
}
