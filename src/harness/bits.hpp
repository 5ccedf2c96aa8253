// Two devices' outputs of one binary, element by element: equal bits, or how many representable
// numbers lie between.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "harness/verdict.hpp"

namespace mtmc::harness {

struct BitComparison {
  std::int64_t elements = 0;
  std::int64_t differing = 0;
  std::int64_t largest_ulp =
      0;  // 0 where all are equal; both NaN counts as equal, NaN against a number as 2^62
  std::string
      where;  // "y[17]: 0x3f800000 and 0x3f800001" of the largest; empty where all are equal
};

// Representable numbers between two stored values of a type, signs and zero crossing included; -0
// and 0 are 1 apart. For integers their distance. At most 2^62.
std::int64_t ulp_distance(op::DType dtype, std::uint64_t a, std::uint64_t b);

// Errors: bad_input where the two did not keep the same elements.
Result<BitComparison> compare_bits(const std::vector<KeptOutput>& a,
                                   const std::vector<KeptOutput>& b);

// True where every operation of the PTX has one IEEE result in any order of threads: no .approx, no
// matrix instruction (whose sums have no stated order), no floating-point atomic.
bool has_one_result(const std::string& ptx);

}  // namespace mtmc::harness
