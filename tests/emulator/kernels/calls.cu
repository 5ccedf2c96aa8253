#include <cassert>
#include <cstdio>

struct Vec3 { float x, y, z; };
struct Big { int v[24]; };
__device__ __noinline__ Vec3 cross(Vec3 a, Vec3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
__device__ __noinline__ Big rotated(const Big b, int k) {
  Big r;
  for (int i = 0; i < 24; ++i) r.v[i] = b.v[(i + k) % 24];
  return r;
}
extern "C" __global__ void structs(const Vec3* a, Vec3* c, Big* big) {
  const int i = threadIdx.x;
  c[i] = cross(a[i], a[i + 1]);
  big[i] = rotated(big[i], i);
}
// Divergent: every lane stops at another depth, and goes on with its own n.
__device__ __noinline__ int collatz(int n) { return n == 1 ? 0 : 1 + collatz(n & 1 ? 3 * n + 1 : n / 2); }
__device__ __noinline__ int is_odd(int n);
__device__ __noinline__ int is_even(int n) { return n == 0 ? 1 : is_odd(n - 1) * 3 % 2; }
__device__ __noinline__ int is_odd(int n) { return n == 0 ? 0 : is_even(n - 1) * 5 % 2; }
__device__ __noinline__ int tree(int n, int* visits) {
  if (n < 2) return atomicAdd(visits, 1), n;
  const int left = tree(n - 1, visits);
  return left + tree(n - 2, visits);
}
extern "C" __global__ void recursion(int* n, int* visits) {
  const int i = threadIdx.x;
  n[i] = i % 3 == 0 ? collatz(n[i]) : i % 3 == 1 ? is_even(n[i]) : tree(n[i], visits);
}
__device__ __noinline__ int endless(int n) { return n + endless(n + 1) * 3; }
extern "C" __global__ void overflow(int* x) {
  x[0] = endless(x[0]);
}
typedef int (*Op)(int, int);
__device__ int op_add(int a, int b) { return a + b; }
__device__ int op_mul(int a, int b) { return a * b; }
__device__ int op_sub(int a, int b) { return a - b; }
__device__ Op table[3] = {op_add, op_mul, op_sub};
__constant__ Op constant_table[2] = {op_sub, op_add};
extern "C" __global__ void pointers(int* x, int k) {
  const Op local = k & 1 ? op_add : op_sub;
  const int i = threadIdx.x;
  x[i] = 100 * table[x[i] % 3](i, k) + 10 * local(1, k) + constant_table[k & 1](2, k);
}
extern "C" __global__ void wild_pointer(Op* op, int* x) { x[0] = op[0](1, 2); }
struct Shape {
  __device__ virtual float area() const = 0;
};
struct Square : Shape {
  float s;
  __device__ Square(float v) : s(v) {}
  __device__ float area() const override { return s * s; }
};
struct Circle : Shape {
  float r;
  __device__ Circle(float v) : r(v) {}
  __device__ float area() const override { return 3.0f * r * r; }
};
extern "C" __global__ void virtual_call(float* x) {
  Square square(x[0]);
  Circle circle(x[1]);
  Shape* shape = threadIdx.x % 2 ? (Shape*)&square : (Shape*)&circle;
  x[threadIdx.x] = shape->area();
}
extern "C" __global__ void talk(const double* d, const char* s) {
  if (threadIdx.x % 16 == 3) {
    printf("hello\n");
    printf("%d|%5u|%-6x|%08.3f|%e|%s|%c|%lld|%%|%s\n", -(int)threadIdx.x, blockIdx.x, 255u, d[0], d[1], s, 'c', -12345678901ll, "literal");
  }
}
extern "C" __global__ void talk_much(int n) {
  for (int i = 0; i < n; ++i) printf("block %d says %d for the %d-th time\n", blockIdx.x, i * i, i);
}
extern "C" __global__ void asserts(const int* x) { assert(x[threadIdx.x] > 0 && "positive"); }
__device__ __noinline__ void helper(int* x) {
  if (x[threadIdx.x] == 1) asm volatile("exit;");
  if (x[threadIdx.x] == 2) __trap();
  __syncthreads();
  x[threadIdx.x] += 10;
}
extern "C" __global__ void leaves(int* x) {
  helper(x);
  x[threadIdx.x] += 100;
}
__device__ const char* names[2] = {"zero", "one"};
extern "C" __global__ void named(int* x) { x[threadIdx.x] = names[x[threadIdx.x] & 1][1]; }
extern "C" __global__ void grid_constant(const __grid_constant__ Big b, int* x) { x[threadIdx.x] = b.v[x[threadIdx.x] % 24]; }
extern "C" __global__ void dynamic_stack(const int* x, int* y, int n) {
  int* p = (int*)alloca(n * sizeof(int));
  for (int i = 0; i < n; ++i) p[i] = x[i] + threadIdx.x;
  y[threadIdx.x] = p[n - 1 - threadIdx.x];
}
__device__ __forceinline__ int load_deep(const int* x, int i) { return x[i]; }
__device__ __forceinline__ int load_deeper(const int* x, int i) {
  return load_deep(x, i * 1000);
}
__device__ __noinline__ int called(const int* x, int i) {
  return load_deeper(x, i) + 1;
}
extern "C" __global__ void inlined_fault(int* x) {
  x[1] = called(x, x[0]);
}
