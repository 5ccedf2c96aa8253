// Counter random numbers: element i of a stream is a pure function of (seed, stream, i), so inputs
// are made in place on any device, in any order, and any element can be asked for again.
//
// Method: SplitMix64's finaliser (Steele, Lea, Flood 2014) over a key and a counter. Not for secrets.
// The same arithmetic stands in templates/tile/rng.cuh; a test compares the two.
#pragma once

#include <cstdint>
#include <string_view>

namespace mtmc {

constexpr std::uint64_t mix64(std::uint64_t z) {
  z += 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

// 64 random bits of element `index` of stream `stream`.
constexpr std::uint64_t random_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  return mix64(mix64(seed ^ mix64(stream)) + index * 0xd1342543de82ef95ull);
}

// Uniform in [0, 1) with 24 bits: every value is exact in float32 and in float64.
constexpr double random_uniform(std::uint64_t bits) {
  return static_cast<double>(bits >> 40) * (1.0 / 16777216.0);
}

// A stream number for a tensor's name (FNV-1a, then mixed).
constexpr std::uint64_t stream_of(std::string_view name) {
  std::uint64_t h = 0xcbf29ce484222325ull;
  for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return mix64(h);
}

}  // namespace mtmc
