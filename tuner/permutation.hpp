// A seeded order of 0 .. size-1 that visits each number once, in constant memory: element i is a
// pure function of (seed, i). For random search without repetition over spaces of any size.
//
// Method: a four-round Feistel network over the next even number of bits, walked until it lands
// inside (Black, Rogaway, "Ciphers with Arbitrary Finite Domains", 2002). Not for secrets.
#pragma once

#include <bit>
#include <cstdint>

#include "base/rng.hpp"

namespace mtmc::tuner {

class Permutation {
 public:
  // REQUIRES: 1 <= size < 2^63.
  Permutation(std::uint64_t size, std::uint64_t seed)
      : size_(size),
        seed_(seed),
        half_((static_cast<unsigned>(std::bit_width(size - 1)) + 1) / 2) {}

  std::uint64_t size() const { return size_; }
  // REQUIRES: i < size(). Fewer than four rounds of the network on average.
  std::uint64_t operator()(std::uint64_t i) const {
    do i = scramble(i);
    while (i >= size_);
    return i;
  }

 private:
  std::uint64_t scramble(std::uint64_t x) const {
    const std::uint64_t mask = (std::uint64_t{1} << half_) - 1;
    std::uint64_t left = x >> half_, right = x & mask;
    for (std::uint64_t round = 0; round < 4; ++round) {
      const std::uint64_t mixed = left ^ (random_bits(seed_, round, right) & mask);
      left = right;
      right = mixed;
    }
    return left << half_ | right;
  }

  std::uint64_t size_, seed_;
  unsigned half_;  // bits of each half; 0 for size 1
};

}  // namespace mtmc::tuner
