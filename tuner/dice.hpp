// Draws in order from one stream of the counter RNG: what a strategy's chance is made of.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/rng.hpp"

namespace mtmc::tuner {

class Dice {
 public:
  Dice(std::uint64_t seed, std::string_view stream)
      : state_(mix64(seed ^ mix64(stream_of(stream)))) {}

  // REQUIRES: n > 0. The bias is below n / 2^64.
  std::uint64_t below(std::uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<std::uint64_t>((static_cast<Wide>(bits()) * n) >> 64);
  }
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }  // in [0, 1)
  bool coin() { return bits() >> 63; }
  template <class T>
  void shuffle(std::vector<T>* list) {
    for (std::size_t i = list->size(); i > 1; --i) std::swap((*list)[i - 1], (*list)[below(i)]);
  }

 private:
  std::uint64_t bits() { return mix64(state_ += 0x9e3779b97f4a7c15ull); }
  std::uint64_t state_;
};

}  // namespace mtmc::tuner
