// The language: structs, local arrays, switches, calls, recursion, function pointers, virtual
// functions, printf, assert, malloc, trap, static shared members, managed and global variables.
#include <cassert>
#include <cstdio>

struct Vec3 { float x, y, z; };
struct Big { int v[24]; };
struct Packed { char a; short b; int c; double d; };
__device__ __noinline__ Vec3 cross(Vec3 a, Vec3 b) { return {a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x}; }
__device__ __noinline__ Big shift(const Big b, int k) {
  Big r;
  for (int i = 0; i < 24; ++i) r.v[i] = b.v[(i + k) % 24];
  return r;
}
__device__ __noinline__ int collatz(int n) { return n == 1 ? 0 : 1 + collatz(n & 1 ? 3 * n + 1 : n / 2); }
__device__ __noinline__ bool is_odd(int n);
__device__ __noinline__ bool is_even(int n) { return n == 0 || is_odd(n - 1); }
__device__ __noinline__ bool is_odd(int n) { return n != 0 && is_even(n - 1); }
extern "C" __global__ void calls(const Vec3* a, Vec3* c, Big* big, int* n) {
  const int i = threadIdx.x;
  c[i] = cross(a[i], a[i + 1]);
  big[i] = shift(big[i], i);
  n[i] = collatz(n[i]) + is_even(n[i]);
}

typedef int (*Op)(int, int);
__device__ int op_add(int a, int b) { return a + b; }
__device__ int op_mul(int a, int b) { return a * b; }
__device__ int op_sub(int a, int b) { return a - b; }
__device__ Op table[3] = {op_add, op_mul, op_sub};
__constant__ Op constant_table[2] = {op_sub, op_add};
extern "C" __global__ void pointers(int* x, Op* given, int k) {
  Op local = k & 1 ? op_add : op_sub;
  x[threadIdx.x] = table[x[threadIdx.x] % 3](threadIdx.x, k) + local(1, k) + constant_table[k & 1](2, k);
  if (given) x[0] = given[0](1, 2);
  given[1] = op_mul;
}

struct Shape {
  __device__ virtual float area() const = 0;
  __device__ virtual ~Shape() {}
};
struct Square : Shape {
  float s;
  __device__ Square(float v) : s(v) {}
  __device__ float area() const override { return s * s; }
};
struct Circle : Shape {
  float r;
  __device__ Circle(float v) : r(v) {}
  __device__ float area() const override { return 3.14159f * r * r; }
};
extern "C" __global__ void virtual_call(float* x, int k) {
  Square square(x[0]);
  Circle circle(x[1]);
  Shape* shape = threadIdx.x % 2 ? (Shape*)&square : (Shape*)&circle;
  x[threadIdx.x] = shape->area();
}
extern "C" __global__ void heap(float* x) {
  float* p = (float*)malloc(64);
  p[0] = x[0];
  x[1] = p[0];
  free(p);
  Shape* s = new Square(2);
  x[2] = s->area();
  delete s;
}
extern "C" __global__ void talk(const int* x, const double* d, const char* s) {
  printf("hello\n");
  printf("%d %u %x %5.2f %e %s %c %p %lld %%\n", x[0], x[1], x[2], d[0], d[1], s, 'c', x, 12345678901ll);
  assert(x[threadIdx.x] > 0);
}
extern "C" __global__ void stop(int* x) {
  if (x[0] == 1) __trap();
  if (x[0] == 2) __brkpt();
  if (x[0] == 3) asm volatile("exit;");
  __builtin_assume(x[1] > 0);
  if (x[0] == 4) __builtin_unreachable();
  x[0] = 7;
}
extern "C" __global__ void locals(const Packed* p, Packed* q, int k) {
  int a[40];
  Packed s[4];
  for (int i = 0; i < 40; ++i) a[i] = i * k;
  for (int i = 0; i < 4; ++i) s[i] = p[i];
  s[k & 3].b = (short)a[k % 40];
  q[threadIdx.x] = s[(k + 1) & 3];
  for (int i = 0; i < 40; ++i) a[(i * k) % 40] += a[i];
  q[k].c = a[k & 31];
}
extern "C" __global__ void dense_switch(int* x, int k) {
  int v = x[threadIdx.x];
  switch (k) {
    case 0: v += 3; break;
    case 1: v *= 5; break;
    case 2: v ^= 7; break;
    case 3: v -= 11; break;
    case 4: v = v / 3; break;
    case 5: v = v << 3; break;
    case 6: v = ~v; break;
    case 7: v = v % 13; break;
    case 8: x[1] = v; break;
    default: v = -v;
  }
  x[threadIdx.x] = v;
}
__device__ int counter = 5;
__device__ __managed__ int managed_value = 3;
__device__ const char* names[2] = {"zero", "one"};
__shared__ int shared_global[8];
extern "C" __global__ void variables(int* x) {
  static __device__ int once = 4;
  shared_global[threadIdx.x & 7] = managed_value;
  __syncthreads();
  x[threadIdx.x] = atomicAdd(&counter, 1) + once++ + names[x[0] & 1][0] + shared_global[3];
}
extern "C" __global__ void grid_constant(const __grid_constant__ Big b, int* x) { x[threadIdx.x] = b.v[x[threadIdx.x] % 24]; }
extern "C" __global__ void struct_by_value(Big b, int* x, int k) {
  b.v[k] += 1;
  x[threadIdx.x] = b.v[threadIdx.x % 24];
}
extern "C" __global__ void dynamic_stack(int* x, int n) {
  int* p = (int*)alloca(n * sizeof(int));
  for (int i = 0; i < n; ++i) p[i] = x[i];
  x[0] = p[n - 1 - threadIdx.x];
}
extern "C" __global__ void goto_loops(int* x, int n) {
  int i = 0, s = 0;
  if (n & 1) goto middle;
top:
  s += x[i];
middle:
  if (++i < n) goto top;
  while (true) {
    s ^= x[s & 15];
    if (s & 16) continue;
    if (s % 7 == 3) break;
    s += 3;
  }
  x[threadIdx.x] = s;
}
extern "C" __global__ void __launch_bounds__(128, 2) bounded(float* x) { x[threadIdx.x] *= 2; }
