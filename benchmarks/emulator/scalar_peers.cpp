// The workloads' arithmetic as plain loops for one core: no blocking, no intrinsics, what a
// compiler makes of them.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "emulator/peers.hpp"

namespace mtmc::bench {
namespace {

const float* in(void* const* buffers, int i) { return static_cast<const float*>(buffers[i]); }
float* out(void* const* buffers, int i) { return static_cast<float*>(buffers[i]); }

template <class T>
void multiply(const T* a, const T* b, float* __restrict c, std::ptrdiff_t n) {
  std::memset(c, 0, static_cast<std::size_t>(n * n) * sizeof(float));
  for (std::ptrdiff_t i = 0; i < n; ++i)
    for (std::ptrdiff_t k = 0; k < n; ++k) {
      const float x = static_cast<float>(a[i * n + k]);
      for (std::ptrdiff_t j = 0; j < n; ++j) c[i * n + j] += x * static_cast<float>(b[k * n + j]);
    }
}

}  // namespace

void scalar_sgemm(void* const* p, const int* n) { multiply(in(p, 0), in(p, 1), out(p, 2), n[0]); }
void scalar_sgemm_tile32(void* const* p, const int* n) {
  multiply(in(p, 0), in(p, 1), out(p, 2), n[0]);
}
void scalar_hgemm(void* const* p, const int* n) {
  multiply(static_cast<const _Float16*>(p[0]), static_cast<const _Float16*>(p[1]), out(p, 2), n[0]);
}

void scalar_softmax(void* const* p, const int* n) {
  const std::ptrdiff_t rows = n[1], columns = n[0];
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    const float* x = in(p, 0) + r * columns;
    float* y = out(p, 1) + r * columns;
    float most = -INFINITY, sum = 0.0f;
    for (std::ptrdiff_t i = 0; i < columns; ++i) most = std::max(most, x[i]);
    for (std::ptrdiff_t i = 0; i < columns; ++i) sum += y[i] = std::exp(x[i] - most);
    const float inverse = 1.0f / sum;
    for (std::ptrdiff_t i = 0; i < columns; ++i) y[i] *= inverse;
  }
}

void scalar_layernorm(void* const* p, const int* n) {
  const std::ptrdiff_t rows = n[1], columns = n[0];
  const float *gain = in(p, 1), *bias = in(p, 2);
  for (std::ptrdiff_t r = 0; r < rows; ++r) {
    const float* x = in(p, 0) + r * columns;
    float* y = out(p, 3) + r * columns;
    float sum = 0.0f, squares = 0.0f;
    for (std::ptrdiff_t i = 0; i < columns; ++i) sum += x[i];
    const float mean = sum / static_cast<float>(columns);
    for (std::ptrdiff_t i = 0; i < columns; ++i) squares += (x[i] - mean) * (x[i] - mean);
    const float scale = 1.0f / std::sqrt(squares / static_cast<float>(columns) + 1e-5f);
    for (std::ptrdiff_t i = 0; i < columns; ++i) y[i] = (x[i] - mean) * scale * gain[i] + bias[i];
  }
}

void scalar_vadd(void* const* p, const int* n) {
  const float *a = in(p, 0), *b = in(p, 1);
  float* __restrict c = out(p, 2);
  for (std::ptrdiff_t i = 0; i < n[0]; ++i) c[i] = a[i] + b[i];
}

void scalar_conv(void* const* p, const int* n) {
  const int channels = n[0], filters = n[1], height = n[2], width = n[3];
  const float *x = in(p, 0), *w = in(p, 1), *bias = in(p, 2);
  float* y = out(p, 3);
  for (int f = 0; f < filters; ++f)
    for (int row = 0; row < height; ++row)
      for (int column = 0; column < width; ++column) {
        float sum = bias[f];
        for (int c = 0; c < channels; ++c)
          for (int h = std::max(row - 1, 0); h <= std::min(row + 1, height - 1); ++h)
            for (int v = std::max(column - 1, 0); v <= std::min(column + 1, width - 1); ++v)
              sum += x[(c * height + h) * width + v] *
                     w[((f * channels + c) * 3 + h - row + 1) * 3 + v - column + 1];
        y[(f * height + row) * width + column] = std::max(sum, 0.0f);
      }
}

}  // namespace mtmc::bench
