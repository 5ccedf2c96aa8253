// Kernels in which lanes and warps depend on each other, from NVRTC's texts in three dialects.
#include <catch2/catch.hpp>
#include <numeric>

#include "emulator/fixture.hpp"

using namespace mtmc::emulator;
using namespace mtmc::emulator::test;

TEST_CASE("block sums meet through shuffles, shared memory and an atomic") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<int> x(5000);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<int>(i * 37 % 101) - 50;
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t po = device.upload(std::vector<int>(1), "out");
    RunOptions options;
    options.threads = 2;
    run_well(load(std::string("warp.") + dialect, "block_sum"), device,
             launch({6, 1, 1}, {96, 1, 1}, Arguments().add(px).add(po).add(5000)), options);
    CHECK(device.download<int>(po, 1)[0] == std::accumulate(x.begin(), x.end(), 0));
  }
}

TEST_CASE("histogram with shared and global atomics") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<uint8_t> x(3000);
    std::vector<uint32_t> expected(256);
    for (size_t i = 0; i < x.size(); ++i) {
      x[i] = static_cast<uint8_t>(i * i >> 3);
      ++expected[x[i]];
    }
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t pb = device.upload(std::vector<uint32_t>(256), "bins");
    RunOptions options;
    options.threads = 3;
    run_well(load(std::string("warp.") + dialect, "histogram"), device,
             launch({4, 1, 1}, {128, 1, 1}, Arguments().add(px).add(pb).add(3000)), options);
    CHECK(device.download<uint32_t>(pb, 256) == expected);
  }
}

TEST_CASE("atomics on floats keep the order of blocks for any number of threads") {
  for (const char* dialect : dialects) {
    const int n = 300;
    std::vector<float> x(n);
    for (int i = 0; i < n; ++i) x[i] = 1.0f / static_cast<float>(i + 3);
    float sum = 0;
    int most = 0;
    uint32_t toggles = 0;
    for (int i = 0; i < n; ++i) {
      sum += x[i];
      most = std::max(most, static_cast<int>(x[i] * 1000.0f));
      toggles ^= 1u << (i & 31);
    }
    for (const int threads : {1, 4}) {
      Device device;
      const uint64_t px = device.upload(x, "x", Access::read_only);
      const uint64_t ps = device.upload(std::vector<float>(1), "sum");
      const uint64_t pm = device.upload(std::vector<int>(4), "most");
      RunOptions options;
      options.threads = threads;
      run_well(load(std::string("warp.") + dialect, "float_atomics"), device,
               launch({5, 1, 1}, {64, 1, 1}, Arguments().add(px).add(ps).add(pm).add(n)), options);
      CHECK(device.download<float>(ps, 1)[0] == sum);
      CHECK(device.download<int>(pm, 4) ==
            std::vector<int>{most, 77, static_cast<int>(toggles), n});
    }
  }
}

TEST_CASE("votes, matches, reductions and shuffles answer per lane") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<int> x(32);
    for (int i = 0; i < 32; ++i) x[i] = i * 11 % 29;
    const uint64_t px = device.upload(x, "x", Access::read_only);
    const uint64_t po = device.upload(std::vector<uint32_t>(256), "out");
    run_well(load(std::string("warp.") + dialect, "votes"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(px).add(po)));
    const auto out = device.download<uint32_t>(po, 256);
    uint32_t ballot = 0, odd_thirds = 0, sum = 0;
    for (int i = 0; i < 32; ++i) {
      ballot |= static_cast<uint32_t>(x[i] > 3) << i;
      if (i % 3 == 0) odd_thirds |= static_cast<uint32_t>(x[i] & 1) << i;
      sum += static_cast<uint32_t>(x[i]);
    }
    for (int l = 0; l < 32; ++l) {
      uint32_t same = 0;
      for (int k = 0; k < 32; ++k) same |= static_cast<uint32_t>((x[k] & 3) == (x[l] & 3)) << k;
      CHECK(out[l] == ballot);
      CHECK(out[32 + l] == 1);
      CHECK(out[64 + l] == same);
      CHECK(out[96 + l] == sum);
      CHECK(out[128 + l] == static_cast<uint32_t>(x[l < 3 ? l : l - 3]));
      CHECK(out[160 + l] == static_cast<uint32_t>(x[(l & 24) + (l * 7 & 7)]));
      CHECK(out[192 + l] == (l % 3 == 0 ? odd_thirds : 0));
      CHECK(out[224 + l] == 32);
    }
  }
}

TEST_CASE("diverged lanes wait for each other where they are named") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<int> turns(64), sums(64);
    int many = 0;
    for (int i = 0; i < 64; ++i) {
      turns[i] = i * 5 % 9;
      sums[i] = turns[i] * (turns[i] - 1) / 2;
      many += sums[i] > 10;
    }
    const uint64_t pt = device.upload(turns, "turns", Access::read_only);
    const uint64_t po = device.upload(std::vector<int>(64), "out");
    run_well(load(std::string("warp.") + dialect, "late_meeting"), device,
             launch({1, 1, 1}, {64, 1, 1}, Arguments().add(pt).add(po)));
    const auto out = device.download<int>(po, 64);
    for (int i = 0; i < 64; ++i) CHECK(out[i] == sums[i ^ 1] + many);
  }
}

TEST_CASE("named barriers order a producer and a consumer") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t po = device.upload(std::vector<int>(32), "out");
    run_well(load(std::string("warp.") + dialect, "producer_consumer"), device,
             launch({1, 1, 1}, {64, 1, 1}, Arguments().add(po)));
    const auto out = device.download<int>(po, 32);
    for (int i = 0; i < 32; ++i) CHECK(out[i] == (31 - i) * 3);
  }
}

TEST_CASE("lanes that have exited are not waited for") {
  for (const char* dialect : dialects) {
    Device device;
    const uint64_t po = device.upload(std::vector<int>(70), "out");
    run_well(load(std::string("warp.") + dialect, "early_exit"), device,
             launch({1, 1, 1}, {70, 1, 1}, Arguments().add(po)));
    const auto out = device.download<int>(po, 70);
    for (int i = 0; i < 70; ++i) CHECK(out[i] == (i % 3 == 1 ? 0 : i + 1));
  }
}

TEST_CASE("generic addresses reach shared, local and global memory in one request") {
  for (const char* dialect : dialects) {
    Device device;
    std::vector<int> in(32);
    for (int i = 0; i < 32; ++i) in[i] = -i;
    const uint64_t pi = device.upload(in, "in", Access::read_only);
    const uint64_t po = device.upload(std::vector<int>(32), "out");
    run_well(load(std::string("warp.") + dialect, "generic_pointers"), device,
             launch({1, 1, 1}, {32, 1, 1}, Arguments().add(po).add(pi).add(0)));
    const auto out = device.download<int>(po, 32);
    for (int i = 0; i < 32; ++i) {
      CHECK(out[i] == (i == 8 ? 40 : i % 2 != 0 ? 31 - i + 100 : -i));
    }
  }
}
