// Scalar functions with the operator language's meaning: NaN propagates through min and max,
// division and remainder of integers round towards negative infinity as in Python. Overloads for
// float and double; integers compute as long long.
#pragma once

#define MTMC_DEVICE __device__ __forceinline__

#ifndef MTMC_INDEX
#define MTMC_INDEX int
#endif
// All index arithmetic of a unit; long long where a tensor has 2^31 elements or more.
using index_t = MTMC_INDEX;

// 0 <= i < extent in one comparison; extent is not negative.
MTMC_DEVICE bool index_inside(index_t i, index_t extent) {
  return (unsigned MTMC_INDEX)i < (unsigned MTMC_INDEX)extent;
}

MTMC_DEVICE float max_of(float a, float b) {
#if __CUDA_ARCH__ >= 800
  float r;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
#else
  return (a > b || a != a) ? a : b;
#endif
}
MTMC_DEVICE float min_of(float a, float b) {
#if __CUDA_ARCH__ >= 800
  float r;
  asm("min.NaN.f32 %0, %1, %2;" : "=f"(r) : "f"(a), "f"(b));
  return r;
#else
  return (a < b || a != a) ? a : b;
#endif
}
MTMC_DEVICE double max_of(double a, double b) { return (a > b || a != a) ? a : b; }
MTMC_DEVICE double min_of(double a, double b) { return (a < b || a != a) ? a : b; }
MTMC_DEVICE long long max_of(long long a, long long b) { return a > b ? a : b; }
MTMC_DEVICE long long min_of(long long a, long long b) { return a < b ? a : b; }

MTMC_DEVICE float sign_of(float x) { return x > 0 ? 1.f : x < 0 ? -1.f : x; }
MTMC_DEVICE double sign_of(double x) { return x > 0 ? 1.0 : x < 0 ? -1.0 : x; }
MTMC_DEVICE long long sign_of(long long x) { return (x > 0) - (x < 0); }
MTMC_DEVICE float abs_of(float x) { return fabsf(x); }
MTMC_DEVICE double abs_of(double x) { return fabs(x); }
MTMC_DEVICE long long abs_of(long long x) { return x < 0 ? -x : x; }

// PyTorch's remainder: the result has the divisor's sign.
MTMC_DEVICE float mod_of(float a, float b) {
  float r = fmodf(a, b);
  return (r != 0 && (r < 0) != (b < 0)) ? r + b : r;
}
MTMC_DEVICE double mod_of(double a, double b) {
  double r = fmod(a, b);
  return (r != 0 && (r < 0) != (b < 0)) ? r + b : r;
}
MTMC_DEVICE long long mod_of(long long a, long long b) {
  long long r = a % b;
  return (r != 0 && (r < 0) != (b < 0)) ? r + b : r;
}
MTMC_DEVICE float floor_div_of(float a, float b) {
  if (b == 0) return a / b;
  float r = fmodf(a, b);
  float q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  return rintf(q);
}
MTMC_DEVICE double floor_div_of(double a, double b) {
  if (b == 0) return a / b;
  double r = fmod(a, b);
  double q = (a - r) / b;
  if (r != 0 && (r < 0) != (b < 0)) q -= 1;
  return rint(q);
}
MTMC_DEVICE long long floor_div_of(long long a, long long b) {
  long long q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

// Index expressions whose operands may be negative.
MTMC_DEVICE index_t index_div(index_t a, index_t b) {
  index_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}
MTMC_DEVICE index_t index_mod(index_t a, index_t b) { return a - b * index_div(a, b); }
MTMC_DEVICE index_t index_min(index_t a, index_t b) { return a < b ? a : b; }
MTMC_DEVICE index_t index_max(index_t a, index_t b) { return a > b ? a : b; }
