// y = relu(x * w + bias), 3x3, padding 1, one image: one value per thread, edges by divergent
// branches.
extern "C" __global__ void conv(const float* __restrict__ x, const float* __restrict__ w,
                                const float* __restrict__ bias, float* __restrict__ y, int channels,
                                int filters, int height, int width) {
  const int id = blockIdx.x * blockDim.x + threadIdx.x;
  if (id >= filters * height * width) return;
  const int column = id % width, row = id / width % height, filter = id / (width * height);
  float sum = bias[filter];
  for (int c = 0; c < channels; ++c) {
    for (int r = 0; r < 3; ++r) {
      const int h = row - 1 + r;
      if ((unsigned)h >= (unsigned)height) continue;
      for (int s = 0; s < 3; ++s) {
        const int v = column - 1 + s;
        if ((unsigned)v >= (unsigned)width) continue;
        sum += x[(c * height + h) * width + v] * w[((filter * channels + c) * 3 + r) * 3 + s];
      }
    }
  }
  y[id] = fmaxf(sum, 0.0f);
}
