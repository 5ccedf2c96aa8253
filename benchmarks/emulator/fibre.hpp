// CUDA C++ as host code: each thread of a block is a fibre with a stack of its own, switched by
// hand at barriers and shuffles. Included before CUDA sources, by one file only. It checks and
// counts nothing.
//
// Every thread of a block must meet the same barriers and shuffles: a barrier is one turn around
// the ring of live fibres. x86-64, System V ABI; one host thread.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
struct dim3 {
  unsigned x, y, z;
};
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }

namespace fibre {

inline constexpr int max_threads = 1024;
inline constexpr std::size_t stack_bytes = 32768;

dim3 thread_index, block_index, block_size, grid_size;
void* stack_pointer[max_threads];
void* main_pointer;
dim3 index_of[max_threads];
bool finished[max_threads];
int current, count, alive;
void (*body)(void* const*, const int*);
void* const* buffers;
const int* integers;
float exchanged[2][max_threads];  // shuffles alternate, so that one turn suffices
unsigned phase[max_threads];

// Saves the callee-saved registers on the old stack and takes up the new one.
extern "C" void mtmc_fibre_switch(void** from, void* to);
asm(R"(
.pushsection .text
.globl mtmc_fibre_switch
.type mtmc_fibre_switch, @function
mtmc_fibre_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size mtmc_fibre_switch, .-mtmc_fibre_switch
.popsection
)");

inline void make_current(int fibre) {
  current = fibre;
  thread_index = index_of[fibre];
}
inline int next_alive(int from) {
  int n = from;
  do n = n + 1 == count ? 0 : n + 1;
  while (finished[n]);
  return n;
}
inline void yield() {
  const int me = current, next = next_alive(me);
  if (next == me) return;
  make_current(next);
  mtmc_fibre_switch(&stack_pointer[me], stack_pointer[next]);
}
inline float exchange(float value, int with) {
  const unsigned p = phase[current]++ & 1;
  exchanged[p][current] = value;
  const int other = current ^ with;
  yield();
  return exchanged[p][other];
}

[[noreturn]] inline void start() {
  body(buffers, integers);
  finished[current] = true;
  void* unused;
  if (--alive == 0) mtmc_fibre_switch(&unused, main_pointer);
  const int next = next_alive(current);
  make_current(next);
  mtmc_fibre_switch(&unused, stack_pointer[next]);
  std::abort();
}

inline void run(dim3 grid, dim3 block, void (*kernel)(void* const*, const int*),
                void* const* pointers, const int* numbers) {
  static char* const stacks =
      static_cast<char*>(std::aligned_alloc(4096, stack_bytes * max_threads));
  grid_size = grid;
  block_size = block;
  body = kernel;
  buffers = pointers;
  integers = numbers;
  count = static_cast<int>(block.x * block.y * block.z);
  for (unsigned z = 0; z < grid.z; ++z)
    for (unsigned y = 0; y < grid.y; ++y)
      for (unsigned x = 0; x < grid.x; ++x) {
        block_index = {x, y, z};
        alive = count;
        for (int i = 0; i < count; ++i) {
          const unsigned u = static_cast<unsigned>(i);
          finished[i] = false;
          phase[i] = 0;
          index_of[i] = {u % block.x, u / block.x % block.y, u / (block.x * block.y)};
          void** top =
              reinterpret_cast<void**>(stacks + stack_bytes * (static_cast<std::size_t>(i) + 1));
          *--top = nullptr;  // keeps the stack as a call would leave it
          *--top = reinterpret_cast<void*>(&start);
          for (int r = 0; r < 6; ++r) *--top = nullptr;
          stack_pointer[i] = top;
        }
        make_current(0);
        mtmc_fibre_switch(&main_pointer, stack_pointer[0]);
      }
}

}  // namespace fibre

#define threadIdx fibre::thread_index
#define blockIdx fibre::block_index
#define blockDim fibre::block_size
#define gridDim fibre::grid_size
#define __syncthreads() fibre::yield()
#define __shfl_xor_sync(members, value, mask) fibre::exchange(value, mask)
#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(n)
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))
